"""SYN cookies: an open that costs no memory until the peer has proved its address (RFC 4987 §3.6).

Once a listener has as many half-open connections as it may have, it answers a SYN and forgets it.
What it must know later stands in the numbers of the SYN,ACK, and the ACK brings it back: the ISS
holds which segments the peer takes, the low bits of the timestamp its window scale and whether it
knows SACK and ECN, and where there are keys whether it would like to roam.  Without timestamps the
peer gets none of these.  Only where marks are counted nothing need be kept: the ACK says so itself
(RFC 9768 §5.1).

    ISS = H1 + SEG.SEQ + (slot << 24) + (H2 << 4) + index, modulo 2**32

``slot``, 8 bits, counts minutes; ``index``, 4 bits, stands for a segment size.  H1 and H2, of 32
and 20 bits, are keyed hashes of addresses and ports, H2 also of all else in the sum, so a cookie is
worth nothing to another peer, and nothing after two minutes; and what is one off is no cookie.  A
guess hits one of 8 sizes in one of 2 slots: 2**28 segments until one is right, on average.
"""

import hashlib
from bisect import bisect_right
from typing import Final

from rudp.config import Config
from rudp.core.life.guard import Guard
from rudp.core.life.tcb import default_mss
from rudp.core.receive.promises import START
from rudp.core.receive.receiver import largest_buffer, window_shift
from rudp.core.segment import options, wire
from rudp.core.segment.ace import CLASSIC, SEEN, asks_for, word
from rudp.core.segment.ace import bits as ace_bits
from rudp.core.segment.isn import IsnSource, keyed, timestamp
from rudp.core.segment.seqnum import SEQ_MASK
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import ACK, AE, CWR, ECE, FIN, SYN, Run, swap_ports
from rudp.core.terms.counters import Counters
from rudp.core.terms.feedback import Feedback

SLOT: Final = 60.0
"""Seconds that share a slot; a cookie is good in its own and the next (SYNC-2, SYNC-3)."""

LIFETIME: Final = 2 * SLOT
"""Seconds after the last cookie from which on no ACK is taken for one (SYNC-6)."""

MSS_TABLE: Final = (88, 528, 1180, 1212, 1352, 1412, 1432, 1452)
"""Octets: the peer's MSS is rounded down to one of these (SYNC-4).  88 is the least we send
(``MSS_FLOOR``), so nobody is sent more than it takes; the others belong to the floor, the base and
the usual MTUs of the search (PMTU-2, PMTU-7)."""

_TIMESTAMPS: Final = 8  # in the index, above the place in the table: both SYNs had timestamps
_INDEX_BITS: Final = 0xF
_H2_BITS: Final = 0xFF_FFF0
_LOW_BITS: Final = 0xFF_FFFF

_SCALE_BITS: Final = 0xF
_NO_SCALE: Final = 15
_SACK_BIT: Final = 0x10
_ECN_BIT: Final = 0x20
_STAMP_BITS: Final = 0x3F  # of TSval, 64 ms: the clock is that much behind at most (SYNC-5);
_ROAMS_BIT: Final = 0x40  # and 128 ms where a key is such that the peer may offer to roam


class SynCookies:
    """Makes cookies and reads them.

    *secret*: at least 16 octets; *isn*: where connections have their timestamp offsets from.
    """

    __slots__ = ("_isn", "_key1", "_key2")

    def __init__(self, secret: bytes, isn: IsnSource) -> None:
        self._isn = isn
        self._key1 = hashlib.blake2s(b"cookie 1", key=secret[:32]).digest()
        self._key2 = hashlib.blake2s(b"cookie 2", key=secret[:32]).digest()

    def iss(self, syn: Run, path: Path, config: Config, now: float) -> int:
        """Return the ISS with which to answer *syn* at *now* (SYNC-2), 0 to 2**32 - 1."""
        mss = syn.options.mss
        if mss is None:
            mss = default_mss(path)
        index = max(bisect_right(MSS_TABLE, mss) - 1, 0)
        slot = int(now // SLOT)
        if config.timestamps and syn.options.tsval is not None:
            index |= _TIMESTAMPS
        low = self._low(path, syn.ports, syn.seq, slot, index)
        return self._base(path, syn.ports) + syn.seq + (slot << 24) + low & SEQ_MASK

    def _base(self, path: Path, ports: int) -> int:
        return keyed((path, ports), self._key1)

    def _low(self, path: Path, ports: int, irs: int, slot: int, index: int) -> int:
        """Return the lower 24 bits: H2 and *index*."""
        return keyed((path, ports, irs, slot, index), self._key2) & _H2_BITS | index

    def syn_ack(
        self,
        syn: Run,
        path: Path,
        config: Config,
        announced_mss: int,
        ecn: bool,
        now: float,
        *,
        guard: Guard | None = None,
    ) -> bytes:
        """Return the SYN,ACK that answers *syn*; what it does not offer is not in it (W-30).

        *config*: of the listener.  *ecn*: our socket gives access to the ECN field.  *guard*: has
        believed the SYN, and signs the answer.
        """
        offer = syn.options
        ports = swap_ports(syn.ports)
        flags = SYN | ACK
        asked = asks_for(syn.flags, config.ecn)
        if ecn and asked is Feedback.ACCURATE:
            flags |= ace_bits(SEEN[syn.ecn])
        shift = None
        sack = roams = False
        stamps = None
        if config.timestamps and offer.tsval is not None:
            bits = _NO_SCALE
            if config.window_scaling and offer.window_scale is not None:
                bits = min(offer.window_scale, 14)
                shift = window_shift(largest_buffer(config))
            sack = config.sack and offer.sack_permitted
            if sack:
                bits |= _SACK_BIT
            if ecn and asked is Feedback.CLASSIC:
                bits |= _ECN_BIT
                flags |= ECE
            used = _STAMP_BITS
            if guard is not None and guard.may_roam:
                used |= _ROAMS_BIT
                roams = isinstance(offer, options.SignedOptions) and offer.roaming
                bits |= _ROAMS_BIT if roams else 0
            clock = timestamp(now, self._isn.timestamp_offset(path, ports))
            stamp = clock & ~used | bits
            if stamp > clock:  # what comes after it must not be older
                stamp = stamp - used - 1 & SEQ_MASK
            stamps = stamp, offer.tsval
        opts = options.encode_syn(
            announced_mss,
            window_scale=shift,
            sack_permitted=sack,
            timestamps=stamps,
            signed=guard is not None,
            roaming=roams,
        )
        window = min(config.receive_buffer, START)  # no more is promised where a socket is shared
        iss = self.iss(syn, path, config, now)
        ack = syn.seq + 1 & SEQ_MASK
        if guard is None:
            return wire.pack_segment(ports, iss, ack, flags, window, opts)
        guard.iss = iss
        guard.meet(syn.seq)
        opts += guard.option(now)
        return guard.sign_segment(wire.pack_segment(ports, iss, ack, flags, window, opts), iss)

    @staticmethod
    def offered_to_roam(run: Run, guard: Guard | None) -> bool:
        """Return whether the SYN did of which *run* brings the cookie back; *guard* believes it."""
        opts = run.options
        may = guard is not None and guard.may_roam and opts.tsval is not None
        return may and bool(opts.tsecr & _ROAMS_BIT)

    def syn_of(self, run: Run, path: Path, now: float) -> Run | None:
        """Return the SYN that was answered, if *run* acknowledges a cookie (SYNC-3), else None.

        It has those options of the true one that the cookie kept.
        """
        irs = run.seq - 1 & SEQ_MASK
        slot = int(now // SLOT)
        rest = run.ack - 1 - irs - self._base(path, run.ports) & SEQ_MASK
        age = slot - (rest >> 24) & 0xFF
        index = rest & _INDEX_BITS
        low = self._low(path, run.ports, irs, slot - age, index)
        tsval = run.options.tsval
        if age > 1 or low != rest & _LOW_BITS or bool(index & _TIMESTAMPS) is (tsval is None):
            return None
        flags = SYN
        shift = None
        sack = False
        stamps = None
        if tsval is not None:
            bits = run.options.tsecr
            if not self._is_recent(bits, path, run.ports, now):
                return None  # we never sent that
            if bits & _SCALE_BITS != _NO_SCALE:
                shift = bits & _SCALE_BITS
            sack = bool(bits & _SACK_BIT)
            if bits & _ECN_BIT:
                flags |= ECE | CWR
            stamps = tsval, 0
        if not flags & ECE and word(run.flags) not in (0, CLASSIC):
            flags |= AE  # who counts marks says neither; a listener that does not heeds it not
        opts = options.encode_syn(
            MSS_TABLE[index & ~_TIMESTAMPS],
            window_scale=shift,
            sack_permitted=sack,
            timestamps=stamps,
        )
        segment = wire.pack_segment(run.ports, irs, 0, flags, run.window, opts)
        return wire.read_segment(memoryview(segment), Counters())

    def is_ahead(self, run: Run, path: Path, now: float) -> bool:
        """Return whether *run* may belong to an open whose first octets are still missing.

        Its ACK is that of a cookie, but which cannot be said without the peer's ISS, and SEG.SEQ is
        up to a window beyond that.  What is left of it, the slot, and the echo of our clock, are
        those of one segment in some millions that has nothing to do with us.
        """
        tsval = run.options.tsval
        if tsval is None or not (run.length or run.flags & FIN):
            return False
        slot = int(now // SLOT)
        rest = run.ack - run.seq - self._base(path, run.ports)
        ages = [slot - ((rest + beyond & SEQ_MASK) >> 24) & 0xFF for beyond in (1, START)]
        return min(ages) <= 1 and self._is_recent(run.options.tsecr, path, run.ports, now)

    def _is_recent(self, tsecr: int, path: Path, ports: int, now: float) -> bool:
        """Whether *tsecr* may echo a cookie that is still good; *ports*: as the peer has them."""
        clock = timestamp(now, self._isn.timestamp_offset(path, swap_ports(ports)))
        return clock - tsecr & SEQ_MASK <= LIFETIME * 1000 + (_STAMP_BITS | _ROAMS_BIT)
