"""The lane of a connection that has keys: what comes was checked before, what goes is signed here.

It is the lane in Python.  The one in C has this in it, for HMACs that cover options (see
:mod:`rudp.core.life.steady`).  A segment without a signature is none of its business, and does not
end it: else who has no key could slow the connection down.
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

_OFFSET: Final = (bytes((HEADER << 2,)), bytes((HEADER << 2 | 1,)))
_OFFSET_AT: Final = 12  # where the data offset stands in a header, and behind it AE


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
        self.trailer = self.guard.option(now)
        most = RUN_OCTETS_MAX // (self.smss + HEADER) or 1
        transmit = super().emit(now, most if most < max_segments else max_segments)
        if transmit is None or is_signed:
            return transmit
        head = bytes(transmit.buffers[0])
        if len(head) == STAMPED_SIZE:  # one segment, whose header is always the same
            transmit.buffers[0] = (
                head[:_OFFSET_AT]
                + _OFFSET[head[_OFFSET_AT] & 1]
                + head[_OFFSET_AT + 1 :]
                + self.trailer
            )
            transmit.size += AUTHENTICATION_SIZE
            transmit.total += AUTHENTICATION_SIZE
        self.guard.sign([transmit, *self.train], self.snd_nxt)
        return transmit
