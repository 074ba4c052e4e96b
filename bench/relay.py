"""Packets wait their time: the loop that joins two TUN devices by two links.

What the kernel puts into one device is read at once, and a :class:`~rudp.sim.link.Link` says when
it arrives; until then it lies in a heap, and when the time has come it is written into the other
device.  A packet thus suffers exactly what a datagram of a simulation suffers.

At real-time priority, which also takes the slack out of timers, a packet is delivered some 25 µs
late, and busy ends on the other CPU do not delay it.
"""

import heapq
import os
import select
import time
from typing import Any, Final

from rudp.sim.link import Link

BATCH: Final = 32
"""Packets read from one device before the other has its turn."""

_SIZE: Final = 65_535


class Direction:
    """Reads from one device, writes into the other, and counts.

    ``late``: seconds between due and done, summed over ``delivered`` packets, and ``latest`` the
    largest; ``lost_octets``: TCP payload, the kernel's or rudp's, that queue and chance took;
    ``refused``: packets that the device did not take.
    """

    def __init__(self, source: int, destination: int, link: Link) -> None:
        self.source = source
        self.destination = destination
        self.link = link
        self.delivered = 0
        self.refused = 0
        self.lost_octets = 0
        self.late = 0.0
        self.latest = 0.0

    def counters(self) -> dict[str, float]:
        """Return what has been counted so far."""
        link = self.link
        return {
            "sent": link.sent,
            "lost": link.lost,
            "dropped": link.dropped,
            "reordered": link.reordered,
            "duplicated": link.duplicated,
            "lost_octets": self.lost_octets,
            "delivered": self.delivered,
            "refused": self.refused,
            "late": self.late,
            "latest": self.latest,
        }


class Relay:
    """Two directions and what is under way in them."""

    def __init__(self, forward: Direction, backward: Direction) -> None:
        self._directions = {forward.source: forward, backward.source: backward}
        self._under_way: list[tuple[float, int, Direction, bytes]] = []
        self._count = 0

    def run(self, until: list[Any]) -> None:
        """Carry packets until one of the files *until* can be read."""
        watched = [*self._directions, *until]
        while True:
            due = self._deliver()
            wait = None if due is None else max(due - time.monotonic(), 0.0)
            for ready in select.select(watched, [], [], wait)[0]:
                direction = self._directions.get(ready)
                if direction is None:
                    return
                self._take(direction)

    def _take(self, direction: Direction) -> None:
        """Read what has been sent."""
        source = direction.source
        carry = direction.link.carry
        now = time.monotonic()
        try:
            for _ in range(BATCH):
                packet = os.read(source, _SIZE)
                arrivals = carry(packet, now)
                if not arrivals:
                    direction.lost_octets += payload_octets(packet)
                for when, copy in arrivals:
                    self._count += 1
                    heapq.heappush(self._under_way, (when, self._count, direction, copy))
        except BlockingIOError:
            pass

    def _deliver(self) -> float | None:
        """Write what has arrived; return when the next packet arrives, if one is under way."""
        under_way = self._under_way
        while under_way:
            due, _, direction, packet = under_way[0]
            late = time.monotonic() - due
            if late < 0.0:
                return due
            heapq.heappop(under_way)
            try:
                os.write(direction.destination, packet)
            except OSError:
                direction.refused += 1
            direction.delivered += 1
            direction.late += late
            direction.latest = max(direction.latest, late)
        return None


def payload_octets(packet: bytes) -> int:
    """Return the octets of data in an IPv4 packet of TCP, or of rudp over UDP; 0 in any other."""
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return 0
    header = (packet[0] & 15) * 4
    if packet[9] == 17:
        header += 8
    elif packet[9] != 6:
        return 0
    if len(packet) < header + 20:
        return 0
    length = int.from_bytes(packet[2:4], "big")
    return max(length - header - (packet[header + 12] >> 4) * 4, 0)
