"""A train: up to four runs that are decided on, and entered into the books, as one.

Each run fills a system call.  A train is what :meth:`rudp.core.send.sender.Sender.next_run` gives
out in bulk; here it is cut, headers are written, and slices of what the application wrote are put
beside them without joining.
"""

from typing import Final

from rudp.core.segment import wire
from rudp.core.segment.seqnum import to_wire
from rudp.core.segment.transmit import Path, Transmit
from rudp.core.segment.wire import HEADER_SIZE, PSH
from rudp.core.send.sendbuffer import SendBuffer

TRAIN_RUNS: Final = 4
"""Runs that leave together and are one when it is decided what goes, and noted what went.

Bulk with Ethernet's segments is a tenth faster for it.  Where a run is a single datagram, as on
loopback, it gains nothing: the receiver is no faster, and the sender only waits more often."""


NO_TRAIN: Final[list[Transmit]] = []
"""What nobody adds to."""


def cut(
    buffer: SendBuffer,
    seq: int,
    right: int,
    room: int,
    mss: int,
    ports: int,
    ack: int,
    flags: int,
    window: int,
    opts: bytes,
    urgent: int,
    path: Path,
    dscp: int,
    ttl: int | None,
    ecn: int,
) -> list[Transmit]:
    """Return octets ``[seq, right)`` of *buffer* as runs of *room* octets.

    Their segments have *mss* octets.  All headers are alike but for SEG.SEQ, and PSH, if it is
    among *flags*, which only the last has; *ack*: 32 bits.
    """
    train: list[Transmit] = []
    header = HEADER_SIZE + len(opts)
    while True:
        stop = seq + room if seq + room < right else right
        marks = flags if stop == right else flags & ~PSH
        chunks = buffer.slices(seq, stop)
        first, length = to_wire(seq), stop - seq
        count = 1
        buffers: list[bytes | memoryview]
        if length <= mss:
            head = wire.pack_segment(ports, first, ack, marks, window, opts, urgent)
            buffers = [head, *chunks]
        else:
            count = -(-length // mss)
            buffers = wire.pack_run(ports, first, ack, marks, window, opts, chunks, length, mss)
        total = header * count + length
        train.append(Transmit(path, buffers, header + mss, total, dscp, ttl, ecn))
        if stop == right:
            break
        seq = stop
    return train
