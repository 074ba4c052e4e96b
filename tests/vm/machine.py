"""A virtual machine with one TCP in it, and the kernel in there as the tests see it."""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import os
import select
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from rudp.bridge import AddressPlan, Bridge
from tests.interop.kernel import ADDRESS, PREFIX, Kernel, Result, Socket, result_of
from tests.vm import image, wire

EMULATOR: Final = "qemu-system-x86_64"
BOOT_TIMEOUT: Final = 90.0
"""Seconds: some ten on a machine with nothing else to do."""

COMMAND_TIMEOUT: Final = 70.0
"""Seconds for an answer; in the guest no call waits longer than 60."""

SLOTS: Final = 256
"""Sockets that init.c can hold; the first slot is the machine itself."""


@dataclasses.dataclass
class Machine:
    """A running emulator: *process* takes and gives lines, *frames* a frame per message."""

    process: subprocess.Popen[bytes]
    frames: socket.socket
    release: str


@contextlib.contextmanager
def machine(pin: image.Pin, directory: Path) -> Iterator[Machine]:
    """Boot the kernel of *pin*, with *directory* to write in; its end ends the machine.

    image.MissingError where something is missing for that.
    """
    if shutil.which(EMULATOR) is None:
        raise image.MissingError(f"needs {EMULATOR} (apt-get install qemu-system-x86)")
    built = image.build(pin, directory)
    ours, theirs = wire.pair()
    console = directory / "console"
    with ours, theirs:
        link = f"dgram,id=link,local.type=fd,local.str={theirs.fileno()}"
        command = [
            *(EMULATOR, "-accel", "tcg", "-cpu", "max", "-m", "512M"),
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-kernel", str(built.kernel), "-initrd", str(built.initramfs)),
            *("-append", built.parameters),
            *("-serial", f"file:{console}", "-serial", "stdio"),
            *("-netdev", link, "-device", f"virtio-net-pci,netdev=link,romfile=,mac={mac()}"),
        ]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[theirs.fileno()]
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Machine(process, ours, _hello(process, console))
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def mac() -> str:
    return wire.GUEST.hex(":")


def _hello(process: subprocess.Popen[bytes], console: Path) -> str:
    """Wait for init, and return the kernel's release."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], BOOT_TIMEOUT)
    line = process.stdout.readline() if readable else b""
    if not line:
        told = console.read_text(errors="replace") if console.exists() else ""
        raise AssertionError(f"the guest did not start:\n{told[-2000:]}")
    release: str = json.loads(line.split(b" ", 1)[1])["release"]
    return release


class GuestSocket(Socket):
    """A slot of init.c."""

    def __init__(self, guest: "Guest", slot: int) -> None:
        self._guest = guest
        self._slot = slot

    async def do(self, command: str, *arguments: object) -> Result:
        return await self._guest.command(self._slot, command, *arguments)


class Guest(Kernel):
    """The kernel of *machine* behind a bridge; *path* is the wire between them."""

    def __init__(self, machine: Machine, path: wire.Wire, udp_address: tuple[str, int]) -> None:
        super().__init__(udp_address)
        self.machine = machine
        self.path = path
        self._free = itertools.cycle(range(1, SLOTS))
        self._tags = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Result]] = {}
        self._rest = b""

    @property
    def release(self) -> str:
        """As uname tells it."""
        return self.machine.release

    @contextlib.asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        slot = next(self._free)
        try:
            yield GuestSocket(self, slot)
        finally:
            await self.command(slot, "fresh")

    async def sysctl(self, name: str, value: object) -> None:
        """Set *name*, with / between its parts; OSError if the kernel refuses."""
        await self.command(0, "sysctl", name, value)

    async def command(self, slot: int, command: str, *arguments: object) -> Result:
        """Return what init.c answers; OSError that the kernel gave."""
        stdin = self.machine.process.stdin
        assert stdin is not None
        tag = next(self._tags)
        line = " ".join(map(str, (tag, slot, command, *arguments)))
        answer = asyncio.get_running_loop().create_future()
        self._waiting[tag] = answer
        stdin.write(line.encode() + b"\n")
        stdin.flush()
        async with asyncio.timeout(COMMAND_TIMEOUT):
            return result_of(await answer)

    def pump_answers(self) -> None:
        """Give the answers that have come to those who wait for them."""
        stdout = self.machine.process.stdout
        assert stdout is not None
        *lines, self._rest = (self._rest + os.read(stdout.fileno(), 1 << 16)).split(b"\n")
        for line in lines:
            tag, _, text = line.partition(b" ")
            waiting = self._waiting.pop(int(tag), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(json.loads(text))


@contextlib.asynccontextmanager
async def joined(machine: Machine) -> AsyncIterator[Guest]:
    """Carry between the guest and rudp on the running loop for the time of the block."""
    loop = asyncio.get_running_loop()
    device, packets = wire.pair()
    path = wire.Wire(machine.frames, packets)
    answers = machine.process.stdout
    assert answers is not None
    with device, packets, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        plan = AddressPlan(IPv4Address(ADDRESS), IPv4Network(PREFIX))
        bridge = loop.create_task(Bridge(device.fileno(), sock, plan, "127.0.0.1").run())
        guest = Guest(machine, path, sock.getsockname())
        loop.add_reader(answers, guest.pump_answers)
        try:
            with path.open():
                yield guest
        finally:
            loop.remove_reader(answers)
            bridge.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await bridge
