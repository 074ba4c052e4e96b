"""The paths through the state diagram with a real table at both ends, and any datagram lost.

Each path is walked once undisturbed and then once for every datagram of that walk, which is lost.
"""

from collections.abc import Callable

import pytest

from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.terms.state import State
from rudp.sim.network import Network, Node

A = ("10.0.0.1", 4000)
B = ("10.0.0.2", 4000)
PORT = 80
LIMIT = 200.0  # seconds: several time-outs, less than R2


class Ends:
    """Two tables, a link of 50 ms each way, and the number of the datagram that is lost."""

    def __init__(self, lost: int) -> None:
        self.network = Network(delay=0.05, drop=self._drop)
        self.a: Node[ConnectionTable] = self.network.host(A)
        self.b: Node[ConnectionTable] = self.network.host(B)
        self.lost = lost
        self.datagrams = 0

    def _drop(self, data: bytes, now: float) -> bool:
        self.datagrams += 1
        return self.datagrams - 1 == self.lost

    @property
    def now(self) -> float:
        return self.network.clock.now

    def until(self, predicate: Callable[[], object]) -> None:
        assert self.network.run_until(predicate, LIMIT)

    def until_closed(self, connection: Connection) -> None:
        self.until(lambda: connection.state is State.CLOSED)

    def open(self) -> tuple[Connection, Connection]:
        """Open from A to a listener at B; return A's connection and B's."""
        listener = self.b.table.listen(PORT)
        a = self.a.table.open_active(self.b.path, PORT, self.now)
        self.until(lambda: listener.accepted and a.state is State.ESTABLISHED)
        return a, listener.accepted.popleft()

    def cross(self) -> tuple[Connection, Connection]:
        """Open from both sides at once."""
        a = self.a.table.open_active(self.b.path, PORT, self.now, local_port=PORT)
        b = self.b.table.open_active(self.a.path, PORT, self.now, local_port=PORT)
        self.until(lambda: a.state is b.state is State.ESTABLISHED)
        return a, b

    def send(self, sender: Connection, receiver: Connection, data: bytes) -> None:
        """Send *data*, and read it at the other end."""
        sender.send(data)
        self.touch(sender, receiver)
        self.until(lambda: receiver.readable_octets >= len(data))
        assert receiver.receive() == data
        self.touch(sender, receiver)

    def touch(self, *connections: Connection) -> None:
        for connection in connections:
            node = self.a if connection.path[0] == B else self.b
            node.table.touch(connection)

    def shutdown(self, *connections: Connection) -> None:
        for connection in connections:
            connection.shutdown(self.now)
        self.touch(*connections)

    def end(self, time_wait_a: bool, time_wait_b: bool) -> None:
        """Wait until only TIME-WAIT is left, and then until nothing is."""
        a, b = self.a.table, self.b.table
        self.until(lambda: not (a.connections or b.connections))
        assert a.time_wait_records == time_wait_a
        assert b.time_wait_records == time_wait_b
        self.network.run_until(lambda: False, 250.0)
        assert a.time_wait_records == b.time_wait_records == 0


def three_way(ends: Ends) -> None:
    """ST-2, ST-12, ST-17; normal close: ST-5, ST-30, ST-34."""
    a, b = ends.open()
    ends.send(a, b, b"question")
    ends.send(b, a, b"answer")
    ends.shutdown(a)
    ends.until(lambda: b.fin_received)
    ends.shutdown(b)
    ends.end(True, False)
    assert a.error is b.error is None


def simultaneous(ends: Ends) -> None:
    """MUST-10, TRAP-2, then a simultaneous close."""
    a, b = ends.cross()
    ends.send(a, b, b"from a")
    ends.send(b, a, b"from b")
    ends.network.run_until(lambda: not (a.unacked_octets or b.unacked_octets), LIMIT)
    ends.shutdown(a, b)
    ends.until(lambda: not (ends.a.table.connections or ends.b.table.connections))
    assert a.error is b.error is None
    assert ends.a.table.time_wait_records + ends.b.table.time_wait_records >= 1


def half_close_by_the_opener(ends: Ends) -> None:
    """TRAP-3: A is done at once and B talks on."""
    a, b = ends.open()
    _half_close(ends, a, b)
    ends.end(True, False)


def half_close_by_the_other(ends: Ends) -> None:
    """TRAP-3: the other way round."""
    a, b = ends.open()
    _half_close(ends, b, a)
    ends.end(False, True)


def _half_close(ends: Ends, first: Connection, second: Connection) -> None:
    first.send(b"request")
    ends.shutdown(first)
    ends.until(lambda: second.fin_received)
    assert second.receive() == b"request"
    for _ in range(3):
        ends.send(second, first, bytes(3000))
    ends.shutdown(second)


def aborted(ends: Ends) -> None:
    """ST-6, ST-23, MUST-12: a RST that is lost is made good by the answer to what comes next."""
    a, b = ends.open()
    ends.send(a, b, b"x")
    a.abort(ends.now)
    ends.touch(a)
    ends.network.run_until(lambda: b.state is State.CLOSED, 1.0)
    if b.state is not State.CLOSED:
        b.send(b"anybody there?")
        ends.touch(b)
        ends.until(lambda: b.state is State.CLOSED)
    assert isinstance(b.error, ConnectionResetError)
    ends.end(False, False)


WALKS = [
    three_way,
    simultaneous,
    half_close_by_the_opener,
    half_close_by_the_other,
    aborted,
]


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.__name__)
def test_UDP_6_every_path_with_any_datagram_lost(walk: Callable[[Ends], None]) -> None:
    """ST-40, MUST-10, MUST-12, TRAP-2, TRAP-3."""
    undisturbed = Ends(-1)
    walk(undisturbed)
    for lost in range(undisturbed.datagrams):
        walk(Ends(lost))


def test_MUST_10_simultaneous_open_takes_two_segments_of_each_side() -> None:
    """RFC 9293 figure 7, TRAP-2: SYN and SYN,ACK, and nothing more."""
    ends = Ends(-1)
    ends.cross()
    assert ends.datagrams == 4


def test_half_open_connection_RFC_9293_figures_9_and_10() -> None:
    """ST-9, ST-25: B crashes; A hears of it when either side speaks."""
    for b_opens in (True, False):
        ends = Ends(-1)
        a, b = ends.cross()
        ends.network.run_until(lambda: False, 1.0)
        fresh = Network(seed="fresh").host(B).table
        ends.b.table = fresh
        if b_opens:
            again = fresh.open_active(ends.a.path, PORT, ends.now, local_port=PORT)
            ends.until_closed(a)
            ends.until_closed(again)  # nobody listens
            assert isinstance(again.error, ConnectionRefusedError)
        else:
            a.send(b"are you there?")
            ends.touch(a)
            ends.until_closed(a)
        assert isinstance(a.error, ConnectionResetError)
        assert b.state is State.ESTABLISHED  # in a table that is gone


def test_old_duplicate_SYN_RFC_9293_figure_8() -> None:
    """An old SYN arrives before the new one; both sides find out and the new open works."""
    ends = Ends(-1)
    listener = ends.b.table.listen(PORT)
    a = ends.a.table.open_active(ends.b.path, PORT, ends.now, local_port=PORT)
    old = bytes.fromhex("00500050 00000005 00000000 5002ffff 00000000")
    ends.network.send(old, A, B)
    ends.until(lambda: a.state is State.ESTABLISHED)
    ends.until(lambda: listener.accepted)
    ends.send(a, listener.accepted.popleft(), b"data")


def test_UDP_25_stale_ends_do_not_talk_for_ever() -> None:
    """TW-2: two ends whose numbers do not fit exchange a few segments, not more."""
    ends = Ends(-1)
    a, _ = ends.cross()
    other = Ends(-1)
    other.network.run_until(lambda: False, 5.0)
    other.cross()
    ends.b.table = other.b.table  # the same ports, other numbers
    before = ends.datagrams
    a.send(b"x")
    ends.touch(a)
    ends.network.run_until(lambda: False, 100.0)
    assert ends.datagrams - before < 60


def test_MUST_37_a_reader_that_pauses_for_hours() -> None:
    """MAY-8, ZWP-3, BUF-5, TRAP-4: everything arrives in the end."""
    ends = Ends(-1)
    a, b = ends.open()
    data = bytes(range(256)) * 4096
    a.send(data)
    ends.touch(a)
    ends.network.run_until(lambda: False, 4 * 3600.0)
    assert a.state is b.state is State.ESTABLISHED
    read = bytearray()

    def all_read() -> bool:
        read.extend(b.receive())
        ends.touch(b)
        return len(read) == len(data)

    ends.until(all_read)
    assert read == data
