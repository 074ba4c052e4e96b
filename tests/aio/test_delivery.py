"""What was handed over arrives: after close(), after abort(), at the end of the program.

And what has arrived can be read, whatever ended the connection afterwards.
"""

import asyncio
import contextlib
import logging
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rudp
from rudp.sim import run
from tests.aio.kit import HOST, Net, Recorder, Stubborn, address_of, cleared, pair, stream_pair
from tests.aio.test_tls import tls_pair
from tests.children import PATIENT

ROOT = Path(__file__).resolve().parents[2]
SERVER = "10.0.0.2"
DATA = bytes(range(256)) * 800
"""204,800 octets: more than an initial window, less than a receive buffer."""


# -- what has arrived is read first ---------------------------------------------------------------


class Slow(Recorder):
    """Reads one piece and pauses."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.pause_reading()


async def drawn(slow: Slow) -> BaseException | None:
    """Resume *slow* until the end."""
    while not slow.lost.done():
        slow.transport.resume_reading()
        await asyncio.sleep(0.001)
    return slow.lost.result()


async def test_a_reset_leaves_what_is_unread(net: Net) -> None:
    if net.is_tcp:
        pytest.skip("its abort is a FIN")
    async with pair(net, Slow) as p:
        p.far.write(DATA)
        await rudp_settled(p.far)
        p.near.write(b"so that it is told")
        rudp.reset(p.far)
        await p.settle()
        assert not p.client.lost.done()
        assert isinstance(await drawn(p.client), ConnectionResetError)
        assert p.client.data == DATA
        assert p.client.calls == ["made", "data", "lost"]


async def rudp_settled(transport: asyncio.Transport) -> None:
    while transport.get_extra_info("tcp_info").unacked or transport.get_write_buffer_size():
        await asyncio.sleep(0.001)


@pytest.mark.virtual
@pytest.mark.parametrize(
    "settings",
    [
        {"keepalive": True, "keepalive_idle": 5.0, "keepalive_interval": 1.0},
        {"user_timeout": 10.0},
    ],
)
async def test_a_time_out_leaves_what_is_unread(settings: dict[str, Any]) -> None:
    loop: Any = asyncio.get_running_loop()
    net = Net("virtual", rudp.Config(**settings))
    async with pair(net, Slow) as p:
        p.far.write(DATA)
        await asyncio.sleep(1)
        loop.network.link("127.0.0.1", "127.0.0.1", drop=lambda data, now: True)
        if "user_timeout" in settings:
            p.near.write(b"nobody hears this")
        await asyncio.sleep(60)
        assert not p.client.lost.done()
        assert isinstance(await drawn(p.client), TimeoutError)
        assert p.client.data == DATA
        loop.network.link("127.0.0.1", "127.0.0.1", drop=None)


@pytest.mark.virtual
@pytest.mark.parametrize("size", [20_000, 200_000, 2_000_000])
@pytest.mark.parametrize("how", ["read", "close", "abort"])
async def test_a_reset_leaves_what_is_unread_below_tls(size: int, how: str) -> None:
    net = Net("virtual", rudp.Config())
    async with tls_pair(net, Slow) as p:
        data = bytes(range(256)) * (size // 256)
        p.far.write(data)
        await asyncio.sleep(3)
        rudp.reset(p.far)
        await asyncio.sleep(1)
        assert not p.client.lost.done()
        if how == "read":
            assert isinstance(await drawn(p.client), ConnectionResetError)
            received = p.client.data
            assert received == data[: len(received)]
            assert len(received) == len(data) or size > 1_000_000
        else:
            began = asyncio.get_running_loop().time()
            getattr(p.near, how)()
            await p.client.lost
            assert asyncio.get_running_loop().time() == began


@pytest.mark.virtual
async def test_a_stream_gives_all_before_it_raises() -> None:
    net = Net("virtual", rudp.Config())
    async with stream_pair(net) as ((reader, writer), (_, peer)):
        peer.write(DATA)
        await asyncio.sleep(1)
        rudp.reset(peer.transport)
        await asyncio.sleep(1)
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        got = bytearray()
        while len(got) < len(DATA) - 1000:
            got += await reader.readexactly(1000)
        await asyncio.sleep(1)
        assert reader.exception() is not None
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1000)
        while len(got) < len(DATA):
            piece = await reader.read(77)
            assert piece
            got += piece
        assert got == DATA
        with pytest.raises(ConnectionResetError):
            await reader.read(77)


@pytest.mark.virtual
async def test_a_stream_that_ended_in_order_stays_whole() -> None:
    """A reset that comes after FIN is the writer's affair."""
    net = Net("virtual", rudp.Config())
    async with stream_pair(net) as ((reader, writer), (_, peer)):
        peer.write(b"all of it")
        peer.close()
        await asyncio.sleep(1)
        writer.write(b"too late")
        await asyncio.sleep(1)
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        assert await reader.read() == b"all of it"
        assert await reader.read() == b""


@pytest.mark.virtual
async def test_a_paused_reader_that_only_writes_hears_of_the_end() -> None:
    net = Net("virtual", rudp.Config())
    async with pair(net, Slow) as p:
        p.far.write(DATA)
        await asyncio.sleep(1)
        p.near.write(bytes(10_000_000))
        assert p.client.calls[-1] == "pause"
        rudp.reset(p.far)
        p.server.transport = p.far
        await asyncio.sleep(1)
        assert p.client.calls[-1] == "resume", "nothing can block a writer any more"
        for _ in range(5):
            assert not p.client.lost.done()
            p.near.write(b"anybody there?")
        assert isinstance(await p.client.lost, ConnectionResetError)


# -- close() --------------------------------------------------------------------------------------


async def test_connection_lost_comes_when_all_has_left(net: Net) -> None:
    """As over the kernel's TCP: before anything that the peer answers, never from inside."""
    lost: list[BaseException | None] = []

    class Server(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            transport.write(b"403\n")
            transport.close()
            assert not lost

        def connection_lost(self, exc: BaseException | None) -> None:
            lost.append(exc)

    server = await net.create_server(Server)
    async with cleared(server):
        reader, writer = await net.open_connection(*address_of(server))
        assert await reader.readline() == b"403\n"
        assert lost == [None]
        writer.close()
        await writer.wait_closed()


@pytest.mark.virtual
async def test_delivered_waits_for_the_acknowledgement() -> None:
    loop: Any = asyncio.get_running_loop()
    net = Net("virtual", rudp.Config())
    async with pair(net) as p:
        began = loop.time()
        p.near.write(b"x")
        p.near.close()
        assert await p.client.lost is None
        assert loop.time() == began
        await rudp.delivered(p.near)
        assert loop.time() - began == pytest.approx(0.02, abs=0.005)
        assert p.server.data == b"x"
        await rudp.delivered(p.near)


@pytest.mark.virtual
@pytest.mark.parametrize("written", [b"", b"x" * 5000])
async def test_delivered_to_a_peer_that_ended_and_is_gone(written: bytes) -> None:
    """Who keeps a connection after the peer has ended does not wait minutes for its last ACK."""
    loop: Any = asyncio.get_running_loop()
    lost = False
    net = Net("virtual", rudp.Config())
    async with stream_pair(net) as ((reader, writer), (_, other)):
        loop.network.link("127.0.0.1", "127.0.0.1", drop=lambda data, now: lost)
        other.write_eof()
        assert await reader.read() == b""
        writer.write(written)
        await asyncio.sleep(1.0)  # that arrives
        lost = True
        writer.close()
        began = loop.time()
        await writer.wait_closed()
        assert loop.time() - began == pytest.approx(1.0, abs=0.01), "once"
        assert writer.get_extra_info("tcp_info").state is rudp.State.LAST_ACK, "the FIN goes on"
        lost = False


@pytest.mark.virtual
async def test_those_who_wait_long_for_their_last_ack_keep_one_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has a look a second, whenever they began, and not more of them from second to second."""
    loop: Any = asyncio.get_running_loop()
    call_at = loop.call_at
    calls = 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        return call_at(*arguments, **options)

    monkeypatch.setattr(loop, "call_at", counted)
    async with await rudp.start_server(lambda *streams: None, SERVER, 7) as server:
        writers = [(await rudp.open_connection(SERVER, 7))[1] for _ in range(3)]
        waiting = []
        for writer in writers:
            writer.write(bytes(2_000_000))  # nobody reads it
            writer.close()
            waiting.append(asyncio.ensure_future(rudp.delivered(writer)))
            await asyncio.sleep(0.3)
        await asyncio.sleep(60)
        calls = 0
        await asyncio.sleep(10)
        calls_in_ten_seconds = calls
        server.abort_clients()
        await asyncio.wait(waiting)
        assert calls_in_ten_seconds < 60
        assert all(isinstance(task.exception(), OSError) for task in waiting)


@pytest.mark.virtual
async def test_delivered_says_what_has_not_arrived_at_a_peer_that_ended() -> None:
    """Octets are missing, not only the end."""
    loop: Any = asyncio.get_running_loop()
    lost = False
    net = Net("virtual", rudp.Config(user_timeout=100.0))
    async with stream_pair(net) as ((reader, writer), (_, other)):
        loop.network.link("127.0.0.1", "127.0.0.1", drop=lambda data, now: lost)
        other.write_eof()
        assert await reader.read() == b""
        lost = True
        writer.write(b"x")
        writer.close()
        with pytest.raises(TimeoutError):
            await writer.wait_closed()
        lost = False


async def test_delivered_knows_only_our_transports() -> None:
    with pytest.raises(TypeError):
        await rudp.delivered(asyncio.Transport())


async def test_drain_after_close(net: Net) -> None:
    async with stream_pair(net) as ((reader, writer), (_, peer)):
        peer.write(b"bye")
        peer.close()
        assert await reader.read() == b"bye"
        writer.close()
        writer.write(b"dropped")
        with pytest.raises(ConnectionResetError):
            await writer.drain()


async def test_the_fifth_write_after_close_is_warned_of(
    net: Net, caplog: pytest.LogCaptureFixture
) -> None:
    async with pair(net) as p:
        p.near.close()
        for _ in range(4):
            p.near.write(b"x")
        assert not warnings_in(caplog)
        p.near.write(b"x")
        assert len(warnings_in(caplog)) == 1


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged, but for the callbacks that a busy machine makes slow."""
    return [text for text in caplog.messages if not text.startswith("Executing <")]


@pytest.mark.parametrize("size", [10_000, 60_000, 300_000])
def test_an_answer_to_an_upload_that_goes_on(size: int) -> None:
    """Data that comes after close() brings a reset, but not before the answer is there."""

    async def main() -> tuple[int, str]:
        class Server(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def data_received(self, data: bytes) -> None:
                self.transport.write(bytes(size))
                self.transport.close()

        server = await rudp.create_server(Server, SERVER, 7)
        reader, writer = await rudp.open_connection(SERVER, 7)
        writer.write(bytes(2_000_000))
        got = 0
        end = "EOF"
        try:
            while data := await reader.read(65_536):
                got += len(data)
        except ConnectionResetError:
            end = "reset"
        await asyncio.sleep(10)
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        writer.close()
        server.close()
        return got, end

    assert run(main(), delay=0.02, loss=0.02)[0] == size


# -- abort() --------------------------------------------------------------------------------------


async def test_what_was_written_goes_before_an_abort(net: Net) -> None:
    """And with nothing dropped it is no cut."""
    async with stream_pair(net) as ((reader, _), (_, peer)):
        peer.write(b"101 Switching Protocols\n")
        peer.transport.abort()
        assert await reader.read() == b"101 Switching Protocols\n"


@pytest.mark.virtual
@pytest.mark.parametrize("first", ["", "close", "write_eof"])
async def test_what_an_abort_drops_makes_it_a_reset(first: str) -> None:
    net = Net("virtual", rudp.Config())
    async with pair(net, Stubborn) as p:
        p.far.write(bytes(1_000_000))
        if first:
            getattr(p.far, first)()
        p.far.abort()
        assert await p.server.lost is None
        assert isinstance(await p.client.lost, ConnectionResetError)
        assert 14_000 < len(p.client.data) < 1_000_000, "what the window let go"
        assert "eof" not in p.client.calls
        with pytest.raises(ConnectionAbortedError):
            await rudp.delivered(p.far)


@pytest.mark.virtual
async def test_abort_after_close_undoes_nothing() -> None:
    net = Net("virtual", rudp.Config())
    async with pair(net) as p:
        p.far.write(b"all")
        p.far.write_eof()
        p.far.close()
        await asyncio.sleep(0)
        p.far.abort()
        assert await p.client.lost is None
        assert p.client.data == b"all"


async def test_SO_LINGER_zero_makes_abort_a_reset(net: Net) -> None:
    async with pair(net) as p:
        sock = p.near.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        p.near.abort()
        assert await p.client.lost is None
        assert isinstance(await p.server.lost, ConnectionResetError)


# -- the end of the program -----------------------------------------------------------------------


CHILD = """
import asyncio, sys, rudp

async def main():
    done = asyncio.Event()

    async def handle(reader, writer):
        await reader.readexactly(1)
        writer.write(bytes(2_000_000))
        if "eof" in sys.argv:
            writer.write_eof()
        elif "close" in sys.argv:
            writer.close()
        done.set()

    config = rudp.Config(datagram_io=sys.argv[1])
    server = await rudp.start_server(handle, "127.0.0.1", 0, config=config)
    print(server.sockets[0].getsockname()[1], flush=True)
    await done.wait()

if "uvloop" in sys.argv:
    import uvloop as source
else:
    source = asyncio
with asyncio.Runner(loop_factory=source.new_event_loop) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("how", ["close", "eof", "open"])
async def test_a_program_that_ends_delivers_first(
    real: Net, request: pytest.FixtureRequest, how: str
) -> None:
    """All of it; and who has not closed has not said that it is whole."""
    assert real.config is not None
    io = real.config.datagram_io
    loop = str(request.config.getoption("--loop"))
    child = subprocess.Popen(
        [sys.executable, "-c", PATIENT + CHILD, io, how, loop],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    port = int(child.stdout.readline())
    reader, writer = await rudp.open_connection("127.0.0.1", port, config=real.config)
    writer.write(b"g")
    got, end = 0, "end"
    try:
        while data := await asyncio.wait_for(reader.read(65_536), 20):
            got += len(data)
    except ConnectionResetError:
        end = "reset"
    writer.transport.abort()
    _, said = await asyncio.to_thread(child.communicate)
    assert (got, end, said) == (2_000_000, "reset" if how == "open" else "end", "")


def test_the_end_waits_for_linger_and_no_longer(caplog: pytest.LogCaptureFixture) -> None:
    """Config.linger: what is not acknowledged by then is told, in one line for each connection."""

    async def main(linger: float) -> Any:
        loop: Any = asyncio.get_running_loop()
        server = await rudp.create_server(Recorder, SERVER, 7)
        config = rudp.Config(linger=linger)
        writer, _ = await rudp.create_connection(Recorder, SERVER, 7, config=config)
        loop.network.link("10.0.0.1", SERVER, drop=lambda data, now: True)
        loop.network.link(SERVER, "10.0.0.1", drop=lambda data, now: True)
        writer.write(b"hello")
        writer.close()
        await asyncio.sleep(0.1)
        server.close()
        return loop, loop.time()

    for linger in (0.0, 1.0, 5.0):
        caplog.clear()
        loop, ended = run(main(linger))
        assert loop.time() - ended == pytest.approx(linger, abs=0.05)
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("rudp", logging.ERROR)
        assert f"{SERVER}:7" in record.getMessage()
        assert " 5 octets" in record.getMessage()


@pytest.mark.parametrize("how", ["close", "ended", "abort"])
def test_a_program_that_ends_says_when_only_its_end_is_missing(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """To a peer that has ended as well nothing is lost, and who aborts does not ask."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        server = await rudp.start_server(peer, SERVER, 7)
        reader, writer = await rudp.open_connection(SERVER, 7)
        writer.write(b"hello")
        assert await reader.read(5) == b"hello"
        if how == "ended":
            assert await reader.read() == b""
        await asyncio.sleep(1.0)  # all is acknowledged
        loop.network.link("10.0.0.1", SERVER, drop=lambda data, now: True)
        loop.network.link(SERVER, "10.0.0.1", drop=lambda data, now: True)
        writer.transport.abort() if how == "abort" else writer.close()
        await asyncio.sleep(0.1)
        server.close()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(5))
        if how == "ended":
            writer.close()
        await asyncio.sleep(100.0)

    run(main())
    said = [record.getMessage() for record in caplog.records if SERVER in record.getMessage()]
    wanted = f"{SERVER}:7 has not acknowledged the end of a stream that was closed"
    assert said == ([wanted] if how == "close" else [])


def test_the_end_waits_for_nothing_that_is_done(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Any:
        loop: Any = asyncio.get_running_loop()
        await rudp.create_server(Stubborn, SERVER, 7)
        writer, _ = await rudp.create_connection(Recorder, SERVER, 7)
        other, _ = await rudp.create_connection(Recorder, SERVER, 7)
        writer.write(b"hello")
        writer.close()
        await rudp.delivered(writer)
        return loop, loop.time(), other

    loop, ended, _ = run(main())
    assert loop.time() == ended
    assert not caplog.records


def test_a_loop_closed_without_notice_frees_its_port(
    loop_factory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]

    async def once(client: bool) -> None:
        server = await rudp.start_server(lambda r, w: w.close(), "127.0.0.1", port)
        if client:
            reader, writer = await rudp.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()

    for client in (False, True, True, False):
        loop = loop_factory()
        loop.run_until_complete(once(client))
        loop.close()
        loop.close()
    assert not caplog.records


def test_a_loop_closed_without_notice_says_what_is_lost(
    loop_factory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        server = await rudp.create_server(Recorder, "127.0.0.1", 0)
        _, writer = await rudp.open_connection(*address_of(server))
        writer.write(bytes(10_000_000))
        writer.close()

    loop = loop_factory()
    loop.run_until_complete(main())
    loop.close()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    found = re.search(r" last (\d+) octets ", record.getMessage())
    assert found is not None
    assert 9_000_000 < int(found[1]) <= 10_000_000, "but for what one flush sent"


async def test_writers_are_as_good_as_transports() -> None:
    """``delivered`` and ``reset`` take them as ``info`` does, and say what they were given else."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        writer.close()

    server = await rudp.start_server(serve, HOST, 0)
    async with cleared(server):
        _, writer = await rudp.open_connection(*address_of(server))
        writer.write(b"hello")
        writer.close()
        await rudp.delivered(writer)
        _, writer = await rudp.open_connection(*address_of(server))
        rudp.reset(writer)
        with pytest.raises(ConnectionAbortedError):
            await rudp.delivered(writer)
        nothing: Any = None
        with pytest.raises(TypeError, match="or its writer, got None"):
            rudp.reset(nothing)
