"""TLS: the same tests over asyncio's TCP and over rudp, and what rudp does better on purpose.

The certificates are made when the tests run; no key is stored.
"""

import asyncio
import contextlib
import dataclasses
import gc
import hashlib
import random
import socket
import ssl
import tracemalloc
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import trustme

import rudp
from rudp.cli.badpath import BadPath
from rudp.sim import Link, VirtualLoop, run
from tests.aio.kit import (
    HOST,
    Net,
    Recorder,
    Stubborn,
    address_of,
    cancelled,
    cleared,
    close,
    echo,
    feed,
    pair,
    spawn,
    turns,
)

NAME = "server.example"
MIB = 1024 * 1024
SOON = 0.01
"""Seconds: a time-out that is meant to run out."""

CA = trustme.CA()
STRANGER = trustme.CA()
SERVER_CERT = CA.issue_cert(NAME, HOST, "10.0.0.2")
CLIENT_CERT = CA.issue_cert("anna@client.example")


def for_server(*, wants_cert: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    SERVER_CERT.configure_cert(context)
    context.set_alpn_protocols(["second", "first"])
    if wants_cert:
        context.verify_mode = ssl.CERT_REQUIRED
        CA.configure_trust(context)
    return context


def for_client(*, trusts: trustme.CA = CA, shows_cert: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context()
    trusts.configure_trust(context)
    context.set_alpn_protocols(["first"])
    if shows_cert:
        CLIENT_CERT.configure_cert(context)
    return context


def tls_pair(
    net: Net,
    client: Callable[[], Any] = Recorder,
    server: Callable[[], Any] = Recorder,
    *,
    client_context: ssl.SSLContext | None = None,
    server_context: ssl.SSLContext | None = None,
) -> Any:
    """Connect two protocols as :func:`pair` does, with TLS between."""
    return pair(
        net,
        client,
        server,
        connect={"ssl": client_context or for_client(), "server_hostname": NAME},
        listen={"ssl": server_context or for_server()},
    )


async def streams(net: Net, connected: Callable[..., Any], **options: Any) -> Any:
    """Serve *connected* over TLS and open a connection: ``(server, reader, writer)``."""
    server = await net.start_server(connected, ssl=for_server())
    reader, writer = await net.open_connection(
        *address_of(server), ssl=for_client(), server_hostname=NAME, **options
    )
    return server, reader, writer


class Silent(Recorder):
    """A peer that has never heard of TLS: it says nothing, and waits."""


class Filled(asyncio.BufferedProtocol):
    """What :class:`Recorder` does, with a buffer of its own."""

    def __init__(self, net: Net, size: int = 10_000) -> None:
        self.recorder = Recorder()
        self.buffer: Any = bytearray(size)
        if net.is_tcp:  # asyncio fills a copy of anything else
            self.buffer = memoryview(self.buffer)
        self.buffers = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.recorder, name)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.recorder.connection_made(transport)

    def get_buffer(self, sizehint: int) -> Any:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.buffers += 1
        self.recorder.data_received(bytes(self.buffer[:nbytes]))

    def eof_received(self) -> bool | None:
        return self.recorder.eof_received()

    def pause_writing(self) -> None:
        self.recorder.pause_writing()

    def resume_writing(self) -> None:
        self.recorder.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.recorder.connection_lost(exc)


class Pausing(Filled):
    """Reads one buffer at a time."""

    def buffer_updated(self, nbytes: int) -> None:
        super().buffer_updated(nbytes)
        self.transport.pause_reading()


# -- a connection --------------------------------------------------------------------------------


async def test_what_both_sides_know_of_each_other(net: Net) -> None:
    """TLS 1.3, ALPN, client certificates; what lies below shows through."""
    ours, theirs = for_client(shows_cert=True), for_server(wants_cert=True)
    async with tls_pair(net, client_context=ours, server_context=theirs) as p:
        assert p.client.calls == p.server.calls == ["made"]
        for transport, context in ((p.near, ours), (p.far, theirs)):
            assert isinstance(transport, asyncio.Transport)
            assert "ssl" in type(transport).__name__.lower()
            assert not transport.can_write_eof()
            with pytest.raises(NotImplementedError):
                transport.write_eof()
            tls = transport.get_extra_info("ssl_object")
            assert tls.version() == "TLSv1.3"
            assert tls.selected_alpn_protocol() == "first"
            assert transport.get_extra_info("cipher")[1] == "TLSv1.3"
            assert transport.get_extra_info("sslcontext") is context
            assert transport.get_extra_info("compression") is None
            assert transport.get_extra_info("nonsense", 7) == 7
            assert transport.get_extra_info("socket").family == socket.AF_INET
        assert ("DNS", NAME) in p.near.get_extra_info("peercert")["subjectAltName"]
        assert p.far.get_extra_info("peercert")["subjectAltName"] == (
            ("email", "anna@client.example"),
        )
        assert p.near.get_extra_info("peername") == p.far.get_extra_info("sockname")
        assert p.near.get_extra_info("sockname") == p.far.get_extra_info("peername")
        if not net.is_tcp:
            assert p.near.get_extra_info("tcp_info").state is rudp.State.ESTABLISHED


@pytest.mark.virtual
async def test_nothing_readable_on_the_wire() -> None:
    """UDP-18: with ``ssl=`` who sees the datagrams does not see what is said."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    seen = bytearray()
    loop.network.taps.append(lambda what, when, data, source, target: seen.extend(data))
    async with tls_pair(Net("virtual", rudp.Config())) as p:
        p.near.write(b"attack at dawn")
        assert await p.server.received(14) == b"attack at dawn"
    assert seen
    assert b"attack" not in seen


@pytest.mark.parametrize("buffered", [False, True], ids=["copied", "buffered"])
async def test_much_data_both_ways(net: Net, buffered: bool) -> None:
    there, back = random.Random(1).randbytes(MIB), random.Random(2).randbytes(MIB)
    kind: Any = (lambda: Filled(net)) if buffered else Recorder
    async with tls_pair(net, kind, kind) as p:
        p.near.write(there)
        for at in range(0, MIB, 50_000):
            p.far.write(bytearray(back[at : at + 50_000]))
        assert await p.server.received(MIB) == there
        assert await p.client.received(MIB) == back
        p.near.writelines([b"one ", memoryview(b"two ")])
        assert (await p.server.received(MIB + 8))[-8:] == b"one two "


async def test_small_buffers_get_all_before_the_end(real: Net) -> None:
    """asyncio drops what is left when FIN comes before the last buffer is filled."""
    data = random.Random(5).randbytes(200_000)
    async with tls_pair(real, Recorder, lambda: Filled(real, 100)) as p:
        p.near.write(data)
        p.near.close()
        assert await p.server.lost is None
        assert bytes(p.server.data) == data
        assert p.server.calls == ["made", "data", "eof", "lost"]


async def test_pause_between_two_buffers(real: Net) -> None:
    """The rest, and the end, wait in the layer."""

    async with tls_pair(real, Recorder, lambda: Pausing(real, 100)) as p:
        p.near.write(b"x" * 250)
        p.near.close()
        for buffers in (1, 2, 3):
            await p.server.until(lambda n=buffers: p.server.buffers == n)
            await p.settle()
            assert p.server.buffers == buffers
            assert not p.server.eof.done()
            p.far.resume_reading()
        assert await p.server.lost is None
        assert len(p.server.data) == 250


async def test_protocol_that_is_swapped_between_two_buffers(real: Net) -> None:
    class Fickle(Filled):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            self.transport.set_protocol(self.recorder)

    async with tls_pair(real, Recorder, lambda: Fickle(real, 100)) as p:
        p.near.write(b"x" * 250)
        p.near.close()
        assert await p.server.lost is None
        assert len(p.server.data) == 250
        assert p.server.buffers == 1


async def test_buffer_without_room(real: Net, reports: list[dict[str, Any]]) -> None:
    async with tls_pair(real, Recorder, lambda: Filled(real, 0)) as p:
        p.near.write(b"x")
        assert isinstance(await p.server.lost, RuntimeError)
        assert isinstance(await p.client.lost, ConnectionResetError)
    assert "empty buffer" in str(reports.pop()["exception"])


@pytest.mark.parametrize("seed", range(3))
def test_a_megabyte_each_way_on_a_hostile_path(seed: int) -> None:
    data = random.Random(seed).randbytes(MIB)

    async def main() -> bytes:
        server = await rudp.start_server(echo, "10.0.0.2", 7, ssl=for_server())
        async with cleared(server):
            reader, writer = await rudp.open_connection("10.0.0.2", 7, ssl=for_client())
            sending = spawn(feed(writer, data))
            answer = await reader.readexactly(MIB)
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
        corrupt=0.01,
    )
    assert hashlib.sha256(answer).digest() == hashlib.sha256(data).digest()


async def test_over_a_lossy_path_on_the_time_of_a_real_loop(real: Net) -> None:
    """Real sockets, and a relay between them that loses and reorders."""
    data = random.Random(6).randbytes(200_000)
    assert real.config is not None
    config = dataclasses.replace(real.config, mss=1400)
    server = await rudp.start_server(echo, HOST, 0, ssl=for_server(), config=config)
    host, port = address_of(server)
    bad: Any = {"delay": 0.002, "loss": 0.02, "reorder": 0.02, "reorder_delay": 0.004}
    path = BadPath((host, port), Link(seed=1, **bad), Link(seed=2, **bad))
    await path.open()
    async with cleared(server):
        reader, writer = await rudp.open_connection(
            *path.address, ssl=for_client(), inner_port=port, config=config
        )
        sending = spawn(feed(writer, data))
        assert await reader.readexactly(len(data)) == data
        await sending
        await close(writer)
        assert writer.get_extra_info("cipher")[1] == "TLSv1.3"
    if serving := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(serving)  # until its last octets are acknowledged, over this path
    path.close()
    await turns(3)


async def test_reader_that_stops_holds_its_sender_back(net: Net) -> None:
    async with tls_pair(net) as p:
        p.far.pause_reading()
        assert not p.far.is_reading()
        written = 0
        while "pause" not in p.client.calls:
            p.near.write(bytes(MIB))
            written += MIB
            await p.settle()
            assert written <= 64 * MIB
        assert "data" not in p.server.calls
        p.far.resume_reading()
        assert len(await p.server.received(written)) == written
        await p.client.until(lambda: "resume" in p.client.calls)


@pytest.mark.parametrize("options", [{}, {"happy_eyeballs_delay": 0.1}], ids=["plain", "race"])
async def test_the_host_is_the_name_to_verify(net: Net, options: dict[str, Any]) -> None:
    async with cleared(await net.create_server(Recorder, ssl=for_server())) as server:
        transport, protocol = await net.create_connection(
            Recorder, *address_of(server), ssl=for_client(), **options
        )
        assert protocol.transport is transport
        transport.close()
        assert await protocol.lost is None


async def test_no_name_where_none_is_checked(net: Net) -> None:
    context = for_client()
    context.check_hostname = False
    async with cleared(await net.create_server(Recorder, ssl=for_server())) as server:
        transport, protocol = await net.create_connection(
            Recorder, *address_of(server), ssl=context, server_hostname=""
        )
        assert transport.get_extra_info("ssl_object").server_hostname is None
        transport.close()
        assert await protocol.lost is None


# -- how it ends ---------------------------------------------------------------------------------


async def test_close_is_the_end_of_both_streams(net: Net) -> None:
    """close_notify is EOF, and the other side answers with its own."""
    async with tls_pair(net, Recorder, Stubborn) as p:
        p.near.write(b"farewell")
        p.near.close()
        p.near.write(b"too late")
        assert p.near.is_closing()
        assert await p.client.lost is None
        assert await p.server.lost is None
        assert p.server.data == b"farewell"
        assert p.server.calls == ["made", "data", "eof", "lost"]


async def test_what_can_be_done_after_the_end(real: Net) -> None:
    """asyncio's TCP forgets the addresses, and stumbles over what follows a second close."""
    async with tls_pair(real) as p:
        p.near.close()
        p.near.close()
        p.near.write(b"nobody hears it")
        assert await p.client.lost is None
        assert await p.server.lost is None
        p.near.close()
        p.near.abort()
        p.near.write(b"nobody hears it")
        assert p.near.get_extra_info("peername") == p.far.get_extra_info("sockname")
        assert p.near.get_extra_info("cipher") == p.far.get_extra_info("cipher")
        assert p.near.get_extra_info("nonsense", 7) == 7


async def test_all_that_was_written_arrives_before_the_end(net: Net) -> None:
    async with tls_pair(net) as p:
        data = random.Random(3).randbytes(4 * MIB)
        p.near.write(data)
        p.near.close()
        assert await p.server.lost is None
        assert bytes(p.server.data) == data
        assert await p.client.lost is None


async def test_streams_end_in_order(net: Net) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await close(writer)

    server, reader, writer = await streams(net, greet)
    async with cleared(server):
        assert await reader.read() == b"hello"
        await close(writer)


async def test_abort_is_no_end(net: Net) -> None:
    async with tls_pair(net) as p:
        p.near.write(b"x")
        await p.server.received(1)
        p.near.abort()
        assert await p.client.lost is None
        error = await p.server.lost
        if not net.is_tcp:  # which takes the FIN for the end
            assert isinstance(error, ssl.SSLEOFError)
            assert p.server.calls[-1] == "lost"
            assert "eof" not in p.server.calls


class Upgraded(Recorder):
    """A server that goes on with TLS as soon as it is connected, and keeps what lies below it."""

    plain: asyncio.Transport

    def __init__(self, net: Net) -> None:
        super().__init__()
        self._net = net

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.plain = self.transport
        self.plain.pause_reading()
        self.upgrade = spawn(self._upgrade())

    async def _upgrade(self) -> None:
        self.transport = await self._net.start_tls(self.plain, self, for_server(), server_side=True)


def upgraded_pair(net: Net, client: Callable[[], Any] = Recorder, **options: Any) -> Any:
    """Connect with ``ssl=`` to a server that upgrades."""
    return pair(
        net,
        client,
        lambda: Upgraded(net),
        connect={"ssl": for_client(), "server_hostname": NAME, **options},
    )


async def test_cut_stream_is_told_apart(net: Net) -> None:
    """A FIN without close_notify (RFC 8446 §6.1): anybody on the path could have sent it."""
    async with upgraded_pair(net, Stubborn) as p:
        await p.server.upgrade
        p.far.write(b"pay 100")
        assert await p.client.received(7) == b"pay 100"
        p.server.plain.write_eof()
        error = await p.client.lost
        if net.is_tcp:
            assert error is None  # asyncio takes it for whole
            assert p.client.calls == ["made", "data", "eof", "lost"]
        else:
            assert isinstance(error, ssl.SSLEOFError)
            assert "without close_notify" in str(error)
            assert p.client.calls == ["made", "data", "lost"]


@contextlib.asynccontextmanager
async def upgraded(
    net: Net,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, Upgraded]]:
    """A client's streams over TLS, and at the server the protocol below TLS, which may cut them."""
    protocols: list[Upgraded] = []

    def factory() -> Upgraded:
        protocols.append(Upgraded(net))
        return protocols[-1]

    async with cleared(await net.create_server(factory)) as server:
        reader, writer = await net.open_connection(
            *address_of(server), ssl=for_client(), server_hostname=NAME
        )
        (far,) = protocols
        await far.upgrade
        yield reader, writer, far


async def test_reader_of_a_cut_stream_raises(real: Net) -> None:
    async with upgraded(real) as (reader, writer, far):
        far.plain.write_eof()
        with pytest.raises(ssl.SSLEOFError, match="without close_notify"):
            await reader.read()
        with pytest.raises(ssl.SSLEOFError):
            await writer.drain()
        writer.close()
        with pytest.raises(ssl.SSLEOFError):
            await writer.wait_closed()


async def test_a_cut_that_is_never_read_is_no_fault_of_the_writer(real: Net) -> None:
    """Who has read all it wanted and closes: the same, whether the FIN has come before or not."""
    async with upgraded(real) as (reader, writer, far):
        far.transport.write(b"SPAM")
        assert await reader.readexactly(4) == b"SPAM"
        writer.write(b"thanks")  # which a reset would overtake
        far.plain.write_eof()
        while reader.exception() is None:  # the cut is known before anybody closes
            await turns(1)
        writer.close()
        await writer.wait_closed()
        with pytest.raises(ssl.SSLEOFError, match="without close_notify"):
            await reader.read()
        assert await far.received(6) == b"thanks"


@pytest.mark.virtual
async def test_a_cut_stream_still_delivers_what_was_written() -> None:
    """The other direction is whole: no reset overtakes it, however long it takes to leave."""
    async with upgraded_pair(Net("virtual", rudp.Config()), Stubborn) as p:
        await p.server.upgrade
        data = random.Random(5).randbytes(MIB)
        p.near.write(data)
        p.server.plain.write_eof()
        assert isinstance(await p.client.lost, ssl.SSLEOFError)
        assert await p.server.received(MIB) == data


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "cut"])
async def test_end_that_comes_while_nobody_reads(net: Net, whole: bool) -> None:
    """Everything before it is delivered first."""
    async with upgraded_pair(net) as p:
        await p.server.upgrade
        p.near.pause_reading()
        p.far.write(bytes(1000))
        if whole:
            p.far.close()
        else:
            p.server.plain.write_eof()
        await p.settle()
        assert p.client.calls == ["made"]
        p.near.resume_reading()
        error = await p.client.lost
        assert len(p.client.data) == 1000
        if whole or net.is_tcp:
            assert error is None
            assert p.client.calls == ["made", "data", "eof", "lost"]
        else:
            assert isinstance(error, ssl.SSLEOFError)
            assert p.client.calls == ["made", "data", "lost"]


async def test_who_closes_first_need_not_be_answered(net: Net) -> None:
    """Our own close_notify is out; a peer that only sends FIN then cuts nothing we want."""
    async with upgraded_pair(net) as p:
        await p.server.upgrade
        p.server.plain.pause_reading()
        p.near.close()
        p.server.plain.write_eof()
        assert await p.client.lost is None


@pytest.mark.parametrize("peer_closes", [True, False])
async def test_close_with_data_unread(real: Net, peer_closes: bool) -> None:
    """asyncio waits for ever if the peer has closed, and reports an SSLError if not."""
    async with tls_pair(real) as p:
        p.near.pause_reading()
        p.far.write(bytes(1000))
        if peer_closes:
            p.far.close()
        await p.settle()
        p.near.close()
        assert await p.client.lost is None


async def test_close_when_the_end_has_come_unread(real: Net) -> None:
    """The protocol paused, FIN came, and then the protocol closes without reading on."""
    async with upgraded_pair(real) as p:
        await p.server.upgrade
        p.near.pause_reading()
        p.server.plain.write_eof()
        await p.settle()
        assert p.client.calls == ["made"]
        p.near.close()
        assert await p.client.lost is None


async def test_pause_between_the_last_buffers_of_a_cut_stream(real: Net) -> None:
    async with upgraded_pair(real, lambda: Pausing(real, 100)) as p:
        await p.server.upgrade
        p.near.pause_reading()
        p.far.write(b"x" * 250)
        p.server.plain.write_eof()
        await p.settle()
        for buffers in (1, 2, 3):
            assert not p.client.lost.done()
            p.near.resume_reading()
            await p.client.until(lambda n=buffers: p.client.buffers == n)
        p.near.resume_reading()
        assert isinstance(await p.client.lost, ssl.SSLEOFError)
        assert len(p.client.data) == 250


async def test_nonsense_instead_of_a_farewell(real: Net) -> None:
    async with upgraded_pair(real) as p:
        await p.server.upgrade
        p.server.plain.pause_reading()
        p.near.close()
        p.server.plain.write(b"this is no record of TLS" * 10)
        error = await p.client.lost
        assert isinstance(error, ssl.SSLError)
        assert not isinstance(error, ssl.SSLEOFError)


async def test_close_while_the_peer_is_sending(real: Net) -> None:
    async with tls_pair(real) as p:
        p.far.write(bytes(4 * MIB))
        await p.client.received(1)
        p.near.write(b"enough")
        p.near.close()
        assert await p.client.lost is None
        await p.server.lost
        assert p.server.data == b"enough"


async def test_peer_that_does_not_answer_close_notify(net: Net) -> None:
    """``ssl_shutdown_timeout`` ends the wait."""
    async with upgraded_pair(net, ssl_shutdown_timeout=SOON) as p:
        await p.server.upgrade
        p.server.plain.pause_reading()
        p.near.close()
        assert isinstance(await p.client.lost, TimeoutError)


async def test_client_that_does_not_answer_close_notify(net: Net) -> None:
    """``ssl_shutdown_timeout`` of a server."""
    served: list[Recorder] = []

    def factory() -> Recorder:
        served.append(Recorder())
        return served[-1]

    server = await net.create_server(factory, ssl=for_server(), ssl_shutdown_timeout=SOON)
    async with cleared(server):
        _, plain = await net.create_connection(Recorder, *address_of(server))
        near = await net.start_tls(plain.transport, plain, for_client(), server_hostname=NAME)
        near.write(b"x")
        await served[0].received(1)
        plain.transport.pause_reading()
        served[0].transport.close()
        assert isinstance(await served[0].lost, TimeoutError)
        near.abort()
        await plain.lost


# -- handshakes that fail ------------------------------------------------------------------------


class Untouched:
    """A protocol factory whose protocols must never hear of a connection."""

    def __init__(self) -> None:
        self.made: list[Recorder] = []

    def __call__(self) -> Recorder:
        self.made.append(Recorder())
        return self.made[-1]

    def check(self) -> None:
        assert all(protocol.calls == [] for protocol in self.made)


@pytest.mark.parametrize("case", ["stranger", "name", "default"])
async def test_certificate_that_does_not_convince(
    net: Net, case: str, reports: list[dict[str, Any]]
) -> None:
    ours: ssl.SSLContext | bool = (
        True if case == "default" else for_client(trusts=STRANGER if case == "stranger" else CA)
    )
    name = "other.example" if case == "name" else NAME
    untouched, mine = Untouched(), Untouched()
    async with cleared(await net.create_server(untouched, ssl=for_server())) as server:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await net.create_connection(mine, *address_of(server), ssl=ours, server_hostname=name)
        assert caught.value.verify_code
    untouched.check()
    mine.check()
    await forgive(net, reports)


async def forgive(net: Net, reports: list[dict[str, Any]]) -> None:
    """asyncio's servers report a failed handshake in debug mode."""
    if net.is_tcp:
        async with asyncio.timeout(10):
            while not reports:
                await asyncio.sleep(0)
        reports.clear()


async def test_client_without_the_certificate_that_is_asked_for(
    net: Net, reports: list[dict[str, Any]]
) -> None:
    untouched = Untouched()
    context = for_server(wants_cert=True)
    async with cleared(await net.create_server(untouched, ssl=context)) as server:
        try:
            _, protocol = await net.create_connection(
                Recorder, *address_of(server), ssl=for_client(), server_hostname=NAME
            )
        except OSError:
            pass  # the server's refusal came before the handshake was over
        else:
            error = await protocol.lost
            assert net.is_tcp or isinstance(error, OSError)
    assert len(untouched.made) == 1
    untouched.check()
    await forgive(net, reports)


async def test_handshake_time_out(net: Net) -> None:
    async with cleared(await net.create_server(Silent)) as server:
        with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer than"):
            await net.create_connection(
                Untouched(),
                *address_of(server),
                ssl=for_client(),
                server_hostname=NAME,
                ssl_handshake_timeout=SOON,
            )


async def test_silent_client_is_not_waited_for(net: Net, reports: list[dict[str, Any]]) -> None:
    untouched = Untouched()
    server = await net.create_server(untouched, ssl=for_server(), ssl_handshake_timeout=SOON)
    async with cleared(server):
        _, client = await net.create_connection(Silent, *address_of(server))
        error = await client.lost
        assert net.is_tcp or isinstance(error, ConnectionResetError)
    assert len(untouched.made) == 1
    untouched.check()
    await forgive(net, reports)


async def test_streams_take_the_time_outs_too(net: Net, reports: list[dict[str, Any]]) -> None:
    """open_connection and start_server hand them on."""
    async with cleared(await net.create_server(Silent)) as server:
        with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer than"):
            await net.open_connection(
                *address_of(server),
                ssl=for_client(),
                server_hostname=NAME,
                ssl_handshake_timeout=SOON,
                ssl_shutdown_timeout=SOON,
            )
    limits: dict[str, Any] = {"ssl_handshake_timeout": SOON, "ssl_shutdown_timeout": SOON}
    async with cleared(await net.start_server(echo, ssl=for_server(), **limits)) as server:
        _, client = await net.create_connection(Silent, *address_of(server))
        await client.lost
    await forgive(net, reports)


class Rude(Recorder):
    """Hangs up on the first word."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.close()


class Ruder(Recorder):
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.abort()


@pytest.mark.parametrize("peer", [Rude, Ruder])
async def test_peer_that_hangs_up(net: Net, peer: type[Recorder]) -> None:
    async with cleared(await net.create_server(peer)) as server:
        mine = Untouched()
        with pytest.raises(ConnectionResetError):
            await net.create_connection(
                mine, *address_of(server), ssl=for_client(), server_hostname=NAME
            )
        mine.check()


async def test_peer_that_speaks_something_else(net: Net, reports: list[dict[str, Any]]) -> None:
    untouched = Untouched()
    async with cleared(await net.create_server(untouched, ssl=for_server())) as server:
        _, client = await net.create_connection(Recorder, *address_of(server))
        client.transport.write(b"GET / HTTP/1.0\r\n\r\n")
        error = await client.lost
        assert net.is_tcp or isinstance(error, ConnectionResetError)
    untouched.check()
    await forgive(net, reports)


async def test_cancelled_in_the_handshake(net: Net) -> None:
    """The server's side ends, nothing is left."""
    first = Silent()
    async with cleared(await net.create_server(lambda: first)) as server:
        mine = Untouched()
        task = spawn(
            net.create_connection(mine, *address_of(server), ssl=for_client(), server_hostname=NAME)
        )
        await first.received(1)  # the ClientHello
        await cancelled(task)
        await first.lost
        mine.check()


async def test_wrong_arguments(real: Net) -> None:
    """They are refused before anything is opened."""
    context = for_server()
    wrong: list[dict[str, Any]] = [{"ssl_handshake_timeout": 0.0}, {"ssl_shutdown_timeout": -1.0}]
    for options in wrong:
        with pytest.raises(ValueError, match="should be a positive number"):
            await real.create_connection(Recorder, HOST, 1, ssl=context, **options)
        with pytest.raises(ValueError, match="should be a positive number"):
            await real.create_server(Recorder, ssl=context, **options)
    with pytest.raises(TypeError, match="SSLContext"):
        await real.create_connection(Recorder, HOST, 1, ssl="yes")
    with pytest.raises(TypeError, match="SSLContext"):
        await real.create_server(Recorder, ssl="yes")


async def test_over_a_socket_of_ones_own_the_name_has_to_be_told(real: Net) -> None:
    with real.bound_socket() as sock, pytest.raises(ValueError, match="server_hostname"):
        await real.create_connection(Recorder, sock=sock, ssl=True)


async def test_context_of_the_other_side(real: Net, reports: list[dict[str, Any]]) -> None:
    """It is found out when the connection is open; both ends hear of it."""
    first = Recorder()
    async with cleared(await real.create_server(lambda: first)) as server:
        mine = Untouched()
        with pytest.raises(ssl.SSLError, match="client socket"):
            await real.create_connection(
                mine, *address_of(server), ssl=for_server(), server_hostname=NAME
            )
        mine.check()
        assert isinstance(await first.lost, ConnectionResetError)
    theirs = Untouched()
    async with cleared(await real.create_server(theirs, ssl=for_client())) as server:
        _, client = await real.create_connection(Recorder, *address_of(server))
        assert isinstance(await client.lost, ConnectionResetError)
        theirs.check()
    assert "accepting" in reports.pop()["message"]


# -- start_tls -----------------------------------------------------------------------------------


async def test_streams_that_start_tls(net: Net) -> None:
    """A few plain words, then TLS on the same connection, on uvloop too."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go ahead\n")
        await writer.start_tls(for_server())
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        await close(writer)

    async with cleared(await net.start_server(serve)) as server:
        reader, writer = await net.open_connection(*address_of(server))
        assert writer.get_extra_info("ssl_object") is None
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go ahead\n"
        peername = writer.get_extra_info("peername")
        await writer.start_tls(for_client(), server_hostname=NAME)
        if not net.is_tcp:  # asyncio's reader goes on pausing the transport below TLS
            assert reader._transport is writer.transport  # type: ignore[attr-defined]
        assert writer.get_extra_info("cipher")[1] == "TLSv1.3"
        assert writer.get_extra_info("peername") == peername
        assert not writer.can_write_eof()
        writer.write(b"secret\n")
        assert await reader.readline() == b"SECRET\n"
        await close(writer)


async def test_start_tls_of_the_loop(net: Net) -> None:
    """asyncio's own works with our transports; uvloop's refuses them, as it does all others'."""
    loop = asyncio.get_running_loop()
    async with pair(net) as p:
        starting = spawn(net.start_tls(p.far, p.server, for_server(), server_side=True))
        near = p.near
        if not isinstance(loop, asyncio.BaseEventLoop):
            with pytest.raises(TypeError):
                await loop.start_tls(near, p.client, for_client(), server_hostname=NAME)
            secured = await rudp.start_tls(near, p.client, for_client(), server_hostname=NAME)
        else:
            found = await loop.start_tls(near, p.client, for_client(), server_hostname=NAME)
            assert isinstance(found, asyncio.Transport)
            secured = found
        far = await starting
        secured.write(b"there")
        assert await p.server.received(5) == b"there"
        far.write(b"back")
        assert await p.client.received(4) == b"back"
        secured.close()
        assert await p.client.lost is None
        assert await p.server.lost is None
        assert p.client.calls == ["made", "data", "eof", "lost"]


async def test_start_tls_of_asyncios_base_loop(real: Net) -> None:
    """Called as a plain function it works on any loop, uvloop's too."""
    loop: Any = asyncio.get_running_loop()
    async with pair(real) as p:
        starting = spawn(real.start_tls(p.far, p.server, for_server(), server_side=True))
        near = await asyncio.BaseEventLoop.start_tls(
            loop, p.near, p.client, for_client(), server_hostname=NAME
        )
        assert isinstance(near, asyncio.Transport)
        far = await starting
        near.write(b"there")
        assert await p.server.received(5) == b"there"
        far.close()
        assert await p.client.lost is None


async def test_what_comes_while_the_protocol_is_swapped_is_for_tls(net: Net) -> None:
    """The peer's first word of TLS arrives before ``start_tls`` is called: it waits."""
    async with pair(net) as p:
        p.far.pause_reading()
        starting = spawn(net.start_tls(p.near, p.client, for_client(), server_hostname=NAME))
        await p.settle()
        assert p.server.data == b""
        far = await net.start_tls(p.far, p.server, for_server(), server_side=True)
        near = await starting
        near.write(b"there")
        assert await p.server.received(5) == b"there"
        far.close()
        assert await p.client.lost is None


@pytest.mark.parametrize("by", ["loop", "rudp"])
@pytest.mark.parametrize("size", [100, 100_000, 3_000_000])
async def test_start_tls_right_after_much_was_written(real: Net, size: int, by: str) -> None:
    """While the plain protocol is paused, and so fast that the peer reads TLS as plain text."""
    loop = asyncio.get_running_loop()
    if by == "loop" and not isinstance(loop, asyncio.BaseEventLoop):
        pytest.skip("uvloop's takes only its own transports")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(size)
        await turns(3)
        await writer.start_tls(for_server())
        writer.write(await reader.readexactly(5))
        await reader.read()
        await close(writer)

    async with cleared(await real.start_server(serve)) as server:
        transport, plain = await real.create_connection(Recorder, *address_of(server))
        transport.write(bytes(size))
        assert ("pause" in plain.calls) == (size >= 100_000)
        transport.pause_reading()
        start: Any = loop.start_tls if by == "loop" else rudp.start_tls
        secured = await start(transport, plain, for_client(), server_hostname=NAME)
        secured.write(b"hello")
        assert await plain.received(5) == b"hello"
        secured.close()
        await plain.lost
        assert plain.calls.count("pause") == plain.calls.count("resume")


async def test_plain_text_before_tls_is_not_taken_for_protected(real: Net) -> None:
    """What was slipped in behind the go-ahead fails the handshake; nobody gets to read it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"go ahead\nslipped in\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    async with cleared(await real.start_server(serve)) as server:
        reader, writer = await real.open_connection(*address_of(server))
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go ahead\n"
        with pytest.raises(ssl.SSLError):
            await writer.start_tls(for_client(), server_hostname=NAME)


async def test_protocol_that_takes_over_within_tls_while_writing_is_paused(net: Net) -> None:
    if net.is_tcp:
        pytest.skip("asyncio's resumes the one that was never paused")
    async with tls_pair(net) as p:
        p.far.pause_reading()
        size = 0
        while "pause" not in p.client.calls:
            p.near.write(bytes(MIB))
            size += MIB
        second = Recorder()
        p.near.set_protocol(second)
        await turns(2)
        assert p.client.calls == ["made", "pause", "resume"]
        p.far.resume_reading()
        await p.server.received(size)
        p.near.set_protocol(p.client)
        assert second.calls in ([], ["pause", "resume"])


async def test_tls_over_tls(net: Net) -> None:
    async with tls_pair(net) as p:
        starting = spawn(net.start_tls(p.far, p.server, for_server(), server_side=True))
        near = await net.start_tls(p.near, p.client, for_client(), server_hostname=NAME)
        far = await starting
        assert near.get_extra_info("ssl_object") is not p.near.get_extra_info("ssl_object")
        assert near.get_extra_info("peername") == p.address
        data = random.Random(4).randbytes(MIB)
        near.write(data)
        assert await p.server.received(MIB) == data
        far.write(data)
        assert await p.client.received(MIB) == data
        near.close()
        assert await p.client.lost is None
        assert await p.server.lost is None


async def test_start_tls_within_tls_that_fails(real: Net) -> None:
    """Also where asyncio's own layer stumbles: before Python 3.11.8 it raised TypeError."""
    async with tls_pair(real) as p:
        with pytest.raises(ConnectionAbortedError, match="taking longer"):
            await real.start_tls(
                p.near,
                p.client,
                for_client(),
                server_hostname=NAME,
                ssl_handshake_timeout=SOON,
            )
        assert isinstance(await p.client.lost, ConnectionAbortedError)
        assert isinstance(await p.server.lost, ConnectionResetError)


@pytest.mark.parametrize("how", ["time-out", "cancelled", "peer"])
async def test_start_tls_that_fails_ends_the_connection(real: Net, how: str) -> None:
    """The protocol knows of the connection, so it hears of its end."""
    async with pair(real, Recorder, Ruder if how == "peer" else Silent) as p:
        starting = spawn(
            real.start_tls(
                p.near,
                p.client,
                for_client(),
                server_hostname=NAME,
                ssl_handshake_timeout=SOON if how == "time-out" else None,
            )
        )
        if how != "time-out":  # which may be over before the first word has left
            await p.server.received(1)
        if how == "cancelled":
            await cancelled(starting)
        else:
            with pytest.raises(ConnectionError):
                await starting
        error = await p.client.lost
        assert (error is None) == (how == "cancelled")
        await p.server.lost


async def test_transport_that_is_aborted_under_start_tls(real: Net) -> None:
    async with pair(real, Recorder, Silent) as p:
        starting = spawn(real.start_tls(p.near, p.client, for_client(), server_hostname=NAME))
        await p.server.received(1)
        p.near.abort()
        with pytest.raises(ConnectionAbortedError, match="during the TLS handshake"):
            await starting
        assert await p.client.lost is None


async def test_start_tls_refuses_what_it_cannot_use(real: Net) -> None:
    async with pair(real) as p:
        with pytest.raises(TypeError, match="SSLContext"):
            await real.start_tls(p.near, p.client, True)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="not supported"):
            await real.start_tls(asyncio.Transport(), p.client, for_client())
        p.near.write(b"still plain")
        assert await p.server.received(11) == b"still plain"
        p.near.close()
        with pytest.raises(ConnectionResetError):
            await real.start_tls(p.near, p.client, for_client(), server_hostname=NAME)


# -- servers -------------------------------------------------------------------------------------


async def test_server_closes_its_clients_in_order(real: Net) -> None:
    """With close_notify, so that nobody takes it for a cut."""
    async with tls_pair(real) as p:
        p.far.write(b"goodbye")
        p.listening.close()
        p.listening.close_clients()
        assert await p.client.lost is None
        assert p.client.calls == ["made", "data", "eof", "lost"]
        await p.listening.wait_closed()
        assert await p.server.lost is None


async def test_server_aborts_its_clients(real: Net) -> None:
    async with tls_pair(real) as p:
        p.listening.close()
        p.listening.abort_clients()
        assert isinstance(await p.client.lost, ssl.SSLEOFError)
        assert await p.server.lost is None


async def test_server_closes_a_client_in_its_handshake(real: Net) -> None:
    untouched = Untouched()
    async with cleared(await real.create_server(untouched, ssl=for_server())) as server:
        _, client = await real.create_connection(Silent, *address_of(server))
        while not untouched.made:
            await asyncio.sleep(0)
        server.close_clients()
        await client.lost
    untouched.check()


async def test_many_clients_at_once(net: Net) -> None:
    context = for_client()
    server = await net.start_server(echo, ssl=for_server())

    async def client(number: int) -> None:
        reader, writer = await net.open_connection(
            *address_of(server), ssl=context, server_hostname=NAME
        )
        data = b"%d" % number * 1000
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        await close(writer)

    async with cleared(server):
        await asyncio.gather(*map(client, range(30)))


async def test_a_connection_has_no_large_buffer_of_its_own(real: Net) -> None:
    context = for_client()
    server = await real.start_server(echo, ssl=for_server())

    async def open_one() -> asyncio.StreamWriter:
        reader, writer = await real.open_connection(
            *address_of(server), ssl=context, server_hostname=NAME
        )
        writer.write(b"?")
        assert await reader.readexactly(1) == b"?"
        return writer

    async with cleared(server):
        writers = [await open_one()]
        tracemalloc.start()
        try:
            writers += [await open_one() for _ in range(8)]
            gc.collect()
            octets, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert octets / 8 < 128 * 1024  # of both ends; asyncio's layer alone has twice that
        for writer in writers:
            await close(writer)


# -- what is left --------------------------------------------------------------------------------


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What dies in here dies by itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
async def test_nothing_holds_context_or_protocol_afterwards(real: Net) -> None:
    ours, theirs = for_client(), for_server()
    watched = [weakref.ref(ours), weakref.ref(theirs)]
    async with tls_pair(real, client_context=ours, server_context=theirs) as p:
        p.near.write(b"x")
        await p.server.received(1)
        p.near.close()
        await p.client.lost
        await p.server.lost
        watched += [weakref.ref(p.client), weakref.ref(p.near), weakref.ref(p.far)]
    del p, ours, theirs
    await turns(3)
    assert [ref() for ref in watched] == [None] * len(watched)


@pytest.mark.parametrize("how", ["certificate", "time-out", "peer", "cancelled"])
@pytest.mark.usefixtures("no_collector")
async def test_nothing_holds_them_after_a_failure(real: Net, how: str) -> None:
    ours = for_client(trusts=STRANGER)
    watched: list[weakref.ref[Any]] = [weakref.ref(ours)]

    def factory() -> Recorder:
        protocol = Recorder()
        watched.append(weakref.ref(protocol))
        return protocol

    serves: dict[str, Any] = {"ssl": for_server()} if how == "certificate" else {}
    peer = {"certificate": Recorder, "peer": Rude}.get(how, Silent)
    async with cleared(await real.create_server(peer, **serves)) as server:
        opening = spawn(
            real.create_connection(
                factory,
                *address_of(server),
                ssl=ours,
                server_hostname=NAME,
                ssl_handshake_timeout=SOON if how == "time-out" else None,
            )
        )
        del ours
        if how == "cancelled":
            while len(watched) < 2:
                await asyncio.sleep(0)
            opening.cancel()
        await asyncio.wait([opening])
        assert opening.cancelled() or opening.exception() is not None
        del opening
        await turns(3)
        assert len(watched) == 2
        assert [ref() for ref in watched] == [None, None]


async def test_writer_that_is_dropped_warns_once(real: Net) -> None:
    server = await real.start_server(echo, ssl=for_server())
    async with cleared(server):
        _, writer = await real.open_connection(
            *address_of(server), ssl=for_client(), server_hostname=NAME
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del writer, _
            gc.collect()
            await turns(3)
        assert [warning.category for warning in caught] == [ResourceWarning]
