"""Where the processes lie in memory, which is left to chance elsewhere and has a speed.

Linux puts programs at random addresses.  Two processes on one core that map the same pages of the
interpreter at different ones evict each other's instructions from its cache on some CPUs, and how
badly differs from start to start.  A process inherits whether its layout is random.
"""

import ctypes
import sys
from typing import Final

_ADDR_NO_RANDOMIZE: Final = 0x0040000  # linux/personality.h
_QUERY: Final = 0xFFFFFFFF


def fix_layout() -> None:
    """Let programs that this thread starts from now on lie at the same addresses, if permitted."""
    if (persona := _personality(_QUERY)) is not None:
        _personality(persona | _ADDR_NO_RANDOMIZE)


def layout_is_fixed() -> bool:
    """Return whether programs that this thread starts lie at the same addresses."""
    return bool((_personality(_QUERY) or 0) & _ADDR_NO_RANDOMIZE)


def _personality(persona: int) -> int | None:
    """Make a call of personality(2); return what was set before it, None if that is refused."""
    if sys.platform != "linux":
        return None
    before = int(ctypes.CDLL(None).personality(ctypes.c_ulong(persona)))
    return None if before < 0 else before
