"""The Internet checksum: published vectors, segments Linux made, and a naive model."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.core.segment.checksum import (
    CHECKSUM_OFFSET,
    internet_checksum,
    pseudo_header,
    tcp_checksum,
    tcp_checksum_valid,
)

# SYNs that Linux 6.18 wrote to a TUN device, from the IP header on.
LINUX_SYN_IPV4 = bytes.fromhex(
    "4500003c1a3440004006f9ba0a4c00010a4d1234"
    "a54601bb5d634e8000000000a002faf049d60000020405b40402080ada83aeff000000000103030a"
)
LINUX_SYN_IPV6 = bytes.fromhex(
    "600218450028064020010db800000000000000000000000120010db8007700000000000000000009"
    "92d601bb996e0d1200000000a002fd2018460000020405a00402080a9f64fc40000000000103030a"
)


def naive(data: bytes) -> int:
    """RFC 1071 §4.1, word by word."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def naive_tcp(source: bytes, destination: bytes, segment: bytes) -> int:
    cleared = segment[:CHECKSUM_OFFSET] + b"\0\0" + segment[CHECKSUM_OFFSET + 2 :]
    return naive(pseudo_header(source, destination, len(segment)) + cleared)


def split(packet: bytes) -> tuple[bytes, bytes, bytes]:
    """Return source, destination and TCP segment of a packet without IP options."""
    if packet[0] >> 4 == 4:
        return packet[12:16], packet[16:20], packet[20:]
    return packet[8:24], packet[24:40], packet[40:]


# Octets that make sums of 0 and 0xFFFF likely.
edgy = st.lists(st.sampled_from([0, 1, 0x7F, 0xFE, 0xFF]), max_size=12).map(bytes)
octets = st.binary(max_size=300) | edgy
addresses = st.tuples(*[st.binary(min_size=4, max_size=4)] * 2) | st.tuples(
    *[st.binary(min_size=16, max_size=16)] * 2
)
segments = st.binary(min_size=20, max_size=120)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0001f203f4f5f6f7", 0x220D),  # RFC 1071 §3: the sum is 0xDDF2
        ("4500003c1a344000400600000a4c00010a4d1234", 0xF9BA),  # the IPv4 header above
        ("", 0xFFFF),
        ("0000", 0xFFFF),
        ("ffff", 0),
        ("ff", 0x00FF),
        ("00ff", 0xFF00),
        ("fffe0001", 0),
        ("ffffffffffff", 0),
        ("0001", 0xFFFE),
        ("8000800080008000", 0xFFFD),  # carries come back in
    ],
)
def test_known_sums(data: str, expected: int) -> None:
    assert internet_checksum(bytes.fromhex(data)) == expected
    assert internet_checksum(memoryview(bytes.fromhex(data))) == expected


@pytest.mark.parametrize("packet", [LINUX_SYN_IPV4, LINUX_SYN_IPV6])
def test_a_segment_of_linux_is_valid_and_gets_the_same_checksum(packet: bytes) -> None:
    """UDP-30, MUST-2, MUST-3: the checksum that a kernel's TCP fills and checks."""
    source, destination, segment = split(packet)
    field = int.from_bytes(segment[CHECKSUM_OFFSET : CHECKSUM_OFFSET + 2], "big")
    assert tcp_checksum(source, destination, segment) == field
    assert tcp_checksum_valid(source, destination, segment)
    assert tcp_checksum_valid(source, destination, memoryview(segment))


@pytest.mark.parametrize("packet", [LINUX_SYN_IPV4, LINUX_SYN_IPV6])
def test_every_flipped_bit_is_seen(packet: bytes) -> None:
    source, destination, segment = split(packet)
    for bit in range(len(segment) * 8):
        damaged = bytearray(segment)
        damaged[bit // 8] ^= 1 << bit % 8
        assert not tcp_checksum_valid(source, destination, bytes(damaged))


@given(octets)
def test_agrees_with_the_naive_sum(data: bytes) -> None:
    assert internet_checksum(data) == naive(data)


@given(octets.filter(lambda data: len(data) % 2 == 0))
def test_data_with_its_checksum_sums_to_zero(data: bytes) -> None:
    assert internet_checksum(data + internet_checksum(data).to_bytes(2, "big")) == 0


@given(addresses, segments)
def test_tcp_agrees_with_the_naive_sum(pair: tuple[bytes, bytes], segment: bytes) -> None:
    """UDP-30: whatever the field holds before, with W-9 a zero."""
    assert tcp_checksum(*pair, segment) == naive_tcp(*pair, segment)


@given(addresses, segments)
def test_a_filled_segment_is_valid(pair: tuple[bytes, bytes], segment: bytes) -> None:
    field = tcp_checksum(*pair, segment).to_bytes(2, "big")
    filled = segment[:CHECKSUM_OFFSET] + field + segment[CHECKSUM_OFFSET + 2 :]
    assert tcp_checksum_valid(*pair, filled)
    damaged = bytes([filled[0] ^ 1]) + filled[1:]
    assert not tcp_checksum_valid(*pair, damaged)


def test_a_sum_that_comes_out_as_all_ones_gives_zero() -> None:
    """Zero and 0xFFFF are the same number to the sum; the one RFC 1071 gives is zero."""
    source, destination = b"\x0a\x4c\x00\x01", b"\x0a\x4d\x12\x34"
    segment = bytearray(20)
    segment[2:4] = tcp_checksum(source, destination, bytes(segment)).to_bytes(2, "big")
    assert tcp_checksum(source, destination, bytes(segment)) == 0
    assert tcp_checksum_valid(source, destination, bytes(segment))
    segment[CHECKSUM_OFFSET : CHECKSUM_OFFSET + 2] = b"\xff\xff"
    assert tcp_checksum_valid(source, destination, bytes(segment))


def test_pseudo_headers() -> None:
    """RFC 9293 §3.1 and RFC 8200 §8.1."""
    assert pseudo_header(b"abcd", b"efgh", 0x1234) == b"abcdefgh\x00\x06\x12\x34"
    source, destination = bytes(range(16)), bytes(range(16, 32))
    expected = source + destination + b"\x00\x01\x23\x45\x00\x00\x00\x06"
    assert pseudo_header(source, destination, 0x12345) == expected
    for bad in [(b"", b""), (b"abcd", source), (b"abc", b"abc")]:
        with pytest.raises(ValueError):
            pseudo_header(*bad, 20)
