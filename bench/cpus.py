"""A CPU for each side: where the scheduler puts two processes would be half of the result."""

import os
from typing import Final

AVAILABLE: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""CPUs this process was started on; empty where the system does not tell."""


def sides() -> tuple[int | None, int | None]:
    """Return a CPU for each side; none where there are not two."""
    return (AVAILABLE[0], AVAILABLE[1]) if len(AVAILABLE) > 1 else (None, None)


def pin(cpu: int | None) -> None:
    """Keep this process on *cpu*, if there is one to keep it on."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})


def prefer() -> None:
    """Let this process run as soon as it can, at real-time priority, where the system permits.

    Even a nice value of -20 waits some milliseconds for the end of another process's slice, and
    its timers have 50 µs of slack.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (AttributeError, OSError):
        pass
