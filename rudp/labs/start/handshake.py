"""Lab handshake: initial sequence numbers, and SYN cookies (RFC 6528 §3, RFC 4987 §3.6).

An initial sequence number (ISN) is M + F(peer, ports, secret), modulo 2**32.  M ticks every four
microseconds, so two connections between the same ends, one after the other, begin apart.  F is a
hash with a key, so nobody outside can tell from one connection where another begins.

A SYN cookie is an ISN with which a server answers a SYN and forgets it.  The ACK that completes the
handshake brings it back, plus one, and then the server must be able to tell that it is one of its
own, fresh, made for this very peer and SYN, and which segments the peer takes.

``hashlib.blake2s(text, key=key, digest_size=4)`` is a hash with a key.  The key of the cookies must
be another than that of F.
"""

MSS = [536, 1000, 1220, 1452]
"""Segment sizes that a cookie can tell; one that is not among them is rounded down."""


class Numbers:
    """Chooses where connections begin; *secret*: 16 random octets or more."""

    def __init__(self, secret: bytes) -> None:
        raise NotImplementedError

    def isn(self, peer: str, ports: int, now: float) -> int:
        """Return where a connection begins, 0 to 2**32 - 1.

        *peer*: its address.  *ports*: both ports, in one number.  *now*: seconds.
        """
        raise NotImplementedError

    def cookie(self, peer: str, ports: int, irs: int, mss: int, now: float) -> int:
        """Return the ISN with which to answer the SYN *irs* of a peer, 0 to 2**32 - 1.

        *mss*: octets that its segments may have, 536 or more.
        """
        raise NotImplementedError

    def mss_of(self, peer: str, ports: int, irs: int, cookie: int, now: float) -> int | None:
        """Return the segment size that *cookie* tells, None if it is not one of ours.

        It is one if it was made for this peer, these ports and this *irs*, not more than a minute
        ago.  One that is older than three minutes is none.
        """
        raise NotImplementedError
