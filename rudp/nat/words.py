"""What peers and a rendezvous say to each other: lines of JSON, each of them looked at closely.

A peer says which room it means and where it is; the rendezvous says from where it was seen, and
then to both who the other is.  Neither believes more than it has to: whoever is at the other end
may be old, broken or lying, and what does not fit ends the conversation with a reason.

::

    peer        {"rudp": 1, "room": "ab12..."}
    rendezvous  {"seen": ["203.0.113.1", 5000], "stun": 3479, "relay": false}
    peer        {"inner": 5000, "addresses": [["10.0.0.2", 5000, "host"], ...],
                 "varies": false, "relay": false}
    rendezvous  {"peer": {"inner": ..., "addresses": ..., "varies": ...}, "secret": "cd34...",
                 "first": true, "relay": 40000}

Instead of an answer the rendezvous may say ``{"error": "full", "text": "..."}``.
"""

import asyncio
import dataclasses
import hashlib
import ipaddress
import json
from typing import Any, Final, Self

from rudp.core.segment.transmit import Address

VERSION: Final = 1

LINE_MAX: Final = 2048
"""Octets of a line, at most."""

ADDRESSES_MAX: Final = 8
"""Addresses of a peer, at most: so many may be asked for a connection by who lies about his own."""

KINDS: Final = frozenset({"host", "mapped"})

SECRET_SIZE: Final = 16


class WordsError(ValueError):
    """What was said makes no sense; the text says why."""


@dataclasses.dataclass(frozen=True)
class Offer:
    """Where a peer is: its inner port, and addresses with their kinds, the best first.

    *varies*: whether its NAT gives each destination another port; None if that is not known.
    *relay*: whether it would be relayed.
    """

    inner: int
    addresses: tuple[tuple[str, int, str], ...]
    varies: bool | None
    relay: bool = False

    @classmethod
    def read(cls, said: Any) -> Self:
        """Return the offer that *said* is.  Raises :class:`WordsError`."""
        addresses = field(said, "addresses", list)
        if not 0 < len(addresses) <= ADDRESSES_MAX:
            raise WordsError(f"{len(addresses)} addresses where 1 to {ADDRESSES_MAX} may be")
        found = []
        for each in addresses:
            if not (isinstance(each, list) and len(each) == 3 and each[2] in KINDS):
                raise WordsError(f"{each!r} is no address with its kind")
            found.append((*address(each[:2]), each[2]))
        varies = said.get("varies")
        if varies is not None and not isinstance(varies, bool):
            raise WordsError(f"varies is {varies!r}")
        relay = said.get("relay", False)
        return cls(port(field(said, "inner", int)), tuple(found), varies, relay is True)

    def said(self) -> dict[str, Any]:
        """Return what :meth:`read` reads."""
        return dataclasses.asdict(self)


def room_id(name: str) -> str:
    """Return what stands for the room of this *name*: the name itself is said to nobody."""
    return hashlib.sha256(b"rudp room\0" + name.encode()).hexdigest()


def hexadecimal(text: Any, octets: int) -> str:
    """Return *text* if it is so many octets in hexadecimal digits.  Raises :class:`WordsError`."""
    if isinstance(text, str) and len(text) == 2 * octets and text.isascii():
        try:
            bytes.fromhex(text)
        except ValueError:
            pass
        else:
            return text.lower()
    raise WordsError(f"{str(text)[:80]!r} is not {octets} octets in hexadecimal digits")


def address(said: Any) -> tuple[str, int]:
    """Return the host and port that *said* is, of one host that may be spoken to.

    Raises :class:`WordsError`.
    """
    if not (isinstance(said, list) and len(said) == 2 and isinstance(said[0], str)):
        raise WordsError(f"{said!r} is no address")
    try:
        host = ipaddress.ip_address(said[0])
    except ValueError:
        raise WordsError(f"{said[0][:80]!r} is no address of a host") from None
    if host.is_multicast or host.is_unspecified or str(host) == "255.255.255.255":
        raise WordsError(f"{host} is no address of one host")
    return str(host), port(said[1])


def port(number: Any) -> int:
    """Return *number* if it is that of a port.  Raises :class:`WordsError`."""
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 1 << 16:
        raise WordsError(f"{number!r} is no port")
    return number


def field(said: Any, name: str, kind: type) -> Any:
    """Return what *said* has under *name*.  Raises :class:`WordsError`."""
    if not isinstance(said, dict):
        raise WordsError("it is no object")
    value = said.get(name)
    if not isinstance(value, kind):
        raise WordsError(f"its {name} is {str(value)[:80]!r}")
    return value


def spelled(where: Address) -> list[Any]:
    """Return an address as it is said."""
    return [str(where[0]).removeprefix("::ffff:"), int(where[1])]


async def hear(reader: asyncio.StreamReader) -> Any:
    """Return what the next line says.

    Raises :class:`EOFError` at the end, :class:`WordsError` for what is no JSON, and what ended
    the connection.
    """
    try:
        line = await reader.readline()
    except ValueError:
        raise WordsError(f"a line has more than {LINE_MAX} octets") from None
    if not line.endswith(b"\n"):
        raise EOFError
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise WordsError(f"{line[:80]!r} is no JSON") from None


def say(writer: asyncio.StreamWriter, **said: Any) -> None:
    """Say something."""
    writer.write(json.dumps(said, separators=(",", ":")).encode() + b"\n")
