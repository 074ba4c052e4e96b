"""Ports for active opens: any of 1024 to 65535, in constant time, taken over from TIME-WAIT."""

import random

import pytest

from rudp.config import Config
from rudp.core.demux import ports
from rudp.core.demux.ports import COUNT, LOWEST, LocalPorts
from rudp.core.demux.table import ConnectionTable
from rudp.core.demux.timewait import TimeWaitQueue, TimeWaitRecord
from rudp.core.segment import options
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import ACK, FIN, SYN, pack_segment, read_segment, swap_ports
from rudp.core.terms.counters import Counters
from rudp.core.terms.state import State

PEER: Path = (("192.0.2.1", 4000), "198.51.100.7")
OTHER: Path = (("192.0.2.2", 4000), "198.51.100.7")


def numbers(port: int) -> int:
    return port << 16 | 80


def full(seed: int = 1) -> LocalPorts:
    """Return ports that are all taken towards PEER."""
    made = LocalPorts(random.Random(seed))
    for _ in range(COUNT):
        port = made.free(PEER, 80)
        assert port is not None
        made.taken(PEER, numbers(port), 0.0)
    return made


def test_ISN_5_all_ports_that_are_not_reserved() -> None:
    made = full()
    assert made.free(PEER, 80) is None
    assert made.free(OTHER, 80) is not None
    assert made.free(PEER, 81) is not None
    for port in (1024, 65_535, 30_000):
        made.freed(PEER, numbers(port))
        assert made.free(PEER, 80) == port
        made.taken(PEER, numbers(port), 0.0)
    assert made.free(PEER, 80) is None


def test_a_port_is_found_without_a_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6056 §3.3: the work for an open does not grow with the ports in use."""
    table = ConnectionTable(Config(), secret=bytes(32), chance=random.Random(2))
    looks = 0
    find = TimeWaitQueue.find

    def counted(self: TimeWaitQueue, path: Path, numbers: int) -> TimeWaitRecord | None:
        nonlocal looks
        looks += 1
        return find(self, path, numbers)

    monkeypatch.setattr(TimeWaitQueue, "find", counted)
    for port in range(LOWEST, 65_536 - 5):
        table._ports.taken(PEER, numbers(port), 0.0)
    for _ in range(5):
        assert table.open_active(PEER, 80, 0.0).ports >> 16 >= 65_531
    assert looks <= 5 * 2
    with pytest.raises(OSError, match="no free port"):
        table.open_active(PEER, 80, 0.0)


def test_what_was_used_towards_a_peer_is_forgotten() -> None:
    """BUF-6: a map of 64 KB for each peer that has connections, or had some in the last 2 MSL."""
    made = LocalPorts(random.Random(3))
    for n in range(100):
        path: Path = ((f"192.0.2.{n}", 4000), "")
        made.taken(path, numbers(5000), 0.0)
        made.freed(path, numbers(5000))
        assert not made._maps
    for n in range(100):
        path = ((f"192.0.2.{n}", 4000), "")
        made.taken(path, numbers(5000), n * 10.0)
        made.rests(path, numbers(5000), n * 10.0 + 240.0)
    assert len(made._maps) <= 26


def test_resting_ports_are_offered_from_a_random_one_on() -> None:
    made = full()
    assert list(made.resting(PEER, 80)) == []
    assert list(made.resting(OTHER, 80)) == []
    rested = range(20_000, 20_000 + 2 * ports.RESTED_TRIES)
    for port in rested:
        made.rests(PEER, numbers(port), 240.0)
    offered = list(made.resting(PEER, 80))
    assert len(offered) == ports.RESTED_TRIES
    assert set(offered) <= set(rested)


def time_wait(table: ConnectionTable, *, timestamps: bool) -> int:
    """Open a connection of ours and close it first; return its ports, in TIME-WAIT now."""
    config = Config(timestamps=timestamps)
    connection = table.open_active(PEER, 80, 0.0, config=config)
    syn = table.poll_transmit(0.0)
    assert syn is not None
    sent = read_segment(memoryview(b"".join(syn.buffers)), Counters())
    assert sent is not None
    there = swap_ports(connection.ports)
    opts = b"" if not timestamps else options.encode((7, sent.options.tsval or 0))
    nxt = (sent.seq + 1) & 0xFFFF_FFFF
    answer = pack_segment(there, 100, nxt, SYN | ACK, 1000, opts)
    table.handle_datagrams(answer, len(answer), PEER, 0.0)
    connection.close(0.0)
    table.touch(connection)
    while table.poll_transmit(0.0) is not None:
        pass
    fin = pack_segment(there, 101, (nxt + 1) & 0xFFFF_FFFF, FIN | ACK, 1000, opts)
    table.handle_datagrams(fin, len(fin), PEER, 0.0)
    while table.poll_transmit(0.0) is not None:
        pass
    assert table.time_wait_records == 1
    return connection.ports


@pytest.mark.parametrize("timestamps", [True, False])
def test_TW_7_a_port_in_time_wait_is_taken_over_when_none_is_free(timestamps: bool) -> None:
    """RFC 6191: a second after it began, with numbers above those of the old connection."""
    table = ConnectionTable(Config(), secret=bytes(32), chance=random.Random(4))
    old = time_wait(table, timestamps=timestamps)
    record = table._time_wait.find(PEER, old)
    assert record is not None
    for port in range(LOWEST, 65_536):
        if port != old >> 16:
            table._ports.taken(PEER, numbers(port), 0.0)
    with pytest.raises(OSError, match="no free port"):
        table.open_active(PEER, 80, 0.9)
    opened = table.open_active(PEER, 80, 1.1)
    assert opened.ports == old
    assert opened.state is State.SYN_SENT
    assert table.time_wait_records == 0
    assert 0 < (opened.initial_numbers[0] - record.snd_nxt) % (1 << 32) < 1 << 31


def test_a_port_whose_time_wait_is_over_is_free() -> None:
    table = ConnectionTable(Config(), secret=bytes(32), chance=random.Random(5))
    old = time_wait(table, timestamps=True)
    table.handle_timeouts(241.0)
    assert table.time_wait_records == 0
    for port in range(LOWEST, 65_536):
        if port != old >> 16:
            table._ports.taken(PEER, numbers(port), 0.0)
    assert table.open_active(PEER, 80, 241.0).ports == old


def test_a_port_that_the_peer_holds_is_passed_over() -> None:
    """A connection that was opened from there, to the same two ports: nobody could tell them."""
    table = ConnectionTable(Config(), secret=bytes(32), chance=random.Random(6))
    table.listen(5000)
    syn = pack_segment(80 << 16 | 5000, 100, 0, SYN, 1000, b"")
    table.handle_datagrams(syn, len(syn), PEER, 0.0)
    assert table.connections == 1
    for port in range(LOWEST, 65_535):
        if port != 5000:
            table._ports.taken(PEER, numbers(port), 0.0)
    assert table.open_active(PEER, 80, 0.0).ports >> 16 == 65_535
    with pytest.raises(OSError, match="no free port"):
        table.open_active(PEER, 80, 0.0)
