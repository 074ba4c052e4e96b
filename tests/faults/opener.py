"""Opens a connection to each port of a host, with TCP and with rudp, and tells what came of it.

``python -m tests.faults.opener HOST PORT...`` prints one line for each port: the two errno names,
or ``open``, or ``timeout`` after :data:`PATIENCE`.
"""

import asyncio
import errno
import sys
from collections.abc import Awaitable
from typing import Any, Final

import rudp

PATIENCE: Final = 3.0
"""Seconds."""


async def outcome(opening: Awaitable[tuple[asyncio.StreamReader, Any]]) -> str:
    try:
        _, writer = await asyncio.wait_for(opening, PATIENCE)
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    writer.close()
    return "open"


async def main(host: str, *ports: str) -> None:
    for port in map(int, ports):
        both = (
            outcome(asyncio.open_connection(host, port)),
            outcome(rudp.open_connection(host, port)),
        )
        print(*await asyncio.gather(*both), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
