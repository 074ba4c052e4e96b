"""Lab sender: what goes next (RFC 9293 §3.8.6, §3.7.4; RFC 5681 §3.1).

Whenever something may have changed the core asks for the next octets to be sent, until the answer
is None.  The base class keeps the variables; sequence numbers grow here and never wrap.  Those you
need:

    snd_una, snd_nxt    SND.UNA, the oldest number not acknowledged; SND.NXT, the first never sent
    snd_wnd             SND.WND, octets from SND.UNA on that the peer has room for
    buffer.end          the number after the last octet that the program has written
    fin_seq             the number of our FIN once the program has closed, else None
    flight.window       cwnd, octets that may be in flight
    board.in_flight     octets that are: sent, and neither acknowledged nor lost
    board.lost          what is lost: ranges [lefts[0], rights[0]), [lefts[1], rights[1]) and so on,
                        ascending; lost.octets of them together
    flight.resend_now   the first lost segment goes now, whatever cwnd says
    nodelay, snd_sml    the program wants no Nagle; the number after the last small segment sent
"""

from rudp.core.send.sender import Sender


class Half(Sender):
    """The sending half of a connection."""

    def next_run(
        self, now: float, max_segments: int, mss: int, runs: int = 1
    ) -> tuple[int, int] | None:
        """Return the numbers ``(seq, end)`` of the octets to be sent now, or None.

        Up to *mss* octets.  (Up to ``runs * max_segments * mss`` are allowed.)

        - What is lost goes first, if cwnd has room for it, or nothing is in flight, or
          ``flight.resend_now``.
        - New octets begin at SND.NXT.  They must fit the peer's window and cwnd; with nothing in
          flight one segment may go whatever cwnd says.  A segment is full, unless it holds all
          that is left and ``may_send_small`` lets it go.
        - The FIN takes a number like an octet of data, and room in the window.  With all data
          sent, and SND.NXT at ``fin_seq``, it is ``(fin_seq, fin_seq + 1)``.
        """
        raise NotImplementedError

    def may_send_small(self, size: int) -> bool:
        """Return whether a segment of *size* octets, less than a full one, may go now.

        It may if there is nothing of it (*size* is 0), if the program wants no delay or has closed,
        or if no other small segment is outstanding: Nagle's algorithm in Minshall's form.
        """
        raise NotImplementedError
