"""rudp, on the sockets it chooses itself or on those of other systems."""

from typing import Any

import rudp
from bench.peers import base


class Peer(base.Peer):
    """rudp at its defaults but for *options*, fields of :class:`rudp.Config`."""

    def __init__(self, **options: Any) -> None:
        self._config = rudp.Config(**options)

    async def listen(self, handler: base.Handler, host: str) -> int:
        self._server = await rudp.start_server(
            handler, host, 0, config=self._config, backlog=1024, **self.serving()
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def open(self, host: str, port: int) -> base.Connection:
        return base.over(
            await rudp.open_connection(host, port, config=self._config, **self.opening())
        )
