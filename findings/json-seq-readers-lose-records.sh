#!/usr/bin/env bash
# JSON text sequences (RFC 7464, the form of qlog's .sqlog files): each of three readers loses
# records that the RFC lets one read.
#
# Seen with jsonseq 1.0.0 and rfc7464 17.7.0 (Python 3.11.7), json-text-sequence 4.0.3 (npm,
# Node.js 20.20).
#
# A record is RS (0x1e), a JSON text and a line feed. The text may have line feeds of its own. A
# parser is to go by RS, and the RFC's grammar for parsers does not ask for the last line feed: an
# object is whole at its brace, only numbers and words need what follows.
# - rfc7464 takes the first line feed for the end of the record, and drops indented ones without a
#   word.
# - rfc7464 and json-text-sequence leave out a last object whose line feed is missing, as when the
#   writer was stopped.
# - jsonseq looks for RS only where a piece of its input begins: given lines it works, given a
#   file's blocks it raises, though what it says of itself is that it takes pieces of texts.
#
# Output (records of 1, 2, 3 that were read):
#   first record indented: jsonseq 1 2 3, rfc7464 2 3, json-text-sequence 1 2 3; right 1 2 3
#   no line feed at the end: jsonseq 1 2 3, rfc7464 1 2, json-text-sequence 1 2; right 1 2 3
#   read by 7 characters: jsonseq JSONDecodeError, rfc7464 1 2 3, json-text-sequence 1 2 3; right 1 2 3
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 120 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    jsonseq==1.0.0 rfc7464==17.7.0
timeout 120 npm install --silent --no-audit --no-fund --prefix "$folder" \
    json-text-sequence@4.0.3 >/dev/null

cd "$folder"
cat > read.mjs <<'JAVASCRIPT'
import { readFileSync } from 'node:fs'
import { Parser } from 'json-text-sequence'

const [file, size] = process.argv.slice(2)
const parser = new Parser()
const found = []
parser.on('data', (record) => found.push(record.n))
parser.on('end', () => console.log(found.join(' ')))
const octets = readFileSync(file)
for (let at = 0; at < octets.length; at += Number(size)) {
  parser.write(octets.subarray(at, at + Number(size)))
}
parser.end()
JAVASCRIPT

timeout 60 venv/bin/python - <<'PYTHON'
import io
import pathlib
import subprocess
import sys

import rfc7464
from jsonseq.decode import JSONSeqDecoder

ONE, TWO, THREE = (f'\x1e{{"n": {n}}}\n' for n in (1, 2, 3))
WHOLE = 1000
CASES = {
    "first record indented": ('\x1e{\n  "n": 1\n}\n' + TWO + THREE, WHOLE),
    "no line feed at the end": (ONE + TWO + THREE.rstrip("\n"), WHOLE),
    "read by 7 characters": (ONE + TWO + THREE, 7),
}
EXPECTED = {
    "first record indented": ("1 2 3", "2 3", "1 2 3", "1 2 3"),
    "no line feed at the end": ("1 2 3", "1 2", "1 2", "1 2 3"),
    "read by 7 characters": ("JSONDecodeError", "1 2 3", "1 2 3", "1 2 3"),
}


def pieces(text, size):
    return [text[at : at + size] for at in range(0, len(text), size)]


def numbers(records):
    return " ".join(str(record["n"]) for record in records)


def with_jsonseq(text, size):
    given = io.StringIO(text) if size == WHOLE else pieces(text, size)  # lines, or pieces
    try:
        return numbers(list(JSONSeqDecoder().decode(given)))
    except ValueError as error:
        return type(error).__name__


def with_rfc7464(text, size):
    parser = rfc7464.Parser()
    return numbers(
        record for piece in pieces(text, size) for record in parser.receive(piece.encode())
    )


def with_json_text_sequence(text, size):
    pathlib.Path("log.sqlog").write_text(text)
    command = ["node", "read.mjs", "log.sqlog", str(size)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


READERS = {
    "jsonseq": with_jsonseq,
    "rfc7464": with_rfc7464,
    "json-text-sequence": with_json_text_sequence,
}
for name, (text, size) in CASES.items():
    *expected, right = EXPECTED[name]
    seen = []
    for (reader, read), result in zip(READERS.items(), expected, strict=True):
        found = read(text, size)
        if found != result:
            sys.exit(f"changed: {name}: {reader} {found} instead of {result}")
        seen.append(f"{reader} {found}")
    print(f"{name}: {', '.join(seen)}; right {right}")
PYTHON
