"""Reductions that were for nothing: Eifel, D-SACK and F-RTO (RFC 3522, 4015, 2883, 5682)."""

from typing import Any

import pytest

from rudp.core.congestion.controller import initial_window
from rudp.core.loss.frto import NEW_SEGMENTS
from rudp.core.loss.recovery import Phase
from tests.unit.flights import RTT, SMSS, Course

# -- Eifel: the echo -----------------------------------------------------------------------------


def late(*, timestamps: bool = True, **config: Any) -> Course:
    """Ten segments; the first is late, and was sent again at 0.1 s."""
    course = Course(10, timestamps=timestamps, **config)
    assert course.sack((1, 4), at=RTT) == ["loss"]
    assert course.resend() == [(0, 1)]
    return course


def test_an_echo_from_before_the_retransmission() -> None:
    """UNDO-1, UNDO-2, UNDO-7, CUB-10: the original came; everything is as it was before."""
    course = late()
    assert course.ack(4, at=0.12, echo=0.0) == ["undo"]
    assert (course.phase, course.lost, course.flight.undone) == (Phase.OPEN, [], 1)
    assert course.controller.cwnd == 1 << 20
    assert course.flight.reordering_seen  # nothing else can have made it late


def test_an_echo_of_the_retransmission() -> None:
    """UNDO-2"""
    course = late()
    assert course.ack(4, at=0.2, echo=RTT) == []
    assert course.phase is Phase.FAST


def test_only_the_first_acknowledgement_is_asked() -> None:
    """UNDO-2: later ones may echo an old stamp for other reasons."""
    course = late()
    course.ack(3, (5, 6), at=0.2, echo=RTT)
    assert course.ack(4, (5, 6), at=0.2, echo=0.0) == []


def test_everything_acknowledged_is_no_proof() -> None:
    """UNDO-2: all acknowledgements of the originals may have been lost; a D-SACK settles it."""
    course = late()
    assert course.ack(10, at=0.12, echo=0.0) == ["recovered"]
    course = Course(11, timestamps=True)
    course.ack(1, at=RTT)
    course.sack((2, 5), at=RTT)
    course.resend()
    course.ack(None, (2, 5), at=0.11, dsack=(0, 1))
    assert course.ack(11, at=0.12, echo=0.0) == ["undo"]


def test_not_with_the_option_off() -> None:
    course = late(undo=False)
    assert course.ack(4, at=0.12, echo=0.0) == []


def test_lost_marks_are_dropped() -> None:
    """UNDO-7: what is called lost and was not sent again is in flight after all."""
    course = Course(10, timestamps=True)
    course.sack((3, 6), at=RTT)
    course.flight.on_sent(*_first(course), RTT)
    assert course.lost == [(1, 3)]
    assert course.ack(1, (3, 6), at=0.11, echo=0.0) == ["undo"]
    assert course.lost == []
    assert course.board.in_flight == 6 * SMSS


def _first(course: Course) -> tuple[int, int]:
    left = course.board.lost.lefts[0]
    return left, left + SMSS


# -- D-SACK --------------------------------------------------------------------------------------


def test_every_retransmission_reported() -> None:
    """UNDO-6: also when the episode is over by then."""
    course = late(timestamps=False)
    assert course.ack(10, at=0.2) == ["recovered"]
    course.send(5, at=0.2)
    assert course.ack(10, at=0.21, dsack=(0, 1)) == ["undo"]


def test_one_of_two_reported() -> None:
    """UNDO-6: one was needed, and so the reduction was."""
    course = Course(10)
    course.sack((2, 6), at=RTT)
    assert course.resend() == [(0, 2)]
    assert course.ack(10, at=0.2, dsack=(0, 1)) == ["recovered"]
    course.send(1)
    assert course.ack(11, at=0.3) == []
    course = Course(10)
    course.sack((2, 6), at=RTT)
    course.resend()
    course.ack(10, at=0.2, dsack=(0, 1))
    course.send(1)
    assert course.ack(10, at=0.2, dsack=(1, 2)) == ["undo"]


def test_reports_about_an_earlier_time_do_not_count() -> None:
    """UNDO-6: what was not sent again in this episode says nothing about it."""
    course = Course(10)
    course.ack(5, at=RTT)
    course.send(5)
    course.sack((6, 10), at=RTT + 0.01)
    course.resend()
    assert course.ack(5, (6, 10), at=0.2, dsack=(3, 4)) == []


# -- after a time-out ----------------------------------------------------------------------------


@pytest.mark.parametrize("pacing", [False, True])
def test_a_spurious_time_out(pacing: bool) -> None:
    """UNDO-7, UNDO-8, RTO-7: the window is back, and the sample is believed.

    Without pacing, which spreads it, no more than FlightSize plus what was acknowledged.
    """
    course = Course(10, timestamps=True, pacing=pacing)
    course.time_out(at=0.3)
    course.flight.on_sent(*_first(course), 0.3)
    heard = course.ack(2, at=0.4, echo=0.0)
    assert heard == ["undo"]
    at_once = 8 * SMSS + min(2 * SMSS, initial_window(SMSS))
    assert course.controller.cwnd == (1 << 20 if pacing else at_once)
    assert course.lost == []
    assert course.flight.rtt.srtt == pytest.approx(0.4)
    assert course.flight.rtt.rttvar == pytest.approx(0.2)
    assert course.flight.rtt.backoffs == 0


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("copies", [1, 3])
def test_lost_acknowledgements_are_no_delay(timestamps: bool, copies: int) -> None:
    """UNDO-6, UNDO-8: the window is back; what passed until a copy was answered is no round trip.

    Of several copies only the last is reported, as the acknowledgements of the others were lost;
    then the echo has to prove that the original came.
    """
    course = Course(1, timestamps=timestamps)
    rtt = course.flight.rtt
    before = rtt.srtt, rtt.rttvar, rtt.rto
    for n in range(copies):
        course.time_out(at=0.3 * 2**n)
        course.resend()
    at = course.now + RTT
    heard = course.ack(1, at=at, dsack=(0, 1), echo=0.0 if timestamps else None)
    assert heard == (["undo"] if timestamps or copies == 1 else [])
    assert (rtt.srtt, rtt.rttvar) == before[:2]
    if heard:
        assert course.controller.cwnd == 1 << 20
        assert (rtt.rto, rtt.backoffs) == (before[2], 0)  # it was answered within the RTO


def test_a_late_answer_to_a_copy_ends_no_back_off() -> None:
    """RTO-12, UNDO-8: the path may have become that long."""
    course = Course(1, timestamps=True)
    course.time_out(at=0.3)
    course.resend()
    assert course.ack(1, at=0.3 + 0.5, dsack=(0, 1), echo=0.0) == ["undo"]
    assert course.flight.rtt.backoffs == 1
    assert course.flight.rtt.rto == pytest.approx(0.6)


def test_a_duplicate_of_something_else_proves_nothing() -> None:
    """UNDO-2, UNDO-6"""
    course = Course(10, timestamps=True)
    course.ack(5, at=RTT)
    course.time_out(at=0.5)
    course.resend()
    assert course.ack(7, at=0.6, dsack=(2, 3), echo=0.0) == []
    assert course.phase is Phase.TIMEOUT


def test_a_genuine_time_out() -> None:
    """UNDO-2"""
    course = Course(10, timestamps=True)
    course.time_out(at=0.3)
    course.flight.on_sent(*_first(course), 0.3)
    assert course.ack(1, at=0.4, echo=0.3) == []
    assert course.phase is Phase.TIMEOUT


# -- F-RTO: without timestamps -------------------------------------------------------------------


def timed_out(*, sack: bool) -> Course:
    """Ten segments, silence, and the first sent again."""
    course = Course(10, sack=sack)
    assert course.time_out(at=0.3) == ["timeout"]
    assert course.lost == [(0, 1)]  # nothing more, until it is known (step 1)
    course.resend()
    assert course.flight.holds_lost
    return course


@pytest.mark.parametrize("sack", [False, True])
def test_two_advances_in_a_row(sack: bool) -> None:
    """UNDO-3: new segments were tried, and what is acknowledged is old: it was in flight."""
    course = timed_out(sack=sack)
    assert course.ack(2, at=0.4) == []
    assert course.flight.extra_new == NEW_SEGMENTS
    course.send(2, apart=True)
    assert course.flight.extra_new == 0
    assert course.ack(4, at=0.41) == ["undo"]
    assert (course.phase, course.lost) == (Phase.OPEN, [])


def test_old_data_sacked() -> None:
    """UNDO-3: step 3 of the version with SACK."""
    course = timed_out(sack=True)
    course.ack(2, at=0.4)
    course.send(2, apart=True)
    assert course.ack(2, (4, 5), at=0.41) == ["undo"]


def test_new_data_sacked() -> None:
    """UNDO-4: what was sent after the time-out arrives before the old: that was lost."""
    course = timed_out(sack=True)
    course.ack(2, at=0.4)
    course.send(2, apart=True)
    assert course.ack(2, (10, 11), at=0.5) == []
    assert course.lost == [(2, 10)]
    assert not course.flight.holds_lost


def test_a_duplicate_without_sack() -> None:
    """UNDO-3: in step 2 or 3: recovery as always, of all that was sent before the time-out."""
    course = timed_out(sack=False)
    course.duplicate()
    assert course.lost == [(1, 10)]
    course = timed_out(sack=False)
    course.ack(2, at=0.4)
    course.send(2, apart=True)
    course.duplicate()
    assert course.lost == [(2, 10)]


def test_duplicates_with_sack_are_only_noted() -> None:
    """UNDO-4"""
    course = timed_out(sack=True)
    course.sack((5, 6), at=0.35)
    assert course.flight.frto is not None


def test_an_acknowledgement_of_everything() -> None:
    """UNDO-3: the first advance reaches the recovery point: no telling."""
    course = timed_out(sack=False)
    assert course.ack(10, at=0.4) == []
    assert (course.phase, course.flight.frto is not None) == (Phase.OPEN, False)


def test_nothing_new_to_try() -> None:
    """UNDO-5"""
    course = timed_out(sack=False)
    course.ack(2, at=0.4, can_try=False)
    assert course.lost == [(2, 10)]
    assert course.flight.extra_new == 0


def test_another_time_out_begins_again() -> None:
    """UNDO-5, UNDO-3: the same segment again."""
    course = timed_out(sack=False)
    assert course.time_out(at=0.9) == ["timeout again"]
    assert course.flight.frto is not None
    course.resend()
    course.ack(2, at=1.0)
    course.send(2, apart=True)
    assert course.ack(3, at=1.1) == ["undo"]


def test_not_in_a_recovery_that_is_under_way() -> None:
    """UNDO-3: there is no telling what was lost then."""
    course = Course(10)
    course.sack((1, 5), at=RTT)
    course.resend()
    course.time_out(at=0.5)
    assert course.flight.frto is None


# -- the SYN -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("echo", "segments"), [(0, 10), (3000, 1)])
def test_a_syn_that_was_only_slow(echo: int, segments: int) -> None:
    """UNDO-9, CC-2: the answer echoes the first SYN, so the window is the initial one."""
    course = Course(congestion="newreno")
    flight = course.flight
    flight.syn_sent(1000, 3.0)
    flight.established(SMSS, sack=True, timestamps=True, syn_transmissions=3, tsecr=echo, now=3.1)
    assert flight.window == segments * SMSS
