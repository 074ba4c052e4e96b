"""``key=`` over real sockets: who has the key is served, and nobody else."""

import asyncio
import ssl
from typing import Any

import pytest
import trustme

import rudp
from rudp import Config, MasterKey
from tests.aio.kit import HOST, echo, serving

KEY = b"sixteen octets.."


async def answer(port: int, data: bytes, **options: Any) -> bytes:
    reader, writer = await rudp.open_connection(HOST, port, **options)
    writer.write(data)
    if "ssl" not in options:
        writer.write_eof()
    found = await reader.readexactly(len(data))
    writer.close()
    await writer.wait_closed()
    return found


@pytest.mark.parametrize("way", ["auto", "selector", "portable"])
async def test_a_stream(way: Any) -> None:
    """In batches, where the system has them, and one by one."""
    config = Config(datagram_io=way, mss=1400)
    data = bytes(range(256)) * 4000
    async with serving(key=KEY, config=config) as (server, port):
        assert await answer(port, data, key=KEY, config=config) == data
        endpoint = server._endpoints[0]
        stats = endpoint.stats()
        assert not stats["ao_missing"] + stats["ao_key_unknown"] + stats["ao_mac_wrong"]


@pytest.mark.parametrize(
    ("key", "reason"), [(None, "ao_missing"), (KEY[::-1], "ao_mac_wrong")], ids=["none", "another"]
)
async def test_who_has_another_key_times_out(key: bytes | None, reason: str) -> None:
    async with serving(key=KEY) as (server, port):
        with pytest.raises(TimeoutError) as caught:
            await rudp.open_connection(HOST, port, key=key, config=Config(connect_timeout=0.3))
        assert caught.value.__cause__ is None
        assert server._endpoints[0].stats()[reason] >= 1  # type: ignore[literal-required]
        assert await answer(port, b"hello", key=KEY) == b"hello"


async def test_a_server_without_the_key_is_told_from_none() -> None:
    async with serving() as (_, port):
        with pytest.raises(TimeoutError) as caught:
            await rudp.open_connection(HOST, port, key=KEY, config=Config(connect_timeout=0.3))
        assert "no answer with this key" in str(caught.value.__cause__)
        assert await answer(port, b"hello") == b"hello"
    with pytest.raises(ConnectionRefusedError):  # nobody is there, says the system
        await rudp.open_connection(HOST, port, key=KEY)


async def test_real_addresses() -> None:
    """The strict form: over sockets both ends know theirs, but for a listener on all interfaces
    whose system does not tell."""
    config = Config(keys=(MasterKey(secret=KEY, addresses="real"),))
    async with serving(config=config) as (_, port):
        assert await answer(port, b"hello" * 1000, config=config) == b"hello" * 1000


async def test_with_TLS() -> None:
    """Both go together."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with serving(key=KEY, ssl=context) as (_, port):
        found = await answer(port, b"hello" * 1000, key=KEY, ssl=client, server_hostname=HOST)
        assert found == b"hello" * 1000


async def test_keys_change_while_data_flows() -> None:
    old = MasterKey(secret=KEY, send_id=1, recv_id=1)
    new = MasterKey(secret=KEY[::-1], send_id=2, recv_id=2)
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await echo(reader, writer)

    server = await rudp.start_server(handle, HOST, 0, config=Config(keys=(old,)))
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await rudp.open_connection(HOST, port, config=Config(keys=(old,)))

        async def turn() -> None:
            writer.write(b"x" * 100_000)
            await reader.readexactly(100_000)

        await turn()
        assert rudp.info(writer).key_ids == rudp.info(writers[0]).key_ids == (1, 1)
        rudp.set_keys(writers[0], old, new)
        server.set_keys(old, new)
        rudp.set_keys(writer, new, old)
        await turn()
        assert rudp.info(writers[0]).key_ids == (2, 1)
        rudp.set_keys(writers[0], new, old)
        await turn()
        assert rudp.info(writer).key_ids == rudp.info(writers[0]).key_ids == (2, 2)
        assert await answer_to(port, Config(keys=(new,)))
        with pytest.raises(ValueError, match="two keys"):
            rudp.set_keys(writer, new, new)
        with pytest.raises(ValueError, match="cannot be taken"):
            rudp.set_keys(writer)
        writer.close()
        await writer.wait_closed()


async def answer_to(port: int, config: Config) -> bool:
    return await answer(port, b"hello", config=config) == b"hello"


async def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="must be bytes"):
        await rudp.open_connection(HOST, 1, key="sixteen octets..")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="16 to 80"):
        await rudp.start_server(echo, HOST, 0, key=b"short")
    config = Config(keys=(MasterKey(secret=KEY),))
    with pytest.raises(ValueError, match="at the same time"):
        await rudp.open_connection(HOST, 1, key=KEY, config=config)


def test_a_whole_program() -> None:
    """``rudp.run(key=...)``: what it opens and serves is signed."""

    async def main() -> tuple[int, int]:
        server = await asyncio.start_server(echo, HOST, 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection(HOST, port)
            ids = rudp.info(writer).key_ids
            writer.close()
            await writer.wait_closed()
        assert ids is not None
        return ids

    assert rudp.run(main(), key=KEY) == (0, 0)
    with pytest.raises(ValueError, match="16 to 80"):
        rudp.new_event_loop(key=b"short")
