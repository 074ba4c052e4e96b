"""The command line of the bench."""

import argparse
import contextlib
import json
from pathlib import Path

from bench import report
from bench.run import Bench
from bench.variant import NETWORKS, Variant, loops
from bench.workload import WORKLOADS

MIB = 1 << 20


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench",
        description="rudp against asyncio's TCP over loopback, interleaved; medians and ratios.",
    )
    made.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="bulk, ping-pong; all")
    made.add_argument("--quick", action="store_true", help="small and rough, below ten seconds")
    made.add_argument("--rounds", type=int, help="samples of each variant (7; quick: 2)")
    made.add_argument("--mib", type=int, help="MiB of a bulk transfer (64; quick: 2)")
    made.add_argument("--exchanges", type=int, help="round trips of a ping-pong (2000; quick: 100)")
    made.add_argument(
        "--mss", type=int, help="rudp's MSS; as on Ethernet: 1432 (what loopback takes)"
    )
    made.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    made.add_argument("--loops", nargs="+", choices=loops(), default=loops())
    made.add_argument(
        "--one-process", action="store_true", help="client and server on one loop, one core"
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write samples and conditions")
    return made


def main() -> None:
    arguments = parser()
    options = arguments.parse_args()
    for name in options.workloads:
        if name not in WORKLOADS:
            arguments.error(f"unknown workload {name!r}: choose from {', '.join(WORKLOADS)}")
    rounds = options.rounds or (2 if options.quick else 7)
    amounts = {
        "bulk": (options.mib or (2 if options.quick else 64)) * MIB,
        "ping-pong": options.exchanges or (100 if options.quick else 2000),
    }
    variants = [
        Variant(network, loop, options.mss)
        for loop in options.loops
        for network in options.networks
    ]
    conditions = report.conditions(variants[0].config()) | {
        "processes": 1 if options.one_process else 2,
        "rounds": rounds,
        "amounts": amounts,
    }
    results = []
    with contextlib.ExitStack() as stack:
        bench = Bench(variants, stack, one_process=options.one_process)
        for name in options.workloads or WORKLOADS:
            results += bench.run(name, amounts[name], rounds)
    print(
        f"{conditions['python']}, {conditions['kernel']}, {conditions['cpus']} CPUs "
        f"({conditions['cpu']}), {conditions['processes']} process(es), "
        f"MSS {options.mss or 'of loopback'}, medians of {rounds}"
    )
    print(report.table(results))
    if options.json is not None:
        text = json.dumps({"conditions": conditions, "results": results}, indent=1, default=str)
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
