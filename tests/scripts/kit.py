"""What the scripts here share: a table with a peer, and the two ways to open.

The language is that of :mod:`rudp.sim.drill`; a test here plays several drills after each other, or
looks at the table in between.  Those that need neither are in ``rudp/sim/drills``.
"""

from typing import Any

from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import Path
from rudp.core.terms.state import MOVES, Cause, State
from rudp.core.watch.tracer import Tracer, Watched
from rudp.sim import drill
from rudp.sim.drill.side import PEER

ARROWS = {(before, after) for (before, _), after in MOVES.items()}


class Moves(Tracer):
    """A tracer that holds every move against the state diagram."""

    def state_moved(
        self, who: Watched, before: State, after: State, cause: Cause, now: float
    ) -> None:
        assert (before, after) in ARROWS, f"{before} to {after} is not in the diagram"


class Play:
    """A table, its peer and a clock.  Call it with a script, as often as needed.

    *wrap*: our sequence numbers, the peer's and both timestamps begin just below 2**32.
    """

    def __init__(self, *, wrap: bool = False, path: Path = PEER, **settings: Any) -> None:
        self._wrap = wrap
        self._path = path
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Begin afresh with other settings."""
        self.side = drill.Ours(settings, wrap=self._wrap, peer=self._path, tracer=Moves())
        self._play = drill.Play(self.side)

    def __call__(self, script: str) -> None:
        """Play *script*.  Raises :class:`drill.DrillError`."""
        self._play.run(drill.parse(script))

    @property
    def table(self) -> ConnectionTable:
        return self.side.table

    @property
    def connection(self) -> Connection:
        """The connection of the main flow."""
        return self.side.connection(self._play.flows[""])

    @property
    def flows(self) -> dict[str, drill.Flow]:
        """The flows, by name."""
        return self._play.flows

    @property
    def iss(self) -> int:
        """Our ISS on the main flow, 32 bits."""
        return self._play.flows[""].iss

    @property
    def time(self) -> float:
        """Seconds since the beginning."""
        return self.side.time

    @property
    def now(self) -> float:
        """The time as the table knows it, seconds."""
        return self.side.now

    @now.setter
    def now(self, value: float) -> None:
        self.side.now = value


def active(options: str = "mss 1000", *, win: int = 65535, rtt: float = 0.1) -> str:
    """Return the script of an open by us; the answer carries *options*."""
    return f"""
        connect
        > S 0
        +{rtt} < SA 0 ack 1 win {win} <{options}>
        > A 1 ack 1
        state ESTABLISHED
        events ESTABLISHED WRITABLE
    """


def passive(options: str = "mss 1000", *, win: int = 65535, rtt: float = 0.1) -> str:
    """Return the script of an open by the peer, whose SYN carries *options*."""
    return f"""
        listen
        < S 0 win {win} <{options}>
        > SA 0 ack 1
        +{rtt} < A 1 ack 1 win {win}
        accept
        state ESTABLISHED
    """
