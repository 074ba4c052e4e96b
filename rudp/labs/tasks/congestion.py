"""The lab ``congestion``: NewReno's window."""

import random
from typing import Any, Final

from rudp.core.congestion.controller import Ack, Signal
from rudp.core.congestion.newreno import NewReno
from rudp.labs.lab import Setup, Wrong, config, same

Reference = NewReno
"""What the package does."""

RATE: Final = 4_000_000.0
"""Bits per second of the path."""

QUEUE: Final = 20_000
"""Octets that may wait there."""


def _acked(octets: int, *, limited: bool = True) -> Ack:
    ack = Ack()
    ack.delivered = octets
    ack.cwnd_limited = limited
    return ack


def ask(cls: Any, chance: random.Random) -> None:
    """Look at each rule by itself."""
    smss = chance.choice([536, 1000, 1440])
    window = chance.choice([4, 10]) * smss
    mine = cls(smss, window)
    told = f"with SMSS {smss} and an initial window of {window}"
    mine.on_ack(_acked(window, limited=False))
    same(f"{told}: cwnd after an acknowledgement while it was not the limit", mine.cwnd, window)
    for octets in (smss, smss // 2, 2 * smss):
        before = mine.cwnd
        mine.on_ack(_acked(octets))
        right = before + min(octets, smss)
        if not right <= mine.cwnd <= before + octets:
            raise Wrong(
                f"{told}: in slow start cwnd {before} is {right} after {octets} octets were "
                f"acknowledged, not {mine.cwnd}"
            )
    flight = chance.randint(2, 40) * smss
    mine.on_congestion(Signal.LOSS, flight, 1.0)
    half = max(flight // 2, 2 * smss)
    same(f"{told}: ssthresh after a loss with {flight} in flight", int(mine.ssthresh), half)
    mine.cwnd = mine.ssthresh = 20 * smss
    for _ in range(20):
        mine.on_ack(_acked(smss))
    if not 20 * smss < mine.cwnd <= 22 * smss:
        raise Wrong(
            f"{told}: in congestion avoidance cwnd {20 * smss} is about {21 * smss} after a "
            f"window of acknowledgements, not {mine.cwnd}"
        )
    mine.cwnd = 30 * smss
    mine.on_timeout(flight, True, 2.0)
    same(f"{told}: cwnd after a time-out", mine.cwnd, smss)
    same(f"{told}: ssthresh after a time-out with {flight} in flight", int(mine.ssthresh), half)
    mine.on_timeout(smss, False, 3.0)
    same(f"{told}: ssthresh after the second time-out in a row", int(mine.ssthresh), half)


def build(cls: Any) -> Setup:
    """Let a class say how much the client has in flight."""
    return Setup(config(congestion=cls), link={"rate": RATE, "queue": QUEUE})
