"""What many connections have done together: sums, that are cheap to take often.

A snapshot of one connection tells everything and ends its lane (:mod:`rudp.core.life.status`).
Here a dozen numbers are read where they are just now, in the lane if there is one, and added up; so
ten thousand connections take some hundredths of a second, and none of them notices.
"""

import bisect
from typing import Final

from rudp.core.life.numbers import AnyLane
from rudp.core.life.tcb import Tcb
from rudp.core.terms.state import State

COUNTED: Final = (
    "segments_received",
    "segments_sent",
    "received_bytes",
    "sent_bytes",
    "acknowledged_bytes",
    "retransmitted_bytes",
    "lost_bytes",
)
"""The names of what only grows, in the order of :attr:`Tally.counted`."""

RTT_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds: the upper bounds of :attr:`Tally.rtts`; one more has what is above the last."""


class Tally:
    """Sums over the connections that were added.

    ``counted``: segments and octets since each began, as :data:`COUNTED` names them.  ``states``:
    how many are in each state.  ``rtts``: how many have a smoothed round trip up to each of
    :data:`RTT_BOUNDS`, and above; ``rtt_sum``: the sum of these, seconds.  ``unsent``, ``unacked``,
    ``unread``: octets that wait to be sent, acknowledged, and read by the user.
    """

    __slots__ = ("counted", "rtt_sum", "rtts", "states", "unacked", "unread", "unsent")

    def __init__(self) -> None:
        self.counted: list[int] = [0] * len(COUNTED)
        self.states: dict[State, int] = {}
        self.rtts: list[int] = [0] * (len(RTT_BOUNDS) + 1)
        self.rtt_sum = 0.0
        self.unsent = 0
        self.unacked = 0
        self.unread = 0

    def merge(self, other: "Tally") -> None:
        """Add what *other* has added up."""
        for n, count in enumerate(other.counted):
            self.counted[n] += count
        for n, count in enumerate(other.rtts):
            self.rtts[n] += count
        for state, count in other.states.items():
            self.states[state] = self.states.get(state, 0) + count
        self.rtt_sum += other.rtt_sum
        self.unsent += other.unsent
        self.unacked += other.unacked
        self.unread += other.unread

    def add(self, tcb: Tcb, lane: AnyLane | None) -> None:
        """Add the connection of *tcb*, whose numbers *lane* has if it is not None."""
        counted, sender, receiver = self.counted, tcb.sender, tcb.receiver
        flight, end = sender.flight, sender.buffer.end
        srtt: float | None
        if lane is not None:  # which says nothing of losses, for there are none
            segments_in, segments_out = lane.segments_in, lane.segments_out
            una, nxt, srtt = lane.snd_una, lane.snd_nxt, lane.srtt
            rcv_nxt, ready = lane.rcv_nxt, lane.ready_octets
            state = State.ESTABLISHED
        else:
            segments_in, segments_out = tcb.segments_in, tcb.segments_out
            una, nxt, srtt = flight.board.snd_una, flight.board.snd_nxt, flight.rtt.srtt
            rcv_nxt = ready = 0
            if receiver is not None:
                rcv_nxt, ready = receiver.rcv_nxt - receiver.fin_received, receiver.ready_octets
            state = tcb.state
        first = sender.iss + 1
        sent = first if nxt < first else min(nxt, end)  # without SYN and FIN
        acked = first if una < first else min(una, end)
        counted[0] += segments_in
        counted[1] += segments_out
        if receiver is not None:
            counted[2] += rcv_nxt - receiver.irs - 1
        counted[3] += sent - first
        counted[4] += acked - first
        counted[5] += flight.octets_resent
        counted[6] += flight.rate.lost
        self.states[state] = self.states.get(state, 0) + 1
        self.unsent += end - sent
        self.unacked += sent - acked
        self.unread += ready
        if srtt is not None:
            self.rtts[bisect.bisect_left(RTT_BOUNDS, srtt)] += 1
            self.rtt_sum += srtt
