"""A snapshot of one connection, in the manner of Linux's ``struct tcp_info``."""

import dataclasses
from typing import Literal

from rudp.core.terms.state import State
from rudp.core.terms.units import octets, rate, seconds


@dataclasses.dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """What STATUS returns (RFC 9293 §3.10.6).  Sizes are octets, times seconds."""

    state: State
    """One of the eleven of RFC 9293 §3.3.2."""
    state_since: float
    """Time of the loop's clock at which it came into this state."""
    state_times: dict[State, float]
    """Seconds it spent in each state that it has left (RFC 9293 §3.3.2, Figure 5)."""
    mss: int
    """Octets of data in a full segment we send, options beside it (Eff.snd.MSS, §3.7.1)."""
    pmtu: int
    """Octets of UDP payload that the path is known to carry (PLPMTU, RFC 8899 §2)."""
    peer_mss: int
    """Octets in the peer's MSS option, or the default without one (RFC 9293 §3.7.1)."""
    srtt: float | None
    """Seconds: the smoothed round-trip time (RFC 6298 §2), None before the first sample."""
    rttvar: float | None
    """Seconds: the variation of the round-trip time (RFC 6298 §2), None before a sample."""
    min_rtt: float | None
    """Seconds: the smallest round trip of the last 300 s (RFC 8985 §6.2), None before a sample."""
    rto: float
    """Seconds: the retransmission time-out, back-off included (RFC 6298 §2, §5.5)."""
    cwnd: int
    """Octets of the congestion window, in fast recovery as PRR leads it (RFC 5681, RFC 9937)."""
    ssthresh: int
    """Octets of the slow-start threshold; 2**30 is arbitrarily high (RFC 5681 §3.1)."""
    snd_wnd: int
    """Octets that the peer lets us have outstanding: SND.WND (RFC 9293 §3.3.1)."""
    rcv_wnd: int
    """Octets that we let the peer have outstanding: RCV.WND (RFC 9293 §3.3.1)."""
    receive_buffer: int
    """Octets kept for a reader that is not reading (RCV.BUFF, RFC 9293 §3.8.6.2.2)."""
    rcv_rtt: float | None
    """Seconds: the round trip as incoming data shows it, None before a measurement.

    There is none before more than 4 KiB have come: no window is as small."""
    in_flight: int
    """Octets believed to be in the network: RFC 6675's pipe."""
    unacked: int
    """Octets sent and not acknowledged, SYN and FIN counted: FlightSize (RFC 5681 §2)."""
    unsent: int
    """Octets of data that were never sent."""
    unread: int
    """Octets of data in order that the user has not received."""
    lost: int
    """Octets called lost and not resent yet (RFC 6675 §4, RFC 8985 §6.2)."""
    lost_total: int
    """Octets ever called lost, path MTU probes aside."""
    resent: int
    """Octets sent more than once, in all (RFC 4898: tcpEStatsPerfOctetsRetrans)."""
    dsacks: int
    """Reports of octets that arrived twice (RFC 2883)."""
    undone: int
    """Reductions of the window that turned out to be needless (RFC 4015)."""
    reordering_seen: bool
    """Whether segments have arrived later than their successors (RFC 8985 §6.2)."""
    delivery_rate: float | None
    """Octets a second: the latest sample that the application did not limit; None before one."""
    pacing_rate: float | None
    """Octets a second, None if sending is not paced (or not yet)."""
    bytes_sent: int
    """Octets of data sent, each counted once."""
    bytes_acked: int
    """Octets of data that the peer has acknowledged (RFC 4898: tcpEStatsAppThruOctetsAcked)."""
    bytes_received: int
    """Octets of data received in order (RFC 4898: tcpEStatsAppThruOctetsReceived)."""
    segments_in: int
    """Segments received (RFC 4898: tcpEStatsPerfSegsIn)."""
    segments_out: int
    """Segments sent, those sent again counted again (RFC 4898: tcpEStatsPerfSegsOut)."""
    backoffs: int
    """Retransmission time-outs in a row (RFC 6298 §5.5)."""
    sack: bool
    """Whether both sides agreed on selective acknowledgements (RFC 2018)."""
    timestamps: bool
    """Whether both sides agreed on timestamps (RFC 7323 §3)."""
    window_scaling: bool
    """Whether both sides agreed on window scaling (RFC 7323 §2)."""
    snd_shift: int
    """Bits by which the peer's window field is shifted: Snd.Wind.Shift (RFC 7323 §2.3)."""
    rcv_shift: int
    """Bits by which ours is: Rcv.Wind.Shift (RFC 7323 §2.3)."""
    congestion: str
    """Name of the class of the congestion controller."""
    key_ids: tuple[int, int] | None
    """The key that signs what we send, and the one that the peer is asked to sign with, by their
    numbers on the wire; None without keys (RFC 5925 §2.2)."""
    moves: int | None
    """How often the address of either end has changed (RFC 9000 §9); None if both ends have not
    agreed on that, which takes keys."""
    fast_open: bool
    """Whether data that went with the SYN was taken with it (RFC 7413)."""
    ecn: bool
    """Whether our data is sent as ECN-capable (RFC 3168 §6.1)."""
    ecn_feedback: str
    """What is told of marks: ``"accurate"`` (RFC 9768), ``"classic"`` (RFC 3168) or ``"none"``."""
    ecn_fallback: str | None
    """Why our data is not sent as ECN-capable though feedback is accurate: a name of
    :class:`rudp.core.terms.feedback.Fallback`; None if it is, or feedback is not."""
    delivered_ce: int
    """Segments of ours that came to the peer with a mark, as it counts them (RFC 9768 §3.2.2);
    0 without accurate feedback."""
    ce_received: int
    """Segments that came with a router's mark (RFC 3168 §5)."""
    ece_received: int
    """Acknowledgements that tell of such a mark on what we sent (RFC 3168 §6.1.2, RFC 9768)."""
    soft_error: OSError | None
    """The latest trouble that did not end the connection (RFC 9293 §3.9.1.8)."""

    @property
    def held_back_by(self) -> Literal["app", "rwnd", "cwnd"]:
        """What keeps it from sending more now.

        ``"rwnd"``: the peer's window; ``"cwnd"``: the congestion window, or its pacing; ``"app"``:
        there is nothing to send.
        """
        if not self.unsent:
            return "app"
        if self.unacked + self.mss > self.snd_wnd:
            return "rwnd"
        return "cwnd"

    def __str__(self) -> str:
        """Return what there is to know at a glance, with units, in a few lines."""
        trip = "not measured yet"
        if self.srtt is not None:
            trip = f"{seconds(self.srtt)} (varies by {seconds(self.rttvar or 0.0)}"
            trip += f", at least {seconds(self.min_rtt or 0.0)})"
        lines = [
            f"{self.state}, {self.congestion}, segments of {octets(self.mss)}",
            f"round trip: {trip}, time-out {seconds(self.rto)}",
            (
                f"windows: congestion {octets(self.cwnd)}, the peer's {octets(self.snd_wnd)},"
                f" ours {octets(self.rcv_wnd)}"
            ),
            (
                f"sent: {octets(self.bytes_sent)} in {self.segments_out} segments,"
                f" {octets(self.bytes_acked)} acknowledged, {octets(self.unsent)} waiting"
            ),
            (
                f"received: {octets(self.bytes_received)} in {self.segments_in} segments,"
                f" {octets(self.unread)} unread"
            ),
            f"called lost: {octets(self.lost_total)}, sent again: {octets(self.resent)}",
        ]
        rates = [
            f"{name} {rate(value)}"
            for name, value in (("delivery", self.delivery_rate), ("pacing", self.pacing_rate))
            if value is not None
        ]
        if rates:
            lines.append(f"rates: {', '.join(rates)}")
        if self.key_ids is not None:
            signs, asks = self.key_ids
            moved = "cannot move" if self.moves is None else f"moves so far: {self.moves}"
            lines.append(f"signed with key {signs}, the peer is asked for {asks}; {moved}")
        if self.soft_error is not None:
            lines.append(f"trouble: {self.soft_error}")
        return "\n".join(lines)
