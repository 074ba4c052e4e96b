#!/usr/bin/env bash
# aiokcp: in stream mode a long write() right after a short one loses nearly all of it, in
# silence, from the middle of a reliable stream.
#
# Seen with aiokcp 0.0.4 (KCP in C, wrapped for asyncio), CPython 3.11.7, Linux 6.18.
#
# KCP takes no message that would be 128 fragments or more (here 174,720 octets), whatever the
# windows are. Alone such a write raises KCPException(-2). In stream mode KCP first fills up the
# last fragment that still waits to be sent, and what is left is what is too long then:
# ikcp_send() stops there and returns how much it took, a short count as from write(2). aiokcp's
# Transport.write() looks for negative results alone, so the rest is gone; what is written next
# follows on directly. Both libraries do what they say; together they break the one promise of a
# stream. Whether a write is refused or cut depends on whether something shorter still waits.
#
# Output:
#   200000 octets alone: KCPException, later 100 octets: arrived 0 and 100
#   10 octets, then 200000: no error, later 100 octets: arrived 10, 1366 and 100
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 180 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check aiokcp==0.0.4

timeout 60 "$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
import sys

import aiokcp

STREAM = {"stream": 1}


async def transfer(first):
    """What a write of 200,000 octets does, and the octets that arrive of each write."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    got = bytearray()

    async def handler(reader, writer):
        while data := await reader.read(65536):
            got.extend(data)

    server = await aiokcp.start_server(handler, "127.0.0.1", port, kcp_kwargs=STREAM)
    serving = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0.2)
    _, writer = await aiokcp.open_connection("127.0.0.1", port, kcp_kwargs=STREAM)
    outcome = "no error"
    writer.write(b"a" * first)
    try:
        writer.write(b"b" * 200_000)
    except Exception as error:
        outcome = type(error).__name__
    writer.write(b"c" * 100)
    for _ in range(50):
        await asyncio.sleep(0.1)
        if got.count(b"c") == 100:
            break
    serving.cancel()
    return outcome, [got.count(octet) for octet in (b"a", b"b", b"c")]


def expect(what, seen, expected):
    if seen != expected:
        sys.exit(f"changed: {what}: {seen} instead of {expected}")


async def main():
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    expect("alone", await transfer(0), ("KCPException", [0, 0, 100]))
    print("200000 octets alone: KCPException, later 100 octets: arrived 0 and 100")
    expect("after 10 octets", await transfer(10), ("no error", [10, 1366, 100]))
    print("10 octets, then 200000: no error, later 100 octets: arrived 10, 1366 and 100")


asyncio.run(main())
PYTHON
