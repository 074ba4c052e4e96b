"""A connection over a bad path in which a part of one end is the learner's.

The client sends to the server and the server to the client, both close, and each octet must arrive.
What happens on the way is a fault script, or chance from a seed, which is told as a fault script.
"""

import dataclasses
import traceback
from pathlib import Path
from typing import Any, Final

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.parts import USUAL
from rudp.core.terms.state import State
from rudp.labs.lab import Setup
from rudp.sim.link import LinkOptions
from rudp.sim.network import Network
from rudp.testing.script import FaultScript
from rudp.testing.way import FaultyWay
from rudp.trace import EventLog, Recording
from rudp.trace.events import SegmentSent

CLIENT: Final = ("10.0.0.1", 7000)
SERVER: Final = ("10.0.0.2", 7000)
PORT: Final = 80
CLIENT_PORT: Final = 50_000

UP: Final = 24_000
"""Octets from the client to the server."""

DOWN: Final = 18_000
"""Octets the other way."""

PATIENCE: Final = 600.0
"""Virtual seconds after which a connection is not going to end."""

STEPS_MAX: Final = 20_000
"""Steps of the network, of which a connection that ends takes some hundred."""

ENDED: Final = (State.CLOSED, State.TIME_WAIT)


@dataclasses.dataclass
class Outcome:
    """What came of a connection; ``problem``: what is wrong with it, "" if nothing.

    ``seconds`` it took, ``segments`` that the learner's end sent, ``happened``: all faults.
    """

    problem: str
    seconds: float
    segments: int
    happened: FaultScript
    recording: Recording


def pattern(size: int, salt: int) -> bytes:
    """Return *size* octets, none of them where it could be taken for another."""
    return bytes((at * 31 + (at >> 8) * 7 + salt) & 0xFF for at in range(size))


def play(
    setup: Setup,
    *,
    seed: int = 0,
    script: FaultScript | None = None,
    loss: float = 0.0,
) -> Outcome:
    """Run a connection.

    *script*: what happens to its segments.  *loss*: the share of segments that are lost by chance,
    and half as often late or twice.
    """
    chances: LinkOptions = {"loss": loss, "reorder": loss / 2, "duplicate": loss / 2}
    options: LinkOptions = {"delay": 0.05, "reorder_delay": 0.03, **chances, **setup.link}
    network = Network(seed=seed, **options)
    way = network.way = FaultyWay(network, script or FaultScript(lenient=True))
    log = EventLog(seed=seed)
    network.taps.append(log.tap)
    try:
        problem = _run(setup, network, log)
    except Exception as error:  # whatever the class of the learner raises
        problem = told(error)
    sent = sum(
        isinstance(one, SegmentSent) and is_of(one.connection, setup.side) for one in log.events
    )
    happened = FaultScript(dict.fromkeys(way.happened), lenient=True)
    return Outcome(problem, network.clock.now, sent, happened, log.recording)


def _run(setup: Setup, network: Network, log: EventLog) -> str:
    """Make both ends and run them; return what is wrong, "" if nothing."""
    tables = {}
    for name, address in (("client", CLIENT), ("server", SERVER)):
        mine = name == setup.side
        settings = setup.config if mine else Config(lane="off", mss=1000, ecn="off")
        parts = setup.parts if mine else USUAL
        tables[name] = table = network.host(address, settings, parts=parts).table
        if mine and setup.wrapped is not None:
            del network.nodes[address]
            network.attach(address, setup.wrapped(table))
    run = _Run(network, tables["client"], tables["server"], log, patient=setup.patient)
    return run.play()


def is_of(connection: str, side: str) -> bool:
    """Whether *connection*, by its name in a log, is one of *side*."""
    return connection.partition("#")[0] == side


def told(error: BaseException) -> str:
    """Return an exception in words, with the line of the learner's file where it was raised."""
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if "/rudp/" not in frame.filename.replace("\\", "/"):
            where = f" (line {frame.lineno} of {Path(frame.filename).name})"
    said = f": {error}" if str(error) else ""
    return f"it raised {type(error).__name__}{said}{where}"


class _Run:
    """One connection: the calls of both programs, and what they get."""

    def __init__(
        self,
        network: Network,
        client: ConnectionTable,
        server: ConnectionTable,
        log: EventLog,
        *,
        patient: bool,
    ) -> None:
        self._network = network
        self._tables = {"client": client, "server": server}
        self._listener = server.listen(PORT, tracer=log.tracer("server"))
        self._ends: dict[str, Any] = {
            "client": client.open_active(
                (SERVER, ""), PORT, 0.0, local_port=CLIENT_PORT, tracer=log.tracer("client")
            )
        }
        self._got = {"client": bytearray(), "server": bytearray()}
        self._wanted = {"client": pattern(DOWN, 3), "server": pattern(UP, 5)}
        self._begun: set[str] = set()
        self._patient = patient
        if not patient:
            self._begin("client")

    def play(self) -> str:
        """Run it to its end; return what is wrong, "" if nothing."""
        for _ in range(STEPS_MAX):
            if not self._network.step():
                break
            if self._network.clock.now > PATIENCE:
                return self._unfinished(f"has not come to an end after {PATIENCE:.0f} s")
            if "server" not in self._ends and self._listener.accepted:
                self._ends["server"] = self._listener.accepted.popleft()
                self._begin("server")
                if self._patient:
                    self._begin("client")
            for name, connection in self._ends.items():
                problem = self._take(name, connection)
                if problem:
                    return problem
            if len(self._ends) == 2 and all(one.state in ENDED for one in self._ends.values()):
                break
        else:
            return self._unfinished(f"goes on and on: {STEPS_MAX} events")
        for name, got in self._got.items():
            if len(got) < len(self._wanted[name]):
                return self._unfinished("has ended too early")
        return ""

    def _begin(self, name: str) -> None:
        other = "server" if name == "client" else "client"
        connection, table = self._ends[name], self._tables[name]
        connection.send(self._wanted[other])
        table.touch(connection)
        self._begun.add(name)

    def _take(self, name: str, connection: Any) -> str:
        if connection.error is not None:
            return f"the {name}'s connection has died: {connection.error}"
        # In SYN-SENT it would mean to forget the open.
        if name in self._begun and connection.state is not State.SYN_SENT:
            self._begun.discard(name)
            connection.shutdown(self._network.clock.now)
            self._tables[name].touch(connection)
        data = connection.receive()
        if not data:
            return ""
        self._tables[name].touch(connection)
        got, wanted = self._got[name], self._wanted[name]
        begin = len(got)
        got += data
        if bytes(got) != wanted[: len(got)]:
            at = next(
                (n for n in range(begin, len(got)) if n >= len(wanted) or got[n] != wanted[n]),
                begin,
            )
            return f"the {name} has read a wrong octet at offset {at} of {len(wanted)}"
        return ""

    def _unfinished(self, what: str) -> str:
        parts = [
            f"the {name}, in {connection.state}, has read {len(self._got[name])} of "
            f"{len(self._wanted[name])} octets"
            for name, connection in self._ends.items()
        ]
        return f"the connection {what}: {'; '.join(parts)}"
