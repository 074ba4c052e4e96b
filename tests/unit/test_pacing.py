"""Pacing, delivery-rate samples, and the notice taken of how much of cwnd is in use."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.core.congestion.controller import Ack
from rudp.core.congestion.pacing import BURST_SECONDS, BURST_SEGMENTS, Pacer, pacer
from rudp.core.congestion.rate import DeliveryRate
from rudp.core.loss.scoreboard import Scoreboard
from rudp.core.send.flight import UNLIMITED
from tests.unit.flights import RTT, SMSS, Course

RATE = 1e6  # octets a second: a burst is 1000
FAST = 1e9


# -- the pacer -----------------------------------------------------------------------------------


def test_a_burst_is_a_millisecond_or_two_segments() -> None:
    """PACE-2"""
    assert (BURST_SECONDS, BURST_SEGMENTS) == (0.001, 2)
    for rate, smss, burst in ((RATE, 100, 1000), (RATE, 1000, 2000), (FAST, 1000, 1_000_000)):
        pacer = Pacer(0)
        pacer.on_sent(1, rate, 2 * smss, 10.0)
        pacer.on_sent(5 * burst, rate, 2 * smss, 10.0)
        assert pacer.room(rate, 2 * smss, 10.0) == 0
        assert pacer.room(rate, 2 * smss, pacer.next_at) == burst


def test_the_first_window_goes_at_once() -> None:
    """PACE-3"""
    pacer = Pacer(10_000)
    for _ in range(10):
        assert pacer.room(RATE, SMSS, 0.0) >= 1000
        pacer.on_sent(1000, RATE, SMSS, 0.0)
    assert pacer.room(RATE, SMSS, 0.0) == 0


def test_a_late_timer_is_made_up_for() -> None:
    """PACE-4: one burst of credit, and no more, however long it was quiet."""
    pacer = Pacer(0)
    pacer.on_sent(3000, RATE, SMSS, 0.0)
    due = pacer.next_at
    assert pacer.room(RATE, SMSS, due + 0.0005) == pytest.approx(1500, abs=1)
    assert pacer.room(RATE, SMSS, due + 100.0) == 2000
    pacer.on_sent(2000, RATE, SMSS, due + 100.0)
    assert pacer.next_at == pytest.approx(due + 100.001)


@given(st.lists(st.floats(0, 0.004), min_size=50, max_size=200))
def test_the_rate_is_kept(lateness: list[float]) -> None:
    """PACE-1, PACE-2, PACE-4: over any time, whatever the timers do, at most two bursts more."""
    pacer = Pacer(0)
    now = 0.0
    sent = 0
    for late in lateness:
        now = max(now, pacer.next_at if pacer.next_at > -math.inf else 0.0) + late
        room = pacer.room(RATE, SMSS, now)
        pacer.on_sent(room, RATE, SMSS, now)
        sent += room
        assert sent <= RATE * now + 2000 + 1


def test_a_window_goes_in_larger_bursts_than_a_rate() -> None:
    """PACE-2: ten segments, as at the beginning; a short transfer does not wait for its pace."""
    course = Course(congestion="newreno")
    course.send(10)
    course.ack(10, at=RTT)
    assert course.flight.paced_room(RTT) == 20 * SMSS  # a burst, and one of credit
    course.flight.controller.pacing_rate = 1.0
    assert course.flight.paced_room(RTT) == 4 * SMSS


# -- the rate ------------------------------------------------------------------------------------


def test_the_pace_follows_window_and_round_trip() -> None:
    """PACE-1, DEF-27: twice cwnd / SRTT in slow start, 1.2 times in avoidance."""
    course = Course()
    course.controller.cwnd = 10_000
    assert course.flight.pacing_rate() == pytest.approx(2 * 10_000 / RTT)
    course.controller.ssthresh = 10_000
    assert course.flight.pacing_rate() == pytest.approx(1.2 * 10_000 / RTT)
    course.controller.pacing_rate = 12345.0
    assert course.flight.pacing_rate() == 12345.0
    assert Course(pacing=False).flight.pacing_rate() is None
    assert Course(pacing=False).flight.paced_room(0.0) == UNLIMITED


# -- delivery rate -------------------------------------------------------------------------------


class Path:
    """A scoreboard with a sampler, fed run by run."""

    def __init__(self) -> None:
        self.board = Scoreboard(0)
        self.rate = DeliveryRate()
        self.ack = Ack()

    def send(self, size: int, now: float) -> None:
        nxt = self.board.snd_nxt
        run = self.board.on_sent(nxt, nxt + size, now)
        self.rate.on_sent(run, self.board.in_flight, now)

    def acknowledge(self, upto: int, now: float, min_rtt: float | None = None) -> Ack:
        self.rate.sample(self.board.acknowledge(upto)[0], self.ack, min_rtt, now)
        return self.ack


def test_the_pace_of_acknowledgements() -> None:
    """PACE-1: four runs sent at once, delivered 0.1 s apart."""
    path = Path()
    for _ in range(4):
        path.send(1000, 0.0)
    assert path.acknowledge(1000, 0.5).delivery_rate == pytest.approx(1000 / 0.5)
    for n in (2, 3, 4):
        path.send(1000, 0.4 + n / 10)
        path.acknowledge(1000 * n, 0.4 + n / 10)
    assert path.acknowledge(5000, 1.1).delivery_rate == pytest.approx(4000 / 0.6)
    assert path.ack.prior_delivered == 1000
    assert path.ack.rate_delivered == 4000


def test_the_slower_of_two_paces_counts() -> None:
    """Acknowledgements that come bunched do not show a fast network: nothing was sent so fast."""
    path = Path()
    path.send(1000, 0.0)
    for n in range(1, 5):
        path.send(1000, n / 10)
    path.acknowledge(1000, 0.5)
    ack = path.acknowledge(5000, 0.5)
    assert ack.delivery_rate == pytest.approx(5000 / 0.5)


def test_a_sample_shorter_than_the_round_trip_is_none() -> None:
    path = Path()
    path.send(1000, 0.0)
    assert path.acknowledge(1000, 0.01, min_rtt=0.1).delivery_rate is None


def test_limited_by_the_application() -> None:
    """Until all that was sent by then is delivered, samples are marked."""
    path = Path()
    path.send(1000, 0.0)
    path.rate.on_app_limited(path.board.in_flight)
    path.send(1000, 0.05)
    assert not path.acknowledge(1000, 0.1).rate_app_limited
    assert path.acknowledge(2000, 0.15).rate_app_limited
    path.send(1000, 0.2)
    assert not path.acknowledge(3000, 0.3).rate_app_limited


def test_losses_between_sending_and_delivery() -> None:
    path = Path()
    path.send(1000, 0.0)
    path.rate.lost += 300
    path.send(1000, 0.1)
    path.rate.lost += 500
    assert path.acknowledge(2000, 0.2).rate_lost == 500
    assert path.ack.total_lost == 800
    assert path.ack.tx_in_flight == 2000


def test_the_controller_hears_of_every_lost_run() -> None:
    course = Course()
    course.send(5, at=0.0)
    course.send(5, at=0.01)
    course.sack((6, 9), at=0.11)
    assert course.controller.losses == [(500, 500, 500), (100, 1000, 600)]


# -- use of the window ---------------------------------------------------------------------------


def grown(segments: int, cwnd: int) -> int:
    """Return what cwnd becomes when all of *segments* are acknowledged."""
    course = Course(congestion="newreno")
    course.flight.controller.cwnd = cwnd * SMSS
    course.send(segments)
    course.ack(segments, at=RTT)
    return course.flight.controller.cwnd // SMSS


def test_growth_needs_use() -> None:
    """CC-6, TRAP-10: half of the window in slow start."""
    assert grown(10, 10) == 20
    assert grown(6, 10) == 16
    assert grown(5, 10) == 10
    assert grown(1, 10) == 10


def test_use_is_remembered_for_a_round_trip() -> None:
    """CC-6: with pacing the window is full at one time of the round trip, not at each ACK."""
    course = Course(congestion="newreno")
    course.flight.controller.cwnd = 10 * SMSS
    course.flight.controller.ssthresh = 10 * SMSS
    course.send(10, apart=True)
    for n in range(1, 11):
        course.ack(n, at=RTT + n / 1000)
    assert course.flight.controller.cwnd == 11 * SMSS


def test_sacked_octets_grow_nothing_until_reordering_is_seen() -> None:
    """NR-1, CC-4"""
    course = Course(congestion="newreno")
    course.flight.controller.cwnd = 10 * SMSS
    course.send(10)
    course.sack((2, 3), at=RTT)
    assert course.flight.controller.cwnd == 10 * SMSS
    course.ack(1, (2, 3), at=RTT)
    assert course.flight.controller.cwnd == 11 * SMSS
    course.sack((2, 4), at=RTT)
    assert course.flight.controller.cwnd == 12 * SMSS


# -- the fine pacer ------------------------------------------------------------------------------


def test_PRG_10_a_fine_burst_is_a_quarter_of_a_millisecond_or_a_segment() -> None:
    for rate, smss, burst in ((RATE, 100, 250), (RATE, 1000, 1000), (FAST, 1000, 250_000)):
        fine = pacer(10_000, 0.000_25)
        fine.on_sent(burst, rate, 2 * smss, 10.0)
        assert fine.room(rate, 2 * smss, 10.0) == 0
        assert fine.room(rate, 2 * smss, fine.next_at) == burst


def test_PRG_10_the_first_window_is_paced_as_well() -> None:
    fine = pacer(10_000, 0.000_25)
    assert fine.room(RATE, 2 * SMSS, 0.0) == 250
    assert pacer(10_000, BURST_SECONDS).room(RATE, 2 * SMSS, 0.0) >= 1000


def test_PRG_10_what_a_fine_timer_is_late_is_made_up_for() -> None:
    """PACE-4: a millisecond of it."""
    fine = pacer(0, 0.000_25)
    fine.on_sent(3000, RATE, SMSS, 0.0)
    assert fine.room(RATE, SMSS, 0.0) == 0
    due = fine.next_at
    assert fine.room(RATE, SMSS, due + 0.0005) == pytest.approx(750, abs=1)
    assert fine.room(RATE, SMSS, due + 100.0) == 1250


def test_PRG_10_who_waited_for_the_window_has_saved_nothing() -> None:
    """Nobody asked the pacer meanwhile: it was not what held us back."""
    fine = pacer(0, 0.000_25)
    fine.on_sent(250, RATE, SMSS, 0.0)
    assert fine.room(RATE, SMSS, 100.0) == 250
    fine.on_sent(250, RATE, SMSS, 100.0)
    assert fine.next_at == pytest.approx(100.00025)
