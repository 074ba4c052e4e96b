"""What errors do: ICMP to a connection whose FIN waits for its ACK, refused sends to several."""

import errno

import pytest

from rudp.core.connection import Connection
from rudp.core.counters import Count
from rudp.core.state import State
from rudp.core.table import ConnectionTable
from rudp.core.transmit import Transmit
from rudp.core.wire import pack_segment
from rudp.sim.network import Network, Node

CLIENT = ("10.0.0.1", 4000)
SERVER = ("10.0.0.2", 7000)


def in_last_ack(data: bytes) -> tuple[Network, Node[ConnectionTable], Connection]:
    """Return a server that has sent *data* and its FIN to a client that is gone."""
    network = Network(delay=0.01)
    a, b = network.host(CLIENT), network.host(SERVER)
    listener = b.table.listen(7000)
    opened = a.table.open_active(b.path, 7000, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=1.0)
    accepted = listener.accepted.popleft()
    opened.shutdown(network.clock.now)
    a.table.touch(opened)
    assert network.run_until(lambda: accepted.fin_received, limit=1.0)
    del network.nodes[CLIENT]
    accepted.send(data)
    accepted.close(network.clock.now)
    b.table.touch(accepted)
    network.step()
    assert accepted.state is State.LAST_ACK
    return network, b, accepted


def quote(connection: Connection, ahead: int = 0) -> bytes:
    """Return what an ICMP error quotes of the segment *ahead* of SND.UNA."""
    snd_nxt = connection.time_wait_facts[0]
    seq = snd_nxt - connection.unacked_octets + ahead
    return pack_segment(connection.ports, seq & 0xFFFF_FFFF, 0, 0x11, 0, b"")


@pytest.mark.parametrize(("data", "error"), [(b"", None), (b"lost", ConnectionResetError)])
def test_ICMP_4_a_closed_port_ends_last_ack(data: bytes, error: type[OSError] | None) -> None:
    """Nobody is left to acknowledge; an error only if octets of ours are lost with the peer."""
    network, node, connection = in_last_ack(data)
    node.table.handle_icmp(errno.ECONNREFUSED, quote(connection), (CLIENT, ""), network.clock.now)
    assert connection.state is State.CLOSED
    assert connection.error is None if error is None else isinstance(connection.error, error)


@pytest.mark.parametrize("forged", ["too far", "no quote", "another error"])
def test_ICMP_2_what_could_be_forged_ends_nothing(forged: str) -> None:
    """SHLD-26, MUST-56: a number that is not in flight, no number at all, a soft error."""
    network, node, connection = in_last_ack(b"data")
    code = errno.EHOSTUNREACH if forged == "another error" else errno.ECONNREFUSED
    text = {"too far": quote(connection, 10_000), "no quote": b""}.get(forged, quote(connection))
    node.table.handle_icmp(code, text, (CLIENT, ""), network.clock.now)
    assert connection.state is State.LAST_ACK
    assert connection.error is None


def test_UDP_19_each_connection_hears_of_a_refused_send() -> None:
    """Datagrams of several connections may have been refused together, and one of nobody."""
    network = Network(delay=0.01)
    a, b = network.host(CLIENT), network.host(SERVER)
    listener = b.table.listen(7000)
    opened = [a.table.open_active(b.path, 7000, 0.0) for _ in range(4)]
    assert network.run_until(lambda: len(listener.accepted) == 4, limit=1.0)
    network.run_until(lambda: False, limit=0.2)
    runs = []
    for connection in opened[:3]:
        connection.send(b"data")
        a.table.touch(connection)
        transmit = a.table.poll_transmit(network.clock.now, 64)
        assert transmit is not None
        runs.append(transmit)
    opened[2].abort(network.clock.now)
    assert a.table.poll_transmit(network.clock.now, 64) is not None
    assert a.table.poll_transmit(network.clock.now, 64) is None
    buffers = [buffer for transmit in runs for buffer in transmit.buffers]
    together = Transmit(runs[0].path, buffers, runs[0].total, 3 * runs[0].total)
    a.table.poll_events()
    a.table.handle_send_error(errno.EPERM, together, network.clock.now)
    assert [connection.soft_error is not None for connection in opened] == [
        True,
        True,
        False,
        False,
    ]
    assert list(a.table.poll_events()) == opened[:2]
    assert a.table.counters[Count.SEND_DROPPED] == 3
