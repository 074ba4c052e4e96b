"""A server in a process of its own, to be killed, stopped and started again.

``python -m tests.faults.peer HOST PORT IO`` echoes on UDP port PORT (0: any), prints the port, and
lives until its standard input ends.
"""

import asyncio
import sys
from typing import Any

import rudp
from tests.aio.kit import echo


async def main(host: str, port: int, io: Any) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    server = await rudp.start_server(echo, host, port, config=rudp.Config(datagram_io=io))
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_reader(sys.stdin.fileno(), over.set)
    await over.wait()
    loop.remove_reader(sys.stdin.fileno())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
