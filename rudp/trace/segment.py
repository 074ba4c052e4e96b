"""What a tracer is given, cut into segments.

The core hands over runs, because it works in runs.  A picture wants segments: this module reads
the headers of an outgoing run back from its buffers, without joining the data, and brings an
arriving run into the same form.
"""

from collections.abc import Iterator
from typing import NamedTuple

from rudp.core.segment import wire
from rudp.core.segment.options import Options
from rudp.core.segment.seqnum import SEQ_MASK
from rudp.core.segment.transmit import Transmit
from rudp.core.segment.wire import FIN, PSH, SYN, Run
from rudp.core.terms.counters import Counters


class Segment(NamedTuple):
    """The header of a segment, numbers as on the wire, and ``length`` octets of data.

    A run that arrived in one piece is one of these with ``segments`` above 1.  ``ecn``: the two ECN
    bits of the IP header.
    """

    seq: int
    ack: int
    flags: int
    window: int
    length: int
    options: Options
    segments: int = 1
    ecn: int = 0

    @property
    def space(self) -> int:
        """How many sequence numbers it takes: data, SYN and FIN (SEG.LEN)."""
        return self.length + bool(self.flags & SYN) + bool(self.flags & FIN)


def sent(transmit: Transmit) -> Iterator[Segment]:
    """Yield the segments of an outgoing run."""
    at = 0
    for buffer in transmit.buffers:
        if buffer and at % transmit.size == 0:  # here a datagram begins, so this is its header
            run = wire.read_segment(memoryview(buffer), Counters())
            if run is None:
                return  # not a segment: nothing of ours
            size = min(transmit.size, transmit.total - at)
            length = size - len(buffer)
            yield Segment(
                run.seq, run.ack, run.flags, run.window, length, run.options, ecn=transmit.ecn
            )
        at += len(buffer)


def parse(datagram: bytes) -> Run | None:
    """Return the one segment in *datagram*, None if there is none."""
    return wire.read_segment(memoryview(datagram), Counters())


def split(run: Run) -> Iterator[Segment]:
    """Yield the segments of an arriving run."""
    room = max(run.segment_octets, 1)
    for n in range(run.segments):
        last = n == run.segments - 1
        yield Segment(
            (run.seq + n * room) & SEQ_MASK,
            run.ack,
            run.flags if last else run.flags & ~PSH,
            run.window,
            run.length - n * room if last else room,
            run.options,
            ecn=run.ecn,
        )


def received(run: Run) -> Segment:
    """Return an arriving run as one segment."""
    return Segment(
        run.seq, run.ack, run.flags, run.window, run.length, run.options, run.segments, run.ecn
    )
