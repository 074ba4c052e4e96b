"""Managed queues of a link: CoDel (RFC 8289) and DualPI2 (RFC 9332)."""

import asyncio
import itertools
import math
from typing import Any

import pytest

from rudp.core.segment.transmit import CE, ECT_0
from rudp.sim import CoDel, DualPi2, Link, Network, VirtualLoop, run
from rudp.sim.aqm import Held, Queue

ECT_1 = 1
NOT_ECT = 0
SIZE = 1000
MS = 0.001
RATE = SIZE * 8 / MS  # one datagram a millisecond


class Bench:
    """A queue that is asked by hand."""

    def __init__(self, settings: CoDel | DualPi2) -> None:
        self.queue: Queue = settings.start()
        self.dropped: list[Held] = []
        self.put_in = 0

    def put(self, ecn: int, now: float, count: int = 1) -> None:
        for _ in range(count):
            assert self.queue.put(Held(b"", SIZE, ecn, now, self.put_in), now)
            self.put_in += 1

    def take(self, now: float) -> Held:
        held = self.queue.take(now, self.dropped)
        assert held is not None
        return held


# -- CoDel ---------------------------------------------------------------------------------------


def standing(bench: Bench, ecn: int, until: float) -> list[Held]:
    """Keep a queue of ten datagrams, which is 10 ms, standing from 0 on; return what left it."""
    left = []
    bench.put(ecn, 0.0, 10)
    for tick in range(10, round(until / MS)):
        now = tick * MS
        while bench.queue.octets < 10 * SIZE:
            bench.put(ecn, now)
        left.append(bench.take(now))
    return left


def test_CODEL_1_a_burst_that_drains_within_an_interval_is_left_alone() -> None:
    bench = Bench(CoDel())
    bench.put(NOT_ECT, 0.0, 90)
    for tick in range(90):
        bench.take(tick * MS)
    assert not bench.dropped


def test_CODEL_2_a_queue_above_target_for_an_interval_loses_its_head() -> None:
    """And what follows leaves at once: the news travels sooner than from the tail."""
    bench = Bench(CoDel())
    left = standing(bench, NOT_ECT, 0.125)
    assert len(bench.dropped) == 1
    (lost,) = bench.dropped
    # It came to the head 100 ms after the first that had waited longer than the target.
    assert lost.tag == 100
    assert lost.tag not in [held.tag for held in left]


def test_CODEL_3_drops_come_closer_with_the_square_root_of_their_number() -> None:
    bench = Bench(CoDel())
    times = []
    bench.put(NOT_ECT, 0.0, 10)
    for tick in range(10, 800):
        now = tick * MS
        while bench.queue.octets < 20 * SIZE:
            bench.put(NOT_ECT, now)
        before = len(bench.dropped)
        bench.take(now)
        times += [now] * (len(bench.dropped) - before)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert len(gaps) > 5
    for count, gap in enumerate(gaps, start=1):
        assert gap == pytest.approx(0.1 / math.sqrt(count), abs=1.5 * MS)


def test_CODEL_4_dropping_ends_when_the_delay_is_below_the_target() -> None:
    bench = Bench(CoDel())
    standing(bench, NOT_ECT, 0.125)
    now = 0.125
    while bench.queue.octets:
        bench.take(now)
    bench.dropped.clear()
    for tick in range(1000):  # never more than one waits
        bench.put(NOT_ECT, 1.0 + tick * MS)
        bench.take(1.0 + tick * MS)
    assert not bench.dropped


def test_CODEL_5_dropping_that_begins_again_soon_begins_at_its_old_pace() -> None:
    bench = Bench(CoDel())
    standing(bench, NOT_ECT, 0.7)
    first = len(bench.dropped)
    assert first > 4
    while bench.queue.octets:
        bench.take(0.7)
    bench.dropped.clear()
    bench.put(NOT_ECT, 0.701, 10)
    times = []
    for tick in range(711, 1000):
        now = tick * MS
        while bench.queue.octets < 10 * SIZE:
            bench.put(NOT_ECT, now)
        before = len(bench.dropped)
        bench.take(now)
        times += [now] * (len(bench.dropped) - before)
    assert times[1] - times[0] < 0.1 / math.sqrt(first - 2)


def test_CODEL_6_ecn_capable_datagrams_are_marked_and_stay() -> None:
    bench = Bench(CoDel())
    left = standing(bench, ECT_0, 0.125)
    assert not bench.dropped
    assert [held.tag for held in left if held.ecn == CE] == [100]
    bench = Bench(CoDel(ecn=False))
    standing(bench, ECT_0, 0.125)
    assert len(bench.dropped) == 1


def test_CODEL_7_the_last_packet_is_never_dropped() -> None:
    """§5.6: with no more than one packet behind it the link would fall idle."""
    bench = Bench(CoDel())
    for tick in range(1000):
        bench.put(NOT_ECT, tick * MS)
    while bench.queue.octets > 2 * SIZE:
        bench.take(50.0)
    dropped = len(bench.dropped)
    bench.take(90.0)
    bench.take(95.0)
    assert len(bench.dropped) == dropped


def test_CODEL_8_what_does_not_fit_is_dropped_at_the_tail() -> None:
    queue = CoDel(limit=2500).start()
    assert [queue.put(Held(b"", SIZE, 0, 0.0, n), 0.0) for n in range(3)] == [True, True, False]
    assert queue.take(0.0, []) is not None
    assert queue.octets == SIZE


# -- DualPI2 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ecn", "first"), [(NOT_ECT, 0), (ECT_0, 0), (ECT_1, 1), (CE, 1)])
def test_DUALQ_1_ECT_1_and_CE_go_into_the_L4S_queue(ecn: int, first: int) -> None:
    """What goes there overtakes the classic datagram that came before it."""
    bench = Bench(DualPi2())
    bench.put(NOT_ECT, 0.0)
    bench.put(ecn, 0.0)
    assert bench.take(0.0).tag == first


def test_DUALQ_2_no_delay_no_marks_no_drops() -> None:
    bench = Bench(DualPi2())
    for tick in range(5000):
        now = tick * MS
        bench.put(ECT_1 if tick % 2 else NOT_ECT, now)
        assert bench.take(now).ecn != CE
    assert not bench.dropped


@pytest.mark.parametrize(("waited", "share"), [(0.7, 0.0), (0.9, 0.25), (1.0, 0.5), (1.3, 1.0)])
def test_DUALQ_3_the_ramp_of_the_L4S_queue(waited: float, share: float) -> None:
    """From 0.8 ms to 1.2 ms its own probability grows from none to all."""
    bench = Bench(DualPi2())
    marks = 0
    for tick in range(400):
        bench.put(ECT_1, tick * MS, 4)
        marks += bench.take((tick + waited) * MS).ecn == CE
        while bench.queue.octets:
            bench.take(tick * MS)
    assert marks / 400 == pytest.approx(share, abs=0.01)


def test_DUALQ_3_a_step_takes_the_place_of_the_ramp() -> None:
    bench = Bench(DualPi2(threshold=0.001, ramp=0.0))
    bench.put(ECT_1, 0.0, 20)
    # At 1 ms nothing is over it; at 1.5 ms what the probabilities add up to is 1, and then more.
    assert [bench.take(tick * 0.0005).ecn for tick in range(6)] == [ECT_1] * 4 + [CE] * 2


def test_DUALQ_4_a_single_datagram_is_never_marked_by_the_ramp() -> None:
    """On a slow link the time of one packet alone is above the threshold."""
    bench = Bench(DualPi2())
    for tick in range(100):
        bench.put(ECT_1, tick * 0.1)
        assert bench.take(tick * 0.1 + 5 * MS).ecn == ECT_1


def shares(bench: Bench, ecn: int, now: float, count: int = 10_000) -> tuple[float, float]:
    """Return the shares of marks and of drops among so many datagrams that do not wait."""
    before = len(bench.dropped)
    marks = 0
    for _ in range(count):
        bench.put(ecn, now)
        if ecn & 1:
            marks += bench.take(now).ecn == CE
        else:
            held = bench.queue.take(now, bench.dropped)
            marks += held is not None and held.ecn == CE
    return marks / count, (len(bench.dropped) - before) / count


def under_pressure(updates: int) -> Bench:
    """Return an empty queue in which a classic datagram has waited for so many updates of p'."""
    bench = Bench(DualPi2())
    bench.put(NOT_ECT, 0.0)
    bench.queue.take(0.016 * updates + MS, bench.dropped)
    bench.dropped.clear()
    return bench


def test_DUALQ_5_classic_drops_are_the_square_of_what_is_coupled_to_L4S() -> None:
    """p_C = (p_CL / k)**2 (equation 1), for k = 2."""
    bench = under_pressure(5)
    now = 0.016 * 5 + MS
    coupled, lost = shares(bench, ECT_1, now)
    assert 0.2 < coupled < 0.8
    assert lost == 0.0
    marks, drops = shares(bench, NOT_ECT, now)
    assert marks == 0.0
    assert drops == pytest.approx((coupled / 2) ** 2, rel=0.02)
    # What is ECN-capable is marked just as often.
    marks, drops = shares(bench, ECT_0, now)
    assert drops == 0.0
    assert marks == pytest.approx((coupled / 2) ** 2, rel=0.02)


def test_DUALQ_6_p_is_an_integral_of_the_delay_and_a_proportion_of_its_change() -> None:
    """p' after two updates of a head that waits, computed by hand."""
    bench = under_pressure(2)
    now = 0.016 * 2 + MS
    first = max(0.16 * (0.016 - 0.015) + 3.2 * 0.016, 0.0)
    second = first + 0.16 * (0.032 - 0.015) + 3.2 * 0.016
    coupled, _ = shares(bench, ECT_1, now)
    assert coupled == pytest.approx(2 * second, abs=0.001)


def test_DUALQ_7_p_goes_back_to_nothing_when_the_queue_is_empty() -> None:
    bench = under_pressure(5)
    assert shares(bench, ECT_1, 0.016 * 5 + MS)[0] > 0.2
    assert shares(bench, ECT_1, 20.0) == (0.0, 0.0)


def test_DUALQ_8_overload_drops_in_both_and_switches_classic_ECN_off() -> None:
    """Appendix A.2: from p_CL = 1 on, which is p_C = 25 %."""
    bench = under_pressure(30)
    now = 0.016 * 30 + MS
    marks, drops = shares(bench, ECT_0, now)
    assert marks == 0.0
    assert drops >= 0.25
    count = 1000
    before = len(bench.dropped)
    arrived = []
    for _ in range(count):
        bench.put(ECT_1, now)
        held = bench.queue.take(now, bench.dropped)
        if held is not None:
            arrived.append(held.ecn)
    assert set(arrived) == {CE}
    assert len(bench.dropped) - before == pytest.approx(drops * count, abs=2)


def served(settings: DualPi2, count: int) -> list[int]:
    """Return the ECN bits of what is sent first, when both halves are full."""
    bench = Bench(settings)
    bench.put(NOT_ECT, 0.0, count)
    bench.put(ECT_1, 0.0, count)
    return [bench.take(0.0).ecn for _ in range(count)]


def test_DUALQ_9_WRR_leaves_a_sixteenth_to_the_classic_queue() -> None:
    order = served(DualPi2(limit=1 << 24), 1600)
    assert order.count(NOT_ECT) == pytest.approx(100, abs=2)
    order = served(DualPi2(limit=1 << 24, classic_share=0.25), 1600)
    assert order.count(NOT_ECT) == pytest.approx(400, abs=2)


def test_DUALQ_9_the_time_shifted_FIFO_gives_L4S_a_start() -> None:
    settings = DualPi2(scheduler="ts-fifo", tshift=0.05)
    for later, first in ((0.049, ECT_1), (0.051, NOT_ECT)):
        bench = Bench(settings)
        bench.put(NOT_ECT, 0.0)
        bench.put(ECT_1, later)
        assert bench.take(later).ecn == first


def test_DUALQ_10_both_queues_share_one_limit() -> None:
    queue = DualPi2(limit=2 * SIZE).start()
    taken = [queue.put(Held(b"", SIZE, ecn, 0.0, None), 0.0) for ecn in (NOT_ECT, ECT_1, ECT_1)]
    assert taken == [True, True, False]


# -- on a link -----------------------------------------------------------------------------------


def test_a_link_holds_what_a_managed_queue_has_not_sent() -> None:
    link = Link(rate=RATE, queue=CoDel(), overhead=0, delay=1.0)
    assert link.holds
    assert link.due == math.inf
    for tag in "abc":
        link.hold(bytes(SIZE), ECT_0, 0.0, tag)
    [(tag, [(when, data, ecn)])] = link.release(0.0)
    assert (tag, when, data, ecn) == ("a", 1.0 + MS, bytes(SIZE), ECT_0)
    assert link.due == pytest.approx(MS)
    assert link.release(0.0005) == []
    assert [tag for tag, _ in link.release(MS)] == ["b"]
    assert [tag for tag, _ in link.release(1.0)] == ["c"]
    assert link.sent == 3
    assert link.due == math.inf


def test_a_link_counts_what_its_queue_drops_and_marks() -> None:
    link = Link(rate=RATE, queue=CoDel(limit=0), overhead=0)
    for _ in range(3):
        link.hold(bytes(SIZE), 0, 0.0)
    assert sorted(len(copies) for _, copies in link.release(0.0)) == [0, 0, 1]
    assert link.dropped == 2
    link = Link(rate=RATE, queue=DualPi2(), overhead=0)
    for _ in range(5):
        link.hold(bytes(SIZE), ECT_1, 0.0)
    bits = [ecn for _, copies in link.release(1.0) for _, _, ecn in copies]
    assert bits.count(CE) == link.marked > 0


def test_what_waits_leaves_at_the_old_rate_when_a_link_is_changed() -> None:
    link = Link(rate=RATE, queue=CoDel(), overhead=0)
    for _ in range(3):
        link.hold(bytes(SIZE), 0, 0.0)
    link.configure(rate=None, queue=None)
    assert not link.holds
    assert [copies[0][0] for _, copies in link.release(0.0)] == pytest.approx([MS, 2 * MS, 3 * MS])
    assert link.convey(b"x", 0, 0.0) == [(3 * MS, b"x", 0)]


def test_each_way_of_asking_a_link_is_for_its_kind_of_queue() -> None:
    with pytest.raises(TypeError, match="hold"):
        Link(rate=RATE, queue=CoDel()).carry(b"x", 0.0)
    with pytest.raises(TypeError, match="convey"):
        Link().hold(b"x", 0, 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Link(queue=CoDel()),
        lambda: Link(rate=RATE, queue=DualPi2(), mark=3),
        lambda: CoDel(limit=-1),
        lambda: CoDel(target=-0.1),
        lambda: CoDel(interval=0.0),
        lambda: CoDel(interval=math.nan),
        lambda: DualPi2(target=0.0),
        lambda: DualPi2(tupdate=0.0),
        lambda: DualPi2(coupling=11),
        lambda: DualPi2(classic_share=0.9),
        lambda: DualPi2(scheduler="fifo"),  # type: ignore[arg-type]
    ],
)
def test_settings_out_of_range_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"must|needs|marks"):
        wrong()


def exchange(seed: int, queue: CoDel | DualPi2) -> list[tuple[str, float, int]]:
    """Let twenty datagrams loose on a network; return what its tap saw."""
    seen: list[tuple[str, float, int]] = []
    network = Network(seed=seed, rate=RATE, queue=queue, delay=0.01, jitter=0.001, loss=0.1)
    network.host(("10.0.0.2", 1))
    network.taps.append(lambda what, now, data, *_: seen.append((what, now, data[0])))
    for number in range(20):
        network.send(bytes([number]) * SIZE, ("10.0.0.1", 1), ("10.0.0.2", 1), ECT_1)
    network.run_until(lambda: False, 1.0)
    return seen


def test_a_network_tells_of_each_datagram_and_two_runs_are_alike() -> None:
    seen = exchange(1, DualPi2(limit=15 * SIZE))
    assert seen == exchange(1, DualPi2(limit=15 * SIZE))
    assert seen != exchange(2, DualPi2(limit=15 * SIZE))
    sent = [number for what, _, number in seen if what == "sent"]
    over = [number for what, _, number in seen if what in ("lost", "delivered")]
    assert sorted(sent) == sorted(over) == list(range(20))


def test_a_dead_port_is_heard_of_through_a_managed_queue() -> None:
    class Heard(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.error: Exception | None = None

        def error_received(self, exc: Exception) -> None:
            self.error = exc

    async def main() -> Exception | None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        transport, protocol = await loop.create_datagram_endpoint(
            Heard, remote_addr=("10.0.0.2", 9)
        )
        transport.sendto(b"anybody?")
        await asyncio.sleep(1.0)
        transport.close()
        return protocol.error

    error = run(main(), delay=0.01, rate=RATE, queue=CoDel())
    assert isinstance(error, ConnectionRefusedError)
