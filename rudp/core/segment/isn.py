"""Initial sequence numbers that nobody outside can foresee (RFC 6528), and what is alike.

ISN = M + F(addresses, ports, secret).  M ticks every four microseconds, so two incarnations of one
connection start apart; F is a keyed hash, so different connections tell nothing about each other.
The key is handed in by whoever has randomness, and never leaves.
"""

import hashlib
from typing import Final

from rudp.core.segment.seqnum import SEQ_MASK
from rudp.core.segment.transmit import Path

TICKS_PER_SECOND: Final = 250_000
"""M's rate: one tick in 4 us (RFC 9293 §3.4.1).  32 bits last 4.77 hours."""


class IsnSource:
    """Gives every connection its ISS and its timestamp offset; *secret*: at least 16 octets."""

    __slots__ = ("_isn_key", "_path_key", "_timestamp_key")

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("the secret must have at least 16 octets")
        self._isn_key = hashlib.blake2s(b"isn", key=secret[:32]).digest()
        self._path_key = hashlib.blake2s(b"path", key=secret[:32]).digest()
        self._timestamp_key = hashlib.blake2s(b"timestamp", key=secret[:32]).digest()

    def iss(self, path: Path, ports: int, now: float) -> int:
        """Return the ISS of a connection opened at *now* (ISN-1), 0 to 2**32 - 1."""
        return (int(now * TICKS_PER_SECOND) + keyed((path, ports), self._isn_key)) & SEQ_MASK

    def timestamp_offset(self, path: Path, ports: int) -> int:
        """Return what is added to the timestamp clock of a connection (RFC 7323 §7.1, ISN-6)."""
        return keyed((path, ports), self._timestamp_key)

    def nonce(self, path: Path, ports: int, drawn: int, now: float) -> bytes:
        """Return 7 octets that nobody can foresee, others each time that more were *drawn*."""
        text = repr((path, ports, drawn, now)).encode()
        return hashlib.blake2s(text, key=self._path_key, digest_size=7).digest()


def timestamp(now: float, offset: int) -> int:
    """Return TSval at *now*: milliseconds plus the connection's *offset*, 32 bits (TS-1)."""
    return (int(now * 1000) + offset) & SEQ_MASK


def keyed(name: tuple[object, ...], key: bytes) -> int:
    """Return a hash of *name*, 32 bits, that nobody can compute without *key*."""
    text = repr(name).encode()
    return int.from_bytes(hashlib.blake2s(text, key=key, digest_size=4).digest(), "big")
