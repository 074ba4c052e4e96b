"""``rudp demo SCENARIO --real``: two processes, real sockets, and one story of both."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rudp.cli import main
from rudp.cli.demo.scenarios import SCENARIOS
from rudp.trace import Recording
from rudp.trace.arrows import arrows
from rudp.trace.decode import decode
from rudp.trace.events import SegmentLost, SegmentSent, StateMoved
from rudp.trace.pcapfile import packets

REAL = [name for name, scenario in SCENARIOS.items() if not scenario.virtual]


def play(capsys: pytest.CaptureFixture[str], *arguments: str) -> Recording:
    assert main(["demo", *arguments, "--real", "--json"]) == 0
    return Recording.parse(capsys.readouterr().out.splitlines())


def of(run: Recording, kind: type[Any], side: str) -> list[Any]:
    return [event for event in run.events if type(event) is kind and event.connection == side]


def path(run: Recording, side: str) -> list[str]:
    return [str(event.after) for event in of(run, StateMoved, side)]


@pytest.mark.parametrize("name", REAL)
def test_every_scenario_that_can_be_real(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Both ends tell of it, in the order of one clock, and what arrived had been sent before."""
    run = play(capsys, name, "--rtt", "5ms")
    assert run.header.ends == ("client", "server")
    assert {event.connection for event in run.events} == {"client", "server"}
    times = [event.time for event in run.events]
    assert times == sorted(times)
    assert times[0] == 0.0
    whole = [arrow for arrow in arrows(run.events) if arrow.received is not None]
    # The RST of an end that has forgotten the connection is not the connection's: untold.
    assert all(arrow.sent is not None or arrow.segment.flags == "RST" for arrow in whole)
    assert path(run, "client")[:2] == ["SYN-SENT", "ESTABLISHED"]
    assert path(run, "server")[:3] == ["LISTEN", "SYN-RECEIVED", "ESTABLISHED"]


def test_the_close_with_its_states(capsys: pytest.CaptureFixture[str]) -> None:
    run = play(capsys, "close")
    assert path(run, "client")[2:] == ["FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED"]
    assert path(run, "server")[3:] == ["CLOSE-WAIT", "LAST-ACK", "CLOSED"]


def test_the_segment_that_is_named_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    run = play(capsys, "loss", "--drop", "c:data:3")
    (lost, *others) = of(run, SegmentLost, "client")
    assert lost.segment.seq == 2001
    assert not others
    again = [each for each in of(run, SegmentSent, "client") if each.segment.seq == 2001]
    assert len(again) >= 2


def test_a_capture_of_the_client(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "run.pcapng"
    run = play(capsys, "half-close", "--pcapng", str(file))
    with file.open("rb") as opened:
        (found,) = decode(packets(opened)).conversations
    headers = [each.segment for each in of(found.recording(), SegmentSent, "client")]
    assert headers == [each.segment for each in of(run, SegmentSent, "client")]


@pytest.mark.slow
def test_a_path_that_loses_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """The open is given up, and the processes are gone."""
    with pytest.raises(SystemExit) as exit_:
        main(["demo", "handshake", "--real", "--loss", "100%"])
    assert exit_.value.code == 1
    assert "the scenario ends here: client: timed out" in capsys.readouterr().err


PROACTOR = """
import asyncio

class Proactor(asyncio.SelectorEventLoop):
    async def connect_read_pipe(self, *_):
        raise OSError(6, "The handle is invalid")  # as Windows says of a standard input

    def add_reader(self, *_):
        raise NotImplementedError

from rudp.cli.demo import end

with asyncio.Runner(loop_factory=Proactor) as runner:
    runner.run(end.serve())
"""


def test_an_end_needs_no_loop_that_watches_its_standard_input() -> None:
    """As a proactor does not; two lines may come in one piece."""
    begin = {"do": "begin", "end": "client", "scenario": "close", "msl": 0.1, "capture": None}
    lines = [json.dumps(begin), json.dumps({"do": "finish"})]
    done = subprocess.run(
        [sys.executable, "-c", PROACTOR],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {},
        {"events": [], "lost": []},
    ], done.stderr
