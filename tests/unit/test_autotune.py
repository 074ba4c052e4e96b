"""How large a receive buffer should be, from what is read in a round trip."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from rudp.core.receive.autotune import HEADROOM, TICK, Autotune

BUFFER = 100_000
ENOUGH = BUFFER // HEADROOM  # what is read in a round trip and needs no larger buffer
RTT = 0.125


def measured(rtt: float = RTT) -> Autotune:
    """Return one that knows the round trip, at time 0."""
    tune = Autotune(BUFFER)
    tune.on_tsecr(0, rtt)
    assert tune.rtt == pytest.approx(rtt)
    return tune


def test_BUF_3_no_opinion_without_a_round_trip() -> None:
    tune = Autotune(BUFFER)
    assert tune.rtt is None
    assert tune.wanted(1 << 30, 1e6) == 0


def test_BUF_3_no_opinion_before_a_round_trip_is_over() -> None:
    tune = measured()
    assert tune.wanted(1 << 20, 0.124) == 0
    assert tune.wanted(1 << 20, RTT) > 0
    assert tune.wanted(1 << 22, 0.249) == 0
    assert tune.wanted(1 << 22, 2 * RTT) > 0


def test_BUF_3_a_slow_reader_needs_no_more() -> None:
    tune = measured()
    for n in range(1, 50):
        assert tune.wanted(n * ENOUGH, n * RTT) == 0


def test_BUF_3_a_reader_that_stops_needs_no_more() -> None:
    tune = measured()
    assert tune.wanted(2 * ENOUGH, RTT) > 0
    for n in range(2, 50):
        assert tune.wanted(2 * ENOUGH, n * RTT) == 0


def test_BUF_3_a_reader_that_takes_much_after_a_long_rest_is_slow() -> None:
    """A paused protocol that resumes gets all that waits, however little it reads in a second."""
    tune = measured()
    for n in range(1, 50):
        assert tune.wanted(n * 16 * ENOUGH, n * 16 * RTT) == 0


def test_BUF_3_a_steady_reader_gets_two_windows() -> None:
    """One on its way and one for what waits behind a hole; then it is settled."""
    tune = measured()
    assert tune.wanted(ENOUGH + 10, RTT) == 2 * (ENOUGH + 10) + 40
    assert tune.wanted(2 * (ENOUGH + 10), 2 * RTT) == 0


def test_BUF_3_slow_start_gets_room_for_two_more_doublings() -> None:
    """What is read was sent a round trip ago: twice as much is on its way already."""
    tune = measured()
    read = 0
    for n in range(1, 8):
        read += ENOUGH << n
        assert tune.wanted(read, n * RTT) == 4 * (ENOUGH << n)


@given(st.lists(st.tuples(st.integers(0, 1 << 24), st.floats(0.0, 10.0)), max_size=30))
def test_BUF_3_never_more_than_four_times_what_was_read(steps: list[tuple[int, float]]) -> None:
    tune = measured()
    octets, now, since = 0, 0.0, 0
    for more, later in steps:
        octets += more
        now += later
        wanted = tune.wanted(octets, now)
        assert 0 <= wanted <= 4 * (octets - since)
        if wanted:
            assert wanted > 2 * ENOUGH
            since = octets


def test_BUF_3_an_echo_counts_once() -> None:
    """The data that follows was held up by its predecessors, not by the path."""
    tune = Autotune(BUFFER)
    tune.on_tsecr(1000, 1.1)
    for late in (1.2, 1.5, 9.0):
        tune.on_tsecr(1000, late)
    assert tune.rtt == pytest.approx(0.1)


def test_BUF_3_a_shorter_round_trip_is_believed_at_once_a_longer_one_slowly() -> None:
    tune = Autotune(BUFFER)
    tune.on_tsecr(0, 2.0)  # the peer had nothing to send
    tune.on_tsecr(2000, 2.1)
    assert tune.rtt == pytest.approx(0.1)
    tune.on_tsecr(3000, 3.9)
    assert tune.rtt == pytest.approx(0.2)


def test_BUF_3_no_round_trip_is_shorter_than_the_clock_can_show() -> None:
    tune = Autotune(BUFFER)
    tune.on_tsecr(500, 0.5)
    assert tune.rtt == TICK
    assert tune.wanted(1 << 20, TICK) > 0


def test_BUF_3_without_timestamps_a_window_takes_a_round_trip() -> None:
    """Only what lies beyond the edge of a moment was called for after it."""
    tune = Autotune(BUFFER)
    tune.on_window(1000, 11_000, 5.0)
    tune.on_window(6000, 16_000, 5.05)
    tune.on_window(11_000, 21_000, 5.08)
    assert tune.rtt is None
    tune.on_window(11_001, 21_001, 5.1)
    assert tune.rtt == pytest.approx(0.1)


def test_BUF_3_without_timestamps_a_slow_sender_proves_nothing() -> None:
    """A longer time says that it had less to send; the shortest counts."""
    tune = Autotune(BUFFER)
    for now, at in ((0.0, 0), (0.3, 10_001), (5.0, 20_002), (5.1, 30_003), (9.0, 40_004)):
        tune.on_window(at, at + 10_000, now)
    assert tune.rtt == pytest.approx(0.1)
