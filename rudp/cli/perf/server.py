"""The server of ``rudp perf``: it takes part in one test at a time, as its client asks."""

import argparse
import asyncio
import contextlib
import dataclasses
import secrets
from ssl import SSLContext
from typing import Final

import rudp
from rudp.cli import address, output, running, settings
from rudp.cli.perf.meter import Meter
from rudp.cli.perf.request import (
    PATIENCE,
    ProtocolError,
    Request,
    hear,
    parse,
    read_line,
    tell,
)
from rudp.cli.perf.traffic import Streams, Traffic
from rudp.cli.splice import reset

WAITING_MAX: Final = 2000
"""Connections at once; more are reset."""


async def serve(
    options: argparse.Namespace,
    context: SSLContext | None,
    say: output.Output,
    tracer: rudp.Tracer | None,
) -> int:
    """Listen until cancelled, then reset what is open."""
    server = Server(say)
    where = options.where
    listener = await rudp.start_server(
        server.connected,
        where.host or None,
        where.port,
        family=settings.family(options),
        backlog=address.BACKLOG,
        config=settings.config(options),
        ssl=context,
        tracer=tracer,
    )
    try:
        for name in address.addresses("rudp", listener):
            say.line(f"listening on {name}")
            say.event("listening", address=name)
        while True:
            succeeded = await server.served.get()  # until a signal
            if options.one_off:
                await server.parted()
                return 0 if succeeded else 1
    finally:
        listener.close()
        await server.end()


class _Test:
    """A test that is on, or waits for its connections."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.token = secrets.token_hex(16).encode()
        self.connections: list[Streams] = []
        self.complete = asyncio.Event()
        self.over = asyncio.Event()


class Server:
    """Everything that happens on the connections of a listener."""

    def __init__(self, say: output.Output) -> None:
        self.served: asyncio.Queue[bool] = asyncio.Queue()  # of each test, whether it went well
        self._say = say
        self._test: _Test | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client has opened a connection, for words or for octets."""
        if len(self._tasks) >= WAITING_MAX:
            reset(writer.transport)
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def parted(self) -> None:
        """Wait until the connections that there are have ended, for some time."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE)

    async def end(self) -> None:
        """Reset all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = address.name("rudp", writer.transport)
        try:
            async with asyncio.timeout(PATIENCE):
                line = await read_line(reader)
            if line.startswith(b"{"):
                is_test = await self._talk(reader, writer, line, peer)
                await _part(reader, writer)
                if is_test:
                    self.served.put_nowait(True)
            else:
                await self._lend((reader, writer), line.strip())
                with contextlib.suppress(OSError):  # whoever talks has told what went wrong
                    await _part(reader, writer)
        except (OSError, EOFError, ProtocolError) as error:
            reason = running.in_words(error)
            self._say.line(f"{peer}: {reason}")
            self._say.event("failed", peer=peer, error=reason)
        finally:
            reset(writer.transport)  # if all went well it is closed already

    async def _lend(self, streams: Streams, token: bytes) -> None:
        """Let the test that *token* names have a connection."""
        test = self._test
        if test is None or not secrets.compare_digest(token, test.token):
            raise ProtocolError("the peer does not speak as rudp perf does")
        if test.complete.is_set():
            raise ProtocolError("there are more connections than the test has")
        test.connections.append(streams)
        if len(test.connections) == test.request.connections:
            test.complete.set()
        await test.over.wait()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes, peer: str
    ) -> bool:
        """Do what a client asks; return whether that was a test."""
        word, value = parse(line)
        if word != "request":
            raise ProtocolError("the peer does not say what is to be done")
        if self._test is not None:
            await tell(writer, "error", "the server is busy with another test")
            return False
        try:
            request = Request.of(value)
        except ValueError as error:
            await tell(writer, "error", str(error))
            return False
        test = self._test = _Test(request)
        went_well = False
        self._say.event("accepted", peer=peer, request=dataclasses.asdict(request))
        try:
            await tell(writer, "token", test.token.decode())
            async with asyncio.timeout(PATIENCE):
                await test.complete.wait()
                await tell(writer, "ready")
                await _expect(reader, "go")
            meter = await self._take_part(test, reader, writer)
            sample = meter.sample()
            await tell(writer, "end", dataclasses.asdict(sample))
            went_well = True
        finally:
            self._test = None
            test.over.set()
            if not went_well:
                self.served.put_nowait(False)
        self._say.line(
            f"{peer}: {request.test}, {sample.seconds:.1f} s, {sample.received} octets read, "
            f"{sample.cpu:.2f} s of CPU time"
        )
        self._say.event("served", peer=peer, **dataclasses.asdict(sample))
        return True

    async def _take_part(
        self, test: _Test, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Meter:
        request = test.request
        traffic = Traffic(request, test.connections)
        meter = Meter(traffic)

        async def take() -> None:
            await traffic.take()
            await tell(writer, "read")

        async def report() -> None:
            loop = asyncio.get_running_loop()
            due = loop.time()
            while True:
                due += request.interval
                await asyncio.sleep(due - loop.time())
                await tell(writer, "sample", dataclasses.asdict(meter.sample()))

        flows = [_expect(reader, "stop")]
        others = [meter.watch(), report()]
        if request.test == "ping-pong":
            others.append(traffic.pong())
        else:
            flows += [take()] if request.up else []
            flows += [traffic.pour()] if request.down else []
        await running.alongside(running.together(*flows), *others)
        return meter


async def _part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close a connection after the client has done so."""
    async with asyncio.timeout(PATIENCE):
        await reader.read()
    writer.close()
    await writer.wait_closed()


async def _expect(reader: asyncio.StreamReader, expected: str) -> None:
    word, _ = await hear(reader)
    if word != expected:
        raise ProtocolError(f"the peer says {word!r} and not {expected!r}")
