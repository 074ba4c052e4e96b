"""Events as qlog: JSON text sequences (RFC 7464) in the main schema of draft 14.

qlog was made for QUIC.  What loss recovery and congestion control are about is the same in TCP,
so those events bear the names that tools such as qvis draw: ``recovery:metrics_updated`` and its
kin.  Such tools take the axis of time from packets, so each segment with data is a packet as well,
``transport:packet_sent`` or ``transport:packet_received``: its number is a count, its length that
of its data, and ``recovery:packet_lost`` names the number under which the data was sent last.

All that segments and states are in TCP is told by ``tcp:segment_sent`` and so on; QUIC's packets
would say what is not there.  Those are a schema of our own, :data:`SCHEMA`.  Its names for recovery
and packets are those that qlog had in version 0.3, which tools know that were made before the
drafts gave them to QUIC alone; so the header has that version beside what draft 14 asks for.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from rudp.core.terms.why import Why
from rudp.trace.events import (
    CongestionChanged,
    EcnSettled,
    Event,
    PathMoved,
    Punching,
    RangeLost,
    Recording,
    RttSampled,
    SegmentLost,
    SegmentReceived,
    SegmentSent,
    StateMoved,
    TimerFired,
    TimerSet,
    Watched,
    encode,
)

SCHEMA: Final = "urn:x-rudp:qlog:events:tcp"
"""What stands for our events in a file (draft-ietf-quic-qlog-main-schema-14 §8.1)."""

_TRIGGERS: Final = {
    Why.RETRANSMIT_RTO: "pto_expired",
    Why.RETRANSMIT_RACK: "time_threshold",
    Why.RETRANSMIT_REORDERING: "time_threshold",
    Why.RETRANSMIT_SACK: "reordering_threshold",
    Why.RETRANSMIT_DUPACK: "reordering_threshold",
}

_TIMERS: Final = {"retransmission": "pto", "tail-loss probe": "pto", "reordering": "ack"}
"""The kinds of the loss timer; other timers are no concern of qlog's."""

_PHASES: Final = {
    "fast recovery": "recovery",
    "after a retransmission time-out": "recovery",
}


def save(recording: Recording, path: str | Path, connection: str | None = None) -> None:
    """Write one connection of *recording*, the first if none is named, to the file *path*.

    Raises :class:`ValueError` if there is no such connection, :class:`OSError`.
    """
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(records(recording.events, connection))


def records(events: Iterable[Event], connection: str | None = None) -> Iterator[str]:
    """Yield the records of a file about *connection*, the first if None; raises as :func:`save`."""
    watched = None
    packets = _Packets()
    before: list[Event] = []  # what was told of ends before there was a connection
    for event in events:
        told = [event]
        if watched is None:
            if isinstance(event, Punching):
                before.append(event)
            if not (isinstance(event, Watched) and connection in (None, event.connection)):
                continue
            watched = event
            yield _record(_header(watched))
            told = [each for each in before if each.connection == event.end]
        elif isinstance(event, Punching):
            told = [event] if event.connection == watched.end else []
        elif event.connection != watched.connection:
            continue
        for each in told:
            for name, data in (*_told(each), *packets.told(each)):
                yield _record({"time": round(each.time * 1000, 6), "name": name, "data": data})
    if watched is None:
        raise ValueError(f"there is no connection {connection or ''}".rstrip())


def _record(fields: dict[str, Any]) -> str:
    return f"\x1e{json.dumps(fields, separators=(',', ':'))}\n"


def _header(watched: Watched) -> dict[str, Any]:
    client = str(watched.state) == "SYN-SENT"
    return {
        "file_schema": "urn:ietf:params:qlog:file:sequential",
        "serialization_format": "application/qlog+json-seq",
        "qlog_version": "0.3",
        "qlog_format": "JSON-SEQ",
        "title": f"rudp: {watched.connection} and {watched.peer}",
        "trace": {
            "vantage_point": {
                "name": watched.connection,
                "type": "client" if client else "server",
            },
            "event_schemas": [SCHEMA],
            "common_fields": {
                "protocol_type": ["TCP"],
                "time_format": "relative_to_epoch",
                "reference_time": {"clock_type": "monotonic", "epoch": "unknown"},
            },
        },
    }


def _told(event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what qlog calls *event*, and its data; times in milliseconds."""
    if isinstance(event, RttSampled):
        times = {
            "smoothed_rtt": event.srtt,
            "rtt_variance": event.rttvar,
            "min_rtt": event.min_rtt,
        }
        data = {name: round(t * 1000, 6) for name, t in times.items() if t is not None}
        yield "recovery:metrics_updated", data
    elif isinstance(event, CongestionChanged):
        metrics: dict[str, Any] = {
            "congestion_window": event.cwnd,
            "bytes_in_flight": event.in_flight,
        }
        if event.ssthresh is not None:
            metrics["ssthresh"] = event.ssthresh
        if event.pacing_rate is not None:
            metrics["pacing_rate"] = round(event.pacing_rate * 8)  # bits a second
        yield "recovery:metrics_updated", metrics
        slow_start = event.ssthresh is None or event.cwnd < event.ssthresh
        growing = "slow_start" if slow_start else "congestion_avoidance"
        state = _PHASES.get(event.recovery, growing)
        yield "recovery:congestion_state_updated", {"new": state}
    elif isinstance(event, TimerSet | TimerFired) and event.timer in _TIMERS:
        timer: dict[str, Any] = {"timer_type": _TIMERS[event.timer], "event_type": "expired"}
        if isinstance(event, TimerSet):
            timer["event_type"] = "cancelled" if event.expires is None else "set"
            if event.expires is not None:
                timer["delta"] = round((event.expires - event.time) * 1000, 6)
        yield "recovery:loss_timer_updated", timer
    elif isinstance(event, _AS_THEY_ARE):
        fields = encode(event)
        for name in ("event", "time", "connection"):
            del fields[name]
        yield f"tcp:{event.kind}", fields


_AS_THEY_ARE: Final = (
    SegmentSent | SegmentReceived | SegmentLost | StateMoved | PathMoved | Punching | EcnSettled
)


class _Packets:
    """Counts the segments with data as if they were packets, and knows what they carried."""

    def __init__(self) -> None:
        self._received = 0
        self._sent: list[tuple[int, int]] = []  # ranges of sequence numbers, by packet number

    def told(self, event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what *event* means in packets."""
        if isinstance(event, SegmentSent) and event.segment.length:
            left = event.segment.seq + ("SYN" in event.segment.flags)
            right = left + event.segment.length
            yield "transport:packet_sent", _packet(len(self._sent), left, right)
            self._sent.append((left, right))
        elif isinstance(event, SegmentReceived) and event.segment.length and not event.dropped:
            left = event.segment.seq + ("SYN" in event.segment.flags)
            right = left + event.segment.length
            yield "transport:packet_received", _packet(self._received, left, right)
            self._received += 1
        elif isinstance(event, RangeLost):
            trigger = {"trigger": _TRIGGERS.get(event.why, "")}
            for number in self._carriers(event.left, event.right):
                left, right = self._sent[number]
                header = {"packet_type": "1RTT", "packet_number": number}
                raw = {"length": right - left}
                yield "recovery:packet_lost", {"header": header, "raw": raw} | trigger

    def _carriers(self, left: int, right: int) -> list[int]:
        """Return the packets that have carried the octets of [left, right) last."""
        missing = [(left, right)]
        found = []
        for number in range(len(self._sent) - 1, -1, -1):
            if not missing:
                break
            first, end = self._sent[number]
            rest = [
                part
                for low, high in missing
                for part in ((low, min(high, first)), (max(low, end), high))
                if part[0] < part[1]
            ]
            if rest != missing:
                found.append(number)
                missing = rest
        return found[::-1]


def _packet(number: int, left: int, right: int) -> dict[str, Any]:
    """Return a packet with the octets [left, right) of the stream, whose first has number 1."""
    length = right - left
    stream = {"frame_type": "stream", "stream_id": 0, "offset": left - 1, "length": length}
    header = {"packet_type": "1RTT", "packet_number": number}
    return {"header": header, "raw": {"length": length}, "frames": [stream]}
