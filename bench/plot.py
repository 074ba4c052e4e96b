"""Results as pictures: a file for each workload, the median a bar, smallest and largest a line."""

from pathlib import Path
from typing import Any, Final

from bench.report import medians
from bench.workloads import WORKLOADS

COLOURS: Final = {
    "tcp": "tab:gray",
    "rudp": "tab:blue",
    "rudp-selector": "tab:olive",
    "rudp-portable": "tab:cyan",
}


def draw(name: str, result: dict[str, Any], file: Path) -> None:
    """Draw the figures of a workload beside each other; ImportError without matplotlib."""
    from matplotlib.figure import Figure

    workload = WORKLOADS[name]
    found = medians(result)
    variants = list(found)[::-1]
    figures = list(workload.figures)
    picture = Figure(
        figsize=(1.5 + 4.5 * len(figures), 1.5 + 0.35 * len(variants)), layout="constrained"
    )
    picture.suptitle(workload.about)
    axes = picture.subplots(1, len(figures), sharey=True, squeeze=False)[0]
    for axis, figure in zip(axes, figures, strict=True):
        values = [found[variant][figure] for variant in variants]
        seen = [[sample[figure] for sample in result["samples"][v]] for v in variants]
        spread = [
            [value - min(mine) for value, mine in zip(values, seen, strict=True)],
            [max(mine) - value for value, mine in zip(values, seen, strict=True)],
        ]
        colours = [COLOURS.get(variant.partition("/")[0], "tab:orange") for variant in variants]
        axis.barh(variants, values, xerr=spread, color=colours, ecolor="black", capsize=2)
        axis.set_xlabel(f"{figure} ({'more' if workload.figures[figure] else 'less'} is better)")
        axis.set_xlim(left=0)
        axis.grid(axis="x", alpha=0.3)
    picture.savefig(file)
