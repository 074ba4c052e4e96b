"""Sums over connections: what each says of itself, added up, in the lane and outside of it."""

from typing import Any

import pytest

from rudp import sim
from rudp.config import Config
from rudp.core.life.connection import Connection
from rudp.core.life.steady import LANES
from rudp.core.life.tally import COUNTED, RTT_BOUNDS, Tally
from rudp.core.terms.state import State

CLIENT, SERVER = ("10.0.0.1", 7000), ("10.0.0.2", 7000)


class Pairs:
    """Some connections between two hosts 10 ms apart, on which octets went both ways."""

    def __init__(self, count: int, lane: str, octets: int = 40_000, **link: float) -> None:
        config = Config(lane=lane, mss=1012)  # type: ignore[arg-type]  # one of the three
        self.network = sim.Network(delay=0.01, seed=1, **link)  # type: ignore[arg-type]
        self.server = self.network.host(SERVER, config)
        self.client = self.network.host(CLIENT, config)
        listener = self.server.table.listen(80)
        now = self.network.clock.now
        self.ours = [self.client.table.open_active(self.server.path, 80, now) for _ in range(count)]
        assert self.network.run_until(lambda: len(listener.accepted) == count, limit=30.0)
        self.theirs = list(listener.accepted)
        for _ in range(6):
            for sender, host in ((self.ours, self.client), (self.theirs, self.server)):
                for each in sender:
                    each.send(bytes(octets // 6))
                    host.table.touch(each)
            self.network.run_until(lambda: False, limit=1.0)
            for each in self.all:
                each.receive()

    @property
    def all(self) -> list[Connection]:
        return self.ours + self.theirs


def tally_of(connections: list[Connection]) -> Tally:
    tally = Tally()
    for each in connections:
        each.count(tally)
    return tally


@pytest.mark.parametrize("lane", ["auto", "python", "off"])
def test_it_is_what_all_say_of_themselves(lane: str) -> None:
    """In the midst of things, when some have a lane."""
    pairs = Pairs(5, lane)
    seen = 0
    for _ in range(20):
        for each in pairs.ours:
            each.send(bytes(50_000))
            pairs.client.table.touch(each)
        for _ in range(10):
            pairs.network.run_until(lambda: False, limit=0.005)
            for each in pairs.theirs:
                each.receive()
                pairs.server.table.touch(each)
        lanes = [each.lane for each in pairs.all]
        seen += sum(each is not None for each in lanes)
        compare(pairs, lanes)
    assert (seen > 20) is (lane != "off" and LANES["auto"] is not None)


def compare(pairs: Pairs, lanes: list[Any]) -> None:
    tally = tally_of(pairs.all)
    assert [each.lane for each in pairs.all] == lanes, "nobody notices"
    infos = [each.info() for each in pairs.all]
    assert dict(zip(COUNTED, tally.counted, strict=True)) == {
        "segments_received": sum(info.segments_in for info in infos),
        "segments_sent": sum(info.segments_out for info in infos),
        "received_bytes": sum(info.bytes_received for info in infos),
        "sent_bytes": sum(info.bytes_sent for info in infos),
        "acknowledged_bytes": sum(info.bytes_acked for info in infos),
        "retransmitted_bytes": sum(info.resent for info in infos),
        "lost_bytes": sum(info.lost_total for info in infos),
    }
    assert tally.counted[2] > 100_000
    assert tally.states == {State.ESTABLISHED: 10}
    assert (tally.unsent, tally.unread) == (
        sum(info.unsent for info in infos),
        sum(info.unread for info in infos),
    )
    assert tally.rtt_sum == pytest.approx(sum(info.srtt or 0.0 for info in infos))
    assert sum(tally.rtts) == 10
    below = [n for n, bound in enumerate(RTT_BOUNDS) if bound >= 0.02]
    assert sum(tally.rtts[below[0] :]) == 10, "20 ms and not less"


def test_octets_that_wait() -> None:
    pairs = Pairs(2, "auto")
    for each in pairs.ours:
        each.send(bytes(1_000_000))
        pairs.client.table.touch(each)
    pairs.network.run_until(lambda: False, limit=0.015)  # one way
    tally = tally_of(pairs.all)
    infos = [each.info() for each in pairs.all]
    assert tally.unsent == sum(info.unsent for info in infos) > 0
    assert tally.unacked == sum(info.unacked for info in infos) > 0
    assert tally.unread == sum(info.unread for info in infos) > 0


def test_syn_and_fin_are_no_octets_of_data() -> None:
    pairs = Pairs(1, "auto", octets=600)
    (ours,), (theirs,) = pairs.ours, pairs.theirs
    ours.close(pairs.network.clock.now)
    pairs.client.table.touch(ours)
    pairs.network.run_until(lambda: theirs.fin_received, limit=5.0)
    pairs.network.run_until(lambda: ours.fin_acked, limit=5.0)
    for each in (ours, theirs):
        assert tally_of([each]).counted[2:5] == [600, 600, 600]
        assert tally_of([each]).unacked == 0


def test_one_that_opens_has_done_nothing_yet() -> None:
    network = sim.Network(delay=0.01)
    client = network.host(CLIENT)
    ours = client.table.open_active((SERVER, ""), 80, 0.0)
    network.run_until(lambda: False, limit=0.005)
    tally = tally_of([ours])
    assert tally.counted == [0, 1, 0, 0, 0, 0, 0]
    assert tally.states == {State.SYN_SENT: 1}
    assert (tally.rtts, tally.unacked) == ([0] * (len(RTT_BOUNDS) + 1), 0)


def test_losses() -> None:
    pairs = Pairs(3, "auto", octets=300_000, loss=0.02)
    tally, infos = tally_of(pairs.all), [each.info() for each in pairs.all]
    assert tally.counted[5] == sum(info.resent for info in infos) > 0
    assert tally.counted[6] == sum(info.lost_total for info in infos) > 0


def test_sums_of_sums() -> None:
    pairs = Pairs(3, "auto")
    both = tally_of(pairs.ours)
    both.merge(tally_of(pairs.theirs))
    one = tally_of(pairs.all)
    assert all(getattr(both, name) == getattr(one, name) for name in ("counted", "rtts", "states"))
    assert both.rtt_sum == pytest.approx(one.rtt_sum)
