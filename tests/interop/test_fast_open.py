"""Data in a SYN, to and from Linux (RFC 7413)."""

import asyncio
import random

import rudp
from tests.interop.kernel import Kernel

SIZE = 900


def octets(seed: int) -> bytes:
    return random.Random(seed).randbytes(SIZE)


async def test_our_syn_carries_data_to_the_kernel(kernel: Kernel) -> None:
    """§4.2.1: the first visit brings a cookie, at the second the kernel takes the data early."""
    async with kernel.socket() as sock:
        port = (await sock.do("listen", "fast"))["port"]
        for visit in range(2):
            (reader, writer), _ = await asyncio.gather(
                rudp.open_connection(*kernel.udp_address, inner_port=port, fast_open=octets(visit)),
                sock.do("accept"),
            )
            taken = await sock.do("receive", SIZE)
            assert taken["octets"] == SIZE
            info = writer.get_extra_info("tcp_info")
            assert info.fast_open is bool(visit)
            assert (await sock.do("info"))["data_in_syn"] is bool(visit)
            writer.close()
            await sock.do("close")
            await writer.wait_closed()
            assert await reader.read() == b""


async def test_the_kernels_syn_carries_data_to_us(kernel: Kernel) -> None:
    """§4.2.2: our cookie comes back with data, which is echoed before the handshake is over."""
    early: list[bool] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(SIZE))
        early.append(writer.get_extra_info("tcp_info").fast_open)
        await reader.read()
        writer.close()

    config = rudp.Config(fast_open=True)
    server = await rudp.start_server(echo, "127.0.0.1", 0, config=config)
    async with server, kernel.socket() as sock:
        port = server.sockets[0].getsockname()[1]
        for visit in range(2):
            sent = await sock.do("begin", kernel.address_of(port), port, SIZE, visit)
            assert await sock.do("receive", SIZE) == {"octets": SIZE, "sha256": sent["sha256"]}
            assert (await sock.do("info"))["data_in_syn"] is bool(visit)
            await sock.do("shutdown")
            assert (await sock.do("receive"))["octets"] == 0
            await sock.do("close")
    assert early == [False, True]
