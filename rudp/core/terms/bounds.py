"""Two numbers that bound what everything else computes with: a window, and a moment."""

import time
from typing import Final

WINDOW_MAX: Final = 1 << 30
"""Octets.  The largest window that scaling can announce (RFC 7323 §2.3)."""

CLOCK_TICK: Final = time.get_clock_info("monotonic").resolution
"""Seconds by which an event loop's clock moves on: 15.6 ms on Windows before Python 3.13, almost
nothing elsewhere."""
