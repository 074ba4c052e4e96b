"""A peer's talk with a rendezvous: it enters a room, and hears who else is there.

It talks over the very socket that is to reach the other, so what the rendezvous sees is the address
that others see, too, if the NAT gives all of them the same.  Whether it does shows a question of
STUN to a second port of the rendezvous.
"""

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

from rudp.aio.connect import open_from
from rudp.aio.streams import StreamProtocol, StreamReader, StreamWriter
from rudp.aio.transport import Transport
from rudp.config import Config
from rudp.core.segment.addresses import name_of
from rudp.core.segment.transmit import Address
from rudp.nat import words
from rudp.nat.endpoint import NatEndpoint
from rudp.nat.words import Offer, WordsError

ANSWER_TIME: Final = 5.0
"""Seconds in which a rendezvous answers."""

STUN_TIME: Final = 1.5
"""Seconds for which its second port is asked; without an answer it is not known what the NAT does.
"""

_ERRNO: Final = {
    "full": errno.EBUSY,
    "busy": errno.EAGAIN,
    "unknown": errno.ENOENT,
    "alone": errno.ETIMEDOUT,
}

logger: Final = logging.getLogger("rudp.punch")


class Meeting(NamedTuple):
    """What a peer knows of the other.

    *secret*: the two have it from the rendezvous.  *first*: whether we were there first.  *relay*:
    the port of the rendezvous that leads to the other, None for no relay.
    """

    mine: Offer
    peer: Offer
    secret: bytes
    first: bool
    relay: int | None


@contextlib.asynccontextmanager
async def meeting(
    endpoint: NatEndpoint,
    server: Address,
    name: str,
    inner_port: int,
    others: list[tuple[str, int, str]],
    *,
    relay: bool,
    wait: float | None,
) -> AsyncIterator[Meeting]:
    """Enter the room *name* of the rendezvous at *server*, and leave it at the end.

    *others*: more addresses of ours.  *wait*: seconds until the other must be there.  Raises
    :class:`TimeoutError` if it is not; :class:`OSError` with EBUSY if there are two already, with
    ENOENT for an unknown room, with EAGAIN where too many come, with EPROTO for a rendezvous that
    makes no sense; what else ends the connection to it.
    """
    where = name_of(server)
    try:
        transport, reader, writer = await _open(endpoint, server)
        try:
            meeting = await _enter(
                reader, writer, endpoint, server, name, inner_port, others, relay=relay, wait=wait
            )
        except EOFError:
            transport.close()
            raise
        except BaseException:
            transport.reset()
            raise
    except WordsError as error:
        what = f"the rendezvous at {where} makes no sense: {error}"
        raise OSError(errno.EPROTO, what) from None
    except EOFError:
        what = f"the rendezvous at {where} has ended the connection"
        raise ConnectionResetError(errno.ECONNRESET, what) from None
    except OSError as error:
        if where in str(error):
            raise
        code = error.errno or errno.ETIMEDOUT
        what = f"the rendezvous at {where}: {os.strerror(code).lower()}"
        raise OSError(code, what) from error
    try:
        yield meeting
    finally:
        transport.reset()  # nothing of it is left, nor does it hold the socket in TIME-WAIT


async def _open(
    endpoint: NatEndpoint, server: Address
) -> tuple[Transport, asyncio.StreamReader, asyncio.StreamWriter]:
    loop = endpoint.loop
    reader = StreamReader(limit=words.LINE_MAX, loop=loop)
    protocol = StreamProtocol(reader, None, loop)
    config = Config(connect_timeout=ANSWER_TIME, keepalive=25.0, keepalive_count=3)
    transport, _ = await open_from(loop, lambda: protocol, config, None, None, endpoint, server)
    transport.begin()
    return transport, reader, StreamWriter(transport, protocol, reader, loop)


async def _enter(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    endpoint: NatEndpoint,
    server: Address,
    name: str,
    inner_port: int,
    others: list[tuple[str, int, str]],
    *,
    relay: bool,
    wait: float | None,
) -> Meeting:
    words.say(writer, rudp=words.VERSION, room=words.room_id(name))
    said = await _answer(reader, server, ANSWER_TIME, "does not answer")
    seen = words.address(said.get("seen"))
    varies = await _varies(endpoint, (server[0], words.port(said.get("stun")), *server[2:]), seen)
    mine = Offer(inner_port, _addresses(endpoint, seen, others), varies, relay)
    logger.debug("we are at %s, seen at %s:%d, varies: %s", endpoint.sockname, *seen, varies)
    words.say(writer, **mine.said())
    said = await _answer(reader, server, wait, f"nobody else has come in {wait or 0:g} s")
    peer = Offer.read(words.field(said, "peer", dict))
    secret = bytes.fromhex(words.hexadecimal(said.get("secret"), words.SECRET_SIZE))
    port = said.get("relay")
    return Meeting(
        mine,
        peer,
        secret,
        said.get("first") is True,
        words.port(port) if port is not None else None,
    )


async def _answer(
    reader: asyncio.StreamReader, server: Address, seconds: float | None, if_not: str
) -> Any:
    try:
        async with asyncio.timeout(seconds):
            said = await words.hear(reader)
    except TimeoutError:
        what = f"the rendezvous at {name_of(server)}: {if_not}"
        raise TimeoutError(errno.ETIMEDOUT, what) from None
    if isinstance(said, dict) and "error" in said:
        text = "".join(c for c in str(said.get("text"))[:200] if c.isprintable())
        code = _ERRNO.get(str(said["error"]), errno.ECONNABORTED)
        raise OSError(code, f"the rendezvous at {name_of(server)}: {text}")
    if not isinstance(said, dict):
        raise WordsError("it is no object")
    return said


async def _varies(endpoint: NatEndpoint, server: Address, seen: tuple[str, int]) -> bool | None:
    """Return whether the NAT gives the other port of the rendezvous another port than it saw."""
    try:
        async with asyncio.timeout(STUN_TIME):
            return await endpoint.ask(server) != seen
    except OSError as error:
        logger.debug("what the NAT does is not known: %s", error)
        return None


def _addresses(
    endpoint: NatEndpoint, seen: tuple[str, int], others: list[tuple[str, int, str]]
) -> tuple[tuple[str, int, str], ...]:
    """Return all our addresses, those that need no NAT first."""
    own = str(endpoint.sockname[0]), int(endpoint.sockname[1])
    found = [(*own, "host")] if own[0] not in ("0.0.0.0", "::") else []
    if own != seen:
        found.append((*seen, "mapped"))
    return tuple([*found, *others][: words.ADDRESSES_MAX])
