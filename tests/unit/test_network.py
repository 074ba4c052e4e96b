"""Tables joined by links: who is asked what, in which order, and when."""

import doctest
import math

import pytest

from rudp.core.segment.transmit import Path, Transmit
from rudp.sim import Network, network

A = ("10.0.0.1", 1)
B = ("10.0.0.2", 2)


class Peer:
    """A scripted table: it sends what is in its outbox and keeps what it is told, with the time."""

    def __init__(self) -> None:
        self.outbox: list[Transmit] = []
        self.log: list[tuple[str, float]] = []
        self.batches: list[tuple[bytes, int, Path]] = []
        self.next_deadline = math.inf
        self.deadlines: list[float] = []
        self.answer_to: Path | None = None

    def say(self, path: Path, *datagrams: bytes) -> None:
        total = sum(map(len, datagrams))
        self.outbox.append(Transmit(path, list(datagrams), len(datagrams[0]), total))

    def handle_datagrams(
        self, data: bytes, stride: int, path: Path, now: float, ecn: int, /
    ) -> None:
        self.log.append(("datagrams", now))
        self.batches.append((data, stride, path))
        if self.answer_to is not None:
            self.say(self.answer_to, data)

    def handle_timeouts(self, now: float, /) -> None:
        self.log.append(("timeouts", now))
        self.next_deadline = self.deadlines.pop(0) if self.deadlines else math.inf

    def poll_transmit(self, now: float, /) -> Transmit | None:
        if not self.outbox:
            return None
        self.log.append(("transmit", now))
        return self.outbox.pop(0)


def two(**options: float) -> tuple[Network, Peer, Peer]:
    network = Network(**options)  # type: ignore[arg-type]
    return network, network.attach(A, Peer()).table, network.attach(B, Peer()).table


def test_examples() -> None:
    assert doctest.testmod(network).failed == 0


def test_a_run_travels_and_arrives_as_one_batch() -> None:
    network, a, b = two(delay=0.5)
    a.say((B, ""), b"1111", b"2222", b"33")
    assert network.step()
    assert b.batches == [(b"1111222233", 4, (A, ""))]
    assert b.log == [("datagrams", 0.5)]
    assert not network.step()
    assert network.clock.now == 0.5


def test_batches_end_at_a_change_of_size_or_sender() -> None:
    network, a, b = two()
    c = network.attach(("10.0.0.3", 3), Peer()).table
    a.say((B, ""), b"aa", b"b")
    a.say((B, ""), b"cc")
    a.say((B, ""), b"dddd")
    a.say((B, ""), b"")
    c.say((B, ""), b"eeee")
    assert network.step()
    assert [(data, stride, path[0]) for data, stride, path in b.batches] == [
        (b"aab", 2, A),
        (b"cc", 2, A),
        (b"dddd", 4, A),
        (b"", 0, A),
        (b"eeee", 4, ("10.0.0.3", 3)),
    ]


def test_a_batch_is_no_longer_than_one_read() -> None:
    network, a, b = two()
    a.say((B, ""), *[b"x"] * 100)
    a.say((B, ""), *[bytes(1400)] * 50)
    network.step()
    assert [len(data) for data, _, _ in b.batches] == [64, 36, 46 * 1400, 4 * 1400]


def test_all_that_arrives_in_an_instant_comes_before_the_answers() -> None:
    network, a, b = two(delay=0.25)
    b.answer_to = (A, "")
    for number in range(3):
        a.say((B, ""), bytes(number + 1))
    network.step()
    assert [what for what, _ in b.log] == ["datagrams"] * 3 + ["transmit"] * 3
    network.step()
    assert a.log[-3:] == [("datagrams", 0.5)] * 3


def test_deadlines_ring_once_and_a_later_one_is_found_then() -> None:
    network, a, _ = two()
    a.next_deadline = 1.0
    a.deadlines = [3.0, 2.5]
    network.run_until(lambda: False, limit=0.5)
    a.next_deadline = 2.0  # moved on before it rang
    network.run_until(lambda: False, limit=9.5)
    assert a.log == [("timeouts", 2.0), ("timeouts", 3.0), ("timeouts", 3.0)]
    assert network.clock.now == 10.0


def test_an_earlier_deadline_rings_earlier() -> None:
    network, a, _ = two()
    a.next_deadline = 5.0
    network.run_until(lambda: False, limit=1.0)
    a.next_deadline = 2.0
    a.deadlines = [5.0]
    network.run_until(lambda: False, limit=9.0)
    assert a.log == [("timeouts", 2.0), ("timeouts", 5.0)]


def test_run_until_says_whether_it_came_to_pass() -> None:
    network, a, b = two(delay=1.0)
    assert network.run_until(lambda: True, limit=0.0)
    assert not network.run_until(lambda: b.batches, limit=2.0)
    assert network.clock.now == 2.0
    a.say((B, ""), b"x")
    assert not network.run_until(lambda: b.batches, limit=0.5)
    assert network.clock.now == 2.5
    assert network.run_until(lambda: b.batches, limit=10.0)
    assert network.clock.now == 3.0


def test_time_that_stands_still_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rudp.sim.network.STEPS_MAX", 1000)
    network, a, _ = two()
    a.next_deadline = 0.0
    a.deadlines = [0.0] * 2000
    with pytest.raises(RuntimeError, match="it is still"):
        network.run_until(lambda: False, limit=1.0)


def test_datagrams_can_be_forged_and_lost_and_go_nowhere() -> None:
    network, _, b = two(delay=0.5)
    seen: list[tuple[str, float]] = []
    network.taps.append(lambda what, when, data, source, to: seen.append((what, when)))
    network.send(b"forged", ("192.0.2.66", 6), B)
    network.send(b"nobody", A, ("10.0.0.9", 9))
    network.link("10.0.0.1", "10.0.0.2", loss=1.0)
    network.send(b"lost", A, B)
    assert network.step()
    assert b.batches == [(b"forged", 6, (("192.0.2.66", 6), ""))]
    sent = [("sent", 0.0), ("sent", 0.0), ("sent", 0.0), ("lost", 0.0)]
    assert seen == [*sent, ("delivered", 0.5), ("refused", 0.5)]


def test_an_address_is_taken_once() -> None:
    network, _, _ = two()
    with pytest.raises(ValueError, match="already"):
        network.attach(A, Peer())
    with pytest.raises(ValueError):
        Network(loss=2.0)


def test_two_real_tables_talk_over_a_bad_path() -> None:
    network = Network(seed=5, delay=0.02, loss=0.05, reorder=0.05, duplicate=0.02, corrupt=0.05)
    server, client = network.host(B), network.host(A)
    listener = server.table.listen(80)
    ours = client.table.open_active(server.path, 80, network.clock.now)
    assert network.run_until(lambda: listener.accepted, limit=60.0)
    theirs = listener.accepted.popleft()
    data = bytes(range(256)) * 2000
    received = bytearray()
    ours.send(data)
    client.table.touch(ours)

    def all_there() -> bool:
        received.extend(theirs.receive())
        server.table.touch(theirs)
        return len(received) >= len(data)

    assert network.run_until(all_there, limit=600.0)
    assert received == data
    link = network.link(A[0], B[0])
    assert link.lost > 0
    assert link.corrupted > 0
