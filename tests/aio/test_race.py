"""Happy Eyeballs (RFC 8305 §5): who starts when, who wins, and what becomes of the others."""

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import rudp
from rudp.aio.race import race
from rudp.aio.registry import registry_of
from rudp.sim import VirtualLoop
from tests.aio.kit import (
    Net,
    Recorder,
    address_of,
    cancelled,
    cleared,
    close,
    eager_task_factory,
    spawn,
    turns,
)

pytestmark = pytest.mark.virtual
DELAY = 0.25


@pytest.fixture(params=[False, True], ids=["plain", "eager"], autouse=True)
def eager(request: pytest.FixtureRequest) -> bool:
    """Whether tasks begin before create_task() returns."""
    return bool(request.param)


def eagerly(eager: bool) -> VirtualLoop:
    """Take up the factory that the test asks for; return the loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    if eager:
        loop.set_task_factory(eager_task_factory)
    return loop


class Course:
    """Attempts that end after a time, and notes of when they began and how they ended."""

    def __init__(self) -> None:
        self.began: list[tuple[str, float]] = []
        self.cancelled: list[str] = []
        self.discarded: list[str] = []

    def attempt(
        self, name: str, after: float, error: BaseException | None = None
    ) -> Callable[[], Coroutine[Any, Any, str]]:
        async def run() -> str:
            self.began.append((name, asyncio.get_running_loop().time()))
            try:
                if after:
                    await asyncio.sleep(after)
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise
            if error is not None:
                raise error
            return name

        return run

    async def race(self, *attempts: Any) -> tuple[str | None, list[OSError]]:
        return await race(attempts, DELAY, self.discarded.append)


async def test_first_in_time_wins_alone(eager: bool) -> None:
    loop = eagerly(eager)
    course = Course()
    assert await course.race(course.attempt("a", 0.1), course.attempt("b", 0)) == ("a", [])
    assert course.began == [("a", 0)]
    assert loop.time() == 0.1


async def test_one_that_ends_at_once(eager: bool) -> None:
    """An eager task is done before anybody can wait for it."""
    eagerly(eager)
    course = Course()
    refused = ConnectionRefusedError("a")
    found = await course.race(course.attempt("a", 0, refused), course.attempt("b", 0))
    assert found == ("b", [refused])


async def test_next_starts_when_the_last_fails_or_takes_too_long(eager: bool) -> None:
    loop = eagerly(eager)
    course = Course()
    refused = ConnectionRefusedError("b")
    winner, errors = await course.race(
        course.attempt("a", 10),
        course.attempt("b", 0.1, refused),
        course.attempt("c", 0.5),
        course.attempt("d", 10),
    )
    assert (winner, errors) == ("c", [refused])
    assert course.began == [("a", 0), ("b", DELAY), ("c", DELAY + 0.1), ("d", 2 * DELAY + 0.1)]
    assert course.cancelled == ["a", "d"]
    assert loop.time() == pytest.approx(DELAY + 0.1 + 0.5)


async def test_failure_of_an_earlier_one_starts_nothing(eager: bool) -> None:
    eagerly(eager)
    course = Course()
    error = OSError("a")
    winner, errors = await course.race(
        course.attempt("a", DELAY + 0.1, error), course.attempt("b", 1), course.attempt("c", 5)
    )
    assert course.began == [("a", 0), ("b", DELAY), ("c", 2 * DELAY)]
    assert (winner, errors) == ("b", [error])


async def test_errors_of_all_in_the_order_of_the_attempts(eager: bool) -> None:
    loop = eagerly(eager)
    course = Course()
    errors = [OSError(name) for name in "abc"]
    attempts = [course.attempt("x", after, e) for after, e in zip((3, 2, 1), errors, strict=True)]
    assert await course.race(*attempts) == (None, errors)
    assert loop.time() == 3


async def test_second_of_two_in_one_turn_is_discarded(eager: bool) -> None:
    eagerly(eager)
    course = Course()
    winner, _ = await course.race(course.attempt("a", 1), course.attempt("b", 1 - DELAY))
    assert winner == "a"
    assert course.discarded == ["b"]


async def test_mistake_of_the_program_is_no_failed_attempt(eager: bool) -> None:
    eagerly(eager)
    course = Course()
    with pytest.raises(LookupError, match="mine"):
        await course.race(
            course.attempt("a", 1),
            course.attempt("b", 0.1, LookupError("mine")),
            course.attempt("c", 0),
        )
    assert course.cancelled == ["a"]
    assert [name for name, _ in course.began] == ["a", "b"]


@pytest.mark.parametrize("after", [0.1, 0.5, 1.0])
async def test_cancelled(eager: bool, after: float) -> None:
    """Nobody runs on; who had just succeeded is discarded."""
    loop = eagerly(eager)
    course = Course()
    task = spawn(course.race(course.attempt("a", 1), course.attempt("b", 5)))
    loop.call_at(after, task.cancel)
    await asyncio.wait([task])
    assert task.cancelled()
    assert sorted(course.cancelled + course.discarded) == (["a", "b"] if after > DELAY else ["a"])
    assert len(asyncio.all_tasks()) == 1


async def test_cancelled_before_it_begins(eager: bool) -> None:
    eagerly(eager)
    course = Course()
    await cancelled(spawn(course.race(course.attempt("a", 0.1))))
    await turns(3)
    assert not course.discarded
    assert len(asyncio.all_tasks()) == 1


# -- with connections ----------------------------------------------------------------------------


NET = Net("virtual", rudp.Config())
NEAR, FAR, DEAF = "10.0.0.2", "10.0.0.3", "10.0.0.9"


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await close(writer)


@pytest.mark.parametrize("delay", [None, DELAY])
@pytest.mark.parametrize(
    "hosts", [[NEAR], [NEAR, FAR], ["10.0.0.4", NEAR], ["10.0.0.4", "10.0.0.5", NEAR]]
)
async def test_streams(eager: bool, hosts: list[str], delay: float | None) -> None:
    """Addresses that serve and addresses that refuse; streams share one protocol in all."""
    loop = eagerly(eager)
    loop.hosts["name"] = hosts
    server = await rudp.start_server(hello, NEAR, 7)
    reader, writer = await rudp.open_connection("name", 7, happy_eyeballs_delay=delay)
    assert await reader.read() == b"hello"
    await close(writer)
    server.close()
    await server.wait_closed()


async def test_two_that_open_in_one_turn_disturb_nobody(eager: bool) -> None:
    """The loser is reset, and a protocol that both had would hear of its end."""
    loop = eagerly(eager)
    loop.hosts["name"] = [NEAR, FAR]
    seen: list[Recorder] = []

    def factory() -> Recorder:
        seen.append(Recorder())
        return seen[-1]

    servers = [await rudp.create_server(Recorder, host, 7) for host in (NEAR, FAR)]
    _, client = await rudp.create_connection(factory, "name", 7, happy_eyeballs_delay=0.0)
    await asyncio.sleep(1)
    assert seen == [client]
    assert client.calls == ["made"]
    client.transport.close()
    await client.lost
    for server in servers:
        server.close()
        await server.wait_closed()


async def test_deaf_address_costs_the_delay(eager: bool) -> None:
    loop = eagerly(eager)
    loop.hosts["name"] = [DEAF, NEAR]
    loop.network.link("10.0.0.1", DEAF, drop=lambda data, now: True)
    async with cleared(await NET.create_server(Recorder, NEAR, 7)) as server:
        start = loop.time()
        _, client = await NET.create_connection(
            Recorder, "name", address_of(server)[1], happy_eyeballs_delay=DELAY
        )
        assert loop.time() - start == pytest.approx(DELAY, abs=0.1)
        assert client.transport.get_extra_info("peername")[0] == NEAR
        client.transport.close()
        await client.lost


async def test_reset_between_opening_and_introduction(eager: bool) -> None:
    """The connection is lost before the application's protocol has it: the open fails."""
    loop = eagerly(eager)
    loop.hosts["name"] = ["10.0.0.4", NEAR]

    class Rude(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.close()

    async with cleared(await NET.create_server(Rude, NEAR, 7)):
        made = []

        def factory() -> Recorder:
            made.append(Recorder())
            return made[-1]

        try:
            _, client = await NET.create_connection(factory, "name", 7)
        except ConnectionResetError:
            assert all(not each.calls for each in made)
        else:
            assert isinstance(await client.lost, ConnectionResetError)
            assert client.calls == ["made", "lost"]


async def test_several_errors_are_the_cause_of_the_one_that_names_them(eager: bool) -> None:
    """With the notes that tell what each connection did last."""
    loop = eagerly(eager)
    loop.hosts["name"] = [DEAF, NEAR]
    loop.network.link("10.0.0.1", DEAF, drop=lambda data, now: True)
    config = rudp.Config(connect_timeout=2)
    with pytest.raises(OSError, match=r"Multiple exceptions: .*, ") as raised:
        await rudp.create_connection(Recorder, "name", 7, config=config)
    assert raised.value.errno is None
    cause = raised.value.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert [type(e) for e in cause.exceptions] == [TimeoutError, ConnectionRefusedError]
    assert all(e.__notes__ for e in cause.exceptions)


async def test_a_factory_that_fails_leaves_no_connection(eager: bool) -> None:
    loop = eagerly(eager)
    loop.hosts["name"] = [NEAR, FAR]

    def factory() -> Recorder:
        raise LookupError("in the factory")

    async with cleared(await NET.create_server(Recorder, NEAR, 7)):
        for delay in (None, DELAY):
            with pytest.raises(LookupError):
                await NET.create_connection(factory, "name", 7, happy_eyeballs_delay=delay)
        await asyncio.sleep(1)


@pytest.mark.parametrize("code", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOPROTOOPT])
async def test_unreachable_address_gives_way_at_once(eager: bool, code: int) -> None:
    """ICMP-4: without Happy Eyeballs, too, the next address of the name does not wait."""
    loop = eagerly(eager)
    loop.hosts["name"] = [DEAF, NEAR]
    sent: list[bytes] = []

    def lost(data: bytes, now: float) -> bool:
        sent.append(data)
        return True

    loop.network.link("10.0.0.1", DEAF, drop=lost)
    async with cleared(await NET.create_server(Recorder, NEAR, 7)):
        start = loop.time()
        opening = spawn(NET.create_connection(Recorder, "name", 7))
        await asyncio.sleep(0.01)
        (endpoint,) = registry_of(loop)._clients.values()
        endpoint.icmp_received(code, sent[0], (DEAF, 7), "", 0)
        _, client = await opening
        assert loop.time() - start < 0.2
        assert client.transport.get_extra_info("peername")[0] == NEAR
        client.transport.close()
        await client.lost
        loop.hosts["name"] = [DEAF]
        opening = spawn(NET.create_connection(Recorder, "name", 7))
        await asyncio.sleep(0.01)
        endpoint = registry_of(loop)._clients[(DEAF, 7), "portable", False]
        endpoint.icmp_received(code, sent[-1], (DEAF, 7), "", 0)
        with pytest.raises(OSError) as raised:
            await opening
        assert raised.value.errno == code
        assert raised.value.__notes__
