"""Explicit congestion notification with a kernel that knows more of it than RFC 3168.

``tcp_ecn`` of Linux is 0 for none, 1 to offer and accept it, 2 to accept it; from 7.0 on 3 offers
and accepts the accurate form (RFC 9768), 4 and 5 accept that and offer the classic one, or none.
"""

import asyncio
import errno
from collections.abc import AsyncIterator

import pytest

import rudp
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
from tests.vm.wire import CE, ECT_0, marking

OFFERED = {0: "000", 1: "011", 2: "000", 3: "111", 4: "011", 5: "000"}
"""AE, CWR and ECE of the kernel's SYN by ``tcp_ecn``."""

SIZE = 20_000


@pytest.fixture(name="kernel")
async def _kernel(kernel: Guest) -> AsyncIterator[Guest]:
    yield kernel
    await set_mode(kernel, 2)


async def set_mode(kernel: Guest, mode: int) -> None:
    """Set ``tcp_ecn``; the test is skipped where the kernel does not know *mode*."""
    try:
        await kernel.sysctl("net/ipv4/tcp_ecn", mode)
    except OSError as error:
        if error.errno != errno.EINVAL or mode < 3:
            raise
        pytest.skip(f"{kernel.release} has no tcp_ecn={mode}")


@both_roles
@pytest.mark.parametrize("ours", ["off", "accept", "on"])
@pytest.mark.parametrize("mode", OFFERED)
async def test_SHLD_8_what_is_agreed_on(kernel: Guest, role: Role, ours: str, mode: int) -> None:
    """ECN-2, ECN-3: both sides come to the same, and mark their data as capable if so."""
    await set_mode(kernel, mode)
    config = rudp.Config(ecn=ours)  # type: ignore[arg-type]
    if role == "client":
        offer = "011" if ours == "on" else "000"
        agreed = offer == "011" and mode != 0
    else:
        offer = OFFERED[mode]
        agreed = offer != "000" and ours != "off"
    async with connected(kernel, role, config) as (reader, writer, sock):
        received, result = await asyncio.gather(
            exchange(reader, writer, octets(SIZE, 1)), sock.do("exchange", SIZE, 2)
        )
        assert received == octets(SIZE, 2)
        assert result["sha256"] == sha256(octets(SIZE, 1))
        assert info(writer).ecn is agreed
        assert (await sock.do("info"))["ecn"] is agreed
        syn = next(one for one in kernel.path.seen if one.flags == "S")
        answer = next(one for one in kernel.path.seen if one.flags == "SA")
        assert (syn.ace, syn.ecn) == (offer, 0)
        assert (answer.ace, answer.ecn) == ("001" if agreed else "000", 0)
        for way in ("in", "out"):  # what is sent again is not capable (RFC 3168 §6.1.5)
            data = [one.ecn for one in kernel.path.seen if one.way == way and one.octets]
            assert data[0] == max(data) == (ECT_0 if agreed else 0)


@both_roles
async def test_ECN_5_marks_on_our_data(kernel: Guest, role: Role) -> None:
    """The kernel echoes them, and hears that we heeded them; nothing was lost for it."""
    await set_mode(kernel, 1)
    kernel.path.judge = marking("in", 40)
    async with connected(kernel, role, rudp.Config(ecn="on")) as (reader, writer, sock):
        received, result = await asyncio.gather(
            exchange(reader, writer, octets(MEBIBYTE, 1)), sock.do("exchange", SIZE, 2)
        )
        assert received == octets(SIZE, 2)
        assert result["sha256"] == sha256(octets(MEBIBYTE, 1))
        seen = kernel.path.seen
        assert any(one.way == "in" and one.ecn == CE for one in seen)
        assert any(one.way == "out" and one.flags == "A" and one.ace == "001" for one in seen)
        assert any(one.way == "in" and one.octets and one.ace[1] == "1" for one in seen)
        assert info(writer).ece_received > 0
        assert info(writer).ce_received == 0


@both_roles
async def test_ECN_5_marks_on_the_data_of_the_kernel(kernel: Guest, role: Role) -> None:
    """ECN-9: we echo them until its CWR comes."""
    await set_mode(kernel, 1)
    kernel.path.judge = marking("out", 40)
    async with connected(kernel, role, rudp.Config(ecn="on")) as (reader, writer, sock):
        received, result = await asyncio.gather(
            exchange(reader, writer, octets(SIZE, 1)), sock.do("exchange", MEBIBYTE, 2)
        )
        assert received == octets(MEBIBYTE, 2)
        assert result["sha256"] == sha256(octets(SIZE, 1))
        seen = kernel.path.seen
        marks = sum(one.way == "out" and one.ecn == CE for one in seen)
        assert info(writer).ce_received == marks > 0
        assert any(one.way == "in" and one.ace[2] == "1" and one.flags == "A" for one in seen)
        assert any(one.way == "out" and one.octets and one.ace[1] == "1" for one in seen)
