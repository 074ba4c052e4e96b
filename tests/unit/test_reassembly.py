"""The out-of-order queue against a model that keeps every octet by itself."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.core.receive.reassembly import (
    PIECE_OCTETS,
    PIECE_OVERHEAD,
    PIECES_FREE,
    RANGES_MAX,
    Reassembly,
)

PLENTY = 1 << 20
BASE = 0xFFFF_FFE0  # the numbers under test cross the wrap of the wire

arrivals = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.integers(0, 60), st.integers(1, 20)),
        st.tuples(st.just("take"), st.integers(0, 80), st.just(0)),
    ),
    max_size=40,
)


def filled(limit: int, *blocks: tuple[int, int]) -> Reassembly:
    queue = Reassembly(limit)
    for left, right in blocks:
        assert queue.insert(left, bytes(right - left))
    return queue


def blocks_of(octets: dict[int, int]) -> list[tuple[int, int]]:
    lefts = sorted(n for n in octets if n - 1 not in octets)
    rights = sorted(n + 1 for n in octets if n + 1 not in octets)
    return list(zip(lefts, rights, strict=True))


@given(arrivals)
def test_first_copy_wins_and_order_is_kept(steps: list[tuple[str, int, int]]) -> None:
    """M-16, SHLD-31, SACK-3: any overlap, any order."""
    queue = Reassembly(PLENTY)
    model: dict[int, int] = {}
    for n, (name, at, size) in enumerate(steps):
        if name == "insert":
            assert queue.insert(BASE + at, bytes([n]) * size)
            for number in range(BASE + at, BASE + at + size):
                model.setdefault(number, n)
        else:
            rcv_nxt = BASE + at
            expected = []
            while rcv_nxt in model:
                expected.append(model[rcv_nxt])
                rcv_nxt += 1
            assert b"".join(queue.take(BASE + at)) == bytes(expected)
            model = {number: octet for number, octet in model.items() if number >= rcv_nxt}
        assert len(queue) == len(model)
        assert sorted(queue.sack_blocks(100)) == blocks_of(model)
    assert list(queue.held) == blocks_of(model)


def test_a_stored_octet_is_never_overwritten() -> None:
    """M-16"""
    queue = Reassembly(PLENTY)
    queue.insert(102, b"FIRST")
    queue.insert(100, b"second!!!")
    assert b"".join(queue.take(100)) == b"seFIRST!!"


def test_take_stops_at_the_gap() -> None:
    queue = Reassembly(PLENTY)
    queue.insert(110, b"abc")
    queue.insert(115, b"def")
    assert queue.take(100) == []
    assert b"".join(queue.take(110)) == b"abc"
    assert queue.sack_blocks(4) == [(115, 118)]
    assert b"".join(queue.take(116)) == b"ef"
    assert (len(queue), queue.sack_blocks(4)) == (0, [])


def test_take_forgets_what_lies_below() -> None:
    """SACK-3: no block begins below RCV.NXT."""
    queue = Reassembly(PLENTY)
    queue.insert(110, b"abc")
    queue.insert(120, b"def")
    assert queue.take(115) == []
    assert queue.sack_blocks(4) == [(120, 123)]


# -- SACK blocks -------------------------------------------------------------------------------


def test_the_range_that_changed_last_comes_first() -> None:
    """SACK-2, SACK-3"""
    queue = filled(PLENTY, (100, 110), (200, 210), (300, 310))
    assert queue.sack_blocks(4) == [(300, 310), (200, 210), (100, 110)]
    queue.insert(110, bytes(10))
    assert queue.sack_blocks(4) == [(100, 120), (300, 310), (200, 210)]


def test_rfc_2018_example() -> None:
    """SACK-2: RFC 2018 §4, case 2: the first of eight segments of 500 octets is lost."""
    queue = Reassembly(PLENTY)
    for n in range(1, 8):
        queue.insert(5000 + 500 * n, bytes(500))
        assert queue.sack_blocks(3) == [(5500, 6000 + 500 * (n - 1))]


def test_rfc_2018_example_with_every_second_segment_lost() -> None:
    """SACK-2: RFC 2018 §4, case 3: segments 2, 4, 6 and 8 of 500 octets are lost."""
    queue = Reassembly(PLENTY)
    seen = []
    for left in (6000, 7000, 8000):
        queue.insert(left, bytes(500))
        seen.append(queue.sack_blocks(3))
    assert seen == [
        [(6000, 6500)],
        [(7000, 7500), (6000, 6500)],
        [(8000, 8500), (7000, 7500), (6000, 6500)],
    ]
    # The fourth segment arrives, then the second; 5500 is where the reader waits.
    queue.insert(6500, bytes(500))
    assert queue.sack_blocks(3) == [(6000, 7500), (8000, 8500)]
    queue.insert(5500, bytes(500))
    assert len(b"".join(queue.take(5500))) == 2000
    assert queue.sack_blocks(3) == [(8000, 8500)]


def test_no_more_blocks_than_asked_for_and_each_once() -> None:
    """SACK-2, W-25"""
    queue = filled(PLENTY, *[(n, n + 5) for n in range(100, 1100, 10)])
    for most in (1, 2, 3, 4):
        assert queue.sack_blocks(most) == [(1090 - 10 * n, 1095 - 10 * n) for n in range(most)]


def test_blocks_reported_most_recently_follow() -> None:
    """SACK-2: however often two ranges take turns, the third is the one reported before them."""
    queue = filled(PLENTY, (100, 110), (200, 210), (300, 310), (400, 410), (500, 510))
    # The peer heard of (100, 110) last when it came first; (300, 310) grows once more.
    queue.insert(310, bytes(5))
    for n in range(10):
        queue.insert(410 + n, bytes(1))
        queue.insert(510 + n, bytes(1))
    assert queue.sack_blocks(4) == [(500, 520), (400, 420), (300, 315), (200, 210)]


def test_a_duplicate_brings_its_range_to_the_front() -> None:
    """SACK-2: the first block holds the segment that caused the acknowledgement."""
    queue = filled(PLENTY, (100, 120), (200, 210))
    assert queue.insert(105, bytes(5))
    assert queue.sack_blocks(2) == [(100, 120), (200, 210)]
    assert len(queue) == 30


def test_ranges_that_merge_are_reported_once() -> None:
    """SACK-2, SACK-3"""
    queue = filled(PLENTY, (100, 110), (120, 130), (140, 150))
    queue.insert(105, bytes(40))
    assert queue.sack_blocks(4) == [(100, 150)]


# -- bounds ------------------------------------------------------------------------------------


def test_octets_are_bounded() -> None:
    """BUF-1"""
    queue = Reassembly(10_000)
    accepted = sum(queue.insert(100_000 * n, bytes(1000)) for n in range(100))
    assert accepted == 10_000 // (1000 + PIECE_OVERHEAD)
    assert len(queue) == 1000 * accepted


def test_fragments_of_one_octet_are_bounded_by_what_they_cost() -> None:
    """BUF-2"""
    limit = 100_000
    queue = Reassembly(limit)
    accepted = sum(queue.insert(1000 + 2 * n, b"x") for n in range(20_000))
    assert accepted == limit // (1 + PIECE_OVERHEAD)


@pytest.mark.parametrize("backwards", [False, True])
def test_fragments_of_one_octet_are_bounded_in_number(backwards: bool) -> None:
    """BUF-2: however large the window, or each read would cost more than the one before."""
    queue = Reassembly(1 << 30)
    order = range(20_000, 0, -1) if backwards else range(20_000)
    accepted = sum(queue.insert(1000 + 2 * n, b"x") for n in order)
    assert PIECES_FREE <= accepted <= PIECES_FREE + 20_000 // PIECE_OCTETS
    assert len(queue.held) == accepted
    assert len(queue.take(0)) == 0


def test_small_messages_in_a_row_are_few_pieces() -> None:
    """BUF-2: who sends many of them behind a gap has none refused."""
    queue = Reassembly(1 << 20)
    assert all(queue.insert(1000 + 20 * n, bytes([n % 256]) * 20) for n in range(20_000))
    assert queue.sack_blocks(3) == [(1000, 401_000)]
    pieces = queue.take(1000)
    assert b"".join(pieces) == b"".join(bytes([n % 256]) * 20 for n in range(20_000))
    assert len(pieces) <= 400_000 // PIECE_OCTETS


def test_gaps_are_bounded_in_number() -> None:
    """BUF-2: what makes none of its own is taken all the same."""
    queue = Reassembly(1 << 30)
    step = PIECE_OCTETS + 1
    order = range(0, 2 * RANGES_MAX * step, step)
    assert sum(queue.insert(at, bytes(PIECE_OCTETS)) for at in order) == RANGES_MAX
    assert queue.insert(RANGES_MAX * step - 1, b"x")
    assert queue.insert(PIECE_OCTETS, b"x")
    assert len(queue.held) == RANGES_MAX - 1


def test_what_is_charged_covers_what_a_fragment_costs() -> None:
    """BUF-2: a bytes object, two ints and their places in four lists."""
    one = sys.getsizeof(b"xy") + 2 * sys.getsizeof(1 << 33) + 4 * 8
    assert one <= PIECE_OVERHEAD


def test_refused_octets_are_not_reported_and_kept_ones_stay() -> None:
    """SACK-5, BUF-2: what a block has promised is never given up for something newer."""
    queue = Reassembly(3 * (100 + PIECE_OVERHEAD))
    for left in (1000, 2000, 3000):
        assert queue.insert(left, b"x" * 100)
    assert not queue.insert(500, b"y" * 100)
    assert sorted(queue.sack_blocks(4)) == [(1000, 1100), (2000, 2100), (3000, 3100)]
    assert b"".join(queue.take(1000)) == b"x" * 100
    assert queue.insert(500, b"y" * 100)


def test_a_refused_segment_leaves_nothing_behind() -> None:
    """BUF-2: even if parts of it would have fitted."""
    queue = filled(2 * (10 + PIECE_OVERHEAD) + PIECE_OVERHEAD, (100, 110), (120, 130))
    before = queue.sack_blocks(4)
    assert not queue.insert(90, bytes(60))
    assert (queue.sack_blocks(4), len(queue)) == (before, 20)


def test_clear() -> None:
    queue = filled(PLENTY, (100, 110), (120, 130))
    queue.clear()
    assert (len(queue), queue.sack_blocks(4), queue.take(100)) == (0, [], [])
