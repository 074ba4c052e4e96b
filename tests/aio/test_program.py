"""Whole programs over rudp: loops that carry TCP, on asyncio, uvloop and virtual time."""

import asyncio
import dataclasses
import functools
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import trustme

import rudp
from rudp.aio.carrier import Carriage, Carrier
from rudp.aio.delivery import innermost
from rudp.aio.kinds import has_real_network, keeps_real_time, watches_descriptors
from rudp.aio.rule import Rule
from rudp.sim import VirtualLoop
from tests.aio.kit import HOST, Recorder, address_of, cleared, echo
from tests.conftest import warning_late

Factory = Callable[..., asyncio.AbstractEventLoop]


def new_uvloop(**options: Any) -> asyncio.AbstractEventLoop:
    return warning_late(rudp.new_uvloop(**options))


FACTORIES: dict[str, Factory] = {
    "asyncio": rudp.new_event_loop,
    "uvloop": new_uvloop,
    "virtual": functools.partial(rudp.new_event_loop, VirtualLoop, seed=7, delay=0.01, loss=0.05),
}


@pytest.fixture(params=list(FACTORIES))
def factory(request: pytest.FixtureRequest) -> Factory:
    """A maker of loops that carry."""
    return FACTORIES[request.param]


@pytest.fixture(params=["asyncio", "uvloop"])
def real(request: pytest.FixtureRequest) -> Factory:
    """A maker of loops that carry, and have the kernel's TCP as well."""
    return FACTORIES[request.param]


@dataclasses.dataclass(frozen=True)
class Certificates:
    """A server that is called localhost, and a client that trusts it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(client)
    return Certificates(server, client)


def run(factory: Callable[[], Any], main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


async def ask(host: str, port: int, **options: Any) -> bytes:
    """Have an echo server repeat a word."""
    reader, writer = await asyncio.open_connection(host, port, **options)
    assert isinstance(innermost(writer.transport), rudp.Transport)
    writer.write(b"hello")
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def on_kernel_tcp(connected: Any) -> asyncio.Server:
    """Serve over the kernel's TCP, whatever the running loop is: behind its back."""
    loop: Any = asyncio.get_running_loop()
    server: asyncio.Server = await super(Carrier, loop).create_server(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), connected), HOST, 0
    )
    return server


# -- connections and servers ---------------------------------------------------------------------


def test_streams_go_over_rudp(factory: Factory) -> None:
    async def main() -> bytes:
        server = await asyncio.start_server(echo, HOST, 0)
        assert isinstance(server, rudp.Server)
        async with cleared(server):
            return await ask(*address_of(server))

    assert run(factory, main()) == b"hello"


def test_a_program_connects_its_socket_itself(factory: Factory) -> None:
    """As aiohttp's client does: ``sock_connect`` and then ``create_connection(sock=)``."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Recorder, HOST, 0)
        async with cleared(server):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            await loop.sock_connect(sock, address_of(server))
            with pytest.raises(OSError, match="already connected"):
                await loop.sock_connect(sock, address_of(server))
            with pytest.raises(ValueError, match="only create_connection"):
                await loop.sock_sendall(sock, b"x")
            transport, protocol = await loop.create_connection(Recorder, sock=sock)
            assert isinstance(transport, rudp.Transport)
            assert sock.fileno() == -1
            transport.close()
            await protocol.lost

    run(factory, main())


def test_what_comes_before_the_socket_is_taken_is_kept(factory: Factory) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome")
        writer.close()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(greet, HOST, 0)
        async with cleared(server):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, address_of(server))
            await asyncio.sleep(0.1)
            reader, writer = await asyncio.open_connection(sock=sock)
            assert await reader.read() == b"welcome"
            writer.close()

    run(factory, main())


def test_a_socket_that_is_dropped_gives_its_connection_up(factory: Factory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        accepted: asyncio.Future[Recorder] = loop.create_future()

        def accept() -> Recorder:
            accepted.set_result(Recorder())
            return accepted.result()

        server = await loop.create_server(accept, HOST, 0)
        async with cleared(server):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, address_of(server))
            far = await accepted
            sock.close()
            del sock
            await asyncio.wait_for(far.lost, 5)

    run(factory, main())


def test_a_refused_socket_says_so(factory: Factory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Recorder, HOST, 0)
        address = address_of(server)
        server.close()
        with socket.socket() as sock:
            sock.setblocking(False)
            with pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(sock, address)

    run(factory, main())


def test_a_bound_socket_stands_for_its_address(factory: Factory) -> None:
    """As the parent of uvicorn's workers makes it; each of them serves there."""

    async def main() -> None:
        sock = socket.socket()
        sock.bind((HOST, 0))
        sock.listen()
        address = sock.getsockname()
        server = await asyncio.start_server(echo, sock=sock)
        assert address_of(server) == address
        async with cleared(server):
            assert await ask(*address) == b"hello"
            with socket.socket() as knocks, pytest.raises(ConnectionRefusedError):
                knocks.connect(address)
            with socket.socket() as other, pytest.raises(OSError, match="already in use"):
                other.bind(address)
            assert sock.fileno() != -1
        assert sock.fileno() == -1

    run(factory, main())


def test_a_socket_that_is_not_bound_gets_a_port(factory: Factory) -> None:
    """As ``listen()`` gives one that is not bound: uvicorn's ``--fd`` may be such a socket."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setblocking(False)
        server = await loop.create_server(Recorder, sock=sock)
        port = server.sockets[0].getsockname()[1]
        assert port
        near, client = await loop.create_connection(Recorder, HOST, port)
        near.close()
        await client.lost
        server.close()
        sock.close()

    run(factory, main())


def test_a_program_accepts_one_by_one(factory: Factory, certificates: Certificates) -> None:
    """As anyio's servers do: ``sock_accept`` and then ``connect_accepted_socket``."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        listens = socket.socket()
        listens.setblocking(False)
        listens.bind((HOST, 0))
        listens.listen()
        address = listens.getsockname()
        for context in (None, certificates.server):
            name = "localhost" if context else None
            options: dict[str, Any] = {"ssl": certificates.client if context else None}
            options["server_hostname"] = name
            accepting = loop.create_task(loop.sock_accept(listens))
            connecting = loop.create_task(loop.create_connection(Recorder, *address, **options))
            sock, peer = await accepting
            assert peer[0] == HOST
            _, served = await loop.connect_accepted_socket(Recorder, sock, ssl=context)
            near, client = await connecting
            near.write(b"hello")
            assert await served.received(5) == b"hello"
            near.close()
            await served.lost
            await client.lost
            assert served.calls == ["made", "data", "eof", "lost"]
        assert listens.getsockname() == address
        waiting = loop.create_task(loop.sock_accept(listens))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        listens.close()
        await asyncio.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Recorder, *address)

    run(factory, main())


def test_a_client_may_come_before_the_first_accept(factory: Factory) -> None:
    """Over the kernel's TCP it waits in the backlog; anyio's servers accept some turns late."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as listens:
            listens.bind((HOST, 0))
            listens.listen()
            made: list[Recorder] = []

            def make() -> Recorder:
                made.append(Recorder())
                return made[-1]

            connecting = loop.create_task(loop.create_connection(make, *listens.getsockname()))
            await asyncio.sleep(0.05)
            sock, _ = await loop.sock_accept(listens)
            near, _ = await connecting
            assert len(made) == 1
            near.close()
            sock.close()

        with socket.socket() as deaf:
            deaf.bind((HOST, 0))
            with pytest.raises(ConnectionRefusedError) as refused:
                await loop.create_connection(Recorder, *deaf.getsockname())
            pattern = f"tcp=['{HOST}:{deaf.getsockname()[1]}']"
            assert pattern in "".join(refused.value.__notes__)

    run(factory, main())


def test_connections_that_arrive_at_a_closed_socket_are_reset(factory: Factory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        listens = socket.socket()
        listens.bind((HOST, 0))
        listens.listen()
        address = listens.getsockname()
        accepting = loop.create_task(loop.sock_accept(listens))
        _, first = await loop.create_connection(Recorder, *address)
        sock, _ = await accepting
        sock.close()
        del sock
        del accepting  # its result has the socket too
        listens.close()
        _, second = await loop.create_connection(Recorder, *address)
        for each in (first, second):
            assert isinstance(await asyncio.wait_for(each.lost, 5), ConnectionResetError | None)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Recorder, *address)

    run(factory, main())


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_descriptor_is_what_the_system_says(real: Factory, kind: int) -> None:
    """As ``uvicorn --fd`` takes it: for a Unix socket, whatever it is."""

    async def main() -> bytes:
        bound = socket.socket(socket.AF_INET, kind)
        bound.bind((HOST, 0))
        with bound:
            sock = socket.fromfd(bound.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
        server = await asyncio.start_server(echo, sock=sock)
        async with cleared(server):
            return await ask(*address_of(server))

    assert run(real, main()) == b"hello"


# -- what stays on the kernel's TCP --------------------------------------------------------------


def test_the_rule_leaves_to_the_kernel(real: Factory) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(echo, HOST, 0)
        assert not isinstance(server, rudp.Server)
        host, port = address_of(server)
        tries: list[dict[str, Any]] = [{}]
        if real is rudp.new_event_loop:  # uvloop's own TCP has no such thing
            tries.append({"happy_eyeballs_delay": 0.1})
        for options in tries:
            reader, writer = await asyncio.open_connection("localhost", port, **options)
            writer.write(b"hello")
            writer.write_eof()
            assert await reader.read() == b"hello"
            writer.close()
            await writer.wait_closed()
            assert not isinstance(writer.transport, rudp.Transport)
        sock = socket.socket()
        sock.setblocking(False)
        await loop.sock_connect(sock, (host, port))
        transport, protocol = await loop.create_connection(Recorder, sock=sock)
        assert not isinstance(transport, rudp.Transport)
        transport.close()
        await protocol.lost
        server.close()
        await server.wait_closed()

    run(functools.partial(real, tcp=["127.0.0.1:*"]), main())


def test_what_runs_on_a_kernel_connection_has_the_rule_too(real: Factory) -> None:
    """Its callbacks do not inherit that the kernel was right for it."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        kernel = await on_kernel_tcp(echo)
        ours = await loop.create_server(Recorder, HOST, 0)
        port = kernel.sockets[0].getsockname()[1]
        loop.carriage = Carriage(Rule([f"{HOST}:{port}"]))  # type: ignore[attr-defined]
        opened: asyncio.Future[socket.socket] = loop.create_future()

        class Opens(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.task = loop.create_task(self.open())

            async def open(self) -> None:
                sock = socket.socket()
                sock.setblocking(False)
                await loop.sock_connect(sock, address_of(ours))
                opened.set_result(sock)

        transport, _ = await loop.create_connection(Opens, HOST, port)
        assert not isinstance(transport, rudp.Transport)
        taken, protocol = await loop.create_connection(Recorder, sock=await opened)
        assert isinstance(taken, rudp.Transport)
        taken.close()
        await protocol.lost
        transport.close()
        for server in (kernel, ours):
            server.close()
            await server.wait_closed()

    run(real, main())


@pytest.mark.parametrize(
    ("pattern", "host", "port", "left"),
    [
        ("localhost:5432", "localhost", 5432, True),
        ("localhost:5432", "localhost", 5433, False),
        ("localhost:5432", "127.0.0.1", 5432, True),
        ("localhost:*", "::1", 80, True),
        ("127.0.0.1:80", "localhost", 80, True),
        ("127.0.0.2:80", "localhost", 80, False),
        ("10.0.0.0/8:80", "10.1.2.3", 80, True),
        ("10.0.0.0/8:80", "11.1.2.3", 80, False),
        ("10.0.0.0/8:80", "::ffff:10.1.2.3", 80, True),
        ("[2001:db8::/32]:80", "2001:db8::7", 80, True),
        ("*.internal:*", "db.internal", 5432, True),
        ("*.internal:*", "DB.Internal.", 5432, True),
        ("*.internal:*", "internal", 5432, False),
        ("db.internal:5432", "10.9.9.9", 5432, True),
        ("db.internal:5432", "10.9.9.8", 5432, False),
        ("10.9.9.9:5432", "db.internal", 5432, True),
        ("10.9.9.9:5432", "unknown.internal", 5432, False),
        ("*:5432", None, 5432, True),
        ("localhost:5432", None, 5432, False),
        ("*:*", "example.org", 1, True),
    ],
)
def test_patterns(pattern: str, host: str | None, port: int, left: bool) -> None:
    loop = VirtualLoop()
    loop.hosts["db.internal"] = "10.9.9.9"
    try:
        assert loop.run_until_complete(Rule([pattern]).leaves(loop, host, port)) is left
    finally:
        loop.close()


@pytest.mark.parametrize(
    "pattern",
    [
        "", "localhost", ":5432", "localhost:", "localhost:0", "localhost:65536", "localhost:http",
        "::1:5432", "[::1:5432", "[nonsense]:1", "10.0.0.1/8:80", "300.0.0.1:80",
        "http://localhost:80", "a b:80",
    ],
)  # fmt: skip
def test_a_pattern_that_matches_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="matches nothing"):
        rudp.new_event_loop(tcp=[pattern])


@pytest.mark.parametrize("patterns", ["localhost:80", [80], [b"localhost:80"]])
def test_patterns_are_a_list_of_texts(patterns: Any) -> None:
    with pytest.raises(TypeError, match="pattern"):
        rudp.new_event_loop(tcp=patterns)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tpc": []}, "'tpc' is no option"),
        ({"base": "uvloop"}, "a class of event loops was expected, got 'uvloop'"),
        ({"base": int}, "a class of event loops was expected"),
        ({"config": {"mss": 1000}}, r"a rudp.Config was expected, got \{'mss': 1000\}"),
        ({"capture": 5}, "a capture goes to a path or a file that is open, not to 5"),
    ],
)
def test_arguments_of_another_kind_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        rudp.new_event_loop(**wrong)


def test_a_server_is_of_one_kind(real: Factory) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=r"each needs its server"):
            await asyncio.start_server(echo, ["127.0.0.1", "127.0.0.2"], 0)

    run(functools.partial(real, tcp=["127.0.0.2:*"]), main())


# -- what can not be carried ---------------------------------------------------------------------


def test_a_socket_of_the_kernel_is_refused(real: Factory) -> None:
    """It is told what to do; nothing goes over the kernel's TCP unseen."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as listens, socket.socket() as sock:
            listens.bind((HOST, 0))
            listens.listen()
            sock.connect(listens.getsockname())
            far, _ = listens.accept()
            for each in (listens, sock, far):
                each.setblocking(False)
            calls: list[tuple[Any, tuple[Any, ...]]] = [
                (loop.sock_recv, (sock, 1)),
                (loop.sock_recv_into, (sock, bytearray(1))),
                (loop.sock_recvfrom, (sock, 1)),
                (loop.sock_recvfrom_into, (sock, bytearray(1))),
                (loop.sock_sendall, (sock, b"x")),
                (loop.sock_sendto, (sock, b"x", listens.getsockname())),
                (loop.sock_sendfile, (sock, None)),
                (loop.connect_read_pipe, (Recorder, sock)),
                (loop.connect_write_pipe, (Recorder, sock)),
                (loop.connect_accepted_socket, (Recorder, far)),
            ]
            for call, arguments in calls:
                said = rf"{call.__name__}\(.*leave 127.0.0.1:\d+ to the kernel: tcp="
                with pytest.raises(ValueError, match=said):
                    await call(*arguments)
            with pytest.raises(ValueError, match=r"leave 127.0.0.1:\d+ to the kernel: tcp="):
                await loop.create_connection(Recorder, sock=sock)
            far.close()

    run(real, main())


def test_unix_sockets_are_the_loops(real: Factory) -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        for each in (near, far):
            each.setblocking(False)
        transport, _ = await loop.create_connection(Recorder, sock=near)
        transport.write(b"hello")
        data = await loop.sock_recv(far, 100)
        transport.close()
        far.close()
        return data

    assert run(real, main()) == b"hello"


def test_descriptors_of_the_kernels_tcp_are_refused(real: Factory) -> None:
    """As libraries in C watch them; those of pipes, UDP and Unix sockets are the loop's."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as listens, socket.socket() as sock:
            listens.bind((HOST, 0))
            listens.listen()
            sock.setblocking(False)
            loop.add_writer(sock.fileno(), print)  # nobody knows yet where it will lead
            loop.remove_writer(sock.fileno())
            sock.setblocking(True)
            sock.connect(listens.getsockname())
            for each in (sock, sock.fileno(), listens):
                with pytest.raises(ValueError, match=r"add_reader\(\).* tcp="):
                    loop.add_reader(each, print)
            loop.carriage = Carriage(Rule(["localhost:*"]))  # type: ignore[attr-defined]
            loop.add_reader(sock, print)
            loop.remove_reader(sock)
        near, far = socket.socketpair()
        with near, far:
            far.send(b"hello")
            readable = asyncio.Event()
            loop.add_reader(near, readable.set)
            await readable.wait()
            loop.remove_reader(near)

    run(real, main())


def test_a_name_in_a_pattern_counts_for_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def getaddrinfo(*name: Any) -> list[Any]:
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.9.9.9", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    rule = Rule(["db.internal:5432"])
    assert rule.leaves_at_once("10.9.9.9", 5432)
    assert rule.leaves_at_once("10.9.9.9", 5432)
    assert not rule.leaves_at_once("10.9.9.9", 5433)
    assert len(asked) == 1
    assert not rule.leaves_at_once("10.9.9.8", 5432)


# -- the rest of what programs do ----------------------------------------------------------------


def test_tls(factory: Factory, certificates: Certificates) -> None:
    """``ssl=`` with a name, with a socket of one's own, and ``StreamWriter.start_tls``."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(echo, HOST, 0, ssl=certificates.server)
        options: dict[str, Any] = {"ssl": certificates.client, "server_hostname": "localhost"}
        async with cleared(server):
            assert await exchange(*await asyncio.open_connection(*address_of(server), **options))
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, address_of(server))
            assert await exchange(*await asyncio.open_connection(sock=sock, **options))

        async def secured(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readline() == b"STARTTLS\n"
            writer.write(b"yes\n")
            await writer.start_tls(certificates.server)
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(secured, HOST, 0)
        async with cleared(server):
            reader, writer = await asyncio.open_connection(*address_of(server))
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"yes\n"
            await writer.start_tls(certificates.client, server_hostname="localhost")
            assert writer.get_extra_info("ssl_object") is not None
            assert await exchange(reader, writer)

    async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"hello\n")
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return answer == b"hello\n"

    run(factory, main())


def test_sendfile(factory: Factory, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 1000)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        accepted: asyncio.Future[Recorder] = loop.create_future()

        def accept() -> Recorder:
            accepted.set_result(Recorder())
            return accepted.result()

        server = await loop.create_server(accept, HOST, 0)
        async with cleared(server):
            transport, protocol = await loop.create_connection(Recorder, *address_of(server))
            with path.open("rb") as file:
                assert await loop.sendfile(transport, file, 100, 200_000) == 200_000
                with pytest.raises(RuntimeError, match="fallback"):
                    await loop.sendfile(transport, file, fallback=False)
            far = await accepted
            assert await far.received(200_000) == path.read_bytes()[100:200_100]
            transport.close()
            await protocol.lost

    run(factory, main())


def test_config_and_capture_are_for_all(tmp_path: Path) -> None:
    async def main() -> None:
        server = await asyncio.start_server(echo, HOST, 0)
        async with cleared(server):
            for _ in range(2):
                reader, writer = await asyncio.open_connection(*address_of(server))
                sock = writer.get_extra_info("socket")
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                assert sock.getpeername() == address_of(server)
                writer.write(b"a word")
                writer.write_eof()
                assert await reader.read() == b"a word"
                writer.close()
                await writer.wait_closed()

    capture = tmp_path / "run.pcapng"
    rudp.run(main(), config=rudp.Config(keepalive=25), capture=capture)
    assert capture.read_bytes().count(b"a word") == 2 * 2 * 2  # there and back, at both ends


def test_a_capture_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rudp.new_event_loop(capture=tmp_path / "nowhere" / "run.pcapng")


def test_virtual_time_passes_inside_another_loop() -> None:
    """In a notebook's cell for instance; a loop that waits for the system may not run there."""

    async def inside() -> bytes:
        server = await asyncio.start_server(echo, HOST, 0)
        async with cleared(server):
            return await ask(*address_of(server))

    async def outside() -> None:
        assert rudp.run(inside(), base=VirtualLoop, delay=0.01) == b"hello"
        assert asyncio.current_task() is not None
        refused = inside()
        with pytest.raises(RuntimeError, match="cannot be called where an event loop runs"):
            rudp.run(refused)
        refused.close()

    asyncio.run(outside())


def test_two_runs_on_virtual_time_are_alike() -> None:
    async def main() -> float:
        server = await asyncio.start_server(echo, HOST, 0)
        async with cleared(server):
            for _ in range(20):
                assert await ask(*address_of(server)) == b"hello"
        return asyncio.get_running_loop().time()

    lossy: dict[str, Any] = {"delay": 0.03, "loss": 0.2}
    times = [rudp.run(main(), base=VirtualLoop, seed=seed, **lossy) for seed in (1, 1, 2)]
    assert times[0] == times[1] != times[2]


def test_a_loop_without_tcp_has_none_to_leave_to() -> None:
    async def main() -> None:
        with pytest.raises(NotImplementedError):
            await asyncio.open_connection("db.internal", 5432)

    rudp.run(main(), base=VirtualLoop, tcp=["db.internal:*"])


# -- what a loop is ------------------------------------------------------------------------------


class Counting(asyncio.SelectorEventLoop):
    """Somebody's loop, which is a selector loop in all that matters here."""

    turns = 0

    def _run_once(self) -> None:
        self.turns += 1
        super()._run_once()  # type: ignore[misc]


class Jumping(Counting):
    """One on which it is never the time of the day."""

    def time(self) -> float:
        return 7.0


class OwnNetwork(Counting):
    """One that has its own way to send."""

    async def create_datagram_endpoint(self, *args: Any, **options: Any) -> Any:
        return await super().create_datagram_endpoint(*args, **options)


@pytest.mark.parametrize(
    ("make", "time_is_real", "network_is_real", "watches"),
    [
        (asyncio.SelectorEventLoop, True, True, True),
        (Counting, True, True, True),
        (Jumping, False, True, True),
        (OwnNetwork, True, False, True),
        (VirtualLoop, False, False, False),
        (rudp.new_event_loop, True, True, True),
        (new_uvloop, True, True, True),
        (functools.partial(rudp.new_event_loop, Jumping), False, True, True),
        (functools.partial(rudp.new_event_loop, VirtualLoop), False, False, False),
    ],
)
def test_three_questions(
    make: Factory, time_is_real: bool, network_is_real: bool, watches: bool
) -> None:
    loop = make()
    try:
        assert keeps_real_time(loop) is time_is_real
        assert has_real_network(loop) is network_is_real
        assert watches_descriptors(loop) is watches
    finally:
        loop.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the fast path is Linux's")
def test_a_subclass_of_a_selector_loop_has_the_fast_path() -> None:
    async def main() -> tuple[str, int]:
        server = await rudp.create_server(Recorder, HOST, 0)
        async with cleared(server):
            transport, protocol = await rudp.create_connection(Recorder, *address_of(server))
            mss = transport.get_extra_info("tcp_info").mss
            port = transport.get_extra_info("endpoint")._port
            transport.close()
            await protocol.lost
            return type(port).__name__, mss

    port, mss = run(Counting, main())
    assert port == "LinuxPort"
    assert mss > 30_000  # the loopback interface's
    port, mss = run(OwnNetwork, main())
    assert port == "PortablePort"
    assert mss < 1500


# -- programs that offer no hook -----------------------------------------------------------------


@pytest.mark.parametrize(
    "made",
    [
        "asyncio.run(main())",
        "asyncio.Runner(loop_factory=asyncio.SelectorEventLoop).run(main())",
        "uvloop.run(main())",
        "asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())",
        "asyncio.Runner(loop_factory=type('Mine', (uvloop.Loop,), {})).run(main())",
        "asyncio.new_event_loop().run_until_complete(main())",
    ],
)
def test_install(made: str) -> None:
    program = f"""
import asyncio
import rudp
rudp.install(tcp=["127.0.0.1:1"])
import uvloop

async def main():
    server = await asyncio.start_server(print, "127.0.0.1", 0)
    print(type(server).__module__, asyncio.get_running_loop().carriage.rule)
    server.close()

{made}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "rudp.aio.server <Rule 127.0.0.1:1>\n"
