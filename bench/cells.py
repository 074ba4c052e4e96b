"""The grid: which paths goodput is measured on, and how a path is called."""

import argparse
import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any, Final

from bench import units
from bench.link import options
from rudp.sim.link import LinkOptions

RTTS: Final[tuple[float, ...]] = (0.002, 0.02, 0.1, 0.2)
RATES: Final[tuple[float, ...]] = (10e6, 100e6)
SPECIAL: Final[dict[str, dict[str, Any]]] = {
    # Bursts of five packets on average, one packet in a hundred in all.
    "burst": {"burst_enter": 0.01 / 0.99 / 5, "burst_exit": 1 / 5},
    "late": {"reorder": 0.01, "reorder_delay": 0.01},
}
"""What can happen to packets other than that each is lost by itself."""

CONDITIONS: Final[tuple[str, ...]] = ("0", "0.1", "1", "3", "10", *SPECIAL)
HELP: Final = "%% of packets lost; burst: 1%% in bursts of five; late: 1%% late by 10 ms"


def condition(text: str) -> str:
    """Check a condition: a percentage of loss or one of ``SPECIAL``."""
    if text not in SPECIAL:
        try:
            units.percent(text)
        except argparse.ArgumentTypeError:
            names = ", ".join(SPECIAL)
            raise argparse.ArgumentTypeError(
                f"{text!r} is neither a percentage nor one of {names}"
            ) from None
    return text.removesuffix("%")


@dataclasses.dataclass(frozen=True)
class Cell:
    """A path: RTT in seconds, rate in bit/s, what happens to packets, the size of its queue."""

    rtt: float
    rate: float
    condition: str
    queue: str = "1bdp"

    def __str__(self) -> str:
        special = self.condition in SPECIAL
        return (
            f"{self.rtt * 1e3:g} ms, {self.rate / 1e6:g} Mbit/s, "
            f"{self.condition if special else self.condition + ' %'}"
        )

    def options(self) -> tuple[LinkOptions, LinkOptions]:
        """Return the options of the link with the data and of the one with acknowledgements."""
        bad = SPECIAL.get(self.condition)
        if bad is None:
            bad = {"loss": units.percent(self.condition)}
        return options(rtt=self.rtt, rate=self.rate, queue=self.queue, **bad)


def grid(
    rtts: Iterable[float] = RTTS,
    rates: Iterable[float] = RATES,
    conditions: Iterable[str] = CONDITIONS,
    queue: str = "1bdp",
) -> list[Cell]:
    """Return all combinations, those of one rate and RTT next to each other."""
    return [
        Cell(rtt, rate, condition, queue)
        for rate, rtt, condition in itertools.product(rates, rtts, conditions)
    ]
