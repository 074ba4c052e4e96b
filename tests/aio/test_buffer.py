"""The UDP socket's receive buffer, when it is small: what is promised fits (BUF-8)."""

import asyncio

import pytest

from rudp.udp import port
from tests.aio.kit import Net, feed, stream_pair

SMALL = 106_496  # octets: Linux grants twice that where nobody has raised its limit
SIZE = 4 << 20

pytestmark = pytest.mark.asyncio


async def test_BUF_8_a_bulk_transfer_does_not_overflow_the_socket(
    real: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "RECEIVE_BUFFER", SMALL)
    async with stream_pair(real) as ((_, writer), (reader, far)):
        data = bytes(SIZE)
        sending = asyncio.create_task(feed(writer, data))
        received = await reader.readexactly(SIZE)
        await sending
        assert received == data
        stats = far.get_extra_info("endpoint").stats()
        assert SMALL <= stats["socket_receive_buffer"] <= 2 * SMALL
        assert stats.get("socket_receive_drops", 0) == 0
        # Not: resent.  A real loop may be late, and a tail-loss probe then goes out for nothing.
        assert writer.get_extra_info("tcp_info").lost_total == 0
