"""A queue that marks: two ends that heed it lose nothing, and keep the queue short."""

import random
from typing import Literal

import pytest

from rudp.config import Config, Congestion
from rudp.core.watch.info import ConnectionInfo
from rudp.sim.link import Link
from rudp.sim.network import Network

CLIENT = ("10.0.0.1", 40_000)
SERVER = ("10.0.0.2", 7000)
SIZE = 2_000_000


def transfer(ecn: Literal["accept", "on"], congestion: Congestion) -> tuple[ConnectionInfo, Link]:
    """Send SIZE octets over a bottleneck that marks; return what the sender says, and the link."""
    network = Network(seed=1, delay=0.02, rate=8e6, queue=60_000, mark=15_000)
    a = network.host(CLIENT, Config(ecn=ecn, congestion=congestion))
    b = network.host(SERVER, Config(receive_buffer=1 << 20))
    listener = b.table.listen(7000)
    opened = a.table.open_active(b.path, 7000, network.clock.now)
    assert network.run_until(lambda: bool(listener.accepted), limit=10.0)
    accepted = listener.accepted.popleft()
    data = random.Random(1).randbytes(SIZE)
    opened.send(data)
    a.table.touch(opened)
    received = bytearray()

    def turn() -> bool:
        received.extend(accepted.receive())
        b.table.touch(accepted)
        return len(received) == SIZE

    assert network.run_until(turn, limit=60.0)
    assert received == data
    link = network.link(CLIENT[0], SERVER[0])
    assert accepted.info().ce_received == link.marked
    return opened.info(), link


@pytest.mark.parametrize("congestion", ["newreno", "cubic", "bbr"])
def test_SHLD_8_ECN_5_marks_take_the_place_of_losses(congestion: Congestion) -> None:
    """ECN-1, ECN-4, ECN-6: the same queue drops what a sender without ECN sends too much."""
    plain, link = transfer("accept", congestion)
    assert not plain.ecn
    assert plain.ece_received == link.marked == 0
    dropped = link.dropped
    info, link = transfer("on", congestion)
    assert info.ecn
    assert link.marked > 0
    assert info.ece_received > 0
    if congestion != "bbr":  # its model hardly fills the queue
        assert dropped > 0
        assert link.dropped == info.resent == 0
