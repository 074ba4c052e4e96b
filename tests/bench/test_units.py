"""Arguments of the benches, as people write them."""

import argparse

import pytest

from bench import units


def test_what_people_write() -> None:
    assert units.milliseconds("20") == units.milliseconds("20ms") == pytest.approx(0.02)
    assert units.milliseconds("0.2s") == pytest.approx(0.2)
    assert units.seconds("10") == units.seconds("10s") == 10.0
    assert units.percent("1") == units.percent("1%") == 0.01
    assert units.rate("20M") == units.rate("20 Mbit/s") == units.megabits("20") == 20e6


def test_a_buffer_is_octets_packets_or_a_share_of_the_path() -> None:
    assert units.octets("64000", rtt=0.1, rate=1e6) == units.octets("64k", rtt=0.1, rate=1e6)
    assert units.octets("50p", rtt=0.1, rate=1e6) == 75_000
    assert units.octets("2bdp", rtt=0.1, rate=100e6) == 2_500_000
    assert units.octets("1bdp", rtt=0.002, rate=10e6) == units.QUEUE_FLOOR


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (units.milliseconds, "soon"),
        (units.milliseconds, "11s"),
        (units.milliseconds, "-1"),
        (units.percent, "101"),
        (units.rate, "1 furlong"),
        (units.rate, "10"),
        (units.buffer, "big"),
    ],
)
def test_nonsense_is_refused(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(argparse.ArgumentTypeError):
        parse(text)
