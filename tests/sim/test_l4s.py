"""What L4S is for: Prague on a DualPI2, beside CUBIC, and CUBIC where it always was.

Figures of 40 ms and 50 Mbit/s; a queueing delay is what a datagram waited for others.
"""

from typing import Any

import pytest

from bench import race
from bench.controllers import controller

BASE = ["--rtt", "40ms", "--rate", "50M", "--start", "5"]
SLOW_PATHS = (("20M", "80ms"), ("100M", "10ms"))
SHALLOW = "dualpi2:threshold=0.0005,ramp=0.0005"


def figures(*arguments: str, seconds: float = 3.0) -> dict[str, Any]:
    """Run a race; return its figures."""
    given = race.parser().parse_args([*BASE, *arguments, "--seconds", str(seconds)])
    controllers = [controller(name) for name in given.flows]
    return race.race(given, controllers)[1]


def delay(found: dict[str, Any], flow: int = 0) -> float:
    """Milliseconds that 99 of 100 datagrams of a flow do not wait for."""
    return float(found["flows"][flow]["queued_p99"]) * 1e3


def test_PRG_11_a_flow_alone_waits_for_less_than_a_millisecond() -> None:
    """And leaves nothing unused: of 1500 octets of a packet 1440 are data."""
    found = figures("prague", "--queue", SHALLOW)
    assert delay(found) < 1.0
    assert found["utilisation"] > 0.95
    assert found["flows"][0]["lost"] == 0
    assert 0.01 < found["marked"] < 0.15


@pytest.mark.slow
def test_PRG_11_the_ramp_of_the_RFC_is_as_long_as_it_says() -> None:
    """It begins at 0.8 ms, so that a flow alone stays a little above."""
    found = figures("prague", "--queue", "dualpi2", seconds=20.0)
    assert 0.8 < delay(found) < 1.2
    assert found["utilisation"] > 0.95


@pytest.mark.slow
def test_cubic_fills_what_only_drops() -> None:
    found = figures("cubic", seconds=20.0)
    assert 35.0 < delay(found) <= 40.0


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["wrr", "ts-fifo"])
def test_PRG_12_beside_cubic_both_get_about_the_same(scheduler: str) -> None:
    """RFC 9332 §2.1: within a factor of two, each with a delay of its own."""
    found = figures("prague", "cubic", "--queue", f"dualpi2:scheduler={scheduler}", seconds=10.0)
    prague, cubic = (flow["mbits"] for flow in found["flows"])
    assert 0.5 < prague / cubic < 2.0
    assert found["utilisation"] > 0.94
    assert delay(found) < 1.0
    assert 10.0 < delay(found, 1) < 30.0


@pytest.mark.parametrize(
    "path",
    [("10M", "20ms"), *(pytest.param(path, marks=pytest.mark.slow) for path in SLOW_PATHS)],
)
def test_PRG_12_on_other_paths(path: tuple[str, str]) -> None:
    rate, rtt = path
    found = figures(
        "prague", "cubic", "--queue", "dualpi2", "--rate", rate, "--rtt", rtt, seconds=20.0
    )
    prague, cubic = (flow["mbits"] for flow in found["flows"])
    assert 0.5 < prague / cubic < 2.0


@pytest.mark.slow
def test_PRG_12_several_of_each_share_alike() -> None:
    found = figures("prague", "cubic", "prague", "cubic", "--queue", "dualpi2", seconds=20.0)
    rates = [flow["mbits"] for flow in found["flows"]]
    assert 0.5 < sum(rates[::2]) / sum(rates[1::2]) < 2.0
    assert found["jain"] > 0.9


@pytest.mark.slow
def test_PRG_7_where_nothing_marks_it_is_cubic() -> None:
    """About half of a link that only drops, with the delay that this has."""
    found = figures("prague", "cubic", "--start", "10", seconds=40.0)
    prague, cubic = (flow["mbits"] for flow in found["flows"])
    assert 0.4 < prague / cubic < 2.5
    assert found["marked"] == 0.0
