"""Three questions about an event loop, which have nothing to do with each other.

Does its time pass by itself?  Is its network this machine's?  Does it watch descriptors?  A loop of
asyncio's or uvloop's says yes, a simulator no, and somebody's own loop is between them: who
derives from a selector loop to count callbacks has changed nothing of this, who overrides
``time()`` has changed the first answer and no other.  So it is asked who has written the method
that matters, and a loop that is not known is asked for as little as possible.
"""

import asyncio
import socket
from typing import Final

_OF_THE_SYSTEM: Final = frozenset({"asyncio", "uvloop"})
"""Packages whose loops have the system's time and network."""


def keeps_real_time(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether *loop*'s time is the system's, so that it tells the time of the day as well.

    Where it does not, nobody may add the time of the day to it.
    """
    return _author(loop, "time") in _OF_THE_SYSTEM


def has_real_network(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether what *loop* sends goes out of sockets of this machine.

    Where it does not, addresses say nothing about interfaces, routes and their MTU here, and a
    socket is to be had from ``loop.create_datagram_endpoint`` alone.
    """
    return _author(loop, "create_datagram_endpoint") in _OF_THE_SYSTEM


def watches_descriptors(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether *loop* calls back when a socket can be read: whether ``add_reader`` works.

    It is asked, with a socket of its own that nobody watches: some loops have the method and
    raise from it.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobodys:
            loop.remove_reader(nobodys.fileno())
    except (NotImplementedError, AttributeError, OSError):
        return False
    return True


def _author(loop: asyncio.AbstractEventLoop, name: str) -> str:
    """Return the package that has written the method *name* of *loop*, "" if it was replaced."""
    if name in getattr(loop, "__dict__", ()):
        return ""
    for kind in type(loop).__mro__:
        if name in vars(kind):
            return kind.__module__.partition(".")[0]
    return ""
