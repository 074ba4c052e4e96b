"""BBR: a model of the path, the rate it delivers and the time it takes, in place of a reaction.

Version 3, after draft-ietf-ccwg-bbr-06.  The sender paces at the highest rate that was delivered
of late and keeps about two bandwidth-delay products in flight, whether or not something is lost; it
probes for more now and then, drains the queue that this made, and looks at the path's bare round
trip every five seconds.  Loss and marks set bounds to the model: long-term ones found while
probing, when losses exceed a share of what was in flight, and short-term ones in between.

Left out: the packet conservation of the first round of recovery, for which pacing at the model's
rate stands; the marking of samples in ProbeRTT as limited by the application, in place of which
they are not asked whether the pipe is full; and an answer to how many marks there are.  The draft
has none, but for that they are congestion (§3.7).  Data is ECT(0) here, whose marks stand for
losses (RFC 3168): one in a round lowers the short-term bounds, or ends a probe; in Startup, which
few losses do not end either, a mark does nothing.  Rates are octets a second.
"""

import enum
import math
import random
from typing import Final

from rudp.core.congestion.controller import Ack, Controller, Signal
from rudp.core.terms.bounds import CLOCK_TICK
from rudp.core.terms.native import mypyc_attr

LOSS_THRESHOLD: Final = 0.02
"""Share of what was in flight that may be lost before there was too much of it."""

LOSSY_THRESHOLD: Final = 0.3
"""The same for paths that lose much without being full; version 1 minds no loss at all."""

BETA: Final = 0.7
HEADROOM: Final = 0.15
PACING_MARGIN: Final = 0.99
"""Pace a little below the bandwidth, so that a queue drains in the long run."""

STARTUP_PACING_GAIN: Final = 4 * math.log(2)
STARTUP_LOSSES: Final = 6
"""Lost ranges in a round that, with a share above the threshold, end Startup."""

DRAIN_ROUNDS: Final = 3
FULL_BW_GROWTH: Final = 1.25
FULL_BW_ROUNDS: Final = 3
MIN_PIPE_SEGMENTS: Final = 4
EXTRA_ACKED_ROUNDS: Final = 10
RENO_ROUNDS_MAX: Final = 63
MIN_RTT_WINDOW: Final = 10.0
PROBE_RTT_INTERVAL: Final = 5.0
PROBE_RTT_DURATION: Final = 0.2
PROBE_WAIT: Final = 2.0
"""Seconds between two probes for bandwidth, at least; up to one more by chance."""

BURST_SECONDS: Final = max(0.001, CLOCK_TICK)
"""What the pacer sends at once; three such bursts must fit into the window."""


class BbrState(enum.Enum):
    """Where BBR is (draft §5.3)."""

    STARTUP = "Startup"
    DRAIN = "Drain"
    PROBE_DOWN = "ProbeBW_DOWN"
    PROBE_CRUISE = "ProbeBW_CRUISE"
    PROBE_REFILL = "ProbeBW_REFILL"
    PROBE_UP = "ProbeBW_UP"
    PROBE_RTT = "ProbeRTT"


GAINS: Final[dict[BbrState, tuple[float, float]]] = {
    BbrState.STARTUP: (STARTUP_PACING_GAIN, 2.0),
    BbrState.DRAIN: (0.5, 2.0),
    BbrState.PROBE_DOWN: (0.9, 2.0),
    BbrState.PROBE_CRUISE: (1.0, 2.0),
    BbrState.PROBE_REFILL: (1.0, 2.0),
    BbrState.PROBE_UP: (1.25, 2.25),
    BbrState.PROBE_RTT: (1.0, 0.5),
}
"""Pacing gain and cwnd gain of each state (draft §5.6.1)."""

_PROBE_BW: Final = frozenset(
    {BbrState.PROBE_DOWN, BbrState.PROBE_CRUISE, BbrState.PROBE_REFILL, BbrState.PROBE_UP}
)
_PROBING: Final = frozenset({BbrState.STARTUP, BbrState.PROBE_REFILL, BbrState.PROBE_UP})


class _Acks(enum.Enum):
    """What the acknowledgements that come in now are about (draft §5.3.3.6)."""

    INIT = "nothing special"
    REFILLING = "filling the pipe"
    STARTING = "the probe has begun"
    FEEDBACK = "the probe itself"
    STOPPING = "the end of a probe"


@mypyc_attr(allow_interpreted_subclasses=True)
class Bbr(Controller):
    """*loss_threshold*: 0 to 1, exclusive; the draft says 0.02.

    Whoever raises it says that the path loses that much without being congested; then rounds that
    lose less do not lower the short-term bounds either, as any loss does in the draft.
    """

    __slots__ = (
        "_acks",
        "_bw_latest",
        "_bw_shortterm",
        "_chance",
        "_cwnd_limited",
        "_cycle_stamp",
        "_delivered",
        "_drain_start",
        "_extra_acked",
        "_extra_delivered",
        "_extra_start",
        "_full_bw",
        "_full_bw_count",
        "_full_bw_now",
        "_full_bw_reached",
        "_idle_restart",
        "_in_flight",
        "_inflight_latest",
        "_inflight_longterm",
        "_inflight_shortterm",
        "_initial_window",
        "_loss_ranges",
        "_loss_round_delivered",
        "_lost_in_round",
        "_marked_in_round",
        "_max_bw",
        "_min_rtt",
        "_min_rtt_stamp",
        "_next_round_delivered",
        "_prior_cwnd",
        "_probe_rtt_done",
        "_probe_rtt_min",
        "_probe_rtt_round_done",
        "_probe_rtt_stamp",
        "_probe_samples",
        "_probe_up_acks",
        "_probe_up_count",
        "_probe_up_rounds",
        "_probe_wait",
        "_round",
        "_round_start",
        "_rounds_since_probe",
        "_timeout_end",
        "_tolerated",
        "_undo",
        "bw",
        "loss_threshold",
        "state",
    )

    uses_prr = False

    def __init__(
        self, smss: int, initial_window: int, *, loss_threshold: float = LOSS_THRESHOLD
    ) -> None:
        super().__init__(smss, initial_window)
        if not 0 < loss_threshold < 1:
            raise ValueError(f"loss_threshold must lie between 0 and 1, not {loss_threshold!r}")
        self.loss_threshold = loss_threshold
        self._tolerated = loss_threshold if loss_threshold > LOSS_THRESHOLD else 0.0
        self._initial_window = initial_window
        self._chance: random.Random | None = None  # seeded by what the first ACK brings
        self.state = BbrState.STARTUP
        self.bw = 0.0
        self._max_bw = [0.0, 0.0]  # the highest rate of the last probing cycle, and of this one
        self._bw_shortterm = math.inf
        self._inflight_shortterm = math.inf
        self._inflight_longterm = math.inf
        self._bw_latest = 0.0
        self._inflight_latest = 0
        self._in_flight = 0
        self._cwnd_limited = False
        # rounds
        self._round = 0
        self._round_start = False
        self._next_round_delivered = 0
        self._loss_round_delivered = 0
        self._lost_in_round = 0
        self._marked_in_round = False
        self._loss_ranges = 0
        self._delivered = 0
        # how full the pipe is
        self._full_bw = 0.0
        self._full_bw_count = 0
        self._full_bw_now = False
        self._full_bw_reached = False
        self._drain_start = 0  # the round in which Drain began
        # the probing cycle
        self._acks = _Acks.INIT
        self._cycle_stamp = 0.0
        self._probe_wait = PROBE_WAIT
        self._rounds_since_probe = 0
        self._probe_samples = False
        self._probe_up_acks = 0
        self._probe_up_count = math.inf
        self._probe_up_rounds = 0
        # the round trip
        self._min_rtt = math.inf
        self._min_rtt_stamp = 0.0
        self._probe_rtt_min = math.inf
        self._probe_rtt_stamp = 0.0
        self._probe_rtt_done: float | None = None
        self._probe_rtt_round_done = False
        self._prior_cwnd = 0
        self._idle_restart = False
        # what comes back if losses turn out to be none; None: nothing is lost
        self._undo: tuple[BbrState, float, float, float] | None = None
        self._timeout_end: float | None = None  # SND.NXT at the time-out; infinity: not known yet
        # acknowledgements that come in bunches
        self._extra_acked: list[tuple[int, float]] = []
        self._extra_start = 0.0
        self._extra_delivered = 0

    # -- what happened ---------------------------------------------------------------------------

    def on_ack(self, ack: Ack) -> None:
        """Update the model, then the state, then what follows from both (draft §5.2.3)."""
        if self._chance is None:
            self._chance = random.Random(f"{ack.snd_una} {ack.now}")
            self._min_rtt_stamp = self._probe_rtt_stamp = self._extra_start = ack.now
        self._in_flight = ack.in_flight
        self._delivered = ack.total_delivered
        self._cwnd_limited = ack.cwnd_limited
        rate = ack.delivery_rate or 0.0
        loss_round_start = self._update_rounds(ack)
        if rate and (rate >= self.max_bw or not ack.rate_app_limited):
            self._max_bw[1] = max(self._max_bw[1], rate)
        self._bw_latest = max(self._bw_latest, rate)
        self._inflight_latest = max(self._inflight_latest, ack.rate_delivered)
        self._update_aggregation(ack)
        if self.state is not BbrState.PROBE_RTT:
            self._check_full_bw(rate, ack.rate_app_limited)
        if loss_round_start:
            self._end_of_loss_round()
        if self._timeout_end is not None:
            self._after_timeout(ack)
        self._leave_startup_and_drain(ack.now)
        self._update_probe_bw(ack, rate)
        expired = self._update_min_rtt(ack)
        self._check_probe_rtt(expired, ack)
        if loss_round_start:
            self._bw_latest = rate
            self._inflight_latest = ack.rate_delivered
        self.bw = min(self.max_bw, self._bw_shortterm)
        self._set_pacing_rate(ack.srtt)
        self._set_cwnd(ack)
        if not ack.in_recovery and self._timeout_end is None:
            self._undo = None

    def on_range_lost(
        self, octets: int, tx_in_flight: int, lost_since: int, app_limited: bool, now: float
    ) -> None:
        """Losses above the threshold, while probing, show how much was too much (§5.5.10.2)."""
        self._begin_episode()
        if not self._lost_in_round:
            # The first loss begins a round, so that all that have the same cause count together.
            self._loss_round_delivered = self._delivered
        self._lost_in_round += octets
        self._loss_ranges += 1
        if not self._probe_samples or lost_since <= tx_in_flight * self.loss_threshold:
            return
        # Where within this run the threshold was passed.
        before = tx_in_flight - octets
        lost_before = lost_since - octets
        prefix = (self.loss_threshold * before - lost_before) / (1 - self.loss_threshold)
        self._too_much(int(before + max(prefix, 0.0)), app_limited, now)

    def on_congestion(self, signal: Signal, flight_size: int, now: float) -> None:
        """The model hears of losses run by run; a mark counts as one (§5.5.10)."""
        if signal is Signal.ECN:
            self._marked_in_round = True
            if self._probe_samples:
                self._too_much(flight_size, False, now)

    def on_recovered(self, most: int, now: float) -> None:
        """The window follows the model, not the episode."""

    def on_timeout(self, flight_size: int, first: bool, now: float) -> None:
        """Everything may be lost: begin with one segment, and grow by what arrives (§5.6.4.4)."""
        self._begin_episode()
        self._timeout_end = math.inf
        self.cwnd = self.smss

    def on_undo(self, most: int, now: float) -> None:
        """Nothing was lost: be where the losses found us, if that was a probe (§5.5.11)."""
        self.cwnd = min(max(self.cwnd, self._prior_cwnd), most)
        self._lost_in_round = self._loss_ranges = 0
        self._timeout_end = None
        self._reset_full_bw(0.0)
        if self._undo is None:
            return
        state, bw_shortterm, inflight_shortterm, inflight_longterm = self._undo
        self._undo = None
        self._bw_shortterm = max(self._bw_shortterm, bw_shortterm)
        self._inflight_shortterm = max(self._inflight_shortterm, inflight_shortterm)
        self._inflight_longterm = max(self._inflight_longterm, inflight_longterm)
        if self.state is BbrState.PROBE_RTT or self.state is state:
            return
        if state is BbrState.STARTUP:
            self.state = state
            self._full_bw_reached = False
        elif state is BbrState.PROBE_UP:
            self._begin_up(0.0)

    def on_restart(self, idle: float, rto: float, now: float) -> None:
        """After a pause the pipe is empty: fill it at the rate known, without probing (§5.4.1)."""
        self._idle_restart = True
        self._extra_start = now
        self._extra_delivered = 0
        if self.state in _PROBE_BW and self.bw:
            self.pacing_rate = self.bw * PACING_MARGIN
        elif self._probe_rtt_done is not None and now > self._probe_rtt_done:
            self._leave_probe_rtt(now)

    def _begin_episode(self) -> None:
        """Keep what :meth:`on_undo` needs, before losses change it (§5.5.11)."""
        self._save_cwnd()
        if self._undo is None:
            self._undo = (
                self.state,
                self._bw_shortterm,
                self._inflight_shortterm,
                self._inflight_longterm,
            )

    def _save_cwnd(self) -> None:
        reduced = self._undo is not None or self.state is BbrState.PROBE_RTT
        self._prior_cwnd = max(self.cwnd, self._prior_cwnd) if reduced else self.cwnd

    def _after_timeout(self, ack: Ack) -> None:
        """Take the window back when all that was outstanding has arrived (§5.6.4.4)."""
        if self._timeout_end == math.inf:
            self._timeout_end = ack.snd_nxt
        elif self._timeout_end is not None and ack.snd_una >= self._timeout_end:
            self._timeout_end = None
            self.cwnd = max(self.cwnd, self._prior_cwnd)

    # -- the model -------------------------------------------------------------------------------

    @property
    def max_bw(self) -> float:
        """The highest delivery rate of this probing cycle and the one before."""
        return max(self._max_bw)

    def _bdp(self, bw: float, gain: float) -> float:
        if self._min_rtt == math.inf or not bw:
            return float(self._initial_window)
        return gain * bw * self._min_rtt

    def _inflight(self, gain: float) -> float:
        return self._quantized(self._bdp(self.max_bw, gain))

    def _quantized(self, inflight: float) -> float:
        """Allow for bursts, and for acknowledgements of every second segment (§5.6.4.2)."""
        burst = max((self.pacing_rate or 0.0) * BURST_SECONDS, 2 * self.smss)
        inflight = max(inflight, 3 * burst, MIN_PIPE_SEGMENTS * self.smss)
        return inflight + 2 * self.smss if self.state is BbrState.PROBE_UP else inflight

    def _with_headroom(self) -> float:
        """What leaves room for others below the long-term bound (§5.3.3.4)."""
        if self._inflight_longterm == math.inf:
            return math.inf
        headroom = max(HEADROOM * self._inflight_longterm, self.smss)
        return max(self._inflight_longterm - headroom, MIN_PIPE_SEGMENTS * self.smss)

    def _target_inflight(self) -> float:
        return min(self._bdp(self.bw, 1.0), self.cwnd)

    def _update_rounds(self, ack: Ack) -> bool:
        """Count round trips by what is delivered; return whether one ends that losses count in."""
        self._round_start = False
        if ack.delivered and ack.prior_delivered >= self._next_round_delivered:
            self._next_round_delivered = ack.total_delivered
            self._round += 1
            self._rounds_since_probe += 1
            self._round_start = True
        if ack.delivered and ack.prior_delivered >= self._loss_round_delivered:
            self._loss_round_delivered = ack.total_delivered
            return True
        return False

    def _start_round(self) -> None:
        self._next_round_delivered = self._delivered

    def _end_of_loss_round(self) -> None:
        """Draw the short-term bounds closer after a round with losses (§5.5.10.3)."""
        lost, self._lost_in_round = self._lost_in_round, 0
        marked, self._marked_in_round = self._marked_in_round, False
        ranges, self._loss_ranges = self._loss_ranges, 0
        passed = lost + self._inflight_latest
        too_much = lost > self.loss_threshold * passed
        if self.state is BbrState.STARTUP and not self._full_bw_reached:
            if too_much and ranges >= STARTUP_LOSSES:
                self._full_bw_reached = True
                bdp = int(self._bdp(self.max_bw, 1.0))
                self._inflight_longterm = float(max(bdp, self._inflight_latest))
        elif self.state not in _PROBING and (marked or lost > self._tolerated * passed):
            if self._bw_shortterm == math.inf:
                self._bw_shortterm = self.max_bw or math.inf  # no rate is known yet
            if self._inflight_shortterm == math.inf:
                self._inflight_shortterm = float(self.cwnd)
            self._bw_shortterm = max(self._bw_latest, BETA * self._bw_shortterm)
            self._inflight_shortterm = max(self._inflight_latest, BETA * self._inflight_shortterm)

    def _update_aggregation(self, ack: Ack) -> None:
        """How much more comes at once than the rate explains (§5.5.9)."""
        expected = self.bw * (ack.now - self._extra_start)
        if self._extra_delivered <= expected:
            self._extra_delivered = 0
            self._extra_start = ack.now
            expected = 0.0
        self._extra_delivered += ack.delivered
        extra = min(self._extra_delivered - expected, self.cwnd)
        rounds = EXTRA_ACKED_ROUNDS if self._full_bw_reached else 1
        filtered = self._extra_acked
        while filtered and filtered[0][0] <= self._round - rounds:
            filtered.pop(0)
        while filtered and filtered[-1][1] <= extra:
            filtered.pop()
        filtered.append((self._round, extra))

    def _update_min_rtt(self, ack: Ack) -> bool:
        """Update the smallest round trip; return whether it is time to look for it (§5.3.4.3)."""
        now = ack.now
        expired = now > self._probe_rtt_stamp + PROBE_RTT_INTERVAL
        if ack.rtt is not None and (ack.rtt < self._probe_rtt_min or expired):
            self._probe_rtt_min = ack.rtt
            self._probe_rtt_stamp = now
        if self._probe_rtt_min < self._min_rtt or now > self._min_rtt_stamp + MIN_RTT_WINDOW:
            self._min_rtt = self._probe_rtt_min
            self._min_rtt_stamp = self._probe_rtt_stamp
        return expired

    # -- Startup and Drain -----------------------------------------------------------------------

    def _reset_full_bw(self, rate: float) -> None:
        self._full_bw = rate
        self._full_bw_count = 0
        self._full_bw_now = False

    def _check_full_bw(self, rate: float, app_limited: bool) -> None:
        """The rate has stopped growing: the pipe is full (§5.3.1.2)."""
        if self._full_bw_now or app_limited:
            return
        if rate >= self._full_bw * FULL_BW_GROWTH and rate:
            self._reset_full_bw(rate)
        elif self._round_start:
            self._full_bw_count += 1
            self._full_bw_now = self._full_bw_count >= FULL_BW_ROUNDS
            if self._full_bw_now:
                self._full_bw_reached = True

    def _leave_startup_and_drain(self, now: float) -> None:
        if self.state is BbrState.STARTUP and self._full_bw_reached:
            self.state = BbrState.DRAIN
            self._drain_start = self._round
        if self.state is BbrState.DRAIN and (
            self._in_flight <= self._inflight(1.0) or self._round > self._drain_start + DRAIN_ROUNDS
        ):
            self._begin_down(now)

    # -- the probing cycle -----------------------------------------------------------------------

    def _update_probe_bw(self, ack: Ack, rate: float) -> None:
        """Where in the cycle of probing we are (§5.3.3.6)."""
        if not self._full_bw_reached:
            return
        self._adapt_longterm(ack)
        state, now = self.state, ack.now
        if state is BbrState.PROBE_DOWN or state is BbrState.PROBE_CRUISE:
            if self._is_time_to_probe(now):
                self._begin_refill()
            elif state is BbrState.PROBE_DOWN and self._is_drained():
                self.state = BbrState.PROBE_CRUISE
        elif state is BbrState.PROBE_REFILL:
            if self._round_start:
                self._begin_up(rate)
        elif state is BbrState.PROBE_UP:
            if self._cwnd_limited and self.cwnd >= self._inflight_longterm:
                self._reset_full_bw(rate)
            elif self._full_bw_now:
                self._begin_down(now)

    def _is_time_to_probe(self, now: float) -> bool:
        """By the clock, or as often as Reno would grow by what we probe for (§5.3.3.5.3)."""
        reno_rounds = self._target_inflight() / self.smss
        return now > self._cycle_stamp + self._probe_wait or self._rounds_since_probe >= min(
            reno_rounds, RENO_ROUNDS_MAX
        )

    def _is_drained(self) -> bool:
        return self._in_flight <= min(self._with_headroom(), self._inflight(1.0))

    def _begin_down(self, now: float) -> None:
        assert self._chance is not None
        self.state = BbrState.PROBE_DOWN
        self._lost_in_round = self._loss_ranges = 0
        self._bw_latest = 0.0
        self._inflight_latest = 0
        self._probe_up_count = math.inf
        self._rounds_since_probe = self._chance.randrange(2)
        self._probe_wait = PROBE_WAIT + self._chance.random()
        self._cycle_stamp = now
        self._acks = _Acks.STOPPING
        self._start_round()

    def _begin_refill(self) -> None:
        self.state = BbrState.PROBE_REFILL
        self._bw_shortterm = self._inflight_shortterm = math.inf
        self._probe_up_rounds = 0
        self._probe_up_acks = 0
        self._acks = _Acks.REFILLING
        self._start_round()

    def _begin_up(self, rate: float) -> None:
        self.state = BbrState.PROBE_UP
        self._probe_samples = True
        self._acks = _Acks.STARTING
        self._start_round()
        self._reset_full_bw(rate)
        self._raise_slope()

    def _raise_slope(self) -> None:
        """Let the long-term bound grow twice as fast as in the round before."""
        growth = self.smss << self._probe_up_rounds
        self._probe_up_rounds = min(self._probe_up_rounds + 1, 30)
        self._probe_up_count = max(self.cwnd / growth, 1.0) * self.smss

    def _adapt_longterm(self, ack: Ack) -> None:
        """Let the long-term bound follow what was in flight without harm (§5.3.3.6)."""
        if self._round_start:
            if self._acks is _Acks.STARTING:
                self._acks = _Acks.FEEDBACK
            elif self._acks is _Acks.STOPPING:
                # What the last octets of the probe met is known only now.
                self._probe_samples = False
                self._acks = _Acks.INIT
                if self.state in _PROBE_BW and not ack.rate_app_limited:
                    self._max_bw = [self._max_bw[1], 0.0]
        if ack.rate_lost > ack.tx_in_flight * self.loss_threshold:
            if self._probe_samples:
                self._too_much(ack.tx_in_flight, ack.rate_app_limited, ack.now)
            return
        if self._inflight_longterm == math.inf:
            return
        self._inflight_longterm = max(self._inflight_longterm, ack.tx_in_flight)
        if self.state is BbrState.PROBE_UP:
            self._probe_upward(ack)

    def _probe_upward(self, ack: Ack) -> None:
        if not self._cwnd_limited or self.cwnd < self._inflight_longterm:
            return
        self._probe_up_acks += ack.delivered
        if self._probe_up_acks >= self._probe_up_count:
            steps = int(self._probe_up_acks // self._probe_up_count)
            self._probe_up_acks -= int(steps * self._probe_up_count)
            self._inflight_longterm += steps * self.smss
        if self._round_start:
            self._raise_slope()

    def _too_much(self, tx_in_flight: int, app_limited: bool, now: float) -> None:
        """The probe went too far: there is the long-term bound (§5.5.10.2)."""
        self._probe_samples = False
        if not app_limited:
            target = int(BETA * self._target_inflight())
            self._inflight_longterm = float(max(tx_in_flight, target))
        if self.state is BbrState.PROBE_UP:
            self._begin_down(now)

    # -- ProbeRTT --------------------------------------------------------------------------------

    def _check_probe_rtt(self, expired: bool, ack: Ack) -> None:
        """Drain the pipe for a moment to see the bare round trip (§5.3.4)."""
        if self.state is not BbrState.PROBE_RTT and expired and not self._idle_restart:
            self._save_cwnd()
            self.state = BbrState.PROBE_RTT
            self._probe_rtt_done = None
            self._acks = _Acks.STOPPING
            self._start_round()
        if self.state is BbrState.PROBE_RTT:
            self._in_probe_rtt(ack)
        if ack.delivered:
            self._idle_restart = False

    def _in_probe_rtt(self, ack: Ack) -> None:
        now = ack.now
        if self._probe_rtt_done is None:
            if self._in_flight <= self._probe_rtt_cwnd():
                self._probe_rtt_done = now + PROBE_RTT_DURATION
                self._probe_rtt_round_done = False
                self._start_round()
            return
        if self._round_start:
            self._probe_rtt_round_done = True
        if self._probe_rtt_round_done and now > self._probe_rtt_done:
            self._leave_probe_rtt(now)

    def _leave_probe_rtt(self, now: float) -> None:
        self._probe_rtt_done = None
        self._probe_rtt_stamp = now
        self.cwnd = max(self.cwnd, self._prior_cwnd)
        self._bw_shortterm = self._inflight_shortterm = math.inf
        if self._full_bw_reached:
            self._begin_down(now)
            self.state = BbrState.PROBE_CRUISE
        else:
            self.state = BbrState.STARTUP

    def _probe_rtt_cwnd(self) -> float:
        return max(self._bdp(self.bw, GAINS[BbrState.PROBE_RTT][1]), MIN_PIPE_SEGMENTS * self.smss)

    # -- what follows ----------------------------------------------------------------------------

    def _set_pacing_rate(self, srtt: float | None) -> None:
        """Pace by the bandwidth; while the pipe is not full, never slower than before (§5.6.2).

        It begins with the initial window in a round trip (§5.6.2, BBRInitPacingRate): what a first
        write of a few octets delivers says nothing about the path.  It is never less than the
        smallest window in a round trip: where acknowledgements carry no sample, as duplicates
        without SACK, rounds of loss would bring it to nothing, and the next burst be days away.
        """
        if self.pacing_rate is None:
            self.pacing_rate = STARTUP_PACING_GAIN * self._initial_window / (srtt or 0.001)
        bw = self.bw or self._initial_window / (srtt or 0.001)
        rate = GAINS[self.state][0] * bw * PACING_MARGIN
        if srtt:
            rate = max(rate, MIN_PIPE_SEGMENTS * self.smss / srtt)
        if self._full_bw_reached or rate > self.pacing_rate:
            self.pacing_rate = rate

    def _set_cwnd(self, ack: Ack) -> None:
        """Two bandwidth-delay products and what comes in bunches, within the bounds (§5.6.4)."""
        extra = self._extra_acked[0][1]
        most = self._quantized(self._bdp(self.bw, GAINS[self.state][1]) + extra)
        cwnd = float(self.cwnd)
        if self._full_bw_reached:
            cwnd = min(cwnd + ack.delivered, most)
        elif cwnd < most or ack.total_delivered < self._initial_window:
            cwnd += ack.delivered
        floor = MIN_PIPE_SEGMENTS * self.smss
        cwnd = max(cwnd, floor)
        if self.state is BbrState.PROBE_RTT:
            cwnd = min(cwnd, self._probe_rtt_cwnd())
        bound = math.inf
        if self.state is BbrState.PROBE_CRUISE or self.state is BbrState.PROBE_RTT:
            bound = self._with_headroom()
        elif self.state in _PROBE_BW:
            bound = self._inflight_longterm
        bound = max(min(bound, self._inflight_shortterm), floor)
        self.cwnd = int(min(cwnd, bound))
