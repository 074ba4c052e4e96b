"""Connection tables joined by links, without asyncio and without sockets.

This is the smallest thing two ends can talk over: each :class:`Node` is one UDP address with a
table behind it, and one clock moves them all.  A step takes everything that happens at the next
instant: all datagrams that arrive then are handed in, what is due is told, and only after that the
tables are asked for what they want to send, as an endpoint does after each read of its socket.

User calls may be made between steps, on a table and on its connections; the next step begins by
sending what they caused.  A table learns of a call on a connection by ``table.touch(connection)``.
"""

import math
import random
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar, Unpack

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.parts import USUAL, Parts
from rudp.core.segment.transmit import Address, Path, Transmit
from rudp.sim.clock import Clock
from rudp.sim.link import LinkOptions
from rudp.sim.paths import Paths

BATCH_SEGMENTS: Final = 64
"""Datagrams handed in at once, at most: as many as Linux merges for one read (UDP_GRO)."""

BATCH_OCTETS: Final = 65_507
"""Octets handed in at once, at most: what one read of a UDP socket returns."""

STEPS_MAX: Final = 100_000
"""Steps within one instant after which something must be going round in circles."""


class Table(Protocol):
    """What a node needs of its table, so that a scripted peer can stand in for a real one."""

    @property
    def next_deadline(self) -> float:
        """When it wants to be told of the time, in seconds; infinity for never."""

    def handle_datagrams(
        self, data: bytes, stride: int, path: Path, now: float, ecn: int, /
    ) -> None: ...

    def handle_timeouts(self, now: float, /) -> None: ...

    def poll_transmit(self, now: float, /) -> Transmit | None: ...


T = TypeVar("T", bound=Table)
T_co = TypeVar("T_co", bound=Table, covariant=True)


class Node(Generic[T_co]):
    """One UDP address of a :class:`Network` and the table behind it."""

    __slots__ = ("address", "alarm", "inbox", "table")

    def __init__(self, address: Address, table: T_co) -> None:
        self.address = address
        self.table = table
        # What arrived in this instant, and the earliest time the clock will wake this node at.
        self.inbox: list[tuple[bytes, Address, int]] = []
        self.alarm = math.inf

    @property
    def path(self) -> Path:
        """The path on which another node reaches this one."""
        return (self.address, "")

    def take(self, now: float) -> None:
        """Hand in what has arrived, in order, equal-sized datagrams of one sender together."""
        inbox, self.inbox = self.inbox, []
        at = 0
        while at < len(inbox):
            first, source, ecn = inbox[at]
            stride = len(first)
            batch = [first]
            room = min(BATCH_SEGMENTS, BATCH_OCTETS // max(stride, 1))
            at += 1
            while at < len(inbox) and len(batch) < room:
                data, sender, bits = inbox[at]
                # As UDP_GRO merges: one that is shorter is the last, an empty one stands alone.
                if sender != source or bits != ecn or not 0 < len(data) <= stride:
                    break
                batch.append(data)
                at += 1
                if len(data) < stride:
                    break
            self.table.handle_datagrams(b"".join(batch), stride, (source, ""), now, ecn)


class Network(Paths):
    """Tables joined by links on one clock.

    >>> network = Network(delay=0.05, loss=0.1, seed=1)
    >>> server = network.host(("10.0.0.2", 7000))
    >>> client = network.host(("10.0.0.1", 7000))
    >>> listener = server.table.listen(80)
    >>> ours = client.table.open_active(server.path, 80, network.clock.now)
    >>> network.run_until(lambda: bool(listener.accepted), limit=60.0)
    True
    """

    def __init__(self, *, seed: int | str = 0, **options: Unpack[LinkOptions]) -> None:
        """Make a network whose links have *options* and chances that follow from *seed*.

        Raises :class:`ValueError` for a value out of range.
        """
        super().__init__(Clock(), seed=seed, **options)
        self.nodes: dict[Address, Node[Table]] = {}
        # Nodes that something has happened to in this instant; a dict keeps them in order.
        self._stirred: dict[Node[Table], None] = {}
        self._steps = 0

    def host(
        self, address: Address, config: Config | None = None, *, parts: Parts = USUAL
    ) -> Node[ConnectionTable]:
        """Put a new :class:`ConnectionTable` at *address*.

        Its secret and its random numbers follow from the seed.  *parts*: what its connections are
        made of.  Raises :class:`ValueError` when the address is taken.
        """
        chance = random.Random(f"{self.seed} table {address}")
        secret = chance.randbytes(32)
        table = ConnectionTable(config or Config(), secret=secret, chance=chance, parts=parts)
        table.enable_ecn()
        return self.attach(address, table)

    def attach(self, address: Address, table: T) -> Node[T]:
        """Put *table*, which may be a scripted peer, at *address*.

        Raises :class:`ValueError` when the address is taken.
        """
        if address in self.nodes:
            raise ValueError(f"there is a node at {address!r} already")
        node = Node(address, table)
        self.nodes[address] = node
        return node

    def step(self) -> bool:
        """Send what is waiting, then let everything of the next instant happen.

        Returns False when nothing will happen any more.  Raises :class:`RuntimeError` when steps
        follow each other and time stands still.
        """
        instant = self._settle()
        if instant is None:
            return False
        self._steps = self._steps + 1 if instant == self.clock.now else 0
        if self._steps > STEPS_MAX:
            raise RuntimeError(f"{STEPS_MAX} steps, and it is still {instant!r} s")
        self.clock.run_until(instant)
        stirred, self._stirred = self._stirred, {}
        for node in stirred:
            node.take(instant)
            if node.table.next_deadline <= instant:
                node.table.handle_timeouts(instant)
        for node in stirred:
            self._flush(node)
        return True

    def run_until(self, predicate: Callable[[], object], limit: float) -> bool:
        """Step until *predicate* holds, for at most *limit* seconds of virtual time.

        Returns whether it holds.  If it does not, *limit* seconds have passed.
        """
        end = self.clock.now + limit
        while not predicate():
            instant = self._settle()
            if instant is None or instant > end:
                self.clock.run_until(end)
                return bool(predicate())
            self.step()
        return True

    def arrive(self, data: bytes, source: Address, destination: Address, ecn: int = 0) -> None:
        node = self.nodes.get(destination)
        if node is None:
            self.report("refused", data, source, destination)
            return
        self.report("delivered", data, source, destination)
        node.inbox.append((data, source, ecn))
        self._stirred[node] = None

    def _settle(self) -> float | None:
        """Send what user calls have caused; return when something happens next."""
        for node in self.nodes.values():
            self._flush(node)
        return self.clock.next

    def _flush(self, node: Node[Table]) -> None:
        now = self.clock.now
        while (transmit := node.table.poll_transmit(now)) is not None:
            for datagram in transmit.datagrams():
                self.send(datagram, node.address, transmit.path[0], transmit.ecn)
        deadline = node.table.next_deadline
        # Only an earlier deadline needs an alarm; a later one is found when the alarm rings.
        if deadline < node.alarm:
            node.alarm = deadline
            self.clock.call_at(deadline, self._ring, node, deadline)

    def _ring(self, node: Node[Table], deadline: float) -> None:
        if node.alarm == deadline:
            node.alarm = math.inf
            self._stirred[node] = None
