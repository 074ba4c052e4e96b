"""qh3: aioquic's descendant, with the cryptography and some more in Rust."""

from typing import Any

from qh3.asyncio import connect, serve
from qh3.quic.configuration import QuicConfiguration

from bench.peers import quic


class Peer(quic.LikeAioquic):
    """qh3 at its defaults."""

    connect = staticmethod(connect)
    serve = staticmethod(serve)

    def configuration(self, **options: Any) -> Any:
        return QuicConfiguration(alpn_protocols=["bench"], idle_timeout=quic.IDLE, **options)
