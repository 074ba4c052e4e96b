"""``rudp relay``: what TCP programs see that cross a stretch of rudp, and how pairs end."""

import asyncio
import contextlib
import errno
import fcntl
import functools
import hashlib
import http.server
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rudp as library
from rudp import sim
from rudp.cli import main, splice
from rudp.cli.address import Address
from rudp.cli.relay import DELIVERY
from tests.cli.kit import Command, Commands, Identities

SIZE = 10_000_000
PATIENCE = 60.0

curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


class Site(http.server.BaseHTTPRequestHandler):
    """Gives ten megabytes, and answers what it is given with its SHA-256."""

    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    content = os.urandom(SIZE)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")  # nobody asks twice, or is to be waited for
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.answer(self.content)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(hashlib.sha256(content).hexdigest().encode())


class SiteServer(http.server.ThreadingHTTPServer):
    """When it is closed, so are its connections: it does not wait for daemons."""

    daemon_threads = False


@contextlib.contextmanager
def site(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on a port of 127.0.0.1, with *context* as https."""
    server = SiteServer(("127.0.0.1", 0), Site)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=functools.partial(server.serve_forever, 0.05))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Crossing:
    """Two relays: from TCP ``port`` over rudp to a TCP port of 127.0.0.1."""

    def __init__(
        self,
        rudp: Commands,
        target: int | str,
        *,
        near: tuple[str, ...] = (),
        far: tuple[str, ...] = (),
    ) -> None:
        self.far: Command = rudp(
            "relay", "--json", *far, "rudp://127.0.0.1:0", f"tcp://127.0.0.1:{target}"
        )
        between = f"rudp://127.0.0.1:{self.far.port()}"
        self.near: Command = rudp("relay", "--json", *near, "tcp://127.0.0.1:0", between)
        self.port = int(self.near.port())

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)


def run_curl(*arguments: str) -> bytes:
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", *arguments],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@curl
def test_curl_down_and_up(rudp: Commands, tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(Site.content)
    with site() as target:
        url = f"http://127.0.0.1:{Crossing(rudp, target).port}/"
        assert run_curl(url) == Site.content
        digest = run_curl("--upload-file", str(path), url)
    assert digest.decode() == hashlib.sha256(Site.content).hexdigest()


@curl
def test_curl_from_a_tls_site(rudp: Commands, identities: Identities) -> None:
    """TLS from end to end: the relays see nothing of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identities.certificate)
    with site(context) as target:
        url = f"https://127.0.0.1:{Crossing(rudp, target).port}/"
        assert run_curl("--cacert", identities.ca, url) == Site.content


@curl
def test_curl_over_relays_that_talk_tls(rudp: Commands, identities: Identities) -> None:
    """TLS between the relays alone, with certificates on both sides."""
    both = ("--ssl", "--ssl-ca", identities.ca, "--ssl-cert", identities.certificate)
    with site() as target:
        crossing = Crossing(rudp, target, near=both, far=both)
        assert run_curl(f"http://127.0.0.1:{crossing.port}/") == Site.content


async def test_a_hundred_connections_at_once(rudp: Commands) -> None:
    """Each gets its own octets back; every other one speaks only once all are open."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def visit(number: int, port: int) -> None:
        content = number.to_bytes(4, "big") * 25_000
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if number % 2:
            await everybody.wait()
        writer.write(content)
        writer.write_eof()
        assert await reader.read(4) == content[:4]
        barrier.append(number)
        if len(barrier) == 50:
            everybody.set()
        assert await reader.read() == content[4:]
        writer.close()
        await writer.wait_closed()

    everybody = asyncio.Event()
    barrier: list[int] = []
    server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=100)
    port = server.sockets[0].getsockname()[1]
    crossing = await asyncio.to_thread(Crossing, rudp, port)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*[visit(number, crossing.port) for number in range(100)])
    server.close()
    await server.wait_closed()
    stopped = crossing.near.process
    stopped.send_signal(signal.SIGTERM)
    assert (await asyncio.to_thread(crossing.near.event, "stopped"))["connections"] == 100
    assert (await asyncio.to_thread(crossing.near.end))[0] == 0


def test_half_close_both_ways(rudp: Commands) -> None:
    """The end of one direction arrives while the other stays open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        crossing = Crossing(rudp, server.getsockname()[1])
        for first in ("client", "server"):
            client = crossing.connect()
            server.settimeout(PATIENCE)
            served, _ = server.accept()
            served.settimeout(PATIENCE)
            one, two = (client, served) if first == "client" else (served, client)
            with client, served:
                one.sendall(b"question")
                one.shutdown(socket.SHUT_WR)
                with two.makefile("rb") as stream:
                    assert stream.read() == b"question"
                two.sendall(b"answer")
                two.shutdown(socket.SHUT_WR)
                with one.makefile("rb") as stream:
                    assert stream.read() == b"answer"


def test_a_reset_is_passed_on_as_a_reset(rudp: Commands) -> None:
    """What was cut must not look complete on the other side, whoever has cut it."""
    no_linger = struct.pack("ii", 1, 0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        crossing = Crossing(rudp, server.getsockname()[1])
        for first in ("client", "server"):
            client = crossing.connect()
            client.sendall(b"x")
            served, _ = server.accept()
            served.settimeout(PATIENCE)
            assert served.recv(1) == b"x"
            one, two = (client, served) if first == "client" else (served, client)
            with two:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
                one.close()
                with pytest.raises(ConnectionResetError):
                    two.recv(1)


class Server(threading.Thread):
    """Answers one client that it does not read from, and resets it when all has been taken."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.port = self.listener.getsockname()[1]
        self.answer = answer
        self.start()

    def run(self) -> None:
        with self.listener:
            served, _ = self.listener.accept()
        with served:
            served.settimeout(PATIENCE)
            served.sendall(self.answer)
            while int.from_bytes(fcntl.ioctl(served, termios.TIOCOUTQ, bytes(4)), sys.byteorder):
                time.sleep(0.001)
            served.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def fill(sock: socket.socket, data: bytes) -> int:
    """Send of *data* what every buffer on the way can hold, and return how much that is."""
    sock.setblocking(False)
    left = memoryview(data)
    quiet = 0
    while left and quiet < 10:
        try:
            left = left[sock.send(left) :]
            quiet = 0
        except BlockingIOError:
            time.sleep(0.02)
            quiet += 1
    return len(data) - len(left)


def to_the_end(client: socket.socket) -> tuple[bytes, BaseException | None]:
    """Read until the end; return what has come, and the error if it was one."""
    received = bytearray()
    try:
        while data := client.recv(65_536):
            received += data
    except OSError as error:
        return bytes(received), error
    return bytes(received), None


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels forget what was not read")
@pytest.mark.parametrize("upload", [300_000, 20_000_000])
@pytest.mark.parametrize("size", [50_016, 4_000_000])
@pytest.mark.parametrize("between", ["tcp", "rudp", "tls"])
def test_a_reset_comes_after_the_data(
    rudp: Commands, identities: Identities, between: str, size: int, upload: int
) -> None:
    """What the relay has taken arrives, also where it waits for a slow reader or writer."""
    answer = os.urandom(size)
    server = Server(answer)
    if between == "tcp":
        relay = rudp("relay", "--json", "tcp://127.0.0.1:0", f"tcp://127.0.0.1:{server.port}")
        port = int(relay.port())
    else:
        options = (identities.client, identities.server) if between == "tls" else ((), ())
        port = Crossing(rudp, server.port, near=options[0], far=options[1]).port
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        told: BaseException | None = None
        try:
            fill(client, bytes(upload))
        except ConnectionResetError as error:  # a kernel says it once
            told = error
        client.settimeout(PATIENCE)
        received, end = to_the_end(client)
        assert isinstance(told or end, ConnectionResetError)
    server.join()
    assert len(received) == size
    assert received == answer


@pytest.mark.parametrize("direction", ["there", "back"])
def test_a_relay_that_ends_delivers_what_it_has_taken(rudp: Commands, direction: str) -> None:
    """The reset comes after it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        target = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        relay = rudp("relay", "--json", "--grace", "0", "tcp://127.0.0.1:0", target)
        with socket.create_connection(("127.0.0.1", int(relay.port())), PATIENCE) as client:
            client.sendall(b"x")
            served, _ = server.accept()
            with served:
                assert served.recv(1) == b"x"
                one, two = (client, served) if direction == "there" else (served, client)
                assert fill(one, bytes(100_000_000)) > 100_000
                relay.process.send_signal(signal.SIGTERM)
                two.settimeout(PATIENCE)
                received, error = to_the_end(two)
                assert isinstance(error, ConnectionResetError)
        stopped = relay.event("stopped")
    assert len(received) == stopped[direction] - (direction == "there")
    assert relay.end() == (0, "", "")


def test_a_relay_that_is_told_twice_ends_at_once(rudp: Commands) -> None:
    """Nobody reads, so there is no end to what waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        target = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        relay = rudp("relay", "--json", "tcp://127.0.0.1:0", target)
        with socket.create_connection(("127.0.0.1", int(relay.port())), PATIENCE) as client:
            served, _ = server.accept()
            with served:
                fill(client, bytes(100_000_000))
                began = time.monotonic()
                relay.process.send_signal(signal.SIGTERM)
                time.sleep(0.5)
                assert relay.end(signal.SIGTERM)[0] == 0
                assert time.monotonic() - began < DELIVERY


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [(signal.SIGTERM, 0, ""), (signal.SIGINT, 130, "interrupted\n")],
)
def test_signals_reset_what_is_open(
    rudp: Commands, number: signal.Signals, status: int, words: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        crossing = Crossing(rudp, server.getsockname()[1])
        with crossing.connect() as client:
            client.sendall(b"x")
            served, _ = server.accept()
            with served:
                served.settimeout(PATIENCE)
                assert served.recv(1) == b"x"
                returned, _, said = crossing.far.end(number)
                assert (returned, said) == (status, words)
                with pytest.raises(ConnectionResetError):
                    client.recv(1)
                with pytest.raises(ConnectionResetError):
                    served.recv(1)
        assert crossing.near.event("closed")["error"] == "connection reset by peer"
        assert crossing.near.end(number)[0] == status


def test_a_target_that_is_not_there(rudp: Commands) -> None:
    """The client is reset, and told apart from a service that says nothing; the relay lives."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    crossing = Crossing(rudp, port)
    for _ in range(2):
        with pytest.raises(ConnectionResetError), crossing.connect() as client:
            client.recv(1)
        assert crossing.far.event("closed")["error"] == "connection refused"


def test_a_target_that_closes_without_a_word(rudp: Commands, identities: Identities) -> None:
    """A client that only waits for the end of its connection need not wait long, with TLS too.

    libpq does so after it has asked to cancel a query.
    """
    patient = ("--quiet-time", "1h")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        crossing = Crossing(
            rudp,
            server.getsockname()[1],
            near=(*identities.client, *patient),
            far=(*identities.server, *patient),
        )
        with crossing.connect() as client:
            client.sendall(bytes(16))
            served, _ = server.accept()
            with served:
                assert served.recv(16, socket.MSG_WAITALL) == bytes(16)
            assert client.recv(1) == b""
        for command in (crossing.near, crossing.far):
            assert command.event("closed")["there"] == 16


def test_no_more_connections_than_asked_for(rudp: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        crossing = Crossing(rudp, server.getsockname()[1], near=("--max-connections", "1"))
        with crossing.connect() as first:
            served, _ = server.accept()
            with pytest.raises(ConnectionResetError), crossing.connect() as second:
                second.recv(1)
            first.close()
            with served:
                assert served.recv(1) == b""
        crossing.near.event("closed")
        with crossing.connect():
            server.accept()[0].close()


def test_plain_words(rudp: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        target = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        relay = rudp("relay", "-v", "tcp://127.0.0.1:0", target)
        assert relay.process.stdout is not None
        line = relay.process.stdout.readline().decode()
        assert line.startswith("listening on tcp://127.0.0.1:")
        assert line.endswith(f", for {target}\n")
        port = int(line.partition(",")[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(b"hello")
            served, _ = server.accept()
            with served:  # closed with unread data, which resets
                assert served.recv(5, socket.MSG_PEEK | socket.MSG_WAITALL) == b"hello"
            line = relay.process.stdout.readline().decode()
            assert line.endswith(": 5 B there, 0 B back, connection reset by peer\n")
    assert relay.end(signal.SIGTERM) == (0, "0 open, 1 carried, 5 B there, 0 B back\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tcp://:0"], "TARGET"),
        (["tcp://:0", "rudp://:7"], "'rudp://:7' does not say which host and port"),
        (["tcp://:0", "rudp://x:0"], "'rudp://x:0' does not say which host and port"),
        (["tcp://:0", "http://x:80"], "http:// is neither rudp:// nor tcp://"),
        (["--ssl", "tcp://:0", "tcp://x:80"], "--ssl is for rudp"),
        (["--ssl", "rudp://:0", "tcp://x:80"], "--ssl needs --ssl-cert"),
        (["--max-connections", "0", "rudp://:0", "tcp://x:80"], "is not a number from 1"),
    ],
)
def test_arguments_that_cannot_be_used(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["relay", *arguments])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


# -- pairs on virtual time ------------------------------------------------------------------------

SILENCE = 60.0
FRONT, BACK = Address("rudp", "10.0.0.2", 7000), Address("rudp", "10.0.0.3", 7001)


async def plain_to_tls(identities: Identities, serve: Any, visit: Any) -> list[Any]:
    """Carry one plain connection on to a TLS server; return how the pair ended, and when."""
    loop = asyncio.get_running_loop()
    config = library.Config()
    ends: list[Any] = []
    tasks = []

    def half_open(pair: splice.Pair) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(identities.ca)
        tls: Any = {"ssl": context, "server_hostname": "localhost"}
        tasks.append(loop.create_task(BACK.connect(lambda: pair.far, config, **tls)))

    def end(pair: splice.Pair, error: BaseException | None) -> None:
        ends.append((error, pair.near.received, pair.far.received, loop.time()))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identities.certificate)
    back = await library.start_server(serve, BACK.host, BACK.port, ssl=context)
    front = await FRONT.listen(lambda: splice.Pair(half_open, end, SILENCE).near, config)
    reader, writer = await library.open_connection(FRONT.host, FRONT.port)
    await visit(reader, writer)
    writer.close()
    with contextlib.suppress(ConnectionResetError):  # one test asks for it
        await writer.wait_closed()
    await asyncio.gather(*tasks)
    for server in (front, back):
        server.close()
        await server.wait_closed()
    return ends


def test_tls_is_closed_when_it_is_silent_after_the_plain_end(identities: Identities) -> None:
    """It may take its time to answer, but not for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == b"question"
        for _ in range(3):
            await asyncio.sleep(SILENCE - 1)
            writer.write(b"answer")
        assert await reader.read() == b""  # it never hears of the client's end, but of ours
        writer.close()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"question")
        writer.write_eof()
        assert await reader.readexactly(18) == b"answer" * 3
        with pytest.raises(ConnectionResetError):  # nobody knows whether that was all
            await reader.read()

    ((error, there, back, ended),) = sim.run(plain_to_tls(identities, serve, visit))
    assert (error, there, back) == (None, 8, 18)
    assert ended == pytest.approx(4 * SILENCE, abs=1)


def test_the_plain_side_may_end_after_tls_has(identities: Identities) -> None:
    """What it still says nobody hears."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(8))
        writer.close()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"question")
        assert await reader.read() == b"question"
        writer.write(b"more")
        await asyncio.sleep(splice.BRIEF / 2)

    ((error, there, back, ended),) = sim.run(plain_to_tls(identities, serve, visit))
    assert (error, there, back) == (None, 12, 8)
    assert ended == pytest.approx(splice.BRIEF / 2, abs=0.1)


def test_the_side_that_asked_is_closed_soon_after_the_target(identities: Identities) -> None:
    """It may wait for nothing but that, as libpq does after it has asked to cancel a query."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""
        await asyncio.sleep(SILENCE)

    ((error, there, back, ended),) = sim.run(plain_to_tls(identities, serve, visit))
    assert (error, there, back) == (None, 0, 0)
    assert ended == pytest.approx(splice.BRIEF, abs=0.1)


class FakeTransport(asyncio.Transport):
    """A connection of the kernel's that notes what is done to it; *gone*: the kernel knows so."""

    def __init__(self, *, gone: bool = False) -> None:
        super().__init__({"socket": socket.socket()})
        self.done: list[Any] = []
        self.gone = gone

    def write(self, data: Any) -> None:
        self.done.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.done += list_of_data

    def write_eof(self) -> None:
        if self.gone:
            raise OSError(errno.ENOTCONN, "it has been reset")
        self.done.append("end")

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        self.done.append("reset")

    def close(self) -> None:
        self.done.append("close")


@pytest.mark.parametrize("end", ["error", "end"])
async def test_an_end_that_cannot_be_passed_on_does_not_stop_the_other_direction(end: str) -> None:
    """What the kernel has received before a reset is still to be read, and then to be delivered."""
    near, far = FakeTransport(), FakeTransport(gone=True)
    pair = splice.Pair(lambda pair: None, lambda pair, error: None, SILENCE)
    with near.get_extra_info("socket"), far.get_extra_info("socket"):
        pair.near.connection_made(near)
        pair.far.connection_made(far)
        pair.near.eof_received()
        assert near.done == []
        pair.far.data_received(b"the rest")
        if end == "error":
            pair.far.connection_lost(ConnectionResetError())
        else:
            pair.far.eof_received()
        assert near.done == [b"the rest", "reset"]
