"""A client whose address changes while it speaks, as the server sees it."""

from typing import Unpack

from rudp.config import Config
from rudp.core.segment.transmit import Address
from rudp.core.watch.tracer import Tracer
from rudp.keys import MasterKey
from rudp.sim.link import LinkOptions
from rudp.sim.network import Network
from rudp.sim.paths import Arrival

CLIENT = ("10.0.0.1", 4000)
SERVER = ("10.0.0.2", 7000)
PORT = 7000
KEY = MasterKey(secret=b"what both ends have in common")
SIGNED = Config(keys=(KEY,))


class Nat:
    """Stands before *inner*; ``outer`` is what others see, and mappings before it are gone.

    What is on its way to an address that is no more is lost, as with a NAT that forgets.
    """

    def __init__(self, network: Network, inner: Address, outer: Address) -> None:
        self.network = network
        self.inner = inner
        self.outer = outer
        network.way = self.carry
        self._arrive = network.arrive
        network.arrive = self.arrive  # type: ignore[method-assign]

    def carry(
        self, data: bytes, source: Address, destination: Address, ecn: int
    ) -> list[Arrival] | None:
        if source == self.inner:
            source = self.outer
        return self.network.over_link(data, source, destination, ecn)

    def arrive(self, data: bytes, source: Address, destination: Address, ecn: int = 0) -> None:
        if destination == self.outer:
            destination = self.inner
        elif destination == self.inner:
            return
        self._arrive(data, source, destination, ecn)


class Travellers:
    """A client behind a NAT that changes its mind, and a server."""

    def __init__(
        self,
        client: Config = SIGNED,
        server: Config = SIGNED,
        *,
        seed: int = 1,
        tracers: tuple[Tracer | None, Tracer | None] = (None, None),
        **options: Unpack[LinkOptions],
    ) -> None:
        options.setdefault("delay", 0.01)
        self.network = Network(seed=seed, **options)
        self.rto = 0.0  # the longest time-out of either side when the client moved
        self.rtt = 2 * options["delay"]
        self.a, self.b = self.network.host(CLIENT, client), self.network.host(SERVER, server)
        self.nat = Nat(self.network, CLIENT, ("192.0.2.1", 10_000))
        self.listener = self.b.table.listen(PORT, tracer=tracers[1])
        self.opened = self.a.table.open_active(self.b.path, PORT, 0.0, tracer=tracers[0])
        assert self.network.run_until(lambda: bool(self.listener.accepted), limit=60.0)
        self.accepted = self.listener.accepted.popleft()
        self.wait(0.1)

    @property
    def now(self) -> float:
        return self.network.clock.now

    @property
    def peer(self) -> Address:
        """Where the server takes the client to be."""
        return self.accepted.path[0]

    def wait(self, seconds: float) -> None:
        self.network.run_until(lambda: False, limit=seconds)

    def move(self, host: str | None = None) -> None:
        """The client has another port, or another *host*."""
        old_host, port = self.nat.outer
        self.nat.outer = (host or old_host, port + 1)

    def touch(self) -> None:
        self.a.table.touch(self.opened)
        self.b.table.touch(self.accepted)

    def transfer(
        self, up: int, down: int, moves: list[tuple[float, str | None]], limit: float = 300.0
    ) -> float:
        """Send so many octets each way, and move meanwhile: after so many seconds, to this host.

        Return the longest pause, seconds, in which nobody got anything.
        """
        began = self.now
        ends = {self.opened: (up, down), self.accepted: (down, up)}
        got = {connection: bytearray() for connection in ends}
        for connection, (say, _) in ends.items():
            connection.send(pattern(say))
        self.touch()
        latest, longest = self.now, 0.0

        def turn() -> bool:
            nonlocal latest, longest
            while moves and self.now >= began + moves[0][0]:
                self.move(moves.pop(0)[1])
                self.rto = max(self.rto, *(each.info().rto for each in ends))
            for connection, octets in got.items():
                if data := connection.receive():
                    octets.extend(data)
                    longest = max(longest, self.now - latest)
                    latest = self.now
            self.touch()
            return all(len(got[each]) >= hear for each, (_, hear) in ends.items())

        assert self.network.run_until(turn, limit=limit), {
            str(each): len(octets) for each, octets in got.items()
        }
        assert all(bytes(got[each]) == pattern(hear) for each, (_, hear) in ends.items())
        return longest


def pattern(size: int) -> bytes:
    """Return *size* octets of which no part looks like the one next to it."""
    return (bytes(n * n * 7 % 251 for n in range(65_521)) * (size // 65_521 + 1))[:size]
