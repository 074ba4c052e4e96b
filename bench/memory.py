"""What of a process's memory is left to chance elsewhere, and has a speed.

*Layout.*  Linux puts programs at random addresses.  Two processes on one core that map the same
pages of the interpreter at different ones evict each other's instructions from its cache on some
CPUs, and how badly differs from start to start.  A process inherits whether its layout is random.

*malloc.*  asyncio's TCP transport asks for 256 KiB in each ``recv``.  glibc maps and unmaps such a
block each time until the process happens to have freed one as large; from then on it keeps them.
"""

import ctypes
import sys
from typing import Final

KEEPING: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 20),
}
"""Environment of a process whose malloc keeps large blocks from its start; see mallopt(3)."""

FRESH: Final = {"MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}
"""Environment of a process whose malloc is and remains as at its start."""

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
