"""Which acknowledgements measure a round trip, and what they make of the estimate (RFC 6298 §3).

SRTT takes one sample per round trip, so that the plain gains hold (RTO-4): that of the octets sent
first, an acknowledgement's delay included.  What was sent twice needs an echo, and one of the copy
sent last (RTO-7).  That of an earlier copy would measure our own time-out if not the data but its
acknowledgement was lost.
"""

from typing import Literal

from rudp.core.loss.rtt import GRANULARITY, RTO_INITIAL, Rtt
from rudp.core.loss.scoreboard import SentRun


class RoundTrips(Rtt):
    """The estimate, fed by acknowledgements.

    *floor*, *ceiling* and *form* are those of :class:`Rtt`; *iss*: our initial sequence number.
    ``latest``: the round trip in seconds of what was sent last among all that has arrived, sent
    once; 0 before the first.  ``was_sampled``: one was measured since somebody has set it to False.
    """

    __slots__ = ("latest", "sample_from", "was_sampled")

    def __init__(
        self,
        floor: float,
        ceiling: float,
        form: Literal["linux", "rfc"],
        iss: int,
    ) -> None:
        super().__init__(floor, ceiling, form)
        self.sample_from = iss  # an ACK above this may give the next sample
        self.latest = 0.0
        self.was_sampled = True

    def begin(self, snd_nxt: int) -> None:
        """Take the next sample from what is sent from now on, which begins at *snd_nxt*.

        So it is after the handshake, and when we have stood still: what waits in the socket says
        how long we did.
        """
        self.sample_from = snd_nxt

    def on_path_changed(self, anew: bool, r: float | None, snd_nxt: int, now: float) -> None:
        """There is another path.  *anew*: all there is to know of it is *r*, seconds, or nothing.

        Else what has not been answered went where nobody was, and is no reason to back off.
        """
        self.sample_from = snd_nxt
        if anew:
            self.srtt = None
            self.rttvar = 0.0
            self.rto = RTO_INITIAL
            self.minima = ()
        elif self.srtt is not None:
            self.rto = self.timeout(self.srtt, self.rttvar)
        self.backoffs = 0
        self.was_settled()
        if anew and r is not None:
            self.observe(r, now)
            self.sample(r)

    def measure(
        self,
        seg_ack: int,
        snd_nxt: int,
        acked: list[SentRun],
        resent: bool,
        sacked: list[SentRun],
        tsecr: int | None,
        now: float,
    ) -> float | None:
        """Take what round trips an acknowledgement shows; return that of what was sent last.

        *acked*: the runs it acknowledges, *resent*: some of them more than once; *sacked*: those
        that it SACKs for the first time.  None if there is no sound measurement.
        """
        latest = None
        if acked and not resent:
            latest = now - acked[-1].sent_at
        elif sacked and sacked[-1].transmissions == 1:
            latest = now - sacked[-1].sent_at
        if latest is not None:
            self.observe(latest, now)
            self.latest = latest
            self.was_sampled = True
        known = self.srtt is not None  # 0.0 where a loop's clock stands still within a turn
        if not acked or (seg_ack <= self.sample_from and known and not self.backoffs):
            return latest
        if not resent:
            self.sample(now - acked[0].sent_at)
        elif tsecr is not None:
            r = int(now * 1000) / 1000 - tsecr / 1000
            if r > now - acked[0].sent_at + GRANULARITY:
                return latest
            self.sample(r)
            self.was_sampled = True
        else:
            return latest
        self.sample_from = snd_nxt
        return latest
