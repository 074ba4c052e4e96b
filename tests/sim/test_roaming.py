"""A connection with keys moves with its peer (RFC 9000 §8.2, §9), in virtual time."""

import random

import pytest

from rudp.core.terms.counters import Count
from rudp.core.terms.state import State
from tests.sim.roam import Travellers, patience

SEEDS = 200
FEW = 6


def test_a_new_port() -> None:
    """NAT rebinding: the client does not know, and what it says next makes the server ask."""
    pair = Travellers()
    pair.transfer(10_000, 10_000, [])
    assert pair.peer == ("192.0.2.1", 10_000)
    pair.move()
    pair.transfer(10_000, 10_000, [])
    assert pair.peer == ("192.0.2.1", 10_001)
    assert pair.b.table.counters[Count.PATH_MOVED] == 1
    assert pair.b.table.counters[Count.PATH_CHALLENGED] == 1
    assert pair.opened.state is pair.accepted.state is State.ESTABLISHED


@pytest.mark.parametrize("way", ["up", "down", "both"])
@pytest.mark.parametrize("host", [None, "198.51.100.7"])
def test_in_the_middle_of_a_transfer(way: str, host: str | None) -> None:
    pair = Travellers()
    pair.transfer(100_000, 100_000, [])
    allowed = patience(pair.accepted, pair.rtt)
    up, down = {"up": (3_000_000, 0), "down": (0, 3_000_000), "both": (2_000_000, 2_000_000)}[way]
    longest = pair.transfer(up, down, [(0.05, host)])
    assert pair.peer == pair.nat.outer
    assert longest < allowed


def wander(seed: int) -> None:
    chance = random.Random(seed)
    delay = chance.choice((0.002, 0.01, 0.05))
    pair = Travellers(seed=seed, delay=delay, loss=chance.choice((0.0, 0.0, 0.01)))
    pair.transfer(100_000, 100_000, [])
    sizes = chance.choice(((2_000_000, 0), (0, 2_000_000), (1_000_000, 1_000_000)))
    at, moves = 0.0, []
    for _ in range(5):
        at += chance.uniform(4, 20) * pair.rtt
        moves.append((at, chance.choice((None, f"198.51.100.{chance.randrange(1, 255)}"))))
    allowed = patience(pair.accepted, pair.rtt)
    longest = pair.transfer(*sizes, moves)
    if not pair.network.link("10.0.0.2", "192.0.2.1").options["loss"]:
        assert longest < allowed
    for _ in range(3):
        pair.transfer(1000, 1000, [])
    assert pair.peer == pair.nat.outer


@pytest.mark.parametrize("seed", range(FEW))
def test_five_moves(seed: int) -> None:
    wander(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(FEW, SEEDS))
def test_five_moves_more(seed: int) -> None:
    wander(seed)
