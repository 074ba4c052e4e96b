"""A client that never stops asking, and tells how far it has come.

``python -m tests.faults.courier HOST PORT IO`` talks to the echo at HOST and to one of its own on
loopback.  Each line it prints has the number of answers it has got from either; it ends in order
when its standard input does.
"""

import asyncio
import sys
from typing import Any

import rudp
from tests.aio.kit import close, echo
from tests.faults.kit import HOST

PAUSE = 0.02
"""Seconds between an answer and the next question."""


async def main(host: str, port: int, io: Any) -> None:
    config = rudp.Config(datagram_io=io)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), over.set)
    answers = [0, 0]

    async def talk(which: int, address: Any) -> None:
        while True:
            try:
                reader, writer = await rudp.open_connection(*address, config=config)
                break
            except OSError:  # a device that was made just now may need a moment
                await asyncio.sleep(PAUSE)
        while not over.is_set():
            question = b"%d " % answers[which] * 1000
            writer.write(question)
            assert await reader.readexactly(len(question)) == question
            answers[which] += 1
            print(*answers, flush=True)
            await asyncio.sleep(PAUSE)
        await close(writer)

    async with await rudp.start_server(echo, HOST, 0, config=config) as server:
        await asyncio.gather(talk(0, (host, port)), talk(1, server.sockets[0].getsockname()))
    loop.remove_reader(sys.stdin.fileno())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
