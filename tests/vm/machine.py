"""A virtual machine with one TCP in it, and the kernel in there as the tests see it."""

import asyncio
import contextlib
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


class Machine:
    """A running emulator: *process* takes and gives lines, *frames* a frame per message.

    ``release`` is the kernel's, as uname tells it.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], frames: socket.socket, release: str
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.frames = frames
        self.release = release
        self.slots = itertools.cycle(range(1, SLOTS))
        self.joined = False
        self.answers = process.stdout
        self._commands = process.stdin
        self._tags = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Result]] = {}
        self._rest = b""

    async def command(self, slot: int, command: str, *arguments: object) -> Result:
        """Return what init.c answers; OSError that the kernel gave, or if not joined."""
        if not self.joined:
            raise ConnectionError("nobody reads the answers any more")
        tag = next(self._tags)
        line = " ".join(map(str, (tag, slot, command, *arguments)))
        answer = self._waiting[tag] = asyncio.get_running_loop().create_future()
        self._commands.write(line.encode() + b"\n")
        self._commands.flush()
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                return result_of(await answer)
        finally:
            del self._waiting[tag]

    def pump_answers(self) -> None:
        """Give the answers that have come to those who wait for them."""
        octets = self._rest + os.read(self.answers.fileno(), 1 << 16)
        *lines, self._rest = octets.split(b"\n")
        for line in lines:
            tag, _, text = line.partition(b" ")
            waiting = self._waiting.get(int(tag))
            if waiting is not None and not waiting.done():
                waiting.set_result(json.loads(text))


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
            *("setpriv", "--pdeathsig", "KILL"),  # however this process ends
            *(EMULATOR, "-accel", "tcg", "-cpu", "max", "-m", "512M"),
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-kernel", str(built.kernel), "-initrd", str(built.initramfs)),
            *("-append", built.parameters),
            *("-serial", f"file:{console}", "-serial", "stdio"),
            *(
                "-netdev",
                link,
                "-device",
                f"virtio-net-pci,netdev=link,romfile=,mac={wire.GUEST.hex(':')}",
            ),
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


class _Slot(Socket):
    def __init__(self, machine: Machine, number: int) -> None:
        self._machine = machine
        self._number = number

    async def do(self, command: str, *arguments: object) -> Result:
        return await self._machine.command(self._number, command, *arguments)


class Guest(Kernel):
    """The kernel of *machine* behind a bridge; *path* is the wire between them."""

    def __init__(self, machine: Machine, path: wire.Wire, udp_address: tuple[str, int]) -> None:
        super().__init__(udp_address)
        self.path = path
        self.release = machine.release
        self._machine = machine

    @contextlib.asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        slot = _Slot(self._machine, next(self._machine.slots))
        try:
            yield slot
        finally:
            await slot.do("fresh")

    async def sysctl(self, name: str, value: object) -> None:
        """Set *name*, with / between its parts; OSError if the kernel refuses."""
        await self._machine.command(0, "sysctl", name, value)


@contextlib.asynccontextmanager
async def joined(machine: Machine) -> AsyncIterator[Guest]:
    """Carry between the guest and rudp on the running loop for the time of the block."""
    loop = asyncio.get_running_loop()
    device, packets = wire.pair()
    path = wire.Wire(machine.frames, packets)
    with device, packets, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        plan = AddressPlan(IPv4Address(ADDRESS), IPv4Network(PREFIX))
        bridge = loop.create_task(Bridge(device.fileno(), sock, plan, "127.0.0.1").run())
        guest = Guest(machine, path, sock.getsockname())
        loop.add_reader(machine.answers, machine.pump_answers)
        machine.joined = True
        try:
            with path.open():
                yield guest
                # Else rudp would wait for its last acknowledgements when the loop is closed.
                await path.quiet()
        finally:
            machine.joined = False
            loop.remove_reader(machine.answers)
            bridge.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await bridge
