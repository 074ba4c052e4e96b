"""Arguments as people write them."""

import argparse
from collections.abc import Callable

import pytest

from rudp.cli import arguments


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("0", 0),
        ("500", 500),
        ("500B", 500),
        ("64K", 65_536),
        ("64kib", 65_536),
        ("1.5M", 3 << 19),
        ("10MB", 10 << 20),
        ("1G", 1 << 30),
        ("1T", 1 << 40),
    ],
)
def test_sizes(text: str, octets: int) -> None:
    assert arguments.size(text) == octets


@pytest.mark.parametrize(
    ("text", "share"), [("0", 0.0), ("2", 0.02), ("0.5%", 0.005), ("100%", 1.0)]
)
def test_shares_are_percent(text: str, share: float) -> None:
    assert arguments.share(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "seconds"), [("20", 0.02), ("20ms", 0.02), ("0.1s", 0.1), ("0", 0.0), ("10s", 10.0)]
)
def test_times_are_milliseconds_unless_they_say_seconds(text: str, seconds: float) -> None:
    assert arguments.seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10.0), ("0.5s", 0.5), ("500ms", 0.5), ("5m", 300.0), ("1h", 3600.0), ("24h", 86_400.0)],
)
def test_durations_are_seconds_unless_they_say_something_else(text: str, seconds: float) -> None:
    assert arguments.duration(text) == pytest.approx(seconds)


def test_ports_and_numbers() -> None:
    assert [arguments.port(text) for text in ("0", "7", "65535")] == [0, 7, 65_535]
    assert arguments.count(1, 8)("8") == 8


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *[(arguments.size, text) for text in ("", "x", "-1", "10Q", "1e3", "2T", "nan", "M")],
        *[(arguments.share, text) for text in ("", "x", "-1", "101", "nan", "5%%", "inf")],
        *[(arguments.seconds, text) for text in ("", "x", "-1", "11s", "nan", "1m", "inf", "s")],
        *[(arguments.duration, text) for text in ("", "x", "-1", "0", "25h", "nan", "1d", "1e3")],
        *[(arguments.port, text) for text in ("", "x", "-1", "65536", "٣", "1.0")],
        *[(arguments.count(2, 9), text) for text in ("", "x", "1", "10", "²")],
    ],
)
def test_nonsense_is_refused_with_a_message(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is not|is more"):
        parse(text)
