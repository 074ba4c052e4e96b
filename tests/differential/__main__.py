"""Try many scripts: ``python -m tests.differential --scripts 5000 --seed 1``.

What differs from asyncio's TCP without a reason that ``docs/differences.md`` gives is shortened to
the steps that it needs, and printed with both logs; then the status is 1.
"""

import argparse
import dataclasses
import logging
import sys
from collections.abc import Callable, Iterator, Sequence

from rudp.sim import DeadlockError
from tests.differential.compare import differences
from tests.differential.play import Traces, over_bad_path, over_loopback, over_tcp
from tests.differential.script import CALM, Script, make

WAYS: dict[str, Callable[[Script], Traces]] = {"bad path": over_bad_path, "loopback": over_loopback}


def unlike(script: Script, ways: Sequence[str]) -> list[str]:
    """Return what is not as over TCP, over each of *ways*; it must be so twice."""
    found: list[str] = []
    for _ in range(2):  # real sockets on a busy machine may be late
        found = []
        tcp = over_tcp(script)
        for way in ways:
            try:
                lines = differences(script, tcp, WAYS[way](script))
            except DeadlockError as error:
                lines = [str(error)]
            found += [f"{way}: {line}" for line in lines]
        if not found:
            break
    return found


def shorter(script: Script) -> Iterator[Script]:
    """Return scripts that are a little simpler than *script*."""
    steps = script.steps
    for size in (8, 4, 2, 1):
        for at in range(0, len(steps), size):
            if steps[at : at + size]:
                yield dataclasses.replace(script, steps=steps[:at] + steps[at + size :])
    for name in ("client", "server"):
        character = getattr(script, name)
        for field, calm in CALM.items():
            if getattr(character, field) != calm:
                calmer = dataclasses.replace(character, **{field: calm})
                yield dataclasses.replace(script, **{name: calmer})


def shortened(script: Script, ways: Sequence[str]) -> Script:
    """Return the shortest script found that still is unlike TCP."""
    going = True
    while going:
        going = False
        for candidate in shorter(script):
            if (candidate.rushed or candidate.is_fair()) and unlike(candidate, ways):
                script, going = candidate, True
                break
    return script


def show(script: Script, ways: Sequence[str]) -> None:
    """Print *script* and what was seen over each network."""
    print(script)
    for way, play in (("tcp", over_tcp), *((way, WAYS[way]) for way in ways)):
        try:
            traces = play(script)
        except DeadlockError:
            continue
        for name, trace in zip(("client", "server"), traces, strict=True):
            print(f"  {way}, {name}: {'; '.join(map(str, trace.parts))}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--scripts", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first (default: 0)")
    parser.add_argument("--way", choices=list(WAYS), help="only this, not both")
    parser.add_argument("--long", action="store_true", help="do not shorten what is found")
    options = parser.parse_args(arguments)
    ways = [options.way] if options.way else list(WAYS)
    logging.disable()  # of writes to closed connections both complain
    count = 0
    for number in range(options.seed, options.seed + options.scripts):
        script = make(number)
        found = unlike(script, ways)
        if found:
            count += 1
            if not options.long:
                script = shortened(script, ways)
                found = unlike(script, ways)
            print(f"\nscript {number}:")
            show(script, ways)
            print("\n".join(f"  {line}" for line in found), flush=True)
    print(f"{options.scripts} scripts, {count} not as over TCP")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
