"""The deadlines of a connection, and the earliest of them.

A timer here is a float that somebody compares with the time; the one real timer belongs to the
endpoint.  ``loss`` has a kind, because these four exclude each other (RFC 8985 §8).
"""

import enum
import math
from typing import Final

OFF: Final = math.inf
"""A deadline that never comes."""

DELAYED_ACK: Final = "delayed ACK"
PACING: Final = "pacing"
IDLE: Final = "idle"
PATIENCE: Final = "patience"
TIME_WAIT: Final = "2MSL"
"""What a watcher is told that the deadlines beside ``loss`` are about: for ``idle`` see below."""


class LossTimer(enum.Enum):
    """What the ``loss`` deadline is about."""

    RTO = "retransmission"
    PTO = "tail-loss probe"
    REORDERING = "reordering"
    PERSIST = "persist"


class Timers:
    """Deadlines in seconds on the endpoint's clock; :data:`OFF` where none is set.

    ``loss``: of a :class:`LossTimer`.  ``ack``: the delayed acknowledgement.  ``pace``: the next
    burst.  ``idle``: keep-alive and, once nobody reads, FIN-WAIT-2.  ``patience``: how long the
    user waits for an open, and then how long the peer may bring nothing forward.
    """

    __slots__ = ("ack", "idle", "loss", "loss_kind", "pace", "patience")

    def __init__(self) -> None:
        self.loss = OFF
        self.loss_kind = LossTimer.RTO
        self.ack = OFF
        self.pace = OFF
        self.idle = OFF
        self.patience = OFF

    def next(self) -> float:
        """Return the earliest deadline, :data:`OFF` if there is none."""
        earliest = self.loss  # min() of five would take three times as long
        if self.ack < earliest:
            earliest = self.ack
        if self.pace < earliest:
            earliest = self.pace
        if self.idle < earliest:
            earliest = self.idle
        return earliest if earliest < self.patience else self.patience

    def running(self) -> dict[str, float]:
        """Return those that are set, by what they are about."""
        names = (self.loss_kind.value, DELAYED_ACK, PACING, IDLE, PATIENCE)
        deadlines = (self.loss, self.ack, self.pace, self.idle, self.patience)
        return {name: at for name, at in zip(names, deadlines, strict=True) if at != OFF}

    def stop(self) -> None:
        """Switch all of them off."""
        self.loss = self.ack = self.pace = self.idle = self.patience = OFF
