"""The flight recorder's ring: what goes in comes out, and only the latest of it stays."""

import pytest

from rudp.core.segment import wire
from rudp.core.terms.counters import Count, Counters
from rudp.core.terms.state import Cause, State
from rudp.core.terms.timers import DELAYED_ACK, IDLE, PATIENCE, LossTimer
from rudp.core.terms.why import Why
from rudp.core.watch.recorder import DROPPED, FIRED, MOVED, RECEIVED, SENT, SIZE, FlightRecorder

HIGHEST = 0xFFFF_FFFF


def _run(data: bytes, mss: int) -> wire.Run:
    chunks = [memoryview(data)] if data else []
    flags = wire.ACK | wire.PSH
    buffers = wire.pack_run(1 << 16 | 2, HIGHEST, 7, flags, 0xFFFF, b"", chunks, len(data), mss)
    stride = wire.HEADER_SIZE + mss
    (run,) = wire.read_runs(memoryview(b"".join(buffers)), stride, Counters())
    return run


def test_what_goes_in_comes_out() -> None:
    recorder = FlightRecorder(64, 1000.0)
    recorder.moved(State.CLOSED, State.SYN_SENT, Cause.OPEN_ACTIVE, 1000.5)
    recorder.sent(
        State.ESTABLISHED, HIGHEST, 5, wire.FIN, 0xFFFF, 65_507, 1448, Why.FIN_CLOSE, 1001.0
    )
    recorder.received(State.TIME_WAIT, _run(bytes(100), 30), 1001.25)
    recorder.processed(_run(bytes(100), 30), Count.PAWS, 1001.25)
    recorder.fired(State.ESTABLISHED, IDLE, 1002.0)
    moved, sent, received, dropped, fired = recorder.records()
    assert moved[:3] == (MOVED, 1000.5, State.CLOSED)
    assert (moved.after, moved.cause) == (State.SYN_SENT, Cause.OPEN_ACTIVE)
    assert sent[:4] == (SENT, 1001.0, State.ESTABLISHED, HIGHEST)
    assert sent[4:][:5] == (5, 65_507, 1448, 0xFFFF, wire.FIN)
    assert sent.why is Why.FIN_CLOSE
    assert received[:6] == (RECEIVED, 1001.25, State.TIME_WAIT, HIGHEST, 7, 100)
    assert (received.room, received.flags) == (30, wire.ACK | wire.PSH)
    assert dropped[:2] == (DROPPED, 1001.25)
    assert dropped.dropped is Count.PAWS
    assert fired[:3] == (FIRED, 1002.0, State.ESTABLISHED)
    assert fired.timer == IDLE


@pytest.mark.parametrize("most", [1, 3, 4, 64])
def test_only_the_latest_are_kept(most: int) -> None:
    recorder = FlightRecorder(most, 0.0)
    assert recorder.records() == ()
    for n in range(3 * most + 1):
        recorder.sent(State.ESTABLISHED, n, 0, wire.ACK, 0, 0, 0, Why.NEW_DATA, n * 0.25)
        kept = recorder.records()
        first = max(0, n + 1 - most)
        assert [record.seq for record in kept] == list(range(first, n + 1))
        assert [record.time for record in kept] == [seq * 0.25 for seq in range(first, n + 1)]
    assert len(recorder.ring) == most * SIZE


def test_every_reason_cause_and_timer_can_be_told() -> None:
    recorder = FlightRecorder(256, 0.0)
    for why in Why:
        recorder.sent(State.ESTABLISHED, 0, 0, 0, 0, 0, 0, why, 0.0)
    for count in Count:
        recorder.processed(_run(bytes(30), 30), count, 0.0)
    for cause in Cause:
        recorder.moved(State.CLOSED, State.CLOSED, cause, 0.0)
    timers = [*(each.value for each in LossTimer), DELAYED_ACK, IDLE, PATIENCE]
    for timer in timers:
        recorder.fired(State.CLOSED, timer, 0.0)
    kept = recorder.records()
    assert [each.why for each in kept if each.kind == SENT] == list(Why)
    assert [each.dropped for each in kept if each.kind == DROPPED] == list(Count)
    assert [each.cause for each in kept if each.kind == MOVED] == list(Cause)
    assert [each.timer for each in kept if each.kind == FIRED] == timers
