"""A path that loses, both roles: who says what is missing, and who fills it."""

import asyncio

import pytest

from tests.interop.test_kernel import (
    MEBIBYTE,
    Role,
    both_roles,
    connected,
    exchange,
    info,
    octets,
    sha256,
)
from tests.vm.machine import Guest
from tests.vm.wire import losing

SACK = 5
TIMESTAMPS = 8


@both_roles
@pytest.mark.parametrize("rate", [0.01, 0.05])
async def test_W_25_losses_of_both_ways(kernel: Guest, role: Role, rate: float) -> None:
    """Both send SACK blocks, beside timestamps, and both send again."""
    size = 2 * MEBIBYTE
    async with connected(kernel, role) as (reader, writer, sock):
        kernel.path.judge = losing(rate, seed=1)
        received, result = await asyncio.gather(
            exchange(reader, writer, octets(size, 1)), sock.do("exchange", size, 2)
        )
        assert received == octets(size, 2)
        assert result["sha256"] == sha256(octets(size, 1))
        kernel.path.judge = lambda _, packet: packet
        assert min(kernel.path.lost[way] for way in ("in", "out")) > 0
        assert info(writer).resent > 0
        assert (await sock.do("info"))["total_retrans"] > 0
        for way in ("in", "out"):
            options = {one.options for one in kernel.path.seen if one.way == way}
            assert (TIMESTAMPS, SACK) in options


@both_roles
async def test_W_26_timestamps_on_every_segment(kernel: Guest, role: Role) -> None:
    async with connected(kernel, role) as (reader, writer, sock):
        await asyncio.gather(
            exchange(reader, writer, octets(MEBIBYTE, 1)), sock.do("exchange", MEBIBYTE, 2)
        )
        assert all(TIMESTAMPS in one.options for one in kernel.path.seen)
        assert len(kernel.path.seen) > 100
