"""The two ends of a path, each a process in its namespace, that talk TCP or rudp at a word.

The server listens with both, side by side.  The first line of a connection says what is wanted:
``sink START SECONDS`` takes octets and answers how many came in *SECONDS* after the first *START*
seconds, ``fetch OCTETS`` sends that many.  The client is told by lines of JSON on its standard
input what to do next, and both end with theirs.
"""

import asyncio
import contextlib
import json
import socket
import struct
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

import rudp
from bench import cpus
from bench.child import Answer, Child, obey
from bench.controllers import controller
from bench.counters import receive_buffer_errors
from bench.link import Path
from bench.netem import NetemPath
from bench.simulation import BUFFERS

PORT: Final = 7000
CHUNK: Final = bytes(64 * 1024)
READ: Final = 1 << 20

PATIENCE: Final = 60.0
"""Seconds after which a fetch, or the answer of a sink that is over, will not come any more."""

_NO_LINGER: Final = struct.pack("ii", 1, 0)
_TCP_CONGESTION: Final = 13
_TCP_INFO: Final = 11
_BYTES_RETRANS: Final = 208  # where struct tcp_info has tcpi_bytes_retrans, a u64

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def config(settings: dict[str, Any]) -> rudp.Config:
    """Return a configuration of *settings*, in which ``congestion`` is as in
    :func:`~bench.controllers.controller`."""
    values = BUFFERS | settings
    if "congestion" in values:
        values["congestion"] = controller(values["congestion"])
    return rudp.Config(**values)


class Ends:
    """A server at *b* and a client at *a* of a path, each a process; for a ``with`` statement.

    *settings*: fields of :class:`rudp.Config` of both; *controllers*: those of rudp that may be
    asked for, as in :func:`~bench.controllers.controller`.
    """

    def __init__(
        self, path: Path | NetemPath, settings: dict[str, Any], controllers: Sequence[str]
    ) -> None:
        self._path = path
        self._plan = json.dumps([path.b.address, settings, list(controllers)])
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        path = self._path
        with contextlib.ExitStack() as stack:
            self._server = stack.enter_context(
                Child("bench.ends", "serve", self._plan, prefix=path.b.command())
            )
            self._server.ask()
            self._client = stack.enter_context(
                Child("bench.ends", "do", self._plan, prefix=path.a.command())
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def push(self, network: str, congestion: str, start: float, seconds: float) -> Answer:
        """Send from a to b as fast as *network* ("tcp" or "rudp") with *congestion* can.

        Returns ``octets`` that arrived during *seconds* after *start* seconds, and over the whole
        run ``resent`` octets, ``cpu`` seconds of the client and ``overflows``: datagrams that
        found the server's socket full.  Raises :class:`RefusedError`.
        """
        before = self._server.ask()
        done = self._client.ask(
            network=network, congestion=congestion, line=f"sink {start} {seconds}"
        )
        after = self._server.ask()
        return done | {"overflows": after["overflows"] - before["overflows"]}

    def fetch(self, network: str, congestion: str, octets: int) -> float:
        """Return the seconds from opening a connection until *octets* have come from b to a.

        Raises :class:`RefusedError`.
        """
        done = self._client.ask(
            network=network, congestion=congestion, line=f"fetch {congestion} {octets}"
        )
        return float(done["seconds"])


# -- the processes ---------------------------------------------------------------------------------


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection."""
    try:
        what, first, second = (await reader.readline()).decode().split()
        if what == "sink":
            counted = await _sink(reader, float(first), float(second))
            writer.write(f"{counted}\n".encode())
            await reader.read()  # the client resets when it has read this
            drop(writer)
        else:
            if (sock := kernel_socket(writer)) is not None:
                choose(sock, first)  # rudp was chosen by the port
            writer.write(bytes(int(second)))
            writer.close()
            await writer.wait_closed()
    except (OSError, ValueError, asyncio.CancelledError):
        drop(writer)  # cancelled: at the end; 3.11's streams would report it as an error


async def _sink(reader: asyncio.StreamReader, start: float, seconds: float) -> int:
    """Return how many octets came in *seconds* after the first *start* seconds."""
    total = 0

    async def take(until: float) -> int:
        nonlocal total
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while data := await reader.read(READ):
                    total += len(data)
        return total

    now = asyncio.get_running_loop().time()
    before = await take(now + start)
    return await take(now + start + seconds) - before


def kernel_socket(writer: asyncio.StreamWriter) -> Any:
    """Return the socket of a connection of the kernel's TCP, None for one of rudp."""
    is_rudp = writer.get_extra_info("tcp_info") is not None
    return None if is_rudp else writer.get_extra_info("socket")


def choose(sock: Any, congestion: str) -> None:
    """Let a socket of the kernel's TCP use *congestion*."""
    sock.setsockopt(socket.IPPROTO_TCP, _TCP_CONGESTION, congestion.encode())


def drop(writer: asyncio.StreamWriter) -> None:
    """End a connection at once, and keep the kernel from sending on what it has."""
    if (sock := kernel_socket(writer)) is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()


class Plan:
    """Where the server is and what both ends are set to."""

    def __init__(self, text: str) -> None:
        self.host, self._settings, self.controllers = json.loads(text)

    def config(self, congestion: str) -> rudp.Config:
        return config(self._settings | {"congestion": congestion})

    def port(self, congestion: str) -> int:
        """Return the server's port for rudp with *congestion*, which both ends then use."""
        return PORT + 1 + int(self.controllers.index(congestion))

    async def open(self, network: str, congestion: str) -> Streams:
        """Connect."""
        if network == "rudp":
            port = self.port(congestion)
            return await rudp.open_connection(self.host, port, config=self.config(congestion))
        sock = socket.socket()
        try:
            choose(sock, congestion)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (self.host, PORT))
        except BaseException:
            sock.close()
            raise
        return await asyncio.open_connection(sock=sock)


async def serve(plan: Plan) -> None:
    """Listen with TCP and with rudp, once for each controller; answer each order with counters."""
    await asyncio.start_server(handle, plan.host, PORT)
    for congestion in plan.controllers:
        await rudp.start_server(
            handle, plan.host, plan.port(congestion), config=plan.config(congestion)
        )

    async def act(order: Answer) -> Answer:
        return {"overflows": receive_buffer_errors()}

    await obey(act)


async def do(plan: Plan) -> None:
    """Open a connection for each order."""

    async def act(order: Answer) -> Answer:
        began = time.monotonic()
        cpu = time.process_time()
        reader, writer = await plan.open(order["network"], order["congestion"])
        try:
            writer.write(order["line"].encode() + b"\n")
            what, first, second = order["line"].split()
            if what == "fetch":
                async with asyncio.timeout(PATIENCE):
                    await reader.readexactly(int(second))
                return {"seconds": time.monotonic() - began}
            verdict = asyncio.create_task(reader.readline())
            try:
                async with asyncio.timeout(float(first) + float(second) + PATIENCE):
                    await _pour(writer, verdict)
                return {
                    "octets": int(await verdict),
                    "resent": resent(writer),
                    "cpu": time.process_time() - cpu,
                }
            finally:
                verdict.cancel()
        finally:
            drop(writer)

    await obey(act)


async def _pour(writer: asyncio.StreamWriter, verdict: asyncio.Task[bytes]) -> None:
    """Write until the verdict is there."""
    while not verdict.done():
        writer.write(CHUNK)
        drained = asyncio.ensure_future(writer.drain())
        await asyncio.wait([drained, verdict], return_when=asyncio.FIRST_COMPLETED)
        if not drained.done():
            drained.cancel()


def resent(writer: asyncio.StreamWriter) -> int:
    """Return the octets of data that a connection has sent more than once."""
    sock = kernel_socket(writer)
    if sock is None:
        return int(writer.get_extra_info("tcp_info").resent)
    raw = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_RETRANS + 8)
    return int(struct.unpack_from("Q", raw, _BYTES_RETRANS)[0])


if __name__ == "__main__":
    role, text = sys.argv[1:]
    cpus.pin(cpus.sides()[1])
    cpus.prefer()
    asyncio.run((serve if role == "serve" else do)(Plan(text)))
