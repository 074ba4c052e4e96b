"""Making a connection: what comes back, in which order, and how it fails."""

import asyncio
import errno
import socket
from typing import Any

import pytest

import rudp
from rudp.sim import VirtualLoop
from tests.aio.kit import HOST, Net, Recorder, address_of, cleared, close, echo, pair, turns

V6 = "::1"


async def test_returns_the_transport_and_the_protocol(net: Net) -> None:
    async with pair(net) as p:
        transport, protocol = await net.create_connection(Recorder, *p.address[:2])
        assert isinstance(transport, asyncio.Transport)
        assert protocol.transport is transport
        assert transport.get_protocol() is protocol
        assert protocol.calls == ["made"]
        assert not transport.is_closing()
        assert transport.is_reading()
        transport.abort()
        await protocol.lost


class Greeter(Recorder):
    """Writes at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(b"hello")


@pytest.mark.parametrize("delay", [None, 0.25])
async def test_connection_made_then_the_task_then_data(net: Net, delay: float | None) -> None:
    """The server writes in connection_made; none of it comes early, and none meets a reset."""
    order = []

    class Client(Recorder):
        def note(self, call: str) -> None:
            order.append(call)
            super().note(call)

    server = await net.create_server(Greeter)
    async with cleared(server):
        for _ in range(5):
            order.clear()
            _, client = await net.create_connection(
                Client, *address_of(server), happy_eyeballs_delay=delay
            )
            order.append("task")
            await client.received(5)
            assert order == ["made", "task", "data"]
            client.transport.close()
            assert await client.lost is None


async def test_open_connection_returns_before_data(net: Net) -> None:
    """What the server sends in connection_made waits in the reader, all of it."""
    server = await net.create_server(Greeter)
    async with cleared(server):
        for _ in range(5):
            reader, writer = await net.open_connection(*address_of(server))
            assert await reader.readexactly(5) == b"hello"
            await close(writer)


async def test_server_may_write_and_close_at_once(net: Net) -> None:
    class Brief(Greeter):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.close()

    server = await net.create_server(Brief)
    async with cleared(server):
        _, client = await net.create_connection(Recorder, *address_of(server))
        assert await client.lost is None
        assert client.calls == ["made", "data", "eof", "lost"]
        assert client.data == b"hello"


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_client_may_end_it_in_connection_made(net: Net, end: str) -> None:
    class Fickle(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            getattr(self.transport, end)()

    server = await net.create_server(Recorder)
    async with cleared(server):
        transport, client = await net.create_connection(Fickle, *address_of(server))
        assert transport.is_closing()
        assert await client.lost is None
        assert client.calls == ["made", "lost"]


async def test_refused(net: Net) -> None:
    """MUST-54, UDP-11: at once, with the errno, whether anything else uses the socket or not."""
    server = await net.create_server(Recorder)
    address = address_of(server)
    server.close()
    await server.wait_closed()
    if not net.is_virtual:
        await turns(5)  # the socket of the server closes
    with pytest.raises(ConnectionRefusedError) as raised:
        async with asyncio.timeout(5):
            await net.create_connection(Recorder, *address)
    assert raised.value.errno == errno.ECONNREFUSED


async def test_ICMP_4_many_opens_to_a_closed_port(net: Net) -> None:
    """Their SYNs leave several in one system call, and the system quotes the first alone."""
    server = await net.create_server(Recorder)
    address = address_of(server)
    server.close()
    await server.wait_closed()
    if not net.is_virtual:
        await turns(5)
    async with asyncio.timeout(5):
        opens = (net.create_connection(Recorder, *address) for _ in range(20))
        errors = await asyncio.gather(*opens, return_exceptions=True)
    assert {type(error) for error in errors} == {ConnectionRefusedError}


async def test_closed_server_refuses_while_its_connections_live(net: Net) -> None:
    """ST-9: the UDP socket is open for them still."""
    async with pair(net) as p:
        p.listening.close()
        with pytest.raises(ConnectionRefusedError) as raised:
            await net.create_connection(Recorder, *p.address[:2])
        assert raised.value.errno == errno.ECONNREFUSED
        p.near.write(b"still here")
        assert await p.server.received(10) == b"still here"


async def test_unknown_name(net: Net) -> None:
    with pytest.raises(socket.gaierror):
        await net.create_connection(
            Recorder, "no such name.invalid", 1, flags=socket.AI_NUMERICHOST
        )
    assert issubclass(socket.gaierror, OSError)


async def test_exception_in_connection_made(net: Net, reports: list[dict[str, Any]]) -> None:
    class Broken(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            raise LookupError("in connection_made")

    server = await net.create_server(Greeter)
    async with cleared(server):
        transport, client = await net.create_connection(Broken, *address_of(server))
        (context,) = reports
        reports.clear()
        assert isinstance(context["exception"], LookupError)
        assert not transport.is_closing()
        await client.received(5)
        transport.close()
        assert await client.lost is None


async def test_exception_in_connection_made_of_the_server(
    net: Net, reports: list[dict[str, Any]]
) -> None:
    class Broken(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            raise LookupError("in connection_made")

    async with pair(net, Recorder, Broken) as p:
        p.near.write(b"hello")
        await p.server.received(5)
        assert isinstance(reports.pop()["exception"], LookupError)
        assert not reports


async def test_exception_in_the_factory(net: Net) -> None:
    """It comes out of the call, and no socket is left behind (the fixture looks)."""
    if net.is_tcp:
        pytest.skip("asyncio's TCP forgets to close its socket")

    def factory() -> Recorder:
        raise LookupError("in the factory")

    server = await net.create_server(Recorder)
    async with cleared(server):
        with pytest.raises(LookupError):
            await net.create_connection(factory, *address_of(server))
        _, client = await net.create_connection(Recorder, *address_of(server))
        client.transport.close()
        await client.lost


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((), {}),
        ((None, None), {}),
        ((HOST, 1), {"server_hostname": "name"}),
        ((HOST, 1), {"ssl_handshake_timeout": 1.0}),
        ((HOST, 1), {"ssl_shutdown_timeout": 1.0}),
    ],
)
async def test_arguments_that_do_not_go_together(
    net: Net, arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError):
        await net.create_connection(Recorder, *arguments, **options)


async def test_a_config_is_a_config() -> None:
    wrong: Any = {"mss": 1000}
    with pytest.raises(TypeError, match=r"a rudp.Config was expected"):
        await rudp.create_connection(Recorder, HOST, 9, config=wrong)
    with pytest.raises(TypeError, match=r"a rudp.Config was expected"):
        await rudp.create_server(Recorder, HOST, 0, config=wrong)


async def test_ssl_true_is_no_context(net: Net) -> None:
    with pytest.raises(TypeError):
        await net.create_server(Recorder, ssl=True)


async def test_socket_and_address_exclude_each_other(net: Net) -> None:
    if net.is_virtual:
        pytest.skip("no sockets there")
    with net.bound_socket() as sock:
        with pytest.raises(ValueError):
            await net.create_connection(Recorder, HOST, 1, sock=sock)
        with pytest.raises(ValueError):
            await net.create_server(Recorder, HOST, 1, sock=sock)
    with pytest.raises(ValueError):
        await net.create_server(Recorder, None, None)  # type: ignore[arg-type]


async def test_a_socket_of_the_wrong_kind(real: Net) -> None:
    with socket.socket() as stream, pytest.raises(ValueError):
        await real.create_connection(Recorder, sock=stream)
    with socket.socket() as stream, pytest.raises(ValueError):
        await real.create_server(Recorder, None, None, sock=stream)  # type: ignore[arg-type]
    with real.bound_socket() as unconnected, pytest.raises(ValueError):
        await real.create_connection(Recorder, sock=unconnected)


async def test_MUST_43_local_address(net: Net) -> None:
    """It is honoured, and visible at both ends."""
    async with pair(net) as p:
        _, probe = await net.create_connection(
            Recorder, *p.address[:2], local_addr=("127.0.0.2", 0)
        )
        host, port = probe.transport.get_extra_info("sockname")
        assert host == "127.0.0.2"
        assert port
        probe.transport.close()
        await probe.lost


async def test_local_port_is_the_one_asked_for(net: Net) -> None:
    seen: list[Any] = []

    class Server(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            seen.append(transport.get_extra_info("peername"))

    server = await net.create_server(Server)
    async with cleared(server):
        if net.is_virtual:
            port = 40_000
        else:
            with net.bound_socket() as sock:
                port = sock.getsockname()[1]
        _, client = await net.create_connection(
            Recorder, *address_of(server), local_addr=(HOST, port)
        )
        assert client.transport.get_extra_info("sockname") == (HOST, port)
        client.transport.close()
        await client.lost
        if not net.is_tcp:
            await rudp.delivered(client.transport)
    assert seen == [(HOST, port)]


async def test_TW_7_local_address_in_use(net: Net) -> None:
    """MUST-43: EADDRINUSE, by somebody else and by a connection of our own."""
    async with pair(net) as p:
        _, first = await net.create_connection(Recorder, *p.address[:2], local_addr=(HOST, 0))
        taken = first.transport.get_extra_info("sockname")
        with pytest.raises(OSError) as raised:
            await net.create_connection(Recorder, *p.address[:2], local_addr=taken)
        assert raised.value.errno == errno.EADDRINUSE
        first.transport.close()
        await first.lost
        if not net.is_tcp:  # the kernel may let it go earlier
            with pytest.raises(OSError) as raised:
                await net.create_connection(Recorder, *p.address[:2], local_addr=taken)
            assert raised.value.errno == errno.EADDRINUSE, "TIME-WAIT holds it"


async def test_local_address_of_another_family(net: Net) -> None:
    with pytest.raises(OSError):
        await net.create_connection(Recorder, HOST, 9, local_addr=(V6, 0))


async def test_own_socket(real: Net) -> None:
    """sock=: it belongs to the transport from then on."""
    async with pair(real) as p:
        sock = real.bound_socket()
        own = sock.getsockname()
        sock.connect(p.address)
        _, client = await real.create_connection(Recorder, sock=sock)
        assert client.transport.get_extra_info("sockname") == own
        client.transport.write(b"mine")
        client.transport.close()
        assert await client.lost is None


async def test_server_on_own_socket(net: Net) -> None:
    if net.is_virtual:
        pytest.skip("no sockets there")
    sock = net.bound_socket()
    address = sock.getsockname()
    server = await net.create_server(Greeter, None, None, sock=sock)  # type: ignore[arg-type]
    async with cleared(server):
        assert address_of(server) == address
        _, client = await net.create_connection(Recorder, *address)
        await client.received(5)
        client.transport.close()
        await client.lost


async def test_ipv6(net: Net) -> None:
    async with pair(net, host=V6) as p:
        assert p.near.get_extra_info("peername")[:2] == p.address[:2]
        assert len(p.near.get_extra_info("sockname")) == 4
        assert p.near.get_extra_info("sockname") == p.far.get_extra_info("peername")
        p.near.write(b"six")
        p.far.write(b"seven")
        assert await p.server.received(3) == b"six"
        assert await p.client.received(5) == b"seven"


async def test_dual_stack(net: Net) -> None:
    """host=None serves both families."""
    server = await net.start_server(echo, None, 0)
    async with cleared(server):
        addresses = [sock.getsockname() for sock in server.sockets]
        assert sorted(len(address) for address in addresses) == [2, 4]
        for address in addresses:
            host = HOST if len(address) == 2 else V6
            reader, writer = await net.open_connection(host, address[1])
            writer.write(b"ping")
            writer.write_eof()
            assert await reader.read() == b"ping"
            assert writer.get_extra_info("peername")[0] == host
            await close(writer)


@pytest.mark.parametrize("delay", [None, 0.1])
async def test_second_address_after_the_first_refused(net: Net, delay: float | None) -> None:
    """One name, two addresses, one of them serving."""
    server = await net.create_server(Greeter, HOST)
    async with cleared(server):
        port = address_of(server)[1]
        loop = asyncio.get_running_loop()
        infos = [
            (socket.AF_INET6, 0, 0, "", (V6, port, 0, 0)),
            (socket.AF_INET, 0, 0, "", (HOST, port)),
        ]

        async def getaddrinfo(host: Any, port: Any, *, family: int = 0, **_: Any) -> Any:
            kind = socket.SOCK_STREAM if net.is_tcp else socket.SOCK_DGRAM
            if host != "two":
                return [(socket.AF_INET, kind, 0, "", (host, port))]
            return [(f, kind, *rest) for f, _, *rest in infos if family in (0, f)]

        loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign]
        _, client = await net.create_connection(Recorder, "two", port, happy_eyeballs_delay=delay)
        assert client.transport.get_extra_info("peername")[0] == HOST
        client.transport.close()
        await client.lost


async def test_all_addresses_refuse(net: Net) -> None:
    """One error if they are alike, one that names them all if not, all of them if asked."""
    server = await net.create_server(Recorder, HOST)
    port = address_of(server)[1]
    server.close()
    await server.wait_closed()
    await turns(5)

    async def getaddrinfo(host: Any, port: Any, **_: Any) -> Any:
        kind = socket.SOCK_STREAM if net.is_tcp else socket.SOCK_DGRAM
        return [
            (socket.AF_INET6, kind, 0, "", (V6, port, 0, 0)),
            (socket.AF_INET, kind, 0, "", (HOST, port)),
        ]

    asyncio.get_running_loop().getaddrinfo = getaddrinfo  # type: ignore[method-assign]
    with pytest.raises(OSError):
        await net.create_connection(Recorder, "two", port)
    if not net.is_tcp:  # asyncio's TCP has all_errors from 3.12 on
        with pytest.raises(ExceptionGroup) as group:
            await net.create_connection(Recorder, "two", port, all_errors=True)
        assert all(isinstance(e, ConnectionRefusedError) for e in group.value.exceptions)
        assert len(group.value.exceptions) == 2


async def test_hundreds_at_once(net: Net) -> None:
    """200 concurrent opens, a backlog of 1: every one gets its own connection."""
    if net.is_tcp:
        pytest.skip("the kernel keeps to the backlog and lets clients wait for seconds")

    async def ask(number: int) -> None:
        reader, writer = await net.open_connection(*address)
        message = b"%d\n" % number
        writer.write(message)
        assert await reader.readline() == message
        await close(writer)

    server = await net.start_server(echo, backlog=1)
    async with cleared(server):
        address = address_of(server)
        await asyncio.gather(*map(ask, range(200)))


@pytest.mark.virtual
class TestVirtual:
    """Openings whose time matters."""

    async def test_connect_timeout(self) -> None:
        """Config.connect_timeout ends an open earlier than R2 would."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.network.link("10.0.0.1", "10.0.0.9", drop=lambda data, now: True)
        config = rudp.Config(connect_timeout=2.5)
        with pytest.raises(TimeoutError) as raised:
            await rudp.create_connection(Recorder, "10.0.0.9", 7, config=config)
        assert raised.value.errno == errno.ETIMEDOUT
        assert loop.time() == pytest.approx(2.5)

    async def test_MUST_23_patient_open(self) -> None:
        """FAIL-3, MUST-22: a SYN is repeated for three minutes, then TimeoutError."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        sent: list[float] = []

        def drop(data: bytes, now: float) -> bool:
            sent.append(now)
            return True

        loop.network.link("10.0.0.1", "10.0.0.9", drop=drop)
        with pytest.raises(TimeoutError):
            await rudp.create_connection(Recorder, "10.0.0.9", 7)
        assert sent == pytest.approx([0, 1, 3, 7, 15, 31, 63, 123], abs=0.01)
        assert loop.time() == pytest.approx(183, abs=0.01)

    @pytest.mark.parametrize("host", ["224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1"])
    async def test_MUST_46_invalid_remote(self, host: str) -> None:
        """UDP-15: nobody can connect to a group, to all, or to no address."""
        with pytest.raises(OSError):
            await rudp.create_connection(Recorder, host, 7)

    async def test_happy_eyeballs(self) -> None:
        """The second address is tried when the first does not answer in time; no loser is left."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.hosts["two"] = ["fd00::9", "10.0.0.9"]
        loop.network.link("fd00::1", "fd00::9", drop=lambda data, now: True)
        server = await rudp.create_server(Recorder, "10.0.0.9", 7)
        async with cleared(server):
            _, client = await rudp.create_connection(Recorder, "two", 7, happy_eyeballs_delay=0.25)
            assert loop.time() == pytest.approx(0.27)
            assert client.transport.get_extra_info("peername") == ("10.0.0.9", 7)
            client.transport.close()
            assert await client.lost is None

    async def test_interleave(self) -> None:
        """Families take turns, the first one *interleave* times."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.hosts["many"] = ["fd00::8", "fd00::9", "10.0.0.8", "10.0.0.9"]
        tried: list[str] = []
        loop.network.taps.append(lambda what, when, data, s, d: tried.append(d[0]))
        config = rudp.Config(connect_timeout=60.0)
        for interleave, order in (
            (1, ["fd00::8", "10.0.0.8", "fd00::9", "10.0.0.9"]),
            (2, ["fd00::8", "fd00::9", "10.0.0.8", "10.0.0.9"]),
        ):
            tried.clear()
            with pytest.raises(ConnectionRefusedError):
                await rudp.create_connection(
                    Recorder, "many", 7, interleave=interleave, config=config
                )
            assert list(dict.fromkeys(h for h in tried if not h.endswith("1"))) == order
        tried.clear()
        with pytest.raises(ConnectionRefusedError):
            await rudp.create_connection(Recorder, "many", 7, config=config)
        assert list(dict.fromkeys(h for h in tried if not h.endswith("1")))[1] == "fd00::9"
