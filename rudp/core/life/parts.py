"""What the connections of one table are made of: the classes of their parts.

A connection has one sender, one receiver, one state machine, and numbers to begin with.  Who wants
to try another, as the labs do, hands its table other classes.  They are asked for when a
connection is made, or moves from one state to another, and not when data passes.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from rudp.core.receive.receiver import Receiver
from rudp.core.segment.isn import IsnSource
from rudp.core.send.sender import Sender
from rudp.core.terms.state import Cause, State, after


class Parts(NamedTuple):
    """The classes, or whatever makes or does the same.

    ``after``: where a cause leads to from a state.  ``cookies``: makes what
    :class:`rudp.core.demux.syncookie.SynCookies` is of the secret and ``isn``; None for that.
    """

    sender: Callable[..., Sender] = Sender
    receiver: Callable[..., Receiver] = Receiver
    after: Callable[[State, Cause], State] = after
    isn: Callable[[bytes], IsnSource] = IsnSource
    cookies: Callable[[bytes, IsnSource], Any] | None = None


USUAL: Final = Parts()
"""Those of the package."""
