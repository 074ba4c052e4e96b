"""Who watches a connection: the program's tracer and capture, the loop, the flight recorder."""

import asyncio
import time
from typing import TYPE_CHECKING, BinaryIO, Union

from rudp.aio.kinds import keeps_real_time
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import Address
from rudp.core.watch.tracer import Tracer

# What watches is imported when somebody watches: it is more than all the rest of rudp.
if TYPE_CHECKING:
    from pathlib import Path

    from rudp.trace.capture import Capture
    from rudp.trace.recall import Ending

CaptureTo = Union[str, "Path", BinaryIO, "Capture"]
"""What ``capture=`` takes: where to write, or a capture that is there already."""


def watching(
    loop: asyncio.AbstractEventLoop,
    *,
    tracer: Tracer | None,
    capture: CaptureTo | None,
    name: str,
    peer_name: str,
) -> Tracer | None:
    """Return the tracer that stands for *tracer* and *capture*, and for what the loop wants.

    A loop on virtual time may have an attribute ``watch``, see :class:`rudp.sim.VirtualLoop`.

    *name*, *peer_name*: what a capture made here calls the two ends.  Raises :class:`OSError` if it
    cannot be begun.
    """
    if capture is not None:
        capture = capture_on(loop, capture, name=name, peer_name=peer_name)
    watch = getattr(loop, "watch", None)
    theirs = watch(name) if watch is not None else None
    watchers = [each for each in (tracer, capture, theirs) if each is not None]
    if len(watchers) < 2:
        return watchers[0] if watchers else None
    from rudp.trace.tee import Tee

    return Tee(*watchers)


def capture_on(
    loop: asyncio.AbstractEventLoop | None, capture: CaptureTo, *, name: str, peer_name: str
) -> "Capture":
    """Return the capture that is meant, on *loop*'s clock, None for that of all real loops.

    If it is made here, it has the time of the day if the loop's time passes with it.  Raises
    :class:`OSError` if it cannot be begun.
    """
    from rudp.trace.capture import Capture

    if isinstance(capture, Capture):
        return capture
    if loop is None:
        epoch = time.time() - time.monotonic()
    else:
        epoch = time.time() - loop.time() if keeps_real_time(loop) else 0.0
    return Capture(capture, name=name, peer_name=peer_name, epoch=epoch)


def ending_of(connection: Connection, local: Address) -> "Ending":
    """Return what the flight recorder of *connection*, whose UDP address is *local*, knows."""
    from rudp.trace.numbers import Numbers
    from rudp.trace.recall import Ending

    recorder = connection.recorder
    records = tuple(recorder.records()) if recorder is not None else ()
    numbers = Numbers(*connection.initial_numbers)
    return Ending(records, connection.path, connection.ports, local, numbers)


def last_words(connection: Connection, local: Address, now: float) -> list[str]:
    """Return lines about a connection on which nothing happens any more."""
    host, port = connection.path[0][:2]
    name = f"{local[0]}:{local[1]} to {host}:{port}"
    lines = ending_of(connection, local).lines(now)
    told = ", its last events, seconds before now:" if lines else ""
    return [f"  the connection from {name} is in {connection.state}{told}", *lines]
