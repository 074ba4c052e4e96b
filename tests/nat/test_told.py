"""What a punch does is told like all else: events, reasons, ladders, pages, lines of a log."""

import base64
import logging
import re
import zlib
from typing import Any

import pytest

import rudp
from rudp.core.terms.why import Why
from rudp.sim import Nat, run
from rudp.trace import EventLog, Ladder, log_tracer, report
from rudp.trace.events import CandidateFound, PairChanged, PunchEnded, Punching, Recording
from rudp.trace.qlog import records
from rudp.trace.svg import ladder
from tests.nat.kit import DELAY, OUTSIDE_A, OUTSIDE_B, A, B, both, meet, punched
from tests.nat.kit import put_behind as behind

HOST = "192.0.2.1"
ROOM: dict[str, Any] = {"rendezvous": f"rudp://{HOST}", "room": "where all is written down"}


def steps(log: EventLog, end: str) -> list[str]:
    """Return what was told of the punch at *end*, short."""
    found = []
    for event in log.events:
        if not isinstance(event, Punching) or event.connection != end:
            continue
        if isinstance(event, CandidateFound):
            found.append(f"{'ours' if event.ours else 'theirs'} {event.candidate}")
        elif isinstance(event, PairChanged):
            found.append(f"{event.why.name} {event.candidate}")
        else:
            found.append(f"ended {event.candidate}")
    return found


def test_what_was_tried_and_taken() -> None:
    log = punched(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
    for end in ("here", "there"):
        assert steps(log, end) == [
            "ours host", "theirs mapped", "PAIR_TRIED mapped", "PAIR_WON mapped", "ended mapped",
        ]  # fmt: skip
    addresses = {e.address for e in log.events if isinstance(e, PairChanged)}
    assert addresses == {"203.0.113.1:5000", "198.51.100.1:6000"}
    assert Recording.parse(log.recording.lines()) == log.recording


def test_a_peer_from_elsewhere_and_what_is_given_up_for_it() -> None:
    log = punched(Nat.symmetric(OUTSIDE_A), Nat.address_restricted(OUTSIDE_B))
    assert steps(log, "there")[2:] == [
        "PAIR_TRIED mapped", "PAIR_WON peer-reflexive", "PAIR_ABORTED mapped",
        "ended peer-reflexive",
    ]  # fmt: skip


def test_what_fails_is_told_each_time() -> None:
    log = EventLog()

    async def main() -> None:
        config = rudp.Config(connect_timeout=0.3)
        with pytest.raises(TimeoutError):
            await meet(A, B, tracer=log.tracer("here"), timeout=3.0, config=config)

    run(main(), delay=DELAY)
    found = steps(log, "here")
    assert found[2:6] == ["PAIR_TRIED mapped", "PAIR_FAILED mapped"] * 2
    assert found[-1] == "ended None"
    troubles = {e.trouble for e in log.events if isinstance(e, PairChanged)}
    assert troubles == {None, "no answer"}


@pytest.mark.parametrize("relay", [True, False])
def test_the_verdict_and_the_relay(relay: bool) -> None:
    log = EventLog()

    async def main() -> None:
        behind(Nat.symmetric(OUTSIDE_A), Nat.symmetric(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST, relay=relay):
            options: dict[str, Any] = {**ROOM, "relay": relay, "timeout": 4.0}
            await both(*(meet(who, tracer=log.tracer(str(who[1])), **options) for who in (A, B)))

    run(main(), delay=DELAY)
    for end in ("client", "server", "5000", "6000"):
        found = steps(log, end)
        if not found:
            continue
        assert found[:2] == ["ours host", "ours mapped"]
        if relay:
            assert {"theirs relayed", "PAIR_RELAYED relayed", "PAIR_WON relayed"} < {*found}
            assert found[-1] == "ended relayed"
            assert {"PAIR_ABORTED host", "PAIR_ABORTED mapped"} < {*found}
        else:
            assert found[-1] == "ended None"
    endings = [event for event in log.events if isinstance(event, PunchEnded)]
    assert len(endings) == 2
    for ending in endings:
        assert ("punching cannot work; use a relay" in ending.verdict) is not relay


def test_it_is_shown() -> None:
    """In ladders, live or of a recording; on the page; in pictures; in qlog."""
    live = Ladder("us", "them", explain="rfc", fold=None, width=100)
    punched(Nat(OUTSIDE_A), Nat(OUTSIDE_B), tracers=(live.left, live.right))
    log = punched(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
    recording = log.recording
    for drawn in (str(live), str(Ladder.of(recording, fold=None))):
        assert "... hears of 198.51.100.1:6000 (mapped) ..." in drawn
        assert "... takes 203.0.113.1:5000 (mapped) ..." in drawn
    told = " ".join(str(live).split())
    assert f"{Why.PAIR_TRIED.sentence} (PAIR_TRIED, RFC 8445 §6.1.4.2)" in told
    page = report.report(recording)
    packed = re.findall(r'<script type="text/plain" class="run">([^<]*)</script>', page)
    told = "".join(zlib.decompress(base64.b64decode(each)).decode() for each in packed)
    assert "tries 198.51.100.1:6000 (mapped)" in told
    assert "PAIR_WON" in told
    assert "takes 203.0.113.1:5000 (mapped)" in ladder(recording.events)
    assert any("tcp:pair_changed" in line for line in records(recording.events))


def test_the_log_has_a_line_for_the_end_of_it(caplog: pytest.LogCaptureFixture) -> None:
    tracers = log_tracer("here"), log_tracer("there")
    with caplog.at_level(logging.INFO, logger="rudp.trace"):
        punched(Nat.symmetric(OUTSIDE_A), Nat(OUTSIDE_B), tracers=tracers, timeout=3.0)
    assert [each for each in caplog.messages if "way" in each] == [
        "here finds no way", "there finds no way",
    ]  # fmt: skip
