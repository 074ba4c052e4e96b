"""The picture of a test: what was read per second over time, each way."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path


def is_there() -> bool:
    """Whether matplotlib is installed, which draws."""
    return importlib.util.find_spec("matplotlib") is not None


class Curve:
    """The intervals of one way: where each ends, in seconds, and its rate, in bits per second."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.rates: list[float] = []

    def add(self, start: float, end: float, rate: float) -> None:
        """Add an interval, which follows the last."""
        if not self.ends:
            self.ends.append(start)
        self.ends.append(end)
        self.rates.append(rate)


def draw(file: Path, curves: Mapping[str, Curve], title: Sequence[str]) -> None:
    """Write the picture to *file*; its name says in which format.

    Raises :class:`ImportError` without matplotlib, :class:`ValueError` for a format that it does
    not know, and :class:`OSError`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        axes.stairs([rate / 1e6 for rate in curve.rates], curve.ends, label=name, linewidth=1.5)
    axes.set(xlabel="seconds", ylabel="Mbit/s read", title="\n".join(title))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        axes.legend()
    figure.savefig(file, dpi=150)
