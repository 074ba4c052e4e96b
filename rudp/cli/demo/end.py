"""One end of a scenario in a process of its own: ``python -m rudp.cli.demo.end``.

The scenario's script runs in another process and tells this one what to do, a JSON object a line
on standard input; each is answered with one on standard output.  The first says which end it is.
The last, ``finish``, is answered with everything that happened; then the process waits to be
killed, for if it ended by itself it would reset what is open, before the other end has told all.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

import rudp
from rudp.cli import running, stdio
from rudp.cli.badpath import BadPath
from rudp.cli.demo.faults import Fault, Losses
from rudp.cli.demo.scenarios import SCENARIOS
from rudp.sim import Link
from rudp.trace import Capture, EventLog
from rudp.trace.events import Event, StateMoved, encode
from rudp.trace.tee import Tee

PATIENCE: Final = 20.0
"""Seconds that the end waits for what its user wants to read."""

CONNECT: Final = 5.0
"""Seconds after which an open is given up."""

HEADER_MAX: Final = 60
"""Octets of a header with options, at most."""

Loss = tuple[float, str, str]
"""When a segment was lost, who sent it, and its header in hexadecimal digits."""

_PIECE: Final = 1 << 16


class User(asyncio.BufferedProtocol):
    """Reads no more than it is told to."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.opened = asyncio.get_running_loop().create_future()
        self._wanted = 0
        self._ended = False
        self._news = asyncio.Event()
        self._buffer = bytearray(_PIECE)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read nothing yet."""
        self.transport = transport
        self.transport.pause_reading()
        self.opened.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Offer room for what is wanted."""
        return memoryview(self._buffer)[: min(max(self._wanted, 1), _PIECE)]

    def buffer_updated(self, nbytes: int) -> None:
        """Octets have come."""
        self._wanted -= nbytes
        self._look()

    def eof_received(self) -> bool:
        """The peer has closed its half; ours stays open."""
        self._ended = True
        self._news.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._ended = True
        self._news.set()

    async def read(self, octets: int | None) -> None:
        """Read so many *octets*, None for all until the peer closes."""
        self._wanted = octets if octets is not None else sys.maxsize
        while self._wanted > 0 and not self._ended:
            self._news.clear()
            self.transport.resume_reading()
            await asyncio.wait_for(self._news.wait(), PATIENCE)

    def _look(self) -> None:
        if self._wanted <= 0:
            self.transport.pause_reading()
        self._news.set()


class WatchedLink(Link):
    """A link from *side* that notes in *lost* when it lost what; of a segment, the header."""

    __slots__ = ("_lost_ones", "_side")

    def __init__(self, side: str, lost: list[Loss], **options: Any) -> None:
        super().__init__(**options)
        self._side = side
        self._lost_ones = lost

    def carry(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        """Do as any link."""
        arrivals = super().carry(data, now)
        if not arrivals:
            self._lost_ones.append((now, self._side, data[:HEADER_MAX].hex()))
        return arrivals


class Process:
    """What this process is and does; each public method is a command."""

    def __init__(self, end: str, scenario: str, msl: float, capture: str | None) -> None:
        self._end = end
        self._config = SCENARIOS[scenario].config(
            msl=msl, datagram_io="portable", connect_timeout=CONNECT
        )
        self._log = EventLog(sink=self._note)
        self._log.time(0.0)  # both processes count from the same instant
        self._tracer: rudp.Tracer = self._log.tracer(end)
        self._capture: Capture | None = None
        if capture is not None:
            peer = "server" if end == "client" else "client"
            self._capture = Capture(capture, name=end, peer_name=peer)
            self._tracer = Tee(self._tracer, self._capture)
        self._accepted: asyncio.Queue[User] = asyncio.Queue()
        self._user: User | None = None
        self._server: rudp.Server | None = None
        self._path: BadPath | None = None
        self._links: list[Link] = []
        self._lost: list[Loss] = []
        self._closed = asyncio.Event()

    async def listen(
        self, delay: float, loss: float, seed: int, faults: list[str], limits: dict[str, Any]
    ) -> dict[str, Any]:
        """Listen behind a bad path; *limits*: of the client's way."""
        self._server = await rudp.create_server(
            self._accept, "127.0.0.1", 0, config=self._config, tracer=self._tracer
        )
        address = self._server.sockets[0].getsockname()
        named = tuple(Fault.parse(text) for text in faults)
        for side in ("client", "server"):
            link = WatchedLink(side, self._lost, seed=f"{seed} {side}", delay=delay, loss=loss)
            link.configure(drop=Losses(named, side).drop)
            self._links.append(link)
        self._links[0].configure(**limits)
        self._path = BadPath(address, *self._links)
        await self._path.open()
        return {"address": self._path.address[:2], "inner_port": address[1]}

    async def connect(self, address: list[Any], inner_port: int) -> None:
        """Open a connection."""
        _, user = await rudp.create_connection(
            User, address[0], address[1], inner_port=inner_port, config=self._config,
            tracer=self._tracer,
        )  # fmt: skip
        self._user = user

    async def accept(self) -> None:
        """Wait for a connection."""
        self._user = await asyncio.wait_for(self._accepted.get(), PATIENCE)
        await self._user.opened

    async def send(self, octets: int) -> None:
        """Send *octets* zeros."""
        self._transport.write(bytes(octets))

    async def read(self, octets: int | None) -> None:
        """Read so many *octets*, None for all."""
        assert self._user is not None
        await self._user.read(octets)

    async def shut_down(self) -> None:
        """Close our half."""
        self._transport.write_eof()

    async def abort(self) -> None:
        """Reset the connection."""
        rudp.reset(self._transport)

    async def settle(self) -> None:
        """Wait until the connection is CLOSED, TIME-WAIT over."""
        await asyncio.wait_for(self._closed.wait(), PATIENCE)

    async def finish(self) -> dict[str, Any]:
        """Return all that happened, and when which segment of whom was lost."""
        if self._capture is not None:
            self._capture.flush()
        if self._path is not None:
            self._path.close()
        return {"events": [encode(event) for event in self._log.events], "lost": self._lost}

    @property
    def _transport(self) -> Any:
        assert self._user is not None
        return self._user.transport

    def _note(self, event: Event) -> None:
        if isinstance(event, StateMoved) and event.after is rudp.State.CLOSED:
            self._closed.set()

    def _accept(self) -> User:
        user = User()
        self._accepted.put_nowait(user)
        return user


async def commands() -> AsyncIterator[bytes]:
    """Yield the lines of standard input, which not every loop can watch."""
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    stdio.Source(sys.stdin.fileno(), arrived.put_nowait, lambda _: arrived.put_nowait(b"")).resume()
    begun = b""
    while data := await arrived.get():
        *lines, begun = (begun + data).split(b"\n")
        for line in lines:
            yield line


async def serve() -> None:
    """Do as standard input says."""
    process = None
    async for line in commands():
        command = json.loads(line)
        name = command.pop("do")
        try:
            if process is None:
                process, answer = Process(**command), None
            else:
                answer = await getattr(process, name)(**command)
                await asyncio.sleep(0)  # what was written leaves in this turn
        except OSError as error:
            answer = {"error": running.in_words(error)}
        print(json.dumps(answer or {}), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(serve())
