"""A process that stood still: what its connections may not conclude from their own silence.

The peer has answered in time, and what it sent waits in the socket; the process that was stopped
(SIGSTOP, a suspended machine) acts on its deadlines first.
"""

import pytest

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.terms.state import State
from rudp.sim.network import Network, Node

CLIENT = ("10.0.0.1", 4000)
SERVER = ("10.0.0.2", 7000)
STOPPED = 30.0


def opened(config: Config) -> tuple[Node[ConnectionTable], Connection]:
    """Return a client whose connection is open and has said a word."""
    network = Network(delay=0.01)
    a, b = network.host(CLIENT, config), network.host(SERVER)
    b.table.listen(7000)
    connection = a.table.open_active(b.path, 7000, 0.0)
    connection.send(b"word")
    assert network.run_until(lambda: connection.state is State.ESTABLISHED, limit=1.0)
    network.run_until(lambda: False, limit=0.5)
    return a, connection


def stop(node: Node[ConnectionTable]) -> float:
    """Let the process of *node* stand still: its deadlines pass unheeded.  Return when it is over.

    Nothing that the peer sends meanwhile reaches the node.
    """
    deadline = node.table.next_deadline
    now = deadline + STOPPED
    node.table.stood_still(now - deadline)
    node.table.handle_timeouts(now)
    return now


def sent(node: Node[ConnectionTable], now: float) -> int:
    """Return how many runs leave at *now*."""
    count = 0
    while node.table.poll_transmit(now) is not None:
        count += 1
    return count


def test_MUST_29_a_probe_that_was_out_while_we_stood_still_does_not_count() -> None:
    """KA-4: its answer waits in the socket; one more is sent, and decides."""
    node, connection = opened(Config(keepalive=5, keepalive_count=1))
    now = 0.0
    while not sent(node, now):  # the first probe
        now = node.table.next_deadline
        node.table.handle_timeouts(now)
    assert now > 5.0
    now = stop(node)
    assert connection.state is State.ESTABLISHED
    assert sent(node, now) == 1  # another one
    node.table.handle_timeouts(now + 5.0)
    assert isinstance(connection.error, TimeoutError)


def test_idle_timeout_does_not_count_what_nobody_could_hear() -> None:
    node, connection = opened(Config(idle_timeout=20.0))
    now = stop(node)
    assert connection.state is State.ESTABLISHED
    assert sent(node, now) == 0
    node.table.handle_timeouts(now + 25.0)
    assert isinstance(connection.error, TimeoutError)


@pytest.mark.parametrize("patience", [5.0, 29.0])
def test_connect_timeout_does_not_count_what_nobody_could_hear(patience: float) -> None:
    network = Network(delay=0.01)
    node = network.host(CLIENT, Config(connect_timeout=patience))
    connection = node.table.open_active((SERVER, ""), 7000, 0.0)
    assert sent(node, 0.0) == 1
    now = stop(node)
    assert connection.state is State.SYN_SENT
    sent(node, now)
    node.table.handle_timeouts(now + patience + 1.0)
    assert isinstance(connection.error, TimeoutError)
