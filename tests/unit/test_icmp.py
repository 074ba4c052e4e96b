"""What errors do: ICMP to a connection whose FIN waits for its ACK, refused sends to several."""

import errno
import random

import pytest

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import Path, Transmit
from rudp.core.segment.wire import pack_segment
from rudp.core.terms.counters import Count
from rudp.core.terms.state import State
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
    if connection.state in (State.SYN_SENT, State.SYN_RECEIVED):
        seq = connection.initial_numbers[0] + ahead
    else:
        seq = connection.time_wait_facts[0] - connection.unacked_octets + ahead
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


def opening(count: int, path: Path = (SERVER, "")) -> tuple[ConnectionTable, list[Connection]]:
    """Return a table with *count* opens whose SYNs have left."""
    table = ConnectionTable(Config(), secret=bytes(32), chance=random.Random(1))
    opens = [table.open_active(path, 7000, 0.0) for _ in range(count)]
    while table.poll_transmit(0.0) is not None:
        pass
    return table, opens


HARD = {
    "ECONNREFUSED": ConnectionRefusedError,
    "EHOSTUNREACH": OSError,
    "ENETUNREACH": OSError,
    "ENOPROTOOPT": OSError,
    "EACCES": PermissionError,
    "EHOSTDOWN": OSError,
    "ENONET": OSError,
}
"""What Linux makes of ICMP's codes for unreachable (icmp_err_convert), IPv6's EACCES included."""


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("name", HARD)
def test_ICMP_3_ICMP_4_whatever_is_unreachable_ends_an_open(name: str, quoted: bool) -> None:
    """RFC 5461 §4.1: nothing has come yet, and the next address of a name may do better."""
    table, (connection,) = opening(1)
    code = getattr(errno, name)
    table.handle_icmp(code, quote(connection) if quoted else b"", (SERVER, ""), 0.1)
    assert connection.state is State.CLOSED
    assert type(connection.error) is HARD[name]
    assert connection.error.errno == code


@pytest.mark.parametrize("name", [*HARD, "EMSGSIZE"])
def test_ICMP_2_a_quote_that_does_not_fit_ends_no_open(name: str) -> None:
    """RFC 5927 §4: the number is that of the SYN, one in 2**32."""
    table, (connection,) = opening(1)
    for wrong in (-1, 1, 1 << 31):
        table.handle_icmp(getattr(errno, name), quote(connection, wrong), (SERVER, ""), 0.1)
    assert connection.state is State.SYN_SENT
    assert connection.soft_error is None
    assert table.counters[Count.ICMP_IGNORED] == 3


@pytest.mark.parametrize("name", ["ECONNREFUSED", "EHOSTUNREACH"])
def test_ICMP_4_one_error_speaks_for_all_opens_to_an_address(name: str) -> None:
    """A batch that left in one system call is quoted by its first datagram alone.

    An open whose SYN has not left yet would meet the same; opens to elsewhere and connections that
    are open are not meant.
    """
    network = Network(delay=0.01)
    a, b = network.host(CLIENT), network.host(SERVER)
    b.table.listen(7000)
    live = a.table.open_active(b.path, 7000, 0.0)
    assert network.run_until(lambda: live.state is State.ESTABLISHED, limit=1.0)
    now = network.clock.now
    elsewhere = a.table.open_active((("10.0.0.3", 7000), ""), 7000, now)
    opens = [a.table.open_active(b.path, 80, now) for _ in range(20)]
    while a.table.poll_transmit(now) is not None:
        pass
    opens.append(a.table.open_active(b.path, 80, now))
    list(a.table.poll_events())
    a.table.handle_icmp(getattr(errno, name), quote(opens[0]), b.path, now)
    assert {connection.state for connection in opens} == {State.CLOSED}
    assert {type(connection.error) for connection in opens} == {HARD[name]}
    assert set(opens) <= set(a.table.poll_events())
    assert live.state is State.ESTABLISHED
    assert elsewhere.state is State.SYN_SENT
    assert not a.table.poll_transmit(now)


@pytest.mark.parametrize("name", ["ECONNREFUSED", "EHOSTUNREACH"])
def test_ICMP_2_a_forged_error_speaks_for_nobody(name: str) -> None:
    table, opens = opening(20)
    for connection in opens:
        for wrong in (-1, 1, 1000):
            table.handle_icmp(getattr(errno, name), quote(connection, wrong), (SERVER, ""), 0.1)
    assert {connection.state for connection in opens} == {State.SYN_SENT}


def test_a_firewall_of_our_own_does_not_end_an_open() -> None:
    """EPERM: the SYN goes again, as Linux has it, and the time-out says what stood in the way."""
    table = ConnectionTable(Config(syn_retries=1), secret=bytes(32), chance=random.Random(1))
    connection = table.open_active((SERVER, ""), 7000, 0.0)
    for now in (0.0, 1.0):
        table.handle_timeouts(now)
        syn = table.poll_transmit(now)
        assert syn is not None
        table.handle_send_error(errno.EPERM, syn, now)
        assert connection.state is State.SYN_SENT
        assert table.poll_transmit(now) is None
    table.handle_timeouts(3.0)
    assert isinstance(connection.error, TimeoutError)
    assert isinstance(connection.error.__cause__, PermissionError)


def test_no_route_for_the_first_syn_ends_an_open_and_later_it_is_lost() -> None:
    """As connect() fails at once, and a kernel's retransmission waits for the route to return."""
    for first in (True, False):
        table = ConnectionTable(Config(syn_retries=1), secret=bytes(32), chance=random.Random(1))
        connection = table.open_active((SERVER, ""), 7000, 0.0)
        syn = table.poll_transmit(0.0)
        now = 0.0
        if not first:
            assert table.poll_transmit(0.0) is None
            now = 1.0
            table.handle_timeouts(now)
            syn = table.poll_transmit(now)
        assert syn is not None
        table.handle_send_error(errno.ENETUNREACH, syn, now)
        assert (connection.state is State.CLOSED) is first
        if not first:
            table.poll_transmit(now)
            table.handle_timeouts(3.0)
            assert isinstance(connection.error, TimeoutError)
        assert connection.error is not None
        told = connection.error if first else connection.error.__cause__
        assert isinstance(told, OSError)
        assert told.errno == errno.ENETUNREACH


@pytest.mark.parametrize("heard", [False, True])
def test_FAIL_2_a_time_out_names_what_stood_in_the_way(heard: bool) -> None:
    """MUST-47: the last soft error, unless the peer was heard since."""
    network = Network(delay=0.01)
    a, b = network.host(CLIENT, Config(user_timeout=10.0)), network.host(SERVER)
    listener = b.table.listen(7000)
    opened = a.table.open_active(b.path, 7000, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=1.0)
    opened.send(b"lost")
    network.link(CLIENT[0], SERVER[0], loss=1.0)
    a.table.touch(opened)
    network.run_until(lambda: False, limit=0.5)
    a.table.handle_icmp(errno.EHOSTUNREACH, quote(opened), b.path, network.clock.now)
    assert opened.soft_error is not None
    if heard:
        accepted = listener.accepted.popleft()
        accepted.send(b"word")
        b.table.touch(accepted)
    assert network.run_until(lambda: opened.state is State.CLOSED, limit=30.0)
    assert isinstance(opened.error, TimeoutError)
    assert (opened.error.__cause__ is None) is heard


def test_ICMP_4_a_half_open_child_is_dropped_whatever_is_unreachable() -> None:
    network = Network(delay=0.01)
    a, b = network.host(CLIENT), network.host(SERVER)
    b.table.listen(7000)
    a.table.open_active(b.path, 7000, 0.0)
    network.link(SERVER[0], CLIENT[0], loss=1.0)
    assert network.run_until(lambda: b.table.half_open, limit=1.0)
    (child,) = b.table._half_open
    network.run_until(lambda: False, limit=0.1)
    b.table.handle_icmp(errno.EHOSTUNREACH, quote(child), a.path, network.clock.now)
    assert not b.table.half_open


class Silenced:
    """A client with *limit* as its ``unreachable``, and data in flight to a server that is gone."""

    def __init__(self, limit: int | None) -> None:
        self.network = Network(delay=0.01)
        config = Config(unreachable=limit, user_timeout=30.0)
        self.node, self.server = self.network.host(CLIENT, config), self.network.host(SERVER)
        listener = self.server.table.listen(7000)
        self.connection = self.node.table.open_active(self.server.path, 7000, 0.0)
        assert self.network.run_until(lambda: bool(listener.accepted), limit=1.0)
        self.accepted = listener.accepted.popleft()
        self.network.link(CLIENT[0], SERVER[0], loss=1.0)
        self.connection.send(bytes(10_000))
        self.node.table.touch(self.connection)
        self.wait(0.05)

    def wait(self, seconds: float) -> None:
        self.network.run_until(lambda: False, limit=seconds)

    def refuse(self, count: int = 1, ahead: int = 0, code: int = errno.ECONNREFUSED) -> None:
        for _ in range(count):
            text = quote(self.connection, ahead)
            self.node.table.handle_icmp(code, text, self.server.path, self.network.clock.now)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_ICMP_4_refusals_in_a_row_end_a_connection_that_heeds_them(limit: int) -> None:
    """RFC 1122 4.2.3.9, as far as RFC 5927 lets it: each of them answers another flight."""
    play = Silenced(limit)
    for _ in range(limit - 1):
        play.refuse(20)  # all of one flight, told one by one
        assert play.connection.state is State.ESTABLISHED
        assert isinstance(play.connection.soft_error, ConnectionRefusedError)
        play.wait(0.3)
    play.refuse()
    assert play.connection.state is State.CLOSED
    assert isinstance(play.connection.error, ConnectionResetError)
    assert isinstance(play.connection.error.__cause__, ConnectionRefusedError)


def test_MUST_56_by_default_no_number_of_refusals_ends_a_connection() -> None:
    play = Silenced(None)
    for _ in range(20):
        play.refuse()
        play.wait(0.3)
    assert play.connection.state is State.ESTABLISHED


def test_ICMP_2_a_peer_that_is_heard_was_not_gone() -> None:
    """A segment between two of them begins the count anew: the peer itself contradicts."""
    play = Silenced(2)
    for _ in range(5):
        play.refuse()
        play.wait(0.3)
        play.accepted.send(b"still here")
        play.server.table.touch(play.accepted)
        play.wait(0.05)
    assert play.connection.error is None
    play.refuse()
    play.wait(0.3)
    play.refuse()
    assert play.connection.state is State.CLOSED


@pytest.mark.parametrize("wrong", ["number", "code", "no quote"])
def test_ICMP_2_what_could_be_forged_does_not_count(wrong: str) -> None:
    play = Silenced(1)
    for _ in range(3):
        if wrong == "number":
            play.refuse(ahead=100_000)
        elif wrong == "code":
            play.refuse(code=errno.EHOSTUNREACH)
        else:
            path = play.server.path
            play.node.table.handle_icmp(errno.ECONNREFUSED, b"", path, play.network.clock.now)
        play.wait(0.3)
    assert play.connection.state is State.ESTABLISHED


class Idle(Silenced):
    """The same after its data is acknowledged: it only waits, and asks after 25 s of silence."""

    def __init__(self, limit: int | None, count: int = 3) -> None:
        self.network = Network(delay=0.01)
        config = Config(unreachable=limit, keepalive=25.0, keepalive_count=count)
        self.node, self.server = self.network.host(CLIENT, config), self.network.host(SERVER)
        listener = self.server.table.listen(7000)
        self.connection = self.node.table.open_active(self.server.path, 7000, 0.0)
        assert self.network.run_until(lambda: bool(listener.accepted), limit=1.0)
        self.accepted = listener.accepted.popleft()
        self.wait(1.0)
        self.network.link(CLIENT[0], SERVER[0], loss=1.0)

    def die_refused(self) -> float:
        """Refuse what is sent, ten times a second; return the seconds until it has an end."""
        began = self.network.clock.now
        while self.connection.state is not State.CLOSED:
            self.refuse(ahead=-1)
            self.wait(0.1)
            assert self.network.clock.now - began < 300
        return self.network.clock.now - began


def test_KA_1_who_only_receives_hears_within_seconds_that_nobody_is_there() -> None:
    """A keep-alive probe that is refused is followed by the next one, not by silence."""
    play = Idle(3)
    assert 24 < play.die_refused() < 30
    assert isinstance(play.connection.error, ConnectionResetError)
    assert isinstance(play.connection.error.__cause__, ConnectionRefusedError)


@pytest.mark.parametrize("limit", [None, 5])
def test_KA_4_the_last_probe_has_its_whole_time(limit: int | None) -> None:
    """RFC 9293 3.8.4: as many as are to go without an answer, and not as fast as refusals come."""
    play = Idle(limit, count=1)
    assert 49 < play.die_refused() < 52
    assert isinstance(play.connection.error, TimeoutError)


def test_ICMP_2_a_probe_that_was_not_sent_is_not_refused() -> None:
    play = Idle(1)
    play.refuse(3, ahead=-1)
    assert play.connection.soft_error is None
    assert play.connection.state is State.ESTABLISHED


def test_ICMP_2_an_idle_peer_that_answers_was_not_gone() -> None:
    play = Idle(2)
    play.network.link(CLIENT[0], SERVER[0], loss=0.0)
    for _ in range(1000):
        play.refuse(ahead=-1)
        play.wait(0.1)
    assert play.connection.state is State.ESTABLISHED
