"""The numbers of a steady connection, which the lane works on.

They are those of all rooms, under the names that they have there; see :mod:`rudp.core.life.lane`.
"""

from collections import deque
from typing import Final, NamedTuple, Protocol

from rudp.core.congestion.controller import Ack, Controller
from rudp.core.loss.roundtrips import RoundTrips
from rudp.core.receive.promises import Stake
from rudp.core.receive.receiver import Receiver
from rudp.core.segment.transmit import Path, Transmit
from rudp.core.segment.wire import Run
from rudp.core.send.flight import Flight
from rudp.core.send.pmtu import PathMtu
from rudp.core.send.sendbuffer import SendBuffer
from rudp.core.terms.why import Why
from rudp.core.watch.recorder import FlightRecorder

ANY_ECN: Final = -1
"""What may be expected of the ECN bits of data that comes: anything but a mark."""

NO_ACK_DUE: Final = 0
ACK_LATER: Final = 1
ACK_NOW: Final = 2
"""What the peer is owed: :class:`rudp.core.receive.receiver.AckDue` in its order, as a number."""


Source = memoryview | Run
"""Where the data of a segment is: a datagram, or a run of several."""

SentTuple = tuple[int, int, float, int, int, int, int, float, float, bool, int, int]
"""A :class:`Sent` without names, which is made in a third of the time."""


class AnyLane(Protocol):
    """What a connection needs of its lane, in Python or in C."""

    steady: bool
    more: bool
    events: int
    expected_ecn: int
    held_back: int
    ready_octets: int
    rcv_nxt: int
    snd_una: int
    snd_nxt: int
    segments_in: int
    segments_out: int
    others: float
    srtt: float
    rto: float

    @property
    def deadline(self) -> float: ...
    @property
    def unsent(self) -> int: ...
    @property
    def room(self) -> int: ...
    def take(
        self,
        seq: int,
        word: int,
        tsval: int,
        tsecr: int,
        length: int,
        source: Source,
        now: float,
        /,
    ) -> bool: ...
    def emit(self, now: float, max_segments: int, /) -> Transmit | None: ...
    def read(self, most: int | None = None, /) -> bytes: ...
    def write(self, data: bytes, /) -> int: ...
    def expire(self, now: float, /) -> bool: ...


class Sent(NamedTuple):
    """Octets that are in flight: the numbers of a :class:`~rudp.core.loss.scoreboard.SentRun`."""

    seq: int
    end: int
    sent_at: float
    order: int
    mss: int
    origin: int
    delivered: int
    delivered_at: float
    first_sent_at: float
    app_limited: bool
    tx_in_flight: int
    lost_before: int


class Numbers:
    """The numbers of one steady connection.

    Filled and emptied by :mod:`rudp.core.life.steady`.  Numbers are growing ints, sizes octets,
    times seconds.  ``steady``: whether the lane may go on; False means that what was asked for last
    has not been done, and is for the RFC's code.  ``events``: see :mod:`rudp.core.life.tcb`.
    ``more``: there may be another run to send.
    """

    __slots__ = (
        "ack",
        "ack_at",
        "ack_due",
        "ack_why",
        "app_limited",
        "asks_always",
        "buffer",
        "buffer_limit",
        "ceiling",
        "controller",
        "counted",
        "cwnd",
        "cwnd_limited",
        "delayed_ack",
        "delivered",
        "delivered_at",
        "delivered_end",
        "delivered_order",
        "delivered_rtt",
        "delivered_sent_at",
        "dscp",
        "echoed",
        "ecn",
        "estimator",
        "events",
        "expected_ecn",
        "expected_flags",
        "first_sent_at",
        "flags",
        "flight",
        "floor",
        "gives_back",
        "held_back",
        "idle_restart",
        "last_ack_sent",
        "last_data",
        "last_heard",
        "last_sent",
        "linux_form",
        "looked_at",
        "loss",
        "lost",
        "max_snd_wnd",
        "may_grow",
        "minima",
        "more",
        "most",
        "notable",
        "octets_read",
        "others",
        "pace",
        "paces",
        "path",
        "peak",
        "peak_before",
        "pmtu",
        "ports",
        "probes_tail",
        "promised",
        "quick_acks",
        "rate",
        "rcv_edge",
        "rcv_nxt",
        "ready",
        "ready_octets",
        "receive_buffer",
        "receiver",
        "recorder",
        "rmss",
        "rmss_max",
        "rto",
        "rto_from",
        "rttvar",
        "runs",
        "sample_from",
        "segments_in",
        "segments_out",
        "sends",
        "shift",
        "silent_until",
        "smss",
        "snd_nxt",
        "snd_shift",
        "snd_sml",
        "snd_una",
        "snd_wl1",
        "snd_wl2",
        "snd_wnd",
        "srtt",
        "ssthresh",
        "stake",
        "stalled_since",
        "steady",
        "timer_set_at",
        "timer_was_set",
        "train",
        "ts_latest",
        "ts_offset",
        "ts_recent",
        "ts_recent_at",
        "ts_start",
        "ttl",
        "turn_at",
        "unacked",
        "unused",
        "unused_since",
        "usage_end",
        "user_timeout",
        "wanted",
        "worth_asking",
    )  # fmt: skip

    # -- the connection --------------------------------------------------------------------------
    steady: bool
    events: int
    more: bool
    path: Path
    ports: int
    dscp: int
    ttl: int | None
    ecn: int  # the ECN codepoint of new data, and
    expected_ecn: int  # that of data which comes, ANY_ECN if nobody counts
    flags: int  # of all that leaves: ACK, and what is told of marks, which does not change here
    expected_flags: int  # of all that comes, as far as they are
    notable: int  # flags of a header's word, where they stand
    segments_in: int
    segments_out: int
    last_heard: float
    others: float  # the earliest of the deadlines that are not the lane's
    recorder: FlightRecorder | None
    train: list[Transmit]  # what follows the run that was emitted last, the last of it first

    # -- SND.* and what is in flight -------------------------------------------------------------
    snd_una: int
    snd_nxt: int
    snd_wnd: int
    snd_wl1: int
    snd_wl2: int
    snd_sml: int
    max_snd_wnd: int
    snd_shift: int
    smss: int
    buffer: SendBuffer
    buffer_limit: int
    counted: int
    held_back: int
    stalled_since: float | None
    user_timeout: float | None
    runs: deque[SentTuple]
    sends: int
    last_sent: float
    flight: Flight
    pmtu: PathMtu
    idle_restart: bool
    gives_back: bool  # memory that is shared, when nothing is outstanding
    silent_until: float
    paces: bool

    # -- round trips, rates and the loss timer ---------------------------------------------------
    estimator: RoundTrips
    srtt: float
    rttvar: float
    rto: float
    minima: tuple[float, ...]
    sample_from: int
    linux_form: bool
    floor: float
    ceiling: float
    delivered: int
    delivered_at: float
    first_sent_at: float
    app_limited: int
    rate: float | None
    lost: int
    delivered_end: int  # of what was delivered last; 0 if nothing was in the lane
    delivered_order: int
    delivered_sent_at: float
    delivered_rtt: float
    rto_from: float
    timer_set_at: float
    loss: float
    timer_was_set: bool
    pace: float
    probes_tail: bool

    # -- the congestion window -------------------------------------------------------------------
    controller: Controller
    ack: Ack
    asks_always: bool
    cwnd: int
    ssthresh: int
    unused: int
    unused_since: float | None
    cwnd_limited: bool
    most: int
    usage_end: int
    peak: int
    peak_before: int
    turn_at: float

    # -- RCV.* -----------------------------------------------------------------------------------
    receiver: Receiver
    stake: Stake | None
    rcv_nxt: int
    rcv_edge: int
    promised: int
    looked_at: int
    worth_asking: int
    shift: int
    rmss: int
    rmss_max: int
    ready: list[bytes | memoryview]
    ready_octets: int
    octets_read: int
    receive_buffer: int
    may_grow: bool
    wanted: int
    ack_due: int
    ack_why: Why
    ack_at: float
    delayed_ack: float
    last_ack_sent: int
    unacked: int
    quick_acks: int
    last_data: float
    ts_latest: int  # TSval of what came last, negative for nothing
    ts_recent: int
    ts_recent_at: float
    ts_offset: int
    ts_start: int
    echoed: int

    @property
    def deadline(self) -> float:
        """When the connection wants to be asked again (see :class:`~rudp.core.terms.timers`)."""
        earliest = self.loss
        if self.ack_at < earliest:
            earliest = self.ack_at
        if self.pace < earliest:
            earliest = self.pace
        return earliest if earliest < self.others else self.others

    @property
    def unsent(self) -> int:
        """Octets that were written and never sent."""
        return self.buffer.end - self.snd_nxt

    @property
    def room(self) -> int:
        """Octets that the peer's window and cwnd have room for (Sender.room)."""
        outstanding = self.snd_nxt - self.snd_una
        return max(min(self.snd_wnd, self.cwnd) - outstanding, 0)
