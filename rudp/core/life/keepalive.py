"""Keep-alive: is a peer that has been quiet for long still there?

This is what a connection knows of it that uses it (RFC 9293 §3.8.4); most have no such object.
"""

from typing import Self

from rudp.config import Config


class KeepAlive:
    """Settings, and the probes that nobody has answered.

    ``on``: whether any are sent.  After ``idle`` seconds of silence there is one every ``interval``
    seconds, and after ``count`` of them the peer counts as gone.
    """

    __slots__ = ("_probed_at", "_probes", "count", "idle", "interval", "on")

    def __init__(self, on: bool, idle: float, interval: float, count: int) -> None:
        self.on = on
        self.idle = idle
        self.interval = interval
        self.count = count
        self._probes = 0
        self._probed_at = 0.0

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return what *config* asks for: a number stands for both times (UDP-12)."""
        on = bool(config.keepalive)
        if isinstance(config.keepalive, bool):
            return cls(on, config.keepalive_idle, config.keepalive_interval, config.keepalive_count)
        return cls(on, config.keepalive, config.keepalive, config.keepalive_count)

    def unanswered(self, last_heard: float) -> int:
        """Return how many probes have left since the peer was heard, at *last_heard*."""
        return self._probes if last_heard < self._probed_at else 0

    def probe(self, last_heard: float, now: float) -> None:
        """One more leaves."""
        self._probes = self.unanswered(last_heard) + 1
        self._probed_at = now

    def forgive(self, last_heard: float) -> None:
        """A probe that was out while nobody could hear may have been answered: leave it out."""
        self._probes = max(self.unanswered(last_heard) - 1, 0)
