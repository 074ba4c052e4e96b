"""From what the core tells to events: tracers that name, compare and write down.

The core tells of runs, moves and timers.  The rest of the story, such as a round trip measured or
a range called lost, is what these changed in the control blocks; so each time the blocks are read
and held against the last ones.  That costs the watched connection some tens of microseconds for
each run, and the others nothing.
"""

import dataclasses
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from rudp.core.segment.seqnum import SEQ_MASK
from rudp.core.segment.transmit import Address, Transmit
from rudp.core.segment.transmit import Path as PeerPath
from rudp.core.segment.wire import Run
from rudp.core.terms.bounds import WINDOW_MAX
from rudp.core.terms.counters import Count
from rudp.core.terms.feedback import Fallback, Feedback
from rudp.core.terms.state import Cause, State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Blocks, Ranges, Tracer
from rudp.core.watch.tracer import Watched as Who
from rudp.trace import events, segment
from rudp.trace.numbers import Numbers

CONNECTIONS_MAX: Final = 4096
"""Connections that are remembered by name; the one that was quiet longest is forgotten first."""

_DIGITS: Final = 9
"""Decimals of seconds: what lies beyond is what floats make of a sum."""

WHY: Final = {
    Cause.OPEN_PASSIVE: Why.OPEN_PASSIVE,
    Cause.OPEN_ACTIVE: Why.SYN_OPEN,
    Cause.CLOSE: Why.FIN_CLOSE,
    Cause.RCV_SYN: Why.SYN_ANSWERED,
    Cause.RCV_SYN_ACK: Why.ACK_OF_SYN,
    Cause.RCV_ACK_OF_SYN: Why.SYN_ACKED,
    Cause.RCV_RST: Why.RETRANSMIT_SYN_DOUBT,
    Cause.RCV_FIN: Why.FIN_RECEIVED,
    Cause.RCV_ACK_OF_FIN: Why.FIN_ACKED,
    Cause.TIMEOUT_2MSL: Why.TIME_WAIT_2MSL,
    Cause.DELETE: Why.DELETED,
}
"""The reason that stands for each label of the state diagram."""

_Key = tuple[str, int, int]


class EventLog:
    """Writes down what its tracers are told.

    *seed* and *script* go into the header (:class:`rudp.trace.events.Header`).  *limit*: events
    kept, None for all; older ones are forgotten first.  *sink*: called with each event as it
    happens, None for nobody.  Raises :class:`ValueError`.

    ::

        log = EventLog()
        server = await rudp.start_server(handler, "127.0.0.1", 9000, tracer=log.tracer("server"))
        reader, writer = await rudp.open_connection("127.0.0.1", 9000, tracer=log.tracer("client"))
        ...
        log.save("events.jsonl")

    All ends need one clock.  Of a simulated network, ``network.taps.append(log.tap)`` tells of
    losses on the way.
    """

    def __init__(
        self,
        *,
        seed: int | str | None = None,
        script: Any = None,
        limit: int | None = None,
        sink: Callable[[events.Event], None] | None = None,
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1, or None, not {limit!r}")
        self.seed = seed
        self.script = script
        self.events: deque[events.Event] = deque(maxlen=limit)
        self._sink = sink
        self._start: float | None = None
        self._ends: dict[str, EndTracer] = {}

    def tracer(self, end: str) -> "EndTracer":
        """Return the tracer for one end of the run, whose connections are named after *end*.

        The first is *end* itself, the others ``end#2`` and so on.
        """
        return self._ends.setdefault(end, EndTracer(self, end))

    def tap(
        self, what: str, now: float, data: bytes, source: Address, destination: Address
    ) -> None:
        """Take what a simulated network tells of a datagram: an observer for ``taps``."""
        if what == "lost":
            self.lost(data, destination, now)

    def lost(self, data: bytes, destination: Address, now: float) -> None:
        """A datagram of one of the ends was lost on its way to *destination*, a UDP address."""
        run = segment.parse(data)
        if run is None:
            return
        key = (str(destination[0]), int(destination[1]), run.ports)
        for end in self._ends.values():
            end.lost(key, segment.received(run), now)

    @property
    def recording(self) -> events.Recording:
        """What has been written down so far."""
        header = events.Header(
            seed=self.seed,
            script=self.script,
            ends=tuple(self._ends),
            library=events.library_version(),
        )
        return events.Recording(header, list(self.events))

    def save(self, path: str | Path) -> None:
        """Write the file *path*.  Raises :class:`OSError`."""
        self.recording.save(path)

    # -- for the ends ----------------------------------------------------------------------------

    def time(self, now: float) -> float:
        """Return *now* in seconds since the first event."""
        if self._start is None:
            self._start = now
        return round(now - self._start, _DIGITS)

    def add(self, event: events.Event) -> None:
        """Write *event* down."""
        self.events.append(event)
        if self._sink is not None:
            self._sink(event)


@dataclasses.dataclass(slots=True)
class _Seen:
    """What is known of a connection: its name, its numbers, and what it was last."""

    name: str
    numbers: Numbers
    blocks: Blocks | None = None
    right_edge: int = 0
    snapshot: events.Snapshot | None = None


class EndTracer(Tracer):
    """The tracer of one end, as :meth:`EventLog.tracer` gives it."""

    __slots__ = ("_arrived", "_connections", "_count", "_end", "_held", "_log")

    def __init__(self, log: EventLog, end: str) -> None:
        self._log = log
        self._end = end
        self._count = 0
        self._connections: OrderedDict[_Key, _Seen] = OrderedDict()
        # The run at hand, and what it caused, until it is known what became of it.
        self._arrived: list[tuple[State, events.Segment]] = []
        self._held: list[events.Event] | None = None

    # -- what the core tells ---------------------------------------------------------------------

    def run_sent(self, who: Who, transmit: Transmit, why: Why, now: float) -> None:
        seen = self._seen(who, now)
        time = self._log.time(now)
        for each in segment.sent(transmit):
            header = seen.numbers.header(each, ours=True)
            self._add(events.SegmentSent(time, seen.name, who.state, header, why))
        self._compare(seen, who, now, sent=True)

    def run_received(self, who: Who, run: Run, now: float) -> None:
        seen = self._seen(who, now)
        self._release(None, seen, now)
        self._held = []
        self._arrived = [
            (who.state, seen.numbers.header(each, ours=False, state=who.state))
            for each in segment.split(run)
        ]

    def run_processed(self, who: Who, run: Run, dropped: Count | None, now: float) -> None:
        seen = self._seen(who, now)
        self._release(dropped, seen, now)
        self._compare(seen, who, now)

    def state_moved(self, who: Who, before: State, after: State, cause: Cause, now: float) -> None:
        if before is State.CLOSED:  # another connection, perhaps between the same ports
            self._connections.pop(_key(who), None)
        seen = self._seen(who, now)
        time = self._log.time(now)
        self._add(events.StateMoved(time, seen.name, before, after, cause.value, WHY[cause]))
        if self._held is None:
            self._compare(seen, who, now)

    def path_moved(self, who: Who, before: PeerPath, after: PeerPath, now: float) -> None:
        host, port = before[0][:2]
        known = self._connections.pop((str(host), int(port), who.ports), None)
        if known is not None:
            self._connections[_key(who)] = known
        seen = self._seen(who, now)
        why = Why.PATH_REBOUND if before[0] == after[0] else Why.PATH_PROVED
        time, peer = self._log.time(now), _named(after[0])
        self._add(events.PathMoved(time, seen.name, after[1], peer, why))

    def candidate_found(self, ours: bool, address: Address, candidate: str, now: float) -> None:
        time, name = self._log.time(now), _named(address)
        self._log.add(events.CandidateFound(time, self._end, ours, name, candidate))

    def pair_changed(
        self, address: Address, candidate: str, why: Why, trouble: str | None, now: float
    ) -> None:
        time, name = self._log.time(now), _named(address)
        self._log.add(events.PairChanged(time, self._end, name, candidate, why, trouble))

    def punch_ended(self, candidate: str | None, verdict: str, now: float) -> None:
        self._log.add(events.PunchEnded(self._log.time(now), self._end, candidate, verdict))

    def ecn_settled(
        self, who: Who, feedback: Feedback, fallback: Fallback | None, now: float
    ) -> None:
        seen = self._seen(who, now)
        reason = None if fallback is None else fallback.name
        self._add(events.EcnSettled(self._log.time(now), seen.name, feedback.value, reason))

    def timer_fired(self, who: Who, timer: str, now: float) -> None:
        seen = self._seen(who, now)
        self._add(events.TimerFired(self._log.time(now), seen.name, timer))
        if seen.blocks is not None:  # that it is off needs no saying
            seen.blocks.timers.pop(timer, None)

    def lost(self, key: _Key, header: segment.Segment, now: float) -> None:
        """The link has lost a segment; *key*: where it was sent to, and its ports."""
        seen = self._connections.get(key)
        if seen is not None:
            each = seen.numbers.header(header, ours=True)
            self._add(events.SegmentLost(self._log.time(now), seen.name, each))

    # -- inside ----------------------------------------------------------------------------------

    def _add(self, event: events.Event) -> None:
        if self._held is None:
            self._log.add(event)
        else:
            self._held.append(event)

    def _release(self, dropped: Count | None, seen: _Seen, now: float) -> None:
        """Write down the run that came, and what it caused."""
        held, self._held = self._held, None
        if held is None:
            return
        time = self._log.time(now)
        reason = None if dropped is None else dropped.value
        for state, header in self._arrived:
            self._log.add(events.SegmentReceived(time, seen.name, state, header, reason))
        for event in held:
            self._log.add(event)

    def _seen(self, who: Who, now: float) -> _Seen:
        key = _key(who)
        seen = self._connections.get(key)
        if seen is None:
            self._count += 1
            name = self._end if self._count == 1 else f"{self._end}#{self._count}"
            seen = self._connections[key] = _Seen(name, Numbers())
            blocks = who.blocks()
            if blocks is not None:
                seen.numbers.iss = blocks.iss & SEQ_MASK
            if len(self._connections) > CONNECTIONS_MAX:
                self._connections.popitem(last=False)
            self._add(
                events.Watched(
                    self._log.time(now), name, self._end, _named(who.path[0]),
                    who.ports >> 16, who.ports & 0xFFFF, who.state,
                )
            )  # fmt: skip
        else:
            self._connections.move_to_end(key)
        return seen

    def _compare(self, seen: _Seen, who: Who, now: float, *, sent: bool = False) -> None:
        """Write down what has changed in the control blocks since the last time."""
        blocks = _rounded(who.blocks())
        if blocks is None:
            return
        before, seen.blocks = seen.blocks, blocks
        time, name = self._log.time(now), seen.name
        ssthresh = None if blocks.ssthresh >= WINDOW_MAX else blocks.ssthresh
        if before is not None:
            for left, right in _news(before.lost, blocks.lost):
                span = left - blocks.iss, right - blocks.iss
                self._add(events.RangeLost(time, name, *span, blocks.why_lost))
        if blocks.srtt is not None and _estimate(blocks) != _estimate(before):
            self._add(
                events.RttSampled(
                    time, name, blocks.srtt, blocks.rttvar or 0.0, blocks.min_rtt, blocks.rto
                )
            )
        if blocks.snd_una > blocks.iss and _congestion(blocks) != _congestion(before):
            self._add(
                events.CongestionChanged(
                    time, name, blocks.cwnd, ssthresh, blocks.in_flight, blocks.pacing_rate,
                    blocks.recovery,
                )
            )  # fmt: skip
        timers = {timer: self._log.time(at) for timer, at in blocks.timers.items()}
        known = before.timers if before is not None else {}
        for timer, at in blocks.timers.items():
            if known.get(timer) != at:
                self._add(events.TimerSet(time, name, timer, timers[timer]))
        for timer in [timer for timer in known if timer not in timers]:
            self._add(events.TimerSet(time, name, timer, None))
        right_edge = blocks.rcv_nxt + blocks.rcv_wnd
        if sent and blocks.irs and right_edge != seen.right_edge:
            seen.right_edge = right_edge
            edge = right_edge - blocks.irs
            self._add(events.WindowAnnounced(time, name, blocks.rcv_wnd, edge))
        snapshot = _snapshot(time, name, who.state, blocks, ssthresh, timers)
        last, seen.snapshot = seen.snapshot, snapshot
        if last is None or dataclasses.replace(last, time=time) != snapshot:
            self._add(snapshot)


def _named(address: Address) -> str:
    host, port = address[:2]
    return f"{host}:{port}"


def _key(who: Who) -> _Key:
    """Return where *who* sends to, and the ports its segments bear."""
    host, port = who.path[0][:2]
    return str(host), int(port), who.ports


def _rounded(blocks: Blocks | None) -> Blocks | None:
    """Return *blocks* in numbers that people can read."""
    if blocks is None:
        return None
    times = {
        name: round(value, _DIGITS)
        for name in ("srtt", "rttvar", "min_rtt", "rto")
        if (value := getattr(blocks, name)) is not None
    }
    rate = blocks.pacing_rate
    return blocks._replace(**times, pacing_rate=None if rate is None else round(rate))


def _estimate(blocks: Blocks | None) -> tuple[object, ...]:
    """Return what a measurement of the round trip changes."""
    return () if blocks is None else (blocks.srtt, blocks.rttvar, blocks.min_rtt, blocks.rto)


def _congestion(blocks: Blocks | None) -> tuple[object, ...]:
    """Return what congestion control decides; before the handshake is over it decides nothing."""
    if blocks is None or blocks.snd_una == blocks.iss:
        return ()
    return blocks.cwnd, blocks.ssthresh, blocks.recovery


def _news(before: Ranges, after: Ranges) -> Iterable[tuple[int, int]]:
    """Return those parts of *after* that are not in *before*."""
    news = []
    for left, right in after:
        for known_left, known_right in before:
            if known_right <= left or known_left >= right:
                continue
            if left < known_left:
                news.append((left, known_left))
            left = known_right
        if left < right:
            news.append((left, right))
    return news


def _snapshot(
    time: float,
    name: str,
    state: State,
    blocks: Blocks,
    ssthresh: int | None,
    timers: dict[str, float],
) -> events.Snapshot:
    iss, irs = blocks.iss, blocks.irs
    met = bool(blocks.rcv_nxt)
    fields = blocks._asdict()
    del fields["why_lost"]
    fields |= {
        "iss": iss & SEQ_MASK,
        "irs": irs & SEQ_MASK if met else None,
        "rcv_nxt": blocks.rcv_nxt - irs,
        "ssthresh": ssthresh,
        "timers": timers,
        "sacked": tuple((left - iss, right - iss) for left, right in blocks.sacked),
        "lost": tuple((left - iss, right - iss) for left, right in blocks.lost),
        "held": tuple((left - irs, right - irs) for left, right in blocks.held),
    }
    fields["snd_una"] -= iss
    fields["snd_nxt"] -= iss
    return events.Snapshot(time, name, state, **fields)
