"""What a datagram of STUN holds, as far as a binding needs it (RFC 8489).

A client asks a server "from where do I come?", and the answer has the address that the client's NAT
gave it.  The header has a magic cookie where a TCP segment has its sequence number, so both can
come to one socket and be told apart; what comes as an answer must besides repeat the 96 random bits
of a question.
"""

import dataclasses
import ipaddress
import secrets
import struct
from typing import Final

from rudp.core.segment.addresses import MAPPED
from rudp.core.segment.transmit import Address

COOKIE: Final = b"\x21\x12\xa4\x42"
HEADER_SIZE: Final = 20

MESSAGE_MAX: Final = 548
"""Octets of a message: what any host takes over IPv4 (RFC 8489 §6.1)."""

REQUEST: Final = 0x0001
INDICATION: Final = 0x0011
SUCCESS: Final = 0x0101
ERROR: Final = 0x0111

_MAPPED_ADDRESS: Final = 0x0001
_ERROR_CODE: Final = 0x0009
_XOR_MAPPED_ADDRESS: Final = 0x0020
_MESSAGE_INTEGRITY: Final = 0x0008
_KNOWN: Final = frozenset({_MAPPED_ADDRESS, _MESSAGE_INTEGRITY, _ERROR_CODE, _XOR_MAPPED_ADDRESS})
_OPTIONAL: Final = 0x8000  # attributes from here on may be passed over (RFC 8489 §14)

_HEADER: Final = struct.Struct("!HH4s12s")
_ATTRIBUTE: Final = struct.Struct("!HH")

RTO: Final = 0.5
"""Seconds until a request is sent again, doubled each time (RFC 8489 §6.2.1)."""

REQUESTS: Final = 7
"""How often it is sent (Rc)."""

LAST_WAIT: Final = 16
"""How many RTO the last one is waited for (Rm)."""


class StunError(ValueError):
    """What came as an answer cannot be one; the text says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """A message: its type, the transaction it belongs to, and its attributes, the first of each."""

    kind: int
    transaction: bytes
    attributes: dict[int, bytes]


def is_stun(data: bytes | memoryview) -> bool:
    """Return whether *data* is a message of STUN by its looks (RFC 8489 §5)."""
    size = len(data)
    return (
        HEADER_SIZE <= size <= MESSAGE_MAX
        and data[4:8] == COOKIE
        and not (data[0] & 0xC0 or data[3] & 3)
        and (data[2] << 8 | data[3]) == size - HEADER_SIZE
    )


def parse(data: bytes | memoryview) -> Message | None:
    """Return the message in *data*, None if it is none, or broken."""
    if not is_stun(data):
        return None
    kind, _, _, transaction = _HEADER.unpack_from(data)
    attributes: dict[int, bytes] = {}
    at = HEADER_SIZE
    while at < len(data):
        if at + _ATTRIBUTE.size > len(data):
            return None
        name, size = _ATTRIBUTE.unpack_from(data, at)
        at += _ATTRIBUTE.size
        if at + size > len(data):
            return None
        attributes.setdefault(name, bytes(data[at : at + size]))
        at += size + (-size & 3)
    return Message(kind, transaction, attributes)


def request() -> tuple[bytes, bytes]:
    """Return a new transaction's number, 96 random bits, and its binding request."""
    transaction = secrets.token_bytes(12)
    return transaction, _pack(REQUEST, transaction)


def indication() -> bytes:
    """Return a binding indication: it asks nothing and opens NATs on its way (RFC 8445 §11)."""
    return _pack(INDICATION, secrets.token_bytes(12))


def success(transaction: bytes, address: Address) -> bytes:
    """Return the answer to a request that came from *address* (RFC 8489 §14.2)."""
    host = ipaddress.ip_address(str(address[0]).removeprefix(MAPPED))
    port = address[1] ^ int.from_bytes(COOKIE[:2], "big")
    family = 1 if host.version == 4 else 2
    packed = _xor(host.packed, transaction)
    value = struct.pack("!BBH", 0, family, port) + packed
    return _pack(SUCCESS, transaction, _ATTRIBUTE.pack(_XOR_MAPPED_ADDRESS, len(value)) + value)


def mapped_address(answer: Message) -> tuple[str, int]:
    """Return the host and port that *answer* says we come from.

    Raises :class:`StunError` if it says none, or one that nobody can come from.
    """
    if answer.kind == ERROR:
        raise StunError(f"it refuses: {_reason(answer.attributes.get(_ERROR_CODE, b''))}")
    strange = [name for name in answer.attributes if name < _OPTIONAL and name not in _KNOWN]
    if strange:
        raise StunError(f"it wants attribute 0x{strange[0]:04x} to be understood, which is not")
    value = answer.attributes.get(_XOR_MAPPED_ADDRESS)
    if value is None:
        raise StunError("it does not say from where we come")
    size = {1: 4, 2: 16}.get(value[1]) if len(value) >= 4 else None
    if size is None or len(value) != 4 + size:
        raise StunError(f"it gives an address of no known form: {value.hex()}")
    port = int.from_bytes(value[2:4], "big") ^ int.from_bytes(COOKIE[:2], "big")
    host = ipaddress.ip_address(_xor(value[4:], answer.transaction))
    if not port or host.is_unspecified or host.is_multicast or str(host) == "255.255.255.255":
        raise StunError(f"it says that we come from {host} port {port}, where nobody can be")
    return str(host), port


def _reason(value: bytes) -> str:
    if len(value) < 4:
        return "it does not say why"
    text = value[4:].decode(errors="replace")
    return f"{value[2] % 8 * 100 + value[3]} {''.join(c for c in text if c.isprintable())}".strip()


def _pack(kind: int, transaction: bytes, attributes: bytes = b"") -> bytes:
    return _HEADER.pack(kind, len(attributes), COOKIE, transaction) + attributes


def _xor(packed: bytes, transaction: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(packed, COOKIE + transaction, strict=False))
