"""``rudp demo`` alone: a transfer between two UDP sockets of this machine, over a path that loses.

What is shown is a real connection: the ladders are drawn from the segments that its two ends sent
and received, and the losses between them are made by a third socket.  The client sends all it has
and then its FIN; the server answers with the SHA-256 of what it got, and only then closes its half.
"""

import argparse
import asyncio
import contextlib
import hashlib
import os
import random
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, BinaryIO, Final

import rudp
from rudp.cli import arguments, recording, running, stdio
from rudp.cli.badpath import BadPath
from rudp.sim import Link
from rudp.trace import Ladder
from rudp.trace.tee import Tee
from rudp.trace.words import octets

DEFAULTS: Final = {"size": 2 << 20, "loss": 0.01, "delay": 0.002, "reorder": 0.0, "mss": 1400}

CHUNK: Final = 64 * 1024
"""Octets written at once."""

REORDER_DELAY: Final = 0.003
"""Seconds for which a datagram is held back that is to be overtaken."""

PATIENCE: Final = 20.0
"""Seconds without progress after which the demo gives up."""

PAUSE: Final = 0.03
"""Seconds the server waits before it closes its half, so that a reader sees the halves apart."""

PROGRESS_INTERVAL: Final = 0.1

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def add_options(group: "argparse._ArgumentGroup") -> None:
    """Describe the options."""
    data = group.add_mutually_exclusive_group()
    data.add_argument(
        "--size", type=arguments.size, help="how much to send: 500, 64K, 10M, 1G (default: 2M)"
    )
    data.add_argument("--file", metavar="PATH", help="send this file instead of generated data")
    group.add_argument(
        "--delay", type=arguments.seconds, help="delay each way, 20ms or 0.1s (default: 2ms)"
    )
    group.add_argument(
        "--reorder", type=arguments.share, help="share of datagrams held back (default: 0%%)"
    )
    group.add_argument(
        "--mss",
        type=arguments.mss,
        help="octets of options and data in a full segment (default: 1400)",
    )


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the transfer; return 0 if both ends have the same SHA-256, 1 if not."""
    for name, value in DEFAULTS.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    with contextlib.ExitStack() as stack:
        file = None
        if options.file is not None:
            try:
                file = stack.enter_context(open(options.file, "rb"))
            except OSError as error:
                parser.error(f"cannot read {options.file}: {error.strerror}")
        record = stack.enter_context(
            recording.Recording(parser, options, ["client", "server"], together=True)
        )
        try:
            status = asyncio.run(Demo(options, file, record).run())
        except OSError as error:
            if stdio.reader_is_gone(sys.stdout):
                raise
            stdio.complain(f"rudp demo: the transfer failed: {running.in_words(error)}")
            status = 1
    return record.status(status)


class Demo:
    """One run of the demo; *file*: what to send, None for generated data."""

    def __init__(
        self, options: argparse.Namespace, file: BinaryIO | None, record: recording.Recording
    ) -> None:
        self.options = options
        self.file = file
        self.ladder = Ladder()
        watchers = record.tracer("client"), record.tracer("server")
        self.client, self.server = (
            ladder if watcher is None else Tee(ladder, watcher)
            for ladder, watcher in zip((self.ladder.left, self.ladder.right), watchers, strict=True)
        )
        self.config = rudp.Config(
            mss=options.mss, connect_timeout=PATIENCE, user_timeout=PATIENCE, ecn="off"
        )
        faults: dict[str, Any] = {
            "loss": options.loss,
            "delay": options.delay,
            "reorder": options.reorder,
            "reorder_delay": REORDER_DELAY,
        }
        self.links = [Link(seed=f"{options.seed} {way}", **faults) for way in ("there", "back")]
        self.sent = 0

    async def run(self) -> int:
        """Open the sockets, transfer, and say how it went."""
        options = self.options
        with contextlib.ExitStack() as stack:
            accepted: asyncio.Queue[Streams] = asyncio.Queue()
            server = await rudp.start_server(
                lambda *streams: accepted.put_nowait(streams),
                "127.0.0.1",
                0,
                config=self.config,
                tracer=self.server,
            )
            stack.callback(server.abort_clients)  # if all went well there are none
            stack.callback(server.close)
            address = server.sockets[0].getsockname()
            inner_port = address[1]
            if options.loss or options.delay or options.reorder:
                path = BadPath(address, *self.links)
                stack.callback(path.close)
                await path.open()
                address = path.address
            print(f"{self.describe()}\n\nThe connection opens:\n")
            reader, writer = await rudp.open_connection(
                *address, inner_port=inner_port, config=self.config, tracer=self.client
            )
            stack.callback(rudp.reset, writer.transport)
            served = await asyncio.wait_for(accepted.get(), PATIENCE)
            stack.callback(rudp.reset, served[1].transport)
            print(self.ladder)
            self.ladder.clear()
            began = server.get_loop().time()
            async with self.progress(writer):
                ours, theirs, ended = await asyncio.gather(
                    self.send(writer), self.answer(reader), self.serve(*served)
                )
            info = writer.get_extra_info("tcp_info")
            writer.close()
            await writer.wait_closed()
            server.close()
            await server.wait_closed()
        print(f"\nThe data is sent, and each side closes its half:\n\n{self.ladder}\n")
        return self.summary(ended - began, info.resent, ours, theirs)

    def describe(self) -> str:
        """Say what is about to happen."""
        options = self.options
        what = "generated data" if self.file is None else self.file.name
        return (
            f"rudp {rudp.__version__}: {octets(self.total)} of {what}; each way "
            f"{options.delay * 1000:g} ms delay, {options.loss * 100:g}% lost, "
            f"{options.reorder * 100:g}% held back"
        )

    @property
    def total(self) -> int:
        """How many octets there are to send; 0 if the file does not say."""
        if self.file is None:
            return int(self.options.size)
        return os.fstat(self.file.fileno()).st_size

    def chunks(self) -> Iterator[bytes]:
        """Yield what is to be sent."""
        if self.file is not None:
            while chunk := self.file.read(CHUNK):
                yield chunk
            return
        chance = random.Random(self.options.seed)
        for at in range(0, self.total, CHUNK):
            yield chance.randbytes(min(CHUNK, self.total - at))

    async def send(self, writer: asyncio.StreamWriter) -> str:
        """Send everything, then FIN; return the SHA-256."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
            writer.write(chunk)
            await writer.drain()
            self.sent += len(chunk)
        writer.write_eof()
        return digest.hexdigest()

    async def answer(self, reader: asyncio.StreamReader) -> str:
        """Return what the server says."""
        return (await reader.read()).decode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        """Be the server: answer with the SHA-256 of all that comes until the client's FIN.

        Return when that came, on the loop's clock.
        """
        digest = hashlib.sha256()
        while data := await reader.read(CHUNK):
            digest.update(data)
        ended = asyncio.get_running_loop().time()
        await asyncio.sleep(PAUSE)
        writer.write(digest.hexdigest().encode())
        await asyncio.sleep(PAUSE)
        writer.close()
        await writer.wait_closed()
        return ended

    @contextlib.asynccontextmanager
    async def progress(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        """Keep a line on the terminal up to date meanwhile."""
        if not sys.stderr.isatty():
            yield
            return
        task = asyncio.create_task(self._show_progress(writer))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    async def _show_progress(self, writer: asyncio.StreamWriter) -> None:
        while True:
            info = writer.get_extra_info("tcp_info")
            share = f"{info.bytes_acked / self.total:4.0%} " if self.total else ""
            line = f"{share}{octets(info.bytes_acked)}, {octets(info.resent)} sent again"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
            await asyncio.sleep(PROGRESS_INTERVAL)

    def summary(self, took: float, resent: int, ours: str, theirs: str) -> int:
        """Print the figures and the verdict; return the exit status."""
        lost = sum(link.lost for link in self.links)
        carried = sum(link.sent for link in self.links)
        rows = [
            ("bytes", f"{self.sent}"),
            ("time", f"{took:.2f} s"),
            ("rate", f"{octets(self.sent / took)}/s" if took else "-"),
            ("retransmitted", f"{octets(resent)}"),
        ]
        if carried:
            held = sum(link.reordered for link in self.links)
            rows.append(("path", f"{carried} datagrams, {lost} lost, {held} held back"))
        rows += [("sha256 sent", ours), ("sha256 received", theirs)]
        for name, value in rows:
            print(f"{name:16}{value}")
        if ours != theirs:
            stdio.complain("rudp demo: what arrived is not what was sent: sha256 differs")
            return 1
        print("sha256 equal")
        return 0
