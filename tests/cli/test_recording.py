"""The options that record a run: files for each place from which connections are seen, bounded."""

import argparse
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rudp import sim
from rudp.cli import main, recording
from rudp.core.terms.state import State
from rudp.trace import Recording
from rudp.trace.events import SegmentSent, StateMoved, Watched
from tests.cli.kit import Commands
from tests.unit.watched import CLIENT, SERVER

HERE = "rudp://127.0.0.1:0"


def all_files(folder: Path, name: str) -> list[str]:
    """Return the options for one file of each kind."""
    suffixes = {"pcapng": "pcapng", "events": "jsonl", "html": "html", "qlog": "sqlog"}
    return [
        word
        for option, suffix in suffixes.items()
        for word in (f"--{option}", str(folder / f"{name}.{suffix}"))
    ]


def send(rudp: Commands, port: str, octets: int, *options: str) -> None:
    nc = rudp("nc", "127.0.0.1", port, *options, stdin=subprocess.PIPE)
    out, err = nc.process.communicate(bytes(octets), timeout=60)
    assert (nc.process.returncode, len(out), err) == (0, octets, b"")


def test_nc_and_echo(rudp: Commands, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    echo = rudp("echo", "--json", HERE, *all_files(tmp_path, "there"))
    send(rudp, echo.port(), 100_000, *all_files(tmp_path, "here"))
    assert echo.end(signal.SIGTERM)[0] == 0
    for name, end in (("here", "client"), ("there", "server")):
        events = Recording.load(tmp_path / f"{name}.jsonl")
        assert events.header.ends == (end,)
        sent = [each for each in events.events if isinstance(each, SegmentSent)]
        assert sum(each.segment.length for each in sent) >= 100_000
        assert "<html" in (tmp_path / f"{name}.html").read_text()
        assert (tmp_path / f"{name}.sqlog").read_bytes().startswith(b"\x1e{")
        main(["decode", str(tmp_path / f"{name}.pcapng"), "--json"])
        assert capsys.readouterr().out.count('"segment_sent"') == len(sent)


def test_a_relay_has_two_sides(
    rudp: Commands, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And of two connections the second is what was asked for, of both."""
    echo = rudp("echo", "--json", HERE)
    target = f"rudp://127.0.0.1:{echo.port()}"
    files = all_files(tmp_path, "run")
    relay = rudp("relay", "--json", HERE, target, "--connection", "2", *files)
    port = relay.port()
    for octets in (100, 2000):
        send(rudp, port, octets)
    assert relay.end(signal.SIGTERM)[::2] == (0, "")
    assert len(list(tmp_path.iterdir())) == 8
    for side in ("listen", "target"):
        events = Recording.load(tmp_path / f"run-{side}.jsonl").events
        (seen,) = [each for each in events if isinstance(each, Watched)]
        assert seen.connection == side
        data = [e.segment.length for e in events if isinstance(e, SegmentSent)]
        assert sum(data) == 2000
        main(["decode", str(tmp_path / f"run-{side}.pcapng")])
        assert "  #  connection" not in capsys.readouterr().out, "one connection"


def test_a_relay_to_tcp_has_one(rudp: Commands, tmp_path: Path) -> None:
    relay = rudp(
        *("relay", "--json", HERE, "tcp://127.0.0.1:9"),
        *("--events", str(tmp_path / "run.jsonl"), "--pcapng", str(tmp_path / "run.pcapng")),
    )
    rudp("nc", "127.0.0.1", relay.port(), stdin=subprocess.DEVNULL).end()
    assert relay.end(signal.SIGTERM)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.jsonl", "run.pcapng"]


def test_perf(rudp: Commands, tmp_path: Path) -> None:
    server = rudp(
        "perf", "-s", "--json", "-p", "0", "--bind", "127.0.0.1", *all_files(tmp_path, "s")
    )
    port = server.port()
    client = rudp(
        *("perf", "-c", "127.0.0.1", "-p", port, "-n", "100K", "--connection", "2"),
        *all_files(tmp_path, "c"),
    )
    status, _, err = client.end()
    assert (status, err) == (0, "")
    assert server.end(signal.SIGTERM)[0] == 0
    data = Recording.load(tmp_path / "c.jsonl").events
    assert sum(e.segment.length for e in data if isinstance(e, SegmentSent)) >= 100 << 10
    assert len(list(tmp_path.iterdir())) == 8


def test_the_transfer_of_the_demo_is_one_story(tmp_path: Path) -> None:
    assert main(["demo", "--size", "50K", *all_files(tmp_path, "run")]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("run-client.pcapng", "run-client.sqlog", "run-server.pcapng", "run-server.sqlog"),
        *("run.html", "run.jsonl"),
    ]
    events = Recording.load(tmp_path / "run.jsonl")
    assert set(events.header.ends) == {"client", "server"}
    for side in ("client", "server"):
        header = (tmp_path / f"run-{side}.sqlog").read_text().split("\x1e")[1]
        assert json.loads(header)["trace"]["vantage_point"]["type"] == side


def test_a_scenario_has_events_and_qlog_too(tmp_path: Path) -> None:
    events, qlog = tmp_path / "run.jsonl", tmp_path / "run.sqlog"
    assert main(["demo", "loss", "--events", str(events), "--qlog", str(qlog)]) == 0
    assert main(["report", str(events)]) == 0
    assert qlog.read_bytes().startswith(b"\x1e{")


def test_a_run_that_fails_is_what_one_wants_to_see(rudp: Commands, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    status, _, err = rudp("nc", "127.0.0.1", "9", "--events", str(path)).end()
    assert (status, err) == (1, "rudp nc: connection refused\n")
    moves = [e for e in Recording.load(path).events if isinstance(e, StateMoved)]
    assert moves[-1].after is State.CLOSED


def test_nobody_came(rudp: Commands, tmp_path: Path) -> None:
    """That is told, and there is no file that looks as if there had been something."""
    path = tmp_path / "run.html"
    echo = rudp("echo", "--json", HERE, "--html", str(path))
    echo.port()
    status, _, err = echo.end(signal.SIGTERM)
    assert (status, err) == (1, f"rudp echo: {path}: there was no connection to record\n")
    assert not path.exists()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return why a command does not begin."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("option", recording.FILES)
def test_a_file_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    path = str(tmp_path / "no" / "run")
    assert f"cannot write {path}: No such file or directory" in refused(
        capsys, "echo", f"--{option}", path
    )


def test_tcp_is_not_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why = refused(capsys, "echo", "tcp://127.0.0.1:0", "--html", str(tmp_path / "a"))
    assert "--html is for rudp, which is not used here" in why


@pytest.mark.parametrize(
    ("option", "value"),
    [("--pcapng-max", "10K"), ("--events-max", "1"), ("--connection", "0")],
)
def test_bounds_have_bounds(capsys: pytest.CaptureFixture[str], option: str, value: str) -> None:
    assert f"argument {option}" in refused(capsys, "echo", option, value)


class Run:
    """Two connections in the simulator, recorded as a command records."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        parser = argparse.ArgumentParser(prog="rudp test")
        recording.add_options(parser)
        options = parser.parse_args([*arguments])
        network = sim.Network(delay=0.01, seed=1)
        server, client = network.host(SERVER), network.host(CLIENT)
        listener = server.table.listen(80)
        with recording.Recording(parser, options, ["client"]) as record:
            tracer = record.tracer("client")
            for octets in (30_000, 250_000):
                ours = client.table.open_active(server.path, 80, network.clock.now, tracer=tracer)
                assert network.run_until(lambda: listener.accepted, limit=10.0)
                theirs = listener.accepted.popleft()
                ours.send(bytes(octets))
                client.table.touch(ours)
                network.run_until(lambda: theirs.readable_octets >= octets, limit=10.0)  # noqa: B023
                ours.close(network.clock.now)
                client.table.touch(ours)
                theirs.close(network.clock.now)
                server.table.touch(theirs)
                network.run_until(lambda: False, limit=1.0)
        self.status = record.status(0)


def test_of_events_the_latest_are_kept(tmp_path: Path) -> None:
    """With how each connection began that they are of; and a page can be made of that."""
    path, page, qlog = (tmp_path / name for name in ("run.jsonl", "run.html", "run.sqlog"))
    run = Run(
        tmp_path,
        *("--events", str(path), "--html", str(page), "--qlog", str(qlog), "--events-max", "100"),
    )
    assert run.status == 0
    events = Recording.load(path).events
    assert len(events) == 101
    first = events[0]
    assert isinstance(first, Watched)
    assert (first.connection, first.state) == ("client#2", State.SYN_SENT)
    assert {each.connection for each in events} == {"client#2"}
    assert page.stat().st_size > 10_000
    assert qlog.read_text().startswith("\x1e{")


@pytest.mark.parametrize(("number", "octets"), [(1, 30_000), (2, 250_000)])
def test_one_connection_is_chosen(tmp_path: Path, number: int, octets: int) -> None:
    path = tmp_path / "run.jsonl"
    assert Run(tmp_path, "--events", str(path), "--connection", str(number)).status == 0
    events = Recording.load(path).events
    assert {each.connection for each in events} == {"client"}
    assert sum(e.segment.length for e in events if isinstance(e, SegmentSent)) == octets
    moves = [each.after for each in events if isinstance(each, StateMoved)]
    assert (moves[0], moves[-1]) in [
        (State.SYN_SENT, State.TIME_WAIT),
        (State.SYN_SENT, State.CLOSED),
    ]


def test_a_connection_that_never_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.jsonl"
    assert Run(tmp_path, "--events", str(path), "--connection", "3").status == 1
    assert re.search("there was no connection to record", capsys.readouterr().err)


def test_files_are_named_after_places(tmp_path: Path) -> None:
    """A name without a suffix, too."""
    names: dict[str, Any] = {"pcapng": str(tmp_path / "run"), "pcapng_max": 1 << 20}
    others = dict.fromkeys(("events", "html", "qlog", "connection"))
    options = argparse.Namespace(**names, **others, events_max=100)
    parser = argparse.ArgumentParser()
    with recording.Recording(parser, options, ["a", "b"]) as record:
        assert record.watching("a")
        assert record.watching("b")
        assert record.watching("c") == {}
    assert sorted(os.listdir(tmp_path)) == ["run-a", "run-b"]
