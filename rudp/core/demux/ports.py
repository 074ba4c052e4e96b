"""Which TCP port an active open gets (RFC 6056, RFC 6191).

Towards each peer, that is a path and a TCP port, all ports from 1024 on can be used.  The search
begins at a random one and goes up (RFC 6056 §3.3.1); what is taken is an octet in a map of 64 KB,
so that finding a free one among sixty thousand costs microseconds: that is one call of
:meth:`bytearray.find`, where a walk through the table would hold the loop up for a tenth of a
second.  When none is free, one whose connection is in TIME-WAIT may be taken over.
"""

import errno
import random
from collections import OrderedDict
from collections.abc import Container, Iterator
from typing import Final

from rudp.core.demux.timewait import TimeWaitQueue
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import swap_ports

LOWEST: Final = 1024
COUNT: Final = 65_536 - LOWEST
"""The ports that may be chosen: all that are not reserved (RFC 6056 §3.2)."""

DYNAMIC_PORTS: Final = range(49_152, 65_536)
OTHER_PORTS: Final = range(LOWEST, 49_152)
"""The dynamic ones are taken first."""

RESTED_TRIES: Final = 64
"""Ports in TIME-WAIT that are looked at, at most, when no port is free."""

_FREE: Final = b"\0"
_LIVE: Final = 1
_RESTING: Final = 2

Peer = tuple[Path, int]


class _Map:
    """The ports in use towards one peer: an octet for each.

    ``live``: how many have a connection; ``rests_until``: when the last TIME-WAIT is over.
    """

    __slots__ = ("live", "rests_until", "use")

    def __init__(self) -> None:
        self.use = bytearray(COUNT)
        self.live = 0
        self.rests_until = 0.0


class LocalPorts:
    """Chooses ports for active opens, by *chance*.

    It is told what becomes of the ports that it has given away, and of no others: a connection
    that the peer opened may hold one too, so whoever asks has to look whether it does.
    """

    __slots__ = ("_chance", "_maps")

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._maps: OrderedDict[Peer, _Map] = OrderedDict()

    def free(self, path: Path, remote_port: int) -> int | None:
        """Return a port that is not known to be in use towards *remote_port* behind *path*."""
        known = self._maps.get((path, remote_port))
        for ports in (DYNAMIC_PORTS, OTHER_PORTS):
            start = ports.start + self._chance.randrange(len(ports))
            if known is None:
                return start
            at = known.use.find(_FREE, start - LOWEST, ports.stop - LOWEST)
            if at < 0:
                at = known.use.find(_FREE, ports.start - LOWEST, start - LOWEST)
            if at >= 0:
                return LOWEST + at
        return None

    def resting(self, path: Path, remote_port: int) -> Iterator[int]:
        """Yield some ports whose connections were in TIME-WAIT when they were heard of last."""
        known = self._maps.get((path, remote_port))
        if known is None:
            return
        start = at = self._chance.randrange(COUNT)
        for _ in range(RESTED_TRIES):
            at = known.use.find(_RESTING, at)
            if at < 0:
                at = known.use.find(_RESTING, 0, start)
            if at < 0:
                return
            yield LOWEST + at
            at += 1

    def taken(self, path: Path, ports: int, now: float) -> None:
        """There is a connection with *ports*, local port << 16 | remote port."""
        at = (ports >> 16) - LOWEST
        if at < 0:
            return
        peer = path, ports & 0xFFFF
        known = self._maps.get(peer)
        if known is None:
            self._forget_idle(now)
            known = self._maps[peer] = _Map()
        if known.use[at] != _LIVE:
            known.use[at] = _LIVE
            known.live += 1

    def rests(self, path: Path, ports: int, until: float) -> None:
        """The connection with *ports* is in TIME-WAIT until then, seconds."""
        known = self._leave(path, ports, _RESTING)
        if known is not None:
            known.rests_until = max(known.rests_until, until)

    def freed(self, path: Path, ports: int) -> None:
        """The connection with *ports* has gone without TIME-WAIT."""
        self._leave(path, ports, 0)

    def _leave(self, path: Path, ports: int, use: int) -> _Map | None:
        known = self._maps.get((path, ports & 0xFFFF)) if self._maps else None
        at = (ports >> 16) - LOWEST
        if known is None or at < 0:
            return None
        if known.use[at] == _LIVE:
            known.live -= 1
        known.use[at] = use
        if not known.live and not known.rests_until:
            del self._maps[path, ports & 0xFFFF]
        return known

    def _forget_idle(self, now: float) -> None:
        """Forget maps that tell nothing any more: two are looked at for each new one."""
        for _ in range(min(2, len(self._maps))):
            peer, known = self._maps.popitem(last=False)
            if known.live or known.rests_until > now:
                self._maps[peer] = known


def free_port(
    ports: LocalPorts,
    open_: Container[Peer],
    time_wait: TimeWaitQueue,
    path: Path,
    remote_port: int,
    now: float,
) -> int:
    """Return a local port for an active open (RFC 6056, ISN-5).

    *open_*: the connections, each by its path and the ports as the peer has them.  If every port is
    in use, one that only *time_wait* remembers is taken over (RFC 6191, TW-7).  Raises
    :class:`OSError` with EADDRINUSE if there is none.
    """
    while (port := ports.free(path, remote_port)) is not None:
        numbers = port << 16 | remote_port
        if (path, swap_ports(numbers)) in open_:  # the peer has opened it
            ports.taken(path, numbers, now)
        elif (record := time_wait.find(path, numbers)) is not None:
            ports.taken(path, numbers, now)
            ports.rests(path, numbers, record.expires)
        else:
            return port
    for port in ports.resting(path, remote_port):
        numbers = port << 16 | remote_port
        if (path, swap_ports(numbers)) not in open_:
            record = time_wait.find(path, numbers)
            if record is None or record.may_be_followed(now):
                return port
    raise OSError(errno.EADDRINUSE, "no free port towards this peer")
