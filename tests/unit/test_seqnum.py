"""Sequence numbers: out to 32 bits and back, across every wrap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.core.segment.seqnum import SEQ_HALF, SEQ_MASK, from_wire, to_wire, wire_after

numbers = st.integers(0, 1 << 80)
offsets = st.integers(-SEQ_HALF, SEQ_HALF - 1)
bits = st.integers(0, SEQ_MASK)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, 0),
        (0xFFFF_FFFF, 0xFFFF_FFFF),
        (0x1_0000_0000, 0),
        (0x1_0000_0001, 1),
        (0xABC_0000_0002, 2),
        (-1, 0xFFFF_FFFF),
    ],
)
def test_the_wire_shows_the_low_32_bits(number: int, shown: int) -> None:
    """W-3"""
    assert to_wire(number) == shown


@pytest.mark.parametrize(
    ("shown", "near", "number"),
    [
        (5, 0, 5),
        (0, 0xFFFF_FFFF, 0x1_0000_0000),  # just wrapped
        (0xFFFF_FFFF, 0x1_0000_0000, 0xFFFF_FFFF),  # an old one, from before the wrap
        (0xFFFF_FC18, 0x7_0000_0010, 0x6_FFFF_FC18),
        (0x10, 0x6_FFFF_FC18, 0x7_0000_0010),
        (0x7FFF_FFFF, 0, 0x7FFF_FFFF),  # the farthest ahead
        (0x8000_0000, 0, -0x8000_0000),  # the farthest behind
        (3, 3, 3),
    ],
)
def test_the_nearest_number_is_meant(shown: int, near: int, number: int) -> None:
    """TRAP-12"""
    assert from_wire(shown, near) == number


@given(numbers, offsets)
def test_round_trip(near: int, offset: int) -> None:
    """TRAP-12: whatever lies within half the space of a number comes back as it was."""
    assert from_wire(to_wire(near + offset), near) == near + offset


@given(bits, numbers)
def test_low_bits_are_kept(shown: int, near: int) -> None:
    number = from_wire(shown, near)
    assert to_wire(number) == shown
    assert -SEQ_HALF <= number - near < SEQ_HALF


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1, 0, True),
        (0, 1, False),
        (7, 7, False),
        (0, 0xFFFF_FFFF, True),
        (0xFFFF_FFFF, 0, False),
        (0x7FFF_FFFF, 0, True),
        (0x8000_0001, 0, False),
    ],
)
def test_after_on_the_wire(a: int, b: int, expected: bool) -> None:
    """TRAP-12: timestamps and the numbers of TIME-WAIT are compared modulo 2**32."""
    assert wire_after(a, b) is expected


@given(bits, st.integers(1, SEQ_HALF - 1))
def test_after_is_an_order_over_half_the_space(a: int, step: int) -> None:
    b = to_wire(a + step)
    assert wire_after(b, a)
    assert not wire_after(a, b)
