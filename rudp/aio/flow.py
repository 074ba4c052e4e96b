"""When a writer is told to pause and to resume, and the promise that one who is will go on.

Whoever is paused has more to write.  So the octets that fill no run may wait until the writer had
its turn after it was resumed: in bulk, where writers are paused and resumed all the time, every
third run would be a small one if a rest never waited.  The promise is given and taken back here;
it ends by itself when the writer ends the stream or leaves (:mod:`rudp.core.life.parting`).

If another protocol takes the place of one that is paused, asyncio tells the new one to resume what
it was never told to pause, which its own TLS layer takes for a fault, and leaves the old one
waiting for ever.  Here each is told in pairs.
"""

import asyncio
from asyncio import base_events, transports
from typing import TYPE_CHECKING, Any, Final

from rudp.core.life.connection import Connection

HIGH_WATER: Final = 64 * 1024
LOW_WATER: Final = HIGH_WATER // 4
"""Octets: asyncio's defaults."""

_SendfileProtocol: Final[Any] = base_events._SendfileFallbackProtocol  # type: ignore[attr-defined]


def taken_over(
    loop: asyncio.AbstractEventLoop, before: asyncio.BaseProtocol, after: asyncio.BaseProtocol
) -> bool:
    """Return whether *after* counts as paused, now that it takes the place of *before*, which is.

    It does not: its next write tells it if the buffer is full.  *before* is told to resume, soon.
    But ``loop.sendfile`` puts a protocol of its own in between and sees to both sides by itself.
    """
    if after is before or isinstance(after, _SendfileProtocol):
        return True
    if not isinstance(before, _SendfileProtocol):
        loop.call_soon(before.resume_writing)
    return False


class WriteFlow(transports._FlowControlMixin):
    """The half of a transport that watches its write buffer; asyncio's, and the promise."""

    __slots__ = ()

    _loop: asyncio.AbstractEventLoop
    if TYPE_CHECKING:
        # The mixin's, which the type stubs leave out, and the transport's.
        _protocol_paused: bool
        _low_water: int
        _high_water: int
        _connection: Connection

        def _touch(self) -> None: ...

    def _set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None and low is None:
            high, low = HIGH_WATER, LOW_WATER  # asyncio would compute an int for each transport
        super()._set_write_buffer_limits(high, low)  # type: ignore[misc]

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the high-water and low-water marks, as asyncio's transports do."""
        super().set_write_buffer_limits(high, low)
        if self._protocol_paused:  # the rest that waited for the old marks may go now
            self._touch()

    def _maybe_pause_protocol(self) -> None:
        super()._maybe_pause_protocol()  # type: ignore[misc]
        if self._protocol_paused and not self._connection.was_let_go:  # by an abort() in there
            self._connection.wants_room = True
            self._connection.held_back = self._low_water  # at which the writer is resumed

    def _maybe_resume_protocol(self) -> None:
        super()._maybe_resume_protocol()  # type: ignore[misc]
        self._take_back_soon()

    def _hand_over(self, before: asyncio.BaseProtocol, after: asyncio.BaseProtocol) -> None:
        """*after* takes the place of *before*, which is paused; see :func:`taken_over`."""
        self._protocol_paused = taken_over(self._loop, before, after)
        self._take_back_soon()

    def _take_back_soon(self) -> None:
        if not self._protocol_paused and self._connection.held_back:
            self._loop.call_soon(self._take_back)

    def _take_back(self) -> None:
        """A writer that was resumed has had its turn: what it left must not wait for more."""
        if not self._protocol_paused and self._connection.held_back:
            self._connection.held_back = 0
            self._touch()
