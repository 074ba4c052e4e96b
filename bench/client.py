"""What a workload measures with: connections to a server that can be asked."""

from typing import Any

from bench.child import Answer, Child
from bench.peers.base import Connection
from bench.plan import Plan


class Client:
    """The client's side of *plan*, whose *server* is running."""

    def __init__(self, plan: Plan, server: Child) -> None:
        self._host = plan.host
        self._peer = plan.peer()
        self._server = server
        self._port: int = server.ask()["port"]

    async def open(self) -> Connection:
        """Connect."""
        return await self._peer.open(self._host, self._port)

    def ask(self, **order: Any) -> Answer:
        """Return what :func:`bench.server.serve` answers; the loop stands still until it has."""
        return self._server.ask(**order)
