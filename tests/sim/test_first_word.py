"""A server that speaks first, and a client whose segments after its SYN are lost for a while.

Nobody acknowledges an ACK, so nothing but repetition helps: of SYN,ACK, where the server remembers
the client, and of the ACK, where it does not (SYN cookies).
"""

import asyncio

import pytest

import rudp
from rudp import sim
from rudp.core.segment.wire import SYN
from rudp.sim.loop import VirtualLoop

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"


def first_word(outage: float, config: rudp.Config) -> float:
    """Return when the client of a server with *config* has read its greeting.

    Raises what the client's read raises.
    """

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.read()
        writer.close()

    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        server = await rudp.start_server(greet, SERVER, 25, config=config)
        loop.network.link(
            CLIENT, SERVER, drop=lambda data, now: not data[13] & SYN and now < outage
        )
        reader, writer = await rudp.open_connection(SERVER, 25)
        try:
            async with asyncio.timeout(3600):
                assert await reader.readline() == b"220 hello\r\n"
            return loop.time()
        finally:
            writer.close()
            server.close()

    return sim.run(main(), delay=0.02)


@pytest.mark.parametrize("cookies", [False, True])
@pytest.mark.parametrize("outage", [0.5, 2.0, 4.0, 8.0, 20.0, 30.0])
def test_FAIL_4_ST_17_it_is_heard_soon_after_the_outage(outage: float, cookies: bool) -> None:
    """SYNC-3: at the next of the times 1, 3, 7, 15, 31 s."""
    heard = first_word(outage, rudp.Config(half_open_max=0) if cookies else rudp.Config())
    assert heard < 2 * outage + 1.5


@pytest.mark.parametrize("cookies", [False, True])
@pytest.mark.parametrize("outage", [100.0, 122.0])
def test_FAIL_4_ST_17_after_a_long_outage_it_is_told(outage: float, cookies: bool) -> None:
    """The server has forgotten it: a reset, where it would wait for ever."""
    with pytest.raises(ConnectionResetError):
        first_word(outage, rudp.Config(half_open_max=0) if cookies else rudp.Config())


def test_SYNC_7_the_data_that_brings_a_cookie_may_be_lost_and_overtaken() -> None:
    """The ACK of SYN,ACK rides on it (decision 45): what comes first then is no reason to reset."""
    lost = 0

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(10) + await reader.readexactly(10))
        writer.close()

    def loses(data: bytes, now: float) -> bool:
        nonlocal lost
        if data[13] & SYN or lost:
            return False
        lost += 1
        return True

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        config = rudp.Config(half_open_max=0)
        server = await rudp.start_server(echo, SERVER, 25, config=config)
        loop.network.link(CLIENT, SERVER, drop=loses)
        reader, writer = await rudp.open_connection(SERVER, 25)
        writer.write(b"0123456789")
        await asyncio.sleep(0.001)
        writer.write(b"abcdefghij")
        assert await reader.read() == b"0123456789abcdefghij"
        assert loop.time() < 1.0
        writer.close()
        server.close()

    sim.run(main(), delay=0.02)
    assert lost == 1
