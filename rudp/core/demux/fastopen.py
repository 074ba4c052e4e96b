"""The server's side of TCP Fast Open (RFC 7413 §4.1.2): cookies, and whose data is taken at once.

A cookie is a keyed hash of the client's host, as those of :mod:`rudp.core.demux.syncookie` are of
more: the server keeps none of them.  It is good in the hour in which it was given and the next.
"""

import hashlib
import hmac
from typing import Final

from rudp.config import Config
from rudp.core.life.fastopen import FastOpen
from rudp.core.segment.addresses import host_of
from rudp.core.segment.options import SynOptions
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import Run
from rudp.core.terms.counters import Count, Counters

COOKIE_SIZE: Final = 8
"""Octets of a cookie, 4 to 16 by RFC 7413 §4.1.1."""

SLOT: Final = 3600.0
"""Seconds that share a key; a host that loses its address does not keep its cookie for long."""


class FastOpenCookies:
    """Makes cookies and checks them; *secret*: at least 16 octets."""

    __slots__ = ("_key",)

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.blake2s(b"fast open", key=secret[:32]).digest()

    def cookie(self, path: Path, now: float, ago: int = 0) -> bytes:
        """Return the cookie of the host behind *path*, of *ago* slots before *now*."""
        text = repr((host_of(path), int(now // SLOT) - ago)).encode()
        return hashlib.blake2s(text, key=self._key, digest_size=COOKIE_SIZE).digest()

    def answer(
        self, syn: Run, path: Path, config: Config, counters: Counters, now: float
    ) -> FastOpen | None:
        """Return what becomes of the offer in *syn*, None if there is none, or *config* has none.

        Data that comes with a good cookie is ``used``; who has none, or an old one, gets one.
        """
        offer = syn.options
        if not config.fast_open or not isinstance(offer, SynOptions):
            return None
        good = [hmac.compare_digest(offer.fast_open, self.cookie(path, now, ago)) for ago in (0, 1)]
        found = FastOpen(b"" if good[0] else self.cookie(path, now), 0)
        found.used = any(good) and syn.length > 0
        if found.used:
            counters[Count.FAST_OPEN_ACCEPTED] += 1
        elif offer.fast_open and not any(good):
            counters[Count.FAST_OPEN_REFUSED] += 1
        return found
