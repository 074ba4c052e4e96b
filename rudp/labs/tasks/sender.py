"""The lab ``sender``: what goes next."""

import random
from typing import Any, Final

from rudp.config import Config
from rudp.core.congestion.newreno import NewReno
from rudp.core.life.parts import Parts
from rudp.core.send.news import News
from rudp.core.send.sender import Sender
from rudp.core.terms.timers import Timers
from rudp.labs.lab import Setup, Wrong, config, same

Reference = Sender
"""What the package does."""

ISS: Final = 1000
MSS: Final = 1000


def _half(cls: Any, settings: Config, window: int, cwnd: int) -> Any:
    """Return a sending half after the handshake."""
    half = cls(ISS, settings, Timers())
    half.syn_sent(0.0)
    half.on_ack(News().begin(ISS + 1, None), 0.1)
    half.snd_wnd = half.max_snd_wnd = window
    half.established(MSS, sack=False, timestamps=True, syn_transmissions=1, tsecr=None, now=0.1)
    half.flight.controller = NewReno(MSS, cwnd)
    return half


def ask(cls: Any, chance: random.Random) -> None:
    """Let a half send, and look at each segment."""
    window = chance.choice([500, 1000, 2500, 20_000])
    cwnd = chance.choice([1, 3, 10]) * MSS
    unsent = chance.choice([0, 1, 999, 1000, 1500, 3000, 12_000])
    closed = chance.random() < 0.5
    nodelay = chance.random() < 0.5
    settings = config(nodelay=nodelay, tail_loss_probe=False)
    mine, right = (_half(one, settings, window, cwnd) for one in (cls, Sender))
    for one in (mine, right):
        if unsent:
            one.buffer.append(bytes(unsent))
        if closed:
            one.fin_seq = one.buffer.end
    told = (
        f"with a window of {window}, cwnd {cwnd}, {unsent} octets written, "
        f"{'closed, ' if closed else ''}nodelay {nodelay}"
    )
    for sml in (ISS, right.snd_nxt + 1):
        mine.snd_sml = right.snd_sml = sml
        for size in (0, 1, 999):
            about = f"{told}, SND.UNA {right.snd_una} and snd_sml {sml}: may_send_small({size})"
            same(about, bool(mine.may_send_small(size)), right.may_send_small(size))
    mine.snd_sml = right.snd_sml = ISS
    for _ in range(30):
        before = mine.snd_nxt
        given = mine.next_run(0.2, 1, MSS)
        about = f"{told}, SND.UNA {mine.snd_una} and SND.NXT {before}: next_run"
        if given is None:
            break
        seq, end = given
        if seq != before:
            raise Wrong(f"{about} begins at SND.NXT, not {seq}, as nothing is lost")
        if end > mine.snd_una + window:
            raise Wrong(f"{about} ends at {mine.snd_una + window}, the peer's window, not {end}")
        if not seq < end <= seq + MSS + 1:
            raise Wrong(f"{about} has 1 to {MSS} octets, not {end - seq}")
        mine.on_sent(seq, end, 0.2)
    sent = mine.snd_nxt
    while (wanted := right.next_run(0.2, 1, MSS)) is not None:
        right.on_sent(*wanted, 0.2)
    if sent != right.snd_nxt:
        raise Wrong(f"{told}: it has sent up to {sent} and stops, and not up to {right.snd_nxt}")


def build(cls: Any) -> Setup:
    """Let a class send what the client has."""
    return Setup(config(tail_loss_probe=False, nodelay=False), Parts(sender=cls))
