"""Programs written for asyncio's TCP, with one import changed.

Each is a function of the module that has ``open_connection`` and ``start_server``: ``asyncio``
itself, ``rudp``, or ``rudp`` with other settings.
"""

import asyncio
import functools
import hashlib
import types
from typing import Any

import pytest

import rudp
from tests.aio.kit import HOST, Net, close, spawn, turns


@pytest.fixture
def streams(net: Net) -> Any:
    """What the program imports."""
    if net.is_tcp:
        return asyncio
    if net.config == rudp.Config():
        return rudp
    return types.SimpleNamespace(
        open_connection=functools.partial(rudp.open_connection, config=net.config),
        start_server=functools.partial(rudp.start_server, config=net.config),
    )


async def test_echo_of_the_documentation(streams: Any) -> None:
    """Python's own example, client and server."""

    async def handle_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(100)
        addr = writer.get_extra_info("peername")
        assert addr[0] == HOST
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await streams.start_server(handle_echo, HOST, 0)
    address = server.sockets[0].getsockname()
    async with server:
        reader, writer = await streams.open_connection(*address)
        writer.write(b"Hello World!")
        await writer.drain()
        assert await reader.read(100) == b"Hello World!"
        writer.close()
        await writer.wait_closed()


class Http:
    """As much of HTTP/1.1 as it takes to keep a connection alive and to pipeline."""

    def __init__(self) -> None:
        self.served = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, path, _ = line.split()
                headers = {}
                while (line := await reader.readline()) != b"\r\n":
                    name, _, value = line.partition(b":")
                    headers[name.strip().lower()] = value.strip()
                body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
                digest = hashlib.sha256(body).hexdigest().encode()
                answer = b" ".join((method, path, digest))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer))
                writer.write(answer)
                await writer.drain()
                self.served += 1
                if headers.get(b"connection") == b"close":
                    break
        finally:
            writer.close()
            await writer.wait_closed()


async def answer_of(reader: asyncio.StreamReader) -> bytes:
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    length = (await reader.readuntil(b"\r\n\r\n")).strip().rpartition(b" ")[2]
    return await reader.readexactly(int(length))


async def test_http(streams: Any) -> None:
    """Keep-alive, pipelining, a large body, and a close by the server at the end."""
    http = Http()
    async with await streams.start_server(http, HOST, 0) as server:
        address = server.sockets[0].getsockname()
        reader, writer = await streams.open_connection(*address)
        for number in range(3):
            writer.write(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % number)
            assert (await answer_of(reader)).startswith(b"GET /%d " % number)
        writer.writelines(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(50))
        for number in range(50):
            assert (await answer_of(reader)).startswith(b"GET /%d " % number)
        body = bytes(range(256)) * 4096
        writer.write(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n" % len(body))
        writer.write(b"connection: close\r\n\r\n")
        writer.write(body)
        await writer.drain()
        digest = hashlib.sha256(body).hexdigest().encode()
        assert await answer_of(reader) == b"POST / " + digest
        assert await reader.read() == b""
        await close(writer)
    assert http.served == 54


async def test_chat(streams: Any) -> None:
    """A server that writes to everybody what one of them says."""
    writers: set[asyncio.StreamWriter] = set()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            async for line in reader:
                for other in writers:
                    other.write(line)
        finally:
            writers.discard(writer)
            await close(writer)

    async with await streams.start_server(handler, HOST, 0) as server:
        address = server.sockets[0].getsockname()
        clients = [await streams.open_connection(*address) for _ in range(10)]
        for _, writer in clients:
            writer.write(b"here\n")  # all are known before anybody hears all of it
        for reader, _ in clients:
            line = await reader.readline()
            assert line == b"here\n"
        for number, (_, writer) in enumerate(clients):
            writer.write(b"I am %d\n" % number)
        for reader, _ in clients:
            heard: set[bytes] = set()
            while len(heard) < 10:
                line = await reader.readline()
                if line != b"here\n":
                    heard.add(line)
            assert heard == {b"I am %d\n" % number for number in range(10)}
        for _, writer in clients:
            await close(writer)


async def test_readline_limit(streams: Any) -> None:
    """limit= reaches the StreamReader on both sides."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with pytest.raises(asyncio.LimitOverrunError):
            await reader.readuntil(b"\n")
        assert (await reader.readexactly(201)) == b"x" * 200 + b"\n"
        writer.write(b"y" * 200 + b"\n")
        await close(writer)

    async with await streams.start_server(handler, HOST, 0, limit=100) as server:
        address = server.sockets[0].getsockname()
        reader, writer = await streams.open_connection(*address, limit=100)
        writer.write(b"x" * 200 + b"\n")
        with pytest.raises(ValueError, match="limit"):
            await reader.readline()
        assert await reader.read() == b""
        await close(writer)


async def test_server_pushes_before_the_client_speaks(streams: Any) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            writer.write(b"250 " + line)
        await close(writer)

    async with await streams.start_server(handler, HOST, 0) as server:
        address = server.sockets[0].getsockname()
        reader, writer = await streams.open_connection(*address)
        assert await reader.readline() == b"220 ready\r\n"
        for word in (b"HELO\r\n", b"QUIT\r\n"):
            writer.write(word)
            assert await reader.readline() == b"250 " + word
        writer.write_eof()
        assert await reader.read() == b""
        await close(writer)


async def test_producer_with_task_group(streams: Any) -> None:
    """Readers and writers in different tasks, both directions busy."""
    size = 3_000_000

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def pump() -> None:
            for _ in range(30):
                writer.write(bytes(100_000))
                await writer.drain()
            writer.write_eof()

        async with asyncio.TaskGroup() as group:
            group.create_task(pump())
            got = group.create_task(reader.read())
        assert len(got.result()) == size
        await close(writer)

    async with await streams.start_server(handler, HOST, 0) as server:
        address = server.sockets[0].getsockname()
        reader, writer = await streams.open_connection(*address)
        reading = spawn(reader.read())
        for _ in range(30):
            writer.write(bytes(100_000))
            await writer.drain()
        writer.write_eof()
        assert len(await reading) == size
        await close(writer)
        await turns(2)
