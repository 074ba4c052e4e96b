"""A client and a server that are watched, for what looks at their events."""

from typing import Any

from rudp import sim
from rudp.config import Config
from rudp.core.watch.tracer import Tracer
from rudp.trace import EventLog
from rudp.trace.events import Event

CLIENT, SERVER = ("10.0.0.1", 7000), ("10.0.0.2", 7000)


class Run:
    """A client and a server 10 ms apart, both watched; segments of 1000 octets.

    They do without ECN unless *settings* say otherwise, so that the first segment is as large.
    """

    def __init__(self, seed: int = 1, drop: tuple[int, ...] = (), **settings: Any) -> None:
        self.log = EventLog(seed=seed, script={"drop": list(drop)})
        self.network = sim.Network(delay=0.01, seed=seed)
        self.network.taps.append(self.log.tap)
        self.data_segments = 0
        self.dropped = drop
        self.network.link("10.0.0.1", "10.0.0.2", drop=self.drop)
        config = Config(mss=1012, **{"ecn": "off"} | settings)
        self.server, self.client = (
            self.network.host(SERVER, config),
            self.network.host(CLIENT, config),
        )
        self.listener = self.server.table.listen(80, tracer=self.log.tracer("server"))
        self.ours = self.client.table.open_active(
            self.server.path, 80, self.now, tracer=self.client_tracer()
        )
        assert self.network.run_until(lambda: self.listener.accepted, limit=10.0)
        self.theirs = self.listener.accepted.popleft()

    def client_tracer(self) -> Tracer:
        return self.log.tracer("client")

    @property
    def now(self) -> float:
        return self.network.clock.now

    def drop(self, data: bytes, now: float) -> bool:
        """Lose the data segments with the numbers to be dropped, counted from 1."""
        if len(data) > 100:
            self.data_segments += 1
        return len(data) > 100 and self.data_segments in self.dropped

    def send(self, size: int) -> None:
        self.ours.send(bytes(size))
        self.client.table.touch(self.ours)

    def read(self, size: int) -> None:
        assert self.network.run_until(lambda: self.theirs.readable_octets >= size, limit=60.0)
        self.theirs.receive()
        self.server.table.touch(self.theirs)

    def close(self) -> None:
        self.ours.close(self.now)
        self.client.table.touch(self.ours)
        assert self.network.run_until(lambda: self.theirs.fin_received, limit=60.0)
        self.theirs.close(self.now)
        self.server.table.touch(self.theirs)
        self.network.run_until(lambda: False, limit=300.0)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.log.events if type(event) is kind]


def transfer(**options: Any) -> Run:
    """Send nine segments and close."""
    run = Run(**options)
    run.send(9000)
    run.read(9000)
    run.close()
    return run
