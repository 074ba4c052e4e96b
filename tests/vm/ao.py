"""TCP-AO (RFC 5925) as the kernel has it, between two of its own sockets.

What rudp will have to talk to: every algorithm, other keys while data flows, and silence for who
has the wrong key.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

import pytest

from tests.interop.kernel import ADDRESS, Socket
from tests.interop.test_kernel import MEBIBYTE, octets, sha256
from tests.vm.machine import Guest

ALGORITHMS = ("hmac(sha1)", "hmac(sha256)", "cmac(aes128)")
all_algorithms = pytest.mark.parametrize("algorithm", ALGORITHMS)

SYN_RETRIES = "net/ipv4/tcp_syn_retries"


@dataclasses.dataclass(frozen=True)
class Key:
    """A master key tuple as both ends have it: the same id for both ways (RFC 5925 §3.1)."""

    number: int
    secret: str
    algorithm: str = ALGORITHMS[0]
    maclen: int = 12

    async def add(self, sock: Socket, peer: str, flags: int = 0) -> None:
        """Give it to *sock* for *peer*; of *flags* 1 sets Current_key, 2 RNextKeyID."""
        ids = (self.number, self.number)
        await sock.do("key", peer, self.algorithm, self.maclen, *ids, self.secret, flags)


@contextlib.asynccontextmanager
async def connected(
    kernel: Guest, ours: list[Key], theirs: list[Key]
) -> AsyncIterator[tuple[Socket, Socket]]:
    """Give a socket that has connected with *ours*, and that which has accepted with *theirs*."""
    async with kernel.listener() as (server, port), kernel.socket() as client:
        for sock, keys in ((client, ours), (server, theirs)):
            # Linux would begin with the key that it was told last.
            for number, key in enumerate(keys):
                await key.add(sock, ADDRESS, flags=0 if number or sock is server else 3)
        await client.do("connect", ADDRESS, port)
        await server.do("accept")
        yield client, server


@all_algorithms
async def test_a_mebibyte_each_way(kernel: Guest, algorithm: str) -> None:
    keys = [Key(5, "a-secret", algorithm)]
    async with connected(kernel, keys, keys) as (client, server):
        down, up = await asyncio.gather(
            client.do("exchange", MEBIBYTE, 1), server.do("exchange", MEBIBYTE, 2)
        )
        assert down["sha256"] == sha256(octets(MEBIBYTE, 2))
        assert up["sha256"] == sha256(octets(MEBIBYTE, 1))
        for sock in (client, server):
            told = await sock.do("ao")
            assert (told["current"], told["rnext"]) == (5, 5)
            assert told["good"] > 10
            assert (told["bad"], told["not_found"], told["required"]) == (0, 0, 0)


async def test_half_close(kernel: Guest) -> None:
    keys = [Key(5, "a-secret")]
    async with connected(kernel, keys, keys) as (client, server):
        await client.do("send", 100, 1)
        await client.do("shutdown")
        assert (await server.do("receive"))["sha256"] == sha256(octets(100, 1))
        result, _ = await asyncio.gather(
            client.do("receive", MEBIBYTE), server.do("send", MEBIBYTE, 3)
        )
        assert result["sha256"] == sha256(octets(MEBIBYTE, 3))
        await server.do("close")
        assert (await client.do("receive"))["octets"] == 0


async def test_an_abort_is_signed(kernel: Guest) -> None:
    keys = [Key(5, "a-secret")]
    async with connected(kernel, keys, keys) as (client, server):
        await client.do("abort")
        with pytest.raises(ConnectionResetError):
            await server.do("receive")


@all_algorithms
async def test_rollover(kernel: Guest, algorithm: str) -> None:
    """RFC 5925 §3.3: one end asks for another key by RNextKeyID, and the other end takes it."""
    keys = [Key(5, "a-secret", algorithm), Key(6, "another-one", algorithm, 16)]
    async with connected(kernel, keys, keys) as (client, server):
        sending = asyncio.ensure_future(client.do("exchange", MEBIBYTE, 1))
        first = await server.do("receive", 1000)
        for sock in (client, server):
            told = await sock.do("ao")
            assert (told["current"], told["rnext"]) == (5, 5)
        await server.do("use", -1, 6)
        up, down = await asyncio.gather(server.do("exchange", MEBIBYTE, 2), sending)
        assert first["sha256"] == sha256(octets(MEBIBYTE, 1)[:1000])
        assert up["sha256"] == sha256(octets(MEBIBYTE, 1)[1000:])
        assert down["sha256"] == sha256(octets(MEBIBYTE, 2))
        assert (await client.do("ao"))["current"] == 6
        assert (await server.do("ao"))["rnext"] == 6
        assert (await server.do("ao"))["current"] == 5  # nobody has asked for another


async def test_the_wrong_key_gets_no_answer(kernel: Guest) -> None:
    await kernel.sysctl(SYN_RETRIES, 1)
    try:
        with pytest.raises(TimeoutError):
            async with connected(kernel, [Key(5, "a-secret")], [Key(5, "another")]):
                pass
    finally:
        await kernel.sysctl(SYN_RETRIES, 6)


async def test_an_unknown_key_gets_no_answer(kernel: Guest) -> None:
    await kernel.sysctl(SYN_RETRIES, 1)
    try:
        with pytest.raises(TimeoutError):
            async with connected(kernel, [Key(5, "a-secret")], [Key(6, "a-secret")]):
                pass
    finally:
        await kernel.sysctl(SYN_RETRIES, 6)
