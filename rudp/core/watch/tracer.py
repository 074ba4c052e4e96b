"""What may be watched, said once and in the RFC's words.

A table and its connections hold one tracer or None.  The core tells it what happened and never
asks anything back; how it looks as a ladder or a log line is decided elsewhere.  It is told at the
few moments when something happens at all: a run leaves, a run comes, a timer expires, a state is
left.  What these change in the connection's variables, the one who watches may read in a
:class:`Blocks` afterwards, so that being watched costs nothing where nobody does.
"""

from typing import NamedTuple, Protocol

from rudp.core.segment.transmit import Address, Path, Transmit
from rudp.core.segment.wire import Run
from rudp.core.terms.counters import Count
from rudp.core.terms.feedback import Fallback, Feedback
from rudp.core.terms.native import mypyc_attr
from rudp.core.terms.state import Cause, State
from rudp.core.terms.why import Why

Ranges = tuple[tuple[int, int], ...]
"""Half-open ranges of sequence numbers, ascending."""


class Blocks(NamedTuple):
    """Both control blocks of a connection, as they are (RFC 9293 §3.3.1); a copy.

    Sequence numbers grow and never wrap: their low 32 bits are those of the wire.  Sizes are
    octets, times seconds.  ``sacked``, ``lost``: ranges between SND.UNA and SND.NXT; ``held``:
    ranges beyond RCV.NXT that have arrived.  ``why_lost``: why ``lost`` was called so, latest.
    ``recovery``: the phase of loss recovery in words.  ``timers``: those that run, by name, and
    when they expire.  Of the receiving half all is 0 or empty before the peer's SYN.
    """

    iss: int
    snd_una: int
    snd_nxt: int
    snd_wnd: int
    unsent: int
    sacked: Ranges
    lost: Ranges
    why_lost: Why
    irs: int
    rcv_nxt: int
    rcv_wnd: int
    unread: int
    held: Ranges
    mss: int
    cwnd: int
    ssthresh: int
    in_flight: int
    pacing_rate: float | None
    recovery: str
    srtt: float | None
    rttvar: float | None
    min_rtt: float | None
    rto: float
    backoffs: int
    timers: dict[str, float]


class Watched(Protocol):
    """What a tracer sees of a connection, or of what is left of one in TIME-WAIT."""

    @property
    def path(self) -> Path:
        """The peer's UDP address, and the local host it uses."""

    @property
    def ports(self) -> int:
        """Local TCP port << 16 | remote TCP port."""

    @property
    def state(self) -> State:
        """The state of RFC 9293 §3.3.2."""

    def blocks(self) -> Blocks | None:
        """Return both control blocks; None if there are none (left)."""


class Nobody:
    """Where a connection would be that a stray segment asks for (RFC 9293 §3.10.7.1)."""

    __slots__ = ("path", "ports", "state")

    def __init__(self, path: Path, ports: int, state: State) -> None:
        self.path = path
        self.ports = ports
        self.state = state

    def blocks(self) -> None:
        """There are none."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Tracer:
    """Derive from this and say what is to be done when something happens; here nothing is.

    *who*: the connection; *now*: seconds on the clock of the endpoint.  What a method gets belongs
    to the core and is good until the method returns.  It must not raise.
    """

    __slots__ = ()

    def bound_to(self, local: Address) -> None:
        """The endpoint of a connection, or of a listener, has this UDP address."""

    def run_sent(self, who: Watched, transmit: Transmit, why: Why, now: float) -> None:
        """Datagrams go to the socket."""

    def run_received(self, who: Watched, run: Run, now: float) -> None:
        """A run came and is about to be processed."""

    def run_processed(self, who: Watched, run: Run, dropped: Count | None, now: float) -> None:
        """It was; *dropped*: for this reason nothing, or not all, of it was heeded."""

    def state_moved(
        self, who: Watched, before: State, after: State, cause: Cause, now: float
    ) -> None:
        """The connection went along an arrow of the state diagram."""

    def path_moved(self, who: Watched, before: Path, after: Path, now: float) -> None:
        """The connection goes another way: the address of one end is another."""

    def ecn_settled(
        self, who: Watched, feedback: Feedback, fallback: Fallback | None, now: float
    ) -> None:
        """Both ends have agreed on *feedback*; *fallback*: our data goes without ECN, for this."""

    def candidate_found(self, ours: bool, address: Address, candidate: str, now: float) -> None:
        """A punch: *address* is one of ours, or of the peer's, of the kind *candidate*."""

    def pair_changed(
        self, address: Address, candidate: str, why: Why, trouble: str | None, now: float
    ) -> None:
        """A punch: *address* is tried, or has failed with *trouble*, or is taken, or given up."""

    def punch_ended(self, candidate: str | None, verdict: str, now: float) -> None:
        """A punch has led to an address of the kind *candidate*, or (None) nowhere."""

    def timer_fired(self, who: Watched, timer: str, now: float) -> None:
        """A timer of :attr:`Blocks.timers`, or the one of TIME-WAIT, expired."""
