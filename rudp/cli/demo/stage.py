"""Where a scenario is played: two connection tables on virtual time, both ends watched.

A script is a function of a :class:`Stage`.  It makes the user calls of RFC 9293 §3.10 at the
client and at the server and waits for what comes of them; the segments, states and timers are the
core's own affair.
"""

import abc
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar

import rudp
from rudp.cli.demo.faults import Fault, Losses
from rudp.sim import CoDel, DualPi2, Link, Nat, Network
from rudp.trace import Capture, EventLog
from rudp.trace.tee import Tee

CLIENT: Final = ("10.0.0.1", 7000)
SERVER: Final = ("10.0.0.2", 7000)

NATS: Final = {"client": "203.0.113.1", "server": "198.51.100.1"}
"""The public addresses of ends that are behind NATs."""

RENDEZVOUS: Final = ("192.0.2.1", 7478)
"""Who has told each end the other's public address."""

PORT: Final = 80
"""The server's TCP port."""

CLIENT_PORT: Final = 50_000
"""The client's TCP port.  It is not left to chance, so that scenarios can use it again."""

PATIENCE: Final = 3600.0
"""Virtual seconds after which what a script waits for is not going to happen."""


class StuckError(Exception):
    """What the script waits for does not happen."""


class End(abc.ABC):
    """One end of the connection; its methods are the user calls (RFC 9293 §3.10)."""

    @abc.abstractmethod
    def send(self, octets: int) -> None:
        """SEND."""

    @abc.abstractmethod
    def read(self, octets: int) -> None:
        """RECEIVE: wait for so many octets and take them."""

    @abc.abstractmethod
    def read_all(self, octets: int) -> None:
        """RECEIVE whatever comes, as soon as it comes, until it was so many octets."""

    @abc.abstractmethod
    def read_to_end(self) -> None:
        """RECEIVE until the peer has closed its half."""

    @abc.abstractmethod
    def shut_down(self) -> None:
        """CLOSE our half; we go on reading."""

    @abc.abstractmethod
    def abort(self) -> None:
        """ABORT."""


E = TypeVar("E", bound=End)


class Place(abc.ABC, Generic[E]):
    """A client, a server and a path between them; what scripts do that can be played anywhere."""

    client: E
    server: E

    @abc.abstractmethod
    def open(self) -> None:
        """The server listens, the client connects, and both are ESTABLISHED."""

    @abc.abstractmethod
    def wait(self, seconds: float) -> None:
        """Let *seconds* pass."""

    @abc.abstractmethod
    def settle(self) -> None:
        """Let time go on until nothing is left that could happen, TIME-WAIT included."""

    @abc.abstractmethod
    def bottleneck(self, rate: float, queue: int) -> None:
        """The client's segments pass a router: *rate* bit/s, and so many octets may wait there."""

    def close(self) -> None:
        """Both close, the client first, and all is read."""
        self.client.shut_down()
        self.server.read_to_end()
        self.server.shut_down()
        self.settle()


class Side(End):
    """An end in virtual time.  What a user calls takes effect when time goes on."""

    def __init__(self, stage: "Stage", name: str, address: tuple[str, int]) -> None:
        self.name = name
        self.address = address
        self.connection: Any = None  # a connection of the core
        self._stage = stage
        self._log = stage.log.tracer(name)
        self.tracer: rudp.Tracer = self._log
        self._capture: Capture | None = None
        self.boot()

    def boot(self) -> None:
        """Begin with an empty table, as a machine does that was just switched on."""
        network = self._stage.network
        network.nodes.pop(self.address, None)
        self.node = network.host(self.address, self._stage.config)
        self.node.table.tracer = self.tracer  # of segments that belong to no connection
        self.connection = None

    def capture(self, file: str) -> None:
        """Write what this end sends and receives to a *file*.  Raises :class:`OSError`."""
        peer = "server" if self.name == "client" else "client"
        self._capture = Capture(file, name=self.name, peer_name=peer, local=self.address)
        self.node.table.tracer = self.tracer = Tee(self._log, self._capture)

    def flush(self) -> None:
        """Write the rest of the capture, if there is one."""
        if self._capture is not None:
            self._capture.flush()

    def listen(self) -> None:
        """OPEN, passive."""
        self.listener = self.node.table.listen(PORT, tracer=self.tracer)

    def connect(
        self,
        to: "Side",
        port: int = PORT,
        local_port: int = CLIENT_PORT,
        *,
        address: tuple[Any, ...] | None = None,
    ) -> None:
        """OPEN, active; *address*: the UDP address of the other end, if it is behind a NAT."""
        self.connection = self.node.table.open_active(
            to.node.path if address is None else (address, ""),
            port,
            self._stage.now,
            local_port=local_port,
            tracer=self.tracer,
        )

    def accept(self) -> None:
        """Wait until a peer has opened a connection, and take it."""
        self._stage.until(lambda: bool(self.listener.accepted))
        self.connection = self.listener.accepted.popleft()

    def send(self, octets: int) -> None:
        self.connection.send(bytes(octets))
        self.node.table.touch(self.connection)

    def read(self, octets: int) -> None:
        connection = self.connection
        self._stage.until(lambda: connection.readable_octets >= octets)
        connection.receive(octets)
        self.node.table.touch(self.connection)

    def read_all(self, octets: int) -> None:
        while octets > 0:
            self._stage.until(lambda: self.connection.readable_octets > 0)
            octets -= len(self.connection.receive())
            self.node.table.touch(self.connection)

    def read_to_end(self) -> None:
        connection = self.connection
        self._stage.until(lambda: connection.fin_received)
        connection.receive()
        self.node.table.touch(self.connection)

    def shut_down(self) -> None:
        self.connection.shutdown(self._stage.now)
        self.node.table.touch(self.connection)

    def abort(self) -> None:
        self.connection.abort(self._stage.now)
        self.node.table.touch(self.connection)

    @property
    def state(self) -> rudp.State:
        """The state of the connection."""
        state: rudp.State = self.connection.state
        return state


class Waits:
    """How long the client's segments wait in a router for those before them."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._sent: dict[bytes, float] = {}
        self._waits: list[tuple[float, float]] = []  # when it arrived, and how long it had waited

    def look(self, what: str, now: float, data: bytes, source: Any, to: Any) -> None:
        """Be a tap of the network."""
        if source != CLIENT:
            return
        if what == "sent":
            self._sent[data] = now
        elif (sent := self._sent.pop(data, None)) is not None and what == "delivered":
            options = self._link.options
            assert options["rate"] is not None
            sending = (len(data) + options["overhead"]) * 8 / options["rate"]
            self._waits.append((now, max(now - sent - options["delay"] - sending, 0.0)))

    def percentile(self, share: float, since: float) -> float:
        """Return what *share* of the segments that arrived *since* then did not exceed, seconds."""
        waits = sorted(wait for when, wait in self._waits if when >= since) or [0.0]
        return waits[min(int(len(waits) * share), len(waits) - 1)]


class Stage(Place[Side]):
    """A client and a server, *rtt* seconds there and back, and the log of what they do.

    *loss*: the share of segments lost each way; *faults*: those that are lost in any case.
    """

    def __init__(
        self,
        config: rudp.Config,
        *,
        rtt: float,
        loss: float = 0.0,
        seed: int = 1,
        faults: tuple[Fault, ...] = (),
        script: object = None,
    ) -> None:
        self.config = config
        self.seed = seed
        self.notes: list[
            tuple[float, str]
        ] = []  # what is to be said between the segments, and when
        self.log = EventLog(seed=seed, script=script)
        self.network = Network(delay=rtt / 2, loss=loss, seed=seed)
        self.network.taps.append(self.log.tap)
        self.client = Side(self, "client", CLIENT)
        self.server = Side(self, "server", SERVER)
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            losses = Losses(faults, sender.name)
            self.network.link(sender.address[0], receiver.address[0], drop=losses.drop)

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self.network.clock.now

    def open(self) -> None:
        self.server.listen()
        self.client.connect(self.server)
        self.server.accept()
        self.until(lambda: self.client.state is rudp.State.ESTABLISHED)

    def until(self, condition: Callable[[], bool]) -> None:
        """Let time go on until *condition* holds.  Raises :class:`StuckError` if it will not."""
        if not self.network.run_until(condition, PATIENCE):
            raise StuckError("what the scenario waits for does not happen on this path")

    def wait(self, seconds: float) -> None:
        self.network.run_until(lambda: False, seconds)

    def settle(self) -> None:
        self.network.run_until(lambda: self.network.clock.next is None, PATIENCE)

    @contextlib.contextmanager
    def detour(self, sender: Side, seconds: float) -> Iterator[None]:
        """What *sender* sends inside takes so much longer, and lets later segments overtake it."""
        source = sender.address[0]
        target = (SERVER if source == CLIENT[0] else CLIENT)[0]
        self.network.link(source, target, reorder=1.0, reorder_delay=seconds)
        yield
        self.wait(0.0)
        self.network.link(source, target, reorder=0.0)

    def behind_nats(self) -> dict[str, tuple[Any, ...]]:
        """Put each end behind a NAT, and note what these do; return the public addresses.

        The ends have them from a rendezvous, so their NATs know both ports already.
        """
        nats = {}
        addresses = {}
        for side in (self.client, self.server):
            ports: Any = "preserve" if side is self.client else "random"
            nat = nats[side.name] = Nat(NATS[side.name], ports=ports, seed=self.seed)
            self.network.put_behind(nat, side.address[0])
            outer = nat.outward(side.address, RENDEZVOUS, self.now)
            assert outer is not None
            addresses[side.name] = outer
            self.note(
                f"the {side.name} is {_name(side.address)}, and to others "
                f"{_name(addresses[side.name])}"
            )
        for side, other in ((self.client, self.server), (self.server, self.client)):
            drop = self.network.link(side.address[0], other.address[0]).options["drop"]
            self.network.link(NATS[side.name], NATS[other.name], drop=drop)

        def look(what: str, now: float, data: bytes, source: Any, to: Any) -> None:
            for name, nat in nats.items():
                if what == "sent" and self.network.nat_of(source[0]) is nat:
                    self.note(f"the {name}'s NAT lets in what comes from {_name(to)}", once=True)
                elif what == "lost" and to[0] == nat.outside and nat.filtered > filtered[name]:
                    filtered[name] = nat.filtered
                    self.note(f"the {name}'s NAT does not know {_name(source)}: dropped")

        filtered = dict.fromkeys(nats, 0)
        self.network.taps.append(look)
        return addresses

    def bottleneck(self, rate: float, queue: int) -> None:
        self.network.link(CLIENT[0], SERVER[0], rate=rate, queue=queue)

    def router(self, rate: float, queue: int | CoDel | DualPi2, mark: int | None = None) -> "Waits":
        """The client's segments pass a router with such a *queue*; return who measures it.

        *mark*: so many octets may wait before the next segment is marked, in one that only drops.
        """
        link = self.network.link(CLIENT[0], SERVER[0], rate=rate, queue=queue, mark=mark)
        waits = Waits(link)
        self.network.taps.append(waits.look)
        return waits

    def note(self, text: str, *, once: bool = False) -> None:
        """Say *text* between the segments; *once*: unless it was said."""
        if not (once and any(text == said for _, said in self.notes)):
            self.notes.append((self.now, text))

    def cut(self) -> None:
        """From now on nothing arrives any more."""
        for source, target in ((CLIENT[0], SERVER[0]), (SERVER[0], CLIENT[0])):
            self.network.link(source, target, loss=1.0)

    def forge(self, segment: bytes) -> None:
        """Somebody else sends *segment* to the client in the name of the server."""
        self.network.send(segment, SERVER, CLIENT)


def _name(address: tuple[Any, ...]) -> str:
    return f"{address[0]}:{address[1]}"
