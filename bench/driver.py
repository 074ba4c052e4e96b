"""The client of one variant, a process of its own, which starts its server and then measures.

Both ends being processes, each can be on a CPU and in a network namespace of its own.
"""

import asyncio
import resource
import sys
import time
import traceback
from typing import Final

from bench import cpus
from bench.child import Answer, Child, RefusedError, obey
from bench.client import Client
from bench.plan import Plan
from bench.workloads import WORKLOADS

LIMIT: Final = 120.0
"""Seconds that one sample may take."""

CPU: Final = "CPU s"
"""Name of a figure that all samples have: the CPU time of both processes, from the first
connection to the last."""


async def drive(plan: Plan, server: Child) -> None:
    """Measure what is asked for."""
    client = Client(plan, server)

    async def act(order: Answer) -> Answer:
        workload = WORKLOADS[order["workload"]]
        client.ask(service=workload.service)
        async with asyncio.timeout(LIMIT):
            try:
                before = client.ask()["cpu"] + time.process_time()
                figures = await workload.measure(client, order["amount"])
                used = client.ask()["cpu"] + time.process_time() - before
                return {CPU: used} | figures
            except Exception as error:  # of a peer, which may raise whatever it likes
                traceback.print_exc()
                first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
                raise RefusedError(f"{type(first).__name__}: {first}") from error

    await obey(act)


def main() -> None:
    plan = Plan.told()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # and the server's, which inherits it
    cpus.pin(plan.cpus[0])
    with (
        Child("bench.server", sys.argv[1], prefix=plan.prefix) as server,
        asyncio.Runner(loop_factory=plan.new_loop) as runner,
    ):
        runner.run(drive(plan, server))


if __name__ == "__main__":
    main()
