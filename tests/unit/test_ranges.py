"""RangeSet against a set of ints."""

from hypothesis import given
from hypothesis import strategies as st

from rudp.core.terms.ranges import RangeSet

TOP = 60
edges = st.integers(0, TOP)
operations = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "remove_below"]), edges, edges), max_size=30
)


def as_ranges(numbers: set[int]) -> list[tuple[int, int]]:
    """Return *numbers* as the longest half-open ranges, in order."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number:
            ranges[-1] = ranges[-1][0], number + 1
        else:
            ranges.append((number, number + 1))
    return ranges


def play(steps: list[tuple[str, int, int]]) -> tuple[RangeSet, set[int]]:
    ranges, model = RangeSet(), set[int]()
    for name, a, b in steps:
        if name == "add":
            ranges.add(a, b)
            model |= set(range(a, b))
        elif name == "remove":
            ranges.remove(a, b)
            model -= set(range(a, b))
        else:
            ranges.remove_below(a)
            model -= set(range(a))
        assert list(ranges) == as_ranges(model)
        assert ranges.octets == len(model)
        assert len(ranges) == len(as_ranges(model))
    return ranges, model


@given(operations)
def test_the_ranges_are_the_set(steps: list[tuple[str, int, int]]) -> None:
    """SACK-3: sorted, disjoint and never touching, after each step."""
    ranges, model = play(steps)
    for number in range(-1, TOP + 2):
        assert (number in ranges) is (number in model)


@given(operations, edges, edges)
def test_gaps_are_what_is_missing(steps: list[tuple[str, int, int]], a: int, b: int) -> None:
    ranges, model = play(steps)
    assert ranges.gaps(a, b) == as_ranges(set(range(a, b)) - model)


@given(operations, edges, edges)
def test_overlaps_are_what_is_there(steps: list[tuple[str, int, int]], a: int, b: int) -> None:
    """SACK-4: the parts of a segment that came before."""
    ranges, model = play(steps)
    assert ranges.overlaps(a, b) == as_ranges(set(range(a, b)) & model)


@given(operations, edges)
def test_range_at(steps: list[tuple[str, int, int]], number: int) -> None:
    ranges, model = play(steps)
    expected = [r for r in as_ranges(model) if r[0] <= number < r[1]]
    assert ranges.range_at(number) == (expected[0] if expected else None)


def test_ranges_that_meet_are_one() -> None:
    ranges = RangeSet()
    ranges.add(10, 20)
    ranges.add(30, 40)
    assert list(ranges) == [(10, 20), (30, 40)]
    ranges.add(20, 30)
    assert list(ranges) == [(10, 40)]
    assert ranges.octets == 30


def test_numbers_beyond_32_bits() -> None:
    """TRAP-12"""
    ranges = RangeSet()
    ranges.add(0xFFFF_FF00, 0x1_0000_0100)
    assert 0x1_0000_0000 in ranges
    assert 0 not in ranges
    ranges.remove(0xFFFF_FFFF, 0x1_0000_0000)
    assert list(ranges) == [(0xFFFF_FF00, 0xFFFF_FFFF), (0x1_0000_0000, 0x1_0000_0100)]


def test_clear() -> None:
    ranges = RangeSet()
    ranges.add(1, 5)
    ranges.add(7, 9)
    ranges.clear()
    assert (list(ranges), ranges.octets, len(ranges)) == ([], 0, 0)
    assert ranges.gaps(0, 10) == [(0, 10)]
