"""The options that record a run while it runs, and the files that come of them.

Each place from which connections are seen has files of its own: the two sides of a relay, both ends
of a transfer.  What is kept is bounded.  A capture is written as it grows, and begins anew when
it is as long as it may be; of events the latest are kept in memory and written at the end.
"""

import argparse
import collections
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import rudp
from rudp.cli import arguments, running, stdio
from rudp.trace import Capture, EventLog, Header, events, qlog, report
from rudp.trace.chosen import Chosen
from rudp.trace.tee import Tee

FILES: Final = ("pcapng", "events", "html", "qlog")

NAMED_MAX: Final = 4096
"""Connections whose beginning is kept beside the latest events."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    group = parser.add_argument_group("recording")
    group.add_argument("--pcapng", metavar="FILE", help="write a capture, for Wireshark")
    group.add_argument("--html", metavar="FILE", help="write a report, one page for a browser")
    add_more_options(group)
    group.add_argument(
        "--connection",
        type=arguments.count(1, 1_000_000),
        metavar="N",
        help="record this one alone, counted as they open (default: all; the report and qlog, "
        "which have one, the first)",
    )


def add_more_options(group: Any) -> None:
    """Describe those that a command with options of its own for captures and pages lacks."""
    group.add_argument("--events", metavar="FILE", help="write all events, one JSON object a line")
    group.add_argument("--qlog", metavar="FILE", help="write qlog, for tools that draw it")
    group.add_argument(
        "--pcapng-max",
        type=_limit,
        default=64 << 20,
        metavar="SIZE",
        help="of a capture keep the latest: two files of half this size (default: 64M)",
    )
    group.add_argument(
        "--events-max",
        type=arguments.count(100, 10_000_000),
        default=100_000,
        metavar="N",
        help="of the events keep the latest (default: 100000, some 100 MB of memory)",
    )


def _limit(text: str) -> int:
    size = arguments.size(text)
    if size < 1 << 20:
        raise argparse.ArgumentTypeError(f"{text} is less than 1M")
    return size


class Recording:
    """The files of one run, written when the ``with`` statement ends.

    *points*: the names of the places from which rudp's connections are seen.  *together*: events
    and pages are of all places together, which then are the ends of the same connections.  Ends the
    program with status 2 if there are none, or a file cannot be written.
    """

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        options: argparse.Namespace,
        points: Sequence[str],
        *,
        together: bool = False,
    ) -> None:
        self._prog = parser.prog
        self._options = options
        self._failed = False
        wanted = [name for name in FILES if getattr(options, name) is not None]
        if wanted and not points:
            parser.error(f"--{wanted[0]} is for rudp, which is not used here")
        self._points = {
            point: _Point(options, point, alone=len(points) == 1) for point in points if wanted
        }
        self._logs: dict[str, _Ring] = {}
        if any(name != "pcapng" for name in wanted):
            ring = _Ring(options.events_max)
            for point in points:
                self._logs[point] = ring if together else _Ring(options.events_max)
        self._together = together
        for name in wanted:
            for path in self._paths(name).values():
                try:
                    path.write_bytes(b"")
                except OSError as error:
                    parser.error(f"cannot write {path}: {error.strerror}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for point in self._points.values():
            point.flush()
        for name, end, path in self._made():
            recording = self._logs[end].recording()
            try:
                _write(name, path, recording, f"{self._prog}, {path.stem}", end)
            except OSError as trouble:
                self._fail(path, running.in_words(trouble))
            except ValueError:  # nothing was seen
                with contextlib.suppress(OSError):
                    path.unlink()
                self._fail(path, "there was no connection to record")

    def status(self, status: int) -> int:
        """Return the exit status of a command that returned *status*: 1 if a file is missing."""
        return status or int(self._failed)

    def tracer(self, point: str) -> rudp.Tracer | None:
        """Return who watches the connections at *point*, None if nobody is to."""
        place = self._points.get(point)
        return None if place is None else place.tracer(self._logs.get(point))

    def watching(self, point: str) -> dict[str, Any]:
        """Return the keyword arguments that let connections be watched, for any of rudp's calls."""
        tracer = self.tracer(point)
        return {} if tracer is None else {"tracer": tracer}

    def _paths(self, name: str) -> dict[str, Path]:
        """Return the files for the option *name*, by place; one that is of all is of the first."""
        given = Path(getattr(self._options, name))
        points = list(self._points)
        if self._together and name in ("events", "html"):
            points = points[:1]
        if len(points) == 1:
            return {points[0]: given}
        return {point: given.with_stem(f"{given.stem}-{point}") for point in points}

    def _made(self) -> list[tuple[str, str, Path]]:
        """Return what is to be made of which place's events."""
        return [
            (name, point, path)
            for name in FILES[1:]
            if getattr(self._options, name) is not None
            for point, path in self._paths(name).items()
        ]

    def _fail(self, path: Path, why: str) -> None:
        stdio.complain(f"{self._prog}: {path}: {why}")
        self._failed = True


class _Point:
    """A place from which connections are seen."""

    def __init__(self, options: argparse.Namespace, name: str, *, alone: bool) -> None:
        self._options = options
        self._name = name
        self._alone = alone
        self._capture: Capture | None = None

    def tracer(self, ring: "_Ring | None") -> rudp.Tracer:
        """Return the tracer; *ring*: where its events go."""
        tracers: list[rudp.Tracer] = []
        options = self._options
        if options.pcapng is not None:
            path = Path(options.pcapng)
            if not self._alone:
                path = path.with_stem(f"{path.stem}-{self._name}")
            self._capture = Capture(
                path,
                name=self._name,
                epoch=time.time() - time.monotonic(),
                limit=options.pcapng_max,
            )
            tracers.append(self._capture)
        if ring is not None:
            tracers.append(ring.log.tracer(self._name))
        watcher = tracers[0] if len(tracers) == 1 else Tee(*tracers)
        chosen = getattr(options, "connection", None)
        return watcher if chosen is None else Chosen(chosen, watcher)

    def flush(self) -> None:
        """Write what waits."""
        if self._capture is not None:
            self._capture.flush()


class _Ring:
    """The latest events, and how each connection that they are of began."""

    def __init__(self, most: int) -> None:
        self.log = EventLog(limit=1, sink=self._add)
        self._events: collections.deque[events.Event] = collections.deque(maxlen=most)
        self._began: dict[str, events.Watched] = {}

    def _add(self, event: events.Event) -> None:
        if isinstance(event, events.Watched):
            if len(self._began) >= NAMED_MAX:
                kept = {each.connection for each in self._events}
                self._began = {name: it for name, it in self._began.items() if name in kept}
            if len(self._began) < NAMED_MAX:
                self._began[event.connection] = event
        self._events.append(event)

    def recording(self) -> events.Recording:
        """Return what is kept."""
        header: Header = self.log.recording.header
        kept = {each.connection for each in self._events}
        there = {each.connection for each in self._events if isinstance(each, events.Watched)}
        began = [each for name, each in self._began.items() if name in kept and name not in there]
        return events.Recording(header, [*began, *self._events])


def _write(name: str, path: Path, recording: events.Recording, title: str, end: str) -> None:
    """Write one file; of what shows one connection, the first that *end* has seen.

    Raises :class:`OSError`, and :class:`ValueError` if there is none.
    """
    seen = (each for each in recording.events if isinstance(each, events.Watched))
    first = next((each.connection for each in seen if each.end == end), None)
    if first is None:
        raise ValueError("no connection")
    if name == "events":
        recording.save(path)
    elif name == "html":
        report.save(path, recording, title=title, connection=first)
    else:
        qlog.save(recording, path, first)


def write_more(
    parser: argparse.ArgumentParser, options: argparse.Namespace, recording: events.Recording
) -> None:
    """Write the files of :func:`add_more_options` of a run that is over.

    Ends the program with status 2 if one cannot be written.
    """
    for name in ("events", "qlog"):
        path = getattr(options, name)
        if path is None:
            continue
        try:
            _write(name, Path(path), recording, "", recording.header.ends[0])
        except OSError as error:
            parser.error(f"cannot write {path}: {error.strerror}")
