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

    __slots__ = ("_probed_at", "_probes", "_refused", "count", "idle", "interval", "on")

    def __init__(self, on: bool, idle: float, interval: float, count: int) -> None:
        self.on = on
        self.idle = idle
        self.interval = interval
        self.count = count
        self._probes = 0
        self._probed_at = 0.0
        self._refused = False

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
        self._refused = False

    def refuse(self, last_heard: float) -> bool:
        """The peer's host says that nobody is there for the latest probe; return whether that is
        news: none may be out, or it may have been said of the same one before.
        """
        if self._refused or not self.unanswered(last_heard):
            return False
        self._refused = True
        return True

    def may_hurry(self, last_heard: float) -> bool:
        """Return whether the latest probe was refused, and another follows: it may come soon, but
        what follows the last one is the end of the connection, and comes when it is due.
        """
        return self._refused and 0 < self.unanswered(last_heard) < self.count

    def forgive(self, last_heard: float) -> None:
        """A probe that was out while nobody could hear may have been answered: leave it out."""
        self._probes = max(self.unanswered(last_heard) - 1, 0)
