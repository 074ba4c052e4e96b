"""Punching with a key: nobody is taken for the peer who does not have it, and it goes nowhere."""

import asyncio
from typing import Any

import pytest

import rudp
from rudp.sim import Nat, run
from tests.nat.kit import MAPPED_A, MAPPED_B, OUTSIDE_A, OUTSIDE_B, A, B, Met, both, meet, network
from tests.nat.kit import put_behind as behind

DELAY = 0.02
HOST = "192.0.2.1"
ROOM: dict[str, Any] = {"rendezvous": f"rudp://{HOST}", "room": "shed"}
KEY = b"a secret of both"
OTHER = b"another's secret"


@pytest.mark.parametrize("seed", range(8))
def test_two_with_one_key_meet(seed: int) -> None:
    async def main() -> list[Any]:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST):
            return await both(
                meet(A, name=b"a", key=KEY, timeout=30.0, **ROOM),
                meet(B, name=b"b", key=KEY, timeout=30.0, **ROOM),
            )

    a, b = run(main(), delay=DELAY, loss=0.1, seed=seed)
    assert (a.said, b.said) == (b"b", b"a")


def test_a_key_protects_what_is_relayed() -> None:
    async def main() -> list[Any]:
        behind(Nat.symmetric(OUTSIDE_A), Nat.symmetric(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST, relay=True):
            return await both(
                meet(A, name=b"a", key=KEY, relay=True, **ROOM),
                meet(B, name=b"b", key=KEY, relay=True, **ROOM),
            )

    a, b = run(main(), delay=DELAY)
    assert (a.kind, a.said, b.said) == ("relayed", b"b", b"a")


@pytest.mark.parametrize("theirs", [OTHER, None])
def test_who_has_another_key_is_not_the_peer(theirs: bytes | None) -> None:
    async def main() -> list[Any]:
        async with await rudp.start_rendezvous(HOST):
            return await both(
                meet(A, key=KEY, timeout=4.0, **ROOM), meet(B, key=theirs, timeout=4.0, **ROOM)
            )

    a, b = run(main(), delay=DELAY)
    assert isinstance(a, TimeoutError)
    assert isinstance(b, TimeoutError)
    assert "segments came that are not signed with this key" in str(a)


def test_where_addresses_are_known_a_stranger_without_the_key_changes_nothing() -> None:
    async def main() -> list[Any]:
        behind(Nat.full_cone(OUTSIDE_A), Nat.full_cone(OUTSIDE_B))

        async def stranger() -> None:
            await asyncio.sleep(0.1)
            config = rudp.Config(connect_timeout=2.0)
            with pytest.raises(TimeoutError):
                await rudp.open_connection(
                    *MAPPED_A, local_addr=("10.0.9.9", 1), inner_port=40_404, config=config
                )

        nobody = asyncio.ensure_future(stranger())
        met = await both(
            meet(A, MAPPED_B, name=b"a", key=KEY),
            meet(B, MAPPED_A, name=b"b", key=KEY, after=0.7),
        )
        await nobody
        return met

    a, b = run(main(), delay=DELAY)
    assert isinstance(a, Met)
    assert (a.said, b.said) == (b"b", b"a")


def test_the_key_and_what_it_signs_stay_away_from_the_rendezvous() -> None:
    seen: list[bytes] = []

    def watch(what: str, now: float, data: bytes, source: Any, to: Any) -> None:
        if what == "sent" and HOST in (source[0], to[0]):
            seen.append(data)

    async def main() -> None:
        network().taps.append(watch)
        async with await rudp.start_rendezvous(HOST):
            await both(meet(A, key=KEY, **ROOM), meet(B, key=KEY, **ROOM))

    run(main(), delay=DELAY)
    assert seen
    assert not any(KEY in data for data in seen)
    for data in seen:
        offset = (data[12] >> 4) * 4
        assert b"\x1d\x10" not in data[20:offset]  # option 29, 16 octets


@pytest.mark.parametrize("key", [b"short", b"x" * 81])
def test_a_key_has_a_length(key: bytes) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="16 to 80 octets"):
            await rudp.punch(A, B, key=key)

    run(main())
