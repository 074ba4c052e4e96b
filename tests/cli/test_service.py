"""What commands owe to a supervisor: sockets that are handed over, words, an end with grace."""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rudp.cli import main, service
from tests.cli.kit import ROOT, START, Commands
from tests.ports import free_port

PATIENCE = 30

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors and Unix sockets")


class Words:
    """A socket as systemd's for notifications."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.name)
        self._socket.settimeout(PATIENCE)

    def next(self) -> list[str]:
        return self._socket.recv(4096).decode().split("\n")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def words(tmp_path: Path) -> Iterator[Words]:
    made = Words(tmp_path)
    yield made
    made.close()


HAND_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); "
    "os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'}; "
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)


@contextlib.contextmanager
def handed_over(
    sock: socket.socket, *command: str, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run ``rudp COMMAND`` with *sock* as descriptor 3."""
    number = str(sock.fileno())
    with subprocess.Popen(
        [sys.executable, "-c", HAND_OVER, number, "-W", "error", "-c", START, *command],
        cwd=ROOT,
        env=os.environ | environment,
        pass_fds=(sock.fileno(),),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_sockets_that_are_handed_over(
    rudp: Commands, words: Words, kind: socket.SocketKind, pytestconfig: pytest.Config
) -> None:
    """UDP is rudp's and TCP the kernel's; what was asked before the start waits in the socket."""
    with socket.socket(socket.AF_INET, kind) as sock, contextlib.ExitStack() as stack:
        sock.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        scheme = "tcp" if kind == socket.SOCK_STREAM else "rudp"
        where = f"{scheme}://127.0.0.1:{sock.getsockname()[1]}"
        nc = rudp("nc", where, stdin=subprocess.PIPE)
        loop = pytestconfig.getoption("--loop")
        command = ("echo", "--loop", loop, "systemd")
        echo = stack.enter_context(handed_over(sock, *command, NOTIFY_SOCKET=words.name))
        assert words.next() == ["READY=1"]
        out, err = nc.process.communicate(b"hello", timeout=PATIENCE)
        assert (nc.process.returncode, out, err) == (0, b"hello", b"")
        echo.send_signal(signal.SIGTERM)
        stopping, extend = words.next()
        assert stopping == "STOPPING=1"
        assert extend == "EXTEND_TIMEOUT_USEC=15000000"
        said, complaints = echo.communicate(timeout=PATIENCE)
        assert (echo.returncode, complaints) == (0, "")
        assert said.startswith(f"listening on {where}\n")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "no sockets were handed over"),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, "no sockets were handed over"),
        ({"LISTEN_PID": "", "LISTEN_FDS": "x"}, "LISTEN_FDS cannot be used: invalid literal"),
        ({"LISTEN_PID": "", "LISTEN_FDS": "-1"}, "no sockets were handed over"),
    ],
)
def test_what_cannot_be_handed_over(
    variables: dict[str, str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("LISTEN_PID", "LISTEN_FDS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value or str(os.getpid()))
    service.inherited.cache_clear()
    with pytest.raises(SystemExit) as ended:
        main(["echo", "systemd"])
    service.inherited.cache_clear()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_socket_of_another_kind_is_refused() -> None:
    one, other = socket.socketpair()
    with one, other, pytest.raises(argparse.ArgumentTypeError, match="none of UDP or TCP"):
        service.scheme_of(one)


@pytest.mark.parametrize("where", ["", "relative", "/none/there", "@rudp-nobody"])
def test_nobody_who_wants_to_know(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", where)
    service.notify("READY=1")


@pytest.mark.skipif(sys.platform != "linux", reason="abstract addresses are Linux's")
def test_a_name_that_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0rudp-test-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@rudp-test-{os.getpid()}")
        service.notify("READY=1", "STATUS=x")
        sock.settimeout(PATIENCE)
        assert sock.recv(100) == b"READY=1\nSTATUS=x"


@contextlib.contextmanager
def echo_of_tcp() -> Iterator[int]:
    """Serve one connection after the other over TCP; yield the port."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                served, _ = server.accept()
                with served, contextlib.suppress(OSError):
                    while data := served.recv(65_536):
                        served.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("name", ["echo", "relay"])
def test_connections_have_the_grace_to_end(rudp: Commands, name: str) -> None:
    """It ends as soon as they have; who comes meanwhile is not refused, and asks again."""
    with echo_of_tcp() as target:
        arguments = [f"tcp://127.0.0.1:{target}"] if name == "relay" else []
        server = rudp(name, "--json", "--grace", "20s", "127.0.0.1:0", *arguments)
        port = server.port()
        client = rudp("nc", "127.0.0.1", port, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert client.process.stdin is not None
        assert client.process.stdout is not None
        client.process.stdin.write(b"one")
        client.process.stdin.flush()
        assert client.process.stdout.read(3) == b"one"
        server.process.send_signal(signal.SIGTERM)
        late = rudp("nc", "-w", "1", "127.0.0.1", port)
        assert late.end() == (1, "", "rudp nc: timed out\n")
        client.process.stdin.write(b"two")
        client.process.stdin.flush()
        assert client.process.stdout.read(3) == b"two"
        began = time.monotonic()
        assert client.end() == (0, "", "")
        assert server.end()[0] == 0
        assert time.monotonic() - began < 15  # of 20


def test_the_grace_is_over_some_day(rudp: Commands) -> None:
    echo = rudp("echo", "--json", "--grace", "200ms", "127.0.0.1:0")
    client = rudp("nc", "127.0.0.1", echo.port(), stdin=subprocess.PIPE)
    echo.event("opened")
    echo.process.send_signal(signal.SIGTERM)
    assert echo.event("closed")["error"] == "the echo was ended"
    assert echo.end()[0] == 0
    assert client.end() == (1, "", "rudp nc: connection reset by peer\n")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot leave a shared port")
def test_one_that_ends_goes_on_where_the_next_is_there(rudp: Commands) -> None:
    """Two share a port: the connection stays with the first, and new ones are the second's."""
    where = f"127.0.0.1:{free_port()}"
    shared = ("--json", "--grace", "20s", "--reuse-port", where)
    first = rudp("echo", *shared)
    first.port()
    clients: list[Any] = [rudp("nc", where, stdin=subprocess.PIPE) for _ in range(3)]
    for _ in clients:
        first.event("opened")
    second = rudp("echo", *shared)
    second.port()
    first.process.send_signal(signal.SIGTERM)
    for client in clients:
        client.process.stdin.write(b"still")
        client.process.stdin.flush()
        assert client.process.stdout.read(5) == b"still"
    new = rudp("nc", where, stdin=subprocess.PIPE)
    assert new.process.communicate(b"new", timeout=PATIENCE) == (b"new", b"")
    second.event("opened")
    for client in clients:
        assert client.end() == (0, "", "")
    assert first.end()[0] == 0
    assert second.end(signal.SIGTERM)[0] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="others do not tell what was refused")
def test_a_peer_that_was_killed_is_noticed_soon(rudp: Commands) -> None:
    """Its host says that the port is closed, of one flight after the other (ICMP-4)."""
    server = rudp("echo", "--json", "127.0.0.1:0")
    client = rudp("nc", "127.0.0.1", server.port(), stdin=subprocess.PIPE)
    server.event("opened")
    server.process.kill()
    began = time.monotonic()
    assert client.process.stdin is not None
    client.process.stdin.write(b"anybody?")
    client.process.stdin.flush()
    assert client.process.wait(timeout=60) == 1
    assert time.monotonic() - began < 60  # of the 100 s of the user time-out
    assert client.process.stderr is not None
    assert client.process.stderr.read() == b"rudp nc: connection reset by peer\n"
