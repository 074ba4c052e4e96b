"""A rendezvous: two find each other by a room's name, and what does not fit is told in words."""

import asyncio
import errno
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rudp
from rudp.nat import words
from rudp.nat.rates import HOSTS_MAX, Rates
from rudp.sim import Nat, run
from tests.nat.kit import MAPPED_A, MAPPED_B, OUTSIDE_A, OUTSIDE_B, A, B, both, meet, network
from tests.nat.kit import put_behind as behind

DELAY = 0.02
HOST = "192.0.2.1"
WHERE = f"rudp://{HOST}"
ROOM: dict[str, Any] = {"rendezvous": WHERE, "room": "behind the bicycle shed"}


async def two(**options: Any) -> list[Any]:
    return await both(meet(A, name=b"a", **ROOM, **options), meet(B, name=b"b", **ROOM, **options))


def test_two_find_each_other_behind_two_nats() -> None:
    async def main() -> tuple[list[Any], dict[str, int]]:
        behind(Nat(OUTSIDE_A, ports="random"), Nat(OUTSIDE_B, ports="random"))
        async with await rudp.start_rendezvous(HOST) as rendezvous:
            met = await two()
            await asyncio.sleep(1.0)
            return met, rendezvous.stats()

    (a, b), stats = run(main(), delay=DELAY)
    assert (a.said, b.said) == (b"b", b"a")
    assert (a.kind, b.kind) == ("mapped", "mapped")
    assert {name: stats[name] for name in ("rooms", "present", "peers", "meetings")} == {
        "rooms": 0, "present": 0, "peers": 2, "meetings": 1,
    }  # fmt: skip


def test_neighbours_meet_without_their_nat() -> None:
    async def main() -> list[Any]:
        network().put_behind(Nat(OUTSIDE_A), A[0], B[0])
        async with await rudp.start_rendezvous(HOST):
            return await two()

    a, b = run(main(), delay=DELAY)
    assert (a.kind, b.kind) == ("host", "host")
    assert (a.peer, b.peer) == (B, A)


def test_without_a_nat_there_is_one_address() -> None:
    async def main() -> list[Any]:
        async with await rudp.start_rendezvous(HOST):
            return await two()

    assert [met.kind for met in run(main(), delay=DELAY)] == ["host", "host"]


def test_each_is_told_the_other_and_no_name_of_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    async def main() -> None:
        network().taps.append(lambda what, now, data, source, to: seen.append(data))
        async with await rudp.start_rendezvous(HOST):
            await two()

    run(main(), delay=DELAY)
    assert any(b'"room":"' in data for data in seen)
    assert not any(b"bicycle" in data for data in seen)


def test_one_who_is_late_is_waited_for() -> None:
    async def main() -> list[Any]:
        async with await rudp.start_rendezvous(HOST):
            return await both(
                meet(A, name=b"a", **ROOM, wait=None),
                meet(B, name=b"b", after=3000.0, **ROOM),
            )

    a, b = run(main(), delay=DELAY)
    assert (a.said, b.said) == (b"b", b"a")


def test_one_alone_is_told_so() -> None:
    async def main() -> float:
        async with await rudp.start_rendezvous(HOST):
            with pytest.raises(TimeoutError, match=r"nobody else has come in 10 s"):
                await rudp.punch(A, **ROOM)
        return asyncio.get_running_loop().time()

    assert run(main()) < 11.0


def test_the_rendezvous_keeps_nobody_for_ever() -> None:
    async def main() -> None:
        async with await rudp.start_rendezvous(HOST, wait=60.0):
            with pytest.raises(TimeoutError, match=r"192.0.2.1:7478: nobody else has come in 60 s"):
                await rudp.punch(A, wait=None, **ROOM)

    run(main())


def test_a_third_is_refused_and_disturbs_nobody() -> None:
    async def main() -> list[Any]:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST):

            async def third() -> None:
                await asyncio.sleep(0.2)
                with pytest.raises(OSError, match="there are two in this room already") as caught:
                    await rudp.punch(("10.0.9.9", 9), **ROOM)
                assert caught.value.errno == errno.EBUSY

            async with asyncio.TaskGroup() as group:
                group.create_task(third())
                return await two()

    a, b = run(main(), delay=DELAY)
    assert (a.said, b.said) == (b"b", b"a")


def test_the_room_is_free_for_the_next_two() -> None:
    async def main() -> list[Any]:
        async with await rudp.start_rendezvous(HOST):
            first = await two()
            await asyncio.sleep(1.0)
            return first + await both(
                meet((A[0], 1), name=b"a", **ROOM), meet((B[0], 2), name=b"b", **ROOM)
            )

    assert [met.said for met in run(main(), delay=DELAY)] == [b"b", b"a"] * 2


def test_who_leaves_makes_room() -> None:
    async def main() -> list[Any]:
        async with await rudp.start_rendezvous(HOST):
            gone = asyncio.ensure_future(rudp.punch(("10.0.9.9", 9), **ROOM))
            await asyncio.sleep(1.0)
            gone.cancel()
            await asyncio.sleep(1.0)
            return await two()

    assert [met.said for met in run(main(), delay=DELAY)] == [b"b", b"a"]


def test_rooms_may_be_given() -> None:
    async def main() -> list[Any]:
        async with await rudp.start_rendezvous(HOST, rooms=["behind the bicycle shed"]):
            with pytest.raises(OSError, match="there is no such room here") as caught:
                await rudp.punch(A, rendezvous=WHERE, room="elsewhere")
            assert caught.value.errno == errno.ENOENT
            return await two()

    assert [met.said for met in run(main(), delay=DELAY)] == [b"b", b"a"]


def test_many_from_one_host_have_to_wait() -> None:
    async def main() -> None:
        async with await rudp.start_rendezvous(HOST) as rendezvous:
            tasks = [
                asyncio.ensure_future(rudp.punch((A[0], port), rendezvous=WHERE, room=str(port)))
                for port in range(1, 18)
            ]
            done = await asyncio.gather(*tasks, return_exceptions=True)
            refused = [error for error in done if "too many have come" in str(error)]
            assert len(refused) == 7
            assert all(getattr(error, "errno", 0) == errno.EAGAIN for error in refused)
            assert rendezvous.stats()["refused"] == 7

    run(main(), delay=DELAY)


def test_there_is_a_bound_for_all() -> None:
    async def main() -> None:
        async with await rudp.start_rendezvous(HOST, peers_max=1):
            first = asyncio.ensure_future(rudp.punch(A, **ROOM))
            await asyncio.sleep(1.0)
            with pytest.raises(OSError, match="too many peers are here"):
                await rudp.punch(B, **ROOM)
            first.cancel()

    run(main(), delay=DELAY)


def test_rates_remember_few_hosts() -> None:
    rates = Rates(1.0, 1e9)
    assert rates.allows("first", 0.0)
    assert not rates.allows("first", 0.5)
    for number in range(HOSTS_MAX):
        assert rates.allows(str(number), 0.5)
    assert rates.allows("first", 0.6)
    all_together = Rates(5.0, 1.0)
    assert [all_together.allows(host, 0.0) for host in "ab"] == [True, False]


# -- the verdict, and the relay -------------------------------------------------------------------


def test_both_nats_symmetric_is_a_verdict_in_words() -> None:
    async def main() -> list[Any]:
        behind(Nat.symmetric(OUTSIDE_A), Nat.symmetric(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST):
            return await two(timeout=5.0)

    for error in run(main(), delay=DELAY):
        assert isinstance(error, TimeoutError)
        assert str(error).endswith(
            "your NAT gives each destination another port; the other one too: "
            "punching cannot work; use a relay"
        )


def test_one_nat_symmetric_and_the_other_strict_is_another() -> None:
    async def main() -> list[Any]:
        behind(Nat.symmetric(OUTSIDE_A), Nat(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST):
            return await two(timeout=5.0)

    first, second = run(main(), delay=DELAY)
    assert "; your NAT gives each destination another port, and the other NAT lets in" in str(first)
    assert "; the other's NAT gives each destination another port, and your NAT" in str(second)


def test_a_relay_carries_what_nothing_else_does() -> None:
    async def main() -> tuple[list[Any], dict[str, int]]:
        behind(Nat.symmetric(OUTSIDE_A), Nat.symmetric(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST, relay=True) as rendezvous:
            met = await two(relay=True)
            await asyncio.sleep(120.0)
            return met, rendezvous.stats()

    (a, b), stats = run(main(), delay=DELAY)
    assert (a.said, b.said) == (b"b", b"a")
    assert (a.kind, b.kind) == ("relayed", "relayed")
    assert {a.peer[0], b.peer[0]} == {HOST}
    assert 200 < stats["relayed"] < 2000
    assert stats["relays"] == 0


@pytest.mark.parametrize("server", [True, False])
@pytest.mark.parametrize("wanted", [(True, False), (False, False), (True, True)])
def test_a_relay_is_used_if_all_three_want_it(server: bool, wanted: tuple[bool, bool]) -> None:
    async def main() -> list[Any]:
        behind(Nat.symmetric(OUTSIDE_A), Nat.symmetric(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST, relay=server):
            return await both(
                *[
                    meet(who, **ROOM, relay=relay, timeout=4.0)
                    for who, relay in zip((A, B), wanted, strict=True)
                ]
            )

    kinds = [getattr(met, "kind", None) for met in run(main(), delay=DELAY)]
    assert kinds == (["relayed"] * 2 if server and all(wanted) else [None, None])


def test_a_relay_comes_last() -> None:
    async def main() -> tuple[list[Any], dict[str, int]]:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST, relay=True) as rendezvous:
            met = await two(relay=True)
            await asyncio.sleep(30.0)
            return met, rendezvous.stats()

    (a, b), stats = run(main(), delay=DELAY)
    assert (a.kind, b.kind) == ("mapped", "mapped")
    assert stats["relays"] == stats["relayed"] == 0


def test_what_strangers_send_to_a_relay_goes_nowhere() -> None:
    async def main() -> list[Any]:
        behind(Nat.symmetric(OUTSIDE_A), Nat.symmetric(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST, relay=True):
            strangers: list[Any] = []

            def flood() -> None:
                for port in range(49_152, 49_160):
                    strangers[0].sendto(b"x" * 100, (HOST, port))

            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=("10.0.9.9", 9)
            )
            strangers.append(transport)
            for tick in range(40):
                asyncio.get_running_loop().call_later(tick * 0.05, flood)
            met = await two(relay=True)
            transport.close()
            return met

    a, b = run(main(), delay=DELAY)
    assert (a.said, b.said) == (b"b", b"a")


def test_a_relay_has_a_rate() -> None:
    async def main() -> float:
        behind(Nat.symmetric(OUTSIDE_A), Nat.symmetric(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST, relay=True, relay_rate=50_000.0):
            began = asyncio.get_running_loop().time()
            a, _ = await both(
                meet(A, **ROOM, relay=True), meet(B, name=bytes(500_000), **ROOM, relay=True)
            )
            assert len(a.said) == 500_000
            return asyncio.get_running_loop().time() - began

    assert run(main(), delay=DELAY) > 9.0


# -- what is broken, lies, or goes away -----------------------------------------------------------


@pytest.mark.parametrize("after", [0.01, 0.05, 0.09, 0.13, 0.17, 0.21, 0.25, 0.3])
def test_a_rendezvous_that_goes_away(after: float) -> None:
    """Before the two know each other it is an error that names it; afterwards it is not missed."""

    async def main() -> list[Any]:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        rendezvous = await rudp.start_rendezvous(HOST)
        asyncio.get_running_loop().call_later(after, rendezvous.close)
        met = await two()
        await rendezvous.wait_closed()
        return met

    results = run(main(), delay=DELAY)
    for result in results:
        if isinstance(result, BaseException):
            assert isinstance(result, ConnectionError | TimeoutError), result
            assert f"the rendezvous at {HOST}:7478" in str(result)
            assert after < 0.25
        else:
            assert result.said in (b"a", b"b")


def test_no_rendezvous_there_is_told_in_time() -> None:
    async def main() -> None:
        with pytest.raises(OSError, match=f"the rendezvous at {HOST}:7478: ") as caught:
            await rudp.punch(A, **ROOM)
        assert isinstance(caught.value, TimeoutError | ConnectionRefusedError)
        assert asyncio.get_running_loop().time() <= 5.1

    run(main(), delay=DELAY)


@asynccontextmanager
async def playing(*lines: Any) -> AsyncIterator[None]:
    """A rendezvous that says *lines*, one after each of the peer's; octets as they are."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for line in lines:
                await reader.readline()
                data = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
                writer.write(data)
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    async with await rudp.start_server(serve, HOST, 7478):
        yield


SEEN = {"seen": [*MAPPED_A], "stun": 9, "relay": False}
PEER = {"inner": 6000, "addresses": [[*MAPPED_B, "mapped"]], "varies": False}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([b"HTTP/1.0 400 Bad Request\r\n"], "is no JSON"),
        ([b"\xff" * 100 + b"\n"], "is no JSON"),
        ([b"[" * 2000 + b"\n"], "is no JSON"),
        ([b"x" * 10_000], "a line has more than 2048 octets"),
        ([[]], "it is no object"),
        ([{}], "None is no address"),
        ([SEEN | {"seen": ["0.0.0.0", 9]}], "0.0.0.0 is no address of one host"),
        ([SEEN | {"seen": ["x", 9]}], "'x' is no address of a host"),
        ([SEEN | {"seen": ["1.2.3.4", 0]}], "0 is no port"),
        ([SEEN | {"stun": True}], "True is no port"),
        ([SEEN | {"stun": 70000}], "70000 is no port"),
        ([SEEN, {}], "its peer is 'None'"),
        ([SEEN, {"peer": PEER, "secret": "00"}], "is not 16 octets in hexadecimal digits"),
        ([SEEN, {"peer": PEER, "secret": "zz" * 16}], "is not 16 octets in hexadecimal digits"),
        ([SEEN, {"peer": PEER | {"addresses": []}}], "0 addresses where 1 to 8 may be"),
        ([SEEN, {"peer": PEER | {"addresses": [["1.2.3.4", 5, "host"]] * 9}}], "9 addresses"),
        ([SEEN, {"peer": PEER | {"addresses": [["224.0.0.1", 5, "host"]]}}], "224.0.0.1 is no"),
        ([SEEN, {"peer": PEER | {"addresses": [["1.2.3.4", 5, "evil"]]}}], "no address with its"),
        ([SEEN, {"peer": PEER | {"inner": -1}}], "-1 is no port"),
        ([SEEN, {"peer": PEER, "secret": "00" * 16, "relay": "x"}], "'x' is no port"),
    ],
)
def test_a_rendezvous_that_makes_no_sense(lines: list[Any], reason: str) -> None:
    async def main() -> None:
        async with playing(*lines):
            with pytest.raises(OSError, match="makes no sense") as caught:
                await rudp.punch(A, **ROOM)
            assert caught.value.errno == errno.EPROTO
            assert reason in str(caught.value)
            assert f"the rendezvous at {HOST}:7478" in str(caught.value)

    run(main(), delay=DELAY)


def test_a_rendezvous_that_names_another_gets_no_connection_for_him() -> None:
    """It has the secret, too; but what it can lead to is no more than a few opens."""
    sent: list[Any] = []

    async def main() -> None:
        network().taps.append(lambda what, now, data, source, to: sent.append((what, to)))
        said = {"peer": PEER | {"addresses": [["198.51.100.77", 53, "mapped"]]}, "secret": "0" * 32}
        async with playing(SEEN, said):
            with pytest.raises(TimeoutError, match=r"198.51.100.77:53 \(mapped\): no answer"):
                await rudp.punch(A, **ROOM)

    run(main(), delay=DELAY)
    assert sum(each == ("sent", ("198.51.100.77", 53)) for each in sent) < 20


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        (b"hello\n", "malformed", "'hello\\n' is no JSON"),
        (b"x" * 5000, "malformed", "a line has more than 2048 octets"),
        (b'{"rudp": 2}\n', "version", "speaks version 1"),
        (b'{"rudp": 1, "room": "x"}\n', "malformed", "is not 32 octets in hexadecimal digits"),
        (b'{"rudp": 1, "room": ["' + b"a" * 64 + b'"]}\n', "malformed", "is not 32 octets"),
    ],
)
def test_a_peer_that_makes_no_sense_is_told_why(said: bytes, code: str, reason: str) -> None:
    async def main() -> dict[str, Any]:
        async with await rudp.start_rendezvous(HOST):
            reader, writer = await rudp.open_connection(HOST, 7478)
            writer.write(said)
            answer: dict[str, Any] = json.loads(await reader.readline())
            assert await reader.read() == b""
            writer.close()
            return answer

    answer = run(main(), delay=DELAY)
    assert answer["error"] == code
    assert reason in answer["text"]


def test_a_peer_that_says_nothing_is_not_kept() -> None:
    async def main() -> float:
        async with await rudp.start_rendezvous(HOST) as rendezvous:
            reader, writer = await rudp.open_connection(HOST, 7478)
            assert await reader.read() == b""
            writer.close()
            await asyncio.sleep(1.0)
            assert rendezvous.stats()["present"] == 0
        return asyncio.get_running_loop().time()

    assert 10.0 < run(main(), delay=DELAY) < 12.0


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_octets_harm_a_rendezvous(said: list[bytes]) -> None:
    async def main() -> list[Any]:
        async with await rudp.start_rendezvous(HOST):
            reader, writer = await rudp.open_connection(HOST, 7478)
            writer.writelines(said)
            writer.write_eof()
            await reader.read()
            writer.close()
            return await two()

    assert [met.said for met in run(main(), delay=DELAY)] == [b"b", b"a"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["inner", "addresses", "varies", "relay"]), json_values))
def test_any_offer_is_one_or_is_told_why_not(said: dict[str, Any]) -> None:
    try:
        offer = words.Offer.read(said)
    except words.WordsError:
        return
    assert words.Offer.read(json.loads(json.dumps(offer.said()))) == offer


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"rendezvous": WHERE}, "go together"),
        ({"room": "x"}, "either the address"),
        ({"rendezvous": WHERE, "room": ""}, "go together"),
        ({"rendezvous": WHERE, "room": "x", "remote": B}, "not both"),
        ({"rendezvous": "tcp://x:1", "room": "x"}, "is no address of a host and port such as rudp"),
        ({"rendezvous": WHERE, "room": "x", "timeout": 0.0}, "timeout must be seconds above 0"),
    ],
)
def test_arguments_that_do_not_go_together(options: dict[str, Any], reason: str) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=reason):
            await rudp.punch(A, **options)
        await asyncio.sleep(0)
        assert not network()._bound

    run(main())


@pytest.mark.parametrize("after", [0.01, 0.03, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 5.0])
def test_cancelling_in_the_middle_leaves_nothing(after: float) -> None:
    async def main() -> None:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST) as rendezvous:
            tasks = [asyncio.ensure_future(meet(who, **ROOM)) for who in (A, B)]
            await asyncio.sleep(after)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.5)
            ours = {key for key in network()._bound if key[0] in (A[0], B[0])}
            assert not ours or after == 5.0  # what was closed in order has its TIME-WAIT
            assert rendezvous.stats()["present"] == 0

    run(main(), delay=DELAY)


# -- over real sockets ----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["auto", "portable"])
async def test_over_loopback(way: Any) -> None:
    config = rudp.Config(datagram_io=way)
    async with await rudp.start_rendezvous("127.0.0.1", 0) as rendezvous:
        port = rendezvous.sockets[0].getsockname()[1]
        where: dict[str, Any] = {
            "rendezvous": f"rudp://127.0.0.1:{port}",
            "room": "x",
            "config": config,
        }
        a, b = await asyncio.gather(
            meet(name=b"a" * 300_000, **where), meet(name=b"b", after=0.1, **where)
        )
    assert (a.said, b.said) == (b"b", b"a" * 300_000)
    assert (a.kind, b.kind) == ("host", "host")


async def test_over_ipv6() -> None:
    async with await rudp.start_rendezvous("::1", 0) as rendezvous:
        port = rendezvous.sockets[0].getsockname()[1]
        where: dict[str, Any] = {"rendezvous": f"rudp://[::1]:{port}", "room": "x"}
        a, b = await asyncio.gather(meet(name=b"a", **where), meet(name=b"b", **where))
    assert (a.said, b.said) == (b"b", b"a")
    assert a.peer[0] == "::1"


async def test_a_rendezvous_is_asked_where_there_is_a_way_to_it() -> None:
    """Its name has three addresses, of which two cannot be reached from where we are bound."""
    loop = asyncio.get_running_loop()
    known = loop.getaddrinfo

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
        if host != "meet.example":
            return await known(host, port, **options)
        found = []
        for literal in ("2001:db8::1", "::1", "127.0.0.1"):
            found += await known(literal, port, **options)
        return found

    loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign]
    try:
        async with await rudp.start_rendezvous("127.0.0.1", 0) as rendezvous:
            port = rendezvous.sockets[0].getsockname()[1]
            where: dict[str, Any] = {"rendezvous": f"meet.example:{port}", "room": "x"}
            a, b = await asyncio.gather(meet(name=b"a", **where), meet(name=b"b", **where))
        assert (a.said, b.said) == (b"b", b"a")
    finally:
        loop.getaddrinfo = known  # type: ignore[method-assign]


async def test_no_way_to_a_rendezvous_is_an_error() -> None:
    with pytest.raises(OSError, match=r"."):
        await rudp.punch(("127.0.0.1", 0), rendezvous="rudp://[2001:db8::1]", room="x")


def test_many_pairs_at_once() -> None:
    async def main() -> int:
        async with await rudp.start_rendezvous(HOST):

            async def pair(number: int) -> list[Any]:
                room: dict[str, Any] = {"rendezvous": WHERE, "room": str(number), "wait": 60.0}
                hosts = f"10.1.0.{number}", f"10.2.0.{number}"
                return await both(*[meet((host, 5000), name=b"x", **room) for host in hosts])

            met = await asyncio.gather(*map(pair, range(1, 41)))
            return sum(each.said == b"x" for two in met for each in two)

    assert run(main(), delay=DELAY, loss=0.02) == 80


async def test_a_relay_over_loopback() -> None:
    """The other addresses are those of a network that is not here."""
    async with await rudp.start_rendezvous("127.0.0.1", 0, relay=True) as rendezvous:
        port = rendezvous.sockets[0].getsockname()[1]
        where: dict[str, Any] = {
            "rendezvous": f"rudp://127.0.0.1:{port}",
            "room": "x",
            "relay": True,
        }
        a, b = await asyncio.gather(meet(name=b"a", **where), meet(name=b"b", **where))
        assert (a.said, b.said) == (b"b", b"a")


async def test_nobody_at_the_rendezvous_is_heard_at_once() -> None:
    async with await rudp.start_server(lambda r, w: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    with pytest.raises(ConnectionRefusedError, match=f"the rendezvous at 127.0.0.1:{port}: "):
        await rudp.punch(rendezvous=f"127.0.0.1:{port}", room="x")
