"""``rudp ss`` and ``rudp top``, SIGUSR1, and metrics: a relay and an echo that are looked at."""

import json
import os
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rudp.cli import main, top
from rudp.live.ask import Answer
from tests.cli.kit import Command, Commands

HERE = "rudp://127.0.0.1:0"


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of sockets in which nobody else is."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks looks beside temporary files too, where other programs of this user may be."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def visited(shared: Path, pytestconfig: pytest.Config) -> Iterator[tuple[Command, Command]]:
    """An echo, and a client that has sent it something and stays."""
    loop, env = pytestconfig.getoption("--loop"), {"XDG_RUNTIME_DIR": str(shared)}
    echo = Command("echo", "--loop", loop, "--json", HERE, env=env)
    reading, writing = os.pipe()
    nc = Command(
        *("nc", "--loop", loop, "--json", "127.0.0.1", echo.port()), stdin=reading, env=env
    )
    os.close(reading)
    os.write(writing, b"hello")
    assert nc.process.stdout is not None
    assert nc.process.stdout.read(5) == b"hello"
    yield echo, nc
    os.close(writing)
    for each in (nc, echo):
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One in which nobody is."""
    runtime = tmp_path / "run"
    runtime.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.delenv("RUDP_VISIBLE", raising=False)
    return runtime / "rudp"


@pytest.fixture
def look(
    visited: tuple[Command, Command], shared: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run a command in this process, which sees the two; return the status and what it says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(shared))
        patch.setenv("COLUMNS", "80")

        def run(*arguments: str) -> tuple[int, str, str]:
            return (main(arguments), *capsys.readouterr())

        yield run


def test_nobody_is_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ss"]) == 0
    assert capsys.readouterr() == ("no program of this user is visible\n", "")
    assert main(["ss", "--json"]) == 0
    assert capsys.readouterr() == ("", "")


def test_both_ends_are_shown(look: Run, visited: tuple[Command, Command]) -> None:
    echo, nc = visited
    status, out, err = look("ss")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert f"({echo.process.pid}): 1 connection" in out
    assert f"({nc.process.pid}): 1 connection" in out
    assert sum(line.startswith("ESTABLISHED") for line in lines) == 2
    assert sum("nothing to send" in line for line in lines) == 2
    assert max(map(len, lines[1:5])) <= 80
    assert "received 5 B" in out


def test_as_json(look: Run, visited: tuple[Command, Command]) -> None:
    echo, _ = visited
    deadline = time.monotonic() + 10
    while True:  # until what it sent is acknowledged, which may be delayed
        status, out, _ = look("ss", "--json", "--pid", str(echo.process.pid))
        assert status == 0
        program, connection = map(json.loads, out.splitlines())
        if connection["bytes_acked"] or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    assert (program["event"], program["pid"]) == ("program", echo.process.pid)
    assert connection["event"] == "connection"
    assert connection["bytes_received"] == 5
    assert connection["bytes_acked"] == 5
    assert connection["opened"] == "there"


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--state", "established"], 2),
        (["--state", "CLOSE-WAIT"], 0),
        (["--peer", "127."], 2),
        (["--peer", "10."], 0),
    ],
)
def test_some_of_them(look: Run, arguments: list[str], count: int) -> None:
    _, out, _ = look("ss", "--json", *arguments)
    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert events.count("connection") == count


def test_a_process_that_is_not_there(look: Run) -> None:
    status, out, err = look("ss", "--pid", "4000000")
    assert (status, out) == (1, "")
    assert err == "rudp ss: process 4000000 is not visible, or not there\n"


@pytest.mark.parametrize("command", ["ss", "top"])
def test_a_folder_that_cannot_be_trusted(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    folder.mkdir(0o755)
    folder.chmod(0o755)
    assert main([command]) == 1
    assert capsys.readouterr() == (
        "",
        f"rudp {command}: {folder}: others than this user may use it\n",
    )


def test_one_that_was_killed_leaves_nothing(
    rudp: Commands, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    echo = rudp("echo", "--json", HERE)
    echo.port()
    echo.process.kill()
    echo.process.wait()
    assert len(list(folder.iterdir())) == 1
    assert main(["ss"]) == 0
    assert capsys.readouterr() == ("no program of this user is visible\n", "")
    assert not list(folder.iterdir())


def test_who_does_not_want_it_is_not_seen(rudp: Commands, folder: Path) -> None:
    rudp("echo", "--json", HERE, env={"RUDP_VISIBLE": "0"}).port()
    assert not folder.exists()


def test_top_in_lines(look: Run) -> None:
    status, out, err = look("top", "-n", "2", "-i", "50ms")
    assert (status, err) == (0, "")
    assert out.count("2 programs, 2 connections, out 0.0 Mbit/s") == 2
    assert out.count("127.0.0.1:") >= 4
    assert max(map(len, out.splitlines())) <= 80


def test_top_as_json(look: Run) -> None:
    _, out, _ = look("top", "-n", "1", "-i", "50ms", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert [each["event"] for each in events] == ["connection", "connection", "round"]
    assert {"out_rate", "in_rate", "srtt", "peer"} <= events[0].keys()


def test_top_ends_when_it_is_told(visited: tuple[Command, Command], shared: Path) -> None:
    command = Command("top", "-i", "50ms", "--json", env={"XDG_RUNTIME_DIR": str(shared)})
    command.event("round")
    assert command.end(signal.SIGTERM)[0] == 0


def connection(**fields: Any) -> dict[str, Any]:
    return {
        "local": "0.0.0.0:7000",
        "local_port": 7000,
        "peer": "192.0.2.1:40000",
        "remote_port": 40000,
        "state": "ESTABLISHED",
        "srtt": 0.02,
        "cwnd": 14_000,
        "resent": 0,
        "held_back_by": "app",
        "age": 100.0,
        "bytes_acked": 0,
        "bytes_received": 0,
        **fields,
    }


def answer(*connections: dict[str, Any], pid: int = 1) -> Answer:
    fields = {"pid": pid, "program": "x", "half_open": 0, "time_wait": 0}
    return Answer({**fields, "connections": len(connections)}, list(connections))


def test_rates_are_of_the_time_between() -> None:
    rates = top.Rates()
    (first,) = rates.rows([answer(connection(bytes_acked=1000))], 10.0)
    assert (first.out, first.into) == (0.0, 0.0)
    quiet, busy = connection(remote_port=1), connection(bytes_acked=3000, bytes_received=500)
    rows = rates.rows([answer(quiet, busy)], 12.0)
    assert [row.connection for row in rows] == [busy, quiet]
    assert (rows[0].out, rows[0].into) == (1000.0, 250.0)


def test_one_that_is_new_has_done_all_since() -> None:
    rates = top.Rates()
    rates.rows([answer(connection())], 10.0)
    new = connection(remote_port=1, age=0.5, bytes_acked=2000)
    old = connection(remote_port=2, age=50.0, bytes_acked=2000)
    rows = rates.rows([answer(connection(), new, old)], 12.0)
    assert {row.connection["remote_port"]: row.out for row in rows} == {40000: 0.0, 1: 1000.0, 2: 0}


@pytest.mark.parametrize("peer", ["192.0.2.1:40000", "[2001:db8::a:1]:50021", "[fe80::1%eth0]:5"])
def test_the_screen_fits_and_shows_addresses_as_they_are(peer: str) -> None:
    """``:a:`` is an emoji to rich, and brackets are markup."""
    console = pytest.importorskip("rich.console").Console
    row = top.Row(1, connection(peer=peer, held_back_by="rwnd", cwnd=450_000), 2.5e8, 3e5)
    with open(os.devnull, "w") as nowhere:
        shown = console(record=True, width=80, height=30, file=nowhere)
        shown.print(top.screen([answer(row.connection)], [row] * 40, 80, 30))
    lines = shown.export_text().splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith(peer) for line in lines) == 24
    assert lines[5].endswith("rwnd")
    assert lines[-1] == "and 16 more"


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs SIGUSR1")
def test_a_signal_lets_a_command_tell(visited: tuple[Command, Command]) -> None:
    echo, _ = visited
    echo.process.send_signal(signal.SIGUSR1)
    assert echo.process.stderr is not None
    lines = [echo.process.stderr.readline().decode() for _ in range(3)]
    assert lines[0] == "1 connection\n"
    assert lines[1].split() == ["State", "Unread", "Unsent", "Local", "Peer"]
    assert lines[2].startswith("ESTABLISHED")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        text: str = page.read().decode()
        return text


def test_a_relay_serves_metrics(rudp: Commands) -> None:
    echo, page = rudp("echo", "--json", HERE), free_port()
    relay = rudp(
        *("relay", "--json", "--metrics", f"127.0.0.1:{page}", HERE),
        f"rudp://127.0.0.1:{echo.port()}",
    )
    port = relay.port()
    (status, out, _) = rudp("nc", "127.0.0.1", port).end()
    assert (status, out) == (0, "")
    text = scrape(page)
    assert f'rudp_connections_ended_total{{listener="{port}",result="closed"}}' in text
    assert f'rudp_connection_opening_seconds_count{{listener="{port}"}} 1.0' in text
    assert 'rudp_connection_opening_seconds_count{listener=""} 1.0' in text
    if sys.platform == "linux":
        assert "process_resident_memory_bytes" in text
    status, _, err = relay.end(signal.SIGTERM)
    assert (status, err) == (0, "")
    with pytest.raises(urllib.error.URLError):
        scrape(page)


def test_a_page_that_cannot_be_served(rudp: Commands) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        where = f"127.0.0.1:{sock.getsockname()[1]}"
        status, _, err = rudp("relay", "--metrics", where, HERE, "tcp://127.0.0.1:9").end()
    assert status == 1
    assert err == f"rudp relay: metrics at {where}: address already in use\n"


@pytest.mark.parametrize("where", ["9464", "host:", "a:b", "127.0.0.1:70000"])
def test_an_address_that_is_none(rudp: Commands, where: str) -> None:
    status, _, err = rudp("relay", "--metrics", where, HERE, "tcp://127.0.0.1:9").end()
    assert status == 2
    assert "argument --metrics: " in err
