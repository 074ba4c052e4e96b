"""What may be watched, said once and in the RFC's words.

A table and its connections hold one tracer or None.  The core tells it what happened and never
asks anything back; how it looks as a ladder or a log line is decided elsewhere.
"""

from typing import TYPE_CHECKING, Protocol

from rudp.core.state import State

if TYPE_CHECKING:
    from rudp.core.transmit import Transmit
    from rudp.core.wire import Run


class Tracer(Protocol):
    """The events of a connection; *ports* is local port << 16 | remote port, *now* seconds."""

    def run_sent(self, ports: int, transmit: "Transmit", state: State, now: float) -> None:
        """Datagrams of a connection in *state* go to the socket."""

    def run_received(self, ports: int, run: "Run", state: State, now: float) -> None:
        """A run reached a connection in *state* and is about to be processed."""

    def state_moved(self, ports: int, before: State, after: State, now: float) -> None:
        """A connection went along an arrow of the state diagram."""
