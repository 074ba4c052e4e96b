"""What a transport can do beyond asyncio's, by functions that take TLS and writers as well.

``connection_lost(None)`` says that all has been sent once, as it says over the kernel's TCP that
the kernel has all.  Here one can also wait for the acknowledgement, or end in a way that no peer
takes for an end.
"""

import asyncio
from typing import Any, TypeAlias

from rudp.aio.transport import Transport
from rudp.core.watch.info import ConnectionInfo
from rudp.keys import MasterKey, check_keys

Stream: TypeAlias = asyncio.BaseTransport | asyncio.StreamWriter


async def delivered(stream: Stream) -> None:
    """Wait until the peer's TCP has acknowledged everything written to *stream*, FIN included.

    *stream*: a transport of rudp's, a TLS transport over one, or the writer of either, after
    ``close()`` or ``write_eof()``; before that it waits for one of these as well.  It may be called
    at any time, also when ``connection_lost`` has been.  Acknowledged means that the peer's TCP has
    it, not that the peer's program has read it.  If a peer that has ended too has all octets, its
    acknowledgement of our end is waited for only a second more: it may be gone.

    Raises what ended the connection before: :class:`ConnectionResetError`, :class:`TimeoutError`,
    or :class:`ConnectionAbortedError` if it was our own ``abort()``; :class:`TypeError` for
    another kind of stream.
    """
    await innermost(stream).delivery()


def reset(stream: Stream) -> None:
    """Abort *stream* so that its peer hears of an error, and takes nothing for whole.

    ``abort()`` ends the stream in order if nothing is dropped by it, as over the kernel's TCP.
    This is for a program that knows that its octets are not all there should be.  What the windows
    let go now is still sent before the RST.  Raises :class:`TypeError` as :func:`delivered` does.
    """
    innermost(stream).reset()


def info(stream: Stream) -> ConnectionInfo:
    """Return a snapshot of the connection below *stream*: a transport or a writer, TLS or not.

    ``print()`` shows it with units.  Raises :class:`TypeError` as :func:`delivered` does.
    """
    return innermost(stream).info()


def set_keys(stream: Stream, *keys: MasterKey) -> None:
    """Go on with other *keys* in the connection below *stream*, without a pause (RFC 5925 §7.5).

    The peer is asked to sign with the first; it does so from then on if it has it.  It asks for one
    of them in its turn, and as long as it does not, the one in use goes on.  What it has signed
    with any of them is believed, so the old one belongs among them until it is not used any more,
    which ``key_ids`` of :func:`info` shows.

    Raises :class:`ValueError` for keys that cannot be told apart, if the connection began without,
    and if none is for this peer; :class:`TypeError` as :func:`delivered` does.
    """
    check_keys(keys)
    innermost(stream).get_extra_info("set_keys")(keys)


async def rebind(stream: Stream, local_addr: tuple[str, int] | None = None) -> None:
    """Let the connection below *stream*, which has ``key=``, go on from another UDP socket.

    *local_addr*: host and port of that, None for what the system chooses now.  All connections
    that share the socket come along.  The peer is told at once, and asked until it knows; what was
    under way goes again.  For five seconds the old socket takes what is late.  It happens by itself
    when the system says that nothing leaves from our address any more.

    Raises :class:`OSError` if there is no such address or no network, and with EOPNOTSUPP if the
    connection cannot move: the server's end, one without a key, or whose peer does not know how;
    :class:`socket.gaierror` for an unknown name, :class:`TypeError` as :func:`delivered` does.
    """
    await innermost(stream).rebind(local_addr)


def innermost(stream: Stream) -> Transport:
    """Return rudp's transport below all layers of TLS."""
    transport: Any = stream.transport if isinstance(stream, asyncio.StreamWriter) else stream
    while not isinstance(transport, Transport):
        layer = getattr(transport, "_ssl_protocol", None)
        transport = getattr(layer, "_below", None)
        if transport is None:
            raise TypeError(f"a transport of rudp's was expected, or its writer, got {stream!r}")
    return transport
