"""Numbers as people read them."""

import pytest

from rudp.core.terms import units


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 octets"),
        (1, "1 octet"),
        (1000, "1000 octets"),
        (1024, "1 KiB"),
        (1500, "1.46 KiB"),
        (48 << 20, "48 MiB"),
        (1 << 30, "1 GiB"),
        (1 << 50, "1024 TiB"),
    ],
)
def test_octets(count: int, text: str) -> None:
    assert units.octets(count) == text


@pytest.mark.parametrize(
    ("time", "text"),
    [(0.0, "0 s"), (45e-6, "45 µs"), (0.0123, "12.3 ms"), (0.85, "0.85 s"), (7200.0, "7200 s")],
)
def test_seconds(time: float, text: str) -> None:
    assert units.seconds(time) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.0, "0 B/s"), (999.0, "999 B/s"), (12.5e6, "12.5 MB/s"), (3e12, "3000 GB/s")],
)
def test_rate(rate: float, text: str) -> None:
    assert units.rate(rate) == text
