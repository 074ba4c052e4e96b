"""One run of a program on a simulated network, watched from its beginning.

While it runs, what happens on each connection goes into a log of bounded length and into a capture
of bounded size.  They cost some tens of microseconds a segment, and are made into something to look
at only when they are asked for: the ladder of the last events, a page to step through, a file for
Wireshark, and the script of all faults, by which the run can be played over again.
"""

from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, Unpack, cast

import rudp
from rudp.core.watch.tracer import Tracer
from rudp.sim import Link, LinkOptions, VirtualLoop
from rudp.sim.loop import run_on
from rudp.testing.script import FaultScript
from rudp.testing.way import FaultyWay
from rudp.trace import Capture, EventLog, Ladder, Recording
from rudp.trace.events import Event, Watched
from rudp.trace.tee import Tee

EVENTS_MAX: Final = 50_000
"""Events that are kept of a run; older ones are forgotten first."""

CAPTURE_MAX: Final = 8 << 20
"""Octets that are kept of its capture, likewise."""

CONNECTIONS_MAX: Final = 10_000
"""Connections whose beginning is remembered, likewise."""

LADDERS: Final = 3
"""Connections that are drawn, those on which something happened last."""

LINES: Final = 30
"""Lines of a ladder."""

TOLD: Final = 20
"""Faults that are told one by one."""

REPORT: Final = "run.html"
CAPTURE: Final = "run.pcapng"
FAULTS: Final = "run.faults"

T = TypeVar("T")


class Simulation:
    """A virtual loop with faults, and the memory of what happened on it.

    *seed* and *options* are those of :func:`rudp.sim.run`; *faults*: a :class:`FaultScript` or its
    text; *carry*: whether the TCP that the program asks asyncio for goes over rudp, too, as with
    :func:`rudp.new_event_loop`.  Raises :class:`ValueError` and :class:`TypeError` as that does,
    :class:`FaultScriptError`.  ``script`` is what was asked for, ``happened`` what came to pass.

    ::

        simulation = Simulation(seed=7, delay=0.05, loss=0.1)
        simulation.run(program())
        print(simulation.ladder())
        again = Simulation(faults=simulation.happened, delay=0.05)
    """

    def __init__(
        self,
        *,
        seed: int | str = 0,
        faults: FaultScript | str = "",
        carry: bool = False,
        **options: Unpack[LinkOptions],
    ) -> None:
        self.seed = seed
        self.script = FaultScript(faults) if isinstance(faults, str) else faults
        self.options = options
        self._carry = carry
        self._log = EventLog(seed=seed, limit=EVENTS_MAX, sink=self._take)
        self._watched: deque[Watched] = deque(maxlen=CONNECTIONS_MAX)
        self._octets = _Latest(CAPTURE_MAX)
        self._capture = Capture(cast(BinaryIO, self._octets), name="client", peer_name="server")
        self._way: FaultyWay | None = None
        self._stopped: tuple[list[Event], bytes, FaultScript] | None = None
        Link(**options)  # what is wrong with them is known now

    def run(self, main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
        """Run *main* as :func:`rudp.sim.run` does; once.

        Raises :class:`FaultScriptError` if it returns and something of the script never came.
        """
        __tracebackhide__ = True  # in pytest's tracebacks

        async def watched() -> T:
            __tracebackhide__ = True
            try:
                return await main
            except BaseException:
                self.stop()  # what the loop does until it is closed is another story
                raise

        result = run_on(self.new_loop, watched(), debug=debug)
        self.check()
        return result

    def new_loop(self) -> VirtualLoop:
        """Return the loop: a factory, for one run."""
        loop: VirtualLoop
        if self._carry:
            made = rudp.new_event_loop(VirtualLoop, seed=self.seed, **self.options)
            loop = cast(VirtualLoop, made)
        else:
            loop = VirtualLoop(seed=self.seed, **self.options)
        loop.watch = self._watch
        loop.network.taps.append(self._log.tap)
        self._way = loop.network.way = FaultyWay(loop.network, self.script)
        return loop

    @property
    def has_begun(self) -> bool:
        """Whether its loop was made."""
        return self._way is not None

    def follow(self, faults: FaultScript) -> None:
        """From now on the faults are *faults*."""
        self.script = faults
        if self._way is not None:
            self._way.follow(faults)

    def stop(self) -> None:
        """Tell of the run until now, whatever may happen yet.  Only the first call counts."""
        if self._stopped is not None:
            return
        self._capture.flush()
        self._stopped = list(self._log.events), self._octets.value(), self.happened

    @property
    def happened(self) -> FaultScript:
        """All faults of the run, those of the script and those of chance."""
        if self._stopped is not None:
            return self._stopped[2]
        return FaultScript(dict.fromkeys(self._way.happened) if self._way is not None else ())

    @property
    def events(self) -> list[Event]:
        """The events of all connections, the latest :data:`EVENTS_MAX` of them."""
        return self._stopped[0] if self._stopped is not None else list(self._log.events)

    def check(self) -> None:
        """Raise :class:`FaultScriptError` if something of the script never came."""
        if self._way is not None:
            self._way.check()

    def story(self) -> str:
        """Return the seed, the faults and the last events of the run, in words."""
        parts = [f"The simulated network: {self._settings()}"]
        happened = self.happened.faults
        untold = self._way.untold if self._way is not None else 0
        if happened:
            parts.append(f"Its faults ({len(happened) + untold}):")
            parts += [f"  {fault}" for fault in happened[:TOLD]]
            if len(happened) > TOLD:
                parts.append(f"  ... and {len(happened) + untold - TOLD} more")
        if self._way is not None and not self.script.lenient:
            parts += [f"Of the script never came: {each}" for each in self._way.missing()]
        parts.append(self.ladder())
        return "\n".join(parts)

    def ladder(self) -> str:
        """Return ladders of the connections on which something happened last."""
        pairs = self._pairs()
        if not pairs:
            return "No connection of rudp was opened."
        drawn = []
        for pair in pairs[-LADDERS:]:
            ladder = Ladder(limit=LINES)
            ladder.draw(self._recording(pair))
            drawn.append(f"The connection {' and '.join(pair)}, the last {LINES} lines:\n{ladder}")
        if len(pairs) > LADDERS:
            drawn.insert(0, f"{len(pairs)} connections; the last {LADDERS}:")
        return "\n\n".join(drawn)

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``run.html``, ``run.pcapng`` and ``run.faults`` into *folder*; return the files.

        The page shows the connection on which something happened last; the capture, all that the
        clients sent and got; the script, all faults.  Raises :class:`OSError`.
        """
        from rudp.trace import report  # a run that does not fail need not wait for it

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        if pairs := self._pairs():
            report.save(folder / REPORT, self._recording(pairs[-1]), title=self._settings())
            self._capture.flush()
            octets = self._stopped[1] if self._stopped is not None else self._octets.value()
            (folder / CAPTURE).write_bytes(octets)
            files = [folder / REPORT, folder / CAPTURE]
        head = f"# of a run with {self._settings()}; without chance it is the same run\n"
        (folder / FAULTS).write_text(f"{head}{self.happened}\n", encoding="utf-8")
        return [*files, folder / FAULTS]

    # -- inside ----------------------------------------------------------------------------------

    def _watch(self, end: str) -> Tracer:
        tracer = self._log.tracer(end)
        return Tee(tracer, self._capture) if end == "client" else tracer

    def _take(self, event: Event) -> None:
        if isinstance(event, Watched):
            self._watched.append(event)

    def _settings(self) -> str:
        return ", ".join([f"seed={self.seed!r}", *filter(None, [_settings(self.options)])])

    def _pairs(self) -> list[tuple[str, ...]]:
        """Return the names of the two ends of each connection, the one used last at the end."""
        latest = {event.connection: n for n, event in enumerate(self.events)}
        ends: dict[tuple[int, int], list[list[str]]] = {}
        for event in self._watched:
            ports = event.local_port, event.remote_port
            if event.end == "client":
                ends.setdefault(ports, []).append([event.connection])
            else:
                known = ends.setdefault(ports[::-1], [])
                alone = next((pair for pair in reversed(known) if len(pair) == 1), None)
                if alone is not None and alone[0].startswith("client"):
                    alone.append(event.connection)
                else:
                    known.append([event.connection])
        pairs = [tuple(pair) for known in ends.values() for pair in known]
        used = [pair for pair in pairs if any(name in latest for name in pair)]
        return sorted(used, key=lambda pair: max(latest.get(name, -1) for name in pair))

    def _recording(self, pair: tuple[str, ...]) -> Recording:
        """Return the events of one connection."""
        self._log.script = [str(fault) for fault in self.happened]
        events: list[Event] = [event for event in self._watched if event.connection in pair]
        events += [
            event
            for event in self.events
            if event.connection in pair and not isinstance(event, Watched)
        ]
        return Recording(self._log.recording.header, events)


def run(
    main: Coroutine[Any, Any, T],
    *,
    debug: bool | None = None,
    seed: int | str = 0,
    faults: FaultScript | str = "",
    carry: bool = False,
    **options: Unpack[LinkOptions],
) -> T:
    """Run *main* on a simulated network with *faults* and return its result.

    As :meth:`Simulation.run`; an exception that comes out has the run's story as a note.
    """
    simulation = Simulation(seed=seed, faults=faults, carry=carry, **options)
    try:
        return simulation.run(main, debug=debug)
    except Exception as error:
        error.add_note(simulation.story())
        raise


def _settings(options: LinkOptions) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


class _Latest:
    """A file of which the first piece and the latest ones are kept, *limit* octets of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._head = b""
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def write(self, data: bytes) -> int:
        """Keep a copy of *data*."""
        if not self._head:
            self._head = bytes(data)
            return len(data)
        self._pieces.append(bytes(data))
        self._size += len(data)
        while self._size > self._limit and len(self._pieces) > 1:
            self._size -= len(self._pieces.popleft())
        return len(data)

    def value(self) -> bytes:
        """Return what is kept."""
        return self._head + b"".join(self._pieces)
