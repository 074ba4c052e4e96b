"""One connection whose octets are those of standard input and output.

TLS streams have no half-close here: the end of the input cannot be told without closing.  So the
connection is closed when the peer has said nothing for a while after it.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

import rudp
from rudp.cli import running, stdio
from rudp.cli.running import FailedError, ReaderGoneError
from rudp.cli.splice import unacknowledged

STDIN: Final = 0
STDOUT: Final = 1

LOOK_INTERVAL: Final = 0.02


class Ends:
    """Standard input and output, which serve one session after the other."""

    def __init__(self) -> None:
        self.source = stdio.Source(STDIN, self._arrived, self._unreadable)
        self.sink = stdio.Sink(STDOUT, self._room, self._unwritable)
        self.input_ended = False
        self.failed: Exception | None = None
        self._session: Session | None = None

    def serve(self, session: "Session") -> None:
        """What comes is for *session* from now on."""
        self._session = session

    def leave(self) -> None:
        """There is no session now."""
        self.source.pause()
        self._session = None

    def _arrived(self, data: bytes) -> None:
        self.input_ended = not data
        if self._session is not None:
            self._session.take(data)

    def _room(self) -> None:
        if self._session is not None:
            self._session.room()

    def _unreadable(self, error: OSError) -> None:
        self._fail(FailedError(f"standard input: {running.in_words(error)}"))

    def _unwritable(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            self._fail(ReaderGoneError())
        else:
            self._fail(FailedError(f"standard output: {running.in_words(error)}"))

    def _fail(self, error: Exception) -> None:
        self.failed = error
        if self._session is not None:
            self._session.fail(error)


class Session(asyncio.Protocol):
    """What one connection carries.

    *quiet_time*: seconds, for TLS; *wait*: seconds without an octet after which it has failed, None
    for no limit.  *closes*: standard output ends with it.  *opened* is told that it is open; it
    carries nothing before :meth:`run`.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        ends: Ends,
        quiet_time: float,
        wait: float | None,
        *,
        closes: bool = True,
        opened: "Callable[[Session], None] | None" = None,
    ) -> None:
        self.sent = 0
        self.received = 0
        self._ends = ends
        self._quiet_time = quiet_time
        self._wait = wait
        self._closes = closes
        self._opened = opened
        loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = loop.create_future()
        self._heard: asyncio.Future[None] = loop.create_future()  # all, and it is written
        self._said: asyncio.Future[None] = loop.create_future()
        for future in (self._lost, self._heard, self._said):
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._ending = False
        self._writing_paused = False

    # -- what the transport tells ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take nothing until it is our turn."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.transport.pause_reading()
        if self._opened is not None:
            self._opened(self)

    def data_received(self, data: bytes) -> None:
        """Write it."""
        self.received += len(data)
        self._ends.sink.write(bytes(data))
        if self._ends.sink.is_full():
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Let the reader of the output see the end; return whether we may go on sending."""
        self._end_output()
        return self.transport.can_write_eof()

    def connection_lost(self, error: BaseException | None) -> None:
        """Nothing more is sent or received; what has come is written all the same."""
        if self._lost.done():
            return
        if error is None:
            self._lost.set_result(None)
        else:
            self._lost.set_exception(error)
        self._end_output()

    def pause_writing(self) -> None:
        """Take no more than the peer takes."""
        self._writing_paused = True
        self._ends.source.pause()

    def resume_writing(self) -> None:
        """Go on."""
        self._writing_paused = False
        self._ends.source.resume()

    # -- what standard input and output tell -------------------------------------------------------

    def take(self, data: bytes) -> None:
        """Send *data*, or the end if it is empty."""
        if self._lost.done():
            return
        if data:
            self.transport.write(data)
            self.sent += len(data)
        elif self.transport.can_write_eof():
            try:
                self.transport.write_eof()
            except OSError as error:  # the kernel knows already that the connection is gone
                self.fail(error)
                return
            _settle(self._said)
        elif self.sent:  # with nothing to send we are here to receive, for as long as it takes
            self._close_after_silence(-1)

    def room(self) -> None:
        """More can be written."""
        if not self._lost.done():
            self.transport.resume_reading()

    def fail(self, error: Exception) -> None:
        """Nothing can come of it any more."""
        for future in (self._heard, self._said):
            if not future.done():
                future.set_exception(error)

    # -- the whole ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Return when both directions have ended, and the peer has all.

        Where somebody types, and over TLS, the peer's end is enough.
        """
        ends = self._ends
        if ends.failed is not None:
            raise ends.failed
        ends.serve(self)
        peer_decides = ends.source.is_terminal or not self.transport.can_write_eof()
        idle = asyncio.ensure_future(self._watch())
        try:
            if not self._lost.done():
                self.transport.resume_reading()
            if ends.input_ended:
                self.take(b"")
            elif not self._writing_paused:
                ends.source.resume()
            while not (self._heard.done() and (peer_decides or self._said.done())):
                parts = [self._said, self._heard, idle]
                if self._heard.done():  # else the loss is told when all that came is written
                    parts.append(self._lost)
                pending = [part for part in parts if not part.done()]
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for part in (self._said, self._heard, idle):
                    if part.done():
                        part.result()
                if self._heard.done() and self._lost.done():
                    break
        finally:
            ends.leave()
            idle.cancel()
        if self._lost.done():
            self._lost.result()
        await self._part()

    async def _part(self) -> None:
        """Close, and wait until the peer's TCP has everything."""
        transport = self.transport
        if transport.get_extra_info("tcp_info") is not None:
            transport.close()
            await rudp.delivered(transport)
            return
        while not self._lost.done() and unacknowledged(transport):  # noqa: ASYNC110  # who tells?
            await asyncio.sleep(LOOK_INTERVAL)
        transport.close()
        await self._lost

    def _end_output(self) -> None:
        if self._ending:
            return
        self._ending = True
        sink = self._ends.sink
        (sink.close if self._closes else sink.flush)(lambda: _settle(self._heard))

    async def _watch(self) -> None:
        """Raise :class:`FailedError` if nothing happens for too long."""
        if self._wait is None:
            await asyncio.get_running_loop().create_future()
            return
        before = -1
        while before != (before := self.sent + self.received):  # noqa: ASYNC110  # none sets one
            await asyncio.sleep(self._wait)
        raise FailedError(f"nothing was sent or received for {self._wait:g} s")

    def _close_after_silence(self, before: int) -> None:
        if self._lost.done():
            return
        if before == self.received:
            self.transport.close()
            _settle(self._said)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(self._quiet_time, self._close_after_silence, self.received)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
