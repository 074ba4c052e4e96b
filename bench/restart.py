"""What a restart of ``rudp relay`` breaks: connections under load, counted by what became of them.

A supervisor, here a few lines, restarts the relay again and again while clients talk through it to
an echo.  It does so in one of three ways: ``plain``, it ends one and starts the next; ``sockets``,
the same, with a UDP socket that the supervisor keeps open and hands over, as systemd does;
``reuse-port``, the next is ready before the one before is told to end.
"""

import argparse
import asyncio
import collections
import contextlib
import os
import random
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import rudp

PATIENCE = 30.0
HAND_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); "
    "os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'}; "
    "os.execv(sys.argv[2], sys.argv[2:])"
)
LIVES = {"short": 0.05, "long": 2.0, "longer": 8.0}
"""How long connections of a kind talk, in seconds."""


class Supervisor:
    """Runs one relay after the other."""

    def __init__(self, way: str, grace: float, target: int) -> None:
        self.way = way
        self.grace = grace
        self.target = target
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if way == "reuse-port":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        if way != "sockets":
            self.socket.close()
        folder = Path(tempfile.mkdtemp(prefix="rudp-restart-"))
        self.words = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.words.bind(str(folder / "notify"))
        self.words.setblocking(False)
        self.folder = folder
        self.relay: asyncio.subprocess.Process | None = None
        self.leaving: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start a relay, and wait until it says that it is ready."""
        handed = self.way == "sockets"
        listen = "systemd" if handed else f"rudp://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "rudp", "relay", "--grace", f"{self.grace:g}s", listen]
        command += ["--reuse-port"] * (self.way == "reuse-port")
        command += [f"tcp://127.0.0.1:{self.target}"]
        environment = os.environ | {"NOTIFY_SOCKET": str(self.folder / "notify")}
        descriptors: tuple[int, ...] = ()
        if handed:  # descriptor 3 is the first, and LISTEN_PID who is to take it
            number = self.socket.fileno()
            descriptors = (number,)
            command = [sys.executable, "-c", HAND_OVER, str(number), *command]
        self.relay = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            pass_fds=descriptors,
            stdout=asyncio.subprocess.DEVNULL,
        )
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE):
            while b"READY=1" not in await loop.sock_recv(self.words, 4096):
                pass

    async def restart(self) -> None:
        """Put another relay in the place of the one there is."""
        before = self.relay
        assert before is not None
        if self.way == "reuse-port":
            await self.start()
            before.terminate()
            self.leaving.append(asyncio.create_task(_gone(before)))
        else:
            before.terminate()
            await _gone(before)
            await self.start()

    async def end(self) -> None:
        """End all."""
        assert self.relay is not None
        with contextlib.suppress(ProcessLookupError):
            self.relay.terminate()
        await _gone(self.relay)
        await asyncio.gather(*self.leaving)
        for sock in (self.words, self.socket):
            sock.close()
        (self.folder / "notify").unlink()
        self.folder.rmdir()


async def _gone(process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE):
        if await process.wait():
            raise RuntimeError(f"a relay ended with status {process.returncode}")


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """Serve an echo over TCP; yield its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Load:
    """Clients, and what has become of their connections, by kind."""

    def __init__(self, port: int, *, shares: bool) -> None:
        self.results: collections.Counter[tuple[str, str]] = collections.Counter()
        self.slowest = 0.0
        self.over = False
        self._port = port
        self._local = None if shares else ("127.0.0.1", 0)

    async def client(self, kind: str) -> None:
        """Open connections one after the other, until it is over."""
        while not self.over:
            life = LIVES[kind] * random.uniform(0.5, 1.5)
            self.results[kind, await self._visit(life)] += 1
            await asyncio.sleep(random.uniform(0.0, 0.05))

    async def _visit(self, life: float) -> str:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            reader, writer = await rudp.open_connection(
                "127.0.0.1",
                self._port,
                config=rudp.Config(connect_timeout=10.0, user_timeout=20.0),
                local_addr=self._local,
            )
        except OSError as error:
            return f"not opened: {type(error).__name__}"
        self.slowest = max(self.slowest, loop.time() - began)
        end = loop.time() + life
        try:
            while True:
                word = os.urandom(1000)
                writer.write(word)
                if await reader.readexactly(1000) != word:
                    return "wrong octets"
                if loop.time() >= end:
                    break
                await asyncio.sleep(0.02)
            writer.write_eof()
            if await reader.read():
                return "wrong octets"
            writer.close()
            await writer.wait_closed()
        except (OSError, EOFError) as error:
            writer.transport.abort()
            return f"cut: {type(error).__name__}"
        return "whole"


async def measure(given: argparse.Namespace) -> Load:
    """Restart the relay under load."""
    async with echo() as target:
        supervisor = Supervisor(given.way, given.grace, target)
        await supervisor.start()
        load = Load(supervisor.port, shares=given.one_socket)
        kinds = [kind for kind in LIVES for _ in range(given.clients)]
        clients = [asyncio.create_task(load.client(kind)) for kind in kinds]
        try:
            for _ in range(given.restarts):
                await asyncio.sleep(given.interval)
                await supervisor.restart()
            await asyncio.sleep(given.interval)
        finally:
            load.over = True
            await asyncio.gather(*clients)
            await supervisor.end()
    return load


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.restart", description=__doc__)
    parser.add_argument("way", choices=("plain", "sockets", "reuse-port"))
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between (default: 5)")
    parser.add_argument("--grace", type=float, default=5.0, help="seconds (default: 5)")
    parser.add_argument("--clients", type=int, default=8, help="of each kind (default: 8)")
    parser.add_argument(
        "--one-socket",
        action="store_true",
        help="all clients share one UDP socket, as a relay's do",
    )
    given = parser.parse_args()
    load = asyncio.run(measure(given))
    for kind, life in LIVES.items():
        found = {what: n for (each, what), n in sorted(load.results.items()) if each == kind}
        total = sum(found.values())
        whole = found.pop("whole", 0)
        broken = ", ".join(f"{n} {what}" for what, n in found.items()) or "none broken"
        print(f"{kind} ({life:g} s): {whole} of {total} whole, {broken}")
    print(f"slowest open: {load.slowest:.2f} s")


if __name__ == "__main__":
    main()
