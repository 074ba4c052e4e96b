"""CUBIC and HyStart++; the figures follow from RFC 9438 and RFC 9406, in segments of 1000."""

import itertools
import math

import pytest

from rudp.core.congestion.controller import Ack, Signal
from rudp.core.congestion.cubic import ALPHA, BETA, C, Cubic
from rudp.core.congestion.hystart import (
    CSS_GROWTH_DIVISOR,
    CSS_ROUNDS,
    MAX_RTT_THRESH,
    MIN_RTT_DIVISOR,
    MIN_RTT_THRESH,
    N_RTT_SAMPLE,
    HyStart,
)
from rudp.core.terms.bounds import WINDOW_MAX

SMSS = 1000
RTT = 0.1


def ack(
    segments: float,
    now: float,
    *,
    limited: bool = True,
    rtt: float | None = RTT,
    una: int = 0,
    nxt: int = 0,
) -> Ack:
    told = Ack()
    told.delivered = round(segments * SMSS)
    told.cwnd_limited = limited
    told.now = now
    told.rtt = told.srtt = rtt
    told.snd_una = una
    told.snd_nxt = nxt
    return told


def reduced(segments: int, *, hystart: bool = False) -> Cubic:
    """A controller that lost something for the first time with *segments* in flight."""
    cubic = Cubic(SMSS, segments * SMSS, hystart=hystart)
    cubic.on_congestion(Signal.LOSS, segments * SMSS, 0.0)
    cubic.on_recovered(WINDOW_MAX, RTT)
    return cubic


def windows(cubic: Cubic, *, seconds: float, rtt: float = RTT) -> list[float]:
    """Acknowledge a window in each round trip; return cwnd after each, in segments."""
    seen = []
    for n in range(round(seconds / rtt)):
        cubic.on_ack(ack(cubic.cwnd / SMSS, n * rtt, rtt=rtt))
        seen.append(cubic.cwnd / SMSS)
    return seen


# -- the curve -----------------------------------------------------------------------------------


def test_constants() -> None:
    """CUB-1"""
    assert (C, BETA) == (0.4, 0.7)
    assert pytest.approx(9 / 17) == ALPHA


def test_a_reduction() -> None:
    """CUB-6, CUB-2: seven tenths; the curve comes back to W_max after K seconds."""
    cubic = reduced(100)
    assert (cubic.cwnd, cubic.ssthresh) == (70 * SMSS, 70 * SMSS)
    assert cubic.w_max == 100
    cubic.on_ack(ack(1, 0.0))
    assert cubic.k == pytest.approx((30 / 0.4) ** (1 / 3))


def test_the_curve() -> None:
    """CUB-2, CUB-4: flat around W_max at K = 4.2 s, and steep beyond."""
    cubic = reduced(100)
    seen = windows(cubic, seconds=9.0, rtt=0.2)
    for n, cwnd in enumerate(seen[1:], 1):  # the first step is Reno's
        t = 0.2 * n
        curve = C * (t + 0.2 - cubic.k) ** 3 + 100
        assert cwnd == pytest.approx(max(curve, 70), rel=0.02)


def test_one_acknowledgement_for_a_batch() -> None:
    """CUB-4: growth in a round trip is the same, whether it brings one ACK or seventy."""
    whole, pieces = reduced(100), reduced(100)
    for n in range(20):
        whole.on_ack(ack(whole.cwnd / SMSS, n * RTT))
        parts = round(pieces.cwnd / SMSS)
        for _ in range(parts):
            pieces.on_ack(ack(1, n * RTT))
    assert whole.cwnd == pytest.approx(pieces.cwnd, rel=0.03)


def test_never_more_than_half_as_much_again() -> None:
    """CUB-4: in one round trip, however long nothing came."""
    cubic = reduced(100)
    cubic.on_ack(ack(1, 0.0))
    before = cubic.cwnd
    cubic.on_ack(ack(before / SMSS, 100.0))
    assert cubic.cwnd == pytest.approx(1.5 * before, rel=0.01)


def test_reno_on_a_short_path() -> None:
    """CUB-5: 9/17 of a segment in a round trip until the old window is reached, then one."""
    cubic = reduced(20)
    seen = windows(cubic, seconds=0.04, rtt=0.001)
    steps = [b - a for a, b in itertools.pairwise(seen)]
    slow = [step for step, cwnd in zip(steps, seen, strict=False) if cwnd < 19.4]
    fast = [step for step, cwnd in zip(steps, seen, strict=False) if cwnd > 20.5]
    assert slow == pytest.approx([ALPHA] * len(slow), abs=0.01)
    assert fast == pytest.approx([1.0] * len(fast), abs=0.02)
    assert len(slow) > 5
    assert len(fast) > 5


def test_time_without_use_is_no_time() -> None:
    """CUB-3, CC-6: an application that pauses does not find a window that grew meanwhile."""
    busy, paused = reduced(100), reduced(100)
    for n in range(10):
        busy.on_ack(ack(70, n * RTT))
        paused.on_ack(ack(70, n * RTT))
    paused.on_ack(ack(1, 10 * RTT, limited=False))
    busy.on_ack(ack(70, 10 * RTT))
    paused.on_ack(ack(70, 1000 + 10 * RTT))
    assert paused.cwnd == pytest.approx(busy.cwnd, rel=0.01)


def test_fast_convergence() -> None:
    """CUB-7: a second loss below the first makes room: 0.85 of the window is the new W_max."""
    cubic = reduced(100)
    cubic.on_congestion(Signal.LOSS, 70 * SMSS, 1.0)
    assert cubic.w_max == pytest.approx(0.85 * 70)
    assert cubic.cwnd == 49 * SMSS


def test_lower_bounds() -> None:
    """CUB-6: two segments after a loss, one after a mark, ssthresh two in any case."""
    cubic = Cubic(SMSS, 2 * SMSS)
    cubic.on_congestion(Signal.LOSS, 2 * SMSS, 0.0)
    assert (cubic.cwnd, cubic.ssthresh) == (2 * SMSS, 2 * SMSS)
    cubic.on_congestion(Signal.ECN, 2 * SMSS, 0.0)
    assert (cubic.cwnd, cubic.ssthresh) == (1400, 2 * SMSS)
    cubic.on_congestion(Signal.ECN, 1 * SMSS, 0.0)
    assert cubic.cwnd == SMSS


def test_after_a_time_out() -> None:
    """CUB-8: one segment, slow start to seven tenths, and a curve that begins flat there."""
    cubic = Cubic(SMSS, 100 * SMSS, hystart=False)
    cubic.on_timeout(100 * SMSS, True, 0.0)
    assert (cubic.cwnd, cubic.ssthresh) == (SMSS, 70 * SMSS)
    now = 0.0
    while cubic.cwnd < cubic.ssthresh:
        cubic.on_ack(ack(cubic.cwnd / SMSS, now := now + RTT))
    cubic.on_ack(ack(1, now))
    assert cubic.k == 0.0
    assert cubic.w_max == pytest.approx(cubic.cwnd / SMSS, rel=0.02)


def test_as_reno_after_a_time_out() -> None:
    """CUB-8, CUB-5: 9/17 of a segment in a round trip until the window before it is reached."""
    cubic = Cubic(SMSS, 10 * SMSS, hystart=False)
    cubic.on_timeout(10 * SMSS, True, 0.0)
    while cubic.cwnd < cubic.ssthresh:
        cubic.on_ack(ack(cubic.cwnd / SMSS, 0.0, rtt=0.001))
    seen = windows(cubic, seconds=0.02, rtt=0.001)
    steps = [b - a for a, b in itertools.pairwise(seen)]
    assert steps[:4] == pytest.approx([ALPHA] * 4, abs=0.02)
    assert steps[-4:] == pytest.approx([1.0] * 4, abs=0.02)


def test_a_repeated_time_out_leaves_ssthresh_alone() -> None:
    """RTO-15"""
    cubic = Cubic(SMSS, 100 * SMSS)
    cubic.on_timeout(100 * SMSS, True, 0.0)
    cubic.on_timeout(SMSS, False, 1.0)
    assert (cubic.cwnd, cubic.ssthresh) == (SMSS, 70 * SMSS)


def test_undo() -> None:
    """CUB-10: as if the reduction had not been, the curve too."""
    touched, other = reduced(100), reduced(100)
    for cubic in (touched, other):
        windows(cubic, seconds=1.0)
    touched.on_congestion(Signal.LOSS, touched.cwnd, 1.0)
    assert touched.cwnd < other.cwnd
    touched.on_undo(WINDOW_MAX, 1.01)
    assert (touched.cwnd, touched.ssthresh, touched.w_max) == (
        other.cwnd,
        other.ssthresh,
        other.w_max,
    )
    for cubic in (touched, other):
        cubic.on_ack(ack(cubic.cwnd / SMSS, 1.1))
    assert touched.cwnd == pytest.approx(other.cwnd, abs=1)


def test_undo_of_a_loss_that_ended_slow_start() -> None:
    """CUB-10, HS-7: then slow start has not ended, and neither has HyStart++."""
    cubic = Cubic(SMSS, 10 * SMSS)
    cubic.on_congestion(Signal.LOSS, 10 * SMSS, 0.0)
    cubic.on_undo(WINDOW_MAX, 0.1)
    assert cubic.cwnd == 10 * SMSS < cubic.ssthresh
    assert slow_start(cubic, [0.1, 0.1] + [0.15] * 10) < 12


def test_idle() -> None:
    """CC-8, CUB-3"""
    cubic = reduced(100)
    windows(cubic, seconds=1.0)
    cubic.on_restart(100.0, 0.3, 101.0)
    assert cubic.cwnd == 4 * SMSS  # the first window had been too much (CC-11)


# -- HyStart++ -----------------------------------------------------------------------------------


def slow_start(cubic: Cubic, rtts: list[float]) -> int:
    """Run rounds of ten acknowledgements with these round trips; return after how many it ended."""
    una, now = 0, 0.0
    for n, rtt in enumerate(rtts):
        cwnd = cubic.cwnd
        nxt = una + cwnd
        for _ in range(10):
            una += cwnd // 10
            now += rtt / 10
            cubic.on_ack(ack(cwnd / 10 / SMSS, now, rtt=rtt, una=una, nxt=nxt + cubic.cwnd))
        una = nxt
        if cubic.cwnd >= cubic.ssthresh:
            return n + 1
    return len(rtts) + 1


def test_hystart_constants() -> None:
    """HS-1"""
    assert (MIN_RTT_THRESH, MAX_RTT_THRESH, MIN_RTT_DIVISOR) == (0.004, 0.016, 8)
    assert (N_RTT_SAMPLE, CSS_GROWTH_DIVISOR, CSS_ROUNDS) == (8, 4, 5)


def test_slow_start_doubles_while_nothing_rises() -> None:
    """HS-5, CC-4"""
    cubic = Cubic(SMSS, 10 * SMSS)
    assert slow_start(cubic, [RTT] * 5) == 6
    assert cubic.cwnd == 320 * SMSS


class Rounds:
    """A HyStart fed with whole rounds of ten samples."""

    def __init__(self) -> None:
        self.hystart = HyStart()
        self.una = 0

    def round(self, rtt: float, samples: int = 10) -> list[int | None]:
        end = self.una + 100
        grown = []
        for n in range(1, samples + 1):
            una = end if n == samples else self.una + n
            nxt = end + 100 if n == samples else end
            grown.append(self.hystart.growth(ack(4, 0.0, rtt=rtt, una=una, nxt=nxt)))
        self.una = end
        return grown


@pytest.mark.parametrize(
    ("base", "rise", "felt"),
    [
        (0.1, 0.0124, False),
        (0.1, 0.0126, True),
        (0.01, 0.0039, False),
        (0.01, 0.0041, True),
        (1.0, 0.0159, False),
        (1.0, 0.0161, True),
    ],
)
def test_what_counts_as_a_rise(base: float, rise: float, felt: bool) -> None:
    """HS-4: an eighth of the round trip, 4 ms at least, 16 ms at most."""
    rounds = Rounds()
    rounds.round(base)
    rounds.round(base)
    grown = rounds.round(base + rise)
    assert grown[0] == 4000
    assert grown[-1] == (1000 if felt else 4000)


def test_a_round_of_few_samples_says_nothing() -> None:
    """HS-4"""
    rounds = Rounds()
    rounds.round(0.1)
    rounds.round(0.1)
    assert rounds.round(0.2, samples=7)[-1] == 4000


def test_five_slow_rounds_end_it() -> None:
    """HS-6, CUB-9: the round in which the delay rose counts."""
    rounds = Rounds()
    rounds.round(0.1)
    rounds.round(0.1)
    ended = []
    for _ in range(CSS_ROUNDS):
        assert not rounds.hystart.is_done
        ended.append(rounds.round(0.2)[-1])
    assert ended == [1000, 1000, 1000, 1000, None]
    assert rounds.hystart.is_done


def test_a_false_alarm() -> None:
    """HS-6: the round trip falls below the baseline: slow start goes on."""
    rounds = Rounds()
    rounds.round(0.1)
    rounds.round(0.1)
    rounds.round(0.2)
    assert rounds.round(0.1)[-1] == 4000


def test_only_the_first_slow_start() -> None:
    """HS-2, HS-7: after a loss it is not asked any more."""
    cubic = Cubic(SMSS, 100 * SMSS)
    cubic.on_timeout(100 * SMSS, True, 0.0)
    rounds = slow_start(cubic, [0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    assert rounds == math.ceil(math.log2(70))


def test_the_end_of_slow_start_without_a_loss() -> None:
    """CUB-9: ssthresh is the window, and the curve begins flat."""
    cubic = Cubic(SMSS, 10 * SMSS)
    assert slow_start(cubic, [0.1, 0.1] + [0.2] * 20) < 20
    assert cubic.ssthresh <= cubic.cwnd
    cubic.on_ack(ack(1, 100.0))
    assert cubic.k == 0.0
