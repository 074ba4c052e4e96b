"""Stands between a table and its network, where each segment is a datagram of octets.

So the part that makes octets of segments, or looks after them on the way, can be another.
"""

import abc

from rudp.core.segment.transmit import Path, Transmit
from rudp.sim.network import Table


class Between(abc.ABC):
    """A table behind something that changes its datagrams."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @abc.abstractmethod
    def leave(self, datagram: bytes, path: Path) -> bytes:
        """Return what goes to the network for *datagram*, which the table sends."""

    @abc.abstractmethod
    def enter(self, datagram: bytes, path: Path) -> bytes | None:
        """Return what the table gets for *datagram* from the network, None for nothing."""

    @property
    def next_deadline(self) -> float:
        """That of the table."""
        return self._table.next_deadline

    def handle_datagrams(self, data: bytes, stride: int, path: Path, now: float, ecn: int) -> None:
        """Hand the table what is to enter, one by one."""
        for at in range(0, len(data), stride):
            datagram = self.enter(data[at : at + stride], path)
            if datagram is not None:
                self._table.handle_datagrams(datagram, len(datagram), path, now, ecn)

    def handle_timeouts(self, now: float) -> None:
        """Hand it on."""
        self._table.handle_timeouts(now)

    def poll_transmit(self, now: float) -> Transmit | None:
        """Return what the table sends, changed."""
        run = self._table.poll_transmit(now)
        if run is None:
            return None
        changed = b"".join(self.leave(one, run.path) for one in run.datagrams())
        if len(changed) != run.total:
            raise ValueError(f"{run.total} octets were to be sent, and {len(changed)} are")
        return Transmit(run.path, [changed], run.size, run.total, run.dscp, run.ttl, run.ecn)
