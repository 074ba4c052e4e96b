"""BBR's model, bounds and states, fed by a path that delivers at a fixed rate."""

import math

import pytest

from rudp.core.congestion.bbr import GAINS, STARTUP_PACING_GAIN, Bbr, BbrState
from rudp.core.congestion.controller import Ack, Signal
from rudp.core.terms.bounds import WINDOW_MAX

SMSS = 1000
RATE = 1e6  # octets a second
RTT = 0.05
BDP = RATE * RTT


class Path:
    """A bottleneck of RATE with RTT: packets queue there, and losses are of our choice."""

    def __init__(self, bbr: Bbr) -> None:
        self.bbr = bbr
        self.now = 0.0
        self.free = 0.0  # when the bottleneck has worked off its queue
        self.delivered = 0
        self.lost = 0
        self.in_flight: list[tuple[float, float, int, int, int]] = []
        self.states: list[BbrState] = []
        self.next_send = 0.0
        self.dropped = 0

    def run(self, seconds: float, *, loss: int = 0, recovering: bool = False) -> float:
        """Run for *seconds*; of every *loss* segments one is lost.  Return the rate delivered."""
        end = self.now + seconds
        before = self.delivered
        began = self.now
        sent = 0
        while self.now < end:
            bbr = self.bbr
            flying = len(self.in_flight) * SMSS
            arrival = self.in_flight[0][0] if self.in_flight else math.inf
            may_send = flying + SMSS <= bbr.cwnd
            if may_send and max(self.next_send, self.now) <= arrival:
                self.now = max(self.next_send, self.now)
                self.free = max(self.free, self.now + RTT / 2) + SMSS / RATE
                flight = flying + SMSS
                self.in_flight.append(
                    (self.free + RTT / 2, self.now, self.delivered, flight, self.lost)
                )
                self.next_send = self.now + SMSS / (bbr.pacing_rate or 1e9)
                sent += 1
                continue
            self.now, sent_at, delivered, flight, lost = self.in_flight.pop(0)
            if loss and sent % loss == 0:
                self.lost += SMSS
                bbr.on_range_lost(SMSS, flight, self.lost - lost, False, self.now)
                sent += 1
                continue
            self._deliver(sent_at, delivered, flight, lost, recovering)
        return (self.delivered - before) / (self.now - began)

    def _deliver(
        self, sent_at: float, delivered: int, flight: int, lost: int, recovering: bool
    ) -> None:
        self.delivered += SMSS
        ack = Ack()
        ack.now = self.now
        ack.delivered = SMSS
        ack.in_recovery = recovering
        ack.in_flight = len(self.in_flight) * SMSS
        ack.cwnd_limited = ack.in_flight + 2 * SMSS > self.bbr.cwnd
        ack.rtt = ack.srtt = self.now - sent_at
        ack.prior_delivered = delivered
        ack.rate_delivered = self.delivered - delivered
        ack.delivery_rate = ack.rate_delivered / (self.now - sent_at)
        ack.rate_lost = self.lost - lost
        ack.tx_in_flight = flight
        ack.total_delivered = self.delivered
        ack.total_lost = self.lost
        ack.snd_una = self.delivered + self.lost
        ack.snd_nxt = ack.snd_una + ack.in_flight
        self.bbr.on_ack(ack)
        if not self.states or self.states[-1] is not self.bbr.state:
            self.states.append(self.bbr.state)

    def run_until(self, *states: BbrState) -> None:
        """Run until BBR has come from somewhere else into one of *states*."""
        self.states.clear()
        for _ in range(1000):
            self.run(0.01)
            if len(self.states) > 1 and self.states[-1] in states:
                return
        raise AssertionError(f"{self.states} but never {states}")


def state(path: Path) -> BbrState:
    return path.bbr.state


def settled(**settings: float) -> Path:
    path = Path(Bbr(SMSS, 10 * SMSS, **settings))
    path.run(2.0)
    return path


def test_the_rate_and_the_round_trip_are_found() -> None:
    """CC-12: Startup doubles the rate, Drain takes the queue away, then the cycle begins."""
    path = settled()
    assert path.states[:2] == [BbrState.STARTUP, BbrState.DRAIN]
    assert path.states[2] in (BbrState.PROBE_DOWN, BbrState.PROBE_CRUISE)
    assert path.bbr.max_bw == pytest.approx(RATE, rel=0.05)
    assert path.run(3.0) == pytest.approx(RATE, rel=0.05)
    assert path.bbr.cwnd <= 2.5 * BDP + 6 * SMSS


def test_the_cycle() -> None:
    """Down, cruise, refill, up, and again; once in two to three seconds, or as Reno would."""
    path = settled()
    path.run(8.0)
    up = path.states.index(BbrState.PROBE_UP)
    assert path.states[up - 1] is BbrState.PROBE_REFILL
    assert path.states[up + 1 : up + 3] == [BbrState.PROBE_DOWN, BbrState.PROBE_CRUISE]


def test_the_bare_round_trip_is_looked_for() -> None:
    """Every five seconds, for 200 ms, with half a bandwidth-delay product."""
    path = settled()
    path.run(6.0)
    assert BbrState.PROBE_RTT in path.states
    assert path.states[path.states.index(BbrState.PROBE_RTT) + 1] is BbrState.PROBE_CRUISE


def test_little_queue() -> None:
    """The round trip stays near the bare one."""
    path = settled()
    path.run(1.0)
    assert path.free - path.now < RTT


def test_losses_in_the_path_set_bounds() -> None:
    """The draft's 2 %: with 5 % lost the rate falls; with the threshold above, it does not."""
    strict, tolerant = settled(), settled(loss_threshold=0.2)
    assert strict.run(10.0, loss=20) < tolerant.run(10.0, loss=20)
    assert tolerant.run(5.0, loss=20) > 0.85 * RATE


def test_a_mark_counts_as_a_loss() -> None:
    """ECN-5: outside of probing the short-term bounds close in, by 0.7 at the most."""
    path = settled()
    while path.bbr.state is not BbrState.PROBE_CRUISE:
        path.run(0.01)
    before = path.bbr.cwnd
    path.bbr.on_congestion(Signal.ECN, before, path.now)
    path.run(3 * RTT)
    assert 0.6 * before < path.bbr.cwnd < before


def test_after_a_time_out_one_segment() -> None:
    """RTO-15; then it grows by what arrives."""
    path = settled()
    path.bbr.on_timeout(path.bbr.cwnd, True, path.now)
    assert path.bbr.cwnd == SMSS
    path.in_flight.clear()
    path.run(1.0)
    assert path.bbr.cwnd > BDP


def test_the_window_comes_back_after_a_time_out() -> None:
    """RTO-15: when all that was outstanding has arrived, without growing step by step again."""
    path = settled()
    before = path.bbr.cwnd
    path.bbr.on_timeout(before, True, path.now)
    ack = Ack()
    ack.now = path.now
    ack.snd_nxt = 100 * SMSS
    for una, least, most in ((1, 4, 5), (99, 4, 6), (100, before // SMSS - 1, before // SMSS + 2)):
        ack.snd_una = una * SMSS
        ack.delivered = SMSS
        path.bbr.on_ack(ack)
        assert least <= path.bbr.cwnd // SMSS <= most


def too_much(path: Path) -> None:
    """Tell of so many losses that BDP octets were too much."""
    path.lost += int(BDP / 2)
    path.bbr.on_range_lost(SMSS, int(BDP), int(BDP / 2), False, path.now)


def test_losses_in_the_last_round_of_a_probe() -> None:
    """What a probe sent last is lost when it is over, and still says how much was too much."""
    path = settled()
    path.run_until(BbrState.PROBE_DOWN)
    assert path.states[-2] is BbrState.PROBE_UP
    too_much(path)
    path.run(2 * RTT)
    assert path.bbr.cwnd == BDP - SMSS


def test_losses_outside_of_a_probe_say_nothing_for_long() -> None:
    """They bound the window until the next probe, and no longer."""
    path = settled()
    path.run_until(BbrState.PROBE_CRUISE)
    path.run(2 * RTT)
    too_much(path)
    path.run_until(BbrState.PROBE_UP)
    path.run(2 * RTT)
    assert path.bbr.cwnd > 1.5 * BDP


def test_undo_of_losses_in_a_probe() -> None:
    """UNDO-7: the bound is taken back, and the probe begins anew."""
    path = settled()
    path.run_until(BbrState.PROBE_UP)
    too_much(path)
    path.bbr.on_congestion(Signal.LOSS, int(BDP), path.now)
    assert state(path) is BbrState.PROBE_DOWN
    path.lost -= int(BDP / 2)
    path.bbr.on_undo(WINDOW_MAX, path.now)
    assert state(path) is BbrState.PROBE_UP
    path.run_until(BbrState.PROBE_CRUISE)
    path.run(2 * RTT)
    assert path.bbr.cwnd > 1.5 * BDP


def test_losses_end_startup() -> None:
    """More than the threshold, in six ranges at least, within a round trip; unless undone."""
    path = Path(Bbr(SMSS, 10 * SMSS))
    path.run(0.15)
    assert state(path) is BbrState.STARTUP
    for _ in range(5):
        too_much(path)
    path.run(2 * RTT)
    assert state(path) is BbrState.STARTUP
    path = Path(Bbr(SMSS, 10 * SMSS))
    path.run(0.15)
    for _ in range(6):
        too_much(path)
    path.bbr.on_congestion(Signal.LOSS, int(BDP), path.now)
    path.run(2 * RTT, recovering=True)
    assert path.states[:2] == [BbrState.STARTUP, BbrState.DRAIN]
    path.bbr.on_undo(WINDOW_MAX, path.now)
    assert state(path) is BbrState.STARTUP


def test_a_pause_ends_the_look_at_the_round_trip() -> None:
    """Sending anew after it, with nothing in flight, finds the window as it was."""
    path = settled()
    path.run_until(BbrState.PROBE_RTT)
    path.run(0.1)
    small = path.bbr.cwnd
    path.bbr.on_restart(0.0, 0.2, path.now)
    assert state(path) is BbrState.PROBE_RTT
    path.bbr.on_restart(0.0, 0.2, path.now + 1.0)
    assert state(path) is BbrState.PROBE_CRUISE
    assert path.bbr.cwnd > 2 * small


def test_a_pause_is_no_reason_to_probe() -> None:
    """After it the pipe is filled at the rate known, however the pacing was before."""
    path = settled()
    path.run_until(BbrState.PROBE_UP)
    path.bbr.on_restart(0.0, 0.2, path.now)
    assert path.bbr.pacing_rate == pytest.approx(0.99 * path.bbr.bw)


def test_a_pause_before_any_rate_is_known() -> None:
    """Losses and a pause leave the pace alone, and a rate that is measured later is believed."""
    path = Path(Bbr(SMSS, 10 * SMSS))
    bbr = path.bbr
    bbr.state = BbrState.PROBE_CRUISE
    ack = Ack()
    ack.now = 1.0
    ack.delivered = SMSS
    bbr.on_range_lost(SMSS, 4 * SMSS, SMSS, False, 1.0)
    bbr.on_ack(ack)
    bbr.on_restart(2.0, 1.0, 3.0)
    assert bbr.pacing_rate
    path.now = 4.0
    path.run(1.0)
    assert bbr.bw > 0


def test_a_first_write_of_one_octet_sets_no_pace() -> None:
    """CC-12: Startup begins with the initial window in a round trip, and only gets faster."""
    bbr = Bbr(SMSS, 10 * SMSS)
    ack = Ack()
    ack.delivered = ack.rate_delivered = ack.total_delivered = 1
    ack.rtt = ack.srtt = 0.1
    ack.delivery_rate = 10.0
    ack.now = 1.0
    bbr.on_ack(ack)
    assert bbr.pacing_rate == pytest.approx(STARTUP_PACING_GAIN * 10 * SMSS / 0.1)
    ack.now = 2.0
    ack.delivery_rate = 5.0
    ack.total_delivered = 2
    bbr.on_ack(ack)
    assert bbr.pacing_rate == pytest.approx(STARTUP_PACING_GAIN * 10 * SMSS / 0.1)


def test_undo() -> None:
    """UNDO-7: the window before the time-out comes back, within what the sender allows."""
    path = settled()
    before = path.bbr.cwnd
    path.bbr.on_timeout(before, True, path.now)
    path.bbr.on_undo(WINDOW_MAX, path.now)
    assert path.bbr.cwnd == before
    path.bbr.on_timeout(before, True, path.now)
    path.bbr.on_undo(3 * SMSS, path.now)
    assert path.bbr.cwnd == 3 * SMSS


def test_the_rate_of_pacing() -> None:
    """CC-12: gain times bandwidth less a margin; before any sample, from the initial window."""
    assert pytest.approx(2.7726, abs=1e-4) == STARTUP_PACING_GAIN
    path = settled()
    path.run(0.1)
    bbr = path.bbr
    assert bbr.pacing_rate == pytest.approx(GAINS[bbr.state][0] * bbr.bw * 0.99)
    assert bbr.uses_prr is False


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1, 2.0])
def test_the_threshold_is_a_share(threshold: float) -> None:
    with pytest.raises(ValueError, match="loss_threshold"):
        Bbr(SMSS, 10 * SMSS, loss_threshold=threshold)


def test_the_smallest_window_leaves_in_a_round_trip() -> None:
    """§5.6.2: without SACK duplicates bring no rate, and each may end a round of loss."""
    path = settled()
    path.run_until(BbrState.PROBE_CRUISE)
    bbr = path.bbr
    bbr._bw_shortterm = 1.0  # after some forty of them
    ack = Ack()
    ack.now = path.now
    ack.delivered = SMSS
    ack.in_flight = 10 * SMSS
    ack.total_delivered = path.delivered
    ack.srtt = RTT
    bbr.on_ack(ack)
    assert state(path) is BbrState.PROBE_CRUISE
    assert bbr.pacing_rate == 4 * SMSS / RTT
