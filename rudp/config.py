"""Every knob of rudp in one frozen, checked object.

A :class:`Config` is made once and never changes; a connection copies the few values that an
application may move while it runs (``TCP_NODELAY``, keep-alive, the user timeout).  Times are
seconds, sizes are octets.  The defaults are those of a modern Linux host except where a comment
gives the reason for something else.
"""

import dataclasses
from typing import Any, Final, Literal, Self, get_args

from rudp.core.congestion.controller import ControllerFactory
from rudp.core.congestion.resume import SavedPaths
from rudp.core.terms.bounds import WINDOW_MAX
from rudp.keys import MasterKey, check_keys

MSS_FLOOR: Final = 88
"""Octets.  A smaller MSS of a peer is raised to this, as Linux does (``TCP_MIN_MSS``)."""

MSS_CEILING: Final = 65_507 - 20
"""Octets.  The largest UDP payload over IPv4, less the fixed header (RFC 9293 §3.7.1, MUST-67)."""

Congestion = Literal["newreno", "reno", "cubic", "bbr", "lossy", "prague"]
CONGESTION: Final[tuple[Congestion, ...]] = get_args(Congestion)
"""Names of congestion controllers; ``"reno"`` is another word for ``"newreno"``."""

DatagramIo = Literal["auto", "linux", "selector", "portable"]

COUNT_MAX: Final = 1 << 24
"""The largest number of connections, records or resets that may be allowed."""

R2_FLOOR: Final = 1e-3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of an endpoint or of one connection.

    Each field says below its default what it does, in which unit and range, what it costs in
    memory, and where the RFCs have it.  In order: segments, buffers, loss and congestion, giving
    up, closing, the limits of one UDP socket, the layer below, and what is kept for a post-mortem.

    Several servers and clients may share a UDP socket: the limits of the socket (docs/limits.md
    tells what happens at each) and ``datagram_io`` are those of the Config with which it was
    opened; all else, and ``half_open_max`` and ``syn_cookies``, is the server's or the
    connection's own.

    Raises :class:`ValueError` for a value outside its range, when it is made.
    """

    # -- segments --------------------------------------------------------------------------------

    mss: int | None = None
    """Octets of data, before options, in the largest segment we send and announce: 88 to 65487.
    None takes what the path is known to carry (RFC 9293 §3.7.1)."""
    mtu_discovery: bool = True
    """Whether to find out what the path carries (RFC 8899).  Without it, that is what ``mss`` says,
    or what any host takes: 548 octets of UDP payload over IPv4, 1232 over IPv6."""
    nodelay: bool = True
    """Whether Nagle's algorithm is off (RFC 9293 §3.7.4), as asyncio has it on its TCP sockets.
    ``TCP_NODELAY`` changes it later."""
    sack: bool = True
    """Whether to offer selective acknowledgements (RFC 2018)."""
    dsack: bool = True
    """Whether to report what arrives twice, if both sides have SACK (RFC 2883)."""
    timestamps: bool = True
    """Whether to offer timestamps, 12 octets of each segment: round trips measured all the time,
    and old segments told from new ones (RFC 7323 §3 to §5)."""
    window_scaling: bool = True
    """Whether to offer windows of more than 64 KiB (RFC 7323 §2)."""
    keys: tuple[MasterKey, ...] = ()
    """The master keys with which segments are signed and checked (RFC 5925), 16 octets of each; the
    first that fits the peer is used, until others are agreed on.  Peers that no key is for go
    without, and have to.  It authenticates, and encrypts nothing."""

    # -- buffers ---------------------------------------------------------------------------------

    receive_buffer: int = 256 * 1024
    """Octets kept for a reader that is not reading, 4096 to 2**30; the window never promises more
    (RFC 9293 §3.8.6.2.2).  It is where the buffer begins: it grows while the application reads as
    quickly as the window allows.  Memory is taken by what has arrived, not by the promise."""
    receive_buffer_max: int = 48 * 1024 * 1024
    """Octets to which ``receive_buffer`` may grow, 4096 to 2**30; no effect if smaller than that.
    1 Gbit/s over 300 ms are 36 MiB."""
    send_buffer: int = 48 * 1024 * 1024
    """Octets sent and not yet acknowledged, at most: 4096 to 2**30.  What an application writes
    beyond it waits in the transport's write buffer and counts against its watermarks.  Memory is
    taken by what was written and is not acknowledged."""
    buffers_max: int = 256 * 1024 * 1024
    """Octets that the buffers of all connections of a UDP socket may hold beyond 6 MiB for each
    buffer, 0 to 2**40: without room here no buffer goes beyond its 6 MiB."""

    # -- loss and congestion ---------------------------------------------------------------------

    congestion: Congestion | ControllerFactory = "cubic"
    """``"cubic"`` (RFC 9438), ``"bbr"``, ``"prague"`` (for L4S, RFC 9330; CUBIC where nothing marks
    for it), ``"lossy"`` (BBR that takes no loss below 30 % for congestion: for paths of one's own),
    ``"newreno"`` (RFC 5681), or a callable that makes a
    :class:`~rudp.core.congestion.controller.Controller` from SMSS and the initial window."""
    loss_detection: Literal["rack", "rfc6675"] = "rack"
    """``"rack"`` (RFC 8985), or ``"rfc6675"`` to compare it with; without SACK it is RFC 6582 in
    either case."""
    tail_loss_probe: bool = True
    """Whether the end of a flight is probed before the time-out (RFC 8985 §7).  This and the next
    three are there to be switched off to see what they are good for."""
    prr: bool = True
    """Whether the window shrinks in proportion to what arrives (RFC 9937), not at once."""
    undo: bool = True
    """Whether a reduction that turns out to be needless is taken back, by F-RTO, Eifel and D-SACK
    (RFC 5682, RFC 3522, RFC 2883)."""
    pacing: bool = True
    """Whether a window leaves spread over the round trip, and not in one burst."""
    min_rto: float = 0.2
    """Seconds, 0.001 to 60: the lower bound of the retransmission time-out.  The default is
    Linux's; RFC 6298 §2.4 has 1."""
    max_rto: float = 60.0
    """Seconds, 1 (or ``min_rto``) to 3600: the upper bound of it, back-off included (RFC 6298
    §2.5)."""
    rto_form: Literal["linux", "rfc"] = "linux"
    """What ``min_rto`` bounds: the term of the variance (``"linux"``), so that the time-out is
    never within ``min_rto`` of the round trip, or the whole sum (``"rfc"``: RFC 6298 §2.4)."""
    delayed_ack: float = 0.04
    """Seconds for which an acknowledgement may wait for data to ride on, 0 to 0.499 (RFC 9293
    §3.8.6.3, MUST-40: below 0.5).  The default is Linux's shortest."""
    careful_resume: SavedPaths | None = None
    """Where connections leave what they learned of a path, and find it when they come again to the
    same host: they then begin with half of that window after the first round trip, and go back if
    it is too much (RFC 9959).  With ``"cubic"`` and ``"newreno"``; None for neither."""
    slow_start_after_idle: bool = True
    """Whether to go back to the restart window after nothing was sent for an RTO (RFC 5681
    §4.1)."""
    ecn: Literal["accurate", "classic", "accept", "on", "off"] = "accurate"
    """Explicit congestion notification: routers mark what they would drop else.  ``"accurate"``
    offers and accepts feedback that counts the marks (RFC 9768), and accepts the classic kind,
    which says once in a round trip that there were some (RFC 3168); ``"classic"``, also called
    ``"on"``, offers and accepts the latter alone.  ``"accept"`` takes either if the peer's SYN
    offers it, and offers nothing; ``"off"`` does without.  Without a socket that gives access to
    the IP header it is always off."""

    # -- giving up -------------------------------------------------------------------------------

    syn_retries: int = 7
    """SYNs sent again by an active open, 0 to 32: 7 give up after 183 s (RFC 9293 §3.8.3,
    MUST-23)."""
    connect_timeout: float | None = None
    """Seconds, 0.001 at least, after which an active open ends earlier than that; None for
    ``syn_retries`` alone."""
    user_timeout: float | None = 300.0
    """R2: seconds without progress, 0.001 at least, after which a connection dies (RFC 9293 §3.8.3,
    MUST-20), None for never.  ``TCP_USER_TIMEOUT`` changes it later."""
    unreachable: int | None = None
    """How many times in a row, 1 to 255, the peer's host may answer what is in flight, or a
    keep-alive probe, with ICMP's "port unreachable", at least a round trip and ``min_rto`` apart
    and without a segment of the peer between them, until the connection ends with
    :class:`ConnectionResetError`; None for any number, as RFC 5461 and RFC 5927 want it, since such
    a message can be forged and the peer may come back.  A process that was killed is noticed within
    seconds of what is sent by this.  Connections with keys never heed it; nor do sockets other than
    Linux's, which do not tell what was refused."""
    keepalive: bool | float = False
    """Whether an idle connection is probed (RFC 9293 §3.8.4, MUST-25: off by default).  A number of
    seconds, 0.001 at least, stands for both ``keepalive_idle`` and ``keepalive_interval``, and 25
    keeps a way open through NATs that forget silent UDP after 30 s (RFC 4787 §4.3)."""
    keepalive_idle: float = 7200.0
    """Seconds, 0.001 at least, after which a silent peer is probed (RFC 9293 §3.8.4, MUST-28: two
    hours)."""
    keepalive_interval: float = 75.0
    """Seconds, 0.001 at least, from one probe that is not answered to the next."""
    keepalive_count: int = 9
    """Probes in a row without an answer, 1 to 255, after which the connection is dead (RFC 9293
    §3.8.4, MUST-29: not after one alone)."""
    idle_timeout: float | None = None
    """Seconds, 0.001 at least, in which no octet of data came in and none of ours was acknowledged,
    after which the connection is reset with :class:`TimeoutError`; None for never.  It is looked at
    four times in that time, so it may take a quarter longer."""

    # -- closing ---------------------------------------------------------------------------------

    msl: float = 120.0
    """Seconds, 0 to 86400: the maximum segment lifetime.  TIME-WAIT lasts twice as long, two
    minutes being RFC 9293's choice (§3.4.2, MUST-13)."""
    fin_wait2_timeout: float = 60.0
    """Seconds, 0.001 at least, for which FIN-WAIT-2 may last once nobody reads any more, as
    Linux has it; and for which a peer may acknowledge nothing that a reset waits for."""
    linger: float = 5.0
    """Seconds, 0 to 86400, that the end of the program, or of its event loop, waits until what was
    written before ``close()`` is acknowledged; 0 for not at all.  So long ``serve_forever()`` that
    was cancelled waits for its clients to be gone."""
    rfc1337: bool = True
    """Whether RST is ignored in TIME-WAIT (RFC 1337, fix F1), but for the one that answers our
    question whether an old SYN is meant: then the peer has started again (RFC 9293 §3.10.7.4).
    Without it every RST with the right number ends TIME-WAIT."""

    # -- limits of one UDP socket ----------------------------------------------------------------

    connections_max: int = 131_072
    """Connections in any state but TIME-WAIT, 1 to 2**24; some 8 KiB each when idle."""
    half_open_max: int = 256
    """Connections of one listener whose handshake is under way, 0 to 2**24; some 6 KiB each.
    Further SYNs are answered with cookies."""
    syn_cookies: bool = True
    """Whether SYNs beyond ``half_open_max`` are answered with cookies (RFC 4987 §3.6), which keep
    nothing; without it they are not answered."""
    fast_open: bool = False
    """Whether a listener gives cookies to hosts that ask for them, and takes the data of a SYN that
    brings one (RFC 7413): the application has it a round trip earlier, and must bear that a SYN
    may come twice, and its data with it."""
    time_wait_max: int = 65_536
    """TIME-WAIT records, 1 to 2**24; the oldest goes first.  Some 200 octets each, and 2 KiB more
    where segments are signed."""
    reassembly_max: int = 256 * 1024 * 1024
    """Octets that all connections may hold together of what arrived ahead of a gap, 0 to 2**40,
    beside 16 KiB for each."""
    resets_max: int = 20_000
    """RSTs a second, 0 to 2**24, that answer segments of no connection (RFC 9293 §3.10.7.1)."""
    resets_per_source: int = 8000
    """The same to one host, 0 to 2**24."""

    # -- the layer below -------------------------------------------------------------------------

    dscp: int = 0
    """The differentiated services code point of what we send, 0 to 63 (RFC 2474, RFC 9293 §3.9.2,
    MUST-48)."""
    ttl: int | None = None
    """Hops that what we send may take, 1 to 255; None for the system's choice (RFC 9293 §3.9.2,
    MUST-49)."""
    datagram_io: DatagramIo = "auto"
    """The way to UDP sockets: ``"linux"``, many datagrams for each system call; ``"selector"``, one
    for each, on any loop with ``add_reader``; ``"portable"``, ``loop.create_datagram_endpoint`` and
    nothing else.  ``"auto"`` takes the first of them that system and loop allow
    (docs/platforms.md)."""
    lane: Literal["auto", "python", "off"] = "auto"
    """Who does the steady work of a connection that runs well: ``"auto"`` the lane in C where there
    is one, ``"python"`` the one in Python, ``"off"`` the procedures of the RFCs alone.  Nothing but
    the speed differs."""

    # -- who may look on -------------------------------------------------------------------------

    visible: bool = False
    """Whether ``rudp ss`` and ``rudp top`` of the same user see the connections of this program:
    all of the event loop, by a Unix socket that only its user can open.  The environment variable
    RUDP_VISIBLE, 1 or 0, goes before it."""

    # -- when something goes wrong ---------------------------------------------------------------

    flight_recorder: int = 64
    """Latest events of each connection, 0 to 4096, that are kept for the exception that it may die
    of, in 23 octets each once they have happened."""

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
        _whole("unreachable", self.unreachable, 1, 255, optional=True)
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
        check_keys(self.keys)
        if not isinstance(self.careful_resume, (SavedPaths, type(None))):
            raise ValueError(f"careful_resume must be a SavedPaths, not {self.careful_resume!r}")
        if self.rto_form not in ("linux", "rfc"):
            raise ValueError(f"rto_form must be 'linux' or 'rfc', not {self.rto_form!r}")
        if self.ecn not in ("accurate", "classic", "accept", "on", "off"):
            raise ValueError(
                f"ecn must be 'accurate', 'classic', 'accept' or 'off', not {self.ecn!r}"
            )
        if self.datagram_io not in get_args(DatagramIo):
            names = ", ".join(repr(name) for name in get_args(DatagramIo))
            raise ValueError(f"datagram_io must be one of {names}, not {self.datagram_io!r}")
        if self.lane not in ("auto", "python", "off"):
            raise ValueError(f"lane must be 'auto', 'python' or 'off', not {self.lane!r}")
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
