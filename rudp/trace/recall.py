"""The last flight of a connection, told when it has ended in an error.

The recorder in the core keeps tuples; here they become words, events, or a capture.  An exception
that a connection dies of carries the end of the story as a note, so that a traceback shows what
was sent, what came and which timer fired; its method ``save`` writes all that is known to a file.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from rudp.core import wire
from rudp.core.counters import Counters
from rudp.core.recorder import DROPPED, FIRED, MOVED, RECEIVED, SENT
from rudp.core.state import State
from rudp.core.tracer import Nobody
from rudp.core.transmit import Address
from rudp.core.transmit import Path as PeerPath
from rudp.trace import events, segment, words
from rudp.trace.capture import Capture
from rudp.trace.numbers import Numbers
from rudp.trace.stream import WHY

NOTE_EVENTS: Final = 12
"""Events told in the note of an exception."""


@dataclasses.dataclass(frozen=True)
class Flight:
    """What a flight recorder knew when the connection ended.

    *records*: as :class:`rudp.core.recorder.FlightRecorder` keeps them.  *numbers*: what is known
    of the connection's initial numbers.
    """

    records: tuple[tuple[Any, ...], ...]
    path: PeerPath
    ports: int
    local: Address
    numbers: Numbers

    def tell(self, most: int = NOTE_EVENTS) -> str:
        """Return the last *most* events in words, one a line, with the seconds before the end."""
        end = self.records[-1][1] if self.records else 0.0
        host, port = self.path[0][:2]
        told = [f"{event.time - end:+9.3f} s  {_in_words(event)}" for event in self._events(0.0)]
        title = f"The last events of the connection to {host}:{port}, seconds before its end:"
        return "\n".join([title, *told[-most:]])

    def recording(self) -> events.Recording:
        """Return everything as events; there are no snapshots among them."""
        start = self.records[0][1] if self.records else 0.0
        host, port = self.path[0][:2]
        first = self.records[0][2] if self.records else State.CLOSED
        state = first if isinstance(first, State) else State.CLOSED
        watched = events.Watched(
            0.0, _NAME, _NAME, f"{host}:{port}", self.ports >> 16, self.ports & 0xFFFF, state
        )
        header = events.Header(ends=(_NAME,), library=events.library_version())
        return events.Recording(header, [watched, *self._events(start)])

    def save(self, path: str | Path) -> None:
        """Write everything to a file: ``.pcapng`` for Wireshark, headers only, or ``.jsonl``.

        Raises :class:`ValueError` for another suffix, :class:`OSError`.
        """
        suffix = Path(path).suffix
        writer = WRITERS.get(suffix)
        if writer is None:
            known = ", ".join(sorted(WRITERS))
            raise ValueError(f"cannot write {suffix or 'a file without suffix'!r}, only {known}")
        writer(self, Path(path))

    def _events(self, start: float) -> Iterator[events.Event]:
        numbers = dataclasses.replace(self.numbers)
        records = self.records
        for n, record in enumerate(records):
            kind, now = record[:2]
            time = round(now - start, 9)
            if kind == SENT:
                for each in _segments(record):
                    header = numbers.header(each, ours=True)
                    yield events.SegmentSent(time, _NAME, record[2], header, record[6])
            elif kind == RECEIVED:
                dropped = _verdict(records, n)
                for each in _segments(record):
                    header = numbers.header(each, ours=False)
                    yield events.SegmentReceived(time, _NAME, record[2], header, dropped)
            elif kind == MOVED:
                _, _, before, after, cause = record
                yield events.StateMoved(time, _NAME, before, after, cause.value, WHY[cause])
            elif kind == FIRED:
                yield events.TimerFired(time, _NAME, record[2])


_NAME: Final = "connection"


def annotate(error: BaseException, flight: Flight) -> None:
    """Let *error* carry *flight*: as a note, and as its method ``save``."""
    if flight.records:
        error.add_note(flight.tell())
    error.save = flight.save  # type: ignore[attr-defined]


def _verdict(records: tuple[tuple[Any, ...], ...], n: int) -> str | None:
    """Return why the run of the *n*-th record was dropped; other events may lie between."""
    for record in records[n + 1 :]:
        if record[0] == DROPPED:
            return str(record[2].value)
        if record[0] in (SENT, RECEIVED):
            break
    return None


def _segments(record: tuple[Any, ...]) -> Iterator[segment.Segment]:
    """Yield the segments of a run that was sent or received."""
    kind, header, total, size = record[0], record[3], record[4], record[5]
    first = wire.read_segment(memoryview(header), Counters())
    if first is None:
        return
    last = first.flags
    if kind == RECEIVED:
        last = record[6]
    elif record[7] is not None:
        last = record[7][13]
    room = size - len(header)
    count = max(math.ceil(total / size), 1)
    for n in range(count):
        data = min(size, total - n * size) - len(header)
        flags = last if n == count - 1 else first.flags & ~wire.PSH
        seq = (first.seq + n * room) & 0xFFFF_FFFF
        yield segment.Segment(seq, first.ack, flags, first.window, data, first.options)


def _in_words(event: events.Event) -> str:
    if isinstance(event, events.SegmentSent):
        return f"sent {words.segment(event.segment)} ({event.why.name}: {event.why.sentence})"
    if isinstance(event, events.SegmentReceived):
        dropped = f", dropped: {event.dropped}" if event.dropped else ""
        return f"received {words.segment(event.segment)}{dropped}"
    if isinstance(event, events.StateMoved):
        return f"{event.before} -> {event.after} ({event.cause})"
    assert isinstance(event, events.TimerFired)
    return f"the {event.timer} timer fired"


def _save_jsonl(flight: Flight, path: Path) -> None:
    flight.recording().save(path)


def _save_pcapng(flight: Flight, path: Path) -> None:
    capture = Capture(path, name=_NAME, local=flight.local)
    for n, record in enumerate(flight.records):
        kind, now = record[:2]
        if kind not in (SENT, RECEIVED):
            continue
        who = Nobody(flight.path, flight.ports, record[2])
        comment = f"{record[6].name}: {record[6].sentence}" if kind == SENT else ""
        if kind == RECEIVED and (dropped := _verdict(flight.records, n)):
            comment = f"dropped: {dropped}"
        header = record[3]
        for each in _segments(record):
            head = bytearray(header)
            head[4:8] = each.seq.to_bytes(4, "big")
            head[13] = each.flags
            capture.add(
                who, now, bytes(head), length=len(head) + each.length,
                inbound=kind == RECEIVED, comment=comment,
            )  # fmt: skip
    capture.flush()


WRITERS: Final[dict[str, Callable[[Flight, Path], None]]] = {
    ".jsonl": _save_jsonl,
    ".pcapng": _save_pcapng,
}
"""What :meth:`Flight.save` can write, by the suffix of the file."""
