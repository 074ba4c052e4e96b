"""Master keys: what two ends agree on beforehand, so that they believe no one else's segments.

A :class:`MasterKey` is a master key tuple of TCP-AO (RFC 5925 §3.1): a secret, two small numbers
that name it on the wire, the algorithm, whose segments it is for, and when.  Two ends that share
one authenticate each segment, and a peer without it finds a host that does not answer.  Nothing is
encrypted: that is what ``ssl=`` is for, and both go together.
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from rudp.core.segment.mac import MAC_SIZE, Mac, Octets, derivation_input, traffic_hmac

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.cmac import CMAC

Algorithm = Literal["HMAC-SHA-256-96", "HMAC-SHA-1-96", "AES-128-CMAC-96"]

SECRET_MIN: Final = 16
SECRET_MAX: Final = 80
"""Octets of a secret: 128 bits are out of reach of guessing; Linux takes no more than 80 octets."""

ALWAYS: Final = (float("-inf"), float("inf"))
"""The lifetime of a key that is never too young nor too old."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MasterKey:
    """A secret and how it is used: a master key tuple (RFC 5925 §3.1).

    Both ends have one each, with the same secret and algorithm, and with ``send_id`` and
    ``recv_id`` exchanged.  It authenticates and does not encrypt.

    Raises :class:`ValueError` for a value outside its range, :class:`TypeError` for a secret that
    is no ``bytes`` and for times that are no numbers, and :class:`ImportError` if the algorithm
    needs a package that is missing.
    """

    secret: bytes = dataclasses.field(repr=False)
    """16 to 80 octets, best drawn by :func:`secrets.token_bytes`: who sees segments can try words
    from a list without asking anybody."""
    send_id: int = 0
    """The KeyID of what we sign, 0 to 255: the peer's ``recv_id``."""
    recv_id: int = 0
    """The KeyID of what the peer signs, 0 to 255: its ``send_id``; RNextKeyID asks for it."""
    algorithm: Algorithm = "HMAC-SHA-256-96"
    """``"HMAC-SHA-256-96"`` (Linux's ``hmac(sha256)``), ``"HMAC-SHA-1-96"`` or
    ``"AES-128-CMAC-96"`` (RFC 5926 §3.2), of which the last needs the extra ``keys``."""
    network: str | None = None
    """Whose segments it is for: an address or a network, ``"10.1.0.0/16"``; None for everybody's.
    Peers for which no key is go without."""
    send_lifetime: tuple[float, float] = ALWAYS
    """From when until when it signs, seconds of Unix time.  If no key may sign any more, the last
    one goes on, and the peer decides."""
    recv_lifetime: tuple[float, float] = ALWAYS
    """From when until when what it has signed is believed, seconds of Unix time.  Of several the
    one that was believed last to begin with is asked for; the old one counts until its end."""
    covers_options: bool = True
    """Whether TCP options are authenticated too.  Without, something on the way may rewrite the
    MSS, and may lie about what was received."""
    addresses: Literal["none", "real"] | tuple[str, str] = "none"
    """The IP addresses that the MAC covers: ``"none"``, for NATs and hosts on the move change them
    (RFC 6978); ``"real"``, those of the UDP packets; or ours and the peer's by name, where the
    segments cross a bridge to a kernel's TCP, which knows none but the ``"real"`` ones."""

    def __post_init__(self) -> None:
        if not isinstance(self.secret, bytes):
            raise TypeError(f"a key must be bytes, not {type(self.secret).__name__}")
        if not SECRET_MIN <= len(self.secret) <= SECRET_MAX:
            raise ValueError(
                f"a key must have {SECRET_MIN} to {SECRET_MAX} octets, not {len(self.secret)}"
            )
        for name in ("send_id", "recv_id"):
            number = getattr(self, name)
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 255:
                raise ValueError(f"{name} must be a whole number from 0 to 255, not {number!r}")
        if self.algorithm not in get_args(Algorithm):
            names = ", ".join(repr(name) for name in get_args(Algorithm))
            raise ValueError(f"algorithm must be one of {names}, not {self.algorithm!r}")
        if not self.is_hmac:
            begin_cmac(bytes(16))
        if self.network is not None:
            _network(self.network)
        for name in ("send_lifetime", "recv_lifetime"):
            lifetime = getattr(self, name)
            if not _is_pair(lifetime, int, float):
                raise TypeError(f"{name} must be two numbers of seconds, not {lifetime!r}")
            begin, end = lifetime
            if not begin < end:
                raise ValueError(f"{name} ends before it begins")
        if self.addresses not in ("none", "real"):
            if not _is_pair(self.addresses, str):
                raise ValueError(
                    f"addresses must be 'none', 'real' or a pair, not {self.addresses!r}"
                )
            ours, theirs = map(packed, self.addresses)
            if len(ours) != len(theirs):
                raise ValueError("both addresses must be IPv4's, or both IPv6's")

    def matches(self, host: str) -> bool:
        """Return whether the segments of *host*, an address, are to be signed with this key."""
        return self.network is None or _contains(_network(self.network), host)

    @property
    def is_hmac(self) -> bool:
        """Whether the algorithm is made of a hash."""
        return self.algorithm != "AES-128-CMAC-96"

    def traffic_mac(self, context: bytes) -> Mac:
        """Return the MAC of one direction of one connection, which *context* names."""
        if not self.is_hmac:
            return Cmac(self.secret, context)
        digest, octets = ("sha1", 20) if self.algorithm == "HMAC-SHA-1-96" else ("sha256", 32)
        return traffic_hmac(digest, octets, self.secret, context)


def check_keys(keys: object) -> None:
    """Raise :class:`ValueError` if *keys* is no tuple of keys of which each is known by its ids.

    Two of those whose networks have an address in common must differ in both (RFC 5925 §3.1).
    """
    if not isinstance(keys, tuple) or not all(isinstance(key, MasterKey) for key in keys):
        kinds = {type(key).__name__ for key in keys} if isinstance(keys, tuple) else ()
        found = f"of {', '.join(sorted(kinds))}" if kinds else type(keys).__name__
        raise ValueError(f"keys must be a tuple of MasterKey, not {found}")  # a secret, perhaps
    for n, key in enumerate(keys):
        for other in keys[:n]:
            if _overlap(key, other):
                for name in ("send_id", "recv_id"):
                    number = getattr(key, name)
                    if number == getattr(other, name):
                        raise ValueError(f"two keys for the same peers have {name} {number}")


def packed(host: str) -> bytes:
    """Return an address as it stands in an IP header, 4 or 16 octets; ValueError if it is none."""
    import ipaddress  # where it is needed: it takes a while

    address = ipaddress.ip_address(host.partition("%")[0])
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.packed


def _is_pair(value: object, *kinds: type) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(n, kinds) for n in value)


@functools.lru_cache(maxsize=256)  # it is asked for each SYN, and parsing takes 5 µs
def _network(text: str) -> Any:
    import ipaddress

    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"network: {error}") from None
    if network.version == 6 and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:  # as packed() has its addresses
            return ipaddress.ip_network((mapped, network.prefixlen - 96))
    return network


def _contains(network: Any, host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(packed(host)) in network
    except ValueError:
        return False  # not an Internet address: a simulated network's, perhaps


def _overlap(one: MasterKey, other: MasterKey) -> bool:
    if one.network is None or other.network is None:
        return True
    first, second = _network(one.network), _network(other.network)
    return bool(first.version == second.version and first.overlaps(second))


def begin_cmac(key: bytes) -> "CMAC":
    """Return AES-128-CMAC under *key* (RFC 4493), 16 octets; it has seen nothing yet.

    Raises :class:`ImportError` if the package that has it is missing.
    """
    try:
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.cmac import CMAC
    except ImportError as error:
        raise ImportError(
            "AES-128-CMAC-96 needs the package cryptography: pip install 'aiorudp[keys]'"
        ) from error
    return CMAC(AES(key))


def end_cmac(cmac: "CMAC", *parts: Octets) -> bytes:
    """Return what *cmac* makes of *parts*, 16 octets."""
    for part in parts:
        cmac.update(part)  # type: ignore[arg-type]  # any buffer will do
    return cmac.finalize()


def derive_cmac(secret: bytes, context: bytes) -> bytes:
    """Return a traffic key of AES-128-CMAC, 16 octets (RFC 5926 §3.1.1.2)."""
    if len(secret) != 16:
        secret = end_cmac(begin_cmac(bytes(16)), secret)
    return end_cmac(begin_cmac(secret), derivation_input(context, 16))


class Cmac:
    """AES-128-CMAC under the traffic key of *context*, cut to 96 bits (RFC 5926 §3.2.2)."""

    __slots__ = ("_begun",)

    def __init__(self, secret: bytes, context: bytes) -> None:
        self._begun = begin_cmac(derive_cmac(secret, context))

    def each(self, preface: bytes, heads: Iterable[bytes], bodies: Iterable[Octets]) -> list[bytes]:
        """Return the MACs of messages that begin with *preface*, see :class:`Mac`."""
        begun = self._begun.copy()
        begun.update(preface)
        macs = []
        for head, body in zip(heads, bodies, strict=True):
            cmac = begun.copy()
            cmac.update(head)
            cmac.update(body)  # type: ignore[arg-type]
            macs.append(cmac.finalize()[:MAC_SIZE])
        return macs
