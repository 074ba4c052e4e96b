"""Two connections made into one: what comes in on either goes out on the other.

The two legs of a pair are asyncio protocols that know each other, so octets pass without a task or
a buffer in between.  A leg that cannot send fast enough makes the other stop reading, and that
one's peer feels it through its own window.  The end of one direction is passed on as the end of
that direction, and a connection that was cut is passed on as one that was cut: a reset.  Before the
reset goes what was taken from the other side, until its peer's TCP has acknowledged it: a reset
that overtakes its stream makes the peer, or the system here, forget what is on the way.

TLS streams have no half-close here.  When the plain side has ended, its TLS side is closed only
after the peer there has been silent for a while, for it may be answering; and since nobody knows
whether that was all, the plain side is reset then.  When the side that was connected to has ended,
that while is short: who asked for the connection is mostly done with it then, or waits for nothing
but its end.
"""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Final, cast

try:
    from fcntl import ioctl
    from termios import TIOCOUTQ
except ImportError:  # Windows
    ioctl = None  # type: ignore[assignment]

PATIENCE: Final = 30.0
"""Seconds for which a peer may acknowledge nothing before what it has not got is given up."""

BRIEF: Final = 0.5
"""Seconds of silence from who asked for a connection after which it is over, once the side that
was connected to has ended."""

_LOOK_FIRST: Final = 0.001
_LOOK_LAST: Final = 0.1

_LINGER_NONE: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_READ_OCTETS: Final = 256 * 1024


class Leg(asyncio.Protocol):
    """One side of a pair."""

    other: "Leg"
    transport: asyncio.Transport

    def __init__(self, pair: "Pair") -> None:
        self.made = False
        self.received = 0
        self.early: list[bytes] = []
        self.ended = False
        self.lost = False
        self.unheard = False
        self._pair = pair

    @property
    def is_open(self) -> bool:
        """Whether the transport lives."""
        return self.made and not self.lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the pair."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.made = True
        # A peer that is gone without a word is noticed some day.  rudp's Config has it already.
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
        )
        self._pair.made(self)

    def data_received(self, data: bytes) -> None:
        """Pass it on; read no more as long as there is nobody to pass it on to."""
        self.received += len(data)
        if not self.other.made:
            self.early.append(data)
            self.transport.pause_reading()
        elif not self.unheard:
            self.other.transport.write(data)
        # else it is read all the same: who cannot get rid of it may not come to read

    def pause_writing(self) -> None:
        """Keep the other side from reading more than this one can send."""
        if not self.other.unheard:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the other side read on."""
        if not self.other.unheard:
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """Pass the end on; return whether this side may go on sending."""
        self.ended = True
        if self.other.made:
            self._pair.ended(self)
        return self.transport.can_write_eof()

    def connection_lost(self, error: BaseException | None) -> None:
        """Nothing more is sent or received."""
        if error is not None and not self.ended:
            for data in _unread(self.transport):
                self.data_received(data)
        self.lost = True
        self._pair.lost(self, error)


class Pair:
    """Two legs; *near* was there first, and *far* is opened for it.

    *on_half_open* is called when *near* is open, *on_end* once, when both are gone, with what ended
    them: None if all was in order.  *silence*: the seconds without an octet after which it is over
    if one direction has ended and the end could not be passed on.
    """

    def __init__(
        self,
        on_half_open: Callable[["Pair"], None],
        on_end: Callable[["Pair", BaseException | None], None],
        silence: float,
    ) -> None:
        self.near, self.far = Leg(self), Leg(self)
        self.near.other, self.far.other = self.far, self.near
        self._legs = (self.near, self.far)
        self._on_half_open = on_half_open
        self._on_end = on_end
        self._silence = silence
        self._closing = False
        self._over = False
        self._error: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None

    def made(self, leg: Leg) -> None:
        """*leg* is open."""
        near = self.near
        if leg is near:
            self._on_half_open(self)
            return
        leg.transport.writelines(near.early)
        near.early.clear()
        if self._error is not None:
            self._cut_off(leg)
            return
        if not near.lost:
            near.transport.resume_reading()
        if near.ended:
            self.ended(near)

    def ended(self, leg: Leg) -> None:
        """*leg* will receive nothing more."""
        other = leg.other
        hears = leg.transport.can_write_eof()
        if not hears:
            _ignore(other)  # what comes has nowhere to go
        if other.ended:
            self._close()
            return
        if other.transport.can_write_eof():
            try:
                other.transport.write_eof()
            except OSError as error:
                # The kernel knows already that the connection is gone: it was cut.  What it has
                # received before that is still to be read.
                self._error = self._error or error
                _ignore(leg)
                return
        if not (hears and other.transport.can_write_eof()):
            self._watch()

    def lost(self, leg: Leg, error: BaseException | None) -> None:
        """*leg* is gone.  If it had not ended, what the other has is not whole: reset it."""
        in_order = error is None and (leg.ended or self._closing)
        if not in_order:
            self._error = self._error or error or ConnectionAbortedError("the connection was cut")
        other = leg.other
        if in_order and not other.lost:
            return  # it has to deliver what this one has sent, or even to be opened for it
        if other.is_open:
            self._cut_off(other)
        elif other.lost or not leg.early:
            self._end()
        # else it is cut off when it is open and has what this one has sent

    def stop(self, error: BaseException) -> None:
        """Take nothing more, deliver what was taken, and then reset, because of *error*.

        A pair that has ended in order, and only delivers the rest, is left alone.
        """
        if self._closing:
            return
        self._error = self._error or error
        for leg in self._legs:
            if leg.is_open:
                leg.unheard = True
                leg.transport.pause_reading()
                self._finish(leg, reset)
        if not any(leg.is_open for leg in self._legs):
            self._end()

    def cut(self, error: BaseException | None = None) -> None:
        """Reset whatever is open, because of *error*."""
        self._error = self._error or error
        open_legs = [leg for leg in self._legs if leg.is_open]
        for leg in open_legs:
            reset(leg.transport)
        if not open_legs:
            self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            if self._timer is not None:
                self._timer.cancel()
            self._on_end(self, self._error)

    def _close(self) -> None:
        """Close what is open: both directions have ended, or nobody waits for the other's end."""
        if self._error is not None:
            for leg in self._legs:
                if leg.is_open:
                    self._finish(leg, reset)
            return
        self._closing = True
        for leg in self._legs:
            if leg.is_open and leg.ended:
                leg.transport.close()
            elif leg.is_open:  # what it still says makes a reset of a close, that loses the rest
                self._finish(leg, close)

    def _cut_off(self, leg: Leg) -> None:
        """Reset *leg* as soon as it has delivered what was taken from the other one."""
        _ignore(leg)
        self._finish(leg, reset)

    def _finish(self, leg: Leg, end: Callable[[asyncio.Transport], None]) -> None:
        """Call *end* when *leg*'s peer has acknowledged everything, or does not go on doing so."""
        loop = asyncio.get_running_loop()

        def look(least: int, until: float, wait: float) -> None:
            if not leg.is_open:
                return
            left = unacknowledged(leg.transport)
            now = loop.time()
            if left < least:
                least, until = left, now + PATIENCE
            if left and now < until:
                loop.call_later(wait, look, least, until, min(2 * wait, _LOOK_LAST))
            else:
                end(leg.transport)

        look(sys.maxsize, 0.0, _LOOK_FIRST)

    def _watch(self) -> None:
        """Give up unless octets come that somebody hears."""
        loop = asyncio.get_running_loop()
        silence = min(BRIEF, self._silence) if self.far.ended else self._silence
        self._timer = loop.call_later(silence, self._look, self._heard())

    def _look(self, before: int) -> None:
        ended = [leg for leg in self._legs if leg.ended and leg.is_open]
        # Who still takes what came last keeps the other from saying more.
        if self._heard() != before or any(unacknowledged(leg.transport) for leg in ended):
            self._watch()
            return
        for leg in ended:
            reset(leg.transport)
        self._close()

    def _heard(self) -> int:
        return sum(leg.received for leg in self._legs if not leg.ended and not leg.unheard)


def unacknowledged(transport: asyncio.Transport) -> int:
    """Return the octets that were written to *transport* and that the peer's TCP has not got.

    0 if the connection is over, or if the system does not tell.
    """
    left = transport.get_write_buffer_size()
    info = transport.get_extra_info("tcp_info")
    if info is not None:
        return left + int(info.unsent + info.unacked)
    with contextlib.suppress(OSError, ValueError):  # it may be closed
        if ioctl is not None:
            descriptor = transport.get_extra_info("socket").fileno()
            left += int.from_bytes(ioctl(descriptor, TIOCOUTQ, bytes(4)), sys.byteorder)
    return left


def _ignore(leg: Leg) -> None:
    """Let *leg* read what nobody will hear."""
    leg.unheard = True
    if leg.is_open:
        leg.transport.resume_reading()


def _unread(transport: asyncio.Transport) -> Iterator[bytes]:
    """Yield what the kernel has received on a connection that failed while it was written to.

    It has acknowledged that; the event loop reads no more after an error.
    """
    sock = transport.get_extra_info("socket")
    if transport.get_extra_info("tcp_info") is not None or sock is None:
        return  # rudp has handed over everything
    with contextlib.suppress(OSError), sock.dup() as copy:
        copy.setblocking(False)
        while data := copy.recv(_READ_OCTETS):
            yield data


def close(transport: asyncio.Transport) -> None:
    """End *transport* in order."""
    transport.close()


def reset(transport: asyncio.WriteTransport) -> None:
    """End *transport* so that its peer cannot take it for complete.

    The kernel's TCP sends FIN after an abort unless it was told not to care for what is left.
    """
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    transport.abort()
