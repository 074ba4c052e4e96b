"""Punching between addresses that both sides know: one connection, without roles."""

import asyncio
import contextlib
import errno
import socket
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

import rudp
from rudp.core.terms.state import State
from rudp.core.watch.tracer import Tracer
from rudp.nat.greeting import CHOSEN, HELLO_SIZE, hello
from rudp.sim import Nat, run
from tests.nat.kit import MAPPED_A, MAPPED_B, OUTSIDE_A, OUTSIDE_B, A, B, both, meet, network
from tests.nat.kit import put_behind as behind

DELAY = 0.015


async def each_other(after: float = 0.0, **options: Any) -> list[Any]:
    return await both(
        meet(A, MAPPED_B, name=b"a", **options),
        meet(B, MAPPED_A, name=b"b", after=after, **options),
    )


@pytest.mark.parametrize("after", [0.0, 0.01, 0.7, 5.0])
def test_two_port_restricted_nats(after: float) -> None:
    """Whoever comes later finds the way open: within three round trips of it."""

    async def main() -> list[Any]:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        return await each_other(after)

    a, b = run(main(), delay=DELAY)
    assert (a.said, b.said) == (b"b", b"a")
    assert (a.peer, b.peer) == (MAPPED_B, MAPPED_A)
    assert b.seconds < 0.5 + 6 * DELAY + 1e-9


def test_a_peer_comes_from_a_port_that_nobody_has_told_of() -> None:
    async def main() -> list[Any]:
        behind(Nat.symmetric(OUTSIDE_A), Nat.address_restricted(OUTSIDE_B))
        return await each_other()

    a, b = run(main(), delay=DELAY)
    assert (a.said, b.said) == (b"b", b"a")
    assert (a.kind, b.kind) == ("mapped", "peer-reflexive")
    assert b.peer[0] == OUTSIDE_A
    assert b.peer != MAPPED_A


def test_two_nats_that_change_the_port() -> None:
    """What each has at its own NAT says nothing about the other's inner port."""

    async def main() -> list[Any]:
        nats = Nat(OUTSIDE_A, ports="random"), Nat(OUTSIDE_B, ports="random")
        behind(*nats)
        outer = [nat.outward(who, ("192.0.2.1", 9), 0.0) for nat, who in zip(nats, (A, B))]  # noqa: B905
        return await both(meet(A, outer[1], name=b"a"), meet(B, outer[0], name=b"b"))

    a, b = run(main(), delay=DELAY)
    assert (a.said, b.said) == (b"b", b"a")


def test_no_way_is_told_in_time_with_what_was_tried() -> None:
    async def main() -> tuple[list[Any], float]:
        behind(Nat.symmetric(OUTSIDE_A), Nat(OUTSIDE_B))
        found = await each_other(timeout=4.0)
        return found, asyncio.get_running_loop().time()

    errors, took = run(main(), delay=DELAY)
    assert took == 4.0
    for error, other in zip(errors, (MAPPED_B, MAPPED_A), strict=True):
        assert isinstance(error, TimeoutError)
        assert error.errno == errno.ETIMEDOUT
        assert f"no way to the peer in 4 s: {other[0]}:{other[1]} (mapped): no answer" in str(error)


@pytest.mark.parametrize("seed", range(12))
def test_losses_delay_it(seed: int) -> None:
    async def main() -> list[Any]:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        return await each_other(timeout=30.0)

    a, b = run(main(), delay=DELAY, loss=0.2, seed=seed)
    assert (a.said, b.said) == (b"b", b"a")


class States(Tracer):
    """Notes how many connections of a side were ESTABLISHED, and the last state of each."""

    def __init__(self) -> None:
        self.last: dict[Any, State] = {}
        self.opened: set[Any] = set()

    def state_moved(self, who: Any, before: State, after: State, cause: Any, now: float) -> None:
        self.last[who.path] = after
        if after is State.ESTABLISHED:
            self.opened.add(who.path)


@given(
    seed=st.integers(0, 1 << 32),
    delays=st.lists(st.floats(0.001, 0.4), min_size=3, max_size=3),
    loss=st.sampled_from([0.0, 0.15]),
)
def test_exactly_one_connection_results_though_several_open(
    seed: int, delays: list[float], loss: float
) -> None:
    """Two neighbours behind two NATs in a row that both let them reach each other: three ways."""
    neighbour = ("10.0.0.3", 6000)

    async def side(watch: States, *args: Any) -> tuple[Any, Any]:
        _, writer = await rudp.punch(*args, tracer=watch, timeout=60.0)
        await asyncio.sleep(5.0)  # what is not taken is gone by now
        return _, writer

    async def main() -> int:
        inner = network().put_behind(Nat("100.64.0.2", hairpin=True), A[0], neighbour[0])
        outer = network().put_behind(Nat(OUTSIDE_A, hairpin=True), inner.outside)
        ways: list[list[Any]] = []
        for who in (A, neighbour):
            seen = [who]
            for nat in (inner, outer):
                found = nat.outward(seen[-1], ("192.0.2.1", 9), 0.0)
                assert found is not None
                seen.append(found)
            ways.append(seen)
        for (door, *_), delay in zip(ways[1], delays, strict=True):
            for here, there in ((A[0], door), (neighbour[0], door)):
                network().link(*network().joined(here, there), delay=delay)
        network().link(neighbour[0], A[0], delay=delays[0])
        watches = States(), States()
        (_, writer), (other, theirs) = await asyncio.gather(
            side(watches[0], A, ways[1]), side(watches[1], neighbour, ways[0])
        )
        for watch, end in zip(watches, (writer, theirs), strict=True):
            alive = [path for path, state in watch.last.items() if state is State.ESTABLISHED]
            assert [path[0] for path in alive] == [end.get_extra_info("udp_peername")]
        writer.write(b"x")
        assert await other.read(1) == b"x"
        for each in (writer, theirs):
            each.transport.abort()
        return max(len(watch.opened) for watch in watches)

    event(f"{run(main(), seed=seed, loss=loss)} opened")


def test_two_punches_in_one_process_do_not_mix() -> None:
    async def main() -> list[Any]:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        return list(
            await asyncio.gather(
                meet(A, MAPPED_B, name=b"a"),
                meet(B, MAPPED_A, name=b"b"),
                meet((A[0], 5001), (OUTSIDE_B, 6001), name=b"c"),
                meet((B[0], 6001), (OUTSIDE_A, 5001), name=b"d"),
            )
        )

    assert [met.said for met in run(main(), delay=DELAY)] == [b"b", b"a", b"d", b"c"]


def test_one_port_serves_one_punch() -> None:
    async def main() -> None:
        first = asyncio.ensure_future(rudp.punch(A, B, timeout=1.0))
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="in use") as caught:
            await rudp.punch(A, B)
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(TimeoutError):
            await first

    run(main())


def test_nobody_punches_to_oneself() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await rudp.punch(A, A, timeout=3.0)

    run(main(), delay=DELAY)


@pytest.mark.parametrize("after", [0.0, 0.05, 0.51, 0.52, 0.54, 0.55, 0.56, 1.0])
def test_cancelling_leaves_nothing_behind(after: float) -> None:
    """At any moment; the other side goes on, and meets who comes next from there."""

    async def main() -> None:
        first = asyncio.ensure_future(rudp.punch(A, B))
        other = asyncio.ensure_future(rudp.punch(B, A))
        await asyncio.sleep(after)
        if first.cancel():
            with pytest.raises(asyncio.CancelledError):
                await first
            await asyncio.sleep(0.1)
            assert not [key for key in network()._bound if key[0] == A[0]]
            if not other.done():
                first = asyncio.ensure_future(rudp.punch(A, B))
        streams = await both(first, other)
        if not any(isinstance(each, BaseException) for each in streams):
            (_, writer), (reader, _) = streams
            writer.write(b"x")
            try:
                assert await reader.read(1) == b"x"
            except ConnectionResetError:  # it was taken, and the other cancelled in that moment
                assert first.cancelled()
        for each in streams:
            if isinstance(each, tuple):
                each[1].transport.abort()

    run(main(), delay=DELAY)


@given(
    seed=st.integers(0, 1 << 32),
    after=st.floats(0.49, 0.8),
    loss=st.sampled_from([0.0, 0.2]),
    delay=st.sampled_from([0.001, DELAY, 0.06]),
)
def test_the_other_of_one_who_is_cancelled_never_hangs(
    seed: int, after: float, loss: float, delay: float
) -> None:
    """It has an error, or a connection that ends; a loop where it hung would be deadlocked."""

    async def one() -> None:
        _, writer = await rudp.punch(A, B)
        try:
            await asyncio.sleep(3600.0)
        finally:
            writer.transport.abort()

    async def other() -> str:
        try:
            reader, writer = await rudp.punch(B, A)
        except OSError:
            return "no connection"
        try:
            await reader.read()
        except OSError:
            pass
        finally:
            writer.transport.abort()
        return "a connection"

    async def main() -> str:
        task = asyncio.ensure_future(one())
        what = asyncio.ensure_future(other())
        await asyncio.sleep(after)
        task.cancel()
        result = await what
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(300.0)
        assert not network()._bound
        return result

    event(run(main(), seed=seed, loss=loss, delay=delay))


def test_a_socket_goes_with_its_connection() -> None:
    async def main() -> None:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        await each_other()
        assert network()._bound  # TIME-WAIT of the side that closed first
        await asyncio.sleep(241.0)
        assert not network()._bound

    run(main(), delay=DELAY)


def test_keepalive_keeps_the_way_open_for_hours() -> None:
    """With less than 3 s after the first words a NAT like Linux's would forget after 30 s."""

    async def main() -> bytes:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        (reader, writer), (_, theirs) = await asyncio.gather(
            rudp.punch(A, MAPPED_B), rudp.punch(B, MAPPED_A)
        )
        await asyncio.sleep(7200.0)
        theirs.write(b"still here")
        said = await reader.read(100)
        writer.transport.abort()
        theirs.transport.abort()
        return said

    assert run(main(), delay=DELAY) == b"still here"


def test_one_packet_more_than_two_seconds_after_the_first_makes_a_stream() -> None:
    async def main() -> None:
        nat = Nat(OUTSIDE_A)
        behind(nat, Nat(OUTSIDE_B))
        (_, writer), (_, theirs) = await asyncio.gather(
            rudp.punch(A, MAPPED_B), rudp.punch(B, MAPPED_A)
        )
        await asyncio.sleep(4.0)
        network().link(OUTSIDE_A, OUTSIDE_B, loss=1.0)
        network().link(OUTSIDE_B, OUTSIDE_A, loss=1.0)
        await asyncio.sleep(100.0)
        assert nat.inward(MAPPED_A, MAPPED_B, asyncio.get_running_loop().time()) == A
        writer.transport.abort()
        theirs.transport.abort()

    run(main(), delay=DELAY)


def test_own_keepalive_is_left_as_it_is() -> None:
    async def main() -> list[Any]:
        config = rudp.Config(keepalive=11)
        (_, writer), (_, theirs) = await asyncio.gather(
            rudp.punch(A, B, config=config), rudp.punch(B, A)
        )
        sock = [each.get_extra_info("socket") for each in (writer, theirs)]
        idle = [each.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) for each in sock]
        writer.transport.abort()
        theirs.transport.abort()
        return idle

    assert run(main(), delay=DELAY) == [11, 3]


@pytest.mark.parametrize(
    "said",
    [
        b"x" * HELLO_SIZE,
        hello(b"\xff" * 20, b"another punch"),
        CHOSEN,
        b"",
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_a_stranger_who_opens_a_connection_is_not_taken(said: bytes) -> None:
    """He knows all ports, and is there first."""

    async def main() -> list[Any]:
        async def stranger() -> None:
            reader, writer = await rudp.open_connection(
                *A, local_addr=("10.0.9.9", 7), inner_port=40_404
            )
            writer.write(said)
            with contextlib.suppress(ConnectionResetError):
                await reader.read()
            writer.transport.abort()

        first = asyncio.ensure_future(meet(A, B, name=b"a"))
        await asyncio.sleep(0.01)
        met, other, _ = await asyncio.gather(first, meet(B, A, name=b"b", after=0.3), stranger())
        return [met, other]

    a, b = run(main(), delay=DELAY)
    assert (a.said, b.said) == (b"b", b"a")


def test_strangers_are_no_more_than_a_few() -> None:
    async def main() -> list[Any]:
        async def stranger(port: int) -> None:
            with contextlib.suppress(OSError):
                reader, writer = await rudp.open_connection(
                    *A, local_addr=("10.0.9.9", port), inner_port=40_404
                )
                try:
                    await reader.read()
                finally:
                    writer.transport.abort()

        first = asyncio.ensure_future(meet(A, B, name=b"a", timeout=30.0))
        await asyncio.sleep(0.01)
        strangers = asyncio.gather(*[stranger(port) for port in range(1, 200)])
        met = await both(first, meet(B, A, name=b"b", after=0.3, timeout=30.0))
        await strangers
        return met

    a, b = run(main(), delay=DELAY)
    assert (a.said, b.said) == (b"b", b"a")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "the address of the peer is needed"),
        ({"remote": []}, "the address of the peer is needed"),
        ({"remote": ("10.0.1.2", 70_000)}, "remote has port 70000"),
        ({"remote": B, "wait": -1.0}, "wait must be seconds above 0, or None, not -1.0"),
        ({"remote": B, "timeout": float("nan")}, "timeout must be seconds above 0, not nan"),
        ({"remote": "10.0.1.2:6000"}, "remote must be a host and a port"),
        ({"remote": [("10.0.1.2", "6000")]}, "remote must be a host and a port"),
        ({"rendezvous": "rudp://x", "room": 5}, "room must be a str, not 5"),
        ({"remote": B, "romm": "x"}, "punch has no argument 'romm'"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    async def main() -> None:
        with pytest.raises((ValueError, TypeError), match=words):
            await rudp.punch(A, **options)

    run(main())


def test_an_address_that_nobody_has_is_told_of() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError, match=r"224.0.0.1:5 \(mapped\): cannot assign"):
            await rudp.punch(A, [("224.0.0.1", 5)], timeout=1.0)
        await asyncio.sleep(0)
        assert not network()._bound

    run(main())


# -- over real sockets ----------------------------------------------------------------------------


def free_ports(count: int) -> list[int]:
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


@pytest.mark.parametrize("way", ["auto", "selector", "portable"])
@pytest.mark.parametrize("after", [0.0, 0.3])
async def test_over_loopback(way: Any, after: float) -> None:
    """The first to come meets "port unreachable", which says nothing here."""
    here, there = [("127.0.0.1", port) for port in free_ports(2)]
    config = rudp.Config(datagram_io=way)
    a, b = await asyncio.gather(
        meet(here, there, name=b"a" * 300_000, config=config),
        meet(there, here, name=b"b", after=after, config=config),
    )
    assert (a.said, b.said) == (b"b", b"a" * 300_000)
    assert (a.peer, b.peer) == (there, here)


async def test_what_was_in_the_way_is_told() -> None:
    here, there = [("127.0.0.1", port) for port in free_ports(2)]
    with pytest.raises(TimeoutError, match=f"127.0.0.1:{there[1]}") as caught:
        await rudp.punch(here, there, timeout=0.4)
    assert "connection refused" in str(caught.value) or "no answer" in str(caught.value)
