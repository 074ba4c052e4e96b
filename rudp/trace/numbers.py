"""Sequence numbers that begin at the SYN, for the two directions of one connection."""

import dataclasses

from rudp.core.segment.options import Options, SignedOptions, SynOptions
from rudp.core.segment.seqnum import SEQ_MASK, from_wire
from rudp.core.segment.wire import ACK, SYN
from rudp.trace import segment, words
from rudp.trace.events import Segment


@dataclasses.dataclass(slots=True)
class Numbers:
    """What turns the wire's numbers into relative ones, and window fields into octets.

    Learned from the SYNs as they pass by: ``iss`` and ``irs``, and the window scales.
    """

    iss: int | None = None
    irs: int | None = None
    snd_shift: int | None = None
    rcv_shift: int | None = None
    _sent: int = 0  # relative numbers of each direction that were current last
    _received: int = 0

    def header(self, each: segment.Segment, *, ours: bool) -> Segment:
        """Return the header of a segment, one of *ours* or of the peer's."""
        if each.flags & SYN and ours:
            self.iss, self.rcv_shift, self._sent = each.seq, each.options.window_scale, 0
        elif each.flags & SYN:
            self.irs, self.snd_shift, self._received = each.seq, each.options.window_scale, 0
        if ours:
            seq = self._sent = _relative(each.seq, self.iss, self._sent)
        else:
            seq = self._received = _relative(each.seq, self.irs, self._received)
        base, near = (self.irs, self._received) if ours else (self.iss, self._sent)
        shift = 0
        if not each.flags & SYN and self.snd_shift is not None and self.rcv_shift is not None:
            shift = self.rcv_shift if ours else self.snd_shift
        opts = each.options
        return Segment(
            flags=words.flags(each.flags),
            seq=seq,
            ack=_relative(each.ack, base, near) if each.flags & ACK else None,
            window=each.window << shift,
            length=each.length,
            wire_seq=each.seq,
            wire_ack=each.ack,
            mss=opts.mss,
            window_scale=opts.window_scale,
            sack_permitted=opts.sack_permitted,
            sack=tuple(
                (_relative(left, base, near), _relative(right, base, near))
                for left, right in opts.sack_blocks
            ),
            tsval=opts.tsval,
            tsecr=None if opts.tsval is None else opts.tsecr,
            key_id=opts.key_id if isinstance(opts, SignedOptions) else None,
            next_key_id=opts.next_id if isinstance(opts, SignedOptions) else None,
            path=_path_word(opts),
            cookie=opts.fast_open.hex() or "asked" if isinstance(opts, SynOptions) else None,
        )


def _path_word(opts: Options) -> str | None:
    """Return what *opts* say about the path."""
    if not isinstance(opts, SignedOptions):
        return None
    if opts.roaming:
        return "offer"
    return None if opts.word is None else opts.word.name.lower()


def _relative(number: int, base: int | None, near: int) -> int:
    """Return *number* counted from *base*, both as on the wire; as it is if there is no base.

    *near*: a relative number that is current.
    """
    return number if base is None else from_wire((number - base) & SEQ_MASK, near)
