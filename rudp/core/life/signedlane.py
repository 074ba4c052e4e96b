"""The lane of a connection that has keys: what comes was checked before, what goes is signed here.

It is the lane in Python, whatever else there is: the hash is the standard library's, and takes most
of the time.  A segment without a signature is none of its business, and does not end it: else who
has no key could slow the connection down.
"""

from typing import Final

from rudp.core.life.guard import Guard
from rudp.core.life.lane import Lane
from rudp.core.life.numbers import Source
from rudp.core.segment.options import AUTHENTICATION_SIZE
from rudp.core.segment.transmit import RUN_OCTETS_MAX, Transmit
from rudp.core.segment.wire import STAMPED_SIZE, Run

HEADER: Final = STAMPED_SIZE + AUTHENTICATION_SIZE
"""Octets of a header that has timestamps and a signature."""

_OFFSET: Final = bytes((HEADER << 2,))
_OFFSET_AT: Final = 12  # where the data offset stands in a header


class SignedLane(Lane):
    """A lane for ``guard``, who has believed what is taken and signs what is emitted."""

    __slots__ = ("guard",)

    guard: Guard

    def take(
        self,
        seq: int,
        word: int,
        tsval: int,
        tsecr: int,
        length: int,
        source: Source,
        now: float,
    ) -> bool:
        """Process a run as :meth:`Lane.take` does, but not a datagram that comes past the guard.

        That is one whose only option is timestamps.
        """
        if isinstance(source, Run):
            return super().take(seq, word, tsval, tsecr, length, source, now)
        return False

    def emit(self, now: float, max_segments: int) -> Transmit | None:
        """Return the next run to be sent, signed; see :meth:`Lane.emit`."""
        is_signed = bool(self.train)  # it was, together with the run before
        most = RUN_OCTETS_MAX // (self.smss + HEADER) or 1
        transmit = super().emit(now, most if most < max_segments else max_segments)
        if transmit is None or is_signed:
            return transmit
        option = self.guard.option(now)
        train = [transmit, *self.train]
        for each in train:
            _lengthen(each, option)
        self.guard.sign(train, self.snd_nxt)
        return transmit


def _lengthen(transmit: Transmit, option: bytes) -> None:
    """Put *option* behind the timestamps of each header of *transmit*."""
    buffers = transmit.buffers
    count = -(-transmit.total // transmit.size)
    transmit.size += AUTHENTICATION_SIZE
    transmit.total += count * AUTHENTICATION_SIZE
    if count == 1:
        buffers[0] = _with(bytes(buffers[0]), option)
    elif len(buffers) == 2 * count:  # each segment's data lies in one piece
        buffers[::2] = [_with(bytes(head), option) for head in buffers[::2]]
    else:
        for at, buffer in enumerate(buffers):
            if isinstance(buffer, bytes):
                buffers[at] = _with(buffer, option)


def _with(head: bytes, option: bytes) -> bytes:
    return head[:_OFFSET_AT] + _OFFSET + head[_OFFSET_AT + 1 :] + option
