#!/usr/bin/env bash
# uvloop: a paused protocol is not resumed at the low-water mark, but when the write() that fills
# the buffer has left as a whole.
#
# Seen with uvloop 0.23.0, CPython 3.11.7, Linux 6.18.
#
# With set_write_buffer_limits(high, low) asyncio calls pause_writing() above high and
# resume_writing() as soon as no more than low is in the buffer, so that a writer has something
# under way all the time. uvloop takes the same limits, reports them, and its
# get_write_buffer_size() falls as octets leave; but it compares that with low only when libuv has
# finished a request, which is all that was written in one turn of the loop. After one long
# write() the writer is woken when the buffer is empty: on a path with a round trip or a receiver
# that reads in bursts nothing is under way until the program has written again.
# asyncio.StreamWriter.drain() waits for the same call.
#
# Output:
#   asyncio: high 1000000, low 900000, one write of 2000000: resumed at 850000 to 900000 octets
#   uvloop:  high 1000000, low 900000, one write of 2000000: still paused below 500000, resumed at 0
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

HIGH, LOW, LENGTH = 1_000_000, 900_000, 2_000_000


class Writer(asyncio.Protocol):
    paused = False
    resumed_at = None

    def connection_made(self, transport):
        self.transport = transport

    def pause_writing(self):
        self.paused = True

    def resume_writing(self):
        self.paused = False
        self.resumed_at = self.transport.get_write_buffer_size()


async def resumption():
    """The least that was in the buffer while paused, and what was in it when resumed."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    transport, writer = await asyncio.get_running_loop().create_connection(Writer, sock=ours)
    transport.set_write_buffer_limits(high=HIGH, low=LOW)
    assert transport.get_write_buffer_limits() == (LOW, HIGH)
    transport.write(bytes(LENGTH))
    await asyncio.sleep(0.05)
    assert writer.paused
    least, read = LENGTH, 0
    while writer.paused and read < LENGTH:
        least = min(least, transport.get_write_buffer_size())
        try:
            read += len(theirs.recv(30_000))
        except BlockingIOError:
            pass
        await asyncio.sleep(0.002)
    await asyncio.sleep(0.05)
    transport.abort()
    theirs.close()
    return least, writer.resumed_at


limits = f"high {HIGH}, low {LOW}, one write of {LENGTH}"
least, resumed_at = asyncio.run(resumption())
if not (least > LOW - 50_000 and LOW - 50_000 <= resumed_at <= LOW):
    sys.exit(f"changed: asyncio: paused at {least}, resumed at {resumed_at}")
print(f"asyncio: {limits}: resumed at {LOW - 50_000} to {LOW} octets")
least, resumed_at = uvloop.run(resumption())
if not (least < 500_000 and resumed_at == 0):
    sys.exit(f"changed: uvloop: paused at {least}, resumed at {resumed_at}")
print(f"uvloop:  {limits}: still paused below 500000, resumed at {resumed_at}")
PYTHON
