"""What a bench changes of its process it changes as a program, and not as a module."""

import signal

from bench import lossy
from tests.bench.kit import run

STATE = """
import asyncio, gc, importlib, logging, os, pkgutil, resource, signal, socket, sys, threading

def state():
    return {
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
        "environment": dict(os.environ),
        "path": list(sys.path),
        "folder": os.getcwd(),
        "collector": gc.isenabled(),
        "switches": sys.getswitchinterval(),
        "cpus": os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
        "priority": os.nice(0),
        "timeout": socket.getdefaulttimeout(),
        "logging": (list(logging.root.handlers), logging.root.level),
        "threads": threading.active_count(),
        "policy": type(asyncio.get_event_loop_policy()),
    }

import bench
before = state()
for module in pkgutil.walk_packages(bench.__path__, "bench."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ImportError as error:  # of a package that is not installed
            assert error.name and not error.name.startswith(("bench", "rudp")), error
after = state()
print([name for name in before if before[name] != after[name]])
"""


def test_importing_a_bench_changes_nothing() -> None:
    done = run("-c", STATE)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_bench_called_as_a_function_leaves_signals_alone() -> None:
    """A test run that calls it can still be stopped."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    how = "--sim --cells 2:10:0 --controllers cubic --start 0.1 --seconds 0.1"
    lossy.main(how.split())
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
