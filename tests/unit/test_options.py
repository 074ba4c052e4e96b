"""TCP options: layouts octet for octet, hostile lists, and whatever chance produces."""

import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rudp.core.segment.options import (
    NO_OPTIONS,
    OPTIONS_MAX,
    SACK_BLOCKS_MAX,
    SACK_BLOCKS_MAX_WITH_TIMESTAMPS,
    Options,
    PathWord,
    SignedOptions,
    accurate_ecn,
    decode,
    encode,
    encode_roaming,
    encode_syn,
    encode_unsigned,
)

U32 = st.integers(0, 0xFFFF_FFFF)
Blocks = list[tuple[int, int]]


def parts(options: Options | None) -> tuple[object, ...]:
    assert options is not None
    return (
        options.mss,
        options.window_scale,
        options.sack_permitted,
        list(options.sack_blocks),
        options.tsval,
        options.tsecr,
    )


NOTHING: tuple[object, ...] = (None, None, False, [], None, 0)


def read(text: str) -> Options:
    options = decode(bytes.fromhex(text))
    assert options is not None
    return options


# -- what we send ------------------------------------------------------------------------------


def test_syn_layout() -> None:
    """W-30, W-22, W-23, W-24, W-26: MSS, SACK permitted, timestamps, NOP, window scale."""
    data = encode_syn(
        1452, window_scale=7, sack_permitted=True, timestamps=(0x11223344, 0x55667788)
    )
    assert data.hex(" ") == "02 04 05 ac 04 02 08 0a 11 22 33 44 55 66 77 88 01 03 03 07"


@pytest.mark.parametrize(
    ("window_scale", "sack", "timestamps", "expected"),
    [
        (None, False, None, "02 04 05 98"),
        (None, True, None, "02 04 05 98 04 02 00 00"),
        (14, False, None, "02 04 05 98 01 03 03 0e"),
        (0, True, None, "02 04 05 98 04 02 01 03 03 00 00 00"),
        (None, False, (1, 0), "02 04 05 98 08 0a 00 00 00 01 00 00 00 00 00 00"),
    ],
)
def test_syn_layout_without_some(
    window_scale: int | None, sack: bool, timestamps: tuple[int, int] | None, expected: str
) -> None:
    """W-30, MUST-69, W-20: only what is given, filled up with zeros to whole words."""
    data = encode_syn(1432, window_scale=window_scale, sack_permitted=sack, timestamps=timestamps)
    assert data.hex(" ") == expected


def test_layout_of_other_segments() -> None:
    """W-31, W-25: NOP NOP timestamps, then NOP NOP SACK."""
    assert encode(None) == b""
    assert encode((0xA1A2A3A4, 0xB1B2B3B4)).hex(" ") == "01 01 08 0a a1 a2 a3 a4 b1 b2 b3 b4"
    assert encode(None, [(0x10, 0x20)]).hex(" ") == "01 01 05 0a 00 00 00 10 00 00 00 20"
    assert (
        encode((1, 2), [(3, 4), (0xFFFF_FFFF, 5)]).hex(" ") == "01 01 08 0a 00 00 00 01 00 00 00 02"
        " 01 01 05 12 00 00 00 03 00 00 00 04 ff ff ff ff 00 00 00 05"
    )


def test_blocks_that_fit() -> None:
    """W-25: four blocks, or three beside timestamps, and not one more."""
    block = (1, 2)
    assert len(encode(None, [block] * SACK_BLOCKS_MAX)) == 36
    assert len(encode((1, 2), [block] * SACK_BLOCKS_MAX_WITH_TIMESTAMPS)) == OPTIONS_MAX == 40
    assert (SACK_BLOCKS_MAX, SACK_BLOCKS_MAX_WITH_TIMESTAMPS) == (4, 3)
    assert len(encode(None, [block] * (SACK_BLOCKS_MAX + 1))) > OPTIONS_MAX


@given(
    st.integers(0, 0xFFFF),
    st.none() | st.integers(0, 255),
    st.booleans(),
    st.none() | st.tuples(U32, U32),
)
def test_syn_round_trip(
    mss: int, scale: int | None, sack: bool, timestamps: tuple[int, int] | None
) -> None:
    """MUST-14, W-30"""
    data = encode_syn(mss, window_scale=scale, sack_permitted=sack, timestamps=timestamps)
    assert len(data) % 4 == 0
    assert len(data) <= 20
    tsval, tsecr = timestamps if timestamps is not None else (None, 0)
    assert parts(decode(data)) == (mss, scale, sack, [], tsval, tsecr)


@given(st.none() | st.tuples(U32, U32), st.lists(st.tuples(U32, U32), max_size=3))
def test_round_trip(timestamps: tuple[int, int] | None, blocks: Blocks) -> None:
    """W-31, W-25, W-26"""
    data = encode(timestamps, blocks)
    assert len(data) % 4 == 0
    assert len(data) <= OPTIONS_MAX
    tsval, tsecr = timestamps if timestamps is not None else (None, 0)
    assert parts(decode(data)) == (None, None, False, blocks, tsval, tsecr)


# -- what comes in -----------------------------------------------------------------------------


@given(st.lists(st.integers(0, 0xFF_FFFF), max_size=3), st.booleans())
def test_AECN_6_counters_round_trip(counters: list[int], ect_1_first: bool) -> None:
    """RFC 9768, Table 5: as many fields as there are, in one of two orders."""
    data = accurate_ecn(counters, ect_1_first=ect_1_first)
    assert len(data) % 4 == 0
    options = decode(data)
    assert options is not None
    first, ce, last = [*counters, None, None, None][:3]
    ect = (first, last) if ect_1_first else (last, first)
    assert options.accurate_ecn == (None, *ect, ce)
    assert data.lstrip(b"\1")[0] == (174 if ect_1_first else 172)


def test_no_options_at_all() -> None:
    assert decode(b"") is NO_OPTIONS
    assert parts(NO_OPTIONS) == NOTHING


def test_end_of_list() -> None:
    """MUST-4, W-20: after kind 0 nothing is read, whatever stands there."""
    assert parts(read("00 02 04 05")) == NOTHING
    assert parts(read("02 04 05 ac 00 ff ff 00")) == (1452, None, False, [], None, 0)
    assert parts(read("00 00 00 00")) == NOTHING
    assert parts(read("01 01 01 00")) == NOTHING


def test_nop_is_one_octet() -> None:
    """MUST-4, W-21"""
    assert parts(read("01 01 01 01")) == NOTHING
    assert read("01 01 01 01 02 04 02 18").mss == 536


def test_options_need_no_padding() -> None:
    """W-21, MUST-64: a sender may leave out every NOP."""
    options = read("03 03 07 04 02 08 0a 00 00 00 01 00 00 00 02 02 04 05 ac 00")
    assert parts(options) == (1452, 7, True, [], 1, 2)


@pytest.mark.parametrize("shift", range(4))
def test_any_alignment(shift: int) -> None:
    """MUST-64: timestamps and MSS are found at every offset from a word boundary."""
    data = bytes([1]) * shift + bytes.fromhex("080a 00000007 00000009 0204 0218")
    assert parts(decode(data)) == (536, None, False, [], 7, 9)


def test_options_are_read_on_any_segment() -> None:
    """MUST-5: the decoder knows no flags.  What a SYN alone may carry, the connection ignores
    elsewhere (W-22, W-23, W-24)."""
    options = read("02 04 05 b4 01 03 03 0e 04 02 05 0a 00 00 00 01 00 00 00 02")
    assert parts(options) == (1460, 14, True, [(1, 2)], None, 0)


def test_order_of_linux() -> None:
    """The SYN options of a Linux 6.18 kernel."""
    options = read("02 04 05 b4 04 02 08 0a da 83 ae ff 00 00 00 00 01 03 03 0a")
    assert parts(options) == (1460, 10, True, [], 0xDA83AEFF, 0)


@pytest.mark.parametrize(
    "unknown",
    [
        "fd 02",  # nothing but kind and length
        "fe 04 12 34",  # an experiment
        "1c 04 80 05",  # user timeout
        "22 02",  # fast open, asking for a cookie
        "22 0a 01 02 03 04 05 06 07 08",
        "13 12 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f",  # MD5
        "0e 03 00",
        "1e 04 00 00",  # multipath
    ],
)
def test_unknown_options_are_skipped_by_length(unknown: str) -> None:
    """MUST-6, MUST-68, W-29, W-27, W-28, M-5"""
    options = read(f"{unknown} 02 04 05 ac {unknown}")
    assert parts(options) == (1452, None, False, [], None, 0)


@pytest.mark.parametrize(
    "data",
    [
        "02 00 05 ac",  # length 0: would never end
        "fd 00 00 00",
        "02 01 05 ac",  # length 1: does not even cover itself
        "fd 01 01 01",
        "02 04 05",  # beyond the end
        "01 01 01 02",  # kind without length
        "08 0a 00 00",
        "01 fd ff 01",
        "02 04 05 ac fd 05 01 01",
    ],
)
def test_impossible_lengths(data: str) -> None:
    """MUST-7, MUST-68, M-3: the whole list is refused, nothing raises."""
    assert decode(bytes.fromhex(data)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "02 03 05",  # MSS
        "02 02",
        "02 05 05 ac 00",
        "03 02",  # window scale
        "03 04 07 07",
        "04 03 00",  # SACK permitted
        "05 02",  # SACK without a block
        "05 09 00 00 00 01 00 00 00",
        "05 0b 00 00 00 01 00 00 00 02 03",
        "08 09 00 00 00 01 00 00 00",  # timestamps
        "08 02",
    ],
)
def test_known_options_with_a_wrong_length(wrong: str) -> None:
    """M-4, W-25: that option is ignored, those behind it count."""
    rest = "03 03 05" if wrong.startswith("02") else "02 04 05 ac"
    expected: tuple[object, ...] = (
        (None, 5, False, [], None, 0)
        if wrong.startswith("02")
        else (1452, None, False, [], None, 0)
    )
    assert parts(read(f"{wrong} {rest}")) == expected


@pytest.mark.parametrize("blocks", [1, 2, 3, 4])
def test_sack_blocks(blocks: int) -> None:
    """W-25: as many as the length says, in their order, as they stand."""
    expected = [(0xFFFF_FF00 + n, n) for n in range(blocks)]
    data = bytes([5, 2 + 8 * blocks]) + b"".join(struct.pack("!II", *b) for b in expected)
    assert parts(decode(data)) == (None, None, False, expected, None, 0)


def test_the_first_of_two_counts() -> None:
    """W-29: an option that comes twice."""
    options = read("02 04 05 ac 02 04 00 01 03 03 01 03 03 02 08 0a 0000000100000002 01 01")
    assert (options.mss, options.window_scale) == (1452, 1)
    options = read("08 0a 00000001 00000002 08 0a 00000003 00000004")
    assert (options.tsval, options.tsecr) == (1, 2)


@pytest.mark.parametrize("first", ["1d 10" + " 01" * 14, "1d 08" + " 01" * 6, "13 12" + " 01" * 16])
def test_two_signatures_are_none(first: str) -> None:
    """RFC 5925 §2.2: two of TCP-AO's, or one beside TCP MD5's; whatever their lengths."""
    signature = "1d 10 07 08" + " 00" * 12
    assert isinstance(read(f"01 01 {signature}"), SignedOptions)
    read(first)
    assert decode(bytes.fromhex(f"{first} {signature}")) is None
    assert decode(bytes.fromhex(f"{signature} {first}")) is None


def test_a_malformed_first_leaves_room_for_a_second() -> None:
    """M-4"""
    assert read("02 03 05 02 04 05 ac").mss == 1452


def test_window_scale_is_handed_up_as_it_is() -> None:
    """W-23: whoever negotiates cuts it to 14."""
    assert read("03 03 ff 00").window_scale == 255


@pytest.mark.parametrize(
    ("data", "tsval"),
    [
        ("01 01 08 0a 00 00 00 05 00 00 00 06", 5),  # the layout that has a short way
        ("08 0a 00 00 00 05 00 00 00 06 01 01", 5),
        ("08 0a 00 00 00 05 00 00 00 06 00 00", 5),
        ("01 08 0a 00 00 00 05 00 00 00 06 01", 5),
        ("01 01 08 09 00 00 00 05 00 00 00 00", None),
    ],
)
def test_twelve_octets(data: str, tsval: int | None) -> None:
    """W-26, W-31: what is read the short way and what is not comes out the same."""
    assert read(data).tsval == tsval


@given(st.binary(max_size=OPTIONS_MAX))
@example(bytes([5, 34]) + bytes(32))
@example(bytes([2]))
def test_random_octets_never_raise(data: bytes) -> None:
    """MUST-7, M-3, M-21: any forty octets are options or are refused."""
    options = decode(data)
    if options is not None:
        assert len(options.sack_blocks) <= 4
        assert options.mss is None or 0 <= options.mss <= 0xFFFF


kinds = st.sampled_from([0, 1, 2, 3, 4, 5, 8, 19, 28, 29, 34, 77, 172, 174, 253])


@given(st.lists(st.tuples(kinds, st.integers(0, 12), st.binary(max_size=10)), max_size=6))
def test_plausible_lists_agree_with_a_naive_reader(items: list[tuple[int, int, bytes]]) -> None:
    """MUST-4, MUST-6, MUST-7, MUST-68, W-20, W-21, W-29"""
    data = b"".join(bytes([kind]) if kind < 2 else bytes([kind, n]) + b for kind, n, b in items)
    assert_like_naive(data[:OPTIONS_MAX])


@given(st.binary(max_size=OPTIONS_MAX))
def test_random_octets_agree_with_a_naive_reader(data: bytes) -> None:
    """MUST-7, M-3, M-4, M-5"""
    assert_like_naive(data)


def assert_like_naive(data: bytes) -> None:
    expected = naive(data)
    options = decode(data)
    assert (options is None) is (expected is None)
    if expected is not None:
        assert parts(options) == (
            expected.get(2),
            expected.get(3),
            4 in expected,
            expected.get(5, []),
            *expected.get(8, (None, 0)),
        )
        assert options is not None
        assert options.accurate_ecn == expected.get("marks")


def naive(data: bytes) -> dict[int | str, Any] | None:
    """RFC 9293 §3.1, one option after the other, each a slice of the list that is left."""
    found: dict[int | str, Any] = {}
    signatures = []
    while data and data[0] != 0:
        if data[0] == 1:
            data = data[1:]
            continue
        if len(data) < 2 or not 2 <= data[1] <= len(data):
            return None
        kind, value, data = data[0], data[2 : data[1]], data[data[1] :]
        form = {2: "!H", 3: "!B", 4: "", 8: "!II"}.get(kind)
        if kind == 5 and value and len(value) % 8 == 0:
            blocks = [struct.unpack("!II", value[i : i + 8]) for i in range(0, len(value), 8)]
            found.setdefault(kind, blocks)
        elif form is not None and len(value) == struct.calcsize(form):
            numbers = struct.unpack(form, value)
            found.setdefault(kind, numbers[0] if len(numbers) == 1 else numbers)
        if kind in (172, 174) and "marks" not in found:  # RFC 9768 §3.2.3
            told = [int.from_bytes(value[i : i + 3], "big") for i in range(0, len(value) - 2, 3)]
            first, ce, last = (told + [None] * 3)[:3]
            found["marks"] = (None, *((last, first) if kind == 172 else (first, last)), ce)
        signatures += [kind] if kind in (19, 29) else []
    return None if 29 in signatures and len(signatures) > 1 else found  # RFC 5925 §2.2


class TestRoaming:
    """Kind 253 with our ExID (RFC 6994): in signed segments, of two lengths, and nothing else."""

    VALUE = bytes(range(7))

    @pytest.mark.parametrize("word", PathWord)
    def test_a_word_can_be_read(self, word: PathWord) -> None:
        stamps = encode((5, 6))
        made = stamps + encode_roaming(word, self.VALUE) + encode_unsigned(1, 2)
        assert len(made) == OPTIONS_MAX
        opts = decode(made)
        assert isinstance(opts, SignedOptions)
        assert (opts.word, opts.value, opts.roaming) == (word, self.VALUE, False)
        assert (opts.tsval, opts.key_id, opts.next_id) == (5, 1, 2)

    def test_an_offer_fits_beside_all_that_a_SYN_says(self) -> None:
        made = encode_syn(
            1452,
            window_scale=7,
            sack_permitted=True,
            timestamps=(5, 6),
            signed=True,
            roaming=True,
        )
        made += encode_unsigned(1, 2)
        assert len(made) == OPTIONS_MAX
        opts = decode(made)
        assert isinstance(opts, SignedOptions)
        assert opts.roaming
        assert opts.word is None
        assert (opts.mss, opts.window_scale, opts.sack_permitted) == (1452, 7, True)

    @pytest.mark.parametrize(
        "option",
        [
            bytes((253, 4, 0, 1)),  # somebody else's experiment
            bytes((253, 2, 1, 1)),  # nobody's
            bytes((254, 4, 0x52, 0x44)),
            bytes((253, 5, 0x52, 0x44, 0, 1, 1, 1)),  # of no size that we know
            bytes((253, 12, 0x52, 0x44, 3)) + VALUE,  # a word that is none
        ],
    )
    def test_what_is_not_ours_says_nothing(self, option: bytes) -> None:
        opts = decode(option + encode_unsigned(1, 2))
        assert isinstance(opts, SignedOptions)
        assert not opts.roaming
        assert opts.word is None

    def test_unsigned_it_says_nothing(self) -> None:
        opts = decode(encode_roaming(PathWord.TOKEN, self.VALUE))
        assert opts is not None
        assert not isinstance(opts, SignedOptions)
        assert decode(bytes((253, 12, 0x52, 0x44))) is None  # beyond the end
