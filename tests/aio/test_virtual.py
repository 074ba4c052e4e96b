"""Whole programs on virtual time: loss, closed windows, silence and hostile input."""

import asyncio
import hashlib
import random
import re
import socket
from typing import Any

import pytest

import rudp
from rudp.core.segment import wire
from rudp.sim import DeadlockError, VirtualLoop, run
from rudp.trace import EventLog
from tests.aio.kit import (
    HOST,
    Net,
    Recorder,
    cleared,
    close,
    echo,
    feed,
    pair,
    spawn,
    stream_pair,
)

pytestmark = pytest.mark.virtual

KIB = 1024
MIB = 1024 * 1024
SERVER = "10.0.0.2"
HOUR = 3600.0


def here() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def virtual(**config: Any) -> Net:
    return Net("virtual", rudp.Config(**config))


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    await feed(writer, data)
    writer.write_eof()


@pytest.mark.parametrize("seed", range(5))
def test_a_program_on_a_hostile_path(seed: int) -> None:
    """UDP-6: the echo of 1 MiB both ways at once, in a plain asyncio program."""
    data = random.Random(seed).randbytes(MIB)

    async def main() -> bytes:
        server = await rudp.start_server(echo, SERVER, 7)
        async with cleared(server):
            reader, writer = await rudp.open_connection(SERVER, 7)
            sending = spawn(send(writer, data))
            answer = await reader.read()
            await sending
            await close(writer)
            return answer

    answer = run(
        main(),
        debug=True,
        seed=seed,
        delay=0.02,
        jitter=0.01,
        loss=0.05,
        reorder=0.05,
        duplicate=0.02,
        corrupt=0.01,
    )
    assert hashlib.sha256(answer).digest() == hashlib.sha256(data).digest()


def test_BUF_4_a_writer_goes_on_when_its_octets_have_left() -> None:
    """It is not kept waiting for their acknowledgement, and neither is a close behind it."""

    async def main() -> list[float]:
        times = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            times.append(here().time())
            writer.close()

        server = await rudp.start_server(serve, SERVER, 7)
        async with cleared(server):
            _, writer = await rudp.open_connection(SERVER, 7)
            writer.transport.set_write_buffer_limits(high=0)
            times.append(here().time())
            for _ in range(3):
                writer.write(b"data")
                await writer.drain()
            times.append(here().time())
            writer.write(b"data")
            writer.close()
            await writer.wait_closed()
        return times

    began, written, heard_of = run(main(), delay=0.5)
    assert written == began
    assert heard_of == pytest.approx(began + 0.5)


def test_same_seed_same_run() -> None:
    async def main() -> list[tuple[str, float, int]]:
        seen: list[tuple[str, float, int]] = []
        here().network.taps.append(
            lambda what, when, data, source, target: seen.append((what, when, len(data)))
        )
        server = await rudp.start_server(echo, SERVER, 7)
        async with cleared(server):
            reader, writer = await rudp.open_connection(SERVER, 7)
            await send(writer, bytes(50_000))
            assert len(await reader.read()) == 50_000
            await close(writer)
        return seen

    first = run(main(), seed=3, delay=0.01, loss=0.1)
    assert first == run(main(), seed=3, delay=0.01, loss=0.1)


async def test_many_clients() -> None:
    """UDP-19: one server socket, 300 clients at a time, some of whom vanish."""
    server = await rudp.start_server(echo, SERVER, 7)
    here().network.link("10.0.0.1", SERVER, loss=0.02)

    async def client(number: int) -> bytes:
        reader, writer = await rudp.open_connection(SERVER, 7)
        data = b"%d " % number * 1000
        await send(writer, data)
        if number % 10 == 0:
            writer.transport.abort()
            return b""
        answer = await reader.read()
        await close(writer)
        assert answer == data
        return answer

    async with cleared(server):
        answers = await asyncio.gather(*map(client, range(300)))
    assert sum(map(bool, answers)) == 270


async def test_MUST_36_MUST_37_an_hour_of_closed_window() -> None:
    """SHLD-29, SHLD-30, ZWP-1 to ZWP-7, BUF-1, BUF-4, BUF-5, TRAP-4.

    A reader stops for an hour: the sender waits, nothing grows, probes keep the connection, and
    when the reader goes on it does so at once.
    """
    loop = here()
    async with stream_pair(virtual()) as ((_, writer), (reader, peer)):
        sent = 0

        async def send_for_ever() -> None:
            nonlocal sent
            while True:
                writer.write(bytes(64 * KIB))
                sent += 64 * KIB
                await writer.drain()

        sending = spawn(send_for_ever())
        await asyncio.sleep(60)
        at_first = sent
        probes: list[float] = []
        loop.network.taps.append(
            lambda what, when, data, s, d: probes.append(when) if what == "sent" else None
        )
        await asyncio.sleep(HOUR)
        assert sent == at_first < MIB
        info = writer.get_extra_info("tcp_info")
        unread = peer.get_extra_info("tcp_info").unread
        assert info.unsent + info.unacked + unread < 700 * KIB
        assert 256 * KIB - 4 * KIB <= unread < 257 * KIB  # the unit of the scaled window
        assert info.snd_wnd == 0
        assert 100 < len(probes) < 140, "a probe a minute, and its answer"
        began = loop.time()
        size = 0
        while size < 2 * MIB:
            size += len(await reader.read(64 * KIB))
        assert loop.time() - began < 2, "at once, not with the next probe"
        sending.cancel()
        await asyncio.wait([sending])


async def test_window_update_that_is_lost() -> None:
    """ZWP-2, TRAP-4: the next probe repairs it."""
    loop = here()
    async with stream_pair(virtual()) as ((_, writer), (reader, _)):
        writer.write(bytes(MIB))
        await asyncio.sleep(10)
        loop.network.link(HOST, HOST, drop=lambda data, now: True)
        first = len(await reader.read(MIB))
        await asyncio.sleep(1)
        loop.network.link(HOST, HOST, drop=None)
        assert first + len(await reader.readexactly(MIB - first)) == MIB


@pytest.mark.parametrize("reads", [1, 100, 5_000])
async def test_MUST_39_a_reader_of_small_pieces(reads: int) -> None:
    """SWS-4, TRAP-5: the peer sends full segments all the same."""
    loop = here()
    sizes: list[int] = []

    def tap(what: str, when: float, data: bytes, source: Any, target: Any) -> None:
        octets = len(data) - (data[12] >> 4) * 4
        if what == "sent" and octets:
            sizes.append(octets)

    async with stream_pair(virtual(receive_buffer=16 * KIB), limit=2 * KIB) as (near, (reader, _)):
        loop.network.taps.append(tap)
        total = 100 * reads if reads < 1000 else 500_000
        total = max(total, 40_000)
        writing = spawn(send(near[1], bytes(total)))
        read = 0
        while read < total:
            read += len(await reader.read(reads))
        await writing
    small = [size for size in sizes if size < 500]
    assert len(small) <= 3 + len(sizes) // 20


async def test_MUST_24_to_MUST_29_keepalive() -> None:
    """SHLD-12, KA-1 to KA-4, ST-44: one lost probe does not kill, all of them do."""
    loop = here()
    sent: list[tuple[float, int]] = []
    async with pair(virtual()) as p:
        p.near.write(b"x")
        await p.server.received(1)
        sock = p.near.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            (socket.TCP_KEEPIDLE, 100),
            (socket.TCP_KEEPINTVL, 10),
            (socket.TCP_KEEPCNT, 3),
        ):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        await asyncio.sleep(1)
        loop.network.taps.append(
            lambda what, when, data, s, d: (
                sent.append((when, len(data) - (data[12] >> 4) * 4)) if what == "sent" else None
            )
        )
        await asyncio.sleep(1000)
        assert not p.client.lost.done()
        assert len(sent) == pytest.approx(2 * 9, abs=2), "a probe each 100 s, and its answer"
        assert not any(octets for _, octets in sent)
        left = ["one", "two"]
        loop.network.link(HOST, HOST, drop=lambda data, now: bool(left and left.pop()))
        await asyncio.sleep(250)
        assert not left
        assert not p.client.lost.done(), "two lost probes are no death"
        loop.network.link(HOST, HOST, drop=lambda data, now: True)
        began = loop.time()
        error = await p.client.lost
        assert isinstance(error, TimeoutError)
        assert 20 <= loop.time() - began <= 141
        loop.network.link(HOST, HOST, drop=None)


async def test_MUST_25_no_keepalive_unless_asked_for() -> None:
    """UDP-12: a silent connection sends nothing at all, for a week, once a word was said."""
    loop = here()
    async with pair(virtual()) as p:
        p.near.write(b"good night")
        await p.server.received(10)
        await asyncio.sleep(1)
        sent: list[float] = []
        loop.network.taps.append(lambda what, when, data, s, d: sent.append(when))
        await asyncio.sleep(7 * 24 * HOUR)
        assert not sent
        p.near.write(b"good morning")
        await p.server.received(22)


async def test_MUST_20_MUST_21_user_timeout() -> None:
    """SHLD-9, SHLD-10, SHLD-11, SHLD-25, MUST-47: trouble first, then TimeoutError, then silence.

    A peer that freezes answers nothing; R1 is reported by error_received, R2 ends it.
    """
    loop = here()

    class Client(Recorder):
        def __init__(self) -> None:
            super().__init__()
            self.trouble: list[tuple[float, Exception]] = []

        def error_received(self, error: Exception) -> None:
            self.trouble.append((loop.time(), error))

    async with pair(virtual(), Client) as p:
        await asyncio.sleep(1)
        loop.network.link(HOST, HOST, drop=lambda data, now: True)
        began = loop.time()
        p.near.write(b"anybody there?")
        error = await p.client.lost
        assert isinstance(error, TimeoutError)
        assert loop.time() - began == pytest.approx(300, abs=1)
        assert p.client.trouble
        assert p.client.trouble[0][0] - began < 60
        assert all(isinstance(trouble, TimeoutError) for _, trouble in p.client.trouble)
        loop.network.link(HOST, HOST, drop=None)


async def test_a_client_that_opens_and_says_nothing() -> None:
    """Config.idle_timeout: its handler hears of a time-out, and whoever talks is left alone."""
    ends: list[tuple[float, BaseException | None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = None
        try:
            await reader.read()
        except OSError as error:
            end = error
        ends.append((here().time(), end))
        writer.close()

    async with cleared(await virtual(idle_timeout=30.0).start_server(handle, SERVER, 7)):
        start = here().time()
        _, silent = await rudp.open_connection(SERVER, 7)
        reader, writer = await rudp.open_connection(SERVER, 7)
        for _ in range(10):
            await asyncio.sleep(6)
            writer.write(b"x")
        assert len(ends) == 1
        assert isinstance(ends[0][1], TimeoutError)
        assert 30 <= ends[0][0] - start < 38
        assert writer.get_extra_info("endpoint").stats()["idle_timeout"] == 0  # the client's
        writer.close()
        assert await reader.read() == b""
        await asyncio.sleep(1)
        assert ends[1][1] is None
        silent.close()


async def test_SHLD_20_nobody_has_to_hear_of_trouble() -> None:
    """A protocol without error_received loses nothing but the report."""
    loop = here()
    async with pair(virtual()) as p:
        loop.network.link(HOST, HOST, drop=lambda data, now: now < 30)
        p.near.write(b"patience")
        assert await p.server.received(8) == b"patience"
        assert p.near.get_extra_info("tcp_info").soft_error is not None


async def test_exception_in_error_received(reports: list[dict[str, Any]]) -> None:
    class Broken(Recorder):
        def error_received(self, error: Exception) -> None:
            raise LookupError("in error_received")

    loop = here()
    async with pair(virtual(), Broken) as p:
        loop.network.link(HOST, HOST, drop=lambda data, now: True)
        p.near.write(b"x")
        assert isinstance(await p.client.lost, LookupError)
        loop.network.link(HOST, HOST, drop=None)
        assert "error_received" in reports.pop()["message"]
        assert not reports
        await asyncio.sleep(1)


async def test_user_timeout_of_one_connection() -> None:
    """MUST-21: set through TCP_USER_TIMEOUT while it runs; the neighbour keeps its own."""
    loop = here()
    async with pair(virtual()) as p:
        _, other = await virtual().create_connection(Recorder, *p.address[:2])
        sock = p.near.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)
        loop.network.link(HOST, HOST, drop=lambda data, now: True)
        began = loop.time()
        p.near.write(b"x")
        other.transport.write(b"x")
        assert isinstance(await p.client.lost, TimeoutError)
        assert loop.time() - began == pytest.approx(5, abs=0.1)
        assert not other.lost.done()
        loop.network.link(HOST, HOST, drop=None)
        other.transport.abort()
        await other.lost


async def test_frozen_peer_that_wakes_up_in_time() -> None:
    """Four minutes of silence cost nothing but time."""
    loop = here()
    async with stream_pair(virtual()) as ((_, writer), (reader, _)):
        loop.network.link(HOST, HOST, drop=lambda data, now: 1 < now < 240)
        await asyncio.sleep(2)
        sending = spawn(send(writer, bytes(MIB)))
        assert len(await reader.read()) == MIB
        assert 240 < loop.time() < 320
        await sending


async def test_MUST_30_to_MUST_33_urgent_data() -> None:
    """SHLD-13: nothing for new applications, but it is heard of, asynchronously, and stays in."""

    class Server(Recorder):
        def __init__(self) -> None:
            super().__init__()
            self.urgent: list[int] = []

        def urgent_received(self, octets: int) -> None:
            self.urgent.append(octets)

    async with pair(virtual(), Recorder, Server) as p:
        near: Any = p.near
        assert isinstance(near, rudp.Transport)
        near.write(b"calm ")
        near.write_urgent(b"hurry")
        assert await p.server.received(10) == b"calm hurry"
        assert p.server.urgent
        assert p.server.urgent[-1] <= 10
        near.close()
        with pytest.raises(RuntimeError):
            near.write_urgent(b"late")


async def test_TW_7_many_opens_in_a_row() -> None:
    """ISN-5, TW-8: every one has another port, TIME-WAIT costs a record and no socket."""
    server = await rudp.start_server(echo, SERVER, 7)
    async with cleared(server):
        ports = set()
        for _ in range(500):
            reader, writer = await rudp.open_connection(SERVER, 7)
            ports.add(writer.get_extra_info("sockname"))
            writer.write(b"x")
            writer.write_eof()
            assert await reader.read() == b"x"
            await close(writer)
        assert len(ports) == 500
        endpoint = writer.get_extra_info("endpoint")
        assert endpoint.stats()["time_wait_records"] == 500
        assert endpoint.stats()["connections"] == 0
        assert writer.get_extra_info("udp_sockname") == endpoint.sockname


class Intruder(asyncio.DatagramProtocol):
    """Sends whatever it likes."""

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.answers: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.answers.append(data)


async def test_hostile_datagrams_at_a_live_server() -> None:
    """M-1 to M-3, M-18, W-45, UDP-10, UDP-23, TRAP-7: counted, dropped, nobody is harmed."""
    loop = here()
    async with pair(virtual(), host=SERVER) as p:
        _, intruder = await loop.create_datagram_endpoint(Intruder, local_addr=("10.0.0.66", 666))
        chance = random.Random(1)
        ours, theirs = p.near.get_extra_info("sockname")[1], p.address[1]
        forged = wire.pack_segment(ours << 16 | theirs, 1, 1, wire.RST | wire.ACK, 100, b"")
        for _ in range(300):
            for data in (
                b"",
                chance.randbytes(chance.randrange(1, 20)),
                chance.randbytes(chance.randrange(20, 200)),
                wire.pack_segment(ours << 16 | theirs, 1, 1, wire.ACK, 100, b""),
                forged,
            ):
                intruder.transport.sendto(data, p.address)
        p.near.write(b"unharmed")
        assert await p.server.received(8) == b"unharmed"
        stats = p.far.get_extra_info("endpoint").stats()
        assert stats["segment_shorter_than_header"] >= 300
        assert stats["no_connection"] >= 300
        assert stats["rst_throttled"] > 0
        assert len(intruder.answers) <= 10
        assert all(len(answer) <= 32 for answer in intruder.answers)
        intruder.transport.close()


async def test_UDP_25_no_endless_exchange() -> None:
    """Two endpoints with stale state fall silent by themselves."""
    loop = here()
    async with pair(virtual()) as p:
        _, other = await virtual().create_connection(Recorder, *p.address[:2])
        p.near.write(b"x")
        other.transport.write(b"y")
        await p.server.received(1)
        await asyncio.sleep(1)  # nothing is under way any more
        loop.network.link(HOST, HOST, drop=lambda data, now: True)
        p.near.abort()
        await p.client.lost
        await asyncio.sleep(1)
        loop.network.link(HOST, HOST, drop=None)
        count = 0

        def tap(*_: Any) -> None:
            nonlocal count
            count += 1

        loop.network.taps.append(tap)
        p.far.write(b"are you there?")
        assert isinstance(await p.server.lost, ConnectionResetError)
        await asyncio.sleep(HOUR)
        assert count <= 8
        other.transport.abort()
        await other.lost


async def test_a_writer_in_bulk_fills_every_run() -> None:
    """What is left over from one turn of the loop leaves with what is written in the next."""
    sizes = []

    def watch(what: str, when: float, data: bytes, source: Any, destination: Any) -> None:
        if what == "sent" and len(data) > wire.HEADER_SIZE:
            sizes.append(len(data) - wire.HEADER_SIZE)

    async with stream_pair(virtual(mss=1000, mtu_discovery=False, timestamps=False)) as (near, far):
        here().network.taps.append(watch)
        received = spawn(far[0].read())
        await feed(near[1], bytes(MIB))
        near[1].write(b"rest")
        near[1].write_eof()
        assert len(await received) == MIB + 4
        assert [size for size in sizes if size < 1000] == [576 + 4]


def test_a_deadlock_tells_what_each_connection_did_last() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(10)

    async def main() -> None:
        server = await rudp.start_server(handler, "10.0.0.2", 9000)
        reader, writer = await rudp.open_connection("10.0.0.2", 9000)
        writer.write(b"hello")
        try:
            await reader.readline()
        finally:
            writer.transport.abort()
            server.close()
            server.abort_clients()

    with pytest.raises(DeadlockError) as caught:
        run(main(), delay=0.05)
    text = str(caught.value)
    assert re.search(r"10\.0\.0\.1:\d+ to 10\.0\.0\.2:9000 is in ESTABLISHED", text)
    assert re.search(r"-\d\.\d{3} s  sent PSH,ACK seq=1 ack=1 len=5 .*NEW_DATA", text)
    assert re.search(r"10\.0\.0\.2:9000 to 10\.0\.0\.1:\d+ is in ESTABLISHED", text)
    assert re.search(r"-\d\.\d{3} s  received PSH,ACK seq=1 ack=1 len=5 ", text)


def test_a_loop_may_watch_all_that_is_opened_on_it() -> None:
    own = EventLog()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.watch = log.tracer
        server = await rudp.start_server(handler, "10.0.0.2", 9000)
        _, writer = await rudp.open_connection("10.0.0.2", 9000, tracer=own.tracer("mine"))
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()

    log = EventLog()
    run(main())
    assert {event.connection for event in log.events} == {"client", "server"}
    assert {event.connection for event in own.events} == {"mine"}
