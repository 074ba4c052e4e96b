"""Sequence numbers that begin at the SYN, for the two directions of one connection."""

import dataclasses
from typing import Final

from rudp.core.segment.ace import ACE, accepted, offered, word
from rudp.core.segment.options import EcnCounters, Options, SignedOptions, SynOptions
from rudp.core.segment.seqnum import SEQ_MASK, from_wire
from rudp.core.segment.transmit import CE, ECT_0, ECT_1
from rudp.core.segment.wire import ACK, AE, SYN
from rudp.core.terms.feedback import Feedback
from rudp.core.terms.state import State
from rudp.trace import segment, words
from rudp.trace.events import Segment

SYNCHRONIZED: Final = frozenset(
    (
        State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSE_WAIT, State.CLOSING,
        State.LAST_ACK,
    )
)  # fmt: skip
"""The states in which a peer's number is known, and stays; TIME-WAIT may be followed by another
connection."""

_NOTHING_TOLD: EcnCounters = (None, None, None, None)
_CODEPOINTS = (None, "ECT(1)", "ECT(0)", "CE")


@dataclasses.dataclass(slots=True)
class Numbers:
    """What turns the wire's numbers into relative ones, and window fields into octets.

    Learned from the SYNs as they pass by: ``iss`` and ``irs``, the window scales, and whether AE,
    CWR and ECE are a counter (``accurate``).
    """

    iss: int | None = None
    irs: int | None = None
    snd_shift: int | None = None
    rcv_shift: int | None = None
    accurate: bool = False
    _offered: bool = False
    _sent: int = 0  # relative numbers of each direction that were current last
    _received: int = 0

    def header(self, each: segment.Segment, *, ours: bool, state: State | None = None) -> Segment:
        """Return the header of a segment, one of *ours* or of the peer's.

        *state*: of our end when it came.  Where a connection stands, a SYN begins none, whoever it
        is from.
        """
        if each.flags & SYN and ours:
            self.iss, self.rcv_shift, self._sent = each.seq, each.options.window_scale, 0
        elif each.flags & SYN and not (state in SYNCHRONIZED and self.irs is not None):
            self.irs, self.snd_shift, self._received = each.seq, each.options.window_scale, 0
        self._note_feedback(each.flags)
        counts = self.accurate and not each.flags & SYN
        if ours:
            seq = self._sent = _relative(each.seq, self.iss, self._sent)
        else:
            seq = self._received = _relative(each.seq, self.irs, self._received)
        base, near = (self.irs, self._received) if ours else (self.iss, self._sent)
        shift = 0
        if not each.flags & SYN and self.snd_shift is not None and self.rcv_shift is not None:
            shift = self.rcv_shift if ours else self.snd_shift
        opts = each.options
        told = opts.accurate_ecn or _NOTHING_TOLD
        return Segment(
            flags=words.flags(each.flags & ~ACE if counts else each.flags),
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
            ace=word(each.flags) if counts else None,
            ect1_octets=told[ECT_1],
            ect0_octets=told[ECT_0],
            ce_octets=told[CE],
            ecn=_CODEPOINTS[each.ecn],
        )

    def _note_feedback(self, flags: int) -> None:
        """Do these *flags* agree on accurate feedback, or use it?"""
        if flags & (SYN | ACK) == SYN | ACK:
            self.accurate = self._offered and accepted(flags) is Feedback.ACCURATE
        elif flags & SYN:
            self._offered, self.accurate = offered(flags) is Feedback.ACCURATE, False
        elif flags & AE:  # the SYNs were not seen
            self.accurate = True


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
