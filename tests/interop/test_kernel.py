"""rudp and Linux's TCP, each as client and as server, joined by the bridge."""

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest

import rudp
from tests.interop.kernel import Kernel, Socket
from tests.interop.relay import relay

pytestmark = pytest.mark.interop

Role = Literal["client", "server"]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

MEBIBYTE = 1 << 20

both_roles = pytest.mark.parametrize("role", ["client", "server"])


def octets(size: int, seed: int) -> bytes:
    """Return what the kernel's side sends when told ``send size seed``."""
    return random.Random(seed).randbytes(size)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextlib.asynccontextmanager
async def connected(
    kernel: Kernel,
    role: Role,
    config: rudp.Config | None = None,
    at: tuple[str, int] | None = None,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, Socket]]:
    """Give our streams and the kernel's socket at the other end; *role* is ours.

    *at* is where a client sends to instead of the bridge.
    """
    async with contextlib.AsyncExitStack() as stack:
        if role == "client":
            sock, port = await stack.enter_async_context(kernel.listener())
            (reader, writer), peer = await asyncio.gather(
                rudp.open_connection(*(at or kernel.udp_address), inner_port=port, config=config),
                sock.do("accept"),
            )
            assert peer["port"] == writer.get_extra_info("sockname")[1], "W-41"
        else:
            sock = await stack.enter_async_context(kernel.socket())
            accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()
            server = await rudp.start_server(
                lambda *streams: accepted.set_result(streams), "127.0.0.1", 0, config=config
            )
            await stack.enter_async_context(server)
            port = server.sockets[0].getsockname()[1]
            await sock.do("connect", kernel.address_of(port), port)
            reader, writer = await accepted
        stack.callback(writer.transport.abort)
        yield reader, writer, sock


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes
) -> bytes:
    """Send *data* and FIN, and read to the end of the stream, both at once."""

    async def upload() -> None:
        view = memoryview(data)
        for at in range(0, len(data), 1 << 16):
            writer.write(view[at : at + (1 << 16)])
            await writer.drain()
        writer.write_eof()

    received, _ = await asyncio.gather(reader.read(), upload())
    return received


def info(writer: asyncio.StreamWriter) -> Any:
    return writer.get_extra_info("tcp_info")


@both_roles
async def test_ten_mebibytes_each_way_at_once(kernel: Kernel, role: Role) -> None:
    """UDP-30, W-22, W-23, W-24, W-26: byte-equal, with all that both can do negotiated."""
    size = 10 * MEBIBYTE
    ours = octets(size, 1)
    async with connected(kernel, role) as (reader, writer, sock):
        received, result = await asyncio.gather(
            exchange(reader, writer, ours), sock.do("exchange", size, 2)
        )
        assert received == octets(size, 2)
        assert (result["octets"], result["sha256"]) == (size, sha256(ours))
        here, there = info(writer), await sock.do("info")
        for name in ("sack", "timestamps", "window_scaling"):
            assert getattr(here, name), name
            assert there[name], name
        assert (here.snd_shift, here.rcv_shift) == (there["rcv_wscale"], there["snd_wscale"])
        # What the kernel announces leaves room for IP, UDP and TCP headers in 1500 octets.
        assert here.peer_mss == 1500 - 20 - 8 - 20
        writer.close()
        await writer.wait_closed()


@both_roles
@pytest.mark.parametrize(
    ("missing", "config"),
    [
        ("sack", rudp.Config(sack=False)),
        ("timestamps", rudp.Config(timestamps=False)),
        ("window_scaling", rudp.Config(window_scaling=False)),
    ],
)
async def test_an_option_that_we_do_not_offer(
    kernel: Kernel, role: Role, missing: str, config: rudp.Config
) -> None:
    """W-30: it is not used by either side, and the others are."""
    size = MEBIBYTE
    ours = octets(size, 1)
    async with connected(kernel, role, config) as (reader, writer, sock):
        received, result = await asyncio.gather(
            exchange(reader, writer, ours), sock.do("exchange", size, 2)
        )
        assert received == octets(size, 2)
        assert result["sha256"] == sha256(ours)
        here, there = info(writer), await sock.do("info")
        for name in ("sack", "timestamps", "window_scaling"):
            assert getattr(here, name) is (name != missing)
            assert there[name] is (name != missing)


async def end_first(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sock: Socket
) -> None:
    """Send our FIN, and have a mebibyte after it; then the kernel ends too."""
    writer.write(b"that is all")
    writer.write_eof()
    assert (await sock.do("receive"))["sha256"] == sha256(b"that is all")
    received, _ = await asyncio.gather(reader.readexactly(MEBIBYTE), sock.do("send", MEBIBYTE, 3))
    assert received == octets(MEBIBYTE, 3)
    await sock.do("close")
    assert await reader.read() == b""


async def end_second(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sock: Socket
) -> None:
    """Have the FIN of the kernel, and send a mebibyte after it."""
    ours = octets(MEBIBYTE, 3)
    await sock.do("send", 100, 4)
    await sock.do("shutdown")
    assert await reader.read() == octets(100, 4)
    writer.write(ours)
    result, _ = await asyncio.gather(sock.do("receive", MEBIBYTE), writer.drain())
    assert result["sha256"] == sha256(ours)


@both_roles
async def test_half_close_by_us(kernel: Kernel, role: Role) -> None:
    """TRAP-3: the kernel still sends a mebibyte after it has seen our FIN."""
    async with connected(kernel, role) as (reader, writer, sock):
        await end_first(reader, writer, sock)
        writer.close()
        await writer.wait_closed()


@both_roles
async def test_half_close_by_the_kernel(kernel: Kernel, role: Role) -> None:
    """TRAP-3: we still send a mebibyte after we have seen the kernel's FIN."""
    async with connected(kernel, role) as (reader, writer, sock):
        await end_second(reader, writer, sock)
        writer.close()
        assert (await sock.do("receive"))["octets"] == 0
        await writer.wait_closed()


async def test_the_kernel_refuses_a_port(kernel: Kernel) -> None:
    """ST-15."""
    async with kernel.listener() as (_, port):
        with pytest.raises(ConnectionRefusedError):
            await rudp.open_connection(*kernel.udp_address, inner_port=port ^ 1)


async def test_we_refuse_a_port(kernel: Kernel) -> None:
    """W-43: the listener's inner port is its UDP port, and there is no other."""
    server = await rudp.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server, kernel.socket() as sock:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await sock.do("connect", kernel.address_of(port), port ^ 1)


async def test_a_listener_at_another_inner_port(kernel: Kernel) -> None:
    """W-43."""
    accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()
    server = await rudp.start_server(
        lambda *streams: accepted.set_result(streams), "127.0.0.1", 0, inner_port=80
    )
    async with server, kernel.socket() as sock:
        udp_port = server.sockets[0].getsockname()[1]
        await sock.do("connect", kernel.address_of(udp_port), 80)
        reader, writer = await accepted
        await sock.do("send", 10, 1)
        assert await reader.readexactly(10) == octets(10, 1)
        writer.transport.abort()


@both_roles
async def test_our_reset_is_heard_by_the_kernel(kernel: Kernel, role: Role) -> None:
    """ST-6."""
    async with connected(kernel, role) as (_, writer, sock):
        rudp.reset(writer.transport)
        with pytest.raises(ConnectionResetError):
            await sock.do("receive")


@both_roles
async def test_our_abort_with_nothing_to_drop_is_an_end_for_the_kernel(
    kernel: Kernel, role: Role
) -> None:
    """Decision 41: as its own TCP would end it."""
    async with connected(kernel, role) as (_, writer, sock):
        writer.transport.abort()
        assert (await sock.do("receive"))["octets"] == 0


@both_roles
async def test_an_abort_of_the_kernel_resets_us(kernel: Kernel, role: Role) -> None:
    """MUST-12: not taken for the end of the stream."""
    async with connected(kernel, role) as (reader, _, sock):
        await sock.do("abort")
        with pytest.raises(ConnectionResetError):
            await reader.read()


@both_roles
async def test_a_small_receive_buffer(kernel: Kernel, role: Role) -> None:
    """The kernel keeps to a window of 8 KiB, and fills it again and again."""
    config = rudp.Config(receive_buffer=8192)
    async with connected(kernel, role, config) as (reader, _, sock):
        received, _ = await asyncio.gather(
            reader.readexactly(MEBIBYTE), sock.do("send", MEBIBYTE, 5)
        )
        assert received == octets(MEBIBYTE, 5)


async def test_the_kernel_and_we_repair_losses(kernel: Kernel) -> None:
    """W-25: each reads the other's SACK blocks; 2 % of the datagrams of each way are lost."""
    size = 2 * MEBIBYTE
    ours = octets(size, 1)
    async with (
        relay(kernel.udp_address, loss=0.02, seed=1) as path,
        connected(kernel, "client", at=path.address) as (reader, writer, sock),
    ):
        received, result = await asyncio.gather(
            exchange(reader, writer, ours), sock.do("exchange", size, 2)
        )
        assert received == octets(size, 2)
        assert result["sha256"] == sha256(ours)
        assert min(path.dropped) > 0
        assert info(writer).resent > 0
        assert (await sock.do("info"))["total_retrans"] > 0
