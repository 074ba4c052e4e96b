"""An asyncio program on virtual time: the loop, its datagram endpoints and its names."""

import asyncio
import doctest
import errno
import gc
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from rudp.sim import DeadlockError, VirtualLoop, loop, run, waiting

Address = tuple[Any, ...]


class Recorder(asyncio.DatagramProtocol):
    """Keeps everything that happens to it, with the time."""

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.loop = here()
        self.received: list[tuple[float, bytes, Address]] = []
        self.errors: list[tuple[float, Exception]] = []
        self.lost: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.received.append((self.loop.time(), data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.append((self.loop.time(), exc))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


class Echo(Recorder):
    def datagram_received(self, data: bytes, addr: Address) -> None:
        super().datagram_received(data, addr)
        self.transport.sendto(data.upper(), addr)


def here() -> VirtualLoop:
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualLoop)
    return running


async def endpoint(
    local: tuple[str, int] | None = None,
    remote: tuple[str, int] | None = None,
    kind: type[Recorder] = Recorder,
    **options: Any,
) -> Recorder:
    transport, protocol = await here().create_datagram_endpoint(
        kind, local_addr=local, remote_addr=remote, **options
    )
    assert protocol.transport is transport, "connection_made comes first"
    return protocol


def test_examples() -> None:
    assert doctest.testmod(loop).failed == 0


# --- time ---------------------------------------------------------------------------------------


def test_waiting_takes_exactly_no_time_and_timers_are_exact() -> None:
    async def main() -> list[float]:
        times = [here().time()]
        for delay in (0.25, 86_400.0 * 400, 0.125, 1e-9):
            await asyncio.sleep(delay)
            times.append(here().time())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60.0):
                await asyncio.Event().wait()
        return [*times, here().time()]

    day = 86_400.0 * 400
    end = day + 0.375
    assert run(main()) == [0.0, 0.25, day + 0.25, end, end + 1e-9, end + 1e-9 + 60.0]


def test_the_time_of_a_timer_is_the_time_it_runs_at() -> None:
    async def main() -> None:
        times = [0.1 * number for number in range(1, 200)] + [1e11 + 0.3, 1e14 + 0.7]
        seen: list[float] = []
        for when in times:
            here().call_at(when, lambda: seen.append(here().time()))
        await asyncio.sleep(1e15)
        assert seen == times

    run(main())


def test_a_deadlock_is_an_error_that_names_the_task() -> None:
    cleaned = False

    async def main() -> None:
        nonlocal cleaned
        task = asyncio.current_task()
        assert task is not None
        task.set_name("waiting-for-godot")
        await asyncio.sleep(1.5)
        try:
            await here().create_future()
        finally:
            cleaned = True

    with pytest.raises(DeadlockError, match=r"at 1\.5 s .* waiting-for-godot"):
        run(main())
    assert cleaned


def test_a_deadlock_says_where_each_task_waits() -> None:
    async def numbers() -> AsyncIterator[int]:
        await here().create_future()
        yield 1

    async def inner() -> None:
        async for _ in numbers():
            pass

    async def main() -> None:
        names = [f"waiter-{n:02}" for n in range(waiting.TASKS_MAX + 5)]
        tasks.extend(asyncio.create_task(inner(), name=name) for name in names)
        here().last_words.append(lambda: ["and nobody has anything to say"])
        await inner()

    tasks: list[asyncio.Task[None]] = []
    with pytest.raises(DeadlockError) as caught:
        run(main())
    text = str(caught.value)
    line = main.__code__.co_firstlineno
    assert f'main, file "{__file__}", line {line + 4}\n' in text
    assert f'inner, file "{__file__}", line {line - 3}\n' in text
    assert "  waiter-01 waits in\n" in text
    assert "  and 6 more\n" in text
    assert text.endswith("\nand nobody has anything to say")


def test_TCP_of_the_loops_own_is_refused_in_words() -> None:
    async def main() -> None:
        calls: list[Any] = [
            asyncio.open_connection("10.0.0.2", 80),
            asyncio.start_server(print, "10.0.0.2", 80),
            here().sock_connect(None, ("10.0.0.2", 80)),
        ]
        for call in calls:
            with pytest.raises(NotImplementedError, match="no TCP of its own: use rudp's"):
                await call

    run(main())


def test_it_runs_inside_another_loop(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """In a notebook's cell a loop runs already; and it goes on where it was."""

    async def inner(depth: int) -> float:
        before = asyncio.current_task(), here()
        await asyncio.sleep(100.0)
        if depth:
            assert run(inner(depth - 1)) == 100.0
        assert before == (asyncio.current_task(), here())
        return here().time()

    async def failing() -> None:
        await here().create_future()

    async def cell() -> None:
        before = asyncio.current_task(), asyncio.get_running_loop()
        start = before[1].time()
        for _ in range(2):
            assert run(inner(2)) == 100.0
            with pytest.raises(DeadlockError):
                run(failing())
            assert before == (asyncio.current_task(), asyncio.get_running_loop())
            async with asyncio.timeout(60.0):
                await asyncio.sleep(0.001)
        callback = before[1].create_future()
        # Between tasks, as an extension of a notebook may call it: no task is left and entered.
        before[1].call_soon(lambda: callback.set_result(run(inner(1))))
        assert await callback == 100.0
        assert before[1].time() < start + 60.0

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(cell())


def test_a_timer_at_infinity_is_no_way_out() -> None:
    async def main() -> None:
        here().call_at(float("inf"), print)
        await here().create_future()

    with pytest.raises(DeadlockError):
        run(main())


def test_run_is_like_asyncio_run() -> None:
    seen: list[str] = []

    async def background() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            seen.append("task cancelled")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            seen.append("generator closed")

    async def main() -> str:
        tasks.append(asyncio.create_task(background()))
        generators.append(numbers())
        await anext(generators[0])
        loops.append(here())
        return "result"

    tasks: list[asyncio.Task[None]] = []
    generators: list[AsyncIterator[int]] = []
    loops: list[VirtualLoop] = []
    assert run(main(), debug=True) == "result"
    assert seen == ["task cancelled", "generator closed"]
    assert loops[0].is_closed()
    assert loops[0].get_debug()


def test_an_exception_comes_out() -> None:
    async def main() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run(main())


def test_functions_for_threads_run_on_the_spot() -> None:
    async def main() -> None:
        assert await asyncio.to_thread(lambda: here().time()) == 0.0
        with pytest.raises(ZeroDivisionError):
            await here().run_in_executor(None, lambda: 1 / 0)

    run(main())


def test_bad_options_are_refused_and_nothing_is_left() -> None:
    with pytest.raises(ValueError, match="loss"):
        VirtualLoop(loss=2.0)
    gc.collect()


# --- datagrams ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "client"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("192.0.2.1", "192.0.2.2"),
        ("::1", "::1"),
        ("fd00::5", "fd00::6"),
    ],
)
def test_request_and_answer_take_a_round_trip(server: str, client: str) -> None:
    async def main() -> None:
        echo = await endpoint((server, 9000), kind=Echo)
        ours = await endpoint((client, 0), (server, 9000))
        ours.transport.sendto(b"hello")
        await asyncio.sleep(1.0)
        sockname = ours.transport.get_extra_info("sockname")
        peername = ours.transport.get_extra_info("peername")
        assert echo.received == [(0.125, b"hello", sockname)]
        assert ours.received == [(0.25, b"HELLO", peername)]
        assert sockname[0] == client
        assert peername[:2] == (server, 9000)
        assert len(sockname) == len(peername) == (4 if ":" in server else 2)
        assert echo.transport.get_extra_info("peername") is None
        ours.transport.close()
        echo.transport.close()

    run(main(), delay=0.125, debug=True)


def test_an_unconnected_endpoint_talks_to_many() -> None:
    async def main() -> None:
        echoes = [await endpoint((f"10.0.0.{n}", 7), kind=Echo) for n in (1, 2, 3)]
        ours = await endpoint(("10.0.0.9", 0))
        for echo in echoes:
            ours.transport.sendto(bytearray(b"x"), echo.transport.get_extra_info("sockname"))
        await asyncio.sleep(1)
        assert [addr for _, _, addr in ours.received] == [(f"10.0.0.{n}", 7) for n in (1, 2, 3)]
        for each in (*echoes, ours):
            each.transport.close()

    run(main())


def test_datagrams_of_one_instant_keep_their_order() -> None:
    async def main() -> None:
        theirs = await endpoint(("10.0.0.1", 7))
        ours = await endpoint(remote=("10.0.0.1", 7))
        for number in range(100):
            ours.transport.sendto(number.to_bytes(1, "big"))
        await asyncio.sleep(1)
        assert b"".join(data for _, data, _ in theirs.received) == bytes(range(100))
        ours.transport.close()
        theirs.transport.close()

    run(main(), delay=0.05)


def test_a_taken_address_is_an_error() -> None:
    async def main() -> None:
        first = await endpoint(("127.0.0.1", 5000))
        made: list[Recorder] = []

        def factory() -> Recorder:
            made.append(Recorder())
            return made[-1]

        with pytest.raises(OSError, match="5000") as caught:
            await here().create_datagram_endpoint(factory, local_addr=("127.0.0.1", 5000))
        assert caught.value.errno == errno.EADDRINUSE
        assert not made, "no protocol is made for an address that cannot be had"
        first.transport.close()
        again = await endpoint(("127.0.0.1", 5000))
        again.transport.close()

    run(main())


def test_port_0_picks_free_ports() -> None:
    async def main() -> None:
        several = [await endpoint(("127.0.0.1", 0)) for _ in range(20)]
        ports = {each.transport.get_extra_info("sockname")[1] for each in several}
        assert len(ports) == 20
        assert all(49_152 <= port < 65_536 for port in ports)
        for each in several:
            each.transport.close()

    run(main())


def test_reuse_port_shares_senders_among_endpoints() -> None:
    async def main() -> None:
        shared = [await endpoint(("127.0.0.1", 7), reuse_port=True) for _ in range(2)]
        with pytest.raises(OSError, match="7"):
            await endpoint(("127.0.0.1", 7))
        senders = [await endpoint(remote=("127.0.0.1", 7)) for _ in range(16)]
        for _ in range(3):
            for sender in senders:
                sender.transport.sendto(b"x")
        await asyncio.sleep(1)
        first, second = ({addr for _, _, addr in each.received} for each in shared)
        assert first
        assert second
        assert not first & second, "a sender always reaches the same endpoint"
        for each in (*shared, *senders):
            each.transport.close()

    run(main())


def test_a_connected_endpoint_hears_only_its_peer() -> None:
    async def main() -> None:
        ours = await endpoint(("10.0.0.1", 1000), ("10.0.0.2", 2000))
        peer = await endpoint(("10.0.0.2", 2000))
        stranger = await endpoint(("10.0.0.3", 2000), ("10.0.0.1", 1000))
        peer.transport.sendto(b"peer", ("10.0.0.1", 1000))
        stranger.transport.sendto(b"stranger")
        await asyncio.sleep(1)
        assert [data for _, data, _ in ours.received] == [b"peer"]
        assert len(stranger.errors) == 1, "for a stranger nobody is there"
        with pytest.raises(ValueError, match="Invalid address"):
            ours.transport.sendto(b"x", ("10.0.0.3", 2000))
        ours.transport.sendto(b"y", ("10.0.0.2", 2000))
        for each in (ours, peer, stranger):
            each.transport.close()

    run(main())


def test_a_dead_port_refuses_a_connected_sender_after_a_round_trip() -> None:
    async def main() -> None:
        connected = await endpoint(remote=("10.0.0.2", 9))
        unconnected = await endpoint(("10.0.0.1", 0))
        connected.transport.sendto(b"x")
        unconnected.transport.sendto(b"x", ("10.0.0.2", 9))
        await asyncio.sleep(1.0)
        [(when, error)] = connected.errors
        assert when == 0.5
        assert isinstance(error, ConnectionRefusedError)
        assert error.errno == errno.ECONNREFUSED
        assert unconnected.errors == []
        # The news is not for who is gone, and can get lost like anything else.
        connected.transport.sendto(b"x")
        connected.transport.close()
        here().network.link("10.0.0.2", "10.0.0.1", loss=1.0)
        last = await endpoint(remote=("10.0.0.2", 9))
        last.transport.sendto(b"x")
        await asyncio.sleep(1.0)
        assert len(connected.errors) == 1
        assert last.errors == []
        last.transport.close()
        unconnected.transport.close()

    run(main(), delay=0.25)


@pytest.mark.parametrize(
    ("wildcard", "literal"), [("0.0.0.0", "10.1.1.1"), ("::", "fd00::77"), ("0.0.0.0", "127.0.0.1")]
)
def test_a_wildcard_hears_all_and_answers_from_where_it_was_asked(
    wildcard: str, literal: str
) -> None:
    async def main() -> None:
        echo = await endpoint((wildcard, 53), kind=Echo)
        assert echo.transport.get_extra_info("sockname")[:2] == (wildcard, 53)
        ours = await endpoint(remote=(literal, 53))
        ours.transport.sendto(b"who")
        await asyncio.sleep(1)
        assert [data for _, data, _ in ours.received] == [b"WHO"]
        # An endpoint on the very address comes before the wildcard.
        exact = await endpoint((literal, 53))
        ours.transport.sendto(b"now")
        await asyncio.sleep(1)
        assert [data for _, data, _ in exact.received] == [b"now"]
        for each in (ours, echo, exact):
            each.transport.close()

    run(main())


def test_an_endpoint_without_addresses_takes_its_family() -> None:
    async def main() -> None:
        echo = await endpoint(("10.0.0.2", 53), kind=Echo)
        ours = await endpoint(family=socket.AF_INET)
        ours.transport.sendto(b"hello", ("10.0.0.2", 53))
        await asyncio.sleep(1)
        assert [data for _, data, _ in ours.received] == [b"HELLO"]
        with pytest.raises(ValueError, match="unexpected address family"):
            await endpoint()
        with pytest.raises(ValueError, match="address information"):
            await endpoint(("10.0.0.1", 0), ("fd00::1", 53))
        for each in (ours, echo):
            each.transport.close()

    run(main())


def test_what_cannot_be_sent() -> None:
    async def main() -> None:
        ours = await endpoint(("127.0.0.1", 0))
        there = ("127.0.0.1", 9)
        ours.transport.sendto(bytes(65_507), there)
        ours.transport.sendto(bytes(65_508), there)
        ours.transport.sendto(b"x", ("nobody.example", 9))
        ours.transport.sendto(b"x", ("127.0.0.1", 0))
        numbers = [error.errno for _, error in ours.errors if isinstance(error, OSError)]
        assert numbers == [errno.EMSGSIZE, socket.EAI_NONAME, errno.EINVAL]
        with pytest.raises(TypeError):
            ours.transport.sendto("text", there)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            ours.transport.sendto(b"to whom?")
        ours.transport.close()
        ours.transport.sendto(b"too late", there)
        assert here().network.link("127.0.0.1", "127.0.0.1").sent == 1
        with pytest.raises(NotImplementedError):
            await here().create_datagram_endpoint(Recorder, sock=object())  # type: ignore[arg-type]

    run(main())


def test_closing() -> None:
    async def main() -> None:
        ours = await endpoint(("127.0.0.1", 7))
        sender = await endpoint(remote=("127.0.0.1", 7))
        sender.transport.sendto(b"x")
        ours.transport.close()
        ours.transport.abort()
        assert ours.transport.is_closing()
        assert ours.lost == []
        await asyncio.sleep(1)
        assert ours.lost == [None]
        assert ours.received == []
        assert len(sender.errors) == 1
        sender.transport.abort()

    run(main())


def test_an_exception_in_a_protocol_reaches_the_loops_handler() -> None:
    class Broken(Recorder):
        def datagram_received(self, data: bytes, addr: Address) -> None:
            raise LookupError("mine")

    async def main() -> None:
        seen: list[dict[str, Any]] = []
        here().set_exception_handler(lambda loop, context: seen.append(context))
        broken = await endpoint(("127.0.0.1", 7), kind=Broken)
        broken.transport.sendto(b"x", ("127.0.0.1", 7))
        await asyncio.sleep(1)
        assert [type(context["exception"]) for context in seen] == [LookupError]
        broken.transport.close()

    run(main())


def test_an_endpoint_that_was_never_closed_is_a_warning() -> None:
    async def main() -> None:
        await endpoint(("127.0.0.1", 7))

    def forget() -> None:
        run(main())
        gc.collect()

    with pytest.warns(ResourceWarning, match="unclosed transport"):
        forget()


def test_taps_see_what_happens_to_each_datagram() -> None:
    async def main() -> None:
        seen: list[tuple[str, float, bytes, str, str]] = []

        def tap(what: str, when: float, data: bytes, source: Address, to: Address) -> None:
            seen.append((what, when, data, source[0], to[0]))

        here().network.taps.append(tap)
        theirs = await endpoint(("10.0.0.2", 7))
        ours = await endpoint(("10.0.0.1", 0), ("10.0.0.2", 7))
        ours.transport.sendto(b"kept")
        await asyncio.sleep(1)
        here().network.link("10.0.0.1", "10.0.0.2", loss=1.0)
        ours.transport.sendto(b"lost")
        here().network.link("10.0.0.1", "10.0.0.2", loss=0.0)
        theirs.transport.close()
        ours.transport.sendto(b"late")
        await asyncio.sleep(1)
        there = ("10.0.0.1", "10.0.0.2")
        assert seen == [
            ("sent", 0.0, b"kept", *there),
            ("delivered", 0.5, b"kept", *there),
            ("sent", 1.0, b"lost", *there),
            ("lost", 1.0, b"lost", *there),
            ("sent", 1.0, b"late", *there),
            ("refused", 1.5, b"late", *there),
        ]
        ours.transport.close()

    run(main(), delay=0.5)


def test_each_direction_has_its_own_link_and_chances() -> None:
    async def main(extra: bool) -> list[float]:
        network = here().network
        assert network.link("10.0.0.1", "10.0.0.2") is not network.link("10.0.0.2", "10.0.0.1")
        theirs = await endpoint(("10.0.0.2", 7))
        ours = await endpoint(("10.0.0.1", 0), ("10.0.0.2", 7))
        other = await endpoint(("10.0.0.3", 0), ("10.0.0.2", 7))
        for number in range(100):
            ours.transport.sendto(bytes([number]))
            if extra:
                other.transport.sendto(b"other")
        await asyncio.sleep(1)
        for each in (theirs, ours, other):
            each.transport.close()
        return [when for when, data, _ in theirs.received if data != b"other"]

    first = run(main(False), seed=3, jitter=0.1, ordered=False, loss=0.2)
    assert run(main(False), seed=3, jitter=0.1, ordered=False, loss=0.2) == first
    assert run(main(True), seed=3, jitter=0.1, ordered=False, loss=0.2) == first
    assert run(main(False), seed=4, jitter=0.1, ordered=False, loss=0.2) != first


# --- names --------------------------------------------------------------------------------------


def test_names() -> None:
    async def main() -> None:
        here().hosts["one.example"] = "192.0.2.1"
        here().hosts["two.example"] = ["2001:db8::1", "192.0.2.2"]

        async def found(*args: Any, **options: Any) -> list[tuple[int, Address]]:
            options = {"type": socket.SOCK_DGRAM} | options
            return [(info[0], info[4]) for info in await here().getaddrinfo(*args, **options)]

        v4, v6 = socket.AF_INET, socket.AF_INET6
        assert await found("one.example", 80) == [(v4, ("192.0.2.1", 80))]
        assert await found("two.example", "80") == [
            (v6, ("2001:db8::1", 80, 0, 0)),
            (v4, ("192.0.2.2", 80)),
        ]
        assert await found("two.example", 80, family=v4) == [(v4, ("192.0.2.2", 80))]
        assert await found(b"localhost", None) == [(v4, ("127.0.0.1", 0))]
        assert await found("2001:DB8:0::1", 1) == [(v6, ("2001:db8::1", 1, 0, 0))]
        assert await found(None, 1, family=v4) == [(v4, ("127.0.0.1", 1))]
        passive = await found(None, 1, flags=socket.AI_PASSIVE)
        assert sorted(passive) == [(v4, ("0.0.0.0", 1)), (v6, ("::", 1, 0, 0))]
        assert len(await here().getaddrinfo("127.0.0.1", 1)) == 2, "streams and datagrams"
        for host, port, options in (
            ("unknown.example", 80, {}),
            ("one.example", 80, {"family": v6}),
            ("one.example", 80, {"flags": socket.AI_NUMERICHOST}),
            ("one.example", "no-service", {}),
            ("one.example", 80, {"family": socket.AF_UNIX}),
        ):
            with pytest.raises(socket.gaierror):
                await found(host, port, **options)
        assert await here().getnameinfo(("192.0.2.2", 80)) == ("two.example", "80")
        assert await here().getnameinfo(("192.0.2.9", 80)) == ("192.0.2.9", "80")
        numeric = await here().getnameinfo(("192.0.2.1", 80), socket.NI_NUMERICHOST)
        assert numeric == ("192.0.2.1", "80")
        ours = await endpoint(remote=("two.example", 80))
        assert ours.transport.get_extra_info("peername")[0] == "2001:db8::1"
        ours.transport.close()

    run(main())
