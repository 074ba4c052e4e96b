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
    ("parse", "text"),
    [
        *[(arguments.size, text) for text in ("", "x", "-1", "10Q", "1e3", "2T", "nan", "M")],
        *[(arguments.share, text) for text in ("", "x", "-1", "101", "nan", "5%%", "inf")],
        *[(arguments.seconds, text) for text in ("", "x", "-1", "11s", "nan", "1m", "inf", "s")],
    ],
)
def test_nonsense_is_refused_with_a_message(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is not|is more"):
        parse(text)
