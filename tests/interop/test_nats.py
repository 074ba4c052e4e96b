"""Punching through two NATs of the kernel's own: nft masquerade, in network namespaces."""

from typing import Any

import pytest

from tests.interop.nats import FULL_CONE, SERVER, Lab, missing

pytestmark = pytest.mark.interop

KEEP = "masquerade"
RANGE = "meta l4proto udp masquerade to :50000-50100"
RANDOM = "masquerade fully-random"

RENDEZVOUS = {"rendezvous": f"rudp://{SERVER}", "room": "x"}
DIRECT = {"a": {"remote": ["198.51.100.1", 5000]}, "b": {"remote": ["203.0.113.1", 5000]}}


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)


def punched(
    first: tuple[str, str], second: tuple[str, str], *, direct: bool = False, **options: Any
) -> list[dict[str, Any]]:
    """Let A behind *first* and B behind *second* punch; return what both have to tell."""
    after = options.pop("after", 0.0)
    timeouts = options.pop("timeouts", (30, 120))
    relay = options.get("relay", False)
    with Lab() as lab:
        lab.nat("a", *first, timeouts=timeouts)
        lab.nat("b", *second, timeouts=timeouts)
        with (
            lab.program("i", serve="0.0.0.0", relay=relay) as server,
            lab.program(
                "a",
                local=["", 5000],
                name="a",
                **(DIRECT["a"] if direct else RENDEZVOUS),
                **options,
            ) as a,
            lab.program(
                "b",
                local=["", 5000],
                name="b",
                after=after,
                **(DIRECT["b"] if direct else RENDEZVOUS),
                **options,
            ) as b,
        ):
            for program in (server, a, b):
                program.hear()
            for program in (a, b):
                program.say("begin")
            return [a.hear(), b.hear()]


def said(results: list[dict[str, Any]]) -> list[Any]:
    return [result.get("said", result.get("error")) for result in results]


def test_two_homes_meet() -> None:
    assert said(punched((KEEP, "drop"), (KEEP, "drop"))) == ["b", "a"]


@pytest.mark.slow
@pytest.mark.parametrize("second", [(KEEP, "drop"), (KEEP, "reject"), (RANGE, "drop")])
@pytest.mark.parametrize("first", [(KEEP, "drop"), (KEEP, "accept"), (RANGE, "accept")])
def test_they_meet_whatever_their_routers_do_with_strays_and_ports(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    """Routers that answer strays would take an early SYN for one of their own: none is early."""
    assert said(punched(first, second)) == ["b", "a"]


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.0, 0.7, 3.0])
def test_without_a_rendezvous_one_may_be_late(after: float) -> None:
    """What the router of the late one says, "port unreachable", ends nothing."""
    assert said(punched((KEEP, "drop"), (KEEP, "drop"), direct=True, after=after)) == ["b", "a"]
    cone = (FULL_CONE, "accept")
    assert said(punched(cone, cone, direct=True, after=after)) == ["b", "a"]


@pytest.mark.slow
def test_a_nat_with_a_port_for_each_destination_meets_an_open_one() -> None:
    results = punched((RANDOM, "drop"), (FULL_CONE, "drop"))
    assert said(results) == ["b", "a"]
    assert results[1]["kind"] == "peer-reflexive"


@pytest.mark.slow
@pytest.mark.parametrize("second", [KEEP, RANDOM])
def test_where_nothing_is_possible_the_verdict_says_so_and_a_relay_helps(second: str) -> None:
    a, b = punched((RANDOM, "drop"), (second, "drop"), timeout=3.0)
    assert "your NAT gives each destination another port" in a["error"]
    assert "punching cannot work; use a relay" in b["error"]
    results = punched((RANDOM, "drop"), (second, "drop"), relay=True)
    assert said(results) == ["b", "a"]
    assert [result["kind"] for result in results] == ["relayed", "relayed"]


@pytest.mark.slow
def test_a_quiet_connection_stays_open() -> None:
    """With a memory of 5 s, and 27 s as a stream; probes come after 3 s and every 25 s."""
    results = punched((KEEP, "drop"), (KEEP, "drop"), timeouts=(5, 27), idle=32.0)
    assert said(results) == ["b", "a"]
