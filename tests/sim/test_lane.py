"""The lane changes what a segment costs, and nothing else.

The same traffic over the same path, with it and without: every datagram that leaves and when, every
octet that is read, all that can be seen of both ends after each step, and every variable of theirs
at the end, are the same (RFC 9293 §3.10.7.4, whose code the lane stands in for).
"""

from typing import Any

import pytest

from tests.sim.twins import KINDS, OPTIONS, PATHS, TURNS, Twin, talk

NEVER = {"no timestamps", "no SACK", "Nagle"}
"""With these nothing is steady."""


CROWDS: list[tuple[int, int | None]] = [(1, 4 << 20), (4, 100_000)]
"""How many connections, and the octets that their sockets hold."""


def pairs() -> list[Any]:
    """Return all pairs of a path and options.

    The defaults on every path, the worst path with all options, and of the other paths one for each
    option, ECN's where there are marks, are not slow.
    """
    found = []
    for n, options in enumerate(OPTIONS):
        for m, path in enumerate(PATHS):
            often = options == "defaults" or path == "bad" or m == n % (len(PATHS) - 1)
            marks: Any = [] if often else pytest.mark.slow
            found.append(pytest.param(path, options, marks=marks, id=f"{path}-{options}"))
    return found


@pytest.mark.parametrize(("path", "options"), pairs())
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_wire_does_not_tell(path: str, options: str, seed: int) -> None:
    """§3.10.7.4, TS-3, DACK-1: step by step or in the lane."""
    crowd = CROWDS[seed]
    off, *on = [Twin(lane, PATHS[path], OPTIONS[options], seed, *crowd) for lane in KINDS]
    for twin in (off, *on):
        talk(twin, seed, TURNS // crowd[0])
    inside = off.look_inside()
    assert off.lanes == (0, 0)
    for twin in on:
        for here, there in zip(off.pages, twin.pages, strict=False):
            assert here == there
        assert len(off.pages) == len(twin.pages)
        entered, left = twin.lanes
        if options in NEVER:
            assert entered == 0
        elif path not in ("bad", "marking"):
            assert entered > 0
        assert left >= entered - 2 * crowd[0]
        found = twin.look_inside()
        assert {n: (v, found.get(n)) for n, v in inside.items() if found.get(n) != v} == {}
        assert found.keys() == inside.keys()
    assert len({twin.lanes for twin in on}) == 1
