"""Flows that share one link in virtual time, by a loop that does nothing else.

:class:`rudp.sim.Network` asks everybody after each instant; here it is known who has to be asked,
the one whose datagram arrived.  Each flow is a pair of tables, one end sends as much as it can and
the other reads at once.  All flows go through the same :class:`~rudp.sim.link.Link` forward and
through another backward, so they share rate and queue, which may be a managed one.
"""

import heapq
import math
import random
from collections.abc import Callable
from typing import Any, Final

from rudp.config import Config
from rudp.core.demux.listener import Listener
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import Address
from rudp.core.watch.info import ConnectionInfo
from rudp.sim.link import Copy, Link

PORT: Final = 7000
CHUNK: Final = bytes(1 << 20)
BACKLOG: Final = 1 << 19
"""Octets not sent yet below which the sender writes another ``CHUNK``."""

BUFFERS: Final = {"receive_buffer": 48 << 20, "send_buffer": 48 << 20, "buffers_max": 1 << 30}
"""Settings of rudp unless others are asked for: no buffer limits a flow."""


class _End:
    """One table, and when the loop will wake it."""

    __slots__ = ("alarm", "flow", "link", "other", "path", "sends", "table")

    def __init__(self, flow: "Flow", table: ConnectionTable, peer: Address, link: Link) -> None:
        self.flow = flow
        self.table = table
        self.path = (peer, "")
        self.link = link  # on which it sends
        self.sends = False
        self.alarm = math.inf
        self.other = self


class Flow:
    """A transfer from its beginning to the end of the simulation.

    ``received``: octets that the receiver has read; ``lost`` datagrams of the sender, by chance or
    in a full ``dropped`` queue.
    """

    __slots__ = ("dropped", "listener", "lost", "name", "received", "receiver", "sender", "start")

    def __init__(self, name: str, start: float) -> None:
        self.name = name
        self.start = start
        self.received = 0
        self.lost = 0
        self.dropped = 0
        self.listener: Listener
        self.sender: Connection | None = None
        self.receiver: Connection | None = None

    def info(self) -> ConnectionInfo:
        """Return the snapshot of the sending end, which has been opened."""
        assert self.sender is not None
        return self.sender.info()


class Simulation:
    """One bottleneck and its flows.  ``now``: seconds since the beginning.

    ``waited``, if given, is called for every datagram that goes forward and arrives, with its flow,
    the seconds it takes beyond the delay of the link, and how many of these it is being sent
    itself; the others are those of the queue.
    """

    def __init__(self, forward: Link, backward: Link, *, seed: int = 0) -> None:
        self.forward = forward
        self.backward = backward
        self.now = 0.0
        self.flows: list[Flow] = []
        self.waited: Callable[[Flow, float, float], object] | None = None
        self._seed = seed
        self._delay = forward.options["delay"]
        self._overhead = forward.options["overhead"]
        self._octet = 8 / (forward.options["rate"] or math.inf)
        # For a datagram it and its ECN bits, None for an alarm, a link whose queue is to be asked.
        self._events: list[tuple[float, int, _End, tuple[bytes, int] | Link | None]] = []
        self._asked: dict[Link, float] = {}
        self._count = 0

    def add(self, name: str, settings: dict[str, Any], *, start: float = 0.0) -> Flow:
        """Let a flow begin at *start*; *settings* are fields of :class:`rudp.Config`."""
        number = len(self.flows)
        config = Config(**(BUFFERS | settings))
        addresses: tuple[Address, Address] = (("10.0.0.1", PORT + number), ("10.0.0.2", PORT))
        flow = Flow(name, start)
        ends = []
        for which, link in enumerate((self.forward, self.backward)):
            chance = random.Random(f"{self._seed} {number} {which}")
            table = ConnectionTable(config, secret=chance.randbytes(32), chance=chance)
            if self.forward.holds:  # else nobody marks
                table.enable_ecn()
            ends.append(_End(flow, table, addresses[1 - which], link))
        sender, receiver = ends
        sender.other, receiver.other = receiver, sender
        sender.sends = True
        flow.listener = receiver.table.listen(PORT)
        self.flows.append(flow)
        sender.alarm = start
        self._push(start, sender, None)
        return flow

    def run(self, until: float) -> None:
        """Let everything happen that is due by *until*, in seconds."""
        events = self._events
        while events and events[0][0] <= until:
            when, _, end, data = heapq.heappop(events)
            now = self.now = max(when, self.now)
            if isinstance(data, Link):
                self._ask(data, end)
                continue
            table = end.table
            if data is None:
                if when == end.alarm:
                    end.alarm = math.inf
                if end.flow.sender is None:
                    end.flow.sender = table.open_active(end.path, PORT, now)
                elif table.next_deadline <= now:
                    table.handle_timeouts(now)
            else:
                table.handle_datagrams(data[0], len(data[0]), end.path, now, data[1])
                if end.sends:
                    self._write(end)
                else:
                    self._read(end.flow)
            self._flush(end, now)
        self.now = until

    def _write(self, end: _End) -> None:
        sender = end.flow.sender
        assert sender is not None
        if sender.unsent_octets < BACKLOG:
            sender.send(CHUNK)
            end.table.touch(sender)

    def _read(self, flow: Flow) -> None:
        receiver = flow.receiver
        if receiver is None:
            if not flow.listener.accepted:
                return
            receiver = flow.receiver = flow.listener.accepted.popleft()
        if receiver.readable_octets:
            flow.received += len(receiver.receive())

    def _flush(self, end: _End, now: float) -> None:
        table = end.table
        while (transmit := table.poll_transmit(now)) is not None:
            for datagram in transmit.datagrams():
                self._carry(end, datagram, transmit.ecn, now)
        deadline = table.next_deadline
        if deadline < end.alarm:
            end.alarm = deadline
            self._push(deadline, end, None)

    def _carry(self, end: _End, datagram: bytes, ecn: int, now: float) -> None:
        link = end.link
        dropped = link.dropped
        if link.holds:
            link.hold(datagram, ecn, now, (end, now))
            self._ask(link, end)
        else:
            copies = link.convey(datagram, ecn, now)
            self._decided(end, copies, link.dropped - dropped, now)

    def _ask(self, link: Link, end: _End) -> None:
        """Take what has left the managed queue of *link*, and come again when there is more."""
        now = self.now
        for (sender, sent), copies in link.release(now):
            # What is lost here was dropped, unless the link loses some besides.
            self._decided(sender, copies, not copies and not link.options["loss"], sent)
        due = link.due
        if due < math.inf and self._asked.get(link, -math.inf) <= now:
            self._asked[link] = due
            self._push(due, end, link)

    def _decided(self, end: _End, copies: list[Copy], dropped: int, sent: float) -> None:
        """*copies* are what arrives of a datagram of *end*."""
        if end.sends:
            if not copies:
                end.flow.lost += 1
                end.flow.dropped += dropped
            elif self.waited is not None:
                when, data, _ = copies[0]
                self.waited(
                    end.flow, when - sent - self._delay, (len(data) + self._overhead) * self._octet
                )
        for when, copy, ecn in copies:
            self._push(when, end.other, (copy, ecn))

    def _push(self, when: float, end: _End, data: tuple[bytes, int] | Link | None) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, end, data))
