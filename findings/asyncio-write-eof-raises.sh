#!/usr/bin/env bash
# asyncio: write_eof() on a connection that was reset raises OSError, and connection_lost() is not
# called; write() reports the same reset.
#
# Seen with CPython 3.11.7, 3.12.1 and 3.13.0, Linux 6.18. On uvloop 0.23.0 write_eof() raises
# nothing.
#
# Transports tell of errors by connection_lost(), and write() raises nothing whatever has become
# of the connection. A protocol that has paused reading, as a relay does while its other side is
# slow, cannot see a reset come. If it writes, it hears of it by
# connection_lost(ConnectionResetError). If it only ends its side, shutdown(2) fails with
# ENOTCONN, which comes up out of write_eof() and of StreamWriter.write_eof(), and the transport
# stays open: not closing, connection_lost() still to come.
#
# Output:
#   write() after the reset: returned, connection_lost(ConnectionResetError)
#   write_eof() after the reset: OSError ENOTCONN, no connection_lost()
set -euo pipefail
timeout 60 python3 - <<'PYTHON'
import asyncio
import errno
import socket
import struct
import sys


class Protocol(asyncio.Protocol):
    lost = "no connection_lost()"

    def connection_lost(self, error):
        self.lost = f"connection_lost({type(error).__name__})"


async def after_a_reset(call):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport, protocol = await asyncio.get_running_loop().create_connection(
            Protocol, *listener.getsockname()
        )
        peer, _ = listener.accept()
    transport.pause_reading()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    await asyncio.sleep(0.2)
    try:
        call(transport)
        outcome = "returned"
    except OSError as error:
        outcome = f"{type(error).__name__} {errno.errorcode[error.errno]}"
    await asyncio.sleep(0.2)
    seen = f"{outcome}, {protocol.lost}"
    transport.abort()
    return seen


for name, call, expected in (
    (
        "write()",
        lambda transport: transport.write(b"x"),
        "returned, connection_lost(ConnectionResetError)",
    ),
    (
        "write_eof()",
        lambda transport: transport.write_eof(),
        "OSError ENOTCONN, no connection_lost()",
    ),
):
    seen = asyncio.run(after_a_reset(call))
    if seen != expected:
        sys.exit(f"changed: {name} after the reset: {seen} instead of {expected}")
    print(f"{name} after the reset: {seen}")
PYTHON
