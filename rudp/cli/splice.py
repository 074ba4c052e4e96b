"""Two connections made into one: what comes in on either goes out on the other.

The two legs of a pair are asyncio protocols that know each other, so octets pass without a task or
a buffer in between.  A leg that cannot send fast enough makes the other stop reading, and that
one's peer feels it through its own window.  The end of one direction is passed on as the end of
that direction, and a connection that was cut is passed on as one that was cut: a reset.

TLS streams have no half-close here.  When the plain side has ended, its TLS side is closed only
after the peer there has been silent for a while, for it may be answering; and since nobody knows
whether that was all, the plain side is reset then.  When the TLS side has ended, nobody is left to
hear the plain one, which gets the same time to end.
"""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Callable
from typing import Final, cast

_LINGER_NONE: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


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

    def pause_writing(self) -> None:
        """Keep the other side from reading more than this one can send."""
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the other side read on."""
        self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """Pass the end on; return whether this side may go on sending."""
        self.ended = True
        if self.other.made:
            self._pair.ended(self)
        return self.transport.can_write_eof()

    def connection_lost(self, error: BaseException | None) -> None:
        """Nothing more is sent or received."""
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
        if leg is self.near:
            self._on_half_open(self)
            return
        near = self.near
        if near.lost and not near.ended:
            reset(leg.transport)
            return
        leg.transport.writelines(near.early)
        near.early.clear()
        if not near.lost:
            near.transport.resume_reading()
        if near.ended:
            self.ended(near)

    def ended(self, leg: Leg) -> None:
        """*leg* will receive nothing more."""
        other = leg.other
        hears = leg.transport.can_write_eof()
        other.unheard = not hears  # what comes has nowhere to go
        if other.ended:
            self._close()
            return
        if other.transport.can_write_eof():
            try:
                other.transport.write_eof()
            except OSError as error:  # the kernel knows already that the connection is gone
                self.cut(error)
                return
        if not (hears and other.transport.can_write_eof()):
            self._watch(0)

    def lost(self, leg: Leg, error: BaseException | None) -> None:
        """*leg* is gone.  If it had not ended, what the other has is not whole: reset it."""
        self._error = self._error or error
        in_order = error is None and (leg.ended or self._closing)
        if not in_order and leg.other.is_open:
            reset(leg.other.transport)
        elif not in_order or leg.other.lost:
            self._end()
        # else the other has to deliver what this one has sent, or even to be opened for it

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
        self._closing = True
        for leg in self._legs:
            if leg.is_open:
                leg.transport.close()

    def _watch(self, before: int) -> None:
        """Give up unless octets come that somebody hears."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._silence, self._look, before)

    def _look(self, before: int) -> None:
        heard = sum(leg.received for leg in self._legs if not leg.ended and not leg.unheard)
        if heard != before:
            self._watch(heard)
            return
        for leg in self._legs:
            if leg.ended and leg.is_open:
                reset(leg.transport)
        self._close()


def reset(transport: asyncio.Transport) -> None:
    """End *transport* so that its peer cannot take it for complete.

    The kernel's TCP sends FIN after an abort unless it was told not to care for what is left.
    """
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    transport.abort()
