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
from tests.vm.wire import CE, ECT_0, bleaching, marking

OFFERED = {0: "000", 1: "011", 2: "000", 3: "111", 4: "011", 5: "000"}
"""AE, CWR and ECE of the kernel's SYN by ``tcp_ecn``."""

TAKEN = {0: "none", 1: "classic", 2: "classic", 3: "accurate", 4: "accurate", 5: "accurate"}
"""What it accepts of an offer of both."""

ACCURATE = {172, 174}
"""The kinds of the AccECN option."""

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
@pytest.mark.parametrize("ours", ["off", "accept", "classic", "accurate"])
@pytest.mark.parametrize("mode", OFFERED)
async def test_SHLD_8_what_is_agreed_on(kernel: Guest, role: Role, ours: str, mode: int) -> None:
    """ECN-2, ECN-3, AECN-1, AECN-2: both sides come to the same, and mark their data if so."""
    await set_mode(kernel, mode)
    config = rudp.Config(ecn=ours)  # type: ignore[arg-type]
    if role == "client":
        offer = {"classic": "011", "accurate": "111"}.get(ours, "000")
        feedback = TAKEN[mode] if offer == "111" else "classic"
        agreed = offer != "000" and mode != 0
    else:
        offer = OFFERED[mode]
        feedback = "accurate" if offer == "111" and ours != "classic" else "classic"
        agreed = offer != "000" and ours != "off"
    accepted = {"classic": "001", "accurate": "010"}[feedback] if agreed else "000"
    async with connected(kernel, role, config) as (reader, writer, sock):
        received, result = await asyncio.gather(
            exchange(reader, writer, octets(SIZE, 1)), sock.do("exchange", SIZE, 2)
        )
        assert received == octets(SIZE, 2)
        assert result["sha256"] == sha256(octets(SIZE, 1))
        assert info(writer).ecn is agreed
        assert info(writer).ecn_feedback == (feedback if agreed else "none")
        assert info(writer).ecn_fallback is None
        assert (await sock.do("info"))["ecn"] is agreed
        syn = next(one for one in kernel.path.seen if one.flags == "S")
        answer = next(one for one in kernel.path.seen if one.flags == "SA")
        assert (syn.ace, syn.ecn) == (offer, 0)
        assert (answer.ace, answer.ecn) == (accepted, 0)
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


@both_roles
async def test_AECN_5_marks_on_our_data_are_counted(kernel: Guest, role: Role) -> None:
    """What the kernel tells of we believe; once it has sent its FIN, 7.3.4 counts no more."""
    await set_mode(kernel, 3)
    kernel.path.judge = marking("in", 40)
    async with connected(kernel, role, rudp.Config()) as (reader, writer, sock):
        received, result = await asyncio.gather(
            exchange(reader, writer, octets(MEBIBYTE, 1)), sock.do("exchange", MEBIBYTE, 2)
        )
        assert received == octets(MEBIBYTE, 2)
        assert result["sha256"] == sha256(octets(MEBIBYTE, 1))
        seen = kernel.path.seen
        marks = sum(one.way == "in" and one.ecn == CE for one in seen)
        last = next(one for one in reversed(seen) if one.way == "out" and "A" in one.flags)
        told = info(writer)
        assert told.ecn_feedback == "accurate"
        assert told.ecn
        assert 0 < told.delivered_ce <= marks
        assert last.ace == f"{(5 + told.delivered_ce) % 8:03b}"
        assert 0 < told.ece_received <= told.delivered_ce
        assert told.ce_received == 0


@both_roles
async def test_AECN_5_marks_on_the_data_of_the_kernel_are_counted(
    kernel: Guest, role: Role
) -> None:
    """We tell of each, and it answers; pure ACKs of 7.x are ECT(0), and may have a mark, too."""
    await set_mode(kernel, 3)
    kernel.path.judge = marking("out", 40)
    async with connected(kernel, role, rudp.Config()) as (reader, writer, sock):
        received, result = await asyncio.gather(
            exchange(reader, writer, octets(SIZE, 1)), sock.do("exchange", MEBIBYTE, 2)
        )
        assert received == octets(MEBIBYTE, 2)
        assert result["sha256"] == sha256(octets(SIZE, 1))
        seen = kernel.path.seen
        marks = sum(one.way == "out" and one.ecn == CE for one in seen)
        assert info(writer).ce_received == marks > 0
        assert any(one.way == "in" and ACCURATE & {*one.options} for one in seen)
        last = next(one for one in reversed(seen) if one.way == "in" and "A" in one.flags)
        assert last.ace == f"{(5 + marks) % 8:03b}"


@both_roles
@pytest.mark.parametrize("way", ["in", "out"])
async def test_AECN_7_a_path_that_bleaches(kernel: Guest, role: Role, way: str) -> None:
    """All arrives, and both go on counting nothing."""
    await set_mode(kernel, 3)
    kernel.path.judge = bleaching(way)  # type: ignore[arg-type]
    async with connected(kernel, role, rudp.Config()) as (reader, writer, sock):
        received, result = await asyncio.gather(
            exchange(reader, writer, octets(SIZE, 1)), sock.do("exchange", SIZE, 2)
        )
        assert received == octets(SIZE, 2)
        assert result["sha256"] == sha256(octets(SIZE, 1))
        assert info(writer).ecn_feedback == "accurate"
        assert info(writer).delivered_ce == info(writer).ce_received == 0
