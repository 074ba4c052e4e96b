"""Message authentication codes of 96 bits, and the keys that they are computed with (RFC 5926).

A *master key* is what people agree on.  A *traffic key* is made from it for one direction of one
connection, by a key derivation function whose context is the names and the initial numbers of
that connection; only traffic keys touch segments.  HMAC is a hash inside of a hash, each of which
begins with the key; what depends on the key alone is computed once and copied for each segment,
which takes 1.6 µs for 1448 octets where :func:`hmac.digest` takes 2.6 to 4.6.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final, Protocol

MAC_SIZE: Final = 12
"""Octets of a MAC: all algorithms of RFC 5926 are cut to 96 bits, and so are Linux's by default."""

LABEL: Final = b"TCP-AO"
"""What a traffic key is for, in the words of RFC 5926 §3.1."""

_BLOCK: Final = 64  # octets that SHA-1 and SHA-256 take at a time
_INNER: Final = bytes(octet ^ 0x36 for octet in range(256))  # RFC 2104 §2
_OUTER: Final = bytes(octet ^ 0x5C for octet in range(256))

Octets = bytes | memoryview


class Mac(Protocol):
    """Computes MACs under one traffic key."""

    def each(self, preface: bytes, heads: Iterable[bytes], bodies: Iterable[Octets]) -> list[bytes]:
        """Return the MACs, 12 octets each, of messages that begin with *preface*.

        Each goes on with one of *heads* and ends with one of *bodies*, of which there are as many.
        """


class Hmac:
    """HMAC of the hash *digest* (RFC 2104), cut to 96 bits (RFC 5926 §3.2.1)."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, digest: str, key: bytes) -> None:
        if len(key) > _BLOCK:
            key = hashlib.new(digest, key).digest()
        key = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.new(digest, key.translate(_INNER))
        self._outer = hashlib.new(digest, key.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        """Return all octets of the HMAC of *message*."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def begin(self, preface: bytes) -> tuple[Any, Any]:
        """Return two hashes to be copied: one takes the rest of a message that begins with
        *preface*, the other what the first makes of that, and gives the MAC.
        """
        begun = self._inner.copy()
        begun.update(preface)
        return begun, self._outer

    def each(self, preface: bytes, heads: Iterable[bytes], bodies: Iterable[Octets]) -> list[bytes]:
        """Return the MACs of messages that begin with *preface*, see :class:`Mac`."""
        begun, outer = self.begin(preface)
        begin, end = begun.copy, outer.copy
        macs = []
        for head, body in zip(heads, bodies, strict=True):
            hashed = begin()
            hashed.update(head)
            hashed.update(body)
            inner = hashed.digest()
            hashed = end()
            hashed.update(inner)
            macs.append(hashed.digest()[:MAC_SIZE])
        return macs


def derivation_input(context: bytes, octets: int) -> bytes:
    """Return what a traffic key of *octets* octets is the pseudorandom function of (RFC 5926 §3.1).

    All algorithms get by with a counter of 1.
    """
    return b"\x01" + LABEL + context + (8 * octets).to_bytes(2, "big")


def traffic_hmac(digest: str, octets: int, secret: bytes, context: bytes) -> Hmac:
    """Return the MAC of a direction, under a traffic key of *octets* octets (RFC 5926 §3.1.1.1)."""
    return Hmac(digest, Hmac(digest, secret).digest(derivation_input(context, octets)))
