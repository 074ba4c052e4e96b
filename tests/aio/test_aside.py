"""Accepting no more without a word, and leaving a port that others share."""

import asyncio
import errno
import sys

import pytest

import rudp
from tests.ports import free_port

HOST = "127.0.0.1"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def ask(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], word: bytes) -> bytes:
    reader, writer = streams
    writer.write(word)
    return await reader.readexactly(len(word))


async def part(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    reader, writer = streams
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_who_asks_while_nobody_serves_asks_again() -> None:
    """stop_serving() says nothing, and start_serving() goes on; connections live on meanwhile."""
    server = await rudp.start_server(echo, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    before = await rudp.open_connection(HOST, port)
    server.stop_serving()
    server.stop_serving()
    assert not server.is_serving()
    with pytest.raises(TimeoutError):
        await rudp.open_connection(HOST, port, config=rudp.Config(connect_timeout=0.2))
    assert await ask(before, b"x") == b"x"
    opening = asyncio.create_task(rudp.open_connection(HOST, port))
    await asyncio.sleep(0.1)
    await server.start_serving()
    assert server.is_serving()
    after = await opening
    assert await ask(after, b"y") == b"y"
    await part(before)
    await part(after)
    server.close()
    await server.wait_closed()


@pytest.mark.skipif(sys.platform != "linux", reason="EOPNOTSUPP elsewhere")
@pytest.mark.parametrize("lane", ["auto", "off"])
@pytest.mark.parametrize("bound", [HOST, "0.0.0.0"])
async def test_peers_stay_and_the_port_is_left(lane: str, bound: str) -> None:
    """Each peer's datagrams still come here; whoever binds the port then gets all others.

    The second server has a socket of its own, as in another process: the first has stepped aside.
    """
    port = free_port()
    config = rudp.Config(lane=lane)  # type: ignore[arg-type]
    first = await rudp.start_server(echo, bound, port, reuse_port=True, config=config)
    peers = [
        await rudp.open_connection(HOST, port, local_addr=(HOST, 0), config=config)
        for _ in range(5)
    ]
    for streams in peers:  # they are steady
        for _ in range(20):
            assert await ask(streams, bytes(2000)) == bytes(2000)
    await first.step_aside()
    await first.step_aside()
    seconds = 0

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seconds
        seconds += 1
        await echo(reader, writer)

    second = await rudp.start_server(note, bound, port, reuse_port=True)
    for streams in peers:
        word = bytes(500_000)
        assert await ask(streams, word) == word
    new = await rudp.open_connection(HOST, port, local_addr=(HOST, 0))
    assert await ask(new, b"new") == b"new"
    assert seconds == 1
    for streams in [*peers, new]:
        await part(streams)
    for server in (first, second):
        server.close()
        await server.wait_closed()


async def test_a_port_that_is_not_shared_cannot_be_left() -> None:
    server = await rudp.start_server(echo, HOST, 0)
    with pytest.raises(OSError, match="only a port that is shared") as caught:
        await server.step_aside()
    assert caught.value.errno == errno.EOPNOTSUPP
    assert server.is_serving()
    server.close()
    await server.wait_closed()
