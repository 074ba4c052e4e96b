"""The lab ``handshake``: where connections begin, and SYN cookies."""

import random
from typing import Any, Final

from rudp.config import Config
from rudp.core.demux.syncookie import SynCookies
from rudp.core.life.parts import Parts
from rudp.core.segment import options, wire
from rudp.core.segment.isn import IsnSource
from rudp.core.segment.seqnum import SEQ_MASK
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import SYN, Run
from rudp.core.terms.counters import Counters
from rudp.labs.lab import Setup, Wrong, config, same

_PLAIN: Final = Config(timestamps=False, sack=False, window_scaling=False)


def _segment(ports: int, seq: int, ack: int, flags: int, opts: bytes = b"") -> Run:
    octets = wire.pack_segment(ports, seq, ack, flags, 65_535, opts)
    run = wire.read_segment(memoryview(octets), Counters())
    assert run is not None, "we have made it ourselves"
    return run


def _mss(mss: int) -> bytes:
    return options.encode_syn(mss, window_scale=None, sack_permitted=False, timestamps=None)


class Reference:
    """What the package does, without the options that timestamps keep."""

    def __init__(self, secret: bytes) -> None:
        self._isn = IsnSource(secret)
        self._cookies = SynCookies(secret, self._isn)

    def isn(self, peer: str, ports: int, now: float) -> int:
        """Return where a connection begins."""
        return self._isn.iss(((peer, 0), ""), ports, now)

    def cookie(self, peer: str, ports: int, irs: int, mss: int, now: float) -> int:
        """Return the ISN of a SYN,ACK that is forgotten."""
        syn = _segment(ports, irs, 0, SYN, _mss(mss))
        return self._cookies.iss(syn, ((peer, 0), ""), _PLAIN, now)

    def mss_of(self, peer: str, ports: int, irs: int, cookie: int, now: float) -> int | None:
        """Return what it tells."""
        ack = _segment(ports, irs + 1 & SEQ_MASK, cookie + 1 & SEQ_MASK, wire.ACK)
        syn = self._cookies.syn_of(ack, ((peer, 0), ""), now)
        return None if syn is None else syn.options.mss


def ask(cls: Any, chance: random.Random) -> None:
    """Look at numbers from outside, as an attacker does, and at cookies from all sides."""
    secret = chance.randbytes(32)
    mine, twin, other = cls(secret), cls(secret), cls(chance.randbytes(32))
    peer, stranger = "192.0.2.1", "192.0.2.2"
    ports = chance.randrange(1 << 16, 1 << 32)
    now = round(chance.uniform(0, 100_000), 3)
    where = f"({peer!r}, {ports}, {now})"
    first = mine.isn(peer, ports, now)
    _whole(f"isn{where}", first)
    same(f"isn{where} of another with the same secret", twin.isn(peer, ports, now), first)
    ticks = (mine.isn(peer, ports, now + 1.0) - first) & SEQ_MASK
    if abs(ticks - 250_000) > 1:
        raise Wrong(f"in a second isn() moves on by 250000 ticks, not {ticks}")
    for what, seen in (
        ("secrets", other.isn(peer, ports, now)),
        ("peers", mine.isn(stranger, ports, now)),
        ("ports", mine.isn(peer, ports ^ 1, now)),
    ):
        if (seen - first & SEQ_MASK) < 1 << 12 or (first - seen & SEQ_MASK) < 1 << 12:
            raise Wrong(f"isn{where} says next to nothing of other {what}, but {seen} is near it")
    irs = chance.randrange(1 << 32)
    mss = chance.choice([536, 700, 1000, 1220, 1452, 9000])
    cookie = mine.cookie(peer, ports, irs, mss, now)
    _whole(f"cookie({peer!r}, {ports}, {irs}, {mss}, {now})", cookie)
    told = f"of cookie({peer!r}, {ports}, {irs}, {mss}, {now})"
    for later in (0.0, 1.0, 59.0):
        given = mine.mss_of(peer, ports, irs, cookie, now + later)
        if given is None or not 500 <= given <= mss:
            raise Wrong(f"{later:.0f} s later mss_of() {told} is at most {mss}, not {given!r}")
    if cls is not Reference:
        size = max(one for one in (536, 1000, 1220, 1452) if one <= mss)
        same(f"mss_of() {told}", mine.mss_of(peer, ports, irs, cookie, now), size)
    forged: list[tuple[str, int | None]] = [
        ("that is one more", mine.mss_of(peer, ports, irs, cookie + 1 & SEQ_MASK, now)),
        ("that is 256 more", mine.mss_of(peer, ports, irs, cookie + 256 & SEQ_MASK, now)),
        ("for another peer", mine.mss_of(stranger, ports, irs, cookie, now)),
        ("for other ports", mine.mss_of(peer, ports ^ 1, irs, cookie, now)),
        ("for another SYN", mine.mss_of(peer, ports, irs ^ 1, cookie, now)),
        ("of another secret", other.mss_of(peer, ports, irs, cookie, now)),
        ("of three minutes ago", mine.mss_of(peer, ports, irs, cookie, now + 181)),
    ]
    for what, found in forged:
        same(f"mss_of() of a cookie {what}, {told}", found, None)
    if cookie == first:
        raise Wrong("who sees a cookie must not know an ISN by it: use another key")


def _whole(asked: str, number: object) -> None:
    if not isinstance(number, int) or not 0 <= number <= SEQ_MASK:
        raise Wrong(f"{asked} is a number from 0 to 2**32 - 1, not {number!r}")


def build(cls: Any) -> Setup:
    """Let a class choose the numbers of a server that has no room for half-open connections."""
    made: list[Any] = []

    class Isn(IsnSource):
        def __init__(self, secret: bytes) -> None:
            super().__init__(secret)
            made.append(cls(secret))

        def iss(self, path: Path, ports: int, now: float) -> int:
            return int(made[-1].isn(path[0][0], ports, now))

    class Cookies(SynCookies):
        def iss(self, syn: Run, path: Path, config: Config, now: float) -> int:
            mss = max(syn.options.mss or 536, 536)
            return int(made[-1].cookie(path[0][0], syn.ports, syn.seq, mss, now))

        def syn_of(self, run: Run, path: Path, now: float) -> Run | None:
            irs, cookie = run.seq - 1 & SEQ_MASK, run.ack - 1 & SEQ_MASK
            mss = made[-1].mss_of(path[0][0], run.ports, irs, cookie, now)
            if mss is None:
                return None
            return _segment(run.ports, irs, 0, SYN, _mss(mss))

    settings = config(timestamps=False, sack=False, window_scaling=False, half_open_max=0)
    # A cookie comes back with the first number of the peer only: what is lost of the first data
    # cannot be made up for, and an ACK alone comes again.
    return Setup(settings, Parts(isn=Isn, cookies=Cookies), side="server", patient=True)
