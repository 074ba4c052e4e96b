"""A peer that has ended too, and has all our octets, is given a second to acknowledge our end.

It may have waited for that end as long as it waits (FIN-WAIT-2), and be gone.  Connections are
closed by the thousand, and the acknowledgement nearly always comes: one timer looks after all who
wait for theirs.
"""

import asyncio
import itertools
from typing import Final

from rudp.core.life.connection import Connection

LAST_ACK_GRACE: Final = 1.0
"""Seconds."""


class LastAcks:
    """Those who wait for an acknowledgement of all that was written."""

    __slots__ = ("_loop", "_timer", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # When it is time to look, and whether there was nothing more to come at the last look: in
        # the order of entering, which is that of time.
        self._waiting: dict[asyncio.Future[bool], tuple[float, Connection, bool]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, waiter: "asyncio.Future[bool]", connection: Connection) -> bool:
        """Return what *waiter* brings; True if nothing more was to come for too long."""
        self._enter(waiter, connection)
        if self._timer is None:
            self._look_later()
        try:
            return await waiter
        finally:
            self._waiting.pop(waiter, None)

    def _enter(self, waiter: "asyncio.Future[bool]", connection: Connection) -> None:
        due = self._loop.time() + LAST_ACK_GRACE
        self._waiting[waiter] = due, connection, connection.only_end_is_out

    def _look_later(self) -> None:
        """Set the timer for the first, if there is one."""
        first = next(iter(self._waiting.values()), None)
        self._timer = None if first is None else self._loop.call_at(first[0], self._look)

    def _look(self) -> None:
        now = self._loop.time()
        due = list(itertools.takewhile(lambda entry: entry[1][0] <= now, self._waiting.items()))
        for waiter, (_, connection, for_nothing) in due:
            del self._waiting[waiter]
            if waiter.done():
                continue
            if for_nothing:
                waiter.set_result(True)
            else:
                self._enter(waiter, connection)
        self._look_later()
