"""rudp itself, drilled: one connection table in virtual time, without sockets.

Unless its settings say otherwise, sending is not paced, the window is NewReno's and the receive
buffer does not grow, so that a drill can tell from the numbers of a RFC what leaves at one moment.
"""

import errno
import random
import struct
from typing import Any, Final

from rudp.config import Config
from rudp.core.demux.listener import Listener
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import Path
from rudp.core.terms.counters import Count
from rudp.core.watch.tracer import Tracer
from rudp.sim.drill.language import EVENTS
from rudp.sim.drill.side import PEER, Came, NotHereError, Side
from rudp.sim.drill.wire import MASK, OUR_PORT, PEER_PORT, Flow, pattern

SECRET: Final = bytes(range(32))

TOLERANCE: Final = 0.0005

USUAL: Final[dict[str, Any]] = {
    "pacing": False,
    "congestion": "newreno",
    "receive_buffer_max": 4096,
    "ecn": "accept",
}
"""Settings, unless there are others."""

INSTANTS_MAX: Final = 100_000
"""Timers that expire one after the other and nothing comes of it."""


class Ours(Side):
    """A connection table and its clock.

    *settings*: of :class:`rudp.Config`; raises what that does.  *wrap*: our sequence numbers, the
    peer's and both timestamps begin just below 2**32.  *peer*: where that of the main flow is.
    *tracer*: who is told of everything.
    """

    name = "rudp"
    tolerance = TOLERANCE

    def __init__(
        self,
        settings: dict[str, Any] | None = None,
        *,
        wrap: bool = False,
        peer: Path = PEER,
        tracer: Tracer | None = None,
    ) -> None:
        super().__init__(peer)
        self.config = Config(**USUAL | (settings or {}))
        self._wrap = wrap
        self._tracer = tracer
        self.table = self._new_table()
        self.table.tracer = tracer
        self._listener: Listener | None = None
        self._connections: dict[Flow, Connection] = {}
        self._start = self._starting_time(peer, MASK + 1 - 1000 if wrap else 100_000)
        self.now = self._start
        """The time as the table knows it, seconds."""

    @property
    def time(self) -> float:
        return self.now - self._start

    def new_flow(self, path: Path, port: int) -> Flow:
        if self._wrap:
            return Flow(path, port, MASK + 1 - 500, MASK + 1 - 50)
        return Flow(path, port, 500_000, 1_000_000)

    def collect(self) -> None:
        while (transmit := self.table.poll_transmit(self.now)) is not None:
            for data in transmit.datagrams():
                self.came.append(Came(self.time, transmit.path, data, transmit.ecn))

    def advance(self, when: float, *, stay: bool) -> None:
        self.collect()
        for _ in range(INSTANTS_MAX):
            if self.came:
                return
            deadline = self.table.next_deadline
            if deadline > self._start + when:
                break
            self.now = max(self.now, deadline)
            self.table.handle_timeouts(self.now)
            self.collect()
        else:
            raise NotHereError("the timers never rest")
        if not stay:
            self.now = max(self.now, self._start + when)

    def deliver(self, flow: Flow, datagrams: list[bytes], ecn: int) -> None:
        stride = len(datagrams[0])
        self.table.handle_datagrams(b"".join(datagrams), stride, flow.path, self.now, ecn)

    def rest(self) -> None:
        self.collect()

    def anew(self, flow: Flow) -> None:
        self._connections.pop(flow, None)

    # -- calls -----------------------------------------------------------------------------------

    def send(self, flow: Flow, data: bytes, *, urgent: bool) -> None:
        connection = self.connection(flow)
        connection.send(data, urgent=urgent)
        self.table.touch(connection)

    def read(self, flow: Flow) -> bytes:
        connection = self.connection(flow)
        data = connection.receive()
        self.table.touch(connection)
        return data

    def call(self, flow: Flow, verb: str, words: tuple[str, ...]) -> None:
        match verb, words:
            case "connect", octets:
                self._connections[flow] = self.table.open_active(
                    flow.path,
                    flow.port,
                    self.now,
                    local_port=OUR_PORT,
                    tracer=self._tracer,
                    early=pattern(1, int(*octets)),
                )
            case "listen", _:
                self._listener = self.table.listen(OUR_PORT, tracer=self._tracer)
            case "unlisten", _:
                if self._listener is None:
                    raise NotHereError("nobody listens")
                self.table.unlisten(self._listener, self.now)
                self._listener = None
            case "accept", _:
                if self._listener is None or not self._listener.accepted:
                    raise NotHereError("nobody to accept")
                self._connections[flow] = self._listener.accepted.popleft()
            case "icmp", (name, *seq):
                quote = b""
                if seq and seq[0] != "short":
                    number = (flow.iss + int(seq[0])) & MASK
                    quote = struct.pack("!HHI", OUR_PORT, flow.port, number)
                self.table.handle_icmp(getattr(errno, name), quote, flow.path, self.now)
            case _:
                connection = self.connection(flow)
                self._call_on(connection, verb, words)
                self.table.touch(connection)

    def _call_on(self, connection: Connection, verb: str, words: tuple[str, ...]) -> None:
        match verb, words:
            case "shutdown", _:
                connection.shutdown(self.now)
            case "close", _:
                connection.close(self.now)
            case "abort", _:
                connection.abort(self.now)
            case "nodelay", (value,):
                connection.nodelay = value == "on"
            case "receive_buffer", (octets,):
                connection.receive_buffer = int(octets)
            case "user_timeout", (value,):
                connection.user_timeout = None if value == "none" else float(value)
            case "keepalive", (idle, interval, count):
                connection.set_keepalive(True, float(idle), float(interval), int(count))

    # -- what must hold --------------------------------------------------------------------------

    def look(self, flow: Flow, verb: str, words: tuple[str, ...]) -> str:
        match verb:
            case "count":
                return str(self.table.counters[Count[words[0]]])
            case "records":
                self.collect()
                return str(self.table.time_wait_records)
            case "connections":
                self.collect()
                return str(self.table.connections)
        connection = self.connection(flow)
        match verb:
            case "state":
                return str(connection.state)
            case "error":
                return "none" if connection.error is None else type(connection.error).__name__
            case "soft":
                error = connection.soft_error
                return "none" if error is None else errno.errorcode[error.errno or 0]
            case "events":
                bits = connection.poll_events()
                return " ".join(sorted(name for name, bit in EVENTS.items() if bits & bit))
            case "urgent":
                return str(connection.urgent_octets)
            case "unsent":
                return str(connection.unsent_octets)
        value = getattr(connection.info(), words[0])
        return str(round(value, 4) if isinstance(value, float) else value)

    # -- inside ----------------------------------------------------------------------------------

    def connection(self, flow: Flow) -> Connection:
        """Return the connection of *flow*.  Raises :class:`NotHereError`."""
        if flow in self._connections:
            return self._connections[flow]
        if self._listener is not None:
            ports = OUR_PORT << 16 | flow.port
            for child in [*self._listener.half_open, *self._listener.accepted]:
                if child.path == flow.path and child.ports == ports:
                    return child
        raise NotHereError("there is no connection")

    def _new_table(self) -> ConnectionTable:
        table = ConnectionTable(self.config, secret=SECRET, chance=random.Random(1))
        table.enable_ecn()
        return table

    def _starting_time(self, path: Path, iss: int) -> float:
        """Return when to begin so that the main flow gets about the given ISS (ISN-1)."""
        probe = self._new_table()
        probe.open_active(path, PEER_PORT, 0.0, local_port=OUR_PORT)
        transmit = probe.poll_transmit(0.0)
        assert transmit is not None
        (first,) = struct.unpack_from("!I", transmit.datagrams()[0], 4)
        return float(round((iss - first & MASK) / 250_000, 3))
