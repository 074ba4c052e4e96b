"""Paths that hold more than a usual window are filled by the defaults (BUF-3, BUF-6).

Datagrams are those of loopback, so that a gigabit a second is 2,000 of them.
"""

import random

import pytest

from rudp import Config
from rudp.core.demux.table import ConnectionTable
from rudp.sim.network import Network

DATAGRAM = 65_000
BLOCK = bytes(1 << 20)
START = 5.0
SECONDS = 2.0


def goodput(rate: float, rtt: float, config: Config) -> float:
    """Return what one connection carries of *rate* bits a second in two seconds after a start."""
    network = Network(seed=1, rate=rate, delay=rtt / 2, queue=int(rate / 8 * rtt))
    here, there = ("127.0.0.1", 7), ("127.0.0.2", 7)
    a, b = (
        ConnectionTable(
            config, secret=bytes(16), chance=random.Random(name), loopback_payload=DATAGRAM
        )
        for name in "ab"
    )
    nodes = network.attach(here, a), network.attach(there, b)
    listener = b.listen(80)
    sender = a.open_active(nodes[1].path, 80, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=2 * rtt)
    reader = listener.accepted.popleft()
    received = 0

    def turn() -> bool:
        nonlocal received
        if sender.unsent_octets < len(BLOCK):
            sender.send(BLOCK)
            a.touch(sender)
        if reader.readable_octets:
            received += len(reader.receive())
            b.touch(reader)
        return False

    network.run_until(turn, limit=START)
    before = received
    network.run_until(turn, limit=SECONDS)
    return (received - before) * 8 / SECONDS / rate


@pytest.mark.parametrize(("rate", "rtt"), [(800e6, 0.1), (1e9, 0.3)])
def test_BUF_3_ten_and_forty_megabytes_in_flight(rate: float, rtt: float) -> None:
    """DEF-31, DEF-33."""
    assert goodput(rate, rtt, Config()) > 0.9


def test_BUF_6_memory_that_is_used_up_leaves_six_mebibytes() -> None:
    rate, rtt = 1e9, 0.3
    share = (6 << 20) / (rate / 8 * rtt)
    assert 0.9 * share < goodput(rate, rtt, Config(buffers_max=0)) <= share
