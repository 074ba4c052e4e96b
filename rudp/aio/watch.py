"""Who watches a connection: the tracer that the program gave, and the capture it asked for."""

import asyncio
import time
from pathlib import Path
from typing import BinaryIO

from rudp.core.watch.tracer import Tracer
from rudp.trace.capture import Capture
from rudp.trace.tee import Tee

CaptureTo = str | Path | BinaryIO | Capture
"""What ``capture=`` takes: where to write, or a capture that is there already."""


def watching(
    loop: asyncio.AbstractEventLoop,
    *,
    real: bool,
    tracer: Tracer | None,
    capture: CaptureTo | None,
    name: str,
    peer_name: str,
) -> Tracer | None:
    """Return the tracer that stands for *tracer* and *capture*.

    *real*: whether the loop's time passes by itself; then a capture has the time of the day.
    *name*, *peer_name*: what a capture made here calls the two ends.  Raises :class:`OSError` if it
    cannot be begun.
    """
    if capture is None:
        return tracer
    if not isinstance(capture, Capture):
        epoch = time.time() - loop.time() if real else 0.0
        capture = Capture(capture, name=name, peer_name=peer_name, epoch=epoch)
    return capture if tracer is None else Tee(tracer, capture)
