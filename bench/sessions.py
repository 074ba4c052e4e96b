"""What a connection of the soak does: both halves of each kind, and what they must have got.

The first line of a connection names the kind, a seed and a size.  Both ends make the octets that
the other sends from the seed, so each checks by hash what it has received, whoever was at fault.
"""

import asyncio
import dataclasses
import hashlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import rudp

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter

KINDS: Final = ("bulk", "ping-pong", "idle", "half-closed", "aborted", "tls")
"""``tls`` is bulk over TLS."""

PIECE: Final = 64 * 1024
MESSAGE: Final = 8_000
"""Octets: the largest message of a question and its answer."""

EXCHANGES: Final = 100
"""Questions and answers of a connection, at most."""

IDLE: Final = 60.0
"""Seconds: the longest silence of an idle connection."""

LIFE: Final = 2.0
"""Seconds: the longest life of a connection that is cut, once both ends have begun."""

PATIENCE: Final = 600.0
"""Seconds after which a connection is stuck; a machine that is busy with other things is slow."""

FAILURES_MAX: Final = 100


class WrongError(Exception):
    """An end got something that the other did not send, or the wrong end of it."""


@dataclasses.dataclass
class Ledger:
    """What all connections together have done.

    ``opened``, ``done``: connections by kind; ``octets``: received, with the hash they must have;
    ``failures``: what went wrong, in words, the first hundred; ``failed``: how many there were;
    ``over``: set when what is under way should come to its end.
    """

    opened: Counter[str] = dataclasses.field(default_factory=Counter)
    done: Counter[str] = dataclasses.field(default_factory=Counter)
    octets: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)
    failed: int = 0
    over: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    def fail(self, what: str) -> None:
        """Something went wrong."""
        self.failed += 1
        if len(self.failures) < FAILURES_MAX:
            self.failures.append(what)


class Sessions:
    """Both halves of every kind.

    *chance* picks sizes, up to *largest* octets each way, and moments.
    """

    def __init__(self, ledger: Ledger, chance: random.Random, largest: int) -> None:
        self._ledger = ledger
        self._chance = chance
        self._largest = largest

    async def run(self, kind: str, open_: Callable[[], Awaitable[tuple[Reader, Writer]]]) -> None:
        """Go through one connection of *kind* as its client; failures are in the ledger."""
        seed, size = self._chance.getrandbits(32), self._chance.randint(1, self._largest)
        writer: Writer | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await open_()
                self._ledger.opened[kind] += 1
                what = "bulk" if kind == "tls" else kind
                writer.write(f"{what} {seed} {size}\n".encode())
                await self._half(what, "client")(reader, writer, seed, size)
                await _close(what, writer)
            self._ledger.done[kind] += 1
        except (OSError, WrongError) as error:
            self._ledger.fail(f"client of {kind}, seed {seed}, size {size}: {error!r}")
        finally:
            if writer is not None:
                writer.transport.abort()

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """Go through one connection as its server; failures are in the ledger."""
        line = b""
        try:
            async with asyncio.timeout(PATIENCE):
                line = await reader.readline()
                what, seed, size = line.decode().split()
                await self._half(what, "server")(reader, writer, int(seed), int(size))
                await _close(what, writer)
        except (OSError, ValueError, WrongError) as error:
            self._ledger.fail(f"server of {line!r}: {error!r}")
        finally:
            writer.transport.abort()

    def _half(self, what: str, side: str) -> Callable[[Reader, Writer, int, int], Awaitable[None]]:
        half: Any = getattr(self, f"_{what.replace('-', '_')}_{side}")
        return half  # type: ignore[no-any-return]

    # -- both directions at once -----------------------------------------------------------------

    async def _bulk_client(self, reader: Reader, writer: Writer, seed: int, size: int) -> None:
        await self._swap(reader, writer, octets(seed, size), octets(seed + 1, size))

    async def _bulk_server(self, reader: Reader, writer: Writer, seed: int, size: int) -> None:
        await self._swap(reader, writer, octets(seed + 1, size), octets(seed, size))
        await _expect_end(reader)

    async def _swap(self, reader: Reader, writer: Writer, mine: bytes, yours: bytes) -> None:
        sending = asyncio.ensure_future(_send(writer, mine))
        try:
            await self._receive(reader, yours)
            await sending
        finally:
            sending.cancel()

    # -- question and answer, without and with long silence --------------------------------------

    async def _ping_pong_client(self, reader: Reader, writer: Writer, seed: int, size: int) -> None:
        size = min(size, EXCHANGES * MESSAGE // 2)
        data, at = octets(seed, size), 0
        while at < size and not self._ledger.over.is_set():
            message = data[at : at + self._chance.randint(1, MESSAGE)]
            writer.write(message)
            await self._receive(reader, message)
            at += len(message)

    async def _idle_client(self, reader: Reader, writer: Writer, seed: int, size: int) -> None:
        for message in (octets(seed, MESSAGE), octets(seed + 1, MESSAGE)):
            writer.write(message)
            await self._receive(reader, message)
            try:
                async with asyncio.timeout(self._chance.uniform(0.0, IDLE)):
                    await self._ledger.over.wait()
            except TimeoutError:
                pass

    async def _echo(self, reader: Reader, writer: Writer, seed: int, size: int) -> None:
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()

    _ping_pong_server = _idle_server = _echo

    # -- one half after the other ----------------------------------------------------------------

    async def _half_closed_client(
        self, reader: Reader, writer: Writer, seed: int, size: int
    ) -> None:
        await _send(writer, octets(seed, size))
        writer.write_eof()
        await self._receive(reader, octets(seed + 1, size))
        await _expect_end(reader)

    async def _half_closed_server(
        self, reader: Reader, writer: Writer, seed: int, size: int
    ) -> None:
        await self._receive(reader, octets(seed, size))
        await _expect_end(reader)
        await _send(writer, octets(seed + 1, size))

    # -- cut in the middle, by either end --------------------------------------------------------

    async def _aborted_client(self, reader: Reader, writer: Writer, seed: int, size: int) -> None:
        mine, yours = octets(seed, size), octets(seed + 1, size)
        await (self._be_cut if seed % 2 else self._cut)(reader, writer, mine, yours)

    async def _aborted_server(self, reader: Reader, writer: Writer, seed: int, size: int) -> None:
        mine, yours = octets(seed + 1, size), octets(seed, size)
        await (self._cut if seed % 2 else self._be_cut)(reader, writer, mine, yours)

    async def _cut(self, reader: Reader, writer: Writer, mine: bytes, yours: bytes) -> None:
        """Abort in the middle, at the earliest when the other end has begun."""
        sending = asyncio.ensure_future(_send(writer, mine))
        received = bytearray(await reader.read(PIECE))
        try:
            async with asyncio.timeout(self._chance.uniform(0.0, LIFE)):
                while data := await reader.read(PIECE):
                    received += data
                raise WrongError("the stream ended that was to be cut from here")
        except TimeoutError:
            pass
        finally:
            await _cancelled(sending)
        rudp.reset(writer.transport)
        self._verify(hashlib.sha256(received), yours[: len(received)])

    async def _be_cut(self, reader: Reader, writer: Writer, mine: bytes, yours: bytes) -> None:
        """Wait for the reset; what has come before is a beginning of what was sent."""
        sending = asyncio.ensure_future(_send(writer, mine))
        received = bytearray()
        try:
            while data := await reader.read(PIECE):
                received += data
            raise WrongError("a stream that was cut looked whole")
        except ConnectionResetError:
            pass
        finally:
            await _cancelled(sending)
        self._verify(hashlib.sha256(received), yours[: len(received)])

    # -- what all of them need -------------------------------------------------------------------

    async def _receive(self, reader: Reader, expected: bytes) -> None:
        """Read as many octets as there are in *expected*; WrongError if they are others."""
        received, left = hashlib.sha256(), len(expected)
        while left:
            data = await reader.read(min(left, PIECE))
            if not data:
                raise WrongError(f"the stream ended {left} octets early")
            received.update(data)
            left -= len(data)
        self._verify(received, expected)

    def _verify(self, received: Any, expected: bytes) -> None:
        if received.digest() != hashlib.sha256(expected).digest():
            raise WrongError(f"{len(expected)} octets are not those that were sent")
        self._ledger.octets += len(expected)


def octets(seed: int, size: int) -> bytes:
    """Return the octets that both ends make from *seed*."""
    return random.Random(seed).randbytes(size)


async def _send(writer: Writer, data: bytes) -> None:
    for at in range(0, len(data), PIECE):
        writer.write(data[at : at + PIECE])
        await writer.drain()


async def _expect_end(reader: Reader) -> None:
    if more := await reader.read(1):
        raise WrongError(f"{more!r} instead of the end of the stream")


async def _cancelled(task: "asyncio.Future[None]") -> None:
    """Stop *task* and wait for its end, whatever that is."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _close(what: str, writer: Writer) -> None:
    """Close in order what was not cut."""
    if what != "aborted":
        writer.close()
        await writer.wait_closed()
