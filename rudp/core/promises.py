"""What the UDP socket holds, shared by the connections that receive.

The kernel keeps the datagrams of all connections in one buffer until the loop reads them, and drops
what finds no room.  A window that promises more than this is answered with losses.  So the octets
that peers may send are charged to the buffer: each at what it costs there, as far as it can arrive
before the next read.  What a peer sends over a long path arrives spread over its round trip, and
over loopback all at once.

The buffer is shared equally by the connections that receive at the moment, but a small window is
never refused: where a great many receive at once, it takes a larger buffer to lose nothing.
"""

from collections import OrderedDict
from typing import Final

START: Final = 16 * 1024
"""Octets promised before any data has come: an initial window of ten segments (RFC 6928)."""

LEAST: Final = 16 * 1024
"""Octets that may be promised whatever the others have: less would be small segments."""

LOOPBACK_COST: Final = 17 / 16
DATAGRAM_COST: Final = 2.0
"""Octets of socket buffer that an octet takes: in the large datagrams of loopback (1.01 to 1.06
measured), and in those of Ethernet's size one by one (1.57), some of which the kernel counts a
while longer than they stay."""

READ_GAP: Final = 0.0025
"""Seconds from one read of the socket to the next in which a busy loop comes round."""

REST: Final = 0.1
"""Seconds without data after which a connection counts as one that receives nothing."""


class ReceiveBudget:
    """The buffer of one socket: *capacity* octets as the kernel counts them."""

    __slots__ = ("_capacity", "_charged", "_claims")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._charged = 0.0
        self._claims: OrderedDict[Claim, None] = OrderedDict()  # the one that rests longest first

    def room(self, claim: "Claim") -> float:
        """Return how much of the buffer *claim* may take: its share, as far as that is free.

        Where several receive, more may begin, with what was promised to them before they came to
        be counted: half of the buffer is theirs.
        """
        sharers = len(self._claims) + (claim not in self._claims)
        shared = self._capacity if sharers == 1 else self._capacity / 2
        return min(shared / sharers, self._capacity - self._charged + claim.charge)

    def charge(self, claim: "Claim", amount: float, now: float) -> None:
        """Let *claim*, whose data came at *now* last, take *amount* of the buffer."""
        claims = self._claims
        self._charged += amount - claim.charge
        claim.charge = amount
        if not amount:
            claims.pop(claim, None)
            return
        claims[claim] = None
        claims.move_to_end(claim)
        while (first := next(iter(claims))).last_data < now - REST:
            self._charged -= first.charge
            first.charge = 0.0
            del claims[first]


class Claim:
    """One connection's part of a budget.  *loopback*: all that is sent arrives at once.

    ``charge`` is the budget's; ``last_data``: when it was charged for data last, in seconds, which
    is no longer than half of :data:`REST` before data came last.
    """

    __slots__ = ("_at_once", "_budget", "_cost", "_loopback", "_widest", "charge", "last_data")

    def __init__(self, budget: ReceiveBudget, *, loopback: bool) -> None:
        self._budget = budget
        self._loopback = loopback
        self._cost = LOOPBACK_COST if loopback else DATAGRAM_COST
        self._at_once = 1.0  # the part of what is promised that may come between two reads
        self._widest = 0  # what was promised at most at any time
        self.charge = 0.0
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
        at_once = min(self._budget.room(self) / self._cost, START + 2 * received)
        return max(int(at_once / self._at_once), least)

    def arrived(self, promised: int, rtt: float | None, now: float) -> None:
        """Data came, and *promised* octets may still come.

        *rtt*: the shortest round trip seen, None before the first.
        """
        if rtt is not None and not self._loopback:
            self._at_once = min(READ_GAP / rtt, 1.0)
        charge = self.charge
        if now - self.last_data < REST / 2 and charge > 0.0:
            amount = promised * self._cost * self._at_once
            if 0.75 * charge <= amount <= charge:
                return  # what was charged a moment ago will do
        self.last_data = now
        self._charge(promised)

    def granted(self, promised: int) -> None:
        """*promised* octets may come from now on."""
        self._widest = max(self._widest, promised)
        if self.last_data >= 0.0:
            self._charge(promised)

    def _charge(self, promised: int) -> None:
        self._budget.charge(self, promised * self._cost * self._at_once, self.last_data)

    def release(self) -> None:
        """Nothing will come any more."""
        self._budget.charge(self, 0.0, self.last_data)
