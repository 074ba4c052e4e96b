"""TCP options: ten kinds understood, all others skipped by their length (RFC 9293 §3.2).

Decoding keeps the numbers as they stand on the wire, and decides nothing: whether an option may
be used (SYN only, negotiated only) is for the connection to say.  An option with an impossible
length makes the whole segment worthless (M-3); a known kind with the wrong length is skipped (M-4);
of two of a kind the first counts.
"""

import enum
import struct
from collections.abc import Sequence
from typing import Final

from rudp.core.segment.mac import MAC_SIZE

EOL: Final = 0
NOP: Final = 1
MSS: Final = 2
WINDOW_SCALE: Final = 3
SACK_PERMITTED: Final = 4
SACK: Final = 5
TIMESTAMPS: Final = 8
MD5: Final = 19
FAST_OPEN: Final = 34
AUTHENTICATION: Final = 29
ACCURATE_ECN_0: Final = 172
ACCURATE_ECN_1: Final = 174
EXPERIMENT: Final = 253
"""Shared by all experiments; two octets behind the length say whose it is (RFC 6994)."""

OPTIONS_MAX: Final = 40
"""Octets of options that fit between the fixed header and a data offset of 15."""

SACK_BLOCKS_MAX: Final = 4
SACK_BLOCKS_MAX_WITH_TIMESTAMPS: Final = 3

AUTHENTICATION_SIZE: Final = 16
"""Octets of the authentication option: two key ids and a MAC of 96 bits (RFC 5925 §2.2)."""

ROAMING_ID: Final = 0x5244
"""Our ExID, "RD".  Nobody else's is allowed to be misread: it counts in signed segments only."""

ROAMING_OFFER: Final = bytes((EXPERIMENT, 4)) + ROAMING_ID.to_bytes(2, "big")
"""What a SYN says that would like to roam: all that fits beside the others and a signature."""

ROAMING_SIZE: Final = 12
ROAMING_VALUE: Final = 7
"""Octets of the option elsewhere, and of the value in it."""

TIMESTAMPS_ALONE: Final = 0x0101080A
"""NOP, NOP and the first two octets of timestamps: the layout that RFC 7323 Appendix A recommends,
and nearly all send."""

_ALONE: Final = struct.Struct("!III")
_PAIR: Final = struct.Struct("!II")
_SHORT: Final = struct.Struct("!H")
_STAMPED_AND_SIGNED: Final = struct.Struct("!IIIHBB12x")
_SIGNED: Final = AUTHENTICATION << 8 | AUTHENTICATION_SIZE
_FAST_OPEN_SIZES: Final = frozenset({2, *range(6, 19, 2)})
_SYN: Final = struct.Struct("!HHHHIIHBB")
"""All options of a SYN of ours or of Linux: MSS, SACK permitted, timestamps, NOP, window scale."""

_SYN_KINDS: Final = (
    MSS << 8 | 4,
    SACK_PERMITTED << 8 | 2,
    TIMESTAMPS << 8 | 10,
    NOP << 8 | WINDOW_SCALE,
    3,
)
"""What stands between their values."""


EcnCounters = tuple[int | None, int | None, int | None, int | None]
"""Octets of data by the two ECN bits with which they came, modulo 2**24; None for what an AccECN
option did not say.  Those without any are never told: the first is None."""


class Options:
    """The options of one segment; what was absent is None (or no blocks)."""

    __slots__ = (
        "accurate_ecn",
        "mss",
        "sack_blocks",
        "sack_permitted",
        "tsecr",
        "tsval",
        "window_scale",
    )

    def __init__(self, tsval: int | None = None, tsecr: int = 0) -> None:
        self.mss: int | None = None
        self.window_scale: int | None = None
        self.sack_permitted = False
        self.sack_blocks: Sequence[tuple[int, int]] = ()
        self.tsval = tsval
        self.tsecr = tsecr
        self.accurate_ecn: EcnCounters | None = None

    def take(self, other: "Options") -> None:
        """Have all that *other* has, but for timestamps."""
        self.mss = other.mss
        self.window_scale = other.window_scale
        self.sack_permitted = other.sack_permitted
        self.sack_blocks = other.sack_blocks
        self.accurate_ecn = other.accurate_ecn

    def __repr__(self) -> str:
        present = [
            f"{name}={value!r}"
            for name in (
                "mss",
                "window_scale",
                "sack_permitted",
                "sack_blocks",
                "tsval",
                "tsecr",
                "accurate_ecn",
            )
            if (value := getattr(self, name)) not in (None, False, ())
        ]
        return f"Options({', '.join(present)})"


class SynOptions(Options):
    """The options of a SYN that has to do with fast opens (RFC 7413 §4.1.1).

    ``fast_open``: the cookie, 4 to 16 octets; empty where one is asked for.
    """

    __slots__ = ("fast_open",)

    def __init__(self, other: Options, fast_open: bytes) -> None:
        super().__init__(other.tsval, other.tsecr)
        self.take(other)
        self.fast_open = fast_open


class SignedOptions(Options):
    """The options of a segment that says who has sent it (RFC 5925 §2.2).

    ``key_id`` names the key of the MAC, ``next_id`` the one that its sender would like to see used.
    ``mac_at``: where the MAC begins, octets after the beginning of the options.  ``roaming``: of a
    SYN, whether it offers to roam; ``word`` and ``value``: what is said about paths, None if
    nothing is.
    """

    __slots__ = ("key_id", "mac_at", "next_id", "roaming", "value", "word")

    def __init__(
        self, key_id: int, next_id: int, mac_at: int, tsval: int | None = None, tsecr: int = 0
    ) -> None:
        super().__init__(tsval, tsecr)
        self.key_id = key_id
        self.next_id = next_id
        self.mac_at = mac_at
        self.roaming = False
        self.word: PathWord | None = None
        self.value = b""


class PathWord(enum.IntEnum):
    """What a segment says about the path on which it comes: the first octet of the option."""

    TOKEN = 0
    """This is the connection, wherever I am: the value is its token."""
    CHALLENGE = 1
    """Are you there?  Then say the value."""
    RESPONSE = 2
    """Yes: the value of the challenge."""


NO_OPTIONS: Final = Options()
"""What a bare 20-octet header carries.  Shared: nobody writes to it."""


def decode(data: bytes | memoryview) -> Options | None:
    """Return the options in *data*, the octets between fixed header and data, or None.

    None means an option whose length is 0, 1 or beyond the end (MUST-7), or TCP-AO beside
    another signature, of which none is to be believed (RFC 5925 §2.2).
    """
    end = len(data)
    if not end:
        return NO_OPTIONS
    if end == _SYN.size:
        mss, octets, sack, stamps, tsval, tsecr, scale, size, shift = _SYN.unpack(data)
        if (mss, sack, stamps, scale, size) == _SYN_KINDS:
            options = Options(tsval, tsecr)
            options.mss = octets
            options.sack_permitted = True
            options.window_scale = shift
            return options
    elif end == _STAMPED_AND_SIGNED.size:
        layout, tsval, tsecr, kind, key_id, next_id = _STAMPED_AND_SIGNED.unpack(data)
        if layout == TIMESTAMPS_ALONE and kind == _SIGNED:
            return SignedOptions(key_id, next_id, end - MAC_SIZE, tsval, tsecr)
    options = Options()
    data = bytes(data)
    at = 0
    signature = 0  # the kind of the last one
    signed_at = roaming_at = fast_open_at = -1
    seen = set()
    while at < end:
        kind = data[at]
        if kind == EOL:
            break
        if kind == NOP:
            at += 1
            continue
        if at + 1 >= end:
            return None
        length = data[at + 1]
        if length < 2 or at + length > end:
            return None
        if kind not in seen and _read(options, kind, data[at + 2 : at + length]):
            seen.add(kind)
        elif kind in (AUTHENTICATION, MD5):
            if signature and AUTHENTICATION in (kind, signature):
                return None
            signature = kind
            if kind == AUTHENTICATION and length == AUTHENTICATION_SIZE:
                signed_at = at
        elif kind == EXPERIMENT and data[at + 2 : at + 4] == ROAMING_OFFER[2:] and roaming_at < 0:
            roaming_at = at
        elif kind == FAST_OPEN and fast_open_at < 0 and length in _FAST_OPEN_SIZES:
            fast_open_at = at
        at += length
    if signed_at < 0:
        if fast_open_at < 0:
            return options
        return SynOptions(options, data[fast_open_at + 2 : fast_open_at + data[fast_open_at + 1]])
    signed = _signed(options, data, signed_at)
    if roaming_at >= 0:
        _read_roaming(signed, data[roaming_at : roaming_at + data[roaming_at + 1]])
    return signed


def _read_roaming(options: SignedOptions, option: bytes) -> None:
    """Put what *option* says about paths into *options*; one of another size says nothing."""
    if len(option) == len(ROAMING_OFFER):
        options.roaming = True
    elif len(option) == ROAMING_SIZE and option[4] <= max(PathWord):
        options.word = PathWord(option[4])
        options.value = option[5:]


def _signed(options: Options, data: bytes, at: int) -> SignedOptions:
    """Return *options* and the authentication option that is at offset *at* of *data*."""
    signed = SignedOptions(data[at + 2], data[at + 3], at + 4, options.tsval, options.tsecr)
    signed.take(options)
    return signed


def _read(options: Options, kind: int, value: bytes) -> bool:
    """Put one option into *options*; return whether it was of a known kind and length."""
    size = len(value)
    if kind == MSS and size == 2:
        (options.mss,) = _SHORT.unpack(value)
    elif kind == WINDOW_SCALE and size == 1:
        options.window_scale = value[0]
    elif kind == SACK_PERMITTED and size == 0:
        options.sack_permitted = True
    elif kind == SACK and size and size % 8 == 0:
        options.sack_blocks = list(_PAIR.iter_unpack(value))
    elif kind == TIMESTAMPS and size == 8:
        options.tsval, options.tsecr = _PAIR.unpack(value)
    elif kind in (ACCURATE_ECN_0, ACCURATE_ECN_1) and options.accurate_ecn is None:
        options.accurate_ecn = _ecn_counters(value, kind == ACCURATE_ECN_1)
    else:
        return False
    return True


def _ecn_counters(value: bytes, ect_1_first: bool) -> EcnCounters:
    """Return what an AccECN option says: as many whole fields as it has (RFC 9768 §3.2.3)."""
    found = [
        int.from_bytes(value[at : at + 3], "big") for at in range(0, 9, 3) if at + 3 <= len(value)
    ]
    first, ce, last = [*found, None, None, None][:3]
    return (None, first, last, ce) if ect_1_first else (None, last, first, ce)


def accurate_ecn(counters: Sequence[int], *, ect_1_first: bool) -> bytes:
    """Return the AccECN option, padded, with up to three *counters* of 24 bits (RFC 9768 §3.2.3).

    They are those of ECT(0), CE and ECT(1), in this order, or of ECT(1), CE and ECT(0).
    """
    values = b"".join([value.to_bytes(3, "big") for value in counters])
    kind = ACCURATE_ECN_1 if ect_1_first else ACCURATE_ECN_0
    option = bytes((kind, 2 + len(values))) + values
    return bytes((NOP,)) * (-len(option) % 4) + option


def encode_syn(
    mss: int,
    *,
    window_scale: int | None,
    sack_permitted: bool,
    timestamps: tuple[int, int] | None,
    signed: bool = False,
    roaming: bool = False,
    fast_open: bytes | None = None,
) -> bytes:
    """Return the options of a SYN: MSS always, the others where given (W-30).

    *timestamps* is (TSval, TSecr), both 32-bit numbers.  *signed*: another option follows.
    *roaming*: it offers, or accepts, that the connection moves with its ends.  *fast_open*: a
    cookie of at most 16 octets, empty to ask for one; there is no room for it beside a signature.
    """
    if window_scale is not None and sack_permitted and timestamps is not None:
        kind, sack, stamps, scale, size = _SYN_KINDS
        octets = _SYN.pack(kind, mss, sack, stamps, *timestamps, scale, size, window_scale)
    else:
        parts = [_SHORT.pack(MSS << 8 | 4), _SHORT.pack(mss)]
        if sack_permitted:
            parts.append(bytes((SACK_PERMITTED, 2)))
        if timestamps is not None:
            parts.append(bytes((TIMESTAMPS, 10)) + _PAIR.pack(*timestamps))
        if window_scale is not None:
            parts.append(bytes((NOP, WINDOW_SCALE, 3, window_scale)))
        follows = signed or fast_open is not None
        octets = _padded(b"".join(parts), NOP if follows else EOL)
    if fast_open is not None:
        octets += _padded(
            bytes((FAST_OPEN, 2 + len(fast_open))) + fast_open, NOP if signed else EOL
        )
    return octets + ROAMING_OFFER if roaming else octets


def encode(
    timestamps: tuple[int, int] | None, sack_blocks: Sequence[tuple[int, int]] = ()
) -> bytes:
    """Return the options of a segment without SYN (W-31).

    *sack_blocks* holds as many 32-bit (left, right) pairs as fit: four, or three beside timestamps.
    """
    head = _ALONE.pack(TIMESTAMPS_ALONE, *timestamps) if timestamps is not None else b""
    if not sack_blocks:
        return head
    sack = bytes((NOP, NOP, SACK, 2 + 8 * len(sack_blocks)))
    return head + sack + b"".join([_PAIR.pack(left, right) for left, right in sack_blocks])


def encode_unsigned(key_id: int, next_id: int) -> bytes:
    """Return the authentication option with zeros where its MAC will be (RFC 5925 §5.1)."""
    return bytes((AUTHENTICATION, AUTHENTICATION_SIZE, key_id, next_id)) + bytes(MAC_SIZE)


def encode_roaming(word: PathWord, value: bytes) -> bytes:
    """Return the option that says *word* with *value*, 7 octets."""
    return bytes((EXPERIMENT, ROAMING_SIZE)) + ROAMING_OFFER[2:] + bytes((word,)) + value


def sack_room(timestamps: bool, signed: bool) -> int:
    """Return how many SACK blocks fit beside the other options (RFC 2018 §3)."""
    if not signed:
        return SACK_BLOCKS_MAX_WITH_TIMESTAMPS if timestamps else SACK_BLOCKS_MAX
    return 1 if timestamps else 2


def _padded(data: bytes, filler: int) -> bytes:
    """Return *data* filled to a whole number of words (MUST-69); after EOL nothing is read."""
    return data + bytes((filler,)) * (-len(data) % 4)
