"""The connections of a loop, as ``rudp ss`` shows them."""

import asyncio
from typing import Any

from rudp.aio.registry import registry_of
from rudp.live import record


def connections() -> list[dict[str, Any]]:
    """Return what ``rudp ss --json`` tells of each connection of the running event loop.

    Addresses, what :class:`rudp.ConnectionInfo` has, and ``held_back_by``; made of what JSON has
    (docs/watching.md).  Raises :class:`RuntimeError` without a running loop.
    """
    loop = asyncio.get_running_loop()
    return list(record.connections(registry_of(loop).sources(), loop.time()))
