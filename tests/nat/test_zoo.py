"""All pairs of NAT kinds: which of them let two peers through, with losses, and in what time."""

import itertools
import runpy
from pathlib import Path
from typing import Any, Final

import pytest

import rudp
from rudp.sim import Nat, run
from tests.nat.kit import A, B, both, meet, network

ZOO: Final[dict[str, Any]] = runpy.run_path(
    str(Path(__file__).resolve().parents[2] / "examples" / "nat_zoo.py")
)
STRICT: Final = {"port", "port, any", "symmetric"}
PAIRS: Final = list(itertools.combinations_with_replacement(ZOO["KINDS"], 2))


def is_possible(first: str, second: str) -> bool:
    """One with a port for each destination meets only who does not look at ports."""
    return not any(
        {mine, other} <= STRICT and mine == "symmetric"
        for mine, other in ((first, second), (second, first))
    )


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_all_pairs_without_losses(first: str, second: str) -> None:
    """460 ms: four round trips with the rendezvous, the lead, and two with the peer."""
    times = ZOO["times"](first, second, 0.0, 1)
    if is_possible(first, second):
        assert times == [pytest.approx(0.46, abs=0.031)]
    else:
        assert times == [None]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_all_pairs_with_losses(first: str, second: str) -> None:
    times = ZOO["times"](first, second, 0.1, 8)
    if is_possible(first, second):
        assert None not in times
        assert max(times) < 10.0
    else:
        assert times == [None] * 8


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_all_pairs_with_heavy_losses(first: str, second: str) -> None:
    """A fifth is lost, and of twelve some may take longer than the ten seconds there are."""
    times = ZOO["times"](first, second, 0.2, 12)
    there = [time for time in times if time is not None]
    assert len(there) >= (10 if is_possible(first, second) else 0)
    assert is_possible(first, second) or not there


@pytest.mark.parametrize("inner", [Nat.full_cone, Nat.port_restricted])
def test_a_home_behind_a_carriers_nat(inner: Any) -> None:
    async def main() -> list[Any]:
        network().put_behind(inner("100.64.0.2"), A[0])
        network().put_behind(Nat("203.0.113.1", ports="random"), "100.64.0.2")
        network().put_behind(Nat("198.51.100.1"), B[0])
        where: dict[str, Any] = {"rendezvous": "rudp://192.0.2.1", "room": "x"}
        async with await rudp.start_rendezvous("192.0.2.1"):
            return await both(meet(A, name=b"a", **where), meet(B, name=b"b", **where))

    a, b = run(main(), delay=0.03, loss=0.05, seed=3)
    assert (a.said, b.said) == (b"b", b"a")


@pytest.mark.parametrize("hairpin", [True, False])
def test_neighbours_behind_a_carriers_nat_need_its_hairpin(hairpin: bool) -> None:
    """Two homes of one carrier: the way between them leads by its NAT and back."""

    async def main() -> list[Any]:
        network().put_behind(Nat("100.64.0.2"), A[0])
        network().put_behind(Nat("100.64.0.3"), B[0])
        carrier = Nat("203.0.113.1", ports="random", hairpin=hairpin)
        network().put_behind(carrier, "100.64.0.2", "100.64.0.3")
        where: dict[str, Any] = {"rendezvous": "rudp://192.0.2.1", "room": "x"}
        async with await rudp.start_rendezvous("192.0.2.1"):
            return await both(meet(A, name=b"a", **where), meet(B, name=b"b", **where))

    results = run(main(), delay=0.03)
    if hairpin:
        assert [met.said for met in results] == [b"b", b"a"]
    else:
        assert all(isinstance(error, TimeoutError) for error in results)
