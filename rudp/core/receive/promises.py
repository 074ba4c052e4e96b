"""What the UDP socket holds, shared by the connections that receive.

The kernel keeps the datagrams of all connections in one buffer until the loop reads them, and drops
what finds no room.  A window that promises more than this is answered with losses.  So the octets
that peers may send are charged to the buffer: each at what it costs there, as far as it can arrive
before the next read.  What a peer sends over a long path arrives spread over its round trip, and
over loopback all at once.

Who is promised much and sends little is charged little: twice what has come at once lately.  What
such connections leave is lent to those that use all they get, and as these take it the others have
their share again.  A small window is never refused: where a great many receive at once, it takes a
larger buffer to lose nothing.
"""

from collections import OrderedDict
from typing import Final

START: Final = 16 * 1024
"""Octets promised before any data has come: an initial window of ten segments (RFC 6928)."""

LEAST: Final = 16 * 1024
"""Octets that may be promised whatever the others have: less would be small segments."""

TALK: Final = 4 * 1024
"""Who gets no more octets at once than this is charged nothing: the reserve is for all of these."""

LOOPBACK_COST: Final = 17 / 16
DATAGRAM_COST: Final = 2.0
"""Octets of socket buffer that an octet takes: in the large datagrams of loopback (1.01 to 1.06
measured), and in those of Ethernet's size one by one (1.57), some of which the kernel counts a
while longer than they stay."""

READ_GAP: Final = 0.0025
"""Seconds from one read of the socket to the next in which a busy loop comes round."""

REST: Final = 0.1
"""Seconds without data after which a connection counts as one that receives nothing."""

QUEUE: Final = 256 * 1024
"""Octets of the buffer that are lent where all can come at once: the others wait behind them."""


class SocketBuffer:
    """The buffer of one socket: *capacity* octets as the kernel counts them.

    Large is a stake that is charged more than an equal share of half of it.
    """

    __slots__ = ("_capacity", "_charged", "_half", "_large", "_large_charged", "_stakes", "_takers")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._half = capacity / 2
        self._charged = 0.0
        self._takers = 0  # stakes that are charged anything
        self._large = 0
        self._large_charged = 0.0
        self._stakes: OrderedDict[Stake, None] = OrderedDict()  # the one that rests longest first

    def room(self, stake: "Stake", queue: float) -> float:
        """Return how much of the buffer *stake* may take, as far as that is free.

        Who receives alone may have all of it.  Else half of it is shared, for more may begin, with
        what was promised to them before they came to be counted.  Three quarters are lent to the
        only one that needs much, less twice what the others take.  *queue*: so much is lent at most
        beyond an equal share.
        """
        free = self._capacity - self._charged + stake.charge
        receivers = len(self._stakes)
        if stake not in self._stakes:
            receivers += 1
        if receivers == 1:
            return free
        half = self._half
        large = self._large - stake.large
        small = self._charged - self._large_charged
        if not stake.large:
            small -= stake.charge
        lent = (half - small) / (large + 1) if large else 1.5 * half - 2 * small
        takers = self._takers - (stake.charge > 0.0) + 1
        return min(max(half / receivers, min(max(half / takers, lent), queue)), free)

    def charge(self, stake: "Stake", amount: float, now: float) -> None:
        """Let *stake*, whose data came at *now* last, take *amount* of the buffer."""
        if amount != stake.charge:
            self._put(stake, amount)
        stakes = self._stakes
        stakes[stake] = None
        stakes.move_to_end(stake)
        while (first := next(iter(stakes))).last_data < now - REST:
            self.leave(first)

    def leave(self, stake: "Stake") -> None:
        """*stake* takes nothing any more."""
        if stake.charge:
            self._put(stake, 0.0)
        self._stakes.pop(stake, None)

    def _put(self, stake: "Stake", amount: float) -> None:
        """Let *stake* be charged *amount*, which is not what it was."""
        before = stake.charge
        self._charged += amount - before
        if not before:
            self._takers += 1
        elif not amount:
            self._takers -= 1
        if stake.large:
            self._large -= 1
            self._large_charged -= before
        stake.charge = amount
        stake.large = amount * self._takers > self._half
        if stake.large:
            self._large += 1
            self._large_charged += amount


class Stake:
    """What one connection may take of a *buffer*.  *loopback*: all that is sent arrives at once.

    ``charge`` and ``large`` are the buffer's; ``last_data``: when it was charged for data last, in
    seconds, which is no longer than half of :data:`REST` before data came last.
    """

    __slots__ = (
        "_at_once",
        "_buffer",
        "_burst",
        "_cost",
        "_gap_at",
        "_in_gap",
        "_loopback",
        "_promised",
        "_widest",
        "charge",
        "large",
        "last_data",
    )

    def __init__(self, buffer: SocketBuffer, *, loopback: bool) -> None:
        self._buffer = buffer
        self._loopback = loopback
        self._cost = LOOPBACK_COST if loopback else DATAGRAM_COST
        self._at_once = 1.0  # the part of what is promised that may come between two reads
        self._promised = START  # what may still come
        self._widest = 0  # the most that it ever was
        self._burst = 0  # octets that came within READ_GAP at most, fading as it gets older
        self._in_gap = 0  # those that came since _gap_at
        self._gap_at = -1.0
        self.charge = 0.0
        self.large = False
        self.last_data = -1.0

    def most(self, segment: int, received: int) -> int:
        """Return how many octets may be promised in all, after *received* have come.

        No more may come at once than twice what came before: a connection that is promised all
        before it shows that it can use it takes it from others.  *segment*: octets of the peer's
        largest.

        A peer leaves a window unused that has room for no full segment and is less than half of
        what it had at most (RFC 9293 §3.8.6.2.1), so that much stays open.
        """
        if self.last_data < 0.0:
            return START
        least = max(LEAST, min(segment, (self._widest + 1) // 2))
        queue = QUEUE if self._at_once == 1.0 else float("inf")
        at_once = min(self._buffer.room(self, queue) / self._cost, START + 2 * received)
        return max(int(at_once / self._at_once), least)

    def arrived(self, promised: int, rtt: float | None, now: float) -> None:
        """Data came, and *promised* octets may still come.

        *rtt*: the shortest round trip seen, None before the first.
        """
        if rtt is not None and not self._loopback:
            self._at_once = min(READ_GAP / rtt, 1.0)
        came = self._promised - promised
        self._promised = promised
        since = now - self._gap_at
        if since <= READ_GAP:
            self._in_gap += came
        else:
            self._burst -= int(self._burst * min(since / (2 * REST), 1.0))
            self._in_gap = came
            self._gap_at = now
        if self._in_gap > self._burst:
            self._burst = self._in_gap
        charge = self.charge
        amount = self._amount(promised)
        if 0.75 * charge <= amount <= charge and now - self.last_data < REST / 2:
            return  # what was charged a moment ago will do
        self.last_data = now
        self._buffer.charge(self, amount, now)

    @property
    def quiet(self) -> tuple[float, int]:
        """Up to when, and for how many octets, :meth:`arrived` may be told in one sum.

        That is as long as they are little and nothing is charged for them.
        """
        if self.charge or self._burst > TALK:
            return -1.0, 0
        until = min(self._gap_at + READ_GAP, self.last_data + REST / 2)
        return until - 1e-9, TALK - self._in_gap

    def granted(self, promised: int) -> None:
        """*promised* octets may come from now on."""
        self._widest = max(self._widest, promised)
        self._promised = promised
        if self.last_data >= 0.0:
            self._buffer.charge(self, self._amount(promised), self.last_data)

    def _amount(self, promised: int) -> float:
        """Return what they may take of the buffer: as much as twice what has come at once."""
        if self._burst <= TALK:
            return 0.0
        amount = promised * self._at_once
        most = 2.0 * self._burst
        return self._cost * (most if most < amount else amount)

    def release(self) -> None:
        """Nothing will come any more."""
        self._buffer.leave(self)
