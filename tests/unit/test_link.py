"""What a link does to datagrams, counted and timed: the path that UDP-6 must survive."""

import doctest
import math
from typing import Any

import pytest

from rudp.core.segment.transmit import CE, ECT_0
from rudp.sim import Link, link

MANY = 20_000


def carry_all(link: Link, count: int, gap: float = 0.001) -> list[list[tuple[float, bytes]]]:
    """Send *count* numbered datagrams, *gap* seconds apart."""
    return [link.carry(number.to_bytes(4, "big"), number * gap) for number in range(count)]


def about(probability: float) -> Any:
    """Equal to what MANY trials give, within four standard deviations."""
    deviation = math.sqrt(probability * (1 - probability) / MANY)
    return pytest.approx(probability, abs=4 * deviation)


def test_examples() -> None:
    assert doctest.testmod(link).failed == 0


def test_a_link_alone_delivers_at_once() -> None:
    assert Link().carry(b"x", 7.0) == [(7.0, b"x")]


def test_delay() -> None:
    assert Link(delay=0.25).carry(b"x", 1.0) == [(1.25, b"x")]


def test_rate_counts_the_headers_and_sends_one_after_another() -> None:
    link = Link(rate=8000.0, delay=1.0)
    assert link.carry(bytes(972), 0.0)[0][0] == 2.0
    assert link.carry(bytes(972), 0.0)[0][0] == 3.0
    # Idle since 2 s: begins anew, does not make up for it.
    assert link.carry(bytes(972), 10.0)[0][0] == 12.0
    assert Link(rate=8000.0, overhead=0).carry(bytes(1000), 0.0)[0][0] == 1.0


def test_a_full_queue_drops_the_newest() -> None:
    link = Link(rate=8000.0, queue=3000, overhead=0)
    arrived = [bool(link.carry(bytes(1000), 0.0)) for _ in range(5)]
    assert arrived == [True, True, True, False, False]
    assert link.dropped == 2
    # One second later one of them has left.
    assert link.carry(bytes(1000), 1.0)
    assert not link.carry(bytes(1000), 1.0)
    assert link.sent == 7


def test_a_long_queue_marks_what_can_be_marked() -> None:
    """RFC 3168: instead of waiting until something has to be dropped."""
    link = Link(rate=8000.0, mark=1500, overhead=0)
    marks = [link.convey(bytes(1000), ecn, 0.0)[0][2] for ecn in (ECT_0, ECT_0, ECT_0, 0, CE)]
    assert marks == [ECT_0, ECT_0, CE, 0, CE]
    assert link.marked == 2
    # Four seconds later one is left.
    assert link.convey(bytes(1000), ECT_0, 4.0) == [(6.0, bytes(1000), ECT_0)]


def test_every_copy_is_marked_alike() -> None:
    link = Link(rate=8000.0, mark=0, duplicate=1.0)
    link.carry(b"first", 0.0)
    assert [mark for _, _, mark in link.convey(b"second", ECT_0, 0.0)] == [CE, CE]


def test_an_idle_link_takes_what_its_queue_never_could() -> None:
    link = Link(rate=8000.0, queue=0, overhead=0)
    assert link.carry(bytes(1000), 0.0) == [(1.0, bytes(1000))]
    assert not link.carry(bytes(1), 0.5)
    assert link.carry(bytes(1), 1.0)


def test_what_is_too_long_is_cut() -> None:
    """And what is as long as it may be is not; the rate has carried all of it."""
    link = Link(cut=4, rate=8000.0, overhead=0)
    assert link.carry(b"12345678", 0.0) == [(0.008, b"1234")]
    assert link.carry(b"1234", 1.0) == [(1.004, b"1234")]
    assert (link.shortened, link.lost) == (1, 0)
    with pytest.raises(ValueError, match="cut"):
        Link(cut=0)


@pytest.mark.parametrize("probability", [0.01, 0.3])
def test_loss(probability: float) -> None:
    link = Link(loss=probability, seed=1)
    arrived = sum(bool(copies) for copies in carry_all(link, MANY))
    assert arrived + link.lost == link.sent == MANY
    assert link.lost / MANY == about(probability)


def test_loss_of_everything_and_of_nothing() -> None:
    assert not any(carry_all(Link(loss=1.0), 100))
    assert all(carry_all(Link(loss=0.0), 100))


def test_burst_loss_comes_in_runs_of_the_expected_length() -> None:
    link = Link(burst_enter=0.01, burst_exit=0.2, seed=2)
    lost = [not copies for copies in carry_all(link, MANY)]
    runs = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
    # In equilibrium the link is bad for enter / (enter + exit), each time for 1 / exit datagrams.
    assert sum(lost) / MANY == pytest.approx(0.01 / 0.21, rel=0.15)
    assert sum(lost) / runs == pytest.approx(5.0, rel=0.15)


def test_burst_loss_may_spare_some_and_a_good_link_may_lose_some() -> None:
    link = Link(burst_enter=1.0, burst_exit=0.0, burst_loss=0.5, loss=1.0, seed=3)
    arrived = sum(bool(copies) for copies in carry_all(link, MANY))
    assert arrived / MANY == about(0.5)


def test_duplicates() -> None:
    link = Link(duplicate=0.1, delay=0.5, seed=4)
    copies = [len(arrivals) for arrivals in carry_all(link, MANY)]
    assert set(copies) == {1, 2}
    assert copies.count(2) == link.duplicated
    assert link.duplicated / MANY == about(0.1)


def test_a_corrupted_datagram_is_caught_by_the_checksum() -> None:
    link = Link(corrupt=0.1, seed=5)
    arrived = carry_all(link, MANY)
    assert sum(not copies for copies in arrived) == link.corrupted
    assert link.corrupted / MANY == about(0.1)
    assert link.lost == 0
    for number, copies in enumerate(arrived):
        assert all(data == number.to_bytes(4, "big") for _, data in copies)


def test_a_corrupted_datagram_is_delivered_with_one_bit_changed() -> None:
    link = Link(corrupt=1.0, deliver_corrupted=True, seed=6)
    for number, copies in enumerate(carry_all(link, 200)):
        [(_, data)] = copies
        changed = int.from_bytes(data, "big") ^ number
        assert len(data) == 4
        assert changed.bit_count() == 1
    assert not link.carry(b"", 1.0), "a datagram without payload has only its header to corrupt"


def test_without_jitter_and_reordering_order_is_kept() -> None:
    link = Link(delay=0.1, rate=1e6, queue=10_000, loss=0.1, duplicate=0.1, seed=7)
    arrivals = [copy for copies in carry_all(link, 2000, gap=0.0001) for copy in copies]
    assert arrivals == sorted(arrivals)
    assert link.dropped > 0


def test_jitter_keeps_order_unless_told_otherwise() -> None:
    times = [copies[0][0] for copies in carry_all(Link(jitter=0.01, seed=8), 2000)]
    assert times == sorted(times)
    loose = Link(jitter=0.01, ordered=False, delay=0.1, seed=8)
    times = [copies[0][0] for copies in carry_all(loose, 2000)]
    assert times != sorted(times)
    delays = [when - number * 0.001 for number, when in enumerate(times)]
    assert 0.1 <= min(delays) < 0.101
    assert 0.109 < max(delays) <= 0.11


def test_order_is_kept_when_the_delay_shrinks() -> None:
    link = Link(delay=1.0)
    assert link.carry(b"slow", 0.0) == [(1.0, b"slow")]
    link.configure(delay=0.1)
    assert link.carry(b"fast", 0.1) == [(1.0, b"fast")]
    assert link.carry(b"free", 2.0) == [(2.1, b"free")]


def test_reordering_holds_one_back_and_nobody_waits_for_it() -> None:
    link = Link(reorder=0.05, reorder_delay=0.01, delay=0.1, seed=9)
    arrivals = [
        copies[0][0] - number * 0.001 for number, copies in enumerate(carry_all(link, MANY))
    ]
    held = sum(delay > 0.105 for delay in arrivals)
    assert held == link.reordered
    assert held / MANY == about(0.05)
    assert {round(delay, 6) for delay in arrivals} == {0.1, 0.11}


def test_a_test_loses_the_datagram_it_wants() -> None:
    asked: list[tuple[bytes, float]] = []

    def second(data: bytes, now: float) -> bool:
        asked.append((data, now))
        return len(asked) == 2

    link = Link(drop=second, delay=1.0)
    assert [bool(link.carry(data, 0.5)) for data in (b"a", b"b", b"c")] == [True, False, True]
    assert asked == [(b"a", 0.5), (b"b", 0.5), (b"c", 0.5)]
    assert link.lost == 1


def test_the_same_seed_gives_the_same_fate() -> None:
    options: dict[str, Any] = {
        "loss": 0.1,
        "jitter": 0.01,
        "duplicate": 0.1,
        "reorder": 0.1,
        "corrupt": 0.1,
        "deliver_corrupted": True,
    }
    assert carry_all(Link(seed=1, **options), 500) == carry_all(Link(seed=1, **options), 500)
    assert carry_all(Link(seed=1, **options), 500) != carry_all(Link(seed=2, **options), 500)


def test_options_change_and_counters_stay() -> None:
    link = Link(delay=0.5)
    link.carry(b"x", 0.0)
    link.configure(loss=1.0)
    assert not link.carry(b"x", 0.0)
    link.configure(loss=0.0, rate=1e6)
    assert link.carry(b"x", 0.0)
    assert (link.sent, link.lost) == (3, 1)
    assert link.options["delay"] == 0.5
    assert repr(link) == "Link(delay=0.5, rate=1000000.0)"


@pytest.mark.parametrize(
    "options",
    [
        {"delay": -0.1},
        {"delay": math.inf},
        {"jitter": math.nan},
        {"reorder_delay": -1.0},
        {"overhead": -1},
        {"rate": 0.0},
        {"rate": -1.0},
        {"rate": math.inf},
        {"queue": 1000},
        {"rate": 1e6, "queue": -1},
        {"mark": 1000},
        {"rate": 1e6, "mark": -1},
        {"loss": 1.1},
        {"loss": -0.1},
        {"loss": math.nan},
        {"burst_enter": 2.0},
        {"burst_exit": -1.0},
        {"burst_loss": 5.0},
        {"corrupt": 1.5},
        {"duplicate": -0.5},
        {"reorder": 3.0},
    ],
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Link(**options)
    link = Link(delay=1.0)
    before = link.options
    with pytest.raises(ValueError):
        link.configure(**options)
    assert link.options == before


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(TypeError, match="no option speed"):
        Link(speed=1)  # type: ignore[call-arg]
