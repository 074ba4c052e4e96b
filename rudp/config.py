"""Every knob of rudp in one frozen, checked object.

A :class:`Config` is made once and never changes; a connection copies the few values that an
application may move while it runs (``TCP_NODELAY``, keep-alive, the user timeout).  Times are
seconds, sizes are octets.  The defaults are those of a modern Linux host except where a comment
gives the reason for something else.
"""

import dataclasses
from typing import Any, Final, Literal, Self

from rudp.core.congestion.controller import ControllerFactory
from rudp.core.terms.bounds import WINDOW_MAX

MSS_FLOOR: Final = 88
"""Octets.  A smaller MSS of a peer is raised to this, as Linux does (``TCP_MIN_MSS``)."""

MSS_CEILING: Final = 65_507 - 20
"""Octets.  The largest UDP payload over IPv4, less the fixed header (RFC 9293 §3.7.1, MUST-67)."""

CONGESTION: Final = ("newreno", "reno", "cubic", "bbr", "lossy")
"""Names of congestion controllers; ``"reno"`` is another word for ``"newreno"``."""

COUNT_MAX: Final = 1 << 24
"""The largest number of connections, records or resets that may be allowed."""

R2_FLOOR: Final = 1e-3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of an endpoint or of one connection.

    Raises :class:`ValueError` for a value outside its range, when it is made.

    Segments
        ``mss``: the largest segment we send and announce, in octets of data before options, 88 to
        65487; ``None`` takes what the path is known to carry.  ``mtu_discovery``: find out what
        that is (RFC 8899); without it, it is what ``mss`` says, or what any host takes: 548 octets
        of UDP payload over IPv4, 1232 over IPv6.  ``nodelay``: ``True`` switches
        Nagle's algorithm off (RFC 9293 §3.7.4), which is what asyncio does on its TCP sockets.
        ``sack``, ``timestamps``, ``window_scaling``: offer RFC 2018 and RFC 7323.  ``dsack``:
        report what arrives twice (RFC 2883).

    Buffers
        ``receive_buffer``: octets kept for a reader that is not reading; the window never promises
        more.  It grows while the application reads as quickly as the window allows, up to
        ``receive_buffer_max``, which has no effect if it is smaller.  ``send_buffer``: octets sent
        and not yet acknowledged, at most; what an application writes beyond it waits in the
        transport's write buffer and counts against its watermarks.  Beyond 6 MiB either holds only
        what ``buffers_max`` has room for, which all connections of a UDP socket share.

    Loss and congestion
        ``congestion``: ``"cubic"``, ``"bbr"``, ``"lossy"`` (BBR that takes no loss below 30 % for
        congestion: for paths of one's own), ``"newreno"``, or a callable that makes a
        :class:`~rudp.core.congestion.controller.Controller` from SMSS and the initial window.
        ``loss_detection``: ``"rack"`` (RFC 8985), or ``"rfc6675"`` to compare it with; without
        SACK it is RFC 6582 in either case.  ``tail_loss_probe`` (RFC 8985 §7), ``prr`` (RFC 9937),
        ``undo`` (F-RTO, Eifel and D-SACK: RFC 5682, 3522, 2883) and ``pacing`` can be switched off
        to see what they are good for.  ``min_rto``,
        ``max_rto``: bounds of the retransmission time-out (RFC 6298); ``rto_form`` says what the
        lower one applies to: ``"linux"`` the variance term, ``"rfc"`` the whole sum.
        ``delayed_ack``: how long an acknowledgement may wait, below 0.5 (RFC 9293 MUST-40).
        ``slow_start_after_idle``: back to the restart window after an idle RTO (RFC 5681 §4.1).

    Explicit congestion notification (RFC 3168)
        ``ecn``: ``"accept"`` uses it if the peer's SYN offers it, ``"on"`` offers it too, ``"off"``
        does neither.  Without a socket that gives access to the IP header it is always off.

    Giving up
        ``syn_retries``: SYN retransmissions of an active open (7 gives up after 183 s, MUST-23).
        ``connect_timeout``: an earlier end to an active open, or ``None``.  ``user_timeout``: R2,
        the time without progress after which a connection dies (RFC 9293 §3.8.3), or ``None`` for
        never.  ``keepalive`` with its ``_idle``, ``_interval`` and ``_count``: RFC 9293 §3.8.4;
        a number of seconds instead of ``True`` stands for both ``_idle`` and ``_interval``, and 25
        keeps a way open through NATs that forget silent UDP after 30 s (RFC 4787 §4.3).
        ``idle_timeout``: the time in which no octet of data came in and none of ours was
        acknowledged, after which the connection is reset with :class:`TimeoutError`, or ``None``
        for never; it is looked at four times in that time, so it may take a quarter longer.

    Closing
        ``msl``: the maximum segment lifetime; TIME-WAIT lasts twice as long (RFC 9293 §3.4.2).
        ``fin_wait2_timeout``: how long FIN-WAIT-2 may last once nobody reads any more.
        ``linger``: how long the end of the program, or of its event loop, waits until what was
        written before ``close()`` is acknowledged; 0 for not at all.
        ``rfc1337``: ignore RST in TIME-WAIT (RFC 1337, fix F1), but for the one that answers our
        question whether an old SYN is meant: then the peer has started again (RFC 9293 §3.10.7.4).
        Without it every RST with the right number ends TIME-WAIT.

    Limits of one UDP socket (docs/limits.md tells what happens at each)
        ``connections_max``: connections in any state but TIME-WAIT.  ``half_open_max``: connections
        of one listener whose handshake is under way; it answers further SYNs with cookies, or, if
        ``syn_cookies`` is off, not at all.  ``time_wait_max``: TIME-WAIT records; the oldest goes
        first.  ``reassembly_max``: octets that all connections may hold together of what arrived
        ahead of a gap, beside 16 KiB for each.  ``resets_max`` and ``resets_per_source``: RSTs a
        second that answer segments of no connection, in all and to one host.  Several servers
        and clients may share a socket: ``half_open_max`` and ``syn_cookies`` are the server's own,
        the others those of the Config with which the socket was opened.

    The layer below
        ``dscp``: 0 to 63, and ``ttl``: 1 to 255 or ``None`` for the system's.  ``datagram_io``:
        ``"auto"`` takes the fastest path the loop allows, ``"portable"`` only ever uses
        ``loop.create_datagram_endpoint``.

    When something goes wrong
        ``flight_recorder``: so many of the latest events of each connection are kept for the
        exception that it may die of, in 23 octets each; 0 keeps none.
    """

    mss: int | None = None
    mtu_discovery: bool = True
    nodelay: bool = True
    sack: bool = True
    dsack: bool = True
    timestamps: bool = True
    window_scaling: bool = True

    receive_buffer: int = 256 * 1024
    # 1 Gbit/s over 300 ms are 36 MiB.
    receive_buffer_max: int = 48 * 1024 * 1024
    send_buffer: int = 48 * 1024 * 1024
    buffers_max: int = 256 * 1024 * 1024

    congestion: str | ControllerFactory = "cubic"
    loss_detection: Literal["rack", "rfc6675"] = "rack"
    tail_loss_probe: bool = True
    prr: bool = True
    undo: bool = True
    pacing: bool = True
    min_rto: float = 0.2
    max_rto: float = 60.0
    rto_form: Literal["linux", "rfc"] = "linux"
    delayed_ack: float = 0.04
    slow_start_after_idle: bool = True
    ecn: Literal["accept", "on", "off"] = "accept"

    syn_retries: int = 7
    connect_timeout: float | None = None
    user_timeout: float | None = 300.0
    keepalive: bool | float = False
    keepalive_idle: float = 7200.0
    keepalive_interval: float = 75.0
    keepalive_count: int = 9
    idle_timeout: float | None = None

    msl: float = 120.0
    fin_wait2_timeout: float = 60.0
    linger: float = 5.0
    rfc1337: bool = True

    connections_max: int = 131_072
    half_open_max: int = 256
    syn_cookies: bool = True
    time_wait_max: int = 65_536
    reassembly_max: int = 256 * 1024 * 1024
    resets_max: int = 20_000
    resets_per_source: int = 8000

    dscp: int = 0
    ttl: int | None = None
    datagram_io: Literal["auto", "portable"] = "auto"

    flight_recorder: int = 64

    def __post_init__(self) -> None:
        _whole("mss", self.mss, MSS_FLOOR, MSS_CEILING, optional=True)
        _whole("receive_buffer", self.receive_buffer, 4096, WINDOW_MAX)
        _whole("receive_buffer_max", self.receive_buffer_max, 4096, WINDOW_MAX)
        _whole("send_buffer", self.send_buffer, 4096, WINDOW_MAX)
        _whole("buffers_max", self.buffers_max, 0, 1 << 40)
        _between("min_rto", self.min_rto, 1e-3, 60.0)
        _between("max_rto", self.max_rto, max(1.0, self.min_rto), 3600.0)
        _between("delayed_ack", self.delayed_ack, 0.0, 0.499)
        _whole("syn_retries", self.syn_retries, 0, 32)
        _between("connect_timeout", self.connect_timeout, R2_FLOOR, float("inf"), optional=True)
        _between("user_timeout", self.user_timeout, R2_FLOOR, float("inf"), optional=True)
        if not isinstance(self.keepalive, bool):
            _between("keepalive", self.keepalive, R2_FLOOR, float("inf"))
        _between("keepalive_idle", self.keepalive_idle, R2_FLOOR, float("inf"))
        _between("keepalive_interval", self.keepalive_interval, R2_FLOOR, float("inf"))
        _whole("keepalive_count", self.keepalive_count, 1, 255)
        _between("idle_timeout", self.idle_timeout, R2_FLOOR, float("inf"), optional=True)
        _between("msl", self.msl, 0.0, 86_400.0)
        _between("fin_wait2_timeout", self.fin_wait2_timeout, R2_FLOOR, float("inf"))
        _between("linger", self.linger, 0.0, 86_400.0)
        _whole("connections_max", self.connections_max, 1, COUNT_MAX)
        _whole("half_open_max", self.half_open_max, 0, COUNT_MAX)
        _whole("time_wait_max", self.time_wait_max, 1, COUNT_MAX)
        _whole("reassembly_max", self.reassembly_max, 0, 1 << 40)
        _whole("resets_max", self.resets_max, 0, COUNT_MAX)
        _whole("resets_per_source", self.resets_per_source, 0, COUNT_MAX)
        _whole("dscp", self.dscp, 0, 63)
        _whole("ttl", self.ttl, 1, 255, optional=True)
        _whole("flight_recorder", self.flight_recorder, 0, 4096)
        if self.rto_form not in ("linux", "rfc"):
            raise ValueError(f"rto_form must be 'linux' or 'rfc', not {self.rto_form!r}")
        if self.ecn not in ("accept", "on", "off"):
            raise ValueError(f"ecn must be 'accept', 'on' or 'off', not {self.ecn!r}")
        if self.datagram_io not in ("auto", "portable"):
            raise ValueError(f"datagram_io must be 'auto' or 'portable', not {self.datagram_io!r}")
        if self.loss_detection not in ("rack", "rfc6675"):
            raise ValueError(
                f"loss_detection must be 'rack' or 'rfc6675', not {self.loss_detection!r}"
            )
        if not (callable(self.congestion) or self.congestion in CONGESTION):
            names = ", ".join(repr(name) for name in CONGESTION)
            raise ValueError(f"congestion must be {names} or a factory, not {self.congestion!r}")

    @classmethod
    def rfc(cls, **changes: Any) -> Self:
        """Return the profile that follows the RFCs to the letter where the defaults do not.

        The RTO is at least one second (RFC 6298 §2.4), Nagle's algorithm is on (RFC 9293 SHLD-7)
        and an exact RST ends TIME-WAIT (RFC 9293 §3.10.7.4).  *changes* override single fields.
        """
        profile: dict[str, Any] = {
            "min_rto": 1.0,
            "rto_form": "rfc",
            "nodelay": False,
            "rfc1337": False,
        }
        return cls(**(profile | changes))


def _between(
    name: str, value: float | None, low: float, high: float, *, optional: bool = False
) -> None:
    if value is None and optional:
        return
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must lie between {low:g} and {high:g}, not {value!r}")


def _whole(name: str, value: int | None, low: int, high: int, *, optional: bool = False) -> None:
    if isinstance(value, float):
        raise ValueError(f"{name} must be a whole number, not {value!r}")
    _between(name, value, low, high, optional=optional)
