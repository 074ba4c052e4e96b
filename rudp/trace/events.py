"""What happened on a connection, as typed events; and the file that keeps them.

Everything shown of a run is drawn from these: each event has a time, the name of a connection, and
says one thing in the RFC's words.  ``events.jsonl`` is a header and then one event a line; the
format is told in ``docs/events.md``, and what is written here can be read here.
"""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from rudp.core.terms.state import State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Ranges

FORMAT: Final = 1
"""The version of the file's format."""

NUMBER_MAX: Final = 1 << 62
"""No number in a file is beyond this, nor is any of them NaN."""

_Made = TypeVar("_Made", bound="Event | Segment")


@dataclasses.dataclass(frozen=True, slots=True)
class Segment:
    """The header of a segment, and how much data follows it.

    ``seq``, ``ack`` and ``sack``: relative numbers, 0 is the SYN; where the initial number is not
    known they are those of the wire.  ``ack`` is None without ACK.  ``wire_seq``, ``wire_ack``: the
    32 bits.  ``flags``: ``"SYN,ACK"``, ``"PSH,ACK"``, ``"FIN,ACK"``.  ``window``: octets, scaled.
    ``tsval`` and ``tsecr``: the timestamps option, milliseconds; ``key_id`` and ``next_key_id``:
    which key has signed it, and which the peer is asked for (RFC 5925 §2.2); ``path``: what it says
    about that, ``"offer"``, ``"token"``, ``"challenge"`` or ``"response"``; ``cookie``: that of a
    fast open, in hex, or ``"asked"`` (RFC 7413 §4.1.1); the other options as they are named in RFC
    9293 and 7323, None or empty where the segment has none.

    ``ace``: the counter of marks, 0 to 7, that AE, CWR and ECE are where feedback is accurate; they
    are none of the ``flags`` then (RFC 9768 §3.2.2).  ``ect1_octets``, ``ect0_octets`` and
    ``ce_octets``: what its sender says that came with ECT(1), with ECT(0) and with a mark, modulo
    2**24 (§3.2.3).
    ``ecn``: what the IP header says, ``"ECT(0)"``, ``"ECT(1)"`` or ``"CE"``, None for neither.
    """

    flags: str
    seq: int
    ack: int | None
    window: int
    length: int
    wire_seq: int
    wire_ack: int
    mss: int | None = None
    window_scale: int | None = None
    sack_permitted: bool = False
    sack: Ranges = ()
    tsval: int | None = None
    tsecr: int | None = None
    key_id: int | None = None
    next_key_id: int | None = None
    path: str | None = None
    cookie: str | None = None
    ace: int | None = None
    ect1_octets: int | None = None
    ect0_octets: int | None = None
    ce_octets: int | None = None
    ecn: str | None = None

    @property
    def space(self) -> int:
        """How many sequence numbers it takes: data, SYN and FIN (SEG.LEN)."""
        return self.length + ("SYN" in self.flags) + ("FIN" in self.flags)


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Something happened: ``time`` is seconds since the first event, ``connection`` a name."""

    kind: ClassVar[str] = ""

    time: float
    connection: str


@dataclasses.dataclass(frozen=True, slots=True)
class Watched(Event):
    """From here on a connection is watched.

    ``end``: the tracer that watches it.  ``peer``: the UDP address of the other side;
    ``local_port``, ``remote_port``: TCP ports.
    """

    kind = "watched"

    end: str
    peer: str
    local_port: int
    remote_port: int
    state: State


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentSent(Event):
    """A segment leaves, and the connection is in ``state`` (after what made it leave)."""

    kind = "segment_sent"

    state: State
    segment: Segment
    why: Why


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentReceived(Event):
    """A segment came while the connection was in ``state``.

    ``dropped``: why nothing, or not all, of it was heeded, a
    :class:`rudp.core.terms.counters.Count`; None if it was accepted.  What it caused follows with
    the same time.
    """

    kind = "segment_received"

    state: State
    segment: Segment
    dropped: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentLost(Event):
    """A segment that the connection has sent is lost on a simulated link (at once: no delay)."""

    kind = "segment_lost"

    segment: Segment


@dataclasses.dataclass(frozen=True, slots=True)
class StateMoved(Event):
    """The connection went from state ``before`` to ``after``; ``cause``: the arrow's label."""

    kind = "state_moved"

    before: State
    after: State
    cause: str
    why: Why


@dataclasses.dataclass(frozen=True, slots=True)
class PathMoved(Event):
    """The connection goes another way; ``local`` and ``peer``: our host, and the UDP address of the
    other side, from now on.
    """

    kind = "path_moved"

    local: str
    peer: str
    why: Why


@dataclasses.dataclass(frozen=True, slots=True)
class CandidateFound(Event):
    """An address that may be tried when two punch; ``connection`` is the name of the end.

    ``ours``: where we may be, or where the peer may be.  ``candidate``: ``"host"``, ``"mapped"`` or
    ``"relayed"``.
    """

    kind = "candidate_found"

    ours: bool
    address: str
    candidate: str


@dataclasses.dataclass(frozen=True, slots=True)
class PairChanged(Event):
    """An address of the peer's is tried, has failed, is taken or is given up: that says ``why``.

    ``connection`` is the name of the end.  ``candidate``: as in :class:`CandidateFound`, or
    ``"peer-reflexive"``, where nobody had told of the address.  ``trouble``: what it failed with.
    """

    kind = "pair_changed"

    address: str
    candidate: str
    why: Why
    trouble: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class PunchEnded(Event):
    """Two have punched; ``connection`` is the name of the end.

    ``candidate``: what the connection leads to, None if there is none.  ``verdict``: what is known
    of the NATs then, in words, "" for nothing.
    """

    kind = "punch_ended"

    candidate: str | None
    verdict: str


Punching = CandidateFound | PairChanged | PunchEnded
"""What is told of an end, before there is a connection: ``connection`` is the end's name."""


@dataclasses.dataclass(frozen=True, slots=True)
class EcnSettled(Event):
    """Both ends have agreed on how marks are told of; or our data goes without ECN from now on.

    ``feedback``: ``"accurate"`` (RFC 9768) or ``"classic"`` (RFC 3168).  ``fallback``: the reason,
    a name of :class:`rudp.core.terms.feedback.Fallback`; None if there is none.
    """

    kind = "ecn_settled"

    feedback: str
    fallback: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class RangeLost(Event):
    """The sender calls ``[left, right)``, relative numbers, lost."""

    kind = "range_lost"

    left: int
    right: int
    why: Why


@dataclasses.dataclass(frozen=True, slots=True)
class RttSampled(Event):
    """A round trip was measured: what follows for the time-out (RFC 6298), in seconds."""

    kind = "rtt_sampled"

    srtt: float
    rttvar: float
    min_rtt: float | None
    rto: float


@dataclasses.dataclass(frozen=True, slots=True)
class CongestionChanged(Event):
    """cwnd, ssthresh (RFC 5681) or the phase of recovery changed; octets, and octets a second.

    ``ssthresh`` is None while it is arbitrarily high.
    """

    kind = "congestion_changed"

    cwnd: int
    ssthresh: int | None
    in_flight: int
    pacing_rate: float | None
    recovery: str


@dataclasses.dataclass(frozen=True, slots=True)
class TimerSet(Event):
    """A timer was set to expire at ``expires``, or stopped: None."""

    kind = "timer_set"

    timer: str
    expires: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class TimerFired(Event):
    """A timer expired."""

    kind = "timer_fired"

    timer: str


@dataclasses.dataclass(frozen=True, slots=True)
class WindowAnnounced(Event):
    """The right edge of the receive window moved to ``right_edge``, a relative number."""

    kind = "window_announced"

    rcv_wnd: int
    right_edge: int


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot(Event):
    """Both control blocks, as they are once all of this time's last event is done.

    The fields are those of :class:`rudp.core.watch.tracer.Blocks`, in relative numbers: 0 is the
    SYN; ``iss`` and ``irs``, 32 bits, are what to add for the wire's.  ``ssthresh`` is None while
    it is arbitrarily high.  ``timers``: when each expires.
    """

    kind = "snapshot"

    state: State
    iss: int
    snd_una: int
    snd_nxt: int
    snd_wnd: int
    unsent: int
    sacked: Ranges
    lost: Ranges
    irs: int | None
    rcv_nxt: int
    rcv_wnd: int
    unread: int
    held: Ranges
    mss: int
    cwnd: int
    ssthresh: int | None
    in_flight: int
    pacing_rate: float | None
    recovery: str
    srtt: float | None
    rttvar: float | None
    min_rtt: float | None
    rto: float
    backoffs: int
    timers: dict[str, float]


KINDS: Final[dict[str, type[Event]]] = {
    cls.kind: cls
    for cls in (
        Watched,
        SegmentSent,
        SegmentReceived,
        SegmentLost,
        StateMoved,
        PathMoved,
        EcnSettled,
        CandidateFound,
        PairChanged,
        PunchEnded,
        RangeLost,
        RttSampled,
        CongestionChanged,
        TimerSet,
        TimerFired,
        WindowAnnounced,
        Snapshot,
    )
}

_STATES: Final = {str(state): state for state in State}
_RANGES: Final = frozenset({"sack", "sacked", "lost", "held"})


@dataclasses.dataclass(frozen=True)
class Header:
    """The first line of a file: what is needed to make the run again.

    ``seed``: what its chances followed from.  ``script``: how it was made, in a form that
    :mod:`json` can write; the maker of the run knows how to read it.  ``ends``: the names of the
    tracers.  ``library``: the version of rudp that wrote it.
    """

    seed: int | str | None = None
    script: Any = None
    ends: tuple[str, ...] = ()
    library: str = ""
    format: int = FORMAT


@dataclasses.dataclass
class Recording:
    """A run as it is kept: a header and the events in order."""

    header: Header
    events: list[Event]

    def lines(self) -> Iterator[str]:
        """Yield the lines of its file, without their ends."""
        return lines(self.header, self.events)

    def save(self, path: str | Path) -> None:
        """Write it to the file *path*.  Raises :class:`OSError`."""
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in self.lines())

    @classmethod
    def load(cls, path: str | Path) -> "Recording":
        """Read the file *path*.

        Raises :class:`OSError`, or :class:`ValueError` with the number of a line that is wrong.
        """
        with open(path, encoding="utf-8") as file:
            return cls.parse(file)

    @classmethod
    def parse(cls, text: Iterable[str]) -> "Recording":
        """Read the lines of a file; :class:`ValueError` as :meth:`load`."""
        header = None
        events = []
        for number, line in enumerate(text, 1):
            try:
                fields = json.loads(line)
                if header is None:
                    header = _header(fields)
                else:
                    events.append(decode(fields))
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                raise ValueError(f"line {number} is not an event: {error!r}") from None
        if header is None:
            raise ValueError("line 1, the header, is missing")
        return cls(header, events)


def library_version() -> str:
    """Return the version of rudp, "" if it is not installed."""
    import importlib.metadata  # it takes half as long as all of rudp

    try:
        return importlib.metadata.version("aiorudp")
    except importlib.metadata.PackageNotFoundError:
        return ""


def lines(header: Header, events: Iterable[Event]) -> Iterator[str]:
    """Yield the lines of a file, without their ends."""
    yield _dump({**dataclasses.asdict(header), "events": "rudp"})
    for event in events:
        yield _dump(encode(event))


def encode(event: Event) -> dict[str, Any]:
    """Return *event* as what :mod:`json` can write."""
    fields: dict[str, Any] = {"event": event.kind}
    for field in dataclasses.fields(event):
        fields[field.name] = _plain(getattr(event, field.name))
    return fields


def decode(fields: dict[str, Any]) -> Event:
    """Return the event that :func:`encode` made *fields* of.

    Raises :class:`KeyError`, :class:`TypeError` or :class:`ValueError` if there is no such event.
    """
    values = {name: _typed(name, value) for name, value in fields.items() if name != "event"}
    return _checked(KINDS[fields["event"]](**values))


def _checked(made: _Made) -> _Made:
    """Return *made* if each field is what it is declared to be; otherwise :class:`TypeError`."""
    kind: Any = type(made)
    for name, fits in _checks(kind):
        if not fits(getattr(made, name)):
            raise TypeError(f"{name} cannot be {getattr(made, name)!r}")
    return made


@functools.cache
def _checks(kind: Any) -> list[tuple[str, Callable[[Any], bool]]]:
    """Return for each field of a class what tells whether a value is one."""
    hints = typing.get_type_hints(kind)
    return [(field.name, _check(hints[field.name])) for field in dataclasses.fields(kind)]


def _check(hint: Any) -> Callable[[Any], bool]:
    """Return what tells whether a value is of the type *hint*, and a number small enough."""
    if hint is int:
        return lambda value: type(value) is int and abs(value) <= NUMBER_MAX
    if hint is float:
        return lambda value: type(value) in (float, int) and abs(value) <= NUMBER_MAX
    if isinstance(hint, types.UnionType):
        inner, _ = map(_check, typing.get_args(hint))  # the second is None
        return lambda value: value is None or inner(value)
    if typing.get_origin(hint) is dict:
        inner = _check(typing.get_args(hint)[1])
        return lambda value: isinstance(value, dict) and all(map(inner, value.values()))
    if hint == Ranges:
        inner = _check(int)
        return lambda value: all(inner(left) and inner(right) for left, right in value)
    return lambda value: isinstance(value, hint)


def _dump(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def _header(fields: dict[str, Any]) -> Header:
    if fields.pop("events") != "rudp":
        raise ValueError("not a recording of rudp")
    if fields["format"] != FORMAT:
        raise ValueError(f"format {fields['format']} is not {FORMAT}, the one that is known here")
    return Header(**{**fields, "ends": tuple(fields["ends"])})


def _plain(value: Any) -> Any:
    if isinstance(value, State):
        return str(value)
    if isinstance(value, Why):
        return value.name
    if isinstance(value, Segment):
        named = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: each for name, each in named if not _is_absent(each)}
    return value


def _is_absent(value: Any) -> bool:
    """Return whether *value* is what the fields of a segment are unless given."""
    return value is None or value is False or value == ()


def _typed(name: str, value: Any) -> Any:
    if name in ("state", "before", "after"):
        return _STATES[value]
    if name == "why":
        return Why[value]
    if name == "segment":
        return _checked(
            Segment(**{"ack": None, **{key: _typed(key, each) for key, each in value.items()}})
        )
    if name in _RANGES:
        return tuple((left, right) for left, right in value)
    return value
