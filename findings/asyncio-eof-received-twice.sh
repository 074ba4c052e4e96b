#!/usr/bin/env bash
# asyncio: the end of a stream is told again and again: eof_received() is called once more after
# each resume_reading().
#
# Seen with CPython 3.11.7, 3.12.1 and 3.13.0, and the same on uvloop 0.23.0.
#
# A protocol whose eof_received() returns True keeps its connection half open, to go on writing.
# The transport has seen the FIN then and has nothing more to read. But pause_reading() and
# resume_reading(), as flow control calls them at any time (a relay whose other side is slow, for
# one), make it watch the socket again, which is readable for ever with nothing: eof_received() is
# called each time, though the documentation of protocols allows it "at most once". A protocol
# that passes the end on to another connection calls that one's write_eof() twice.
#
# Output:
#   after the FIN: data_received, eof_received
#   paused and resumed: data_received, eof_received, eof_received
#   paused and resumed: data_received, eof_received, eof_received, eof_received
set -euo pipefail
timeout 60 python3 - <<'PYTHON'
import asyncio
import socket
import sys


class Protocol(asyncio.Protocol):
    def __init__(self):
        self.calls = []

    def data_received(self, data):
        self.calls.append("data_received")

    def eof_received(self):
        self.calls.append("eof_received")
        return True  # stay half open


def expect(what, calls, expected):
    seen = ", ".join(calls)
    if calls != expected:
        sys.exit(f"changed: {what}: {seen}")
    print(f"{what}: {seen}")


async def main():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport, protocol = await asyncio.get_running_loop().create_connection(
            Protocol, *listener.getsockname()
        )
        peer, _ = listener.accept()
    peer.sendall(b"x")
    peer.shutdown(socket.SHUT_WR)
    await asyncio.sleep(0.2)
    expected = ["data_received", "eof_received"]
    expect("after the FIN", protocol.calls, expected)
    for _ in range(2):
        transport.pause_reading()
        transport.resume_reading()
        await asyncio.sleep(0.2)
        expected.append("eof_received")
        expect("paused and resumed", protocol.calls, expected)
    transport.abort()
    peer.close()


asyncio.run(main())
PYTHON
