#!/usr/bin/env bash
# asyncio: a time limit on StreamWriter.wait_closed() that runs out once makes every other and
# later wait_closed() raise CancelledError.
#
# Seen with CPython 3.11.7, 3.12.1 and 3.13.0, and the same on uvloop 0.23.0.
#
# All calls of wait_closed() await one and the same future. Who is cancelled in there, by
# asyncio.timeout(), wait_for() or the end of a task group, cancels that future. Others who wait
# for the same connection are then cancelled too, and so is everybody who asks later, when the
# connection has long been closed well: "except Exception" does not catch it, and a task that
# nobody cancelled ends as cancelled (its cancelling() is 0).
#
# Output:
#   who waited with a time limit: TimeoutError
#   who waited at the same time without: CancelledError, cancelling() 0
#   who asks after the connection was closed in order: CancelledError, cancelling() 0
set -euo pipefail
timeout 60 python3 - <<'PYTHON'
import asyncio
import socket
import sys


async def outcome(coroutine):
    try:
        await coroutine
    except TimeoutError:
        return "TimeoutError"
    except asyncio.CancelledError:
        return f"CancelledError, cancelling() {asyncio.current_task().cancelling()}"
    return "returned"


async def main():
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    other = asyncio.create_task(outcome(writer.wait_closed()))
    await asyncio.sleep(0)
    seen = {
        "who waited with a time limit": await outcome(
            asyncio.wait_for(writer.wait_closed(), 0.05)
        ),
        "who waited at the same time without": await other,
    }
    writer.close()
    theirs.close()
    await asyncio.sleep(0.05)
    assert await reader.read() == b""
    seen["who asks after the connection was closed in order"] = await outcome(
        writer.wait_closed()
    )
    return seen


cancelled = "CancelledError, cancelling() 0"
for (who, seen), expected in zip(
    asyncio.run(main()).items(), ("TimeoutError", cancelled, cancelled), strict=True
):
    if seen != expected:
        sys.exit(f"changed: {who}: {seen} instead of {expected}")
    print(f"{who}: {seen}")
PYTHON
