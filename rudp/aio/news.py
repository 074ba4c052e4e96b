"""What a program may want to read about its connections: lines of the log, and counters as text.

The logger ``rudp`` tells at INFO of each connection that opens, and of its end.  Who does not
listen at that level pays for a question each time.
"""

import logging
from typing import Final

from rudp.aio.book import Book
from rudp.core.life.connection import Connection
from rudp.core.segment.addresses import name_of
from rudp.core.terms.state import State
from rudp.core.terms.units import octets, seconds

logger: Final = logging.getLogger("rudp")

_BEFORE: Final = frozenset({State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED})

_OCTETS: Final = ("_octets", "_buffer")
"""How the names of counts of octets end."""


class Figures(dict[str, int]):
    """Counters by name; as text those that have counted something, a line each."""

    def __str__(self) -> str:
        width = max((len(name) for name, value in self.items() if value), default=0)
        return "\n".join(
            f"{name:{width}}  {octets(value) if name.endswith(_OCTETS) else f'{value:,}'}"
            for name, value in self.items()
            if value
        )


def tell_open(connection: Connection, book: Book | None) -> None:
    """Log that *connection* is open, and enter it in *book*."""
    if book is not None:
        book.opened(connection)
    if logger.isEnabledFor(logging.INFO):
        opening = sum(connection.info().state_times.values())
        logger.info("%s: open, after %s", _name(connection), seconds(opening))


def tell_end(connection: Connection, now: float, book: Book | None) -> None:
    """Log that *connection* has ended, if it ever was open, and enter it in *book*.

    The side that waits in TIME-WAIT has nothing to tell after that, so this is its end, too.
    """
    if book is not None:
        book.ended(connection)
    if not logger.isEnabledFor(logging.INFO):
        return
    info = connection.info()
    times = {state: time for state, time in info.state_times.items() if state not in _BEFORE}
    if info.state not in _BEFORE:
        times[info.state] = times.get(info.state, 0.0) + now - info.state_since
    if not times:
        return
    error = connection.error
    logger.info(
        "%s: ended after %s, %s sent and %s received: %s",
        _name(connection),
        seconds(sum(times.values())),
        octets(info.bytes_sent),
        octets(info.bytes_received),
        "closed" if error is None else error.strerror or error,
    )


def _name(connection: Connection) -> str:
    """Return both TCP ports' names: ``port 40000 to 10.0.0.2:9000``."""
    peer, _ = connection.path
    ports = connection.ports
    return f"port {ports >> 16} to {name_of((peer[0], ports & 0xFFFF))}"


def say_lost(connection: Connection) -> None:
    """The program ends, and nobody else will hear that not all of *connection* has arrived.

    Where only the acknowledgement of our end is missing, nothing is lost to a peer that has ended
    too, nor to a user who aborts.
    """
    name = name_of(connection.path[0])
    octets = connection.undelivered_octets
    if octets:
        logger.error(
            "%s has not acknowledged the last %d octet%s of a stream that was closed, nor its end",
            name,
            octets,
            "s"[: octets != 1],
        )
    elif not (connection.fin_received or connection.was_let_go):
        logger.error("%s has not acknowledged the end of a stream that was closed", name)
