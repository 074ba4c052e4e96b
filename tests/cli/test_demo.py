"""The command ``rudp``: what it prints and how it ends, on real sockets and on virtual time."""

import asyncio
import contextlib
import hashlib
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rudp
from rudp import sim
from rudp.cli import badpath, main
from rudp.sim import Link
from tests.children import PATIENT
from tests.cli.kit import START

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-W", "error", "-X", "dev", "-u", "-c", PATIENT + START]
QUICK = ["demo", "--size", "64K", "--loss", "0", "--delay", "0"]


@pytest.fixture
def virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command run on a loop of virtual time."""
    monkeypatch.setattr(asyncio, "run", sim.run)


def ladders(text: str) -> tuple[list[str], list[str]]:
    """The lines of both ladders, without heads."""
    opening, closing = re.findall(r"^ +ms  client.*\n((?:.*\S.*\n)+)", text, re.MULTILINE)
    return opening.splitlines()[1:], closing.splitlines()[1:]


@pytest.mark.usefixtures("virtual")
def test_a_lossy_path(capsys: pytest.CaptureFixture[str]) -> None:
    """The open, the four segments of the close with both sides' states, and the verdict."""
    assert main(["demo", "--size", "300K", "--loss", "3%", "--delay", "10ms", "--seed", "5"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    opening, closing = ladders(out)
    assert [re.search(r"-- ([A-Z,]+) ", line).group(1) for line in opening] == [  # type: ignore[union-attr]
        "SYN",
        "SYN,ACK",
        "ACK",
    ]
    assert opening[0].split()[1] == "SYN-SENT"
    assert opening[2].endswith("ESTABLISHED")
    assert any(re.search(r"segments, \d+\.\d KiB, \d+ again", line) for line in closing)
    states = "\n".join(closing)
    for state in ("FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK", "CLOSED"):
        assert state in states
    fins = [line for line in closing if "FIN," in line and "... --" not in line]
    assert any("<-- FIN" in line for line in fins)
    assert any("  -- FIN" in line for line in fins)
    assert re.search(r"^bytes +307200$", out, re.MULTILINE)
    assert re.search(r"^retransmitted +[1-9][\d.]* KiB$", out, re.MULTILINE)
    assert re.search(r"^path +\d+ datagrams, [1-9]\d* lost, 0 held back$", out, re.MULTILINE)
    digest = hashlib.sha256(b"".join(generated(300 * 1024, 5))).hexdigest()
    assert out.count(digest) == 2
    assert out.endswith("\nsha256 equal\n")


def generated(size: int, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(min(65_536, size - at)) for at in range(0, size, 65_536)]


@pytest.mark.usefixtures("virtual")
def test_the_close_on_a_calm_path_is_four_segments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--size", "100", "--loss", "0", "--delay", "10"]) == 0
    _, closing = ladders(capsys.readouterr().out)
    words = [(line.split()[1], line.split()[-1]) for line in closing]
    assert words == [
        ("FIN-WAIT-1", "ESTABLISHED"),  # the data, which the FIN never rides on
        ("FIN-WAIT-1", "CLOSE-WAIT"),
        ("FIN-WAIT-2", "CLOSE-WAIT"),
        ("FIN-WAIT-2", "CLOSE-WAIT"),  # the server still has data, though the client has ended
        ("TIME-WAIT", "LAST-ACK"),
        ("TIME-WAIT", "CLOSED"),
    ]


@pytest.mark.usefixtures("virtual")
@pytest.mark.parametrize("size", ["0", "1"])
def test_hardly_anything_to_send(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--size", size]) == 0
    assert capsys.readouterr().out.endswith("\nsha256 equal\n")


@pytest.mark.usefixtures("virtual")
@pytest.mark.parametrize("extra", [["--mss", "88"], ["--mss", "65000"], ["--reorder", "20%"]])
def test_other_paths(extra: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--size", "200K", *extra]) == 0
    assert capsys.readouterr().out.endswith("\nsha256 equal\n")


@pytest.mark.usefixtures("virtual")
def test_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "some file"
    path.write_bytes(bytes(range(256)) * 1000)
    assert main(["demo", "--file", str(path), "--loss", "0", "--delay", "0"]) == 0
    out = capsys.readouterr().out
    assert out.count(hashlib.sha256(path.read_bytes()).hexdigest()) == 2
    assert "some file" in out
    assert "datagrams" not in out  # a good path needs nothing in between


@pytest.mark.usefixtures("virtual")
def test_a_path_that_carries_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--loss", "100%"]) == 1
    assert "rudp demo: the transfer failed: " in capsys.readouterr().err


@pytest.mark.usefixtures("virtual")
def test_a_difference_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Wrong:
        """A SHA-256 that is never the same."""

        count = 0

        def update(self, data: bytes) -> None:
            Wrong.count += 1

        def hexdigest(self) -> str:
            return f"{Wrong.count}"

    monkeypatch.setattr("rudp.cli.demo.transfer.hashlib.sha256", Wrong)
    assert main(QUICK) == 1
    out, err = capsys.readouterr()
    assert "sha256 differs" in err
    assert "sha256 equal" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["nothing"], "invalid choice"),
        (["demo", "--size", "much"], "is not a size"),
        (["demo", "--loss", "120%"], "between 0% and 100%"),
        (["demo", "--delay", "soon"], "is not a time"),
        (["demo", "--mss", "5"], "mss must lie between"),
        (["demo", "--mss", "x"], "'x'"),
        (["demo", "--seed", "x"], "invalid int value"),
        (["demo", "--file", "/does/not/exist"], "cannot read /does/not/exist: No such file"),
        (["demo", "--file", "/"], "cannot read /: "),
        (["demo", "--file", "/dev/null", "--size", "1"], "not allowed with"),
    ],
)
def test_arguments_that_cannot_be_used(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{rudp.build.summary()}\n"


def test_as_a_process_on_real_sockets() -> None:
    arguments = ["demo", "--size", "200K", "--delay", "1ms"]
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nsha256 equal\n")


def test_on_real_sockets_on_either_loop(
    monkeypatch: pytest.MonkeyPatch,
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(coroutine: Any) -> Any:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(coroutine)

    monkeypatch.setattr(asyncio, "run", run)
    assert main(["demo", "--size", "200K", "--delay", "1ms", "--reorder", "2%"]) == 0
    assert capsys.readouterr().out.endswith("\nsha256 equal\n")


def test_ctrl_c_ends_it_quietly() -> None:
    arguments = ["demo", "--size", "1G", "--delay", "50ms"]
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.rstrip().endswith("  ESTABLISHED"):
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, err) == (130, "interrupted\n")


async def test_progress_goes_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(asyncio, "run", sim.run)
        loop = asyncio.get_running_loop()
        status = await loop.run_in_executor(None, main, ["demo", "--size", "1M"])
    assert status == 0
    err = capsys.readouterr().err
    assert re.search(r"\r\x1b\[K +\d+% [\d.]+ KiB, [\d.]+ K?i?B sent again", err)
    assert err.endswith("\r\x1b[K")


async def test_the_bad_path_keeps_the_order_and_forgets_nothing() -> None:
    """It joins whoever sends first with the server, and answers go back to it."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    class Ear(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            heard.put_nowait(data)
            if data.isdigit():
                self.transport.sendto(b"echo " + data, addr)

    server, _ = await loop.create_datagram_endpoint(Ear, ("127.0.0.1", 0))
    between = badpath.BadPath(
        server.get_extra_info("sockname"), Link(delay=0.002), Link(delay=0.001, jitter=0.002)
    )
    await between.open()
    client, _ = await loop.create_datagram_endpoint(Ear, remote_addr=between.address)
    try:
        for number in range(50):
            client.sendto(str(number).encode())
        got = [await asyncio.wait_for(heard.get(), 10) for _ in range(100)]
    finally:
        for end in (client, server, between):
            end.close()
    numbers = [str(number).encode() for number in range(50)]
    assert [data for data in got if data.isdigit()] == numbers
    assert [data for data in got if not data.isdigit()] == [b"echo " + data for data in numbers]
