"""Drills, read from their files and played against each side, and what came of it."""

import concurrent.futures
import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rudp.cli.drill.kernel import Kernel
from rudp.sim.drill import (
    Drill,
    DrillError,
    DrillSyntaxError,
    Line,
    NotHereError,
    Ours,
    Play,
    Side,
    parse,
)
from rudp.sim.drill.language import pointed
from rudp.trace import EventLog, Recording
from rudp.trace.decode import decode
from rudp.trace.pcapfile import CaptureError, Packet

SIZE_MAX: Final = 1 << 20
"""Octets of a file."""

AT_ONCE: Final = 8
"""Drills that are played against the kernel at the same time."""

PASSED: Final = "passed"
FAILED: Final = "FAILED"
UNREADABLE: Final = "UNREADABLE"
SKIPPED: Final = "skipped"

_RAW_IP: Final = 101  # LINKTYPE_RAW


@dataclasses.dataclass
class Result:
    """How a drill went against one side.

    ``seconds`` by the clock of the side.  ``place``: file, line and column of what is wrong,
    ``why`` in words, ``story`` with the line and what was expected.  ``played``: what held.
    """

    name: str
    side: str
    status: str
    seconds: float = 0.0
    place: str = ""
    why: str = ""
    story: str = ""
    error: DrillError | None = None
    line: int | None = None
    column: int | None = None
    played: list[tuple[float, Line]] = dataclasses.field(default_factory=list)
    recording: Recording | None = None

    def fields(self) -> dict[str, Any]:
        """Return what a program wants to know."""
        fields = {
            "name": self.name,
            "side": self.side,
            "status": self.status.lower(),
            "seconds": round(self.seconds, 6),
            "lines": len(self.played),
        }
        if self.why:
            fields |= {"why": self.why, "line": self.line, "column": self.column}
        if self.error is not None:
            fields |= {"expected": self.error.expected, "seen": self.error.seen}
        return fields


def load(name: str, path: Path) -> Drill:
    """Read a drill from a file.  Raises :class:`OSError`, :class:`ValueError`."""
    with open(path, "rb") as file:
        octets = file.read(SIZE_MAX + 1)
    if len(octets) > SIZE_MAX:
        raise ValueError(f"a drill has at most {SIZE_MAX} octets")
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not text in UTF-8, at octet {error.start}") from None
    return parse(text, name)


def in_words(path: Path, error: Exception) -> str:
    """Say why a file cannot be read."""
    if isinstance(error, DrillSyntaxError):
        return f"{path}:{error.line}:{error.column}: {error.what}"
    if isinstance(error, OSError):
        return f"{path}: {error.strerror}"
    return f"{path}: {error}"


def play(
    paths: dict[str, Path], with_kernel: bool, tolerance: float, watched: bool
) -> Iterator[Result]:
    """Play drills against rudp, and after that *with_kernel* against that; in this order.

    *paths*: their files by name.  *tolerance*: by how many seconds the kernel may be early or late.
    *watched*: make recordings.
    """
    drills: dict[Path, Drill] = {}
    for name, path in paths.items():
        try:
            drills[path] = load(name, path)
        except (OSError, ValueError) as error:
            yield _unreadable(name, path, error)
    for path, drill in drills.items():
        yield _skipped(drill, "rudp") or _against_ours(drill, path, watched)
    if with_kernel:
        # They wait most of the time, and each has a namespace of its own.
        stop = threading.Event()

        def play_one(each: tuple[Path, Drill]) -> Result:
            path, drill = each
            skipped = _skipped(drill, "kernel")
            return skipped or _against_kernel(drill, path, tolerance, watched, stop)

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                yield from pool.map(play_one, drills.items())
            finally:
                stop.set()


def _skipped(drill: Drill, side: str) -> Result | None:
    if drill.only in ("", side):
        return None
    return Result(drill.name, side, SKIPPED, why=drill.reason)


def _unreadable(name: str, path: Path, error: Exception) -> Result:
    why = (error.strerror or "") if isinstance(error, OSError) else str(error)
    result = Result(name, "", UNREADABLE, place=str(path), why=why)
    if isinstance(error, DrillSyntaxError):
        result.place = f"{path}:{error.line}:{error.column}"
        result.why = error.what
        result.line, result.column = error.line, error.column
        result.story = pointed(error.text, error.column)
    return result


def _against_ours(drill: Drill, path: Path, watched: bool) -> Result:
    log = EventLog()
    tracer = log.tracer("rudp") if watched else None
    side = Ours(drill.settings("rudp"), tracer=tracer)
    result = _against(side, drill, path)
    if watched:
        result.recording = log.recording
    return result


def _against_kernel(
    drill: Drill, path: Path, tolerance: float, watched: bool, stop: threading.Event
) -> Result:
    try:
        with Kernel(drill.settings("kernel"), tolerance=tolerance, stop=stop) as side:
            result = _against(side, drill, path)
            packets = list(side.packets)
    except NotHereError as error:
        return Result(drill.name, "kernel", FAILED, place=str(path), why=str(error))
    except OSError as error:
        why = f"no kernel to drill: {error.strerror}"
        return Result(drill.name, "kernel", FAILED, place=str(path), why=why)
    if watched:
        result.recording = _recording(packets)
    return result


def _against(side: Side, drill: Drill, path: Path) -> Result:
    playing = Play(side)
    result = Result(drill.name, side.name, PASSED, played=playing.played)
    try:
        playing.run(drill)
    except DrillError as error:
        result.status = FAILED
        result.error = error
        result.why = error.what
        result.story = error.story()
        result.place = f"{path}: the end"
        if error.line is not None:
            result.line, result.column = error.line.number, error.column
            result.place = f"{path}:{result.line}:{result.column}"
    result.seconds = side.time
    return result


def _recording(packets: list[tuple[float, bool, bytes]]) -> Recording | None:
    """Make events of what passed between the kernel and its peer."""
    captured = [
        Packet(round(when * 1e9), _RAW_IP, data, inbound, interface="kernel")
        for when, inbound, data in packets
    ]
    try:
        found = decode(captured).conversations
    except CaptureError:
        return None
    return found[0].recording() if found else None
