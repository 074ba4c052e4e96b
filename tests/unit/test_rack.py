"""RACK and the tail-loss probe (RFC 8985), in segments of 100 octets over a path of 100 ms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.config import Config
from rudp.core.loss.rack import DUP_THRESH, REO_WND_PERSIST, Rack
from rudp.core.loss.recovery import Phase
from rudp.core.loss.tailprobe import MAX_ACK_DELAY
from rudp.core.terms.timers import LossTimer
from tests.unit.flights import FIRST, RTT, SMSS, Course

REO_WND = RTT / 4


# -- what is lost --------------------------------------------------------------------------------


def test_what_was_sent_before_is_late() -> None:
    """RACK-1, RACK-4, RACK-8, RACK-9: a quarter of the round trip is allowed for reordering."""
    course = Course(10)
    assert course.sack((1, 2), at=RTT) == []
    assert course.lost == []
    assert course.timer() == (LossTimer.REORDERING, RTT + REO_WND)
    course.flight.on_reordering_timeout(RTT + REO_WND)
    assert course.heard() == ["loss"]
    assert (course.lost, course.phase) == ([(0, 1)], Phase.FAST)


def test_three_segments_leave_no_doubt() -> None:
    """RACK-8, RACK-12, DEF-22: no reordering was seen, so DupThresh segments need no waiting."""
    assert DUP_THRESH == 3
    course = Course(10)
    assert course.sack((1, 3), at=RTT) == []
    assert course.sack((1, 4), at=RTT) == ["loss"]
    assert (course.lost, course.recover) == ([(0, 1)], 10)


def test_what_was_sent_later_is_not_judged() -> None:
    """RACK-9: of the same instant, the numbers decide."""
    course = Course()
    course.send(10)
    course.send(5, at=0.05)
    course.sack((2, 6), at=RTT)
    assert course.lost == [(0, 2)]
    course.sack((2, 6), (11, 14), at=0.15)
    assert course.lost == [(0, 2), (6, 11)]


def test_in_recovery_nothing_is_waited_for() -> None:
    """RACK-8, RACK-11: it is called lost at once; whether it may be sent is another question."""
    course = Course(20)
    course.sack((1, 4), at=RTT)
    course.resend()
    assert course.sack((5, 6), at=RTT + 0.01) == []
    assert course.lost == [(4, 5)]


def test_a_lost_retransmission_is_found() -> None:
    """RACK-14, TRAP-10: what was sent after it has arrived, so should it; one reduction for all."""
    course = Course(10)
    course.sack((1, 4), at=RTT)
    course.resend(at=RTT)
    course.send(5, at=RTT + 0.01)
    assert course.sack((1, 10), at=RTT + 0.02) == []
    assert course.lost == []
    assert course.sack((1, 11), at=2 * RTT + 0.01) == []
    assert course.lost == [(0, 1)]


def test_the_acknowledgement_of_the_first_copy_proves_nothing_about_the_second() -> None:
    """RACK-3: by the echo, or because no answer is so quick."""
    for timestamps in (True, False):
        course = Course(10, timestamps=timestamps, undo=False)
        course.sack((1, 4), at=RTT)
        course.resend(at=RTT)  # sent last, so what is acknowledged with it would pass judgement
        echo = 0.0 if timestamps else None
        course.ack(4, at=RTT + 0.02, echo=echo)
        assert course.lost == []


def test_the_acknowledgement_of_the_second_copy_counts() -> None:
    """RACK-3, RACK-4: with timestamps even if it is quick."""
    course = Course(10, timestamps=True, undo=False)
    course.sack((1, 4), at=RTT)
    course.resend(at=RTT)
    course.ack(4, at=2 * RTT, echo=RTT)
    assert course.lost == [(4, 10)]


def test_an_echo_says_nothing_of_what_lies_above_a_hole() -> None:
    """RACK-3, TLP-6: it is old as long as the hole is there, whichever copy was SACKed.

    A flight is lost whole; the probe is SACKed a round trip later, and all before it is lost.
    """
    course = Course(4, timestamps=True)
    course.flight.on_probe_timeout(2 * RTT)
    course.flight.on_sent(*_segment(3), 2 * RTT)
    assert course.ack(None, (3, 4), at=3 * RTT, echo=-RTT) == ["loss"]
    assert course.lost == [(0, 3)]
    course = Course(4, timestamps=True)
    course.flight.on_probe_timeout(2 * RTT)
    course.flight.on_sent(*_segment(3), 2 * RTT)
    assert course.ack(None, (3, 4), at=2.5 * RTT, echo=-RTT) == []  # no answer is so quick


def _segment(n: int) -> tuple[int, int]:
    return FIRST + n * SMSS, FIRST + (n + 1) * SMSS


def test_reordering_is_noticed() -> None:
    """RACK-5: what was sent once comes after its successors; from then on lateness is allowed."""
    course = Course(10)
    course.sack((2, 3), at=RTT)
    seen = [course.flight.reordering_seen]
    course.ack(1, (2, 3), at=RTT + 0.001)
    seen.append(course.flight.reordering_seen)
    assert seen == [False, True]
    course.sack((2, 10), at=RTT + 0.002)
    assert course.lost == []  # more than three segments, and yet
    assert course.timer() == (LossTimer.REORDERING, round(RTT + 0.002 + REO_WND, 9))


def test_order_within_one_acknowledgement_is_no_reordering() -> None:
    """RACK-5: one ACK may bring several ranges, however it lists them."""
    course = Course(10)
    course.sack((5, 6), (1, 2), (3, 4), at=RTT)
    assert not course.flight.reordering_seen


def test_a_retransmission_that_fills_a_gap_is_no_reordering() -> None:
    """RACK-5"""
    course = Course(10, undo=False)
    course.sack((1, 4), at=RTT)
    course.resend(at=RTT)
    course.ack(4, at=2 * RTT)
    assert not course.flight.reordering_seen


# -- how long to wait ----------------------------------------------------------------------------


def test_duplicates_widen_the_window_and_recoveries_narrow_it() -> None:
    """RACK-6, RACK-7, RACK-8: a step for each round with D-SACK, back after 16 recoveries."""
    rack = Rack(0)
    rack.reordering_seen = True
    assert rack.reo_wnd(True, 0.1, 1.0) == pytest.approx(0.025)
    rack.on_dsack(0, 1000)
    rack.on_dsack(500, 1500)  # the same round
    assert rack.reo_wnd(True, 0.1, 1.0) == pytest.approx(0.05)
    rack.on_dsack(1000, 2000)
    assert rack.reo_wnd(True, 0.1, 1.0) == pytest.approx(0.075)
    assert rack.reo_wnd(True, 0.1, 0.06) == 0.06  # never more than a round trip
    for _ in range(REO_WND_PERSIST - 1):
        rack.on_recovered()
    assert rack.reo_wnd(True, 0.1, 1.0) == pytest.approx(0.075)
    rack.on_recovered()
    assert rack.reo_wnd(True, 0.1, 1.0) == pytest.approx(0.025)


def test_no_waiting_before_a_round_trip_is_known() -> None:
    rack = Rack(0)
    rack.reordering_seen = True
    assert rack.reo_wnd(False, None, None) == 0.0


def test_a_duplicate_is_told_to_rack() -> None:
    """ACKP-5, RACK-6"""
    course = Course(10)
    course.sack((2, 3), at=RTT)
    course.ack(1, (2, 3), at=RTT)  # reordering
    course.ack(3, dsack=(0, 1), at=RTT)
    course.sack((4, 5), at=RTT)
    assert course.timer() == (LossTimer.REORDERING, pytest.approx(RTT + 2 * REO_WND))
    assert course.flight.dsacks == 1


# -- the retransmission timer --------------------------------------------------------------------


def test_an_expiry_marks_what_is_old() -> None:
    """RACK-13, RTO-16: the first segment in any case, the others if they had their time."""
    course = Course(5, timestamps=True)
    course.send(5, at=0.39)
    assert course.time_out(at=0.4) == ["timeout"]
    assert (course.lost, course.phase) == ([(0, 5)], Phase.TIMEOUT)
    course = Course(5, timestamps=True)
    course.sack((4, 5), at=0.25)  # RACK.rtt is 0.25 now
    course.send(5, at=0.29)
    course.time_out(at=0.5)
    assert course.lost == [(0, 4)]


# -- the tail-loss probe -------------------------------------------------------------------------


def test_when_a_probe_is_due() -> None:
    """TLP-1, TLP-2, DEF-24: two round trips after sending, and the peer's delay if it is alone."""
    assert MAX_ACK_DELAY == 0.05
    course = Course(5)
    assert course.timer() == (LossTimer.PTO, 0.2)
    course.ack(4, at=RTT)
    assert course.timer() == (LossTimer.PTO, pytest.approx(RTT + 0.2 + 0.05))
    course.send(1, at=0.15)
    assert course.timer() == (LossTimer.PTO, pytest.approx(0.35))


def test_no_probe_while_losses_are_known() -> None:
    """TLP-1: with anything SACKed, or in recovery, RACK is at work; and never without SACK."""
    course = Course(10)
    course.sack((9, 10), at=RTT)
    assert course.timer()[0] is LossTimer.REORDERING
    course.ack(4, (9, 10), at=RTT)
    course.flight.on_reordering_timeout(RTT + REO_WND)
    course.resend(at=RTT + REO_WND)
    assert course.timer()[0] is LossTimer.RTO
    assert Course(5, sack=False).timer() == (LossTimer.RTO, pytest.approx(0.3))
    assert Course(5, tail_loss_probe=False).timer()[0] is LossTimer.RTO


def test_never_later_than_the_time_out() -> None:
    """TLP-2, TLP-5: and the RTO is counted from the probe."""
    course = Course(5, min_rto=0.001)
    course.ack(1, at=RTT)
    for n in range(2, 5):  # a steady round trip: the variance is small
        course.ack(n, at=RTT * n)
        course.send(1)
    _, deadline = course.timer()
    assert deadline <= course.now + course.flight.rtt.rto
    course = Course(5)
    course.flight.on_probe_timeout(0.2)
    course.now = 0.2
    assert course.timer() == (LossTimer.RTO, pytest.approx(0.5))


def probed(*, new: bool) -> Course:
    """A course whose probe has left: a sixth segment, or the fifth once more."""
    course = Course(5)
    course.flight.on_probe_timeout(0.2)
    if new:
        course.send(1, at=0.2)
    else:
        course.now = 0.2
        course.flight.on_sent(FIRST + 4 * SMSS, FIRST + 5 * SMSS, 0.2)
    assert course.timer() == (LossTimer.RTO, pytest.approx(0.5))
    return course


def test_one_probe_at_a_time() -> None:
    """TLP-3: and none before a round trip was measured again."""
    course = probed(new=True)
    course.send(1, at=0.25)
    assert course.timer()[0] is LossTimer.RTO
    course.ack(6, at=0.3)
    assert course.timer()[0] is LossTimer.PTO


def test_a_probe_of_new_data_needs_no_verdict() -> None:
    """TLP-6"""
    course = probed(new=True)
    assert course.ack(6, at=0.3) == []


def test_a_probe_that_repaired_a_loss() -> None:
    """TLP-6, CC-10: more is acknowledged, and no duplicate was reported: one reduction."""
    course = probed(new=False)
    course.ack(5, at=0.3)
    course.send(1, at=0.31)
    assert course.ack(6, at=0.41) == ["loss", "recovered"]


def test_a_probe_that_was_not_needed() -> None:
    """TLP-6: the peer reports that it came twice."""
    course = probed(new=False)
    course.ack(5, at=0.21)
    course.send(1, at=0.25)
    course.ack(5, dsack=(4, 5), at=0.3)
    assert course.ack(6, at=0.35) == []


def test_a_peer_without_duplicate_reports() -> None:
    """TLP-6: a duplicate without SACK answers the copy that was not needed."""
    course = probed(new=False)
    course.ack(5, at=0.21)
    course.send(1, at=0.25)
    course.ack(5, at=0.3)
    assert course.ack(6, at=0.35) == []


def test_recovery_forgets_the_probe() -> None:
    """TLP-7"""
    course = probed(new=False)
    course.send(5, at=0.21)
    course.sack((6, 10), at=0.31)
    assert course.phase is Phase.FAST
    course.resend()
    assert course.ack(10, at=0.45) == ["recovered"]


def test_the_probe_shows_the_hole_at_the_end() -> None:
    """TLP-4: the last segment sent again is SACKed; what lies before it is lost."""
    course = Course(5)
    course.ack(2, at=RTT)
    course.flight.on_probe_timeout(0.3)
    course.now = 0.3
    course.flight.on_sent(FIRST + 4 * SMSS, FIRST + 5 * SMSS, 0.3)
    assert course.sack((4, 5), at=0.4) == ["loss"]
    assert course.lost == [(2, 4)]


# -- against the definition ----------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "sack", "resend"]), st.integers(0, 40)), max_size=60
    )
)
def test_lost_is_what_the_rule_says(steps: list[tuple[str, int]]) -> None:
    """RACK-9: after every SACK, segment by segment, with the reordering window at 0.

    In recovery and without reordering the window is 0: then a segment is lost exactly if it was
    sent before the one that was sent last among those that have arrived.
    """
    course = Course(undo=False)
    course.send(30, apart=True)
    course.sack((1, 5), at=RTT)  # recovery begins
    sent = {n: 0.001 * n for n in range(30)}
    again: set[int] = set()
    arrived = {1, 2, 3, 4}
    latest = max((sent[n], n) for n in arrived)
    for name, n in steps:
        course.now += 0.05
        if name == "send":
            sent[len(sent)] = course.now
            course.send(1)
        elif name == "resend" and course.lost:
            for left, right in course.resend():
                for m in range(round(left), round(right)):
                    sent[m] = course.now
                    again.add(m)
        elif name == "sack" and 0 < n < len(sent) and n not in arrived:
            course.sack((n, n + 1))
            arrived.add(n)
            if not (n in again and course.now - sent[n] < (course.flight.rtt.min_rtt or 0)):
                latest = max(latest, (sent[n], n))
            if course.flight.reordering_seen:
                return
        lost = {m for left, right in course.lost for m in range(round(left), round(right))}
        assert lost <= {m for m in sent if m not in arrived and (sent[m], m) < latest}
        if name == "sack":
            assert lost == {m for m in sent if m not in arrived and (sent[m], m) < latest}


def test_rack_is_the_default() -> None:
    """DEF-21"""
    assert Config().loss_detection == "rack"
    assert Course().flight.recovery.rack is not None
    assert Course(loss_detection="rfc6675").flight.recovery.rack is None
    assert Course(sack=False).flight.recovery.rack is None
