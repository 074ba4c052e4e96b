"""Initial sequence numbers and timestamp offsets: a clock that is seen, a key that is not."""

import collections
import itertools
import random

import pytest

from rudp.config import Config
from rudp.core.demux.ports import DYNAMIC_PORTS
from rudp.core.demux.table import ConnectionTable
from rudp.core.segment.isn import IsnSource
from rudp.core.segment.transmit import Path

SECRET = bytes(range(16))
PATH: Path = (("192.0.2.1", 4000), "198.51.100.7")
PORTS = 50_000 << 16 | 80
SPACE = 1 << 32


def many(count: int) -> list[tuple[Path, int]]:
    """Return *count* connections that differ in one number each."""
    return [
        (((f"192.0.2.{n % 200}", 4000 + n // 200 % 20), "198.51.100.7"), n << 16 | 80)
        for n in range(1, count + 1)
    ]


def ones(number: int) -> int:
    return number.bit_count()


def test_one_tick_in_four_microseconds() -> None:
    """ISN-2, MUST-8, DEF-48"""
    source = IsnSource(SECRET)
    first = source.iss(PATH, PORTS, 1000.0)
    assert (source.iss(PATH, PORTS, 1001.0) - first) % SPACE == 250_000
    assert (source.iss(PATH, PORTS, 1000.25) - first) % SPACE == 62_500


def test_the_clock_wraps() -> None:
    """ISN-2, TRAP-12: 2**32 ticks are 17179.869184 s."""
    source = IsnSource(SECRET)
    for now in (0.0, 5000.0, 17_179.0, 1e6, 1e9):
        iss = source.iss(PATH, PORTS, now)
        assert 0 <= iss < SPACE
        assert (source.iss(PATH, PORTS, now + 10_000) - iss) % SPACE == 2_500_000_000


def test_a_later_incarnation_starts_above_an_earlier_one() -> None:
    """ISN-4, SHLD-1"""
    source = IsnSource(SECRET)
    numbers = [source.iss(PATH, PORTS, 50.0 + n / 8) for n in range(200)]
    for earlier, later in itertools.pairwise(numbers):
        assert (later - earlier) % SPACE == 31_250


def test_every_part_of_the_name_counts() -> None:
    """ISN-1, SHLD-1, W-40"""
    source = IsnSource(SECRET)
    names: list[tuple[Path, int]] = [
        (PATH, PORTS),
        ((("192.0.2.2", 4000), "198.51.100.7"), PORTS),
        ((("192.0.2.1", 4001), "198.51.100.7"), PORTS),
        ((("192.0.2.1", 4000), "198.51.100.8"), PORTS),
        (PATH, 50_001 << 16 | 80),
        (PATH, 50_000 << 16 | 81),
        (PATH, 80 << 16 | 50_000),
        ((("2001:db8::1", 4000, 0, 0), "2001:db8::2"), PORTS),
    ]
    for value in (source.iss, lambda path, ports, now: source.timestamp_offset(path, ports)):
        assert len({value(path, ports, 7.0) for path, ports in names}) == len(names)


def test_the_same_name_and_key_give_the_same_number() -> None:
    """ISN-3: the function is fixed for as long as the key is."""
    one, other = IsnSource(SECRET), IsnSource(SECRET)
    assert one.iss(PATH, PORTS, 3.0) == other.iss(PATH, PORTS, 3.0)
    assert one.timestamp_offset(PATH, PORTS) == other.timestamp_offset(PATH, PORTS)


def test_numbers_of_different_connections_are_spread() -> None:
    """ISN-4, MUST-9: sixteen drawers, 3200 connections, about 200 in each.

    The square sum has 15 degrees of freedom; above 44.3 lies one case in ten thousand.
    """
    source = IsnSource(SECRET)
    for shift in (28, 16, 0):
        drawers = collections.Counter(
            source.iss(path, ports, 7.0) >> shift & 0xF for path, ports in many(3200)
        )
        assert sum((drawers[n] - 200) ** 2 / 200 for n in range(16)) < 44.3


def test_neighbours_tell_nothing_about_each_other() -> None:
    """ISN-4, MUST-9: half of the bits differ, on average, between ports next to each other."""
    source = IsnSource(SECRET)
    numbers = [source.iss(path, ports, 7.0) for path, ports in many(2000)]
    differing = [ones(a ^ b) for a, b in itertools.pairwise(numbers)]
    assert sum(differing) / len(differing) == pytest.approx(16, abs=0.4)
    steps = collections.Counter((b - a) % SPACE for a, b in itertools.pairwise(numbers))
    assert max(steps.values()) <= 2


def test_another_key_gives_other_numbers() -> None:
    """ISN-3, MUST-9: who lacks the key cannot compute them; one bit of it changes everything."""
    changed = bytes([SECRET[0] ^ 1]) + SECRET[1:]
    one, other = IsnSource(SECRET), IsnSource(changed)
    differing = [
        ones(one.iss(path, ports, 7.0) ^ other.iss(path, ports, 7.0)) for path, ports in many(1000)
    ]
    assert sum(differing) / len(differing) == pytest.approx(16, abs=0.5)


def test_timestamp_offsets_are_independent_of_the_numbers() -> None:
    """ISN-6: an ISS that was seen does not give the offset away, nor the uptime."""
    source = IsnSource(SECRET)
    names = many(1000)
    offsets = [source.timestamp_offset(path, ports) for path, ports in names]
    assert len(set(offsets)) == len(offsets)
    differing = [
        ones(source.iss(path, ports, 0.0) ^ offset)
        for (path, ports), offset in zip(names, offsets, strict=True)
    ]
    assert sum(differing) / len(differing) == pytest.approx(16, abs=0.5)
    assert sum(map(ones, offsets)) / len(offsets) == pytest.approx(16, abs=0.5)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_keys_of_any_sensible_size(size: int) -> None:
    """ISN-3"""
    assert 0 <= IsnSource(bytes(size)).iss(PATH, PORTS, 0.0) < SPACE


@pytest.mark.parametrize("size", [0, 8, 15])
def test_a_short_key_is_refused(size: int) -> None:
    """ISN-3, MUST-9"""
    with pytest.raises(ValueError, match="16 octets"):
        IsnSource(bytes(size))


def test_ports_of_active_opens() -> None:
    """ISN-5, W-42, DEF-47: dynamic ones, each used once, and no order between them."""
    table = ConnectionTable(Config(), secret=SECRET, chance=random.Random(1))
    chosen = [table.open_active(PATH, 80, 0.0).ports >> 16 for _ in range(500)]
    assert len(set(chosen)) == 500
    assert set(chosen) <= set(DYNAMIC_PORTS) == set(range(49_152, 65_536))
    assert sum(abs(b - a) for a, b in itertools.pairwise(chosen)) / 499 > 4000


def test_a_port_in_use_is_passed_over() -> None:
    """ISN-5: the next one up is taken, and after the last one the first."""

    class Fixed(random.Random):
        def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
            return len(DYNAMIC_PORTS) - 2

    table = ConnectionTable(Config(), secret=SECRET, chance=Fixed())
    chosen = [table.open_active(PATH, 80, 0.0).ports >> 16 for _ in range(4)]
    assert chosen == [65_534, 65_535, 49_152, 49_153]
    other: Path = (("192.0.2.9", 4000), "198.51.100.7")
    assert table.open_active(other, 80, 0.0).ports >> 16 == 65_534
