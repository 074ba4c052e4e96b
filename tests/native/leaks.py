"""Talks over and over in one process: ``python -m tests.native.leaks [--once]``.

Needs nothing but rudp.
"""

import gc
import sys
import tracemalloc
from typing import Any

from rudp import build
from tests.sim.twins import OPTIONS, PATHS, Twin, talk

TALKS = [
    ("clean", "defaults"),
    ("bad", "defaults"),
    ("narrow", "BBR"),
    ("marking", "ECN"),
    ("lossy", "keys"),
]
TIMES = 40
SPARE = 40
"""References that are no leak: caches that grow, once more, to their size."""

SPARE_OCTETS = 50_000


def once() -> None:
    for path, options in TALKS:
        twin = Twin("c", PATHS[path], OPTIONS[options], 1)
        talk(twin, 1, turns=60)
        assert twin.lanes[0]
        twin = Twin("c", PATHS[path], OPTIONS[options], 1)  # and one that is left alone
        talk(twin, 1, turns=40)


def references() -> int:
    gc.collect()
    count: Any = getattr(sys, "gettotalrefcount", lambda: 0)
    return int(count())


def main() -> None:
    assert build.lane() == "C"
    if sys.argv[1:] == ["--once"]:
        once()
        return
    for _ in range(3):
        once()
    tracemalloc.start()
    once()
    before, octets = references(), tracemalloc.get_traced_memory()[0]
    for _ in range(TIMES):
        once()
    grown, more = references() - before, tracemalloc.get_traced_memory()[0] - octets
    told = f"{grown} references" if hasattr(sys, "gettotalrefcount") else "references not counted"
    print(f"after {TIMES} times: {told}, {more} octets more")
    assert grown < SPARE, grown
    assert more < SPARE_OCTETS, more


if __name__ == "__main__":
    main()
