"""Proportional Rate Reduction: the way from the old window to the new one (RFC 9937).

When a loss is found, more is in flight than the new window allows.  Waiting until enough has
drained would silence the sender for half a round trip and then let it burst.  PRR sends in
proportion to what is delivered instead, so that one round trip later just ``ssthresh`` octets are
in flight; if more was lost than that, it works its way back up, one segment beyond what is
delivered.
"""


class Prr:
    """One episode of fast recovery; sizes in octets (PRR-1 to PRR-7).

    *ssthresh*: the window to arrive at.  *recover_fs*: what was in flight when the episode began,
    what its first acknowledgement delivered included.  ``cwnd``: what may be in flight now.
    """

    __slots__ = ("_delivered", "_out", "_recover_fs", "_smss", "_ssthresh", "cwnd")

    def __init__(self, ssthresh: int, recover_fs: int, smss: int) -> None:
        self._ssthresh = ssthresh
        self._recover_fs = max(recover_fs, 1)
        self._smss = smss
        self._delivered = 0
        self._out = 0
        self.cwnd = smss

    def on_ack(self, delivered: int, in_flight: int, safe_ack: bool) -> None:
        """*delivered* octets, above 0, were acknowledged or SACKed for the first time.

        *safe_ack*: SND.UNA moved, and nothing more turned out to be lost.
        """
        self._delivered += delivered
        if in_flight > self._ssthresh:
            share = -(-self._delivered * self._ssthresh // self._recover_fs)
            send = share - self._out
        else:
            send = max(self._delivered - self._out, delivered)
            if safe_ack:
                send += self._smss
            send = min(self._ssthresh - in_flight, send)
        # The fast retransmission goes in any case.
        self.cwnd = in_flight + max(send, 0 if self._out else self._smss)

    def on_sent(self, octets: int) -> None:
        """*octets* have left, new or again."""
        self._out += octets
