"""One interleaved run: in every round every variant takes its turn, A B C A B C.

What slows the machine for a while then slows all of them, and the ratio within a round stays
what it is.  Each variant keeps its loop and its server through the run; each sample has a
connection of its own, because a connection's age is part of its speed.
"""

import asyncio
import contextlib
import dataclasses
import statistics
from typing import Any, Final

from bench import server
from bench.cpus import pin
from bench.variant import BASELINE, Variant
from bench.workload import WORKLOADS

SAMPLE_LIMIT: Final = 60.0
"""Seconds that one sample may take."""


class Bench:
    """The variants, each with its loop and its server; close it through *stack*."""

    def __init__(
        self, variants: list[Variant], stack: contextlib.ExitStack, *, one_process: bool
    ) -> None:
        self._clients: list[tuple[Variant, asyncio.Runner, int]] = []
        if not one_process:
            pin(0, 0)
        for variant in variants:
            runner = stack.enter_context(asyncio.Runner(loop_factory=variant.new_loop))
            if one_process:
                listening, port = runner.run(variant.serve(server.handle))
                stack.callback(runner.run, _close(listening))
            else:
                port = stack.enter_context(server.process(variant))
            self._clients.append((variant, runner, port))

    def run(self, workload: str, amount: int, rounds: int) -> list[dict[str, Any]]:
        """Return a result for each variant: its samples, their medians, ratios to TCP."""
        samples: dict[Variant, list[dict[str, float]]] = {v: [] for v, _, _ in self._clients}
        for turn in range(-1, rounds):
            for variant, runner, port in self._clients:
                sample = runner.run(_sample(variant, port, workload, amount))
                if turn >= 0:  # the first round warms up
                    samples[variant].append(sample)
        return [_result(workload, variant, samples) for variant in samples]


async def _sample(variant: Variant, port: int, workload: str, amount: int) -> dict[str, float]:
    async with asyncio.timeout(SAMPLE_LIMIT):
        streams = await variant.open(port)
        try:
            figures: dict[str, float] = await WORKLOADS[workload].measure(streams, amount)
        except BaseException:
            streams[1].transport.abort()
            raise
        streams[1].close()
        await streams[1].wait_closed()
        return figures


async def _close(listening: Any) -> None:
    listening.close()
    await listening.wait_closed()


def _result(
    workload: str, variant: Variant, samples: dict[Variant, list[dict[str, float]]]
) -> dict[str, Any]:
    mine = samples[variant]
    result: dict[str, Any] = {
        "workload": workload,
        "variant": str(variant),
        "samples": mine,
        "median": {name: statistics.median(s[name] for s in mine) for name in mine[0]},
        "ratio": {},
    }
    baseline = samples.get(dataclasses.replace(variant, network=BASELINE))
    if baseline is not None:
        for name in WORKLOADS[workload].MORE_IS_BETTER:
            pairs = zip(mine, baseline, strict=True)
            result["ratio"][name] = statistics.median(m[name] / b[name] for m, b in pairs)
    return result
