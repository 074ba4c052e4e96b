"""Bad input is counted and dropped, and nothing else ever happens: random and kept programs.

A program is what :mod:`tests.fuzz.world` makes of any octets.  Those in ``corpus`` were found by
coverage-guided fuzzing; each is named after the function that few others reach.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.world import OPERATIONS, World, try_program

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


def steps() -> st.SearchStrategy[bytes]:
    """Return programs whose steps begin where one expects them to, most of them."""
    small = st.one_of(st.integers(0, 255), st.integers(0, 7))
    step = st.tuples(st.integers(0, len(OPERATIONS) - 1), st.lists(small, max_size=16))
    return st.lists(step, max_size=30).map(
        lambda parts: b"".join(bytes([kind, *rest]) for kind, rest in parts)
    )


@given(st.one_of(steps(), st.binary(max_size=400)))
@settings(max_examples=300)
def test_M_21_any_program(program: bytes) -> None:
    """M-1..M-19, CHAL-1..5, ICMP-1..3, UDP-21, UDP-23..25, BUF-2: see ``World.check``."""
    try_program(program)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_M_21_what_was_found(path: Path) -> None:
    """The kept programs."""
    try_program(path.read_bytes())


def test_the_world_is_as_described() -> None:
    """Without a program all is quiet, and every flow is where the programs take it to be."""
    world = World()
    before = sum(world.victim.counters.values())
    world.run(b"")
    world.settle()
    assert sum(world.victim.counters.values()) == before
    assert [str(one.ours.state) for one in world.streams] == [
        "ESTABLISHED",
        "ESTABLISHED",
        "CLOSE-WAIT",
    ]
    assert world.victim.time_wait_records == 1
    assert len(world.listener.half_open) == 1


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs the extra fuzz")
def test_the_guided_target_runs(tmp_path: Path) -> None:
    """A few inputs only: a long run is for who sits and waits for it."""
    command = [sys.executable, "-m", "tests.fuzz.guided", "-runs=50", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
