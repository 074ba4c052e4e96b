"""Two tables, a hostile link, and any order of user calls: nothing breaks and everything ends.

Hypothesis opens connections (also both sides at once), writes, reads, stops reading, half-closes,
closes and aborts, and lets time pass, in any order.  After each step the invariants hold; at the
end the link heals, both sides close, and within bounded virtual time nothing is left but
TIME-WAIT records, which expire.
"""

import dataclasses
import os
import random

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from rudp.config import Config
from rudp.core.demux.listener import Listener
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import Transmit
from rudp.core.segment.wire import Run
from rudp.core.terms.state import MOVES, Cause, State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Tracer, Watched
from rudp.sim.network import Network, Node

ADDRESSES = (("10.0.0.1", 5000), ("10.0.0.2", 5000))
PORT = 80
CONFIG = Config(
    receive_buffer=16_384,
    receive_buffer_max=49_152,
    send_buffer=65_536,
    user_timeout=None,
    fin_wait2_timeout=1000.0,
)
OPEN_MAX = 4
QUEUE_MAX = 400_000


class Watch(Tracer):
    """A tracer that holds every move against the table of moves."""

    def run_sent(self, who: Watched, transmit: Transmit, why: Why, now: float) -> None:
        assert 0 < transmit.total <= 65_507
        assert len(b"".join(transmit.buffers)) == transmit.total

    def run_received(self, who: Watched, run: Run, now: float) -> None:
        assert run.length >= 0
        assert who.blocks() is not None or who.state is not State.ESTABLISHED

    def state_moved(
        self, who: Watched, before: State, after: State, cause: Cause, now: float
    ) -> None:
        assert after in {target for (source, _), target in MOVES.items() if source is before}


@dataclasses.dataclass
class Side:
    """One end of a stream: what was written and what was read here."""

    table: ConnectionTable
    connection: Connection
    written: bytearray = dataclasses.field(default_factory=bytearray)
    read: bytearray = dataclasses.field(default_factory=bytearray)
    reading: bool = True
    cut: bool = False  # aborted or reset: what was written need not arrive
    deaf: bool = False  # closed for reading too: what comes now is answered by a RST
    peer: "Side | None" = None

    @property
    def key(self) -> tuple[int, int]:
        ports = self.connection.ports
        return ports >> 16, ports & 0xFFFF


class TwoTables(RuleBasedStateMachine):
    """The machine; a side is named by its index in ``sides``."""

    handles = Bundle("handles")

    @initialize(
        seed=st.integers(0, 2**32),
        loss=st.sampled_from([0.0, 0.05, 0.3]),
        duplicate=st.sampled_from([0.0, 0.1]),
        reorder=st.sampled_from([0.0, 0.2]),
        sack=st.booleans(),
        timestamps=st.booleans(),
        nodelay=st.booleans(),
        fast_open=st.booleans(),
    )
    def start(
        self,
        seed: int,
        loss: float,
        duplicate: float,
        reorder: float,
        sack: bool,
        timestamps: bool,
        nodelay: bool,
        fast_open: bool,
    ) -> None:
        config = dataclasses.replace(
            CONFIG, sack=sack, timestamps=timestamps, nodelay=nodelay, fast_open=fast_open
        )
        self.network = Network(
            seed=seed,
            delay=0.02,
            loss=loss,
            duplicate=duplicate,
            reorder=reorder,
            reorder_delay=0.05,
            corrupt=loss / 5,
        )
        self.nodes: list[Node[ConnectionTable]] = []
        self.listeners: list[Listener] = []
        for address in ADDRESSES:
            chance = random.Random(f"{seed} {address}")
            table = ConnectionTable(
                config, secret=chance.randbytes(32), chance=chance, tracer=Watch()
            )
            self.nodes.append(self.network.attach(address, table))
            self.listeners.append(table.listen(PORT))
        self.sides: list[Side] = []
        self.chance = random.Random(seed)

    @property
    def now(self) -> float:
        return self.network.clock.now

    # -- what a user may do ----------------------------------------------------------------------

    def new(self, node: Node[ConnectionTable], connection: Connection) -> Side:
        side = Side(node.table, connection)
        for other in self.sides:
            if other.table is not node.table and other.key == side.key[::-1] and not other.peer:
                other.peer, side.peer = side, other
        self.sides.append(side)
        return side

    @precondition(lambda self: len(self.sides) < 2 * OPEN_MAX)
    @rule(target=handles, who=st.integers(0, 1), early=st.sampled_from([0, 0, 1, 500, 5000]))
    def open(self, who: int, early: int) -> int:
        node, peer = self.nodes[who], self.nodes[1 - who]
        data = self.chance.randbytes(early)
        side = self.new(node, node.table.open_active(peer.path, PORT, self.now, early=data))
        side.written += data
        return len(self.sides) - 1

    @precondition(lambda self: not self.sides)
    @rule(target=handles)
    def open_both_at_once(self) -> int:
        """MUST-10: simultaneous open."""
        for who in (0, 1):
            node, peer = self.nodes[who], self.nodes[1 - who]
            node.table.unlisten(self.listeners[who], self.now)
            self.new(node, node.table.open_active(peer.path, 81, self.now, local_port=81))
        self.listeners = [node.table.listen(PORT) for node in self.nodes]
        return 0

    def accept(self) -> None:
        for node, listener in zip(self.nodes, self.listeners, strict=True):
            while listener.accepted:
                self.new(node, listener.accepted.popleft())

    @rule(side=handles, size=st.integers(1, 40_000))
    def write(self, side: int, size: int) -> None:
        self.do_write(self.sides[side], size)

    @rule(size=st.integers(1, 40_000))
    def write_on_the_latest(self, size: int) -> None:
        if self.sides:
            self.do_write(self.sides[-1], size)

    def do_write(self, side: Side, size: int) -> None:
        connection = side.connection
        if connection.is_closing or connection.state is State.CLOSED:
            return
        if connection.unsent_octets > QUEUE_MAX:
            return
        if side.peer is not None and side.peer.deaf:
            side.cut = True
        data = self.chance.randbytes(size)
        connection.send(data)
        side.written += data
        side.table.touch(connection)

    @rule(side=handles, on=st.booleans())
    def pause_or_read(self, side: int, on: bool) -> None:
        self.sides[side].reading = on

    @rule(on=st.booleans())
    def pause_or_read_the_latest(self, on: bool) -> None:
        if self.sides:
            self.sides[-1].reading = on

    @rule(side=handles)
    def half_close(self, side: int) -> None:
        end = self.sides[side]
        if end.connection.state is State.SYN_SENT:
            end.cut = True  # an open that is closed was never made
        end.connection.shutdown(self.now)
        end.table.touch(end.connection)

    @rule(side=handles)
    def close(self, side: int) -> None:
        self.do_close(self.sides[side])

    @rule()
    def close_the_latest(self) -> None:
        if self.sides:
            self.do_close(self.sides[-1])

    def do_close(self, end: Side) -> None:
        if end.connection.state is State.SYN_SENT or end.connection.readable_octets:
            end.cut = True
        if end.peer is not None and len(end.read) < len(end.peer.written):
            end.cut = True  # data is on its way that nobody will read: that ends in a RST
        end.deaf = True
        end.connection.close(self.now)
        end.table.touch(end.connection)

    @rule(side=handles)
    def abort(self, side: int) -> None:
        end = self.sides[side]
        end.cut = True
        end.connection.abort(self.now)
        end.table.touch(end.connection)

    @rule(seconds=st.sampled_from([0.001, 0.03, 0.3, 3.0]))
    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        self.network.run_until(lambda: self.turn() or self.now >= end, limit=seconds)

    def turn(self) -> bool:
        self.accept()
        for side in self.sides:
            if side.reading:
                data = side.connection.receive()
                if data:
                    side.read += data
                    side.table.touch(side.connection)
        return False

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def numbers_and_octets_agree(self) -> None:
        for side in getattr(self, "sides", []):
            info = side.connection.info()
            assert info.unacked >= 0
            assert info.in_flight <= info.unacked
            assert info.lost <= info.unacked
            assert info.unread <= info.receive_buffer <= CONFIG.receive_buffer_max
            assert info.cwnd > 0
            if side.peer is not None:
                assert side.peer.written.startswith(side.read)  # a prefix, never anything else

    @invariant()
    def memory_is_bounded(self) -> None:
        for node in getattr(self, "nodes", []):
            assert node.table.connections <= 2 * OPEN_MAX + 2

    def teardown(self) -> None:
        if not hasattr(self, "network"):
            return
        for source in ADDRESSES:
            for target in ADDRESSES:
                if source != target:
                    self.network.link(
                        source[0], target[0], loss=0.0, corrupt=0.0, duplicate=0.0, reorder=0.0
                    )
        self.wait(1.0)
        for side in self.sides:
            side.reading = True
        # Everybody reads what is there, then says goodbye; it takes one long time-out at most.
        self.wait(200.0)
        for side in self.sides:
            side.connection.shutdown(self.now)
            side.table.touch(side.connection)
        # Two that have written and both do not read wait that long for each other's ACK.
        self.network.run_until(self.everybody_gone, limit=CONFIG.fin_wait2_timeout + 400.0)
        self.turn()
        assert self.everybody_gone(), [side.connection for side in self.sides]
        for side in self.sides:
            if side.peer is not None and not (side.cut or side.peer.cut):
                assert side.read == side.peer.written
                assert side.connection.error is None
        for node in self.nodes:
            assert node.table.time_wait_records <= 2 * OPEN_MAX
        self.network.run_until(lambda: False, limit=300.0)
        for node in self.nodes:
            assert node.table.time_wait_records == 0  # MUST-13: 240 s, and not for ever

    def everybody_gone(self) -> bool:
        self.turn()
        for side in self.sides:
            connection = side.connection
            if connection.fin_received and not connection.is_closing:
                connection.shutdown(self.now)
                side.table.touch(connection)
            elif connection.state is State.FIN_WAIT_2 and (side.peer is None or side.peer.cut):
                # The RST was lost, and who only listens learns of it from nobody (but keep-alive).
                connection.abort(self.now)
                side.table.touch(connection)
        return not any(node.table.connections for node in self.nodes)


TwoTables.TestCase.settings = settings(
    max_examples=int(os.environ.get("RUDP_EXAMPLES", "300")), stateful_step_count=40
)
TestTwoTables = TwoTables.TestCase
