"""The four deadlines of a connection, and the earliest of them.

A timer here is a float that somebody compares with the time; the one real timer belongs to the
endpoint.  ``loss`` has a kind, because retransmission and persist exclude each other.
"""

import enum
import math
from typing import Final

OFF: Final = math.inf
"""A deadline that never comes."""


class LossTimer(enum.Enum):
    """What the ``loss`` deadline is about."""

    RTO = "retransmission"
    PERSIST = "persist"


class Timers:
    """Deadlines in seconds on the endpoint's clock; :data:`OFF` where none is set.

    ``loss``: retransmission or persist.  ``ack``: the delayed acknowledgement.  ``idle``:
    keep-alive and, once nobody reads, FIN-WAIT-2.  ``open``: how long the user waits for an open.
    """

    __slots__ = ("ack", "idle", "loss", "loss_kind", "open")

    def __init__(self) -> None:
        self.loss = OFF
        self.loss_kind = LossTimer.RTO
        self.ack = OFF
        self.idle = OFF
        self.open = OFF

    def next(self) -> float:
        """Return the earliest deadline, :data:`OFF` if there is none."""
        return min(self.loss, self.ack, self.idle, self.open)

    def stop(self) -> None:
        """Switch all of them off."""
        self.loss = self.ack = self.idle = self.open = OFF
