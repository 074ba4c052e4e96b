"""What can go wrong below a connection, made to happen on purpose.

A test runs its program with :meth:`Way.run`, over sockets of our own, as on Linux or as on any
system, over the loop's own datagram transport or over the latter on virtual time.
:class:`Faults` then says what becomes of each datagram that one side sends.
"""

import asyncio
import contextlib
import dataclasses
import errno
import math
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

import rudp
from rudp.sim import VirtualLoop
from rudp.udp.own import QuietSocket
from tests.udp.kit import cut

T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

HOST: Final = "127.0.0.1"
DELAY: Final = 0.01
"""Seconds that a datagram travels on virtual time."""

AGAIN: Final = 0.005
"""Seconds for which a socket that is full takes nothing, where it is the loop's own."""

MSS: Final = 1400
"""Octets; loopback's own segments of 65 KiB would leave little to lose."""


class JumpingLoop(VirtualLoop):
    """A loop on virtual time whose clock can be set; its timers follow the clock, as on any."""

    def __init__(self, **options: Any) -> None:
        self._ahead = 0.0
        super().__init__(**options)

    def time(self) -> float:
        """Return what the clock shows."""
        return super().time() + self._ahead

    def jump(self, seconds: float) -> None:
        """Set the clock forward, or back if *seconds* is negative."""
        self._ahead += seconds
        self._set_resolution()

    def _next_timer(self) -> float:
        return super()._next_timer() - self._ahead  # as the network's clock has it

    def _set_resolution(self) -> None:
        # There and back costs a few of the last digits of the larger number.
        self._clock_resolution = 4 * math.ulp(max(super().time(), abs(self._ahead)))


class Faults:
    """What becomes of each datagram that a socket sends.

    *rule* is asked for the datagram and gives an errno number, or 0 if it may leave.  ``refused``
    counts those that did not.
    """

    def __init__(self, rule: Callable[[bytes], int] = lambda datagram: 0) -> None:
        self.rule = rule
        self.refused = 0

    def check(self, datagram: bytes) -> None:
        """Raise the OSError that *datagram* meets, if any."""
        code = self.rule(datagram)
        if code:
            self.refused += 1
            raise OSError(code, os.strerror(code))


class FaultySocket(QuietSocket):
    """A UDP socket whose sends fail as *faults* say, ``sendmsg`` as a whole for one datagram."""

    faults = Faults()

    def sendmsg(self, buffers: Any, ancillary: Any = (), *rest: Any) -> int:
        for datagram in cut(buffers, ancillary):
            self.faults.check(datagram)
        return super().sendmsg(buffers, ancillary, *rest)

    def send(self, data: Any, *rest: Any) -> int:
        self.faults.check(bytes(data))
        return super().send(data, *rest)

    def sendto(self, data: Any, *rest: Any) -> int:
        self.faults.check(bytes(data))
        return super().sendto(data, *rest)


class FaultyTransport(asyncio.DatagramTransport):
    """The loop's own transport, whose ``sendto`` meets *faults* as asyncio's would report them."""

    def __init__(self, below: Any, port: Any, faults: Faults) -> None:
        self._below = below
        self._port = port
        self._faults = faults
        self._waiting: list[tuple[Any, Any]] = []

    def sendto(self, data: Any, addr: Any = None) -> None:
        if self._waiting:
            self._waiting.append((data, addr))
            return
        try:
            self._faults.check(bytes(data))
        except BlockingIOError:
            self._waiting.append((data, addr))
            self._port.pause_writing()
            asyncio.get_running_loop().call_later(AGAIN, self._again)
        except OSError as error:
            self._port.error_received(error)
        else:
            self._below.sendto(data, addr)

    def _again(self) -> None:
        waiting, self._waiting = self._waiting, []
        for data, addr in waiting:
            self.sendto(data, addr)
        if not self._waiting and not self.is_closing():
            self._port.resume_writing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._below.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return bool(self._below.is_closing())

    def close(self) -> None:
        self._below.close()


@contextlib.contextmanager
def _faulty_endpoints(faults: Faults) -> Iterator[None]:
    """Have the datagram endpoints that the running loop makes meanwhile meet *faults*."""
    loop: Any = asyncio.get_running_loop()
    create = loop.create_datagram_endpoint

    def create_faulty(factory: Callable[[], Any], *args: Any, **options: Any) -> Any:
        def make() -> Any:
            port = factory()
            made = port.connection_made
            port.connection_made = lambda below: made(FaultyTransport(below, port, faults))
            return port

        return create(make, *args, **options)

    loop.create_datagram_endpoint = create_faulty
    try:
        yield
    finally:
        loop.create_datagram_endpoint = create


@dataclasses.dataclass(frozen=True)
class Way:
    """One of ``linux``, ``selector``, ``portable`` and ``virtual``.

    *new_loop* makes the loop of the real ones.
    """

    name: str
    new_loop: LoopFactory

    @property
    def is_virtual(self) -> bool:
        return self.name == "virtual"

    @property
    def has_socket(self) -> bool:
        """Whether the socket is ours, and may be a faulty one."""
        return self.name in ("linux", "selector")

    @property
    def io(self) -> Any:
        """The ``datagram_io`` of it."""
        return "auto" if self.is_virtual else self.name

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a program; nothing may reach the exception handler, and no task may be left."""
        reports: list[dict[str, Any]] = []

        async def watched() -> T:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: reports.append(context))
            result = await main
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                _, others = await asyncio.wait(others, timeout=5.0)
            assert not others
            return result

        factory = (lambda: JumpingLoop(delay=DELAY)) if self.is_virtual else self.new_loop
        with asyncio.Runner(debug=True, loop_factory=factory) as runner:
            result = runner.run(watched())
        assert not reports
        return result

    def config(self, **settings: Any) -> rudp.Config:
        # At the end of the loop nobody waits long for a peer that is gone.
        given = {"mss": MSS, "datagram_io": self.io, "linger": 0.3} | settings
        return rudp.Config(**given)

    async def start_server(
        self,
        connected: Callable[..., Any],
        faults: Faults | None = None,
        *,
        host: str = HOST,
        **settings: Any,
    ) -> rudp.Server:
        """Serve on a free port; what the server sends meets *faults*."""
        config = self.config(**settings)
        if faults is None:
            return await rudp.start_server(connected, host, 0, config=config)
        if self.has_socket:
            sock = _faulty_socket(faults)
            return await rudp.start_server(connected, sock=sock, config=config)
        with _faulty_endpoints(faults):
            return await rudp.start_server(connected, HOST, 0, config=config)

    async def open_connection(
        self, server: Any, faults: Faults | None = None, **settings: Any
    ) -> Streams:
        """Connect to *server*, or to an address; what the client sends meets *faults*."""
        address = server if isinstance(server, tuple) else server.sockets[0].getsockname()
        config = self.config(**settings)
        if faults is None:
            return await rudp.open_connection(*address, config=config)
        if self.has_socket:
            sock = _faulty_socket(faults)
            sock.connect(address)
            return await rudp.open_connection(sock=sock, config=config)
        with _faulty_endpoints(faults):
            return await rudp.open_connection(*address, local_addr=(HOST, 0), config=config)


def _faulty_socket(faults: Faults) -> FaultySocket:
    sock = FaultySocket(type=2)
    sock.faults = faults
    sock.bind((HOST, 0))
    return sock


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """Leave this process without a free descriptor."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        probe = os.open(os.devnull, os.O_RDONLY)
        os.close(probe)
        used = max(probe, *(int(name) for name in os.listdir("/dev/fd") if name.isdigit()))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, hard))
        with contextlib.suppress(OSError):
            while True:
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield


async def ask(streams: Streams) -> None:
    """Send a word to one who echoes, and get it back."""
    reader, writer = streams
    writer.write(b"unharmed")
    assert await reader.readexactly(8) == b"unharmed"


def to_port(datagram: bytes) -> int:
    """Return the TCP port that a datagram is for."""
    return int.from_bytes(datagram[2:4], "big")


@contextlib.asynccontextmanager
async def closing(server: rudp.Server) -> AsyncIterator[rudp.Server]:
    """Close *server* at the end and wait until the last of its connections is gone."""
    try:
        yield server
    finally:
        server.close()
    await server.wait_closed()


NO_ROUTE: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EPERM)
"""What a system says when there is no way to the peer just now, or none that is allowed."""
