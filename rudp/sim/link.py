"""One direction of a path, and what can happen to a datagram on it.

A link is told what was sent and when, and answers when which copies arrive.  It holds no clock and
calls nobody, so the same link serves a simulated network, an asyncio loop on virtual time and a
relay between real sockets.  All chance comes from its own seeded generator: the same datagrams at
the same times meet the same fate.

With a managed queue (:class:`~rudp.sim.CoDel`, :class:`~rudp.sim.DualPi2`) it is not known when a
datagram comes what will become of it.  Such a link ``holds`` it, and is asked again when it is
``due``.

A datagram meets, in this order: the queue and the rate, the test's own ``drop``, loss, the cut,
corruption, duplication, delay with jitter, reordering.  So what is lost on the way has still used
the rate, and what the queue refuses has not.  A queue may also mark what can be marked long before
it has to drop (RFC 3168); :meth:`Link.convey` tells, :meth:`Link.carry` is for those who carry no
such mark.
"""

import math
import random
from collections.abc import Callable
from typing import Any, Final, TypedDict, Unpack

from rudp.core.segment.transmit import CE
from rudp.sim.aqm import Aqm, Held, Queue

Copy = tuple[float, bytes, int]
"""A copy of a datagram: when it arrives (seconds), the octets, and its ECN bits."""

UDP_OVERHEAD: Final = 28
"""Octets of IPv4 and UDP header in front of a payload (RFC 791, RFC 768)."""


class LinkOptions(TypedDict, total=False):
    """The keyword arguments of a :class:`Link`, with their units."""

    delay: float
    """Seconds from the end of sending to arrival, at least; 0 unless given."""
    jitter: float
    """Seconds: the delay grows by a random part of this, evenly spread; 0 unless given."""
    ordered: bool
    """Whether jitter keeps the order (the default), as a queue somewhere else does: a datagram
    waits for the slower one before it.  False lets it overtake."""
    rate: float | None
    """Bits per second, or None (the default) for no limit."""
    queue: int | Aqm | None
    """Octets that may wait for the rate, or None (the default) for no limit.  What does not fit
    is dropped (drop-tail), but an idle link takes any datagram.  Or the settings of a managed
    queue: a :class:`~rudp.sim.CoDel`, a :class:`~rudp.sim.DualPi2`."""
    mark: int | None
    """Octets that may wait for the rate before an ECN-capable datagram behind them is marked, or
    None (the default) for never; not beside a managed queue, which marks by itself."""
    overhead: int
    """Octets that a datagram needs beyond its payload, in rate and queue; 28 unless given."""
    mtu: int | None
    """Octets of payload that pass, or None (the default) for no limit.  What is larger is lost
    without a word: a black hole."""
    cut: int | None
    """Octets of payload that are left of a larger datagram, or None (the default) for all: a
    forwarder that reads into a buffer of so many, and does not look whether that was enough."""
    loss: float
    """Probability that a datagram is lost."""
    burst_enter: float
    """Probability, per datagram, that the link turns bad (the model of Gilbert and Elliott)."""
    burst_exit: float
    """Probability, per datagram, that a bad link turns good; 1 unless given."""
    burst_loss: float
    """Probability that a datagram is lost while the link is bad; 1 unless given."""
    corrupt: float
    """Probability that a bit of a datagram is flipped."""
    deliver_corrupted: bool
    """Whether such a datagram arrives.  If not (the default), UDP's checksum has caught it."""
    duplicate: float
    """Probability that a second copy arrives, with a jitter and a reordering of its own."""
    reorder: float
    """Probability that a copy is held back, so that what follows may overtake it."""
    reorder_delay: float
    """Seconds for which it is held back; 0.01 unless given."""
    drop: Callable[[bytes, float], bool] | None
    """Asked for each datagram and the time it was sent; True loses that one."""


_PROBABILITIES: Final = (
    "loss",
    "burst_enter",
    "burst_exit",
    "burst_loss",
    "corrupt",
    "duplicate",
    "reorder",
)
_DEFAULTS: Final[LinkOptions] = {
    "delay": 0.0,
    "jitter": 0.0,
    "ordered": True,
    "rate": None,
    "queue": None,
    "mark": None,
    "overhead": UDP_OVERHEAD,
    "mtu": None,
    "cut": None,
    "loss": 0.0,
    "burst_enter": 0.0,
    "burst_exit": 1.0,
    "burst_loss": 1.0,
    "corrupt": 0.0,
    "deliver_corrupted": False,
    "duplicate": 0.0,
    "reorder": 0.0,
    "reorder_delay": 0.01,
    "drop": None,
}


class Link:
    """One direction of a path.  The arguments are those of :class:`LinkOptions`.

    >>> link = Link(delay=0.5, rate=80_000)
    >>> [when for when, _ in link.carry(bytes(1222), now=0.0)]  # 1250 octets: 0.125 s to send
    [0.625]

    Counters: ``sent`` datagrams; of these ``lost`` on the way, ``dropped`` or ``marked`` by the
    queue, ``shortened`` by the cut and ``corrupted`` (delivered or not); and how many copies were
    ``duplicated`` or ``reordered``.
    """

    __slots__ = (
        "_bad",
        "_free",
        "_gone",
        "_latest",
        "_options",
        "_plain",
        "_queue",
        "_random",
        "corrupted",
        "dropped",
        "duplicated",
        "lost",
        "marked",
        "reordered",
        "sent",
        "shortened",
    )

    def __init__(self, *, seed: int | str = 0, **options: Unpack[LinkOptions]) -> None:
        """Make a link whose chances follow from *seed*.

        Raises :class:`ValueError` for a value out of range, :class:`TypeError` for an unknown name.
        """
        self._random = random.Random(seed)
        self._options = _DEFAULTS.copy()
        self._bad = False
        # When the rate has worked off what is queued, and the latest arrival so far.
        self._free = 0.0
        self._latest = 0.0
        # A managed queue, and what has left it and was not asked for: None for what was dropped.
        self._queue: Queue | None = None
        self._gone: list[tuple[Held, float | None]] = []
        self.sent = 0
        self.lost = 0
        self.dropped = 0
        self.marked = 0
        self.corrupted = 0
        self.duplicated = 0
        self.reordered = 0
        self.shortened = 0
        self.configure(**options)

    def __repr__(self) -> str:
        given = self._options.items() - _DEFAULTS.items()
        return f"Link({', '.join(f'{name}={value!r}' for name, value in sorted(given))})"

    @property
    def options(self) -> LinkOptions:
        """All options as they are now; a copy."""
        return self._options.copy()

    def configure(self, **options: Unpack[LinkOptions]) -> None:
        """Change some options and keep the rest, the queue and the counters.

        What is already on its way is not affected.  Raises as the constructor does, and then
        changes nothing.
        """
        old, new = self._options, _checked(self._options | options)
        if new["rate"] != old["rate"] or new["queue"] != old["queue"]:
            if self._queue is not None:
                self._serve(math.inf)
            queue = new["queue"]
            self._queue = queue.start() if isinstance(queue, Aqm) else None
        if new["rate"] is None or new["rate"] != old["rate"]:
            # A new rate begins with an empty queue: there is no telling what was left of the old.
            self._free = 0.0
        self._options = new
        # The common case: a link that only delays needs to look at nothing else.
        calm = _DEFAULTS | {"delay": new["delay"], "overhead": new["overhead"]}
        calm["reorder_delay"] = new["reorder_delay"]
        self._plain = new == calm

    def carry(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        """Send *data* at *now*; return when each copy arrives, nothing if none does.

        *now* is in seconds and does not decrease from call to call.  Raises :class:`TypeError` if
        the link :attr:`holds` datagrams.
        """
        return [(when, copy) for when, copy, _ in self.convey(data, 0, now)]

    def convey(self, data: bytes, ecn: int, now: float) -> list[Copy]:
        """Do as :meth:`carry`, for a datagram with these ECN bits; return theirs with each copy."""
        if self._queue is not None:
            raise TypeError("a managed queue holds what it is given: use hold() and release()")
        self.sent += 1
        options = self._options
        if self._plain:
            self._latest = max(self._latest, now + options["delay"])
            return [(self._latest, data, ecn)]
        mark = options["mark"]
        marked = ecn != 0 and mark is not None and self._waiting(now) > mark
        left = self._transmitted(len(data), now)
        if left is None:
            self.dropped += 1
            return []
        if marked:
            self.marked += 1
            ecn = CE
        return self._travelled(data, ecn, now, left)

    @property
    def holds(self) -> bool:
        """Whether a managed queue decides later what becomes of a datagram.

        Then :meth:`hold` and :meth:`release` take the place of :meth:`carry` and :meth:`convey`.
        """
        return self._queue is not None

    @property
    def due(self) -> float:
        """When :meth:`release` has something to tell, in seconds; infinity while nothing waits."""
        if self._gone:
            return -math.inf
        return self._free if self._queue is not None and self._queue.octets else math.inf

    def hold(self, data: bytes, ecn: int, now: float, tag: Any = None) -> None:
        """Put *data* with these ECN bits into the managed queue at *now*, in seconds.

        :meth:`release` gives *tag* back.  Raises :class:`TypeError` if the link does not
        :attr:`holds` anything.
        """
        queue = self._queue
        if queue is None:
            raise TypeError("without a managed queue there is carry() or convey()")
        self._serve(now)
        self.sent += 1
        held = Held(data, len(data) + self._options["overhead"], ecn, now, tag)
        # An idle link takes what its queue never could.
        if self._free <= now and not queue.octets:
            self._free = now
            self._sends(held, now)
        elif not queue.put(held, now):
            self.dropped += 1
            self._gone.append((held, None))

    def release(self, now: float) -> list[tuple[Any, list[Copy]]]:
        """Return what became of all that has left the queue by *now*: its tag and its copies.

        There are none of what was dropped or lost.
        """
        self._serve(now)
        gone, self._gone = self._gone, []
        return [
            (
                held.tag,
                [] if left is None else self._travelled(held.data, held.ecn, held.since, left),
            )
            for held, left in gone
        ]

    def _serve(self, until: float) -> None:
        """Let the managed queue send what it can by *until*."""
        queue = self._queue
        dropped: list[Held] = []
        while queue is not None and queue.octets and self._free <= until:
            held = queue.take(self._free, dropped)
            self.dropped += len(dropped)
            self._gone += [(each, None) for each in dropped]
            dropped.clear()
            if held is not None:
                self._sends(held, self._free)

    def _sends(self, held: Held, now: float) -> None:
        """The first bit of *held* leaves."""
        rate = self._options["rate"]
        assert rate is not None
        self.marked += held.marked
        self._free = now + held.size * 8 / rate
        self._gone.append((held, self._free))

    def _travelled(self, data: bytes, ecn: int, sent: float, left: float) -> list[Copy]:
        """Return what arrives of a datagram that was *sent* then and whose last bit has *left*."""
        options = self._options
        drop = options["drop"]
        mtu = options["mtu"]
        if mtu is not None and len(data) > mtu:
            self.lost += 1
            return []
        if (drop is not None and drop(data, sent)) or self._is_lost():
            self.lost += 1
            return []
        cut = options["cut"]
        if cut is not None and len(data) > cut:
            self.shortened += 1
            data = data[:cut]
        if self._happens(options["corrupt"]):
            self.corrupted += 1
            if not (options["deliver_corrupted"] and data):
                return []
            data = self._flipped(data)
        arrivals = [(self._arrival(left), data, ecn)]
        if self._happens(options["duplicate"]):
            self.duplicated += 1
            arrivals.append((self._arrival(left), data, ecn))
        return arrivals

    def _happens(self, probability: float) -> bool:
        return probability > 0.0 and self._random.random() < probability

    def _waiting(self, now: float) -> float:
        """Return the octets that wait for the rate."""
        rate = self._options["rate"]
        return 0.0 if rate is None else max(self._free - now, 0.0) * rate / 8

    def _transmitted(self, octets: int, now: float) -> float | None:
        """Return when the last bit leaves, or None when the queue is full."""
        rate, queue = self._options["rate"], self._options["queue"]
        if rate is None:
            return now
        assert not isinstance(queue, Aqm)
        size = octets + self._options["overhead"]
        if self._free <= now:
            self._free = now
        elif queue is not None and self._waiting(now) + size > queue + 0.5:
            return None  # half an octet of tolerance: whole numbers that went through a division
        self._free += size * 8 / rate
        return self._free

    def _is_lost(self) -> bool:
        options = self._options
        if self._bad:
            self._bad = not self._happens(options["burst_exit"])
        else:
            self._bad = self._happens(options["burst_enter"])
        return self._happens(options["burst_loss"] if self._bad else options["loss"])

    def _flipped(self, data: bytes) -> bytes:
        bit = self._random.randrange(len(data) * 8)
        flipped = bytearray(data)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        return bytes(flipped)

    def _arrival(self, left: float) -> float:
        options = self._options
        arrival = left + options["delay"]
        if options["jitter"]:
            arrival += options["jitter"] * self._random.random()
        if options["ordered"]:
            arrival = max(arrival, self._latest)
            self._latest = arrival
        if self._happens(options["reorder"]):
            # Held back after the order is settled, so that nobody waits for it.
            self.reordered += 1
            arrival += options["reorder_delay"]
        return arrival


def _checked(options: LinkOptions) -> LinkOptions:
    unknown = options.keys() - _DEFAULTS.keys()
    if unknown:
        raise TypeError(f"a link has no option {', '.join(sorted(unknown))}")
    values: dict[str, Any] = dict(options.items())
    for name in _PROBABILITIES:
        value = values[name]
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name} is a probability between 0 and 1, not {value!r}")
    for name in ("delay", "jitter", "reorder_delay", "overhead"):
        value = values[name]
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be finite and not negative, not {value!r}")
    for name in ("mtu", "cut"):
        if values[name] is not None and values[name] < 1:
            raise ValueError(f"{name} must be at least 1, or None, not {values[name]!r}")
    rate = options["rate"]
    if rate is not None and not (rate > 0 and math.isfinite(rate)):
        raise ValueError(f"rate must be above 0 bit/s, or None, not {rate!r}")
    for name in ("queue", "mark"):
        value = values[name]
        if value is not None and (rate is None or (not isinstance(value, Aqm) and value < 0)):
            raise ValueError(f"{name} needs a rate and must not be negative")
    if isinstance(values["queue"], Aqm) and values["mark"] is not None:
        raise ValueError("a managed queue marks by itself: mark is for one that only drops")
    return options
