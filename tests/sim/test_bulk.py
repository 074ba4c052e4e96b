"""Bulk transfers over a hostile path, both directions at once, byte for byte.

``RUDP_BULK_MIB=100`` makes every transfer as large as a release is tried with; a suite that runs
all day contents itself with less.
"""

import hashlib
import os
import random

import pytest

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.sim.network import Network, Node

CLIENT = ("10.0.0.1", 40_000)
SERVER = ("10.0.0.2", 7000)
MIB = 1024 * 1024
SIZE = int(os.environ.get("RUDP_BULK_MIB", "1")) * MIB
CHUNK = 64 * 1024
BACKLOG = 4 * CHUNK


class Side:
    """Sends *size* octets that follow from a seed, reads to the end and closes."""

    def __init__(self, node: Node[ConnectionTable], connection: Connection, seed: int) -> None:
        self.node = node
        self.connection = connection
        self.chance = random.Random(seed)
        self.left = SIZE
        self.sent = hashlib.sha256()
        self.received = hashlib.sha256()
        self.octets = 0

    def turn(self, now: float) -> None:
        connection = self.connection
        while self.left and connection.unsent_octets < BACKLOG:
            data = self.chance.randbytes(min(CHUNK, self.left))
            self.left -= len(data)
            self.sent.update(data)
            connection.send(data)
        if not self.left:
            connection.shutdown(now)
        data = connection.receive()
        self.received.update(data)
        self.octets += len(data)
        self.node.table.touch(connection)


def exchange(network: Network, config: Config, seed: int) -> tuple[Side, Side]:
    """Run one connection to its end; return both sides."""
    a, b = network.host(CLIENT, config), network.host(SERVER, config)
    listener = b.table.listen(7000)
    opened = a.table.open_active(b.path, 7000, network.clock.now)
    assert network.run_until(lambda: bool(listener.accepted), limit=60.0)
    client, server = Side(a, opened, seed), Side(b, listener.accepted.popleft(), ~seed)

    def turn() -> bool:
        client.turn(network.clock.now)
        server.turn(network.clock.now)
        return not (a.table.connections or b.table.connections)

    assert network.run_until(turn, limit=3600.0 * (1 + SIZE / MIB)), "it hangs"
    return client, server


@pytest.mark.timeout(0)
@pytest.mark.parametrize("sack", [True, False])
@pytest.mark.parametrize(
    "seed", [*range(10), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(10, 20))]
)
def test_hostile_path_both_directions(seed: int, sack: bool) -> None:
    """TRAP-12, UDP-6: loss, reordering, duplication and corruption, and every octet arrives.

    The ISNs are as they come, so that the numbers wrap in some of the runs.
    """
    if not sack and SIZE > MIB:
        pytest.skip("one of the two is tried at full size")
    network = Network(
        seed=seed,
        delay=0.02,
        loss=0.05,
        reorder=0.05,
        reorder_delay=0.01,
        duplicate=0.02,
        corrupt=0.01,
    )
    client, server = exchange(network, Config(sack=sack), seed)
    for side, peer in ((client, server), (server, client)):
        assert side.octets == SIZE
        assert side.received.digest() == peer.sent.digest()
        assert side.connection.error is None
    assert client.connection.info().resent > 0


def test_clean_path_sends_nothing_twice() -> None:
    """MUST-58: without loss there is no retransmission, whatever the batches."""
    client, server = exchange(Network(seed=1, delay=0.02), Config(), 1)
    assert client.connection.info().resent == server.connection.info().resent == 0
