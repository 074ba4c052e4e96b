"""Watching connections: tracers that turn what the core tells into something to look at.

Each is given to a connection or a server with the keyword ``tracer=``.  :class:`Ladder` draws the
segments between two sides as text.
"""

from rudp.trace.ladder import Ladder

__all__ = ["Ladder"]
