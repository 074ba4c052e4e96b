"""Each example does what its docstring says, leaves nothing behind, and ends quietly on Ctrl-C."""

import asyncio
import contextlib
import hashlib
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

import rudp
from bench import race
from rudp import sim
from rudp.core.segment.wire import ACK, RST, pack_segment, read_segment
from rudp.core.terms.counters import Counters
from tests.children import PATIENT
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
TIMEOUT = 60.0

# Runs a program on the loop of the test run; Ctrl-C works even if the test run ignores it.
START = (
    PATIENT
    + """
import asyncio, functools, runpy, signal, sys
loop, *sys.argv = sys.argv[1:]
if loop == "uvloop":
    import uvloop
    def run(main):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)
    asyncio.run = run
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
)


class Program:
    """An example in a process of its own, with every warning an error."""

    def __init__(self, loop: str, path: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*(sys.executable, "-W", "error", "-X", "dev", "-c", START), loop, path, *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},  # for what it starts in turn
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")

    def line(self) -> str:
        """Wait for one line of its output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return status, the rest of its output, and what it complained about."""
        out, err = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, out, err

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


Start = Callable[..., Program]


@pytest.fixture
def start(pytestconfig: pytest.Config) -> Iterator[Start]:
    """Start examples; they are gone when the test is over."""
    with contextlib.ExitStack() as stack:

        def start(path: str | Path, *arguments: str) -> Program:
            loop = str(pytestconfig.getoption("--loop"))
            program = Program(loop, EXAMPLES / path, *arguments)
            stack.callback(program.kill)
            return program

        yield start


def run(start: Start, path: str, *arguments: str) -> str:
    """Run an example that ends by itself; return what it prints."""
    status, out, err = start(path, *arguments).end()
    assert (status, err) == (0, "")
    return out


# -- echo ----------------------------------------------------------------------------------------


def test_echo_on_virtual_time(capsys: pytest.CaptureFixture[str]) -> None:
    serve, ask = (
        runpy.run_path(str(EXAMPLES / name))["main"]
        for name in ("echo_server.py", "echo_client.py")
    )

    async def main() -> None:
        server = asyncio.create_task(serve())
        await asyncio.sleep(1)
        await ask()
        server.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await server

    sim.run(main(), delay=0.05, loss=0.1, seed=3)
    assert capsys.readouterr().out == "b'hello\\n'\n"


def test_echo_on_real_sockets(start: Start, tmp_path: Path) -> None:
    port = str(free_port())
    for name in ("echo_server.py", "echo_client.py"):
        code = (EXAMPLES / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(code.replace("9000", port), encoding="utf-8")
    server = start(tmp_path / "echo_server.py")
    for _ in range(100):  # until it listens: before that the client is refused
        status, out, err = start(tmp_path / "echo_client.py").end()
        if status == 0 or "ConnectionRefusedError" not in err:
            break
    assert (status, out, err) == (0, "b'hello\\n'\n", "")
    server.interrupt()
    assert server.end() == (0, "", "")


# -- what is shown on the simulator --------------------------------------------------------------


def states(text: str) -> list[tuple[str, str]]:
    """The first and last word of each line with an arrow, where both sides have a state."""
    lines = [line.split() for line in text.splitlines() if re.search(r"---?>|<---?", line)]
    return [(words[1], words[-1]) for words in lines]


def test_half_close(start: Start) -> None:
    out = run(start, "half_close.py")
    assert out.startswith("server: the client asked for 'a poem' and has finished sending\n")
    assert out.count("client: ") == 3
    ends = states(out)
    assert ends[:4] == [
        ("SYN-SENT", "SYN-RECEIVED"),
        ("ESTABLISHED", "SYN-RECEIVED"),
        ("FIN-WAIT-1", "ESTABLISHED"),  # the question, and the handshake's ACK; the FIN goes alone
        ("FIN-WAIT-1", "CLOSE-WAIT"),
    ]
    assert set(ends[4:-2]) == {("FIN-WAIT-2", "CLOSE-WAIT")}
    assert ends[-2:] == [("TIME-WAIT", "LAST-ACK"), ("TIME-WAIT", "CLOSED")]


def test_nat_zoo(start: Start) -> None:
    head, *rows = run(start, "nat_zoo.py", "0", "1").splitlines()
    assert head.split()[:3] == ["none", "full", "cone"]
    assert len(rows) == 6
    assert sum(row.count("460 (460)") for row in rows) == 18
    assert [row.split()[-3:] for row in rows if "relay" in row] == [["relay"] * 3]


def test_late_segment(start: Start) -> None:
    """FIN above a gap; TW-10: the repeated FIN is answered; TW-4: the ports may be used again."""
    first, second, third = re.split(r"^\d\. ", run(start, "late_segment.py"), flags=re.MULTILINE)[
        1:
    ]
    assert "received b'one two three': everything" in first
    assert re.search(r"ESTABLISHED +<-- FIN,ACK", first)  # it waits for what was sent before it
    assert re.search(r"CLOSE-WAIT +<-- PSH,ACK seq=5 .* len=4", first)
    assert re.search(r"X-- ACK seq=15 ack=2 .* TIME-WAIT", second)
    assert re.search(r"LAST-ACK +-- FIN,ACK seq=1 .* again -+> +TIME-WAIT", second)
    assert re.search(r"CLOSED +<-- ACK seq=15 ack=2 .* TIME-WAIT", second)
    assert "received b'one two three': nothing twice" in third
    assert "refused for their old timestamp: 1" in third
    old = re.search(r"The old segment has (seq=\d+)\.", third)
    assert old is not None
    assert third.count(f"{old[1]} ") == 1  # and its number is not one of this connection


def test_isn(start: Start) -> None:
    """ISN-1: for the same ports the numbers grow, by a tick each 4 us."""
    first, second, third = re.split(r"^\d\. ", run(start, "isn.py"), flags=re.MULTILINE)[1:]
    rows = re.findall(r"from port \d+: +(\d+), +(\d+), +(\d+)", first)
    assert len(rows) == 4
    for row in rows:
        one, two, three = map(int, row)
        assert 250_000 <= (two - one) % 2**32 < 400_000
        assert 250_000 <= (three - two) % 2**32 < 400_000
    assert len({row[0] for row in rows}) == 4
    received = re.compile(r"the server has received '(.*)'")
    assert received.findall(second) == ["5 APPLES FOR ALICE", "1 BANANA FOR BOB.."]
    assert "refused for their number: 1" in second
    assert received.findall(third) == ["5 APPLES FOR ALICE"]


# -- file transfer -------------------------------------------------------------------------------


def receiver(start: Start, path: Path) -> tuple[Program, str]:
    program = start("file_transfer.py", "receive", str(path), "--host", "127.0.0.1", "--port", "0")
    return program, program.line().removeprefix("waiting on port ")


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_file_transfer(start: Start, tmp_path: Path, size: int) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.write_bytes(b"0123456789" * (size // 10 + 1))
    with original.open("r+b") as file:
        file.truncate(size)
    program, port = receiver(start, copy)
    sent = run(start, "file_transfer.py", "send", str(original), "--port", port)
    status, received, err = program.end()
    assert (status, err) == (0, "")
    digest = hashlib.sha256(original.read_bytes()).hexdigest()
    assert sent == f"sent      {digest}\nreceived  {digest}\ncomplete\n"
    assert received == f"received  {digest}\ncomplete\n"
    assert copy.read_bytes() == original.read_bytes()


def test_half_a_file_is_not_taken_for_a_whole_one(start: Start, tmp_path: Path) -> None:
    """Ctrl-C at the sender resets the connection."""
    fifo = tmp_path / "slow file"
    try:
        from os import mkfifo
    except ImportError:
        pytest.skip("no named pipes here")
    mkfifo(fifo)
    program, port = receiver(start, tmp_path / "copy")
    sender = start("file_transfer.py", "send", str(fifo), "--port", port)
    with fifo.open("wb") as file:
        file.write(bytes(300_000))
        file.flush()
        sender.interrupt()
    assert sender.end()[::2] == (130, "")
    status, out, err = program.end()
    assert (status, out) == (1, "")
    assert err.startswith("the transfer failed: ")


def test_nobody_to_send_to(start: Start, tmp_path: Path) -> None:
    (tmp_path / "original").write_bytes(b"x")
    program = start(
        *("file_transfer.py", "send", str(tmp_path / "original"), "--port", str(free_port()))
    )
    status, out, err = program.end()
    assert (status, out) == (1, "")
    assert re.match(r"the transfer failed: .*Connect call failed", err)


def test_waiting_for_a_file_may_be_interrupted(start: Start, tmp_path: Path) -> None:
    program, _ = receiver(start, tmp_path / "copy")
    program.interrupt()
    assert program.end() == (130, "", "")


# -- chat ----------------------------------------------------------------------------------------


def test_chat(start: Start) -> None:
    """Everybody reads what the others write, and hears who comes and goes."""
    server = start("chat.py", "serve", "--port", "0")
    port = server.line().removeprefix("the room is open on port ")
    people: list[Program] = []
    for number in (1, 2, 3):
        people.append(start("chat.py", "join", "--port", port))
        for person in people:
            assert re.fullmatch(
                rf"\* 127\.0\.0\.1:\d+ is here, {number} in the room", person.line()
            )
    anna, ben, carl = people
    anna.write("hello")
    for person in (ben, carl):
        assert re.fullmatch(r"127\.0\.0\.1:\d+: hello", person.line())
    ben.write("grüß dich")
    assert re.fullmatch(r"127\.0\.0\.1:\d+: grüß dich", anna.line())
    assert ben.process.stdin is not None
    ben.process.stdin.close()
    ben.process.stdin = None
    assert ben.end() == (0, "", "")
    assert anna.line().endswith(" has left")
    anna.interrupt()
    assert anna.end() == (0, "", "")
    server.interrupt()
    assert server.end() == (0, "", "")
    status, out, err = carl.end()  # the server has closed the room
    assert (status, err) == (0, "")
    assert len(re.findall(r"has left$", out, re.MULTILINE)) == 2


async def test_chat_outlives_a_client_that_breaks_off(start: Start) -> None:
    server = start("chat.py", "serve", "--port", "0")
    port = int(server.line().removeprefix("the room is open on port "))
    guest = start("chat.py", "join", "--port", str(port))
    guest.line()
    reader, writer = await rudp.open_connection("127.0.0.1", port)
    writer.write(b"x" * 200_000)  # a line longer than anybody reads
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    assert guest.line().endswith(" is here, 2 in the room")
    assert guest.line().endswith(" has left")
    server.interrupt()
    assert server.end() == (0, "", "")


# -- TLS -----------------------------------------------------------------------------------------


@pytest.fixture
def pem(tmp_path: Path) -> Callable[[str], tuple[str, str]]:
    """Make a certificate that is its own authority, as openssl's command does; ``(cert, key)``."""

    def make(name: str) -> tuple[str, str]:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "127.0.0.1")
        cert, key = tmp_path / f"{name}.pem", tmp_path / f"{name}-key.pem"
        cert.write_bytes(issued.cert_chain_pems[0].bytes() + authority.cert_pem.bytes())
        key.write_bytes(issued.private_key_pem.bytes())
        return str(cert), str(key)

    return make


def test_tls_echo(start: Start, pem: Callable[[str], tuple[str, str]]) -> None:
    cert, key = pem("server")
    server = start("tls_echo.py", "serve", cert, key, "--host", "127.0.0.1", "--port", "0")
    port = server.line().removeprefix("waiting on port ")
    where = ("--host", "127.0.0.1", "--port", port)
    out = run(start, "tls_echo.py", "ask", cert, *where)
    assert re.fullmatch(r"TLSv1\.3 TLS_\w+\nb'hello\\n'\n", out)
    other, _ = pem("other")
    status, out, err = start("tls_echo.py", "ask", other, *where).end()
    assert (status, out) == (1, "")
    assert re.match(r"it failed: .*certificate verify failed", err)
    server.interrupt()
    assert server.end() == (130, "", "")


# -- all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["file_transfer.py", "chat.py", "tls_echo.py"])
def test_help(start: Start, name: str) -> None:
    out = run(start, name, "--help")
    assert out.startswith("usage: ")
    assert "--port" in out


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_can_be_imported_and_says_what_it_is(path: Path) -> None:
    names: dict[str, Any] = runpy.run_path(str(path))
    assert names["__doc__"]
    assert callable(names.get("main") or names["Gentle"])  # a controller is for others to run


def test_controller(capsys: pytest.CaptureFixture[str]) -> None:
    """Two of them share the path and keep the queue short."""
    path = str(EXAMPLES / "controller.py")
    race.main([path, path, "--seconds", "5", "--start", "2", "--rate", "5M"])
    printed = capsys.readouterr().out
    found = re.search(r", ([\d.]+)% of the link.*through .* in ([\d.]+) ms", printed, re.DOTALL)
    assert found is not None
    assert float(found[1]) > 90
    assert float(found[2]) < 20


# -- workers -------------------------------------------------------------------------------------

STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

BALANCER = """
load_module {module};
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{}}
stream {{
    upstream workers {{
        hash $remote_addr:$remote_port;
        server 127.0.0.1:{first} max_fails=0;
        server 127.0.0.1:{second} max_fails=0;
    }}
    server {{
        listen 127.0.0.1:{port} udp;
        proxy_pass workers;
    }}
}}
"""


def workers(start: Start, port: int, count: int) -> set[str]:
    """Start the example; return the names of its processes, which are there."""
    program = start("workers.py", str(port), str(count))
    names = set()
    for _ in range(count):
        line = program.line()
        assert line.endswith(" is there"), program.end()
        names.add(line.removesuffix(" is there"))
    assert len(names) == count
    return names


async def greeting(reader: asyncio.StreamReader) -> str:
    return (await reader.readline()).decode().rstrip("\n")


async def ask_all(streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    """Have a line echoed on each of *streams*, several times and by turns."""
    for turn in range(5):
        for n, (_, writer) in enumerate(streams):
            writer.write(f"{turn} {n}\n".encode())
        for n, (reader, _) in enumerate(streams):
            assert await greeting(reader) == f"{turn} {n}"


async def hang_up(streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    for reader, writer in streams:
        writer.write(b"bye\n")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="no SO_REUSEPORT here")
def test_workers_share_a_port(start: Start) -> None:
    """W-40: sockets are spread over the processes, and a connection stays where it began.

    Of 32 sockets one process gets all, of two, once in 2**31 runs.
    """
    port = free_port()
    names = workers(start, port, 2)

    async def main() -> None:
        apart = [
            await rudp.open_connection(
                "127.0.0.1", port, local_addr=("127.0.0.1", 0), inner_port=9000
            )
            for _ in range(32)
        ]
        assert {await greeting(reader) for reader, _ in apart} == names
        await ask_all(apart)
        together = [
            await rudp.open_connection("127.0.0.1", port, inner_port=9000) for _ in range(8)
        ]
        assert len({await greeting(reader) for reader, _ in together}) == 1
        await ask_all(together)
        await hang_up(apart + together)

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="no SO_REUSEPORT here")
def test_late_segments_find_their_worker(start: Start) -> None:
    """TW-10: the process that closed answers from its TIME-WAIT record; the other would reset."""
    port = free_port()
    workers(start, port, 2)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        config = rudp.Config(timestamps=False)
        for _ in range(8):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.connect(("127.0.0.1", port))
            with sock.dup() as same:
                reader, writer = await rudp.open_connection(
                    sock=sock, inner_port=9000, config=config
                )
                ours = writer.get_extra_info("sockname")[1]
                await greeting(reader)
                await hang_up([(reader, writer)])
                # Far outside the window: TIME-WAIT answers with what is true.
                same.setblocking(False)
                same.send(pack_segment(ours << 16 | 9000, 0, 0, ACK, 0, b""))
                while True:
                    data = await asyncio.wait_for(loop.sock_recv(same, 65536), 10.0)
                    run = read_segment(memoryview(data), Counters())
                    assert run is not None
                    assert not run.flags & RST
                    if run.flags == ACK:
                        break

    asyncio.run(main())


@pytest.mark.skipif(
    shutil.which("nginx") is None or not STREAM_MODULE.exists(),
    reason="nginx or its stream module is not installed",
)
def test_workers_behind_a_balancer(start: Start, tmp_path: Path) -> None:
    """A proxy that hashes the client's address and port: nginx's stream module."""
    first, second, port = free_port(), free_port(), free_port()
    names = workers(start, first, 1) | workers(start, second, 1)
    plan = BALANCER.format(
        module=STREAM_MODULE, directory=tmp_path, first=first, second=second, port=port
    )
    (tmp_path / "nginx.conf").write_text(plan, encoding="utf-8")
    command = ["nginx", "-p", str(tmp_path), "-c", "nginx.conf", "-e", str(tmp_path / "error.log")]

    async def main() -> None:
        # A SYN that comes before nginx is ready is refused, or sent again.
        config = rudp.Config(receive_buffer=65536)
        streams = []
        for _ in range(32):
            while True:
                try:
                    opened = await rudp.open_connection(
                        "127.0.0.1",
                        port,
                        inner_port=9000,
                        local_addr=("127.0.0.1", 0),
                        config=config,
                    )
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
                else:
                    break
            streams.append(opened)
        assert {await greeting(reader) for reader, _ in streams} == names
        await ask_all(streams)
        await hang_up(streams)

    with subprocess.Popen(command) as balancer:
        try:
            asyncio.run(asyncio.wait_for(main(), TIMEOUT))
        finally:
            balancer.terminate()
