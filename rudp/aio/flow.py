"""Who is told to pause and to resume when one protocol takes another's place.

asyncio tells the new one to resume what it was never told to pause, which its own TLS layer takes
for a fault, and leaves the old one waiting for ever.  Here each is told in pairs.
"""

import asyncio
from asyncio import base_events
from typing import Any, Final

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
