"""Runs that leave together: one decision, one entry in the books, and a datagram's worth each."""

import errno

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import Transmit
from rudp.core.segment.wire import FIN, PSH, RST
from rudp.core.send.train import TRAIN_RUNS
from rudp.core.terms.counters import Count
from rudp.core.terms.state import State
from rudp.core.watch.recorder import SENT
from rudp.sim.network import Network, Node

CLIENT = ("10.0.0.1", 4000)
SERVER = ("10.0.0.2", 7000)
CONFIG = Config(
    pacing=False,
    slow_start_after_idle=False,
    receive_buffer=1 << 20,
    mtu_discovery=False,
    mss=1180,
)
RUN = 40 * 1168
"""Octets of data in the runs that are asked for here."""


class Pair:
    """A client whose window has grown wide, and its server."""

    def __init__(self) -> None:
        self.network = Network(delay=0.01)
        self.a: Node[ConnectionTable] = self.network.host(CLIENT, CONFIG)
        self.b: Node[ConnectionTable] = self.network.host(SERVER, CONFIG)
        listener = self.b.table.listen(7000)
        self.connection = self.a.table.open_active(self.b.path, 7000, 0.0)
        assert self.network.run_until(lambda: bool(listener.accepted), limit=1.0)
        self.server: Connection = listener.accepted.popleft()
        assert self.connection.mss == 1168
        self.send(600_000)
        assert self.read(600_000) == 600_000
        self.network.run_until(lambda: False, limit=0.5)
        assert self.connection.unacked_octets == 0

    @property
    def now(self) -> float:
        return self.network.clock.now

    def send(self, octets: int) -> None:
        self.connection.send(bytes(octets))
        self.a.table.touch(self.connection)

    def read(self, octets: int) -> int:
        """Return how many of *octets* the server has got in the end."""
        got = 0

        def done() -> bool:
            nonlocal got
            got += len(self.server.receive())
            return got >= octets

        self.network.run_until(done, limit=30.0)
        return got

    def poll(self) -> Transmit | None:
        return self.a.table.poll_transmit(self.now, 40)


def flags_of(transmit: Transmit) -> list[int]:
    return [datagram[13] for datagram in transmit.datagrams()]


def seq_of(transmit: Transmit) -> int:
    return int.from_bytes(transmit.buffers[0][4:8], "big")


def test_a_train_is_as_many_runs_as_it_would_be_one_by_one() -> None:
    """MUST-61, W-12: their numbers follow on, only the last data has PSH, and the FIN is alone."""
    pair = Pair()
    pair.send(2 * RUN + 5000)
    pair.connection.shutdown(pair.now)
    nxt = pair.connection.unacked_octets
    runs = [pair.poll()]
    assert pair.connection.unacked_octets == nxt + 2 * RUN + 5001, "all of it is noted at once"
    runs += [pair.poll(), pair.poll(), pair.poll()]
    assert pair.poll() is None
    sent = [run for run in runs if run is not None]
    assert [(run.total, run.size) for run in sent] == [
        (40 * 1200, 1200),
        (40 * 1200, 1200),
        (5 * 32 + 5000, 1200),
        (32, 32),
    ]
    first = seq_of(sent[0])
    assert [(seq_of(run) - first) & 0xFFFF_FFFF for run in sent] == [
        *(0, RUN, 2 * RUN),
        2 * RUN + 5000,
    ]
    flags = [each for run in sent for each in flags_of(run)]
    assert not any(each & (PSH | FIN) for each in flags[:-2])
    assert [each & (PSH | FIN) for each in flags[-2:]] == [PSH, FIN]


def test_a_train_has_an_end() -> None:
    """A run more than a train may have is decided about anew."""
    pair = Pair()
    pair.send(TRAIN_RUNS * RUN + 1000)
    assert pair.poll() is not None
    assert pair.connection.unacked_octets == TRAIN_RUNS * RUN
    for _ in range(TRAIN_RUNS - 1):
        assert pair.poll() is not None
    assert pair.connection.unacked_octets == TRAIN_RUNS * RUN
    assert pair.poll() is not None
    assert pair.connection.unacked_octets == TRAIN_RUNS * RUN + 1000
    assert pair.poll() is None


def test_a_train_is_one_event() -> None:
    pair = Pair()
    pair.send(3 * RUN)
    while pair.poll() is not None:
        pass
    assert pair.connection.recorder is not None
    last = pair.connection.recorder.records()[-1]
    assert (last.kind, last.length, last.room) == (SENT, 3 * RUN, 1168)


def test_what_is_lost_of_a_train_goes_again() -> None:
    """RACK-12, SB-1: a train has one entry in the books until an acknowledgement cuts it."""
    pair = Pair()
    pair.send(3 * RUN)
    dropped = []
    while (transmit := pair.poll()) is not None:
        datagrams = transmit.datagrams()
        dropped.append(datagrams.pop(7))
        for datagram in datagrams:
            pair.network.send(datagram, pair.a.address, SERVER)
    assert len(dropped) == 3
    assert pair.read(3 * RUN) == 3 * RUN
    pair.network.run_until(lambda: False, limit=0.5)
    assert pair.connection.info().resent == 3 * 1168


def test_a_reset_comes_after_the_train() -> None:
    """ST-6, RFC 5961 §3.2: its number counts the train, and only the exact one ends a peer."""
    pair = Pair()
    pair.send(3 * RUN)
    runs = [pair.poll()]
    pair.connection.abort(pair.now)
    pair.a.table.touch(pair.connection)
    runs += [pair.poll(), pair.poll()]
    first, *_, last = [seq_of(run) for run in runs if run is not None]
    assert last - first & 0xFFFF_FFFF == 2 * RUN
    reset = pair.poll()
    assert reset is not None
    assert flags_of(reset)[0] & RST
    assert seq_of(reset) - first & 0xFFFF_FFFF == 3 * RUN
    assert pair.poll() is None


def test_a_reset_of_the_peer_ends_a_train() -> None:
    """ST-23: nothing goes to who has let go."""
    pair = Pair()
    pair.send(3 * RUN)
    assert pair.poll() is not None
    pair.server.abort(pair.now)
    pair.b.table.touch(pair.server)
    reset = pair.b.table.poll_transmit(pair.now)
    assert reset is not None
    pair.a.table.handle_datagrams(
        b"".join(reset.buffers), reset.total, pair.connection.path, pair.now
    )
    assert pair.connection.state is State.CLOSED
    assert pair.poll() is None


def test_a_train_that_is_too_large_goes_again_as_a_whole() -> None:
    """PMTU-13: the rest of it would be refused as well."""
    pair = Pair()
    pair.send(3 * RUN)
    first = pair.poll()
    assert first is not None
    pair.a.table.handle_send_error(errno.EMSGSIZE, first, pair.now)
    assert pair.a.table.counters[Count.SEND_DROPPED] == len(first.datagrams()) > 1
    again = pair.poll()
    assert again is not None
    assert seq_of(again) == seq_of(first)
    assert again.size < first.size
