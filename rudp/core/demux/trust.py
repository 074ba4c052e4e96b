"""Who is believed before there is a connection, and who gets no answer (RFC 5925 §7.4).

A SYN, and the acknowledgement of a cookie, are checked before anything is kept for them.  What is
not signed as it should be is dropped in silence: to a peer without the key nobody is there.
"""

from rudp.config import Config
from rudp.core.life.connection import Connection
from rudp.core.life.guard import Guard
from rudp.core.life.surroundings import Surroundings
from rudp.core.segment.addresses import host_of
from rudp.core.segment.seqnum import SEQ_MASK
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import Run, read_segment, swap_ports
from rudp.core.terms.counters import Count, Counters


def guard_of(around: Surroundings, config: Config, path: Path, ports: int) -> Guard | None:
    """Return who signs and checks for a new connection, None if no key is for its peer.

    Raises :class:`OSError` as :meth:`Guard.of` does.
    """
    if not config.keys:
        return None
    known = path if path[1] else (path[0], around.local_host)
    return Guard.of(config.keys, known, ports, around.calendar)


def admit(
    around: Surroundings, config: Config, run: Run, path: Path, iss: int | None, now: float
) -> tuple[Guard | None, Count | None]:
    """Return the guard of the connection that *run* opens, and why it does not open one.

    *config*: of the listener.  *iss*: that of the cookie which *run* acknowledges, None if it is a
    SYN.
    """
    try:
        guard = guard_of(around, config, path, swap_ports(run.ports))
    except OSError:
        return None, Count.AO_KEY_UNKNOWN  # it covers an address of ours that is not known
    if guard is None:
        return None, None
    if iss is not None:
        guard.iss = iss
        guard.meet(run.seq - 1 & SEQ_MASK)
    return guard, guard.admit(run, now)


def believed(connection: Connection, run: Run, counters: Counters, now: float) -> list[Run]:
    """Return what of *run* is to be handled: all of it, or parts; the others are dropped.

    One forged segment among good ones must not take them with it.
    """
    reason = connection.distrusts(run, now)
    if reason is None:
        return [run]
    if run.segments == 1:
        connection.refuse(run, reason, now)
        return []
    authentic: list[Run] = []
    for view in run.each():
        one = read_segment(view, counters)
        if one is not None:
            one.ecn = run.ecn
            authentic += believed(connection, one, counters, now)
    return authentic


def is_silent(config: Config, path: Path) -> bool:
    """Return whether what comes from *path* and is nobody's gets no RST: there are keys for it."""
    return any(key.matches(host_of(path)) for key in config.keys)
