"""Applications on three loops, each over a path with losses, and the servers some of them want."""

import asyncio
import contextlib
import dataclasses
import glob
import os
import runpy
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import trustme

import rudp
from rudp.sim import VirtualLoop
from tests.cli.kit import Command
from tests.interop.relay import relay
from tests.ports import free_port

T = TypeVar("T")

APPS: Final = Path(__file__).resolve().parents[2] / "examples" / "apps"

HOST: Final = "127.0.0.1"
"""Where servers listen."""

FAR: Final = "127.0.0.2"
"""The same servers at the other end of a path with losses, at the same port."""

LOSS: Final = 0.1

PATIENCE: Final = 60.0
"""Seconds for a test."""


def application(name: str, *needs: str) -> dict[str, Any]:
    """Return the names of the example *name*, which wants the packages *needs*."""
    for package in needs:
        pytest.importorskip(package, reason=f"{package} is not installed: pip install '.[apps]'")
    return runpy.run_path(str(APPS / f"{name}.py"))


@dataclasses.dataclass(frozen=True)
class World:
    """One of the loops: ``asyncio``, ``uvloop`` or ``virtual``."""

    name: str

    @property
    def virtual(self) -> bool:
        return self.name == "virtual"

    @property
    def far(self) -> str:
        """Where clients find the servers of ``HOST``."""
        return HOST if self.virtual else FAR

    def run(self, main: Coroutine[Any, Any, T], seed: int = 1) -> T:
        """Run *main* on a new loop."""
        bounded = asyncio.wait_for(main, PATIENCE)
        if self.virtual:
            return rudp.run(bounded, base=VirtualLoop, seed=seed, delay=0.02, loss=LOSS)
        if self.name == "asyncio":
            return rudp.run(bounded)
        with asyncio.Runner(loop_factory=rudp.new_uvloop) as runner:
            return runner.run(bounded)

    @contextlib.contextmanager
    def path(self, port: int) -> Iterator[None]:
        """Lay the path to the server at *port*; a virtual loop has nothing but such paths.

        It has a thread of its own, so that what a loop says as it is closed goes over it, too.
        """
        if self.virtual:
            yield
            return
        if sys.platform == "darwin":
            pytest.skip(f"{FAR} is no address of this machine")
        laid, done = threading.Event(), asyncio.Event()

        async def lay() -> int:
            async with relay((HOST, port), loss=LOSS / 2, seed=1, at=(FAR, port)) as way:
                laid.set()
                await done.wait()
                return sum(way.dropped)

        with asyncio.Runner() as runner, ThreadPoolExecutor(1) as thread:
            loop = runner.get_loop()
            dropped = thread.submit(runner.run, lay())
            try:
                assert laid.wait(PATIENCE)
                yield
            finally:
                loop.call_soon_threadsafe(done.set)
            assert dropped.result(PATIENCE) > 0


class Identity:
    """A certificate for the hosts above, and the authority that gave it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert(HOST, FAR)
        self.authority = str(folder / "authority.pem")
        self.certificate = str(folder / "certificate.pem")
        authority.cert_pem.write_to_path(self.authority)
        issued.private_key_and_cert_chain_pem.write_to_path(self.certificate)

    def server(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate)
        return context

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)


# -- servers that know nothing of rudp ------------------------------------------------------------


def redis() -> contextlib.AbstractContextManager[int]:
    """Run a Redis without a disk; give its port.  Skip the test where there is none."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = free_port(socket.SOCK_STREAM)
    command = [program, "--port", str(port), "--bind", HOST, "--save", "", "--dir", "/tmp"]
    return _running(command, port)


@contextlib.contextmanager
def postgres() -> Iterator[int]:
    """Run a PostgreSQL with an empty database; give its port.  Skip where there is none."""
    folders = [*glob.glob("/usr/lib/postgresql/*/bin"), *os.get_exec_path()]
    program = shutil.which("initdb", path=os.pathsep.join(folders))
    if program is None:
        pytest.skip("PostgreSQL is not installed")
    options: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() == 0:  # it refuses to be root
            import pwd

            user = pwd.getpwnam("nobody")
            os.chown(folder, user.pw_uid, user.pw_gid)
            options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        data = f"{folder}/data"
        subprocess.run(
            [program, "-D", data, "-A", "trust", "-U", "anna", "--no-sync"],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=PATIENCE,
            **options,
        )
        port = free_port(socket.SOCK_STREAM)
        settings = ["fsync=off", f"listen_addresses={HOST}", "unix_socket_directories="]
        command = [program.removesuffix("initdb") + "postgres", "-D", data, "-p", str(port)]
        for setting in settings:
            command += ["-c", setting]
        with _running(command, port, cwd=folder, **options) as where:
            yield where


@contextlib.contextmanager
def _running(command: list[str], port: int, **options: Any) -> Iterator[int]:
    """Run a server while the block runs, from when it accepts connections at *port*."""
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    with subprocess.Popen(command, **(options | quiet)) as process:
        try:
            end = time.monotonic() + PATIENCE
            while True:
                try:
                    socket.create_connection((HOST, port), timeout=1.0).close()
                    break
                except OSError:
                    assert process.poll() is None, f"{command} ended with {process.returncode}"
                    assert time.monotonic() < end
                    time.sleep(0.02)
            yield port
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@contextlib.contextmanager
def carried(listen: str, target: str) -> Iterator[None]:
    """Run ``rudp relay`` while the block runs."""
    command = Command("relay", "--json", listen, target)
    try:
        command.port()
        yield
        status, _, said = command.end(signal.SIGTERM)
        assert (status, said) == (0, "")
    finally:
        command.process.kill()
        command.process.communicate()


@contextlib.asynccontextmanager
async def beside(target: int, port: int) -> AsyncIterator[None]:
    """Put a virtual host's *port* before a server of this machine, as a relay would be."""
    server = await asyncio.start_server(lambda *streams: _hand_on(target, *streams), HOST, port)
    async with server:
        yield


async def _hand_on(target: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry a connection on to *target*, with what virtual time has instead of readiness: a look.

    A server that works takes no virtual time, if it is done within a moment: so how long this takes
    is not the same each time.
    """
    ended = False
    with socket.create_connection((HOST, target)) as server:
        server.settimeout(0.02)
        try:
            while not ended:
                try:
                    async with asyncio.timeout(0.1):
                        data = await reader.read(65536)
                    if not data:
                        break
                    server.sendall(data)
                except TimeoutError:
                    pass
                try:
                    while not ended:
                        answer = server.recv(65536)
                        ended = not answer
                        writer.write(answer)
                except TimeoutError:
                    pass
        finally:
            writer.close()
