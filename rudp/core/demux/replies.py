"""Answers that belong to no connection: they wait here until they are polled, a bounded number.

RSTs for what reaches nobody (RFC 9293 §3.10.7.1), within the throttle; SYN,ACKs that are cookies;
acknowledgements in TIME-WAIT.
"""

import random
from collections import deque
from typing import Final

from rudp.config import Config
from rudp.core.demux.throttle import ResetThrottle
from rudp.core.segment import options, wire
from rudp.core.segment.seqnum import SEQ_MASK
from rudp.core.segment.transmit import Path, Transmit
from rudp.core.segment.wire import ACK, FIN, RST, SYN, Run, swap_ports
from rudp.core.terms.counters import Count, Counters

REPLIES_MAX: Final = 4096
"""Answers of no connection that may wait to be sent."""


class Replies:
    """The answers of one table, the oldest first in ``queue``; *chance* as in the throttle."""

    __slots__ = ("_config", "_counters", "_resets", "queue")

    def __init__(self, config: Config, counters: Counters, chance: random.Random) -> None:
        self._config = config
        self._counters = counters
        self.queue: deque[Transmit] = deque()
        self._resets = ResetThrottle(config, chance)

    def add(self, path: Path, segment: bytes) -> Transmit | None:
        """Let *segment* wait to be sent; None, and it is counted, if there are too many."""
        if len(self.queue) >= REPLIES_MAX:
            self._counters[Count.SEND_DROPPED] += 1
            return None
        size = len(segment)
        reply = Transmit(path, [segment], size, size, self._config.dscp, self._config.ttl)
        self.queue.append(reply)
        return reply

    def refuse(self, run: Run, path: Path, now: float) -> Transmit | None:
        """Answer *run* with a RST, unless there were too many (ST-9, ST-11)."""
        if not self._resets.allows(path, run.ports, now):
            self._counters[Count.RST_THROTTLED] += 1
            return None
        self._counters[Count.RST_SENT] += 1
        tsval = run.options.tsval
        opts = b"" if tsval is None else options.encode((0, tsval))
        ports = swap_ports(run.ports)
        if run.flags & ACK:
            return self.add(path, wire.pack_segment(ports, run.ack, 0, RST, 0, opts))
        length = run.length + bool(run.flags & SYN) + bool(run.flags & FIN)
        ack = (run.seq + length) & SEQ_MASK
        return self.add(path, wire.pack_segment(ports, 0, ack, RST | ACK, 0, opts))
