"""Runs a setting: two programs on one connection, or a race, in virtual time, watched throughout.

Nothing here is special to browsers.  A program of the user's may do what it likes: what it raises
and prints becomes part of the answer; one that computes for ever has to be ended from outside.
"""

import asyncio
import contextlib
import dataclasses
import io
import json
import linecache
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Final

import rudp
from rudp.playground import names, race
from rudp.playground.setting import Setting
from rudp.sim import LinkOptions, VirtualLoop
from rudp.sim.loop import run_on
from rudp.testing.way import FaultyWay
from rudp.trace import EventLog, Recording, report

CLIENT: Final = ("10.0.0.1", 7000)
SERVER: Final = ("10.0.0.2", 7000)

FILE: Final = "program.py"
"""What the user's program is called in error messages."""

SECONDS_MAX: Final = 600.0
"""Virtual seconds of a run."""

PATIENCE: Final = 120.0
"""Virtual seconds that two programs may take."""

SETTLE: Final = 10.0
"""Virtual seconds that a run goes on when both programs have ended."""

EVENTS_MAX: Final = 60_000
"""Events after which a run is ended."""

TEXT_MAX: Final = 4000
"""Characters of what a program prints, and of what it raises."""


@dataclasses.dataclass
class Played:
    """What came of a setting.

    ``recording``: the events.  ``problem``: what went wrong, in words for the user, "" if nothing.
    ``output``: what the programs have printed.  ``happened``: all faults.  ``flows``: of a race,
    what each connection got.
    """

    setting: Setting
    recording: Recording
    problem: str = ""
    output: str = ""
    happened: str = ""
    flows: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def log(self) -> str:
        """Return the event log: what :meth:`rudp.trace.Recording.save` writes into a file."""
        return "".join(f"{line}\n" for line in self.recording.lines())

    def answer(self) -> str:
        """Return what the page shows, as JSON."""
        scenario = self.setting.played
        runs = []
        sent: list[list[str]] = []
        if self.recording.events:
            connections: list[str | None] = [None]
            if scenario.kind == "race":
                connections = ["client", "client#2"]
            labels = [flow["name"] for flow in self.flows] or [""]
            for connection, label in zip(connections, labels, strict=False):
                runs.append(report.packed(self.recording, connection=connection, name=label))
            sent = names.sent(self.recording)
        return json.dumps(
            {
                "title": scenario.title,
                "runs": runs,
                "sent": sent,
                "problem": self.problem,
                "output": self.output,
                "happened": self.happened,
                "flows": self.flows,
            }
        )


def run(setting: Setting | str) -> Played:
    """Run *setting*, or its JSON.  Raises :class:`rudp.playground.SettingError` if it is none."""
    if isinstance(setting, str):
        setting = Setting.parse(setting)
    return _Run(setting).play()


def config_of(setting: Setting) -> dict[str, Any]:
    """Return the settings of both ends."""
    settings: dict[str, Any] = {
        "mss": 1012,  # with the timestamps option, 1000 octets of data
        "mtu_discovery": False,
        "congestion": setting.congestion,
        "sack": setting.sack,
        "timestamps": setting.timestamps,
        "nodelay": not setting.nagle,
    }
    if setting.buffer is not None:
        settings |= {
            "receive_buffer": int(setting.buffer),
            "receive_buffer_max": int(setting.buffer),
        }
    return settings | setting.played.config


class _Run:
    """One run."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.log = EventLog(seed=int(setting.seed), script=str(setting.script()), sink=self._count)
        self._way: FaultyWay | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._events = 0
        self._failure = ""
        self._timer: asyncio.Timeout | None = None
        self._flows: list[dict[str, Any]] = []

    def play(self) -> Played:
        setting = self.setting
        printed = _Bounded()
        recording = self.log.recording
        problem = ""
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            try:
                main = self._prepared()
            except BaseException as error:
                _let_pass(error)
                problem = _told(error)
            else:
                problem, recording = run_on(self._new_loop, self._watched(main))
        happened = self._way.happened if self._way is not None else ()
        return Played(
            setting,
            recording,
            problem,
            printed.getvalue(),
            "; ".join(map(str, dict.fromkeys(happened))),
            self._flows,
        )

    def _prepared(self) -> Callable[[], Awaitable[str]]:
        """Run the text; return what is to be run on the loop."""
        text = self.setting.text
        linecache.cache[FILE] = len(text), None, text.splitlines(keepends=True), FILE
        program: dict[str, Any] = {"__name__": "program", "asyncio": asyncio, "rudp": rudp}
        exec(compile(text, FILE, "exec"), program)
        if self.setting.played.kind == "race":
            return self._race(race.controller(program))
        for name in ("client", "server"):
            if not asyncio.iscoroutinefunction(program.get(name)):
                raise race.ProgramError(f"there is no: async def {name}(reader, writer)")
        programs = program["client"], program["server"]
        return _Programs(self.setting, *programs, self._writers).run

    def _race(self, factory: Callable[[int, int], rudp.Controller]) -> Callable[[], Awaitable[str]]:
        async def main() -> str:
            settings = config_of(self.setting)
            self._flows = await race.run(settings, factory, CLIENT[0], SERVER[0], self._writers)
            return ""

        return main

    def _new_loop(self) -> VirtualLoop:
        setting = self.setting
        options: LinkOptions = {
            "delay": setting.rtt / 2,
            "loss": setting.loss,
            "rate": setting.rate,
            "queue": None if setting.queue is None else int(setting.queue),
        }
        loop = VirtualLoop(seed=int(setting.seed), **options)
        loop.watch = self.log.tracer
        loop.network.taps.append(self.log.tap)
        self._way = loop.network.way = FaultyWay(loop.network, setting.script())
        loop.set_exception_handler(self._take_failure)
        return loop

    async def _watched(self, main: Callable[[], Awaitable[str]]) -> tuple[str, Recording]:
        """Run *main* within bounds; return what went wrong, and the events until then."""
        problem = ""
        try:
            async with asyncio.timeout(SECONDS_MAX) as self._timer:
                problem = await main()
        except BaseException as error:
            _let_pass(error)
            if self._timer is not None and self._timer.expired():
                problem = f"it has not come to an end after {SECONDS_MAX:g} virtual seconds"
                if self._events >= EVENTS_MAX:
                    problem = f"it was ended after {EVENTS_MAX} events"
            else:
                problem = _told(error)
        recording = self.log.recording
        for writer in self._writers:  # what is left open is no part of the story
            writer.transport.abort()
        return problem or self._failure, recording

    def _take_failure(self, _: object, context: dict[str, Any]) -> None:
        """Something of the user's has raised where nobody waits for it: a task, a controller."""
        error = context.get("exception")
        if error is not None and not self._failure:
            self._failure = _told(error)

    def _count(self, event: object) -> None:
        self._events += 1
        if self._events == EVENTS_MAX and self._timer is not None:
            self._timer.reschedule(asyncio.get_running_loop().time())


Program = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class _Programs:
    """The client's program and the server's, on one connection."""

    def __init__(
        self,
        setting: Setting,
        client: Program,
        server: Program,
        writers: list[asyncio.StreamWriter],
    ) -> None:
        self._setting = setting
        self._writers = writers
        self._client = client
        self._server = server
        self._waiting: dict[str, Any] = {}
        self._problem = ""

    async def run(self) -> str:
        """Run both to their end; return what went wrong first."""
        config = rudp.Config(**config_of(self._setting))
        ended = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._played("server", self._server, reader, writer)
            if not ended.done():
                ended.set_result(None)

        await rudp.start_server(serve, *SERVER, config=config)
        try:
            reader, writer = await rudp.open_connection(*SERVER, local_addr=CLIENT, config=config)
        except OSError as error:
            return f"the connection could not be opened: {error}"
        client = asyncio.create_task(self._played("client", self._client, reader, writer))
        await asyncio.wait([client, ended], timeout=PATIENCE)
        if self._waiting and not self._problem:
            still = [
                f"the {side} waits in line {_line(program)}"
                for side, program in sorted(self._waiting.items())
            ]
            self._problem = f"after {PATIENCE:g} virtual seconds {' and '.join(still)}"
        client.cancel()
        await asyncio.sleep(SETTLE)
        return self._problem

    async def _played(
        self,
        side: str,
        program: Program,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Run one program; if it fails its connection is aborted, as where a process ends."""
        self._writers.append(writer)
        self._waiting[side] = running = program(reader, writer)
        try:
            await running
        except asyncio.CancelledError:
            raise
        except (Exception, SystemExit) as error:
            self._problem = self._problem or f"the {side}: {_told(error)}"
            writer.transport.abort()
        else:
            writer.close()
        del self._waiting[side]


def _line(program: Any) -> int:
    """Return the line of the user's in which a coroutine waits."""
    line = 0
    while (frame := getattr(program, "cr_frame", None)) is not None:
        if frame.f_code.co_filename == FILE:
            line = frame.f_lineno
        program = program.cr_await
    return line


class _Bounded(io.StringIO):
    """Keeps the first :data:`TEXT_MAX` characters."""

    def write(self, text: str, /) -> int:
        super().write(text[: max(TEXT_MAX - self.tell(), 0)])
        return len(text)


def _let_pass(error: BaseException) -> None:
    """Raise *error* if it is none of the program's."""
    if isinstance(error, KeyboardInterrupt | asyncio.CancelledError | GeneratorExit):
        raise error


def _told(error: BaseException) -> str:
    """Return an exception in words, with the line of the program where it was raised."""
    if isinstance(error, race.ProgramError):
        return str(error)[:TEXT_MAX]
    if isinstance(error, SyntaxError):
        return f"line {error.lineno} is no Python: {error.msg}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == FILE
    ]
    where = f"line {lines[-1]}: " if lines else ""
    said = f": {error}" if str(error) else ""
    return f"{where}{type(error).__name__}{said}"[:TEXT_MAX]
