"""One interleaved run of a workload: in every round every variant takes its turn, A B C A B C.

What slows the machine for a while then slows all of them.  Each variant keeps its two processes
through the run, unless the workload wants fresh ones; each sample has connections of its own,
because a connection's age is part of its speed.
"""

import contextlib
import datetime
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench import cpus, memory
from bench.child import Child, RefusedError
from bench.link import no_namespaces
from bench.peers import Variant
from bench.plan import Plan
from bench.veth import VethPair
from bench.workloads import WORKLOADS, Workload

Result = dict[str, Any]


def run(
    name: str,
    variants: Sequence[Variant],
    *,
    rounds: int,
    amount: int,
    options: dict[str, Any],
    tell: Callable[[str], None],
) -> Result:
    """Return the samples of a workload, by variant, and why something was left out.

    *amount*: how much of the workload's unit is done; *options*: as in
    :meth:`bench.peers.Variant.peer`, for rudp.  *tell* hears of each sample.
    """
    workload = WORKLOADS[name]
    result: Result = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load_average": os.getloadavg()[0],
        "fixed_layout": memory.layout_is_fixed(),
        "amount": amount,
        "rounds": rounds,
        "options": options,
        "samples": {},
        "skipped": {},
    }
    reason = no_namespaces() if workload.path == "veth" else None
    if workload.tls and importlib.util.find_spec("trustme") is None:
        reason = "trustme is not installed"
    if reason is not None:
        result["skipped"]["*"] = reason
        return result
    present = []
    for variant in variants:
        if (reason := variant.missing()) is None:
            present.append(variant)
        else:
            result["skipped"][str(variant)] = reason
    samples: dict[Variant, list[dict[str, float]]] = {variant: [] for variant in present}
    with contextlib.ExitStack() as stack:
        plans, prefix = _plans(workload, present, options, stack)
        kept: dict[Variant, Child] = {}
        if not workload.fresh:
            kept = {v: stack.enter_context(_driver(v, plans[v], prefix)) for v in present}
        for turn in range(0 if workload.fresh else -1, rounds):  # the first round warms up
            for variant in list(samples):
                octets = max(int(amount * variant.share), 1)
                tell(f"{name}: {variant}, round {turn + 1} of {rounds}")
                try:
                    with _one(kept.get(variant), variant, plans[variant], prefix) as driver:
                        sample = driver.ask(workload=name, amount=octets)
                except RefusedError as refusal:
                    result["skipped"][str(variant)] = str(refusal)
                    del samples[variant]
                    continue
                if turn >= 0:
                    samples[variant].append(sample)
    result["samples"] = {str(variant): mine for variant, mine in samples.items()}
    return result


def _plans(
    workload: Workload,
    variants: Sequence[Variant],
    options: dict[str, Any],
    stack: contextlib.ExitStack,
) -> tuple[dict[Variant, Plan], list[str]]:
    """Return a plan for each variant, and the words that put clients into their namespace."""
    client_cpu, server_cpu = cpus.sides()
    where: dict[str, Any] = {
        "cpus": (server_cpu if workload.one_core else client_cpu, server_cpu),
        "tls": workload.tls,
    }
    prefix: list[str] = []
    if workload.path == "veth":
        pair = stack.enter_context(VethPair())
        where |= {"host": pair.b.address, "prefix": tuple(pair.b.command())}
        prefix = pair.a.command()
    return {
        variant: Plan(
            name=variant.name,
            loop=variant.loop,
            options=options if variant.name.startswith("rudp") else {},
            **where,
        )
        for variant in variants
    }, prefix


def _driver(variant: Variant, plan: Plan, prefix: Sequence[str]) -> Child:
    return Child(
        "bench.driver",
        str(plan),
        prefix=prefix,
        folder=variant.folder,
        environment=variant.environment,
    )


@contextlib.contextmanager
def _one(
    kept: Child | None, variant: Variant, plan: Plan, prefix: Sequence[str]
) -> Iterator[Child]:
    """Yield the driver that was *kept*, or else a fresh one."""
    if kept is not None:
        yield kept
        return
    with _driver(variant, plan, prefix) as driver:
        yield driver
