"""Linux's TCP in a network namespace of its own, reached over UDP through a bridge."""

import abc
import asyncio
import contextlib
import itertools
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from rudp.bridge import open_tun

ADDRESS = "10.76.0.1"
"""What the kernel's TCP calls itself."""

PREFIX = "10.77.0.0/16"
"""Whose hosts stand for the UDP ports of peers."""

START_TIMEOUT = 20.0
"""Seconds for a Python process to start on a busy machine."""

PROGRAM = pathlib.Path(__file__).with_name("peer.py")

_numbers = itertools.count()


def ip(*arguments: str) -> None:
    """Run iproute2; subprocess.CalledProcessError when it refuses."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def missing() -> str | None:
    """Return why no bridge can run here, or None."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root, for a network namespace and a TUN device"
    if shutil.which("ip") is None:
        return "needs ip of iproute2"
    name = f"rudp-probe-{os.getpid()}"
    try:
        os.close(open_tun(f"rudp{os.getpid()}"))
        ip("netns", "add", name)
    except OSError as error:
        return f"cannot make a TUN device: {error}"
    except subprocess.CalledProcessError as error:
        return f"cannot make a network namespace: {error.stderr.strip()}"
    try:
        ip("netns", "exec", name, "true")
    except subprocess.CalledProcessError as error:
        return f"cannot run in a network namespace: {error.stderr.strip()}"
    finally:
        ip("netns", "delete", name)
    return None


Result = dict[str, Any]


def result_of(answer: Result) -> Result:
    """Return *answer*, a line of ``peer.py``'s; raises the OSError that it may be."""
    if "error" in answer:
        raise OSError(answer["error"], answer["text"])
    return answer


class Socket(abc.ABC):
    """A socket of the kernel's TCP; see ``peer.py`` for what it can be told."""

    @abc.abstractmethod
    async def do(self, command: str, *arguments: object) -> Result:
        """Return the result of *command*; raises the OSError that the kernel gave."""


class Kernel(abc.ABC):
    """A kernel and its bridge.  ``udp_address`` is where the bridge takes datagrams."""

    def __init__(self, udp_address: tuple[str, int]) -> None:
        self.udp_address = udp_address

    @staticmethod
    def address_of(udp_port: int) -> str:
        """Return the address at which the kernel sees the peer on *udp_port*."""
        return f"10.77.{udp_port >> 8}.{udp_port & 255}"

    @abc.abstractmethod
    def socket(self) -> contextlib.AbstractAsyncContextManager[Socket]:
        """Give a socket of the kernel's."""

    @contextlib.asynccontextmanager
    async def listener(self) -> AsyncIterator[tuple[Socket, int]]:
        """Give a listening socket and its port."""
        async with self.socket() as sock:
            yield sock, (await sock.do("listen"))["port"]


class _Process(Socket):
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def do(self, command: str, *arguments: object) -> Result:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = " ".join([command, *map(str, arguments)])
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()
        answer = await self.process.stdout.readline()
        assert answer, f"the program ended at {line!r}"
        return result_of(json.loads(answer))


class _Namespace(Kernel):
    """This machine's kernel, as it is in a network namespace."""

    def __init__(self, namespace: str, udp_address: tuple[str, int]) -> None:
        super().__init__(udp_address)
        self.namespace = namespace

    @contextlib.asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", self.namespace, sys.executable, "-I", str(PROGRAM)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield _Process(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


@contextlib.contextmanager
def kernel() -> Iterator[Kernel]:
    """Make a namespace with a bridge to UDP on loopback, and take both away again."""
    number = next(_numbers)
    namespace = f"rudp-{os.getpid()}-{number}"
    interface = f"rudp{os.getpid()}-{number}"
    ip("netns", "add", namespace)
    try:
        with _bridge(interface) as udp_address:
            ip("link", "set", interface, "netns", namespace)
            inside = ("-n", namespace)
            ip(*inside, "link", "set", "lo", "up")
            ip(*inside, "address", "add", ADDRESS, "dev", interface)
            ip(*inside, "link", "set", interface, "up")
            ip(*inside, "route", "add", PREFIX, "dev", interface)
            yield _Namespace(namespace, udp_address)
    finally:
        ip("netns", "delete", namespace)


@contextlib.contextmanager
def _bridge(interface: str) -> Iterator[tuple[str, int]]:
    """Run a bridge on *interface* and give its UDP address."""
    arguments = ["--name", interface, "--address", ADDRESS, "--prefix", PREFIX]
    process = subprocess.Popen(
        [sys.executable, "-m", "rudp.bridge", *arguments, "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        readable, _, _ = select.select([process.stdout], [], [], START_TIMEOUT)
        line = process.stdout.readline() if readable else ""
        assert line, "the bridge did not start"
        host, _, port = line.split()[-1].rpartition(":")
        yield host, int(port)
        assert process.poll() is None, "the bridge ended by itself"
    finally:
        process.terminate()
        try:
            process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
