"""A CPU for each side: where the scheduler puts two processes would be half of the result."""

import os
from typing import Final

AVAILABLE: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""CPUs this process was started on; empty where the system does not tell."""


def pin(pid: int, side: int) -> None:
    """Keep the process *pid* (0: this one) on the first or second CPU, if there are two."""
    if len(AVAILABLE) > 1:
        os.sched_setaffinity(pid, {AVAILABLE[side]})
