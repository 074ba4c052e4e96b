"""The lab ``receiver``: the window, and what lies in it."""

import random
from typing import Any, Final

from rudp.core.life.parts import Parts
from rudp.core.receive.receiver import Receiver
from rudp.core.terms.timers import Timers
from rudp.labs.lab import Setup, Wrong, config, same

Reference = Receiver
"""What the package does."""

BUFFER: Final = 8192
"""Octets of the receive buffer: so small that the window is often the limit."""


def ask(cls: Any, chance: random.Random) -> None:
    """Compare what is in the window, what is announced, and what becomes of a FIN."""
    settings = config(receive_buffer=BUFFER, receive_buffer_max=BUFFER)
    mine, right = (one(1000, settings, Timers()) for one in (cls, Receiver))
    shift = chance.choice([0, 0, 2, 5])
    for one in (mine, right):
        one.shift = shift
        one.syn_window_field()
    told = f"with RCV.NXT {{}}, a buffer of {BUFFER}, {{}} unread and a scale of {shift}"
    for _ in range(30):
        about = told.format(right.rcv_nxt, right.ready_octets)
        given, wanted = mine.window_field(), right.window_field()
        edges = f"{about}, promised up to {right.promised}: "
        same(f"{edges}window_field()", given, wanted)
        same(f"{edges}right_edge after window_field()", mine.right_edge, right.right_edge)
        for _ in range(6):
            edge = chance.choice([right.rcv_nxt, right.right_edge])
            seq = edge + chance.choice([-1000, -2, -1, 0, 1, 2, 1000])
            length = chance.choice([0, 0, 1, 2, 1000, 20_000])
            asked = f"{about} and a right edge of {right.right_edge}: "
            asked += f"is_acceptable({seq}, {length})"
            given = mine.is_acceptable(seq, length)
            same(asked, bool(given), right.is_acceptable(seq, length))
        size = min(chance.choice([0, 100, 1500, right.rcv_wnd]), right.rcv_wnd)
        read = chance.random() < 0.4
        for one in (mine, right):
            one.rcv_nxt += size
            one.ready_octets += size
            if read:
                one.ready_octets = 0
            one.looked_at = 0  # each time anew
    for fin in (right.rcv_nxt + 1, right.rcv_nxt):
        about = f"with RCV.NXT {right.rcv_nxt} and a FIN at {fin}: "
        mine.fin_seq = right.fin_seq = fin
        same(f"{about}take_fin()", bool(mine.take_fin()), right.take_fin())
        same(f"{about}RCV.NXT after take_fin()", mine.rcv_nxt, right.rcv_nxt)
    if mine.ack_due is not right.ack_due:
        raise Wrong("a FIN is acknowledged at once: call self.ack_now(Why.FIN_RECEIVED)")


def build(cls: Any) -> Setup:
    """Let a class receive what the server sends."""
    settings = config(receive_buffer=BUFFER, receive_buffer_max=BUFFER)
    return Setup(settings, Parts(receiver=cls))
