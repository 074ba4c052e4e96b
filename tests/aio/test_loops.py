"""Loops as programs use them: threads, forks, endings, descriptors.

What has to happen in a process of its own is a short program here; it runs with ``-W error`` and
``-X dev`` on the loop under test, and whatever it writes to stderr fails the test.
"""

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import rudp
from rudp.config import DatagramIo
from rudp.sim import run as run_virtual
from rudp.udp.linux import LinuxPort
from rudp.udp.portable import PortablePort
from rudp.udp.selector import SelectorPort
from tests.aio.kit import HOST, Net, Recorder, address_of, cleared, close, echo
from tests.children import PATIENT
from tests.conftest import open_sockets

ROOT = Path(__file__).resolve().parents[2]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

HEAD = """
import asyncio
import sys
import rudp

async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

config = rudp.Config(datagram_io=%r)

def new_loop():
    if %r == "uvloop":
        import uvloop
        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
"""


@pytest.fixture(params=["auto", "selector", "portable"])
def program(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Run the text of a program after ``HEAD`` and return what it prints."""
    head = PATIENT + HEAD % (request.param, request.config.getoption("--loop"))

    def run(text: str) -> str:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", head + textwrap.dedent(text)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.stderr == ""
        assert done.returncode == 0
        return done.stdout

    return run


def test_run_ends_at_once_with_records_left(program: Callable[[str], str]) -> None:
    """TW-8: TIME-WAIT on both sides keeps no program from ending, and nothing is complained of."""
    out = program(
        """
        import time

        async def main():
            server = await rudp.start_server(echo, "127.0.0.1", 0, config=config)
            address = server.sockets[0].getsockname()
            for _ in range(3):
                reader, writer = await rudp.open_connection(*address, config=config)
                writer.write(b"hello")
                writer.write_eof()
                print((await reader.read()).decode())
                writer.close()
                await writer.wait_closed()
            server.close()
            await server.wait_closed()
            print(writer.get_extra_info("endpoint").stats()["time_wait_records"])
            return time.monotonic()

        with asyncio.Runner(loop_factory=new_loop) as runner:
            ended = runner.run(main())
        print("at once" if time.monotonic() - ended < 5 else "late")
        """
    )
    assert out.split() == ["hello"] * 3 + ["3", "at", "once"]


def test_run_ends_with_connections_open(program: Callable[[str], str]) -> None:
    """What is open at the end of asyncio.run() is reset, so that no peer waits for ever."""
    out = program(
        """
        async def main():
            closed = asyncio.get_running_loop().create_future()
            server = await rudp.create_server(asyncio.Protocol, "127.0.0.1", 0, config=config)
            address = server.sockets[0].getsockname()
            transport, _ = await rudp.create_connection(asyncio.Protocol, *address, config=config)
            transport.write(bytes(10_000_000))
            return transport, server

        with asyncio.Runner(loop_factory=new_loop) as runner:
            transport, server = runner.run(main())
        print("done")
        """
    )
    assert out == "done\n"


def test_loop_close_with_connections_open(program: Callable[[str], str]) -> None:
    """The loop is closed without shutdown_asyncgens: it neither raises nor hangs.

    The loop's own datagram transports warn that they were forgotten; uvloop would even hang if
    that warning were an error.
    """
    out = program(
        """
        import gc
        import warnings

        async def main():
            server = await rudp.create_server(asyncio.Protocol, "127.0.0.1", 0, config=config)
            address = server.sockets[0].getsockname()
            transport, _ = await rudp.create_connection(asyncio.Protocol, *address, config=config)
            transport.write(bytes(10_000_000))
            return transport, server

        if config.datagram_io == "portable":
            warnings.simplefilter("ignore", ResourceWarning)
        loop = new_loop()
        transport, server = loop.run_until_complete(main())
        loop.close()
        transport.write(b"too late")
        del transport, server, loop
        gc.collect()
        print("done")
        """
    )
    assert out == "done\n"


def test_stop_right_after_close(program: Callable[[str], str]) -> None:
    """The peer is of the same loop, and ends with it: nothing waits for that."""
    out = program(
        """
        import logging
        logging.disable()  # it may say that the peer has not acknowledged all

        async def main():
            server = await rudp.create_server(asyncio.Protocol, "127.0.0.1", 0, config=config)
            address = server.sockets[0].getsockname()
            reader, writer = await rudp.open_connection(*address, config=config)
            writer.write(bytes(1_000_000))
            writer.close()
            server.close()

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())
        print("done")
        """
    )
    assert out == "done\n"


def test_one_loop_after_another(program: Callable[[str], str]) -> None:
    """Each has sockets of its own; the address of the first is free for the second."""
    out = program(
        """
        port = 0

        async def main():
            global port
            server = await rudp.start_server(echo, "127.0.0.1", port, config=config)
            async with server:
                port = server.sockets[0].getsockname()[1]
                reader, writer = await rudp.open_connection("127.0.0.1", port, config=config)
                writer.write_eof()
                await reader.read()
                writer.close()
                await writer.wait_closed()

        for _ in range(3):
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(main())
        print("done")
        """
    )
    assert out == "done\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork(program: Callable[[str], str]) -> None:
    """The child makes a loop of its own and talks to a server of its own and to the parent's."""
    out = program(
        """
        import os

        async def ask(address):
            reader, writer = await rudp.open_connection(*address, config=config)
            writer.write(b"hello")
            writer.write_eof()
            assert await reader.read() == b"hello"
            writer.close()
            await writer.wait_closed()

        async def alone():
            server = await rudp.start_server(echo, "127.0.0.1", 0, config=config)
            async with server:
                await ask(server.sockets[0].getsockname())

        def child(address):
            asyncio.set_event_loop(None)
            asyncio.events._set_running_loop(None)
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(alone())
                runner.run(ask(address))

        async def main():
            server = await rudp.start_server(echo, "127.0.0.1", 0, config=config)
            async with server:
                address = server.sockets[0].getsockname()
                await ask(address)
                pid = os.fork()
                if not pid:
                    code = 1
                    try:
                        child(address)
                        code = 0
                    finally:
                        os._exit(code)
                _, status = await asyncio.to_thread(os.waitpid, pid, 0)
                await ask(address)
                print("child:", os.waitstatus_to_exitcode(status))

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())
        """
    )
    assert out == "child: 0\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("end", ["exit", "return", "_exit", "close", "callback", "thread"])
def test_a_child_leaves_its_parents_connections_alone(
    program: Callable[[str], str], end: str, request: pytest.FixtureRequest
) -> None:
    """However it ends, nothing of its parent's is sent on, reset, or no longer watched."""
    if (
        request.config.getoption("--loop") == "uvloop"
        and "portable" in request.node.name
        and end not in ("_exit", "thread")
    ):
        pytest.skip("a child that closes uvloop's loop makes the parent's deaf, to its TCP too")
    out = program(
        f"""
        import os
        import threading

        END = {end!r}

        def mute():
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what it leaves open, it warns of

        class Forking(asyncio.Protocol):
            def data_received(self, data):
                pid = os.fork()
                if not pid:
                    mute()
                    sys.exit(0)
                os.waitpid(pid, 0)

        async def child(streams):
            mute()
            if END == "exit":
                sys.exit(0)
            if END == "_exit":
                os._exit(0)
            for reader, writer in streams:
                writer.write(b"from the child")
                if END == "close":
                    try:
                        writer.close()
                        await writer.wait_closed()
                    except ConnectionAbortedError:
                        pass
                    else:
                        os._exit(1)
            # else it goes on with the parent's coroutine to its end

        async def ask(streams):
            for reader, writer in streams:
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"

        async def main():
            server = await rudp.start_server(echo, "127.0.0.1", 0, config=config)
            address = server.sockets[0].getsockname()
            streams = [await rudp.open_connection(*address, config=config) for _ in range(3)]
            await ask(streams)
            writer = streams[0][1]
            writer.write(bytes(1_000_000))  # under way while it forks
            if END == "callback":
                other = await rudp.create_server(Forking, "127.0.0.1", 0, config=config)
                where = other.sockets[0].getsockname()
                forked, _ = await rudp.create_connection(asyncio.Protocol, *where, config=config)
                forked.write(b"fork")
                await asyncio.sleep(0.3)
                forked.abort()
                other.close()
            else:
                pids = []
                def fork():
                    pids.append(os.fork())
                    if END == "thread" and not pids[0]:
                        os._exit(0)
                if END == "thread":
                    thread = threading.Thread(target=fork)
                    thread.start()
                    thread.join()
                else:
                    fork()
                if not pids[0]:
                    await child(streams)
                    return
                assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 0
            assert await streams[0][0].readexactly(1_000_000) == bytes(1_000_000)
            await ask(streams)
            streams.append(await rudp.open_connection(*address, config=config))
            await ask(streams)
            for _, writer in streams:
                writer.close()
                await writer.wait_closed()
            server.close()
            await server.wait_closed()
            print("whole")

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())
        """
    )
    assert out == "whole\n"


def test_two_loops_in_two_threads(loop_factory: LoopFactory) -> None:
    """They share nothing, and talk to each other like strangers."""
    ready: list[tuple[str, int]] = []
    up, down = threading.Event(), threading.Event()
    problems: list[BaseException] = []

    async def serve() -> None:
        server = await rudp.start_server(echo, HOST, 0)
        async with server:
            ready.append(address_of(server))
            up.set()
            await asyncio.to_thread(down.wait, 10)

    async def client() -> None:
        local = await rudp.start_server(echo, HOST, 0)
        async with local:
            for address in (ready[0], address_of(local)):
                reader, writer = await rudp.open_connection(*address)
                writer.write(bytes(100_000))
                writer.write_eof()
                assert len(await reader.read()) == 100_000
                await close(writer)

    def thread() -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(serve())
        except BaseException as error:
            problems.append(error)
            up.set()

    server = threading.Thread(target=thread)
    server.start()
    up.wait(10)
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            for _ in range(3):
                runner.run(client())
    finally:
        down.set()
        server.join(10)
    assert not problems


def test_end_of_a_loop_resets_what_is_open(loop_factory: LoopFactory) -> None:
    """A client whose loop ends leaves nobody waiting at the other end."""
    address: list[tuple[str, int]] = []
    ends: list[BaseException | None] = []
    up = threading.Event()

    async def serve() -> None:
        seen = asyncio.get_running_loop().create_future()

        class Server(asyncio.Protocol):
            def connection_lost(self, exc: BaseException | None) -> None:
                seen.set_result(exc)

        server = await rudp.create_server(Server, HOST, 0)
        async with server:
            address.append(address_of(server))
            up.set()
            ends.append(await asyncio.wait_for(seen, 10))

    def thread() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(serve())

    async def client() -> asyncio.Transport:
        transport, _ = await rudp.create_connection(asyncio.Protocol, *address[0])
        return transport

    server = threading.Thread(target=thread)
    server.start()
    assert up.wait(10)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        transport = runner.run(client())
    server.join(10)
    assert [type(end) for end in ends] == [ConnectionResetError]
    assert not transport.is_closing()


@pytest.mark.slow
async def test_a_thousand_opens_use_one_descriptor(real: Net) -> None:
    """TW-7, TW-8, ISN-5: clients of one address share a socket, records and all."""
    server = await real.create_server(Recorder)
    async with cleared(server):
        before = len(open_sockets())
        most = before
        for _ in range(1000):
            _, client = await real.create_connection(Recorder, *address_of(server))
            client.transport.close()
            assert await client.lost is None
            most = max(most, len(open_sockets()))
        assert most <= before + 1
        endpoint = client.transport.get_extra_info("endpoint")
        while endpoint.stats()["connections"]:  # whose peer's FIN is on its way
            await asyncio.sleep(0.001)
        assert endpoint.stats()["time_wait_records"] == 1000


async def test_socket_goes_with_its_last_connection(real: Net) -> None:
    """Without records (here: after resets) there is nothing to stay for."""
    server = await real.create_server(Recorder)
    before = open_sockets()
    _, first = await real.create_connection(Recorder, *address_of(server))
    _, second = await real.create_connection(Recorder, *address_of(server))
    assert len(open_sockets() - before) == 1
    rudp.reset(first.transport)
    await first.lost
    assert len(open_sockets() - before) == 1
    rudp.reset(second.transport)
    await second.lost
    for _ in range(5):
        await asyncio.sleep(0)
    assert not open_sockets() - before
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("way", ["linux", "selector"])
def test_a_way_to_sockets_that_is_not_there_is_named(way: DatagramIo) -> None:
    async def main() -> None:
        config = rudp.Config(datagram_io=way)
        with pytest.raises(RuntimeError, match=rf"{way}.*add_reader"):
            await rudp.start_server(lambda *_: None, HOST, 0, config=config)
        with pytest.raises(RuntimeError, match=rf"{way}.*add_reader"):
            await rudp.open_connection(HOST, 9, config=config)

    run_virtual(main())


@pytest.mark.parametrize(
    ("platform", "asked", "expected"),
    [
        ("linux", "auto", LinuxPort),
        ("linux", "selector", SelectorPort),
        ("linux", "portable", PortablePort),
        ("darwin", "auto", SelectorPort),
        ("darwin", "portable", PortablePort),
        ("win32", "auto", SelectorPort),
    ],
)
async def test_the_fastest_way_that_there_is(
    monkeypatch: pytest.MonkeyPatch, platform: str, asked: DatagramIo, expected: type
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    server = await rudp.create_server(
        asyncio.Protocol, HOST, 0, config=rudp.Config(datagram_io=asked)
    )
    (endpoint,) = server.endpoints
    assert type(endpoint._port) is expected
    server.close()
    await server.wait_closed()


async def test_linux_s_way_is_linux_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(RuntimeError, match="Linux"):
        await rudp.create_server(asyncio.Protocol, HOST, 0, config=rudp.Config(datagram_io="linux"))
