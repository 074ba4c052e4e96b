"""Servers: the whole surface of asyncio 3.13's, rebinding, and what keeps them alive."""

import asyncio
import contextlib
import dataclasses
import errno
import gc
import itertools
import socket
import sys
import threading
import weakref
from typing import Any

import pytest

import rudp
from rudp.sim import VirtualLoop
from tests.aio.kit import (
    HOST,
    Net,
    Recorder,
    Stubborn,
    address_of,
    cancelled,
    cleared,
    close,
    echo,
    pair,
    spawn,
    turns,
)
from tests.aio.test_tls import NAME, for_client, for_server


async def ask(net: Net, address: tuple[str, int], message: bytes = b"hello") -> bytes:
    """Connect, say something to an echo server, and return the answer."""
    reader, writer = await net.open_connection(*address)
    writer.write(message)
    writer.write_eof()
    answer = await reader.read()
    await close(writer)
    return answer


async def test_sockets(net: Net) -> None:
    """Port 0 picks one; after close there are none."""
    server = await net.create_server(Recorder)
    (sock,) = server.sockets
    host, port = sock.getsockname()
    assert host == HOST
    assert port
    assert sock.family == socket.AF_INET
    assert isinstance(server, asyncio.AbstractServer)
    assert repr(server)
    server.close()
    assert server.sockets == ()
    server.close()
    await server.wait_closed()
    await server.wait_closed()


async def test_port_none_picks_one(net: Net) -> None:
    server = await net.create_server(Recorder, HOST, None)  # type: ignore[arg-type]
    async with cleared(server):
        assert address_of(server)[1]


async def test_several_hosts(net: Net) -> None:
    """Each gets its socket, duplicates share one."""
    server = await net.start_server(echo, [HOST, "127.0.0.2", HOST], 0)
    async with cleared(server):
        addresses = {sock.getsockname() for sock in server.sockets}
        assert {host for host, _ in addresses} == {HOST, "127.0.0.2"}
        assert len(server.sockets) == 2
        for address in addresses:
            assert await ask(net, address) == b"hello"


async def test_hosts_that_cannot_be_bound() -> None:
    """Left out if another can; if none can, an error that names them."""
    net = Net("rudp", rudp.Config())  # asyncio does so from 3.13 on
    foreign = "203.0.113.1"
    server = await net.start_server(echo, [HOST, foreign], 0)
    async with cleared(server):
        assert [sock.getsockname()[0] for sock in server.sockets] == [HOST]
        assert await ask(net, address_of(server)) == b"hello"
    with pytest.raises(OSError, match=foreign):
        await net.start_server(echo, [foreign], 0)


async def test_reuse_port(real: Net) -> None:
    """Somebody else may bind the port too; the option shows on the socket."""
    plain = await real.create_server(Recorder)
    assert not plain.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    plain.close()
    first = await real.start_server(echo, reuse_port=True)
    async with cleared(first):
        address = address_of(first)
        assert first.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
        sock.close()
        assert await ask(real, address) == b"hello"


async def test_two_servers_of_one_loop_share_a_port(net: Net) -> None:
    """reuse_port of both: each has its part of the clients, and one that closes hurts nobody's."""
    if net.is_tcp:
        pytest.skip("a kernel resets what waits for the one that closes")

    def answering(word: bytes) -> Any:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.readline():
                writer.write(word)
            await close(writer)

        return answer

    async def asked(streams: Any) -> bytes:
        reader, writer = streams
        writer.write(b"who?\n")
        answer: bytes = await reader.readexactly(1)
        return answer

    first = await net.start_server(answering(b"1"), reuse_port=True)
    address = address_of(first)
    with pytest.raises(OSError) as raised:
        await net.start_server(echo, *address)
    assert raised.value.errno == errno.EADDRINUSE
    second = await net.start_server(answering(b"2"), *address, reuse_port=True)
    assert second.sockets[0].getsockname() == address
    clients = [await net.open_connection(*address) for _ in range(40)]
    before = [await asked(client) for client in clients]
    assert set(before) == {b"1", b"2"}
    first.close()
    assert [await asked(client) for client in clients] == before
    more = [await net.open_connection(*address) for _ in range(10)]
    assert {await asked(client) for client in more} == {b"2"}
    third = await net.start_server(answering(b"3"), *address, reuse_port=True)
    second.close()
    last = await net.open_connection(*address)
    assert await asked(last) == b"3"
    third.close()
    with pytest.raises(ConnectionRefusedError):
        await net.open_connection(*address)
    for _, writer in (*clients, *more, last):
        await close(writer)
    for server in (first, second, third):
        await server.wait_closed()


async def test_cookies_of_servers_that_share_a_port(net: Net) -> None:
    """SYNC-1: who has sent a cookie gets it back."""
    if net.is_tcp:
        pytest.skip("rudp's own")
    plain = await net.start_server(echo, reuse_port=True)
    cookies = net.with_config(half_open_max=0)
    async with cleared(plain):
        address = address_of(plain)
        async with cleared(await cookies.start_server(echo, *address, reuse_port=True)):
            answers = await asyncio.gather(*(ask(net, address) for _ in range(20)))
            assert answers == [b"hello"] * 20


def bound(address: tuple[str, int], *, reuse: bool) -> socket.socket | None:
    """Bind a socket as another process would; None if it may not."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        return None
    return sock


@pytest.mark.skipif(sys.platform != "linux", reason="UDP's SO_REUSEADDR is another thing elsewhere")
async def test_another_process_serves_where_only_records_are_left(real: Net) -> None:
    """TW-8: as on a kernel's TCP with SO_REUSEADDR.  A loop of its own stands for the process."""
    if real.name == "portable" and not isinstance(
        asyncio.get_running_loop(), asyncio.BaseEventLoop
    ):
        pytest.skip("uvloop's sockets take no options")

    class Brief(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.close()

    server = await real.create_server(Brief)
    address = address_of(server)
    _, client = await real.create_connection(Stubborn, *address)
    await client.eof
    assert bound(address, reuse=True) is None, "it serves"
    (endpoint,) = server.endpoints  # type: ignore[union-attr]
    server.close()
    await turns(5)
    assert bound(address, reuse=True) is None, "a connection lives"
    client.transport.close()
    await server.wait_closed()
    while not endpoint.lent:
        await asyncio.sleep(0.01)
    assert endpoint.stats()["time_wait_records"] == 1

    def elsewhere() -> None:
        async def serve() -> None:
            with pytest.raises(OSError):
                await real.create_server(Recorder, *address, reuse_address=False)
            other = await real.start_server(echo, *address)
            assert bound(address, reuse=True) is None, "it serves"
            up.set()
            await asyncio.to_thread(down.wait, 10)
            other.close()

        asyncio.run(serve())

    up, down = threading.Event(), threading.Event()
    thread = asyncio.create_task(asyncio.to_thread(elsewhere))
    while not up.is_set():
        await asyncio.sleep(0.01)
        assert not thread.done()
    assert await ask(real, address) == b"hello"
    with pytest.raises(OSError) as raised:
        await real.create_server(Recorder, *address)
    assert raised.value.errno == errno.EADDRINUSE, "it is lent"
    down.set()
    await thread
    async with cleared(await real.start_server(echo, *address)) as again:
        assert again.endpoints == (endpoint,)
        assert bound(address, reuse=True) is None
        assert await ask(real, address) == b"hello"


async def test_second_bind(net: Net) -> None:
    """EADDRINUSE, whether the first server serves already or not."""
    server = await net.create_server(Recorder)
    async with cleared(server):
        with pytest.raises(OSError, match=str(address_of(server)[1])) as raised:
            await net.create_server(Recorder, *address_of(server))
        assert raised.value.errno == errno.EADDRINUSE
    if net.is_tcp:  # lets two servers that do not listen yet share an address
        return
    idle = await net.create_server(Recorder, start_serving=False)
    async with cleared(idle):
        with pytest.raises(OSError) as raised:
            await net.create_server(Recorder, *address_of(idle))
        assert raised.value.errno == errno.EADDRINUSE


async def test_second_bind_from_elsewhere(real: Net) -> None:
    with real.bound_socket() as sock:
        address = sock.getsockname()
        with pytest.raises(OSError, match="bind") as raised:
            await real.create_server(Recorder, *address)
        assert raised.value.errno == errno.EADDRINUSE
        with pytest.raises(OSError) as raised:
            await real.create_server(Recorder, ["127.0.0.2", HOST], address[1])
        assert raised.value.errno == errno.EADDRINUSE


async def test_start_serving(net: Net) -> None:
    server = await net.start_server(echo, start_serving=False)
    async with cleared(server):
        assert not server.is_serving()
        assert server.get_loop() is asyncio.get_running_loop()
        address = address_of(server)
        if not net.is_tcp:  # the kernel's listens on bind, or not, depending on the version
            with pytest.raises(ConnectionRefusedError):
                await net.open_connection(*address)
        assert address_of(server) == address, "the address is taken all the same"
        await server.start_serving()
        await server.start_serving()
        assert server.is_serving()
        assert await ask(net, address) == b"hello"
    assert not server.is_serving()
    if not net.is_tcp:  # asyncio's minds from 3.12 on
        with pytest.raises(RuntimeError, match="is closed"):
            await server.start_serving()
    with pytest.raises(RuntimeError, match="is closed"):
        await server.serve_forever()


async def test_serve_forever(net: Net) -> None:
    """It starts serving; cancelling it closes the server."""
    server = await net.start_server(echo, start_serving=False)
    address = address_of(server)
    task = spawn(server.serve_forever())
    await turns(3)
    assert server.is_serving()
    with pytest.raises(RuntimeError):
        await server.serve_forever()
    assert await ask(net, address) == b"hello"
    await cancelled(task)
    assert not server.is_serving()
    assert server.sockets == ()


@pytest.mark.virtual
@pytest.mark.parametrize("ssl", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("client", ["silent", "half closed", "vanished", "deaf", "paused server"])
async def test_serve_forever_ends_whatever_the_clients_do(client: str, ssl: bool) -> None:
    """A client that vanished or does not read gets Config.linger, no more; others end in order."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    config = rudp.Config(linger=2.0)
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if client == "deaf":
            writer.write(bytes(50_000_000))
        elif client == "paused server":
            await over.wait()
        with contextlib.suppress(OSError):
            await reader.read()

    listen: dict[str, Any] = {"ssl": for_server()} if ssl else {}
    connect: dict[str, Any] = {"ssl": for_client(), "server_hostname": NAME} if ssl else {}
    server = await rudp.start_server(handle, "10.0.0.2", 7, config=config, **listen)
    reader, writer = await rudp.open_connection("10.0.0.2", 7, config=config, **connect)
    writer.write(bytes(1_000_000) if client == "paused server" else b"x")
    await asyncio.sleep(1)
    task = spawn(server.serve_forever())
    await asyncio.sleep(1)
    if client == "half closed" and not ssl:
        writer.write_eof()
    elif client == "vanished":
        loop.network.link("10.0.0.1", "10.0.0.2", drop=lambda data, now: True)
        loop.network.link("10.0.0.2", "10.0.0.1", drop=lambda data, now: True)
    elif client == "deaf":
        writer.transport.pause_reading()  # type: ignore[attr-defined]
    start = loop.time()
    await cancelled(task)
    bounded = client in ("vanished", "deaf", "paused server")
    assert loop.time() - start <= (2.1 if bounded else 0.5)
    await server.wait_closed()
    over.set()
    writer.transport.abort()
    await turns(5)
    assert isinstance(reader, asyncio.StreamReader)


@pytest.mark.virtual
async def test_second_cancel_ends_the_grace() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    server = await rudp.create_server(Stubborn, "10.0.0.2", 7)
    _, client = await rudp.create_connection(Stubborn, "10.0.0.2", 7)
    await asyncio.sleep(1)
    loop.network.link("10.0.0.1", "10.0.0.2", drop=lambda data, now: True)
    loop.network.link("10.0.0.2", "10.0.0.1", drop=lambda data, now: True)
    task = spawn(server.serve_forever())
    for transport in server._transports:
        transport.write(bytes(1_000_000))
    await asyncio.sleep(1)
    start = loop.time()
    task.cancel()
    await asyncio.sleep(1)
    assert not task.done()
    await cancelled(task)
    assert loop.time() - start == pytest.approx(1)
    await server.wait_closed()
    client.transport.abort()


@pytest.mark.virtual
@pytest.mark.parametrize(
    "order", list(itertools.permutations(["close", "close_clients", "abort_clients"]))
)
@pytest.mark.parametrize("when", ["half open", "open", "paused", "tls handshake", "tls"])
async def test_ends_of_a_server_in_every_order(order: tuple[str, ...], when: str) -> None:
    """None raises, all of them twice do no harm, and wait_closed() returns."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    tls = when.startswith("tls")
    server = await rudp.create_server(
        lambda: Recorder(), "10.0.0.2", 7, ssl=for_server() if tls else None
    )
    options: dict[str, Any] = {}
    if when == "tls":
        options = {"ssl": for_client(), "server_hostname": NAME}
    opening = spawn(rudp.create_connection(Stubborn, "10.0.0.2", 7, **options))
    if when == "half open":
        while not server.endpoints[0].stats()["half_open"]:
            await asyncio.sleep(0.001)
    else:
        transport, _ = await opening
        await asyncio.sleep(1)
        if when == "paused":
            transport.pause_reading()
            for each in server._transports:
                each.write(bytes(5_000_000))
            await asyncio.sleep(1)
    for name in (*order, *order):
        getattr(server, name)()
        await turns(1)
    async with asyncio.timeout(10):
        await server.wait_closed()
    assert not server.is_serving()
    await asyncio.wait([opening])
    if opening.exception() is None:
        opening.result()[0].abort()
    else:
        assert isinstance(opening.exception(), ConnectionError)


async def test_close_ends_serve_forever(net: Net) -> None:
    server = await net.start_server(echo)
    task = spawn(server.serve_forever())
    await turns(3)
    server.close()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_async_with(net: Net) -> None:
    async with await net.start_server(echo) as server:
        assert await ask(net, address_of(server)) == b"hello"
    assert not server.is_serving()
    assert server.sockets == ()


async def test_close_leaves_connections_alone(net: Net) -> None:
    """wait_closed() returns when they are gone."""
    if net.is_tcp:
        pytest.skip("asyncio's does so from 3.12 on")
    async with pair(net) as p:
        early = spawn(p.listening.wait_closed())
        await turns(3)
        assert not early.done(), "it is not even closed"
        p.listening.close()
        late = spawn(p.listening.wait_closed())
        p.near.write(b"still")
        p.far.write(b"here")
        await p.server.received(5)
        await p.client.received(4)
        assert not early.done()
        assert not late.done()
        p.near.close()
        await p.server.lost
        await early
        await late


@pytest.mark.parametrize("how", ["close_clients", "abort_clients"])
async def test_clients_of_a_server(net: Net, how: str) -> None:
    if net.is_tcp:
        pytest.skip("asyncio has them from 3.13 on")
    async with pair(net, Stubborn, Recorder) as p:
        _, other = await net.create_connection(Stubborn, *p.address[:2])
        await p.settle()
        getattr(p.listening, how)()
        for client in (p.client, other):
            if how == "close_clients":
                await client.eof
                client.transport.close()
                assert await client.lost is None
            else:
                await client.eof  # nothing was lost by it
        assert p.listening.is_serving()


async def test_exception_in_the_factory(net: Net, reports: list[dict[str, Any]]) -> None:
    """It is reported and does not hurt the server; the client is not left hanging."""
    if net.is_tcp:
        pytest.skip("asyncio's leaves the client hanging")
    broken = True

    def factory() -> Recorder:
        if broken:
            raise LookupError("in the factory")
        return Recorder()

    server = await net.create_server(factory)
    async with cleared(server):
        _, client = await net.create_connection(Recorder, *address_of(server))
        assert isinstance(await client.lost, ConnectionResetError)
        (context,) = reports
        assert isinstance(context["exception"], LookupError)
        reports.clear()
        broken = False
        _, client = await net.create_connection(Recorder, *address_of(server))
        client.transport.close()
        assert await client.lost is None


@pytest.mark.parametrize("kind", ["function", "coroutine"])
async def test_exception_in_client_connected_cb(
    net: Net, kind: str, reports: list[dict[str, Any]]
) -> None:
    """The connection ends, the exception handler hears of it, the server goes on."""

    def function(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        raise LookupError("in client_connected_cb")

    async def coroutine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise LookupError("in client_connected_cb")

    server = await net.start_server(function if kind == "function" else coroutine)
    async with cleared(server):
        for _ in range(2):
            reader, writer = await net.open_connection(*address_of(server))
            try:
                assert await reader.read() == b""
            except ConnectionResetError:
                assert not net.is_tcp
            writer.transport.abort()
            assert server.is_serving()
    assert len(reports) == 2
    for context in reports:
        assert isinstance(context["exception"], LookupError)
        if kind == "coroutine":
            assert context["message"] == "Unhandled exception in client_connected_cb"
    reports.clear()


async def test_alive_without_a_reference_and_freed_after_close(net: Net) -> None:
    server: Any = await net.start_server(echo)
    address = address_of(server)
    alive = weakref.ref(server)
    del server
    gc.collect()
    assert await ask(net, address) == b"hello"
    server = alive()
    assert server is not None
    server.close()
    await server.wait_closed()
    del server
    await turns(5)
    gc.collect()
    assert alive() is None


async def test_rebinding_after_close(net: Net) -> None:
    """TW-8: connections and records of the old server live on the same UDP socket."""
    async with pair(net, Stubborn, Stubborn) as p:
        p.listening.close()
        server = await net.start_server(echo, *p.address[:2])
        async with cleared(server):
            assert server.sockets[0].getsockname() == p.address
            assert await ask(net, p.address[:2]) == b"hello"
            p.near.write(b"old")
            assert await p.server.received(3) == b"old"
        for _ in range(3):
            server = await net.start_server(echo, *p.address[:2])
            assert await ask(net, p.address[:2]) == b"hello"
            server.close()
            await server.wait_closed()


async def test_rebinding_with_records_left(net: Net) -> None:
    """The server closes first, so the TIME-WAIT records are on its side."""

    class Brief(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.close()

    port = 0
    for _ in range(3):
        server = await net.create_server(Brief, HOST, port)
        async with cleared(server):
            port = address_of(server)[1]
            for _ in range(3):
                _, client = await net.create_connection(Recorder, HOST, port)
                assert await client.lost is None


async def test_inner_port(net: Net) -> None:
    """W-41, W-43: the TCP port may differ from the UDP port; two servers share one UDP address."""
    if net.is_tcp:
        pytest.skip("rudp's own argument")
    http = await net.start_server(echo, inner_port=80)
    async with cleared(http):
        host, port = address_of(http)
        with pytest.raises(ConnectionRefusedError):
            await net.open_connection(host, port)
        reader, writer = await net.open_connection(host, port, inner_port=80)
        assert writer.get_extra_info("peername") == (host, 80)
        assert writer.get_extra_info("udp_peername")[:2] == (host, port)
        other = await net.start_server(echo, host, port, inner_port=81)
        async with cleared(other):
            _, second = await net.open_connection(host, port, inner_port=81)
            await close(second)
        with pytest.raises(OSError) as raised:
            await net.start_server(echo, host, port, inner_port=80)
        assert raised.value.errno == errno.EADDRINUSE
        await close(writer)
        assert await reader.read() == b""


async def test_keep_alive_argument(net: Net) -> None:
    """MUST-24: keep_alive=True of create_server (asyncio 3.13) switches it on."""
    if net.is_tcp:
        pytest.skip("asyncio has it from 3.13 on")
    seen = asyncio.get_running_loop().create_future()

    class Server(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            sock = transport.get_extra_info("socket")
            seen.set_result(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    server = await net.create_server(Server, keep_alive=True)
    async with cleared(server):
        _, client = await net.create_connection(Recorder, *address_of(server))
        assert await seen == 1
        client.transport.close()
        await client.lost


async def test_SYNC_1_DEF_41_handshakes_without_memory(net: Net) -> None:
    """Every client is answered with a cookie, and none notices."""
    if net.is_tcp:
        pytest.skip("rudp's own")
    assert net.config is not None
    net = dataclasses.replace(net, config=dataclasses.replace(net.config, half_open_max=0))
    server = await net.start_server(echo)
    async with cleared(server):
        words = [b"%d" % n * 1000 for n in range(50)]
        answers = await asyncio.gather(*(ask(net, address_of(server), word) for word in words))
        assert answers == words
        assert isinstance(server, rudp.Server)
        (endpoint,) = server.endpoints
        assert endpoint.stats()["syn_cookie_sent"] >= 50
        assert endpoint.stats()["syn_cookie_accepted"] == 50
        assert endpoint.stats()["half_open"] == 0


async def test_statistics_of_an_endpoint(net: Net) -> None:
    """BUF-6, M-18: what was dropped is counted by its reason."""
    if net.is_tcp:
        pytest.skip("rudp's own")
    server = await net.create_server(Recorder)
    async with cleared(server):
        assert isinstance(server, rudp.Server)
        (endpoint,) = server.endpoints
        with pytest.raises(ConnectionRefusedError):
            await net.create_connection(Recorder, *address_of(server), inner_port=1)
        assert endpoint.stats()["no_connection"] == 1
        assert endpoint.stats()["rst_sent"] == 1
        assert endpoint.stats()["connections"] == 0
        for name in (
            "accept_overflow",
            "ack_throttled",
            "amplification_limit",
            "connection_overflow",
            "half_open",
            "half_open_overflow",
            "idle_timeout",
            "reassembly_octets",
            "reassembly_overflow",
            "rst_throttled",
            "time_wait_overflow",
            "time_wait_records",
        ):
            assert endpoint.stats()[name] == 0
        assert "connections=0" in repr(endpoint)
    assert server.endpoints == ()
    await turns(3)
    assert endpoint.closed
    assert endpoint.stats()["rst_sent"] == 1, "they outlive the socket"
