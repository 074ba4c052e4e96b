"""A clock that jumps: a machine that was suspended, a process that was stopped, a clock set back.

Both ends live on one loop, so both clocks jump; the network between them goes on as if nothing had
happened.
"""

import asyncio
import random

import pytest

from tests.aio.kit import close, echo, feed, spawn
from tests.faults.kit import DELAY, JumpingLoop, Way, closing

DATA = random.Random(8).randbytes(300_000)


def clock() -> JumpingLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    return loop


@pytest.mark.parametrize(
    ("seconds", "times"), [(1.0, 3), (200.0, 3), (3600.0, 3), (20 * 86_400.0, 1)]
)
def test_MUST_20_forward_while_octets_are_under_way(
    virtual: Way, seconds: float, times: int
) -> None:
    """The time that nobody was running does not count as time without progress."""

    async def main() -> None:
        loop = clock()
        async with closing(await virtual.start_server(echo)) as server:
            reader, writer = await virtual.open_connection(server)
            sending = spawn(feed(writer, DATA))
            for _ in range(times):
                await asyncio.sleep(DELAY)
                loop.jump(seconds)
            assert await reader.readexactly(len(DATA)) == DATA
            await sending
            await close(writer)

    virtual.run(main())


@pytest.mark.parametrize("seconds", [3600.0, 30 * 86_400.0])
def test_forward_while_all_is_quiet(virtual: Way, seconds: float) -> None:
    """PAWS, keep-alive, a closed window: each finds another time, and the connection lives."""

    async def main() -> None:
        loop = clock()
        async with closing(await virtual.start_server(echo)) as server:
            reader, writer = await virtual.open_connection(server, keepalive=True)
            writer.write(b"before")
            assert await reader.readexactly(6) == b"before"
            await asyncio.sleep(1)
            loop.jump(seconds)
            await asyncio.sleep(1)
            writer.write(b"after")
            assert await reader.readexactly(5) == b"after"
            await close(writer)

    virtual.run(main())


def test_a_dead_peer_is_given_up_after_the_jump_too(virtual: Way) -> None:
    """MUST-20: what does not count is the jump itself, no more."""

    async def main() -> None:
        loop = clock()
        async with closing(await virtual.start_server(echo)) as server:
            reader, writer = await virtual.open_connection(server, user_timeout=60.0)
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            loop.network.link("127.0.0.1", "127.0.0.1", drop=lambda data, now: True)
            writer.write(b"anybody there?")
            await asyncio.sleep(30)
            loop.jump(3600.0)
            began = loop.time()
            with pytest.raises(TimeoutError):
                await reader.read()
            assert 0 < loop.time() - began <= 60
            loop.network.link("127.0.0.1", "127.0.0.1", drop=None)
            server.abort_clients()

    virtual.run(main())


@pytest.mark.parametrize("seconds", [0.1, 1.0, 60.0])
def test_back_while_octets_are_under_way(virtual: Way, seconds: float) -> None:
    """asyncio's clock should not go back.  If it does all timers are late by that, and no more."""

    async def main() -> None:
        loop = clock()
        async with closing(await virtual.start_server(echo)) as server:
            reader, writer = await virtual.open_connection(server)
            sending = spawn(feed(writer, DATA))
            await asyncio.sleep(3 * DELAY)
            loop.jump(-seconds)
            assert await reader.readexactly(len(DATA)) == DATA
            await sending
            await close(writer)

    virtual.run(main())
