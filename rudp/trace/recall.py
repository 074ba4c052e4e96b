"""The last flight of a connection, told when it has ended in an error.

The recorder in the core keeps packed records; here they become words, events, or a capture.  An
exception that a connection dies of carries the end of the story as a note, so that a traceback
shows what was sent, what came and which timer fired; its method ``save`` writes all that is known
to a file.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rudp.core.segment import wire
from rudp.core.segment.options import NOP, WINDOW_SCALE, Options
from rudp.core.segment.seqnum import SEQ_MASK
from rudp.core.segment.transmit import Address
from rudp.core.segment.transmit import Path as PeerPath
from rudp.core.terms.state import State
from rudp.core.terms.why import Why
from rudp.core.watch.recorder import FIRED, MOVED, RECEIVED, ROAMED, SENT, Record
from rudp.core.watch.tracer import Nobody
from rudp.trace import events, segment, words
from rudp.trace.capture import Capture
from rudp.trace.numbers import Numbers
from rudp.trace.stream import WHY

NOTE_EVENTS: Final = 12
"""Events told in the note of an exception."""


@dataclasses.dataclass(frozen=True)
class Ending:
    """What a flight recorder knew when the connection ended.

    *records*: as :class:`rudp.core.watch.recorder.FlightRecorder` keeps them.  *numbers*: what is
    known of the connection's initial numbers.
    """

    records: tuple[Record, ...]
    path: PeerPath
    ports: int
    local: Address
    numbers: Numbers

    def tell(self, most: int = NOTE_EVENTS) -> str:
        """Return the last *most* events in words, one a line, with the seconds before the end."""
        end = self.records[-1].time if self.records else 0.0
        host, port = self.path[0][:2]
        title = f"The last events of the connection to {host}:{port}, seconds before its end:"
        return "\n".join([title, *self.lines(end, most)])

    def lines(self, now: float, most: int = NOTE_EVENTS) -> list[str]:
        """Return the last *most* events in words, with the seconds before *now*."""
        told = [f"{event.time - now:+9.3f} s  {_in_words(event)}" for event in self._events(0.0)]
        return told[-most:]

    def recording(self) -> events.Recording:
        """Return everything as events; there are no snapshots among them."""
        start = self.records[0].time if self.records else 0.0
        host, port = self.path[0][:2]
        state = self.records[0].state if self.records else State.CLOSED
        watched = events.Watched(
            0.0, _NAME, _NAME, f"{host}:{port}", self.ports >> 16, self.ports & 0xFFFF, state
        )
        header = events.Header(ends=(_NAME,), library=events.library_version())
        return events.Recording(header, [watched, *self._events(start)])

    def save(self, path: str | Path) -> None:
        """Write everything to a file: ``.jsonl``; ``.html``; headers only, ``.pcapng``.

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
        for n, record in enumerate(self.records):
            kind, now, state = record[:3]
            time = round(now - start, 6)
            if kind in (SENT, RECEIVED):
                for each in self._segments(record):
                    header = numbers.header(each, ours=kind == SENT, state=state)
                    if record.why is not None:
                        yield events.SegmentSent(time, _NAME, state, header, record.why)
                    else:
                        dropped = self._verdict(n)
                        yield events.SegmentReceived(time, _NAME, state, header, dropped)
            elif kind == MOVED:
                cause = record.cause
                yield events.StateMoved(time, _NAME, state, record.after, cause.value, WHY[cause])
            elif kind == ROAMED:
                host, port = self.path[0][:2]
                why = record.why or Why.UNKNOWN
                yield events.PathMoved(time, _NAME, self.path[1], f"{host}:{port}", why)
            elif kind == FIRED:
                yield events.TimerFired(time, _NAME, record.timer)

    def _verdict(self, n: int) -> str | None:
        """Return why the run of the *n*-th record was dropped; other events may lie between."""
        for record in self.records[n + 1 :]:
            if record.dropped is not None:
                return str(record.dropped.value)
            if record.kind in (SENT, RECEIVED):
                break
        return None

    def _segments(self, record: Record) -> Iterator[segment.Segment]:
        """Yield the segments of a run that was sent or received."""
        options = Options()
        if record.flags & wire.SYN:
            # The one option without which the rest cannot be read.
            ours = record.kind == SENT
            options.window_scale = self.numbers.rcv_shift if ours else self.numbers.snd_shift
        at = 0
        while True:
            length = min(record.room, record.length - at)
            last = at + length >= record.length
            flags = record.flags if last else record.flags & ~(wire.PSH | wire.FIN)
            seq = (record.seq + at) & SEQ_MASK
            yield segment.Segment(seq, record.ack, flags, record.window, length, options)
            at += length
            if last:
                return


_NAME: Final = "connection"


def annotate(error: BaseException, ending: Ending) -> None:
    """Let *error* carry *ending*: as a note, and as its method ``save``."""
    if ending.records:
        error.add_note(ending.tell())
    error.save = ending.save  # type: ignore[attr-defined]


def _in_words(event: events.Event) -> str:
    if isinstance(event, events.SegmentSent):
        return f"sent {words.segment(event.segment)} ({event.why.name}: {event.why.sentence})"
    if isinstance(event, events.SegmentReceived):
        dropped = f", dropped: {event.dropped}" if event.dropped else ""
        return f"received {words.segment(event.segment)}{dropped}"
    if isinstance(event, events.StateMoved):
        return f"{event.before} -> {event.after} ({event.cause})"
    if isinstance(event, events.PathMoved):
        return f"the path is another ({event.why.name}: {event.why.sentence})"
    assert isinstance(event, events.TimerFired)
    return f"the {event.timer} timer fired"


def _save_jsonl(ending: Ending, path: Path) -> None:
    ending.recording().save(path)


def _save_html(ending: Ending, path: Path) -> None:
    from rudp.trace import report  # importing rudp need not wait for it

    host, port = ending.path[0][:2]
    report.save(path, ending.recording(), title=f"The end of the connection to {host}:{port}")


def _save_pcapng(ending: Ending, path: Path) -> None:
    capture = Capture(path, name=_NAME, local=ending.local)
    for n, record in enumerate(ending.records):
        kind, now, state = record[:3]
        if kind not in (SENT, RECEIVED):
            continue
        who = Nobody(ending.path, ending.ports, state)
        comment = ""
        if record.why is not None:
            comment = f"{record.why.name}: {record.why.sentence}"
        elif dropped := ending._verdict(n):
            comment = f"dropped: {dropped}"
        ports = ending.ports if kind == SENT else wire.swap_ports(ending.ports)
        for each in ending._segments(record):
            opts = b""
            if each.options.window_scale is not None:
                opts = bytes((NOP, WINDOW_SCALE, 3, each.options.window_scale))
            head = wire.pack_segment(ports, each.seq, each.ack, each.flags, each.window, opts)
            capture.add(
                who, now, head, length=len(head) + each.length,
                inbound=kind == RECEIVED, comment=comment,
            )  # fmt: skip
    capture.flush()


WRITERS: Final[dict[str, Callable[[Ending, Path], None]]] = {
    ".html": _save_html,
    ".jsonl": _save_jsonl,
    ".pcapng": _save_pcapng,
}
"""What :meth:`Ending.save` can write, by the suffix of the file."""
