"""What can be drilled: a TCP with a clock, told of segments and calls, asked for what it sends.

The language and its player know nothing else of an implementation, so the same drill runs against
rudp in virtual time (:mod:`rudp.sim.drill.ours`) and against a kernel in real time.
"""

import abc
from collections import deque
from typing import Final, NamedTuple

from rudp.core.segment.transmit import Path as Path
from rudp.sim.drill.wire import Flow

PEER: Final[Path] = (("192.0.2.1", 4000), "")
"""Where the peer of the main flow is."""


class NotHereError(Exception):
    """There is no such thing here: no connection, or nothing that this side can do or tell."""


class Came(NamedTuple):
    """A segment that came out: when, to whom, its octets, and the ECN bits of its IP header."""

    time: float
    path: Path
    data: bytes
    ecn: int


class Side(abc.ABC):
    """One implementation; times are seconds since its beginning.

    ``name``: one of :data:`rudp.sim.drill.language.SIDES`.  ``tolerance``: seconds by which a
    segment may be early or late; ``slack``: the share of a wait by which it may be late as well.
    ``blur``: seconds, besides that share, by which a time that it measures may differ.
    ``heedless``: control bits that are not compared.  ``peer``: where that of the main flow is.
    ``came``: segments that came out and were not asked for yet.
    """

    name: str
    tolerance: float
    slack = 0.0
    blur = 0.0
    heedless = ""

    def __init__(self, peer: Path = PEER) -> None:
        self.peer = peer
        self.came: deque[Came] = deque()

    @property
    @abc.abstractmethod
    def time(self) -> float:
        """The time now."""

    @abc.abstractmethod
    def new_flow(self, path: Path, port: int) -> Flow:
        """Return a flow between this side and TCP *port* at *path*."""

    @abc.abstractmethod
    def collect(self) -> None:
        """Add to ``came`` what has come out by now."""

    @abc.abstractmethod
    def advance(self, when: float, *, stay: bool) -> None:
        """Let time pass up to *when*, unless something comes out before.

        *stay*: if nothing does, it may be left where the last thing happened.
        """

    @abc.abstractmethod
    def deliver(self, flow: Flow, datagrams: list[bytes], ecn: int) -> None:
        """Segments of the peer arrive in one read, all as long as the first, or the last shorter.

        *ecn*: the ECN bits of their IP headers.
        """

    @abc.abstractmethod
    def send(self, flow: Flow, data: bytes, *, urgent: bool) -> None:
        """SEND.  Raises :class:`OSError`."""

    @abc.abstractmethod
    def read(self, flow: Flow) -> bytes:
        """RECEIVE: return all there is, b"" if nothing.  Raises :class:`OSError`."""

    @abc.abstractmethod
    def call(self, flow: Flow, verb: str, words: tuple[str, ...]) -> None:
        """Do another of :data:`rudp.sim.drill.language.CALLS`.

        Raises :class:`OSError`, :class:`NotHereError`.
        """

    @abc.abstractmethod
    def look(self, flow: Flow, verb: str, words: tuple[str, ...]) -> str:
        """Return what one of :data:`rudp.sim.drill.language.CHECKS` is about.

        Names of events are sorted.  Raises :class:`NotHereError`.
        """

    @abc.abstractmethod
    def anew(self, flow: Flow) -> None:
        """Another connection begins on *flow*."""

    @abc.abstractmethod
    def rest(self) -> None:
        """The drill is over: ``collect`` what is on its way without time that passes."""
