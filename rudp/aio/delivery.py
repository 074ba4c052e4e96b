"""What a transport can do beyond asyncio's, by functions that take TLS transports as well.

``connection_lost(None)`` says that all has been sent once, as it says over the kernel's TCP that
the kernel has all.  Here one can also wait for the acknowledgement, or end in a way that no peer
takes for an end.
"""

import asyncio
from typing import Any

from rudp.aio.transport import Transport
from rudp.core.watch.info import ConnectionInfo


async def delivered(transport: asyncio.BaseTransport) -> None:
    """Wait until the peer's TCP has acknowledged everything written to *transport*, FIN included.

    *transport*: rudp's, or a TLS transport over one, after ``close()`` or ``write_eof()``; before
    that it waits for one of these as well.  It may be called at any time, also when
    ``connection_lost`` has been.  Acknowledged means that the peer's TCP has it, not that the
    peer's program has read it.  If a peer that has ended too has all octets, its acknowledgement of
    our end is waited for only a second more: it may be gone.

    Raises what ended the connection before: :class:`ConnectionResetError`, :class:`TimeoutError`,
    or :class:`ConnectionAbortedError` if it was our own ``abort()``; :class:`TypeError` for
    another kind of transport.
    """
    await innermost(transport).delivery()


def reset(transport: asyncio.BaseTransport) -> None:
    """Abort *transport* so that its peer hears of an error, and takes nothing for whole.

    ``abort()`` ends the stream in order if nothing is dropped by it, as over the kernel's TCP.
    This is for a program that knows that its octets are not all there should be.  What the windows
    let go now is still sent before the RST.  Raises :class:`TypeError` as :func:`delivered` does.
    """
    innermost(transport).reset()


def info(stream: asyncio.BaseTransport | asyncio.StreamWriter) -> ConnectionInfo:
    """Return a snapshot of the connection below *stream*: a transport or a writer, TLS or not.

    ``print()`` shows it with units.  Raises :class:`TypeError` as :func:`delivered` does.
    """
    if isinstance(stream, asyncio.StreamWriter):
        stream = stream.transport
    return innermost(stream).info()


def innermost(transport: Any) -> Transport:
    """Return rudp's transport below all layers of TLS."""
    while not isinstance(transport, Transport):
        layer = getattr(transport, "_ssl_protocol", None)
        transport = getattr(layer, "_below", None)
        if transport is None:
            raise TypeError("this is no transport of rudp's")
    return transport
