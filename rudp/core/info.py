"""A snapshot of one connection, in the manner of Linux's ``struct tcp_info``."""

import dataclasses

from rudp.core.state import State


@dataclasses.dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """What STATUS returns (RFC 9293 §3.10.6).  Sizes are octets, times seconds.

    ``state``: RFC 9293 §3.3.2. ``mss``: the data of a full segment we send, options beside it;
    ``pmtu``: the UDP payload that the path is known to carry (RFC 8899);
    ``peer_mss``: what the peer's MSS option said. ``srtt``, ``rttvar``, ``rto``: RFC 6298, the
    former two None before a sample; ``min_rtt``: the smallest sample. ``cwnd``, ``ssthresh``: RFC
    5681. ``snd_wnd``: what the peer lets us have outstanding; ``rcv_wnd``: what we let it.
    ``receive_buffer``: what is kept for a reader that is not reading; ``rcv_rtt``: the round trip
    as the data that comes in shows it, None before a measurement.
    ``in_flight``: RFC 6675's pipe; ``unacked``: sent and not acknowledged; ``unsent``: not sent
    yet; ``unread``: received and not read. ``lost``: called lost and not resent yet. ``resent``:
    octets sent more than once, in all; ``dsacks``: reports of octets that arrived twice (RFC 2883);
    ``undone``: reductions of the window that turned out to be needless (RFC 4015);
    ``reordering_seen``: RFC 8985. ``delivery_rate``: the latest sample that the application did not
    limit, octets a second, None before the first; ``pacing_rate``: octets a second, None if sending
    is not paced. ``bytes_acked`` and ``bytes_received``: data that arrived,
    there and here. ``segments_in``, ``segments_out``: RFC 4898. ``backoffs``: time-outs in a row.
    ``sack``, ``timestamps``, ``window_scaling``: what both sides agreed on; ``snd_shift``,
    ``rcv_shift``: the window scales. ``congestion``: the name of the controller's class.
    ``ecn``: whether our data is sent as ECN-capable (RFC 3168); ``ce_received``: segments that came
    with a router's mark; ``ece_received``: acknowledgements that echoed one.
    ``soft_error``: the latest trouble that did not end the connection (RFC 9293 §3.9.1.8).
    """

    state: State
    mss: int
    pmtu: int
    peer_mss: int
    srtt: float | None
    rttvar: float | None
    min_rtt: float | None
    rto: float
    cwnd: int
    ssthresh: int
    snd_wnd: int
    rcv_wnd: int
    receive_buffer: int
    rcv_rtt: float | None
    in_flight: int
    unacked: int
    unsent: int
    unread: int
    lost: int
    resent: int
    dsacks: int
    undone: int
    reordering_seen: bool
    delivery_rate: float | None
    pacing_rate: float | None
    bytes_acked: int
    bytes_received: int
    segments_in: int
    segments_out: int
    backoffs: int
    sack: bool
    timestamps: bool
    window_scaling: bool
    snd_shift: int
    rcv_shift: int
    congestion: str
    ecn: bool
    ce_received: int
    ece_received: int
    soft_error: OSError | None
