"""What the adapters of QUIC libraries share: a certificate, one stream a connection.

The client does not verify the certificate, which is to the libraries' advantage.
"""

import abc
import asyncio
import atexit
import contextlib
import ssl
import tempfile
from pathlib import Path
from typing import Any, Final

from bench.peers import base

IDLE: Final = 600.0
"""Seconds that a connection may be silent: with the usual 30 it would not outlive a sample."""


class Quic(base.Peer):
    """A library that is built like aioquic."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    @abc.abstractmethod
    def configuration(self, **options: Any) -> Any:
        """Return a configuration of the library with *options*."""

    def of_client(self) -> Any:
        """Return the client's configuration."""
        return self.configuration(is_client=True, verify_mode=ssl.CERT_NONE)

    def of_server(self) -> Any:
        """Return the server's configuration, with a certificate that nobody has heard of."""
        import trustme

        certificate = trustme.CA().issue_cert("127.0.0.1")
        made = self.configuration(is_client=False)
        folder = tempfile.TemporaryDirectory()
        atexit.register(folder.cleanup)  # some read the files later
        chain, key = Path(folder.name) / "chain.pem", Path(folder.name) / "key.pem"
        certificate.cert_chain_pems[0].write_to_path(chain)
        certificate.private_key_pem.write_to_path(key)
        made.load_cert_chain(str(chain), str(key))
        return made

    def begin(
        self, handler: base.Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve a stream."""
        task = asyncio.ensure_future(handler(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class LikeAioquic(Quic):
    """A library whose functions *connect* and *serve* are aioquic's."""

    connect: Any
    serve: Any

    async def listen(self, handler: base.Handler, host: str) -> int:
        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.begin(handler, *draining(reader, writer))

        server = await self.serve(host, 0, configuration=self.of_server(), stream_handler=begin)
        port: int = server._transport.get_extra_info("sockname")[1]
        return port

    async def open(self, host: str, port: int) -> base.Connection:
        async with contextlib.AsyncExitStack() as stack:
            protocol = await stack.enter_async_context(
                self.connect(host, port, configuration=self.of_client())
            )
            streams = draining(*await protocol.create_stream())
            return base.Connection(*streams, stack.pop_all().aclose)
        raise AssertionError


def draining(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Make ``drain()`` work: qh3's writers have no protocol to ask."""
    if writer._protocol is None:  # type: ignore[attr-defined]
        writer._protocol = asyncio.StreamReaderProtocol(reader)  # type: ignore[attr-defined]
    return reader, writer
