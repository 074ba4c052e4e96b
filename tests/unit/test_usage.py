"""What was in flight of late, and what a lone loss leaves of a window that was used then."""

import pytest

from rudp.core.congestion.usage import PERIOD, Usage
from tests.unit.flights import RTT, SMSS, Course


def test_the_most_of_the_last_seconds() -> None:
    """CC-9: for one period to two; a pause of any length counts as time."""
    usage = Usage(0)
    usage.on_sent(5000, False, 0, 5000, 0.0)
    usage.on_sent(3000, False, 5000, 8000, 1.0)
    assert usage.recent(PERIOD - 0.1) == 5000
    usage.on_sent(2000, False, 8000, 9000, PERIOD)
    assert usage.recent(2 * PERIOD - 0.1) == 5000
    assert usage.recent(2 * PERIOD) == 2000
    usage.on_sent(1000, False, 9000, 9500, 10 * PERIOD)
    assert usage.recent(10 * PERIOD) == 1000


def reduced(*flights: float, congestion: str = "newreno", wait: float = 0.0) -> Course:
    """A window of 100 segments; *flights* are sent whole, and of the last the first is lost."""
    course = Course(congestion=congestion)
    course.flight.controller.cwnd = course.flight.controller.ssthresh = 100 * SMSS
    at = 0.0
    sent = 0.0
    for n, segments in enumerate(flights):
        last = n == len(flights) - 1
        at += wait if last else 0.0
        course.flight.controller.cwnd = 100 * SMSS
        course.send(segments, at=at)
        at += RTT
        if not last:
            course.ack(sent + segments, at=at)
            sent += segments
    if flights[-1] > 1:
        course.sack((sent + 1, sent + flights[-1]), at=at)
    return course


@pytest.mark.parametrize(("congestion", "share"), [("newreno", 0.5), ("cubic", 0.7)])
def test_a_lone_loss_while_little_is_sent(congestion: str, share: float) -> None:
    """CC-9, CUB-6: a share of cwnd, which was used a moment ago, and not of four segments."""
    course = reduced(100, 4, congestion=congestion)
    assert course.flight.controller.ssthresh == pytest.approx(share * 100 * SMSS)


def test_a_window_that_was_never_used() -> None:
    """CC-9: FlightSize counts, where as much is in flight as there ever was."""
    assert reduced(20, 20).flight.controller.ssthresh == 10 * SMSS
    assert reduced(20, 4).flight.controller.ssthresh == 18 * SMSS  # slow start may double 20


def test_a_window_that_was_used_long_ago() -> None:
    """CC-9, RFC 7661: it says nothing about the path of today."""
    course = reduced(100, 4, wait=2 * PERIOD)
    assert course.flight.controller.ssthresh == 2 * SMSS


def test_further_losses_reduce_further() -> None:
    """CC-10: each time from what is left."""
    course = reduced(100, 4)
    course.resend()
    course.ack(104, at=0.3)
    course.send(4, at=0.3)
    course.sack((105, 108), at=0.4)
    assert course.flight.controller.ssthresh == 25 * SMSS


def test_a_time_out_while_little_is_sent() -> None:
    """CC-9, RTO-15"""
    course = reduced(100, 1)
    course.time_out(at=1.0)
    assert course.flight.controller.ssthresh == 50 * SMSS
    assert course.flight.controller.cwnd == SMSS
