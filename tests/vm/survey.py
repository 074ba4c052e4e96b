"""What this kernel answers to what rudp might say: each row of a table in docs/conformance.md.

``observed.json`` has the rows of each kernel as they were seen; a kernel that answers otherwise
fails here, until ``python -m tests.vm --update`` has written down what it answers now.
"""

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from tests.interop.kernel import ADDRESS, Socket
from tests.vm.ao import Key
from tests.vm.ecn import OFFERED, set_mode
from tests.vm.machine import Guest
from tests.vm.raw import ACK, ISN, MSS, RST, SYN, SYN_OPTIONS, Heard, Peer, peer

OBSERVED: Final = Path(__file__).with_name("observed.json")
ACES: Final = tuple(f"{n:03b}" for n in range(8))
OFFERS: Final = ("011", "100", "111")
"""Of RFC 3168, of nobody, of RFC 9768."""

ACCURATE: Final = 3
"""The tcp_ecn that offers Accurate ECN, where there is one."""

AO: Final = bytes((29, 16, 5, 5)) + bytes(12)
"""The option of TCP-AO, with a MAC that nobody computed."""

ACCECN: Final = 174
NAMES: Final = {2: "MSS", 3: "scale", 4: "SACK", 8: "timestamps", 29: "AO", ACCECN: "AccECN"}

Look = Callable[[Guest], Awaitable[str]]
ROWS: Final[dict[str, Look]] = {}


def row(title: str) -> Callable[[Look], Look]:
    def add(look: Look) -> Look:
        ROWS[title] = look
        return look

    return add


def told(segment: Heard | None) -> str:
    """Return the bits and options of *segment* in words."""
    if segment is None:
        return "nothing"
    if segment.flags & RST:
        return "RST"
    options = [NAMES[kind] for kind in segment.kinds if kind == ACCECN]
    return " ".join([segment.ace, *options])


async def mode(kernel: Guest, number: int) -> None:
    """Set tcp_ecn; a kernel that has no such mode ends the row by ValueError."""
    try:
        await kernel.sysctl("net/ipv4/tcp_ecn", number)
    except OSError:
        raise ValueError("no such mode") from None


@contextlib.asynccontextmanager
async def connecting(kernel: Guest) -> AsyncIterator[tuple[Peer, Socket, Heard]]:
    """Give a peer that has heard the SYN of a socket which is connecting, and that SYN."""
    with peer(kernel) as raw:
        async with kernel.socket() as sock:
            waiting = asyncio.ensure_future(sock.do("connect", raw.host, raw.port))
            syn = await raw.hear(5.0)
            assert syn is not None
            assert syn.flags == SYN
            try:
                yield raw, sock, syn
            finally:
                for seq in (ISN, ISN + 1):  # it may have had our SYN
                    raw.send(RST | ACK, seq=seq, ack=syn.seq + 1)
                with contextlib.suppress(OSError):
                    await waiting


async def offered(kernel: Guest, number: int) -> str:
    await mode(kernel, number)
    async with connecting(kernel) as (_, _, syn):
        return told(syn)


async def accepted(kernel: Guest, number: int, ace: str) -> str:
    await mode(kernel, number)
    async with kernel.listener() as (_, port):
        with peer(kernel, port) as raw:
            raw.send(SYN, ace=ace, options=SYN_OPTIONS)
            return told(await raw.hear())


for number in OFFERED:
    ROWS[f"tcp_ecn={number}: its SYN has"] = functools.partial(offered, number=number)
    for ace in OFFERS:
        title = f"tcp_ecn={number}: its SYN,ACK to a SYN with {ace} has"
        ROWS[title] = functools.partial(accepted, number=number, ace=ace)


async def concluded(kernel: Guest, number: int, ace: str) -> str:
    """Return what a client makes of a SYN,ACK with *ace*: its third segment, its first data."""
    await mode(kernel, number)
    async with connecting(kernel) as (raw, sock, syn):
        raw.send(SYN | ACK, ack=syn.seq + 1, ace=ace, options=SYN_OPTIONS)
        third = await raw.hear()
        assert third is not None
        await asyncio.sleep(0.05)  # connect() has returned
        await sock.do("send", 10, 1)
        assert (await raw.hear()) is not None
        data = next(one for one in reversed(kernel.path.seen) if one.octets)
        capable = "ECT" if data.ecn else "Not-ECT"
        return f"{told(third)}; data {capable} {data.ace}"


for number in (1, ACCURATE):
    for ace in ACES:
        title = f"tcp_ecn={number}: after a SYN,ACK with {ace} its ACK has"
        ROWS[title] = functools.partial(concluded, number=number, ace=ace)


async def repeated(kernel: Guest, number: int) -> str:
    await mode(kernel, number)
    async with connecting(kernel) as (raw, _, syn):
        return ", ".join(map(told, [syn, await raw.hear(2.0), await raw.hear(4.0)]))


for number in (1, ACCURATE):
    ROWS[f"tcp_ecn={number}: its SYN, sent three times"] = functools.partial(
        repeated, number=number
    )


@row("tcp_ecn=3: its SYN,ACK to a SYN with 111, sent three times")
async def _(kernel: Guest) -> str:
    await mode(kernel, ACCURATE)
    async with kernel.listener() as (_, port):
        with peer(kernel, port) as raw:
            raw.send(SYN, ace="111", options=SYN_OPTIONS)
            return ", ".join([told(await raw.hear(patience)) for patience in (1.0, 2.0, 4.0)])


def layout(segment: Heard | None) -> str:
    assert segment is not None
    return " ".join(NAMES[kind] for kind in segment.kinds)


def scale(segment: Heard | None) -> str:
    assert segment is not None
    at = segment.options.index(bytes((3, 3)))
    return str(segment.options[at + 2])


@row("options of its SYN")
async def _(kernel: Guest) -> str:
    async with connecting(kernel) as (_, _, syn):
        return layout(syn)


@row("window and scale of its SYN")
async def _(kernel: Guest) -> str:
    async with connecting(kernel) as (_, _, syn):
        return f"{syn.window}, {scale(syn)}"


@row("options of its SYN,ACK")
async def _(kernel: Guest) -> str:
    async with kernel.listener() as (_, port):
        with peer(kernel, port) as raw:
            raw.send(SYN, options=SYN_OPTIONS)
            return layout(await raw.hear())


@row("segments in its first flight")
async def _(kernel: Guest) -> str:
    async with connecting(kernel) as (raw, sock, syn):
        raw.send(SYN | ACK, ack=syn.seq + 1, options=MSS)
        await raw.hear()
        await asyncio.sleep(0.05)
        sending = asyncio.ensure_future(sock.do("send", 100_000, 1))
        heard = set()
        while (one := await raw.hear(0.4)) is not None:
            heard.add(one.seq)
        raw.send(RST | ACK, seq=ISN + 1, ack=syn.seq + 1)  # it waits for room
        with contextlib.suppress(OSError):
            await sending
        return str(len(heard))


@row("a SYN with TCP-AO where no key is, to a listener")
async def _(kernel: Guest) -> str:
    async with kernel.listener() as (_, port):
        with peer(kernel, port) as raw:
            raw.send(SYN, options=MSS + AO)
            return told(await raw.hear())


@row("a SYN with TCP-AO where no key is, to a closed port")
async def _(kernel: Guest) -> str:
    with peer(kernel, 9) as raw:
        raw.send(SYN, options=MSS + AO)
        return told(await raw.hear())


@row("a SYN without TCP-AO to a listener with a key for its address")
async def _(kernel: Guest) -> str:
    async with kernel.listener() as (sock, port):
        with peer(kernel, port) as raw:
            await Key(5, "a-secret").add(sock, raw.host)
            raw.send(SYN, options=MSS)
            return told(await raw.hear())


@row("a SYN without TCP-AO to a listener with a key for another address")
async def _(kernel: Guest) -> str:
    async with kernel.listener() as (sock, port):
        with peer(kernel, port) as raw:
            await Key(5, "a-secret").add(sock, ADDRESS)
            raw.send(SYN, options=MSS)
            return told(await raw.hear())


@row("options of its SYN with TCP-AO")
async def _(kernel: Guest) -> str:
    with peer(kernel) as raw:
        async with kernel.socket() as sock:
            await Key(5, "a-secret").add(sock, raw.host)
            await sock.do("keepalive")
            waiting = asyncio.ensure_future(sock.do("connect", raw.host, raw.port))
            syn = await raw.hear(5.0)
            await sock.do("fresh")
            with contextlib.suppress(OSError):
                await waiting
            return layout(syn)


@pytest.mark.parametrize("title", ROWS)
async def test_row(kernel: Guest, title: str, pytestconfig: pytest.Config) -> None:
    await set_mode(kernel, 2)
    try:
        seen = await ROWS[title](kernel)
    except ValueError as error:
        seen = str(error)
    finally:
        await set_mode(kernel, 2)
    record = json.loads(OBSERVED.read_text()) if OBSERVED.exists() else {}
    rows = record.setdefault(kernel.release.partition("+")[0], {})
    if pytestconfig.getoption("--update"):
        rows[title] = seen
        OBSERVED.write_text(json.dumps(record, indent=1) + "\n")
    assert seen == rows.get(title), "python -m tests.vm --update writes it down"
