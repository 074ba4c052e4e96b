"""One script over one network, and what both ends saw.

The log of an end has a part for each stretch between two waits.  Data counts as octets that arrived
in all, never as pieces, and each octet is compared with what was written.
"""

import asyncio
import dataclasses
import functools
import random
from collections.abc import Callable
from typing import Any, Final

import rudp
from rudp.core.segment import wire
from rudp.sim import LinkOptions, VirtualLoop
from tests.aio.kit import Net
from tests.differential.script import READING, TASKS, UNREAD_MAX, Character, Script, Step

HOST: Final = "127.0.0.1"
QUIET_TURNS: Final = 4
"""Real waits of a millisecond without any news, until nothing more is expected."""

PATIENCE: Final = 3.0
"""Seconds, real ones, for which something is waited for that ought to come."""

VIRTUAL_PATIENCE: Final = 900.0
AFTERMATH: Final = 20.0
"""Virtual seconds: the longest a rest takes that nobody waits for, an ACK or a reset."""


PATIENT: Final = rudp.Config(fin_wait2_timeout=1e6)
"""What one waits for on virtual time may take longer than a kernel would keep half a connection."""


@functools.cache
def content(end: str) -> bytes:
    """Return what *end* writes, from its first octet on: lines of some length."""
    dice = random.Random(end)
    block = b"".join(dice.randbytes(dice.randrange(200)) + b"\n" for _ in range(2_000))
    return block * (50_000_000 // len(block))


@dataclasses.dataclass
class Part:
    """What one end did and saw between two waits.

    *steps* have results, *calls* are callbacks and what was done inside of them, *tasks* what ended
    meanwhile, in no order.  *received* are octets so far; did the end write (*wrote*)?  After the
    wait, is it *deaf*, that is paused or past the peer's last, and is the way to the peer *full*?
    """

    steps: list[str] = dataclasses.field(default_factory=list)
    calls: list[str] = dataclasses.field(default_factory=list)
    tasks: list[str] = dataclasses.field(default_factory=list)
    received: int = 0
    wrote: bool = False
    deaf: bool = False
    full: bool = False

    def __str__(self) -> str:
        known = (*self.steps, *self.calls, *sorted(self.tasks), f"{self.received} octets")
        return ", ".join(known)


@dataclasses.dataclass
class Trace:
    """What an end saw in all.

    *accepted*: octets of those *written* that it handed over while it was open; *arrived*: those
    that came, read or not; *moments*: pauses of its writer.
    """

    parts: list[Part]
    written: int
    accepted: int
    arrived: int
    wrong: bool
    heard_end: bool
    aborted: bool
    moments: list[str]


Traces = tuple[Trace, Trace]
"""What the client saw, and what the server saw."""


class End:
    """One end of a connection: takes steps and writes down what becomes of them."""

    def __init__(self, name: str, character: Character) -> None:
        self.name = name
        self.character = character
        self.parts = [Part()]
        self.moments: list[str] = []
        self.transport: Any = None
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None
        self.tasks: list[asyncio.Task[Any]] = []
        self.reads: list[asyncio.Task[Any]] = []
        self.closing: list[asyncio.Task[Any]] = []
        self.blind = False
        self.moved = 0
        self.generation = 0
        self.written = 0
        self.accepted = 0
        self.arrived = 0
        self.received = 0
        self.wrong = False
        self.finished = False
        self.aborted = False
        self.told_end = False
        self.lost = ""
        self.inside = 0
        self.acted: set[str] = set()
        self.expected = content("client" if name == "server" else "server")
        self.peer = self
        self.made = asyncio.get_running_loop().create_future()

    def trace(self) -> Trace:
        """Return what there is to compare."""
        return Trace(
            self.parts[:-1],  # the last one is empty
            self.written,
            self.accepted,
            self.arrived,
            self.wrong,
            self.told_end,
            self.aborted,
            self.moments[:],
        )

    @property
    def part(self) -> Part:
        return self.parts[-1]

    def cut(self) -> None:
        """Begin a new part."""
        self.part.received = self.received
        self.part.deaf = self.told_end or not self.transport.is_reading()
        self.part.full = self.accepted - self.peer.received > UNREAD_MAX
        self.parts.append(Part())

    def note(self, call: str) -> None:
        self.moved += 1
        if call != "data" or "data" not in self.part.calls:
            self.part.calls.append(call)

    def took(self, data: bytes) -> None:
        """Compare *data* with what the peer wrote there."""
        at = self.received
        self.wrong |= self.expected[at : at + len(data)] != data and not self.blind
        self.received = at + len(data)
        self.moved += 1

    def awaits(self, peer: "End") -> bool:
        """Return whether something from *peer* ought to come here yet."""
        if self.lost and any(not task.done() for task in self.closing):
            return True  # the acknowledgement of the end
        if self.lost or self.told_end or self.transport is None or peer.aborted:
            return False
        if self.transport.is_closing() or not self.transport.is_reading():
            return False
        return self.arrived < peer.accepted or peer.finished

    # -- the steps -------------------------------------------------------------------------------

    def take(self, step: Step) -> None:
        """Take *step* and write down what it gave or raised."""
        self.moved += 1
        if step.what in READING and any(not task.done() for task in self.reads):
            return  # what the two would share is asyncio's to say
        if step.what in TASKS:
            task = asyncio.get_running_loop().create_task(self._task(step))
            self.tasks.append(task)
            if step.what in READING:
                self.reads.append(task)
            elif step.what == "wait_closed":
                self.closing.append(task)
            return
        try:
            result = repr(getattr(self, f"_do_{step.what}")(step.size))
        except Exception as error:
            result = type(error).__name__
        where = self.part.calls if self.inside else self.part.steps
        where.append(f"{step.what}: {result}")

    def act_in(self, callback: str) -> None:
        """Do what the character does in *callback*, the first time."""
        what = getattr(self.character, callback)
        if what and callback not in self.acted:
            self.acted.add(callback)
            self._act(what)

    def _act(self, what: str) -> None:
        if what in ("raise", "raise_os"):
            raise ValueError(self.name) if what == "raise" else OSError(5, self.name)
        self.inside += 1
        for name in what.split("_", 1) if what == "write_close" else (what,):
            self.take(Step(self.name, name, 300 if name == "write" else 0))
        self.inside -= 1

    async def _task(self, step: Step) -> None:
        try:
            result = await getattr(self, f"_await_{step.what}")(step.size)
        except asyncio.CancelledError:
            result = "cancelled"
            self.blind |= step.what == "read_all"  # asyncio drops what it has read
        except asyncio.IncompleteReadError as error:
            self.took(error.partial)
            result = f"incomplete {len(error.partial)}"
        except Exception as error:
            result = _name(error)
        self.moved += 1
        self.part.tasks.append(f"{step.what}: {result}")

    def _next(self, size: int) -> bytes:
        return content(self.name)[self.written : self.written + size]

    def _wrote(self, size: int) -> None:
        self.written += size
        self.part.wrote = True
        if not self.transport.is_closing() and not self.finished:
            self.accepted = self.written

    @property
    def _out(self) -> Any:
        return self.writer or self.transport

    def _do_write(self, size: int) -> None:
        self._out.write(self._next(size))
        self._wrote(size)

    def _do_writelines(self, size: int) -> None:
        data = self._next(size)
        self._out.writelines([data[:100], b"", bytearray(data[100:])])
        self._wrote(size)

    def _do_write_nothing(self, _: int) -> None:
        self._out.write(b"")

    def _do_write_text(self, _: int) -> None:
        self._out.write("text")

    def _do_write_eof(self, _: int) -> None:
        self._out.write_eof()
        self.finished = True

    def _do_close(self, _: int) -> None:
        self._out.close()
        self.finished = True

    def _do_abort(self, _: int) -> None:
        self.transport.abort()
        self.finished = True
        self.aborted = True

    def _do_pause(self, _: int) -> None:
        self.transport.pause_reading()

    def _do_resume(self, _: int) -> None:
        self.transport.resume_reading()

    def _do_is_closing(self, _: int) -> bool:
        closing: bool = self._out.is_closing()
        return closing

    def _do_is_reading(self, _: int) -> bool:
        reading: bool = self.transport.is_reading()
        return reading

    def _do_at_eof(self, _: int) -> bool:
        assert self.reader is not None
        return self.reader.at_eof()

    def _do_buffered(self, _: int) -> bool | None:
        if self.part.wrote:
            return None  # the datagrams of this turn leave at its end
        buffered: bool = self.transport.get_write_buffer_size() > 0
        return buffered

    def _do_limits(self, size: int) -> Any:
        self.transport.set_write_buffer_limits(high=size)
        return self.transport.get_write_buffer_limits()

    def _do_bad_limits(self, _: int) -> None:
        self.transport.set_write_buffer_limits(high=1, low=2)

    def _do_set_protocol(self, _: int) -> None:
        self.transport.set_protocol(ears(self, made=True))

    def _do_cancel(self, _: int) -> bool:
        for task in self.tasks:
            if not task.done():
                return task.cancel()
        return False

    async def _await_read(self, size: int) -> str:
        """Read *size* octets, in whatever pieces, or to the end."""
        assert self.reader is not None
        left = size
        while left and (data := await self.reader.read(left)):
            self.took(data)
            left -= len(data)
        return str(size - left)

    async def _await_exactly(self, size: int) -> str:
        assert self.reader is not None
        self.took(await self.reader.readexactly(size))
        return "all"

    async def _await_line(self, _: int) -> str:
        assert self.reader is not None
        data = await self.reader.readline()
        self.took(data)
        return str(len(data))

    async def _await_read_all(self, _: int) -> str:
        assert self.reader is not None
        data = await self.reader.read()
        self.took(data)
        return str(len(data))

    async def _await_drain(self, _: int) -> str:
        assert self.writer is not None
        await self.writer.drain()
        return "done"

    async def _await_wait_closed(self, _: int) -> str:
        assert self.writer is not None
        await self.writer.wait_closed()
        return "done"


def _name(error: BaseException) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return f"{type(error).__name__}" + (f" {number}" if number else "")


class _Ears:
    """The callbacks, for an end; *made* if the connection was made before."""

    def __init__(self, end: End, made: bool) -> None:
        self.end = end
        end.generation += 1
        self.mark = "" if end.generation == 1 else f"{end.generation} "
        self.paused = False

    def connection_made(self, transport: Any) -> None:
        self.end.transport = transport
        self.end.note(f"{self.mark}made")
        self.end.made.set_result(None)
        self.end.act_in("made")

    def eof_received(self) -> bool:
        self.end.note(f"{self.mark}eof")
        self.end.told_end = True
        self.end.act_in("eof")
        return self.end.character.keep_open

    def pause_writing(self) -> None:
        self.end.moments.append(f"{self.mark}pause")

    def resume_writing(self) -> None:
        self.end.moments.append(f"{self.mark}resume")

    def connection_lost(self, error: BaseException | None) -> None:
        name = "None" if error is None else _name(error)
        self.end.note(f"{self.mark}lost {name}")
        self.end.lost = name
        self.end.act_in("lost")


class PlainEars(_Ears, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self.end.note("data")
        self.end.arrived += len(data)
        self.end.took(data)
        self.end.act_in("data")


class BufferedEars(_Ears, asyncio.BufferedProtocol):
    def __init__(self, end: End, made: bool) -> None:
        super().__init__(end, made)
        self.buffer = bytearray(5_000)

    def get_buffer(self, hint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, size: int) -> None:
        self.end.note("data")
        self.end.arrived += size
        self.end.took(bytes(self.buffer[:size]))
        self.end.act_in("data")


def ears(end: End, made: bool = False) -> Any:
    return (BufferedEars if end.character.kind == "buffered" else PlainEars)(end, made)


def streams(end: End, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Make *end* one of streams, and listen to what its protocol hears."""
    end.reader, end.writer = reader, writer
    end.transport = writer.transport
    protocol: Any = end.transport.get_protocol()

    def listen(to: Any, name: str, heard: Callable[..., None]) -> None:
        plain = getattr(to, name)

        def both(*arguments: Any) -> Any:
            heard(*arguments)
            return plain(*arguments)

        setattr(to, name, both)

    def arrived(data: bytes) -> None:
        end.moved += 1
        end.arrived += len(data)

    def eof() -> None:
        end.told_end = True
        end.note("eof")

    def lost(error: BaseException | None) -> None:
        end.lost = "None" if error is None else _name(error)
        end.note(f"lost {end.lost}")

    listen(reader, "feed_data", arrived)
    listen(protocol, "eof_received", eof)
    listen(protocol, "connection_lost", lost)
    listen(protocol, "pause_writing", lambda: end.moments.append("pause"))
    listen(protocol, "resume_writing", lambda: end.moments.append("resume"))
    end.note("made")
    end.made.set_result(None)


async def _settle(ends: tuple[End, End], virtual: bool) -> None:
    """Wait until nothing is on the way any more."""
    loop = asyncio.get_running_loop()
    one, other = ends
    step, patience = (0.5, VIRTUAL_PATIENCE) if virtual else (0.001, PATIENCE)
    give_up = loop.time() + patience
    calm = 0
    while calm < QUIET_TURNS:
        before = one.moved + other.moved
        await asyncio.sleep(step)
        if loop.time() < give_up and (one.awaits(other) or other.awaits(one)):
            continue
        calm = calm + 1 if one.moved + other.moved == before else 0
    if virtual:
        await asyncio.sleep(AFTERMATH)
    for end in ends:
        end.cut()


async def play(net: Net, script: Script) -> Traces:
    """Run *script* over *net*; return what the client saw and what the server saw."""
    ends = client, server = End("client", script.client), End("server", script.server)

    client.peer, server.peer = server, client

    def report(_: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        end = server if "server" in str(error) else client
        end.note(f"reported {type(error).__name__}")

    asyncio.get_running_loop().set_exception_handler(report)
    listening: Any
    if script.server.kind == "streams":
        listening = await net.start_server(functools.partial(streams, server))
    else:
        listening = await net.create_server(lambda: ears(server))
    address = listening.sockets[0].getsockname()[:2]
    if script.client.kind == "streams":
        streams(client, *await net.open_connection(*address))
    else:
        await net.create_connection(lambda: ears(client), *address)
    await server.made
    await _settle(ends, net.is_virtual)
    by_name = {"client": client, "server": server}
    for step in script.steps:
        if step.what == "settle":
            await _settle(ends, net.is_virtual)
        elif step.what == "stop":
            listening.close()
        elif step.what == "turns":
            for _ in range(step.size):
                await asyncio.sleep(0)
        else:
            by_name[step.end].take(step)
    await _settle(ends, net.is_virtual)
    seen = client.trace(), server.trace()
    listening.close()
    for end in ends:
        for task in end.tasks:
            task.cancel()
        end.transport.abort()
    await asyncio.gather(*client.tasks, *server.tasks, return_exceptions=True)
    await listening.wait_closed()
    for _ in range(3):
        await asyncio.sleep(0)
    return seen


def over_tcp(script: Script) -> Traces:
    """Run *script* over the kernel's TCP."""
    with asyncio.Runner(debug=False, loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(play(Net("tcp", None), script))


def over_loopback(script: Script) -> Traces:
    """Run *script* over rudp on real sockets."""
    with asyncio.Runner(debug=False, loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(play(Net("rudp", rudp.Config()), script))


def over_bad_path(script: Script) -> Traces:
    """Run *script* over rudp on virtual time, where datagrams are lost, late, doubled and mixed.

    Resets are not lost: nobody repeats one, and who only listens would never learn.
    """
    dice = random.Random(f"path {script.number}")
    loss = dice.choice((0.0, 0.02, 0.1))
    options = LinkOptions(
        delay=dice.choice((0.001, 0.02, 0.1)),
        jitter=dice.choice((0.0, 0.01, 0.05)),
        ordered=dice.random() < 0.5,
        duplicate=dice.choice((0.0, 0.05)),
        reorder=dice.choice((0.0, 0.1)),
        rate=dice.choice((None, 20_000_000.0)),
        drop=lambda data, now: not data[13] & wire.RST and dice.random() < loss,
    )

    def new_loop() -> VirtualLoop:
        return VirtualLoop(seed=script.number, **options)

    with asyncio.Runner(debug=False, loop_factory=new_loop) as runner:
        return runner.run(play(Net("virtual", PATIENT), script))
