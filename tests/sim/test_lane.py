"""The lane changes what a segment costs, and nothing else.

The same traffic over the same path, with it and without: every datagram that leaves and when, every
octet that is read, all that can be seen of both ends after each step, and every variable of theirs
at the end, are the same (RFC 9293 §3.10.7.4, whose code the lane stands in for).
"""

import random
from typing import Any

import pytest

from rudp import build
from tests.sim.twins import Twin

SIZES = (1, 64, 500, 1448, 5000, 70_000, 400_000)
TURNS = 300
LANES = ("off", "python", "c") if build.lane() == "C" else ("off", "python")

BAD = {"loss": 0.02, "reorder": 0.03, "reorder_delay": 0.01, "duplicate": 0.01, "corrupt": 0.002}
PATHS: dict[str, dict[str, Any]] = {
    "clean": {"delay": 0.01},
    "quick": {"delay": 0.0002},
    "narrow": {"delay": 0.01, "rate": 250_000, "queue": 20_000},
    "marking": {"delay": 0.01, "rate": 250_000, "queue": 100_000, "mark": 3000},
    "lossy": {"delay": 0.01, "loss": 0.003},
    "bad": {"delay": 0.01, **BAD},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "no timestamps": {"timestamps": False},
    "no SACK": {"sack": False},
    "ECN": {"ecn": "on"},
    "BBR": {"congestion": "bbr"},
    "NewReno": {"congestion": "newreno"},
    "small buffers": {"receive_buffer": 8192, "receive_buffer_max": 20_000, "send_buffer": 30_000},
    "no pacing": {"pacing": False},
    "Nagle": {"nodelay": False},
    "RFC 6298": {"rto_form": "rfc", "min_rto": 1.0},
    "large segments": {"mss": 60_000, "mtu_discovery": False},
    "no recorder": {"flight_recorder": 0, "tail_loss_probe": False, "slow_start_after_idle": False},
}
NEVER = {"no timestamps", "no SACK", "Nagle"}
"""With these nothing is steady."""


def talk(twin: Twin, seed: int, turns: int = TURNS) -> None:
    """Let both sides write and read at random."""
    chance = random.Random(seed)
    small = chance.random() < 0.5
    for _ in range(turns):
        for end in range(2):
            if twin.ends[end].unsent_octets < 1_000_000 and chance.random() < 0.5:
                sizes = SIZES[:3] if small or chance.random() < 0.5 else SIZES
                twin.act(end, "write", chance.randbytes(chance.choice(sizes)))
            if chance.random() < 0.8:
                twin.act(end, "read", chance.choice((None, None, None, 1000)))
            if chance.random() < 0.01:
                twin.act(end, "status")
            if chance.random() < 0.05:
                twin.act(end, "hold_back", chance.choice((0, 0, 3000)))
        twin.pass_time(chance.choice((0.0, 0.001, 0.003, 0.03)) if chance.random() < 0.99 else 2.5)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("seed", range(2))
def test_the_wire_does_not_tell(path: str, options: str, seed: int) -> None:
    """§3.10.7.4, TS-3, DACK-1: step by step or in the lane."""
    off, *on = [Twin(lane, PATHS[path], OPTIONS[options], seed) for lane in LANES]
    for twin in (off, *on):
        talk(twin, seed)
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
        assert left >= entered - 2
        found = twin.look_inside()
        assert {n: (v, found.get(n)) for n, v in inside.items() if found.get(n) != v} == {}
        assert found.keys() == inside.keys()
    assert len({twin.lanes for twin in on}) == 1
