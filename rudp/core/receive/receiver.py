"""RCV.*: everything about octets coming in (RFC 9293 §3.3.1, §3.8.6).

Octets in order wait in a list for the reader, octets ahead of their time in the reassembly queue.
The window promises only what the buffer can hold, and a promise is never taken back: the right
edge moves in steps worth a segment (silly-window avoidance) and never to the left.  An
acknowledgement is due at once, after a short delay, or not at all; several reasons make one.
"""

import enum
from typing import Final

from rudp.config import Config
from rudp.core.receive.autotune import LITTLE, UNTUNED, Autotune
from rudp.core.receive.promises import Stake
from rudp.core.receive.reassembly import NOTHING_HELD, Reassembly
from rudp.core.segment.seqnum import SEQ_MASK, to_wire, wire_after
from rudp.core.segment.wire import RUN_SEGMENTS_MAX, Run
from rudp.core.terms.bounds import WINDOW_MAX
from rudp.core.terms.budget import Memory
from rudp.core.terms.timers import OFF, Timers
from rudp.core.terms.why import Why

QUICK_ACKS: Final = 16
"""Full-sized segments that are acknowledged at once, while the peer is in slow start (DACK-5)."""

IDLE: Final = 1.0
"""Seconds without data after which the peer may be in slow start again (RFC 5681 §4.1): the RTO
that RFC 6298 asks for at least."""

RMSS_INITIAL: Final = 536
"""Octets: what counts as a full-sized segment before a larger one was seen.  What we announced
says little: path or peer may allow less, and ACKs must not wait for segments that large."""

PAWS_VALIDITY: Final = 24 * 86_400.0
"""Seconds after which TS.Recent says nothing any more (RFC 7323 §5.5)."""

PAWS_SLACK: Final = 250
"""Ticks of the peer's clock by which data in the window may be older than TS.Recent and still only
be late: a retransmission that fills a gap moves TS.Recent beyond originals that it overtook."""

SLACK: Final = 2
"""The reassembly queue may cost this many receive buffers, overhead included.  Segments of usual
size stay far below it; what exceeds it is an attack with tiny fragments."""

PIECE_OCTETS: Final = 512
"""Pieces that wait for the reader are joined when they are smaller than this on average: a peer
that sends single octets must not make the window cost many times what it promises (BUF-2)."""

LARGE_PIECE: Final = 32 * 1024
"""Octets.  Joining a piece of this size with the next would take longer than handing it over."""

DUPLICATES_MAX: Final = 8
"""Duplicate ranges that wait to be reported.  Each takes an acknowledgement of its own; what a
single batch brings beyond this goes unreported, as if those acknowledgements had been lost."""

PIECES_MIN: Final = 64
"""Pieces that are left alone, whatever their size."""


_NO_DUPLICATES: Final[list[tuple[int, int]]] = []
_NOTHING: Final[list[bytes | memoryview]] = []
"""What nobody adds to: an idle connection has no lists of its own."""


class AckDue(enum.Enum):
    """Whether the peer is owed an acknowledgement."""

    NO = "nothing to acknowledge"
    LATER = "may wait for company"
    NOW = "at once"


def window_shift(receive_buffer: int) -> int:
    """Return the window scale that lets 16 bits announce *receive_buffer* (WS-1), 0 to 14."""
    return min(max(receive_buffer.bit_length() - 16, 0), 14)


def largest_buffer(config: Config) -> int:
    """Return the size in octets to which a receive buffer may grow (BUF-3)."""
    return max(config.receive_buffer, config.receive_buffer_max)


def take_first(ready: list[bytes | memoryview], most: int) -> bytes:
    """Take *most* octets at the most off *ready*; fewer, if they would have to be joined at length.

    *ready* is not empty.
    """
    size = len(ready[0])
    if size == most or (LARGE_PIECE <= size < most):
        return bytes(ready.pop(0))
    taken = []
    while ready and most >= len(ready[0]):
        most -= len(ready[0])
        taken.append(ready.pop(0))
    if ready:
        rest = memoryview(ready[0])
        taken.append(rest[:most])
        ready[0] = rest[most:]
    return b"".join(taken)


class Receiver:
    """The receiving half of a connection; it begins when the peer's SYN arrived.

    *memory*: what it shares with other connections, None if there is no such bound.

    ``rmss`` is the largest segment seen, up to ``rmss_max``, which we announced.
    ``receive_buffer`` grows with what is read, up to ``receive_buffer_max``, as ``autotune`` finds
    it worth while.
    ``right_edge``: the sequence number after the last octet the peer may send; ``promised``: the
    right edge that was granted, which the field may have been rounded up from.
    ``ecn``: the peer may send ECN-capable segments; ``ce_received``: how many of them came with a
    mark; ``ece_due``: ECE is due on every acknowledgement.
    """

    __slots__ = (
        "_config",
        "_counted",
        "_duplicates",
        "_memory",
        "_timers",
        "ack_due",
        "ack_why",
        "autotune",
        "ce_received",
        "delivered",
        "duplicate_acks",
        "ece_due",
        "ecn",
        "fin_seq",
        "irs",
        "last_ack_sent",
        "last_data",
        "looked_at",
        "promised",
        "queue",
        "quick_acks",
        "rcv_nxt",
        "rcv_up",
        "ready",
        "ready_octets",
        "receive_buffer",
        "receive_buffer_max",
        "right_edge",
        "rmss",
        "rmss_max",
        "sack",
        "shift",
        "stake",
        "ts_recent",
        "ts_recent_at",
        "unacked_octets",
        "worth_asking",
    )

    looked_at: int  # RCV.NXT when the window was looked at last
    worth_asking: int  # reading may open the window if no more is left of it

    def __init__(
        self,
        irs: int,
        config: Config,
        timers: Timers,
        memory: Memory | None = None,
        stake: Stake | None = None,
    ) -> None:
        self.stake = stake
        self._memory = memory
        self._counted = 0  # octets of the buffer, as the shared memory knows them
        self._config = config
        self._timers = timers
        self.irs = irs
        self.rcv_nxt = irs + 1
        self.rcv_up = irs
        self.receive_buffer = config.receive_buffer
        self.receive_buffer_max = largest_buffer(config)
        self.autotune = UNTUNED
        self.queue = NOTHING_HELD
        self.shift = 0  # Rcv.Wind.Shift, once both SYNs carried the option
        self.sack = False
        self.ecn = False
        self.ece_due = False
        self.ce_received = 0
        self._duplicates = _NO_DUPLICATES  # octets that came again, to be reported
        self.rmss = RMSS_INITIAL
        self.rmss_max = RMSS_INITIAL
        self.fin_seq: int | None = None  # where the peer's FIN stands, once it is known
        self.delivered = 0  # octets handed to the reader
        self.ready_octets = 0
        self.ready = _NOTHING
        self.promised = irs + 1  # the right edge that was granted
        self.right_edge = irs + 1  # the same, rounded up to what the scaled field could say
        self._ask_again()
        self.worth_asking = 0  # the first ACK tells of the room, and comes before it is needed
        self.ack_due = AckDue.NO
        self.ack_why = Why.ACK_OF_SYN  # the latest reason for one at once
        self.duplicate_acks = 0  # without SACK: further copies of the acknowledgement due
        self.last_ack_sent = irs + 1
        self.unacked_octets = 0
        self.quick_acks = QUICK_ACKS
        self.last_data = 0.0
        self.ts_recent: int | None = None
        self.ts_recent_at = 0.0

    # -- the window ------------------------------------------------------------------------------

    @property
    def rcv_wnd(self) -> int:
        """RCV.WND: octets from RCV.NXT to the highest right edge ever shown."""
        return self.right_edge - self.rcv_nxt

    def _grant(self) -> int:
        """Return the right edge that the buffer allows now, or the old one if it is not worth it.

        Clark's rule (RFC 9293 §3.8.6.2.2): the edge moves by a segment or half the buffer.
        """
        room = self.receive_buffer - self.ready_octets
        most = self._most
        self.worth_asking = most - most // 4
        edge = self.rcv_nxt + (0 if room < 0 else min(room, most))
        gain = edge - self.promised
        worth = gain >= self.rmss or gain >= most // 2
        return edge if worth else self.promised

    @property
    def _most(self) -> int:
        """Octets that may be promised at most: what buffer, window field and socket hold."""
        most = min(self.receive_buffer, 0xFFFF << self.shift)
        if self.stake is None:
            return most
        # A grant may be rounded down to what the field can say.
        segment = self.rmss_max + (1 << self.shift)
        return min(most, self.stake.most(segment, self.rcv_nxt - self.irs))

    def window_field(self) -> int:
        """Return SEG.WND for a segment sent now, and remember what it promises.

        New space is rounded down to what the shift can express; a promise that stands is rounded
        up, so that the right edge never moves to the left (SHLD-14, SWS-5).
        """
        shift = self.shift
        nxt = self.rcv_nxt
        if nxt - self.looked_at >= self.rmss:  # else nothing worth a segment has been used up
            self.looked_at = nxt
            edge = self._grant()
            if edge > self.promised:
                field = min((edge - nxt) >> shift, 0xFFFF)
                self.promised = max(self.promised, nxt + (field << shift))
                if self.stake is not None and self.fin_seq is None:
                    self.stake.granted(self.promised - nxt)
        field = (self.promised - nxt + (1 << shift) - 1) >> shift
        if field > 0xFFFF:
            field = 0xFFFF
        shown = nxt + (field << shift)
        if shown > self.right_edge:
            self.right_edge = shown
        return field

    def _ask_again(self) -> None:
        """Something has changed: the window is looked at anew when next it is shown, or read."""
        self.looked_at = self.irs - WINDOW_MAX
        self.worth_asking = WINDOW_MAX

    def syn_window_field(self) -> int:
        """Return SEG.WND for a SYN: never scaled (RFC 7323 §2.2)."""
        field = min(self._most, 0xFFFF)
        self.promised = max(self.promised, self.rcv_nxt + field)
        self.right_edge = max(self.right_edge, self.promised)
        return field

    def is_acceptable(self, seq: int, length: int) -> bool:
        """Return whether a segment lies in the window: the four cases of RFC 9293 §3.4, Table 5."""
        nxt = self.rcv_nxt
        edge = self.right_edge
        if not length:
            return nxt <= seq < edge or seq == nxt
        return edge > nxt and seq < edge and seq + length > nxt

    def just_missed_by(self, seq: int) -> bool:
        """Whether *seq* lies outside the window, but where an honest peer may believe that it ends.

        It knows the window in units of its scale, and the answer to a probe of a shut window may
        still be on its way: its SEG.SEQ is too small by less than a unit, or by the octet of the
        probe.  If it has filled the window, its SEG.SEQ is the edge itself (decision 27).
        """
        return self.rcv_nxt - (1 << self.shift) <= seq < self.rcv_nxt or seq == self.right_edge

    def resize(self, receive_buffer: int) -> None:
        """Keep up to *receive_buffer* octets from now on; what was promised stays promised.

        Who chooses a size has it: it does not grow by itself any more.
        """
        self.receive_buffer_max = receive_buffer
        self._keep(receive_buffer)

    def _keep(self, receive_buffer: int) -> None:
        self.receive_buffer = receive_buffer
        self._ask_again()
        if self.queue is not NOTHING_HELD:
            self.queue.limit = self.queue_limit

    @property
    def queue_limit(self) -> int:
        """What the reassembly queue may cost, in octets, overhead included."""
        return SLACK * max(self.receive_buffer, self.rcv_wnd)

    def _grow(self, now: float) -> None:
        """Make the buffer as large as the reader is quick (BUF-3)."""
        if self.ts_recent is None and self.rcv_nxt - self.irs > LITTLE:
            self.own_autotune().on_window(self.rcv_nxt, self.right_edge, now)
        wanted = self.autotune.wanted(self.delivered, now)
        if wanted > self.receive_buffer:
            self.grow(wanted)

    def grow(self, wanted: int) -> None:
        """Have a buffer of *wanted* octets, as far as settings and memory allow."""
        self._keep(self._count_buffer(min(wanted, self.receive_buffer_max)))

    def _count_buffer(self, octets: int) -> int:
        """Return how many of *octets* the buffer may have of the memory that others use as well."""
        if self._memory is not None:
            memory = self._memory.buffers
            if not memory.change(self._counted, octets):
                return max(min(octets, memory.share), self.receive_buffer)
            self._counted = octets
        return octets

    # -- data ------------------------------------------------------------------------------------

    def accept(self, seq: int, run: Run, now: float) -> bool:
        """Take the data of *run*, an acceptable one that begins at *seq*.

        Return False if some of it found no room in the reassembly queue.
        """
        nxt = self.rcv_nxt
        held = self.queue.held
        stop = seq + run.length
        if stop > self.right_edge:
            stop = self.right_edge
        if self.fin_seq is not None:
            stop = min(stop, self.fin_seq)
        if seq < nxt or held.octets:
            self.note_duplicates(seq, stop, run.segments)
        if stop <= nxt or stop <= seq:
            # A duplicate: our acknowledgement may have been lost.  Or it lies beyond the FIN.
            self.ack_now(Why.ACK_DUPLICATE, run.segments)
            return True
        if seq > nxt:
            if self.queue is NOTHING_HELD:
                self.queue = self.new_queue()
            kept = self.queue.insert(seq, run.octets(0, stop - seq))
            self.ack_now(Why.ACK_OUT_OF_ORDER, run.segments)
            return kept
        self._take(run, nxt - seq, stop - seq)
        if held.octets:
            for piece in self.queue.take(stop):
                if self.fin_seq is not None:
                    piece = piece[: self.fin_seq - self.rcv_nxt]  # nothing follows a FIN (M-17)
                self.ready.append(piece)
                self.rcv_nxt += len(piece)
                self.ready_octets += len(piece)
            self.ack_now(Why.ACK_GAP_FILLED)  # all or in part (RFC 5681 §4.2)
        elif seq < nxt and self._duplicates:
            self.ack_now(Why.ACK_DUPLICATE)  # the peer may be waiting for what it need not resend
        self._taken(stop - nxt, now)
        return True

    def new_queue(self) -> Reassembly:
        """Return the reassembly queue, which is made at the first gap."""
        budget = None if self._memory is None else self._memory.reassembly
        return Reassembly(self.queue_limit, budget)

    def _take(self, run: Run, start: int, stop: int) -> None:
        """RCV.NXT moves over the octets from offset *start* up to *stop* of *run*."""
        if run.length > self.rmss and run.segment_octets > self.rmss:
            self.rmss = min(run.segment_octets, self.rmss_max)
        data = run.octets(start, stop)
        if self.ready_octets:
            self.ready.append(data)
        else:
            self.ready = [data]
        self.rcv_nxt += stop - start
        self.ready_octets += stop - start

    def _taken(self, octets: int, now: float) -> None:
        """*octets*, and what waited for them, are in order: acknowledge, and see to the window."""
        pieces = len(self.ready)
        if pieces > PIECES_MIN and pieces > PIECES_MIN + self.ready_octets // PIECE_OCTETS:
            self.ready = [b"".join(self.ready)]
        self._count(octets, now)
        if self.stake is not None:
            self.stake.arrived(self.promised - self.rcv_nxt, self.autotune.min_rtt, now)
        if self.receive_buffer < self.receive_buffer_max:
            self._grow(now)

    def note_duplicates(self, left: int, right: int, segments: int) -> None:
        """``[left, right)`` has arrived: report those parts that were here already (RFC 2883 §4).

        One part for each of its *segments*, since none gets two acknowledgements (DACK-3).  What
        follows on from the part before, as in a run that was read piece by piece, is one with it.
        """
        if not self.sack or not self._config.dsack:
            return
        nxt = self.rcv_nxt
        parts = self.queue.held.overlaps(max(left, nxt), right)
        if left < nxt:
            parts.insert(0, (left, min(right, nxt)))
        if not self._duplicates:
            self._duplicates = []
        found = self._duplicates
        for part in parts[:segments]:
            if found and found[-1][1] == part[0]:
                found[-1] = found[-1][0], part[1]
            elif len(found) < DUPLICATES_MAX:
                found.append(part)

    def _count(self, octets: int, now: float) -> None:
        """Decide when in-order data is acknowledged (RFC 5681 §4.2)."""
        self.unacked_octets += octets
        if now - self.last_data > IDLE:
            self.quick_acks = QUICK_ACKS
        self.last_data = now
        if self.ack_due is AckDue.NOW:
            return
        # Every second full-sized segment (SHLD-19), and a smaller one that follows a full-sized:
        # only a peer with a single segment in flight makes allowance for a delay (RFC 8985 §7.2).
        if self.unacked_octets > self.rmss:
            self.ack_due = AckDue.NOW
            self.ack_why = Why.ACK_EVERY_SECOND
        elif octets >= min(self.rmss, RMSS_INITIAL) and self.quick_acks:
            self.quick_acks -= 1
            self.ack_due = AckDue.NOW
            self.ack_why = Why.ACK_QUICK
        else:
            self.ack_due = AckDue.LATER
            if self._timers.ack == OFF:
                self._timers.ack = now + self._config.delayed_ack

    def read(self, most: int | None = None) -> bytes:
        """Return the octets that are in order, and make room for more.

        All of them, or *most* at the most; with *most* also less, as a large piece comes by itself.
        """
        if not self.ready:
            return b""
        if most is None or (most >= self.ready_octets and len(self.ready) == 1):
            data = bytes(self.ready[0]) if len(self.ready) == 1 else b"".join(self.ready)
            self.ready = _NOTHING
        else:
            data = take_first(self.ready, most)
        self.delivered += len(data)
        self.ready_octets -= len(data)
        # As long as most of the window is left, nothing would be worth an update.
        if self.promised - self.rcv_nxt <= self.worth_asking:
            self.announce_room()
        return data

    def announce_room(self) -> bool:
        """Owe a window update if what was read is worth one (SWS-4); return whether it is."""
        worth = self.fin_seq is None and self._opens_window()
        if worth:
            self.ack_now(Why.WINDOW_UPDATE)
            self._ask_again()
        return worth

    def take_ready(self) -> list[bytes | memoryview]:
        """Return what waits for the reader, as a list for others to add to."""
        return [*self.ready]

    def give_ready(self, ready: list[bytes | memoryview]) -> None:
        """Take *ready* for what waits for the reader."""
        self.ready = ready or _NOTHING

    def _opens_window(self) -> bool:
        """Return whether reading freed enough for a window update of its own (SWS-4)."""
        edge = self._grant()
        if edge <= self.promised:
            return False
        left = self.promised - self.rcv_nxt
        most = self._most
        # Two segments may be more than the buffer can ever free while part of the promise stands.
        worth = max(min(2 * self.rmss, most // 2), most // 4)
        return left <= 0 or edge - self.promised >= worth

    def end(self) -> None:
        """No data will come any more: leave the socket, and shared memory, to the others."""
        self._count_buffer(0)
        if self.stake is not None:
            self.stake.release()

    def discard(self) -> None:
        """Throw away what nobody will read."""
        self.ready = _NOTHING
        self.ready_octets = 0
        self.queue.clear()
        self.end()

    @property
    def fin_received(self) -> bool:
        """Whether the peer's FIN, and all before it, has arrived."""
        return self.fin_seq is not None and self.rcv_nxt > self.fin_seq

    def note_fin(self, seq: int) -> None:
        """Remember that the peer's FIN has the number *seq*; the first one seen counts."""
        if self.fin_seq is None and seq >= self.rcv_nxt:
            self.fin_seq = seq

    def take_fin(self) -> bool:
        """Move RCV.NXT over the FIN if it is next; return whether it was."""
        if self.fin_seq != self.rcv_nxt:
            return False
        self.rcv_nxt += 1
        self.end()
        self.ack_now(Why.FIN_RECEIVED)
        return True

    def note_marks(self, marked: int, reduced: bool) -> None:
        """Data has arrived, *marked* segments of it with CE; *reduced*: with CWR (ECN-4).

        ECE goes on until CWR says that it was heard, for an acknowledgement may be lost.  The
        peer hears of a change at once (DACK-2): its window may be so small that it would wait.
        """
        ece_due = marked > 0 or (self.ece_due and not reduced)
        self.ce_received += marked
        if ece_due is not self.ece_due:
            self.ece_due = ece_due
            self.ack_due = AckDue.NOW
            self.ack_why = Why.ACK_ECN_ECHO

    # -- acknowledgements ------------------------------------------------------------------------

    def ack_now(self, why: Why, segments: int = 1) -> None:
        """An acknowledgement is due at once, for the reason *why*.

        Without SACK a sender counts duplicates, so each of *segments* deserves its own (DACK-4).
        """
        if not self.sack and len(self.queue):
            copies = segments if self.ack_due is AckDue.NOW else segments - 1
            self.duplicate_acks = min(self.duplicate_acks + copies, RUN_SEGMENTS_MAX)
        self.ack_due = AckDue.NOW
        self.ack_why = why

    def ack_sent(self) -> None:
        """A segment with ACK left: nothing is owed any more (DACK-6, DACK-7)."""
        self.last_ack_sent = self.rcv_nxt
        self.unacked_octets = 0
        self._timers.ack = OFF
        if self._duplicates:
            self._duplicates.pop(0)  # it was reported
        if self.duplicate_acks:
            self.duplicate_acks -= 1
        elif not self._duplicates:
            self.ack_due = AckDue.NO

    def on_ack_timeout(self) -> None:
        """The delayed acknowledgement has waited long enough."""
        self._timers.ack = OFF
        if self.ack_due is AckDue.LATER:
            self.ack_due = AckDue.NOW
            self.ack_why = Why.ACK_DELAYED

    @property
    def has_sack_news(self) -> bool:
        """Whether the next acknowledgement should carry SACK blocks (SACK-1, SACK-4)."""
        return self.sack and (self.queue.held.octets > 0 or self.has_duplicate)

    @property
    def has_duplicate(self) -> bool:
        """Whether the next acknowledgement reports a duplicate; no other may say the same."""
        return bool(self._duplicates)

    def sack_blocks(self, most: int) -> list[tuple[int, int]]:
        """Return the SACK blocks for the next acknowledgement, as 32-bit numbers.

        A duplicate is the first of them; if it lies within what waits in the queue, that block
        comes second (RFC 2883 §4).
        """
        blocks = self.queue.sack_blocks(most)
        if self._duplicates:
            duplicate = self._duplicates[0]
            around = self.queue.held.range_at(duplicate[0])
            first = [duplicate] if around is None else [duplicate, around]
            blocks = first + [block for block in blocks if block != around]
        return [(to_wire(left), to_wire(right)) for left, right in blocks[:most]]

    # -- timestamps ------------------------------------------------------------------------------

    def may_be_late(self, seq: int, length: int) -> bool:
        """Return whether data at *seq* belongs into the window and was overtaken by other data."""
        held = self.queue.held.octets
        return length > 0 and held > 0 and self.rcv_nxt <= seq < self.right_edge

    def is_old(self, tsval: int, late: bool, now: float) -> bool:
        """Return whether *tsval* is older than TS.Recent: the PAWS test (RFC 7323 §5.3, R1).

        *late*: the segment may have been overtaken; then a little older is not old (decision 20).
        """
        if self.ts_recent is None or not wire_after(self.ts_recent, tsval):
            return False
        if late and (self.ts_recent - tsval) & SEQ_MASK <= PAWS_SLACK:
            return False
        return now - self.ts_recent_at < PAWS_VALIDITY

    def note_tsecr(self, tsecr: int, rcv_nxt: int, now: float) -> bool:
        """Data echoes the time *tsecr*, in ms of our clock; *rcv_nxt*: RCV.NXT before it.

        Return whether that is of interest.
        """
        if rcv_nxt - self.irs <= LITTLE:
            return False
        self.own_autotune().on_tsecr(tsecr, now)
        return True

    def own_autotune(self) -> Autotune:
        """Return what measures round trips and the reader, to be changed."""
        self.autotune = self.autotune.own(self._config.receive_buffer)
        return self.autotune

    def note_timestamp(self, tsval: int, seq: int, now: float) -> None:
        """Update TS.Recent from an acceptable segment at *seq* (RFC 7323 §4.3, TS-3)."""
        if seq > self.last_ack_sent:
            return
        if (
            self.ts_recent is None
            or not wire_after(self.ts_recent, tsval)
            or now - self.ts_recent_at >= PAWS_VALIDITY
        ):
            self.ts_recent = tsval & SEQ_MASK
            self.ts_recent_at = now
