"""aioquic: QUIC in Python."""

from typing import Any

from aioquic.asyncio import connect, serve
from aioquic.quic.configuration import QuicConfiguration

from bench.peers import quic


class Peer(quic.LikeAioquic):
    """aioquic at its defaults."""

    connect = staticmethod(connect)
    serve = staticmethod(serve)

    def configuration(self, **options: Any) -> Any:
        return QuicConfiguration(alpn_protocols=["bench"], idle_timeout=quic.IDLE, **options)
