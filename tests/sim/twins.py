"""The same traffic with and without the lane, and what can be seen of either.

A :class:`Twin` is two tables on a virtual path.  It writes down every datagram that leaves, with
its time and the bits of its IP header; every octet that is read; and after each step all that a
program can see of both connections without asking for all of it: events, deadlines, sizes.  Asked
for all (:meth:`Twin.look_inside`) it shows every variable of both control blocks, which ends the
lane.
"""

import enum
import random
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from rudp import build
from rudp.config import Config
from rudp.core.congestion.newreno import NewReno
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.life.steady import BEST, LANES
from rudp.core.segment.transmit import ECT_1, Transmit
from rudp.core.send.sendbuffer import SendBuffer
from rudp.keys import MasterKey
from rudp.sim.network import Network

LANES["c"] = BEST

CLIENT: Final = ("10.0.0.1", 40_000)
SERVER: Final = ("10.0.0.2", 7000)

SIZES = (1, 64, 500, 1448, 5000, 70_000, 400_000)
TURNS = 300
KINDS = ("off", "python", "c") if build.lane() == "C" else ("off", "python")
"""The lanes that there are: the last two where they are to be compared with the first."""


class Counting(NewReno):
    """Answers each mark with a segment less, and says so with ECT(1)."""

    answers_marks = True
    ect = ECT_1

    def on_marks(self, segments: int, octets: int, now: float) -> None:
        self.cwnd = self.ssthresh = max(self.cwnd - octets, 2 * self.smss)


BAD = {"loss": 0.02, "reorder": 0.03, "reorder_delay": 0.01, "duplicate": 0.01, "corrupt": 0.002}
PATHS: dict[str, dict[str, Any]] = {
    "clean": {"delay": 0.01},
    "quick": {"delay": 0.0002},
    "narrow": {"delay": 0.01, "rate": 250_000, "queue": 20_000},
    "marking": {"delay": 0.01, "rate": 250_000, "queue": 100_000, "mark": 3000},
    "lossy": {"delay": 0.01, "loss": 0.003},
    "bad": {"delay": 0.01, **BAD},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "no timestamps": {"timestamps": False},
    "no SACK": {"sack": False},
    "ECN": {"ecn": "on"},
    "no ECN": {"ecn": "off"},
    "L4S": {"congestion": Counting},
    "BBR": {"congestion": "bbr"},
    "NewReno": {"congestion": "newreno"},
    "small buffers": {"receive_buffer": 8192, "receive_buffer_max": 20_000, "send_buffer": 30_000},
    "no pacing": {"pacing": False},
    "Nagle": {"nodelay": False},
    "RFC 6298": {"rto_form": "rfc", "min_rto": 1.0},
    "large segments": {"mss": 60_000, "mtu_discovery": False},
    "keys": {"keys": (MasterKey(secret=b"that of either twin"),)},
    "no recorder": {"flight_recorder": 0, "tail_loss_probe": False, "slow_start_after_idle": False},
}

OURS: Final = ("rudp.", __name__)
"""Where the classes are whose objects are looked into."""

APART: Final = frozenset(
    {"_budget", "_calm", "_chance", "_config", "_memory", "_stakes", "ack", "around", "config"}
    | {"_inner", "_outer", "_theirs", "lent_at"}
)
"""What is shared by connections, or scratch, or says itself whether there is a lane; and hashes,
which do not show what they have seen, but in what they sign."""


class Watched:
    """A table whose datagrams are written down as they leave."""

    def __init__(self, table: ConnectionTable, pages: list[Any]) -> None:
        self.table = table
        self._pages = pages

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    def poll_transmit(self, now: float, max_segments: int = 64) -> Transmit | None:
        transmit = self.table.poll_transmit(now, max_segments)
        if transmit is not None:
            whole = b"".join(transmit.buffers)
            fields = transmit.size, transmit.ecn, transmit.dscp, transmit.ttl, transmit.path
            self._pages.append((now, fields, whole))
        return transmit


class Twin:
    """A client and a server, with *pairs* connections and *lane*: ``"off"``, ``"python"``, ``"c"``.

    *capacity*: octets that each socket holds, None if nobody knows.  Ends are counted: of each pair
    the client has an even number, the server the odd one after it.
    """

    def __init__(
        self,
        lane: Any,
        path: dict[str, Any],
        options: dict[str, Any],
        seed: int,
        pairs: int = 1,
        capacity: int | None = 4 * 1024 * 1024,
    ) -> None:
        config = Config(**options)
        object.__setattr__(config, "lane", lane)  # which knows of no "c"
        self.network = Network(seed=seed, **path)
        self.pages: list[Any] = []
        self.tables: list[ConnectionTable] = []
        for address in (CLIENT, SERVER):
            chance = random.Random(f"{seed} {address}")
            table = ConnectionTable(config, secret=chance.randbytes(32), chance=chance)
            table.enable_ecn()
            if capacity is not None:
                table.limit_promises(capacity)
            self.tables.append(table)
            self.network.attach(address, Watched(table, self.pages))
        listener = self.tables[1].listen(SERVER[1])
        self.ends: list[Connection] = []
        for _ in range(pairs):
            client = self.tables[0].open_active((SERVER, ""), SERVER[1], self.now)
            assert self.network.run_until(lambda: bool(listener.accepted), limit=60.0)
            self.ends += client, listener.accepted.popleft()

    @property
    def now(self) -> float:
        return self.network.clock.now

    @property
    def lanes(self) -> tuple[int, int]:
        """How often a lane was entered, and left, by either end."""
        around = [table.surroundings for table in self.tables]
        return sum(each.lanes_entered for each in around), sum(each.lanes_left for each in around)

    def act(self, end: int, deed: str, *args: Any) -> None:
        """Let *end* do something that a user may do, or have a look."""
        table, connection = self.tables[end % 2], self.ends[end]
        try:
            result = getattr(self, f"_{deed}")(connection, *args)
        except OSError as error:
            result = repr(error)
        self.pages.append((end, deed, result))
        table.touch(connection)

    def _write(self, connection: Connection, data: bytes) -> None:
        connection.send(data)

    def _write_urgent(self, connection: Connection, data: bytes) -> None:
        connection.send(data, urgent=True)

    def _read(self, connection: Connection, most: int | None) -> bytes:
        return connection.receive(most)

    def _shutdown(self, connection: Connection) -> None:
        connection.shutdown(self.now)

    def _close(self, connection: Connection) -> None:
        connection.close(self.now)

    def _abort(self, connection: Connection) -> None:
        connection.abort(self.now)

    def _hold_back(self, connection: Connection, octets: int) -> None:
        connection.held_back = octets

    def _resize(self, connection: Connection, octets: int) -> None:
        connection.receive_buffer = octets

    def _shrink(self, connection: Connection, mss: int) -> None:
        connection.mss = mss

    def _mark(self, connection: Connection, dscp: int) -> None:
        connection.dscp = dscp

    def _status(self, connection: Connection) -> object:
        return repr(connection.info())

    def _records(self, connection: Connection) -> object:
        connection.info()
        return connection.recorder and connection.recorder.records()

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* go by, and write down what can be seen after that."""
        self.network.run_until(lambda: False, limit=seconds)
        for end, connection in enumerate(self.ends):
            self.pages.append(
                (
                    self.now,
                    connection.state,
                    connection.poll_events(),
                    connection.next_deadline,
                    connection.readable_octets,
                    connection.unsent_octets,
                    connection.room,
                    repr(connection.error),
                    dict(self.tables[end % 2].counters.items()),
                )
            )

    def look_inside(self) -> dict[str, Any]:
        """Return every variable of both ends, by its path; where there was a lane, it is over."""
        seen: dict[str, Any] = {}
        for end, connection in enumerate(self.ends):
            connection.info()
            seen.update(variables(f"{end}", connection, frozenset()))
        return seen


def variables(name: str, thing: Any, within: frozenset[int]) -> Iterator[tuple[str, Any]]:
    """Yield what is called *name*, and what the objects of rudp in it know, as plain values."""
    if isinstance(thing, SendBuffer):  # in what pieces it keeps them is its own affair
        octets = b"".join(thing.slices(thing.start, thing.end))
        yield name, (thing.start, thing.end, octets)
    elif isinstance(thing, list | tuple | deque):
        yield f"{name}.count", len(thing)
        for n, each in enumerate(thing):
            yield from variables(f"{name}[{n}]", each, within)
    elif not type(thing).__module__.startswith(OURS) or isinstance(thing, enum.Enum):
        yield name, bytes(thing) if isinstance(thing, memoryview | bytearray) else repr(thing)
    elif id(thing) not in within:
        slots = {slot for cls in type(thing).__mro__ for slot in getattr(cls, "__slots__", ())}
        for slot in sorted(slots - APART):
            inner = getattr(thing, slot, None)
            yield from variables(f"{name}.{slot}", inner, within | {id(thing)})


def talk(twin: Twin, seed: int, turns: int = TURNS) -> None:
    """Let both sides write and read at random."""
    chance = random.Random(seed)
    small = chance.random() < 0.5
    for _ in range(turns):
        for end in range(len(twin.ends)):
            if twin.ends[end].unsent_octets < 1_000_000 and chance.random() < 0.5:
                sizes = SIZES[:3] if small or chance.random() < 0.5 else SIZES
                twin.act(end, "write", chance.randbytes(chance.choice(sizes)))
            if chance.random() < 0.8:
                twin.act(end, "read", chance.choice((None, None, None, 1000)))
            if chance.random() < 0.01:
                twin.act(end, "status")
            if chance.random() < 0.05:
                twin.act(end, "hold_back", chance.choice((0, 0, 3000)))
        twin.pass_time(chance.choice((0.0, 0.001, 0.003, 0.03)) if chance.random() < 0.99 else 2.5)
