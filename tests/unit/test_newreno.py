"""The standard congestion controller; all windows are worked out by hand from RFC 5681."""

import pytest

from rudp.core.congestion.controller import SSTHRESH_INITIAL, Ack, Signal
from rudp.core.congestion.newreno import NewReno
from rudp.core.terms.bounds import WINDOW_MAX

SMSS = 1000


def ack(octets: int, limited: bool = True) -> Ack:
    told = Ack()
    told.delivered = octets
    told.cwnd_limited = limited
    return told


def controller(iw: int = 10 * SMSS) -> NewReno:
    return NewReno(SMSS, iw)


def in_avoidance(window: int) -> NewReno:
    """Return a controller in congestion avoidance with cwnd = ssthresh = *window*."""
    reno = controller()
    reno.on_congestion(Signal.LOSS, 2 * window, 0.0)
    assert (reno.cwnd, reno.ssthresh) == (window, window)
    return reno


def test_the_beginning() -> None:
    """CC-1, CC-3: cwnd is IW, ssthresh as high as a window can be."""
    reno = controller(14_600)
    assert (reno.cwnd, reno.ssthresh) == (14_600, 1 << 30)
    assert SSTHRESH_INITIAL == WINDOW_MAX == 1 << 30


def test_slow_start_doubles_in_a_round_trip() -> None:
    """CC-4, MUST-19: cwnd grows by what is acknowledged, ten segments to twenty to forty."""
    reno = controller()
    for expected in (20 * SMSS, 40 * SMSS):
        for _ in range(reno.cwnd // SMSS):
            reno.on_ack(ack(SMSS))
        assert reno.cwnd == expected


def test_slow_start_counts_octets() -> None:
    """CC-4: a receiver gains nothing by acknowledging in small pieces."""
    whole, pieces = controller(), controller()
    whole.on_ack(ack(SMSS))
    for _ in range(100):
        pieces.on_ack(ack(SMSS // 100))
    assert whole.cwnd == pieces.cwnd == 11 * SMSS


def test_one_ack_for_a_batch() -> None:
    """CC-4: and a stretch acknowledgement costs nothing."""
    reno = controller()
    reno.on_ack(ack(10 * SMSS))
    assert reno.cwnd == 20 * SMSS


def test_avoidance_adds_one_segment_for_each_window() -> None:
    """CC-5, MUST-19: ten segments acknowledged make eleven, eleven make twelve."""
    reno = in_avoidance(10 * SMSS)
    for _ in range(9):
        reno.on_ack(ack(SMSS))
    assert reno.cwnd == 10 * SMSS
    reno.on_ack(ack(SMSS))
    assert reno.cwnd == 11 * SMSS
    for _ in range(10):
        reno.on_ack(ack(SMSS))
    assert reno.cwnd == 11 * SMSS
    reno.on_ack(ack(SMSS))
    assert reno.cwnd == 12 * SMSS


def test_avoidance_never_adds_more_than_one_segment_for_an_ack() -> None:
    """CC-5"""
    reno = in_avoidance(10 * SMSS)
    reno.on_ack(ack(10 * SMSS))
    assert reno.cwnd == 11 * SMSS


def test_from_slow_start_into_avoidance() -> None:
    """CC-4, CC-5: an acknowledgement that crosses ssthresh does not overshoot.

    ssthresh is 4000.  1000 + 1000 = 2000; 3000 more: 2000 of them to ssthresh, the other 1000 are
    a quarter of the next window; 3000 more complete it.
    """
    reno = controller()
    reno.on_timeout(8 * SMSS, True, 0.0)
    assert (reno.cwnd, reno.ssthresh) == (SMSS, 4 * SMSS)
    reno.on_ack(ack(SMSS))
    assert reno.cwnd == 2 * SMSS
    reno.on_ack(ack(3 * SMSS))
    assert reno.cwnd == 4 * SMSS
    reno.on_ack(ack(2 * SMSS))
    assert reno.cwnd == 4 * SMSS
    reno.on_ack(ack(SMSS))
    assert reno.cwnd == 5 * SMSS


def test_no_growth_when_something_else_was_the_limit() -> None:
    """CC-6, TRAP-10"""
    reno = controller()
    for _ in range(100):
        reno.on_ack(ack(SMSS, False))
    assert reno.cwnd == 10 * SMSS
    reno = in_avoidance(10 * SMSS)
    for _ in range(100):
        reno.on_ack(ack(SMSS, False))
    reno.on_ack(ack(SMSS))
    assert reno.cwnd == 10 * SMSS


def test_cwnd_is_bounded() -> None:
    """WS-3: no window exceeds 2**30."""
    reno = controller()
    for _ in range(40):
        reno.on_ack(ack(reno.cwnd))
    assert reno.cwnd == WINDOW_MAX


def test_a_loss_halves_what_is_in_flight() -> None:
    """CC-9, NR-3, TRAP-10: FlightSize counts, not cwnd."""
    reno = controller(40 * SMSS)
    reno.on_congestion(Signal.LOSS, 16 * SMSS, 0.0)
    assert (reno.ssthresh, reno.cwnd) == (8 * SMSS, 8 * SMSS)


def test_a_loss_after_a_pause() -> None:
    """CC-8, CC-9: the restart window is halved; slow start leads to half of what was earned."""
    reno = controller(10 * SMSS)
    reno.on_ack(ack(90 * SMSS))
    reno.on_restart(1.0, 0.5, 0.0)
    assert (reno.cwnd, reno.earned) == (10 * SMSS, 100 * SMSS)
    reno.on_congestion(Signal.LOSS, 80 * SMSS, 0.0)
    assert (reno.ssthresh, reno.cwnd, reno.earned) == (40 * SMSS, 5 * SMSS, 0)
    reno.on_recovered(WINDOW_MAX, 0.0)
    assert reno.cwnd == 5 * SMSS


def test_ssthresh_is_two_segments_at_least() -> None:
    """CC-9, NR-3, RTO-15"""
    reno = controller()
    reno.on_congestion(Signal.LOSS, SMSS, 0.0)
    assert (reno.ssthresh, reno.cwnd) == (2 * SMSS, 2 * SMSS)
    reno = controller()
    reno.on_timeout(SMSS, True, 0.0)
    assert (reno.ssthresh, reno.cwnd) == (2 * SMSS, SMSS)


def test_a_loss_forgets_progress_in_avoidance() -> None:
    """CC-5: the growth that was nearly earned belonged to a larger window."""
    reno = in_avoidance(10 * SMSS)
    reno.on_ack(ack(9 * SMSS))
    reno.on_congestion(Signal.LOSS, 10 * SMSS, 0.0)
    assert reno.cwnd == 5 * SMSS
    reno.on_ack(ack(4 * SMSS))
    assert reno.cwnd == 5 * SMSS
    reno.on_ack(ack(SMSS))
    assert reno.cwnd == 6 * SMSS


def test_leaving_fast_recovery() -> None:
    """NR-6, PRR-8: ssthresh, or less where the sender says that more would be a burst."""
    for most, expected in ((WINDOW_MAX, 8 * SMSS), (4 * SMSS, 4 * SMSS)):
        reno = controller()
        reno.on_congestion(Signal.LOSS, 16 * SMSS, 0.0)
        reno.on_recovered(most, 1.0)
        assert (reno.cwnd, reno.ssthresh) == (expected, 8 * SMSS)


def test_a_mark_of_the_network() -> None:
    """ECN-5, CUB-6: as a loss, but the window may become one segment."""
    reno = controller()
    reno.on_congestion(Signal.ECN, 16 * SMSS, 0.0)
    assert (reno.cwnd, reno.ssthresh) == (8 * SMSS, 8 * SMSS)
    reno.on_congestion(Signal.ECN, SMSS, 0.0)
    assert (reno.cwnd, reno.ssthresh) == (SMSS, 2 * SMSS)


def test_undo() -> None:
    """UNDO-7: what was before the reduction, unless that is a burst; never less than now."""
    for timeout in (False, True):
        reno = in_avoidance(20 * SMSS)
        if timeout:
            reno.on_timeout(20 * SMSS, True, 0.0)
            reno.on_timeout(20 * SMSS, False, 1.0)
        else:
            reno.on_congestion(Signal.LOSS, 20 * SMSS, 0.0)
        reno.on_undo(WINDOW_MAX, 2.0)
        assert (reno.cwnd, reno.ssthresh) == (20 * SMSS, 20 * SMSS)
    reno.on_timeout(20 * SMSS, True, 0.0)
    reno.on_undo(7 * SMSS, 2.0)
    assert (reno.cwnd, reno.ssthresh) == (7 * SMSS, 20 * SMSS)


def test_resize() -> None:
    """PMTU-10: cwnd in octets stays, unless it is less than the new segment."""
    reno = in_avoidance(10 * SMSS)
    reno.resize(2 * SMSS)
    assert reno.cwnd == 10 * SMSS
    reno.on_ack(ack(10 * SMSS))
    assert reno.cwnd == 12 * SMSS
    reno.on_timeout(12 * SMSS, True, 0.0)
    reno.resize(3 * SMSS)
    assert reno.cwnd == 3 * SMSS


def test_a_time_out() -> None:
    """RTO-15, MUST-19: half of FlightSize is the threshold, the loss window one segment."""
    reno = controller(30 * SMSS)
    reno.on_timeout(30 * SMSS, True, 0.0)
    assert (reno.ssthresh, reno.cwnd) == (15 * SMSS, SMSS)


def test_a_repeated_time_out_leaves_ssthresh_alone() -> None:
    """RTO-15, TRAP-6"""
    reno = controller(30 * SMSS)
    reno.on_timeout(30 * SMSS, True, 0.0)
    for _ in range(5):
        reno.on_timeout(SMSS, False, 1.0)
    assert (reno.ssthresh, reno.cwnd) == (15 * SMSS, SMSS)


def test_idle() -> None:
    """CC-8: RW = min(IW, cwnd), and ssthresh stays; up to an RTO is no idle time."""
    reno = controller()
    reno.on_ack(ack(10 * SMSS))
    reno.on_restart(0.3, 0.3, 100.0)
    assert reno.cwnd == 20 * SMSS
    reno.on_restart(0.31, 0.3, 100.0)
    assert (reno.cwnd, reno.ssthresh) == (10 * SMSS, SSTHRESH_INITIAL)
    reno = in_avoidance(4 * SMSS)
    reno.on_restart(100.0, 0.3, 100.0)
    assert (reno.cwnd, reno.ssthresh) == (4 * SMSS, 4 * SMSS)


def test_a_loss_in_the_first_window() -> None:
    """CC-11: after a pause this path gets RFC 3390's window."""
    reno = controller()
    reno.on_congestion(Signal.LOSS, 30 * SMSS, 0.0)
    reno.on_restart(100.0, 0.3, 100.0)
    assert reno.cwnd == 4 * SMSS


@pytest.mark.parametrize(("arrived", "expected"), [(9, 4), (10, 10)])
def test_the_first_window_is_all_of_it(arrived: int, expected: int) -> None:
    """CC-11: a loss counts as one in the first window until all of that has arrived."""
    reno = controller()
    for _ in range(arrived):
        reno.on_ack(ack(SMSS))
    reno.on_congestion(Signal.LOSS, 30 * SMSS, 0.0)
    reno.on_restart(100.0, 0.3, 100.0)
    assert reno.cwnd == expected * SMSS


def test_a_loss_in_a_restart_window() -> None:
    """CC-11: the window after a pause is tried anew."""
    reno = controller()
    reno.on_ack(ack(30 * SMSS))
    reno.on_restart(100.0, 0.3, 100.0)
    reno.on_timeout(10 * SMSS, True, 101.0)
    reno.on_ack(ack(20 * SMSS))
    reno.on_restart(100.0, 0.3, 300.0)
    assert reno.cwnd == 4 * SMSS
