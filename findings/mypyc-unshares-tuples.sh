#!/usr/bin/env bash
# mypyc: a tuple that many objects share is copied into each of them, and made anew at each look.
#
# Seen with mypy 2.4.1, setuptools 80.9.0, CPython 3.11.7, Linux 6.18, gcc 12.
#
# A program keeps one pair, an address say, and lets ten thousand objects point to it: eight octets
# for each. Compiled, an attribute whose type is a tuple of fixed length is no pointer any more: its
# parts lie in the object, and each read makes a new tuple of them. So what was shared is not
# ("is" says False, of an attribute and itself, too), a dict or a list that holds what was read
# keeps a tuple of its own for each entry, and sharing to save memory does the opposite: the object
# is larger by a part, and each stored read costs 56 octets. "==" and hash() are as before, and no
# tool warns. tuple[int, ...] and object stay pointers. It is how native tuples are meant to be; but
# the same module behaves as written until it is compiled.
#
# Output:
#   interpreted: same object True, 1000 reads kept are 1 object
#   compiled, tuple[str, int]: same object False, 1000 reads kept are 1000 objects
#   compiled, object: same object True, 1000 reads kept are 1 object
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 180 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    mypy==2.4.1 setuptools==80.9.0

cat > "$folder/fixed.py" <<'PYTHON'
class Peer:
    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
PYTHON
sed 's/: tuple\[str, int\]/: object/' "$folder/fixed.py" > "$folder/plain.py"
cat > "$folder/look.py" <<'PYTHON'
import importlib
import sys

module = importlib.import_module(sys.argv[1])
address = ("10.0.0.1", 4711)
peer = module.Peer(address)
same = peer.address is peer.address is address
kept = {id(each) for each in [peer.address for _ in range(1000)]}
print(same, len(kept), module.__file__.endswith(".py"))
PYTHON

cd "$folder"
interpreted=$(timeout 60 venv/bin/python look.py fixed)
timeout 300 venv/bin/mypyc fixed.py plain.py > build.log 2>&1 || { tail -5 build.log; exit 1; }
fixed=$(timeout 60 venv/bin/python look.py fixed)
plain=$(timeout 60 venv/bin/python look.py plain)
[ "$interpreted" = "True 1 True" ] || { echo "changed: interpreted: $interpreted"; exit 1; }
[ "$fixed" = "False 1000 False" ] || { echo "changed: compiled, tuple[str, int]: $fixed"; exit 1; }
[ "$plain" = "True 1 False" ] || { echo "changed: compiled, object: $plain"; exit 1; }
echo "interpreted: same object True, 1000 reads kept are 1 object"
echo "compiled, tuple[str, int]: same object False, 1000 reads kept are 1000 objects"
echo "compiled, object: same object True, 1000 reads kept are 1 object"
