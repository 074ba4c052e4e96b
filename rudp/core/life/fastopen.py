"""TCP Fast Open (RFC 7413): data in a SYN, for who has been here before.

A server gives each host that asks for it a cookie, which proves on the next visit that the address
is not forged; then the data of that SYN goes to the application at once, and its answer leaves
before the handshake is over.  A SYN may arrive twice, and its data with it: that is for the
application to bear, and why both sides must ask for it.
"""

from collections import OrderedDict
from typing import Final

from rudp.core.segment.seqnum import from_wire
from rudp.core.segment.transmit import Address

VISITS_MAX: Final = 1024
"""Servers of which something is remembered; who was visited longest ago is forgotten first."""

DISTRUST: Final = 3600.0
"""Seconds for which SYNs are plain to a server that has not answered one that was not: something
on the way may not like it (RFC 7413 §4.1.3.1)."""


class Visits:
    """What a client knows of servers: their cookies, the MSS each announced, who is distrusted.

    A server is a UDP address: another process at another port has another secret.
    """

    __slots__ = ("_distrusted", "_known")

    def __init__(self) -> None:
        self._known: OrderedDict[Address, tuple[bytes, int]] = OrderedDict()
        self._distrusted: OrderedDict[Address, float] = OrderedDict()

    def request(self, server: Address, now: float) -> "FastOpen | None":
        """Return what a SYN to *server* may say, None if it is to say nothing of this."""
        if self._distrusted.get(server, now) > now:
            return None
        cookie, mss = self._known.get(server, (b"", 0))
        request = FastOpen(cookie, mss)
        request.visits = self
        request.server = server
        return request

    def keep(self, server: Address, cookie: bytes, mss: int) -> None:
        """*server* has given us a *cookie*, and takes segments of *mss* octets."""
        self._distrusted.pop(server, None)
        self._known[server] = cookie, mss
        self._known.move_to_end(server)
        if len(self._known) > VISITS_MAX:
            self._known.popitem(last=False)

    def distrust(self, server: Address, now: float) -> None:
        """*server* did not answer: do not try it again soon."""
        self._known.pop(server, None)
        self._distrusted[server] = now + DISTRUST
        self._distrusted.move_to_end(server)
        if len(self._distrusted) > VISITS_MAX:
            self._distrusted.popitem(last=False)


class FastOpen:
    """What the SYN of one connection says and carries.

    ``cookie``: in our SYN, empty to ask for one; in our SYN,ACK the one that is given, empty for
    none.  ``mss``: octets of options and data that the server takes.  ``end``: the sequence number
    after the data that our SYN carried, 0 before.  ``used``: the data was taken with the SYN.
    ``visits``, ``server``: where the client keeps what it learns, and under which name.
    """

    __slots__ = ("cookie", "end", "mss", "server", "used", "visits")

    def __init__(self, cookie: bytes, mss: int) -> None:
        self.cookie = cookie
        self.mss = mss
        self.end = 0
        self.used = False
        self.visits: Visits | None = None
        self.server: Address = ()

    def is_acked_by(self, ack: int, snd_una: int) -> bool:
        """Return whether SEG.ACK *ack*, 32 bits, is of the data in our SYN."""
        return snd_una + 1 < from_wire(ack, snd_una) <= self.end

    def heed(self, cookie: bytes | None, mss: int) -> None:
        """The SYN,ACK has come, with or without a *cookie*, from who takes *mss* octets."""
        if cookie and self.visits is not None:
            self.visits.keep(self.server, cookie, mss)

    def unanswered(self, now: float) -> None:
        """The time for an answer to such a SYN is over; the next one is plain."""
        if self.visits is not None:
            self.visits.distrust(self.server, now)
            self.visits = None
