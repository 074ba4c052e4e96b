"""Commands whose standard input, output or error is closed, full, or read by nobody."""

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rudp.cli import main
from tests.cli.kit import ROOT, START, TIMEOUT, Commands
from tests.ports import free_port

FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell closes descriptors")


def run(redirection: str, *arguments: str) -> tuple[int, str, str]:
    """Run a command as a shell does with *redirection*; return its status and what it said."""
    program = (sys.executable, "-W", "error", "-c", START)
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *program, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def capture(tmp_path: Path) -> str:
    """A small capture."""
    path = str(tmp_path / "run.pcapng")
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["demo", "close", "--pcapng", path]) == 0
    return path


@pytest.mark.parametrize(
    "command",
    [
        "--version",
        "decode",
        pytest.param("demo close", marks=pytest.mark.slow),  # they write as decode does
        pytest.param("decode --json", marks=pytest.mark.slow),
    ],
)
def test_what_is_for_standard_output_alone(command: str, capture: str) -> None:
    """It works, or it fails with one line, and never without a word where one can be said."""
    arguments = command.split() + ([capture] if command.startswith("decode") else [])
    status, said, wrong = run("", *arguments)
    assert (status, wrong) == (0, "")
    assert run("<&-", *arguments) == (0, said, "")
    assert run("2>&-", *arguments) == (0, said, "")
    line = "rudp: cannot write the output: bad file descriptor\n"
    assert run(">&-", *arguments) == (1, "", line)
    assert run("<&- >&- 2>&-", *arguments) == (1, "", "")
    if FULL.exists():
        line = "rudp: cannot write the output: no space left on device\n"
        assert run(">/dev/full", *arguments) == (1, "", line)
        assert run(">/dev/full 2>&1", *arguments) == (1, "", "")


@pytest.mark.skipif(not FULL.exists(), reason="no full device here")
def test_errors_that_cannot_be_told() -> None:
    assert run("2>/dev/full", "decode", "/none") == (2, "", "")
    assert run("2>&-", "decode", "/none") == (2, "", "")
    assert run("", "demo", "close", "--svg", "/dev/full")[2].endswith(
        "error: cannot write /dev/full: No space left on device\n"
    )


def test_nc_without_descriptors(rudp: Commands) -> None:
    """No input is the end of the input; what cannot be written is an error."""
    echo = rudp("echo", "--json", "rudp://127.0.0.1:0")
    peer = ("127.0.0.1", echo.port())
    said = run("<&-", "nc", "-v", *peer)
    assert said[:2] == (0, "")
    assert "sent 0 B, received 0 B" in said[2]
    assert run("<&- >&- 2>&-", "nc", *peer) == (0, "", "")
    for output, words in (
        (">&-", "bad file descriptor"),
        (">/dev/full", "no space left on device"),
    ):
        if output == ">&-" or FULL.exists():
            nc = run(f"<{ROOT / 'LICENSE'} {output}", "nc", *peer)
            assert nc == (1, "", f"rudp nc: standard output: {words}\n")
    assert echo.end(signal.SIGTERM)[0] == 0


@pytest.mark.parametrize("how", ["closed", "gone", "full"])
@pytest.mark.parametrize("extra", [(), ("--json",), ("-v",)])
def test_a_relay_without_output_serves_on(rudp: Commands, how: str, extra: tuple[str, ...]) -> None:
    """A log that nobody wants is no reason to turn clients away."""
    port = free_port(socket.SOCK_STREAM)
    with socket.create_server(("", 0)) as server:
        arguments = (
            *extra,
            f"tcp://127.0.0.1:{port}",
            f"tcp://127.0.0.1:{server.getsockname()[1]}",
        )
        if how == "gone":
            read, write = os.pipe()
            relay = rudp("relay", *arguments, stdout=write)
            os.close(write)
            os.close(read)
        elif how == "full" and FULL.exists():
            with open(FULL, "wb", buffering=0) as full:
                relay = rudp("relay", *arguments, stdout=full)
        else:
            relay = rudp("relay", *arguments, preexec_fn=lambda: os.close(1))
        assert relay.process.stderr is not None
        assert relay.process.stderr.readline().startswith(b"rudp: going on without output: ")
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as client:
                served, _ = server.accept()
                with served:
                    served.sendall(b"hi")
                assert client.makefile("rb").read() == b"hi"
        assert relay.end(signal.SIGTERM)[::2] == (0, "")


def test_a_relay_whose_output_is_not_read_serves_on(rudp: Commands) -> None:
    """It waits for nobody, and says afterwards how much is missing."""
    port = free_port(socket.SOCK_STREAM)
    with socket.create_server(("", 0)) as server:
        read, write = os.pipe()
        os.set_blocking(write, False)
        filled = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                filled += os.write(write, b"." * 4095 + b"\n")
        os.set_blocking(write, True)
        target = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        relay = rudp("relay", "--json", f"tcp://127.0.0.1:{port}", target, stdout=write)
        os.close(write)
        with open(read, "rb") as said:
            for drained in (False, True):
                with connected(port) as client:
                    served, _ = server.accept()
                    with served:
                        served.sendall(b"hi")
                    assert client.makefile("rb").read() == b"hi"
                if not drained:
                    said.read(filled)
            assert relay.end(signal.SIGTERM)[::2] == (0, "")
            events = [json.loads(line) for line in said]
        assert events[0]["event"] == "left_out"
        assert events[0]["messages"] >= 2
        assert events[-1]["event"] == "stopped"


def connected(port: int) -> socket.socket:
    """Connect as soon as somebody listens."""
    for _ in range(int(TIMEOUT / 0.05)):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        time.sleep(0.05)
    raise AssertionError("nobody listens")
