#!/usr/bin/env bash
# uvloop's loop.getaddrinfo() drops the zone of a link-local address, and accepts zones that do
# not exist.
#
# Seen with uvloop 0.23.0, CPython 3.11.7, Linux 6.18.
#
# "fe80::1%lo" is an address together with the link that it is valid on. asyncio's loop gives
# both, the link as the fourth item of the address (the scope id, what if_nametoindex() says), and
# raises gaierror for a link that is not there. uvloop looks whether a host is a literal address
# before it asks the resolver, cuts off what follows "%" for that, and answers with scope id 0. A
# connect() or sendto() to what it returns is refused with EINVAL or leaves on whichever link a
# route names, and a zone that was mistyped is found out by nobody.
#
# Output:
#   asyncio: fe80::1%lo -> scope id 1, fe80::1%nosuchlink -> gaierror
#   uvloop:  fe80::1%lo -> scope id 0, fe80::1%nosuchlink -> scope id 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 180 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvloop==0.23.0

timeout 60 "$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
import sys

import uvloop


async def scope_ids():
    found = []
    for zone in ("lo", "nosuchlink"):
        try:
            answer = await asyncio.get_running_loop().getaddrinfo(
                f"fe80::1%{zone}", 9, type=socket.SOCK_DGRAM
            )
            found.append(f"fe80::1%{zone} -> scope id {answer[0][4][3]}")
        except socket.gaierror:
            found.append(f"fe80::1%{zone} -> gaierror")
    return ", ".join(found)


expected = {
    "asyncio": f"fe80::1%lo -> scope id {socket.if_nametoindex('lo')}, "
    "fe80::1%nosuchlink -> gaierror",
    "uvloop": "fe80::1%lo -> scope id 0, fe80::1%nosuchlink -> scope id 0",
}
for name, run in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
    seen = run(scope_ids())
    if seen != expected[name]:
        sys.exit(f"changed: {name}: {seen}")
    print(f"{name + ':':8} {seen}")
PYTHON
