"""Prague: what marks and their absence do to the window, in segments of 1000 octets."""

import itertools
import math

import pytest

from rudp.core.congestion.controller import Ack, Signal
from rudp.core.congestion.cubic import Cubic
from rudp.core.congestion.pacing import AVOIDANCE_GAIN, BURST_SECONDS, SLOW_START_GAIN
from rudp.core.congestion.prague import GAIN, QUIET, VIRTUAL_RTT, Prague
from rudp.core.congestion.registry import controller_factory
from rudp.core.segment.transmit import ECT_1

SMSS = 1000
RTT = 0.05


class Flow:
    """A controller, and whole windows that are acknowledged, each in one go."""

    def __init__(self, segments: int = 100, rtt: float = RTT) -> None:
        self.prague = Prague(SMSS, segments * SMSS)
        self.rtt = rtt
        self.now = 0.0
        self.una = 0
        self.nxt = self.prague.cwnd

    @property
    def segments(self) -> float:
        return self.prague.cwnd / SMSS

    def round(self, marked: float = 0.0, *, limited: bool = True, parts: int = 1) -> None:
        """What is in flight arrives, in so many acknowledgements; this share of it was marked."""
        window = self.nxt - self.una
        for part in range(parts):
            self.now += self.rtt / parts
            octets = window * (part + 1) // parts - window * part // parts
            self.una += octets
            self.ack(octets, round(octets * marked), limited=limited)

    def ack(self, delivered: int, marked: int, *, limited: bool = True) -> None:
        told = Ack()
        told.now = self.now
        told.delivered = delivered
        told.cwnd_limited = limited
        told.srtt = told.rtt = told.min_rtt = self.rtt
        told.snd_una = self.una
        told.snd_nxt = self.nxt
        if marked:
            self.prague.on_marks(-(-marked // SMSS), marked, self.now)
        self.prague.on_ack(told)
        self.nxt = max(self.nxt, self.una + self.prague.cwnd)

    def settle(self, share: float, rounds: int = 200) -> None:
        """Let ``alpha`` come close to *share*."""
        for _ in range(rounds):
            self.round(share)


def test_PRG_1_it_asks_for_the_queue_of_L4S_and_answers_marks_itself() -> None:
    made = controller_factory("prague")(SMSS, 10 * SMSS)
    assert isinstance(made, Prague)
    assert made.ect == ECT_1
    assert made.answers_marks


def test_PRG_7_without_marks_it_is_cubic() -> None:
    flow, cubic = Flow(10), Cubic(SMSS, 10 * SMSS)
    for _ in range(5):
        before = cubic.cwnd
        flow.round()
        told = Ack()
        told.now, told.delivered, told.cwnd_limited = flow.now, before, True
        told.srtt = told.rtt = RTT
        told.snd_una, told.snd_nxt = flow.una, flow.una + before
        cubic.on_ack(told)
        assert flow.prague.cwnd == cubic.cwnd
    flow.prague.on_congestion(Signal.LOSS, flow.prague.cwnd, flow.now)
    cubic.on_congestion(Signal.LOSS, cubic.cwnd, flow.now)
    assert (flow.prague.cwnd, flow.prague.ssthresh) == (cubic.cwnd, cubic.ssthresh)


def test_PRG_2_the_first_mark_ends_slow_start_with_half_of_the_window() -> None:
    """Nothing is known of how many there will be: alpha is 1."""
    flow = Flow(100)
    flow.round(0.01)
    assert flow.prague.scalable
    assert flow.segments == pytest.approx(51, abs=1.1)
    assert flow.prague.ssthresh <= flow.prague.cwnd


@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_PRG_3_alpha_is_the_average_of_the_share_that_was_marked(share: float) -> None:
    flow = Flow(1000)
    flow.round(share)
    before = flow.prague.alpha
    flow.round(share)
    assert flow.prague.alpha == pytest.approx(before + GAIN * (share - before), abs=0.002)
    flow.settle(share)
    assert flow.prague.alpha == pytest.approx(share, abs=0.03)


def test_PRG_3_marks_count_by_their_octets() -> None:
    """And a marked segment without data, which says so too, as one octet."""
    flow = Flow(1000)
    flow.round(0.1)
    flow.prague.on_marks(3, 0, flow.now)
    before = flow.prague.alpha
    flow.round()
    assert flow.prague.alpha == pytest.approx(before * (1 - GAIN), rel=0.01)


def test_PRG_4_half_of_alpha_is_taken_once_in_a_round_trip() -> None:
    flow = Flow(400)
    flow.settle(0.2, 60)
    flow.prague.cwnd = 400 * SMSS
    flow.prague.ssthresh = 100 * SMSS
    flow.round()
    alpha, before = flow.prague.alpha, flow.prague.cwnd
    flow.round(0.2, parts=10)
    after = before * (1 - alpha / 2) + 0.8 * SMSS
    assert flow.prague.cwnd == pytest.approx(after, rel=0.01)


def test_PRG_5_the_window_grows_by_a_segment_in_a_round_trip_by_what_is_not_marked() -> None:
    flow = Flow(100)
    flow.round(0.1)
    before = flow.segments
    for number in range(1, 6):
        flow.round(parts=5)
        assert flow.segments == pytest.approx(before + number, abs=0.05)
    flow.round(limited=False)
    assert flow.segments == pytest.approx(before + 5, abs=0.05)


@pytest.mark.parametrize("rtt", [0.005, 0.0125, 0.025, 0.1])
def test_PRG_6_a_short_round_trip_grows_like_a_longer_one(rtt: float) -> None:
    """The rate grows by a segment for each virtual round trip, in each of these."""
    flow = Flow(100, rtt)
    flow.round(0.1)
    before, began = flow.prague.cwnd, flow.now
    while flow.now < began + 0.3:
        flow.round()
    rounds = (flow.now - began) / rtt
    virtual = max(rtt, VIRTUAL_RTT)
    assert flow.prague.cwnd - before == pytest.approx(rounds * SMSS * (rtt / virtual) ** 2, rel=0.1)


def test_PRG_6_a_short_round_trip_is_reduced_once_in_a_virtual_one() -> None:
    flow = Flow(1000, 0.005)
    flow.round(0.5)
    windows = []
    for _ in range(20):
        flow.round(0.5)
        windows.append(flow.prague.cwnd)
    drops = sum(b < a for a, b in itertools.pairwise(windows))
    assert drops in (3, 4)  # in 100 ms


def test_PRG_4_the_window_has_two_segments_at_least() -> None:
    flow = Flow(10)
    flow.settle(1.0, 50)
    assert flow.segments == 2


def test_PRG_7_a_loss_makes_it_cubic_until_the_next_mark() -> None:
    flow = Flow(100)
    flow.round(0.1)
    before = flow.prague.cwnd
    flow.prague.on_congestion(Signal.LOSS, before, flow.now)
    assert not flow.prague.scalable
    assert flow.prague.cwnd == pytest.approx(0.7 * before, abs=SMSS)
    flow.prague.on_recovered(1 << 30, flow.now)
    flow.round(0.01)
    assert flow.prague.scalable


def test_PRG_7_a_time_out_makes_it_cubic_too() -> None:
    flow = Flow(100)
    flow.round(0.1)
    flow.prague.on_timeout(50 * SMSS, True, flow.now)
    assert not flow.prague.scalable
    assert flow.segments == 1
    flow.nxt = flow.una + SMSS  # the others are lost
    flow.round()
    assert flow.segments == 2  # slow start


def test_PRG_8_a_peer_that_does_not_count_is_answered_as_by_cubic() -> None:
    """RFC 3168: one ECE for each window, and it stands for a loss."""
    flow = Flow(100)
    flow.prague.on_congestion(Signal.ECN, 100 * SMSS, 0.0)
    assert flow.segments == pytest.approx(70)
    assert not flow.prague.scalable


def test_PRG_9_who_has_not_been_marked_for_long_looks_for_more_as_cubic() -> None:
    flow = Flow(100)
    flow.round(0.1)
    rounds = 0
    while flow.prague.scalable:
        flow.round()
        rounds += 1
    assert rounds == pytest.approx(QUIET * math.sqrt(flow.segments), abs=2)
    before = flow.segments
    for _ in range(200):
        flow.round()
    assert flow.segments > 2 * before  # ten seconds


def test_PRG_9_a_flow_that_has_nothing_to_send_is_not_quiet() -> None:
    flow = Flow(100)
    flow.round(0.1)
    for _ in range(100):
        flow.round(limited=False)
    assert flow.prague.scalable


def test_PRG_10_the_pace_is_the_window_over_the_round_trip() -> None:
    flow = Flow(100)
    flow.round()
    assert flow.prague.pacing_rate == pytest.approx(SLOW_START_GAIN * flow.prague.cwnd / RTT)
    flow.round(0.1)
    assert flow.prague.pacing_rate == pytest.approx(flow.prague.cwnd / RTT)
    flow.prague.on_congestion(Signal.LOSS, flow.prague.cwnd, flow.now)
    flow.prague.on_recovered(1 << 30, flow.now)
    flow.round()
    assert flow.prague.pacing_rate == pytest.approx(AVOIDANCE_GAIN * flow.prague.cwnd / RTT)
    assert (flow.prague.burst_seconds or 1.0) < BURST_SECONDS
