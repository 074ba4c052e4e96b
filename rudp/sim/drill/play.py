"""Plays a drill: line by line against one side, up to the first line that does not hold.

Calls that follow each other at one time are one turn of a program: what they cause is sent after
the last.  Nothing may come out that the drill does not name, nor at another time; what is named is
compared: bits, numbers, data, and window and options where the line has them.
"""

import errno
from typing import Final

from rudp.core.segment.transmit import CE, ECT_0, ECT_1
from rudp.sim.drill.language import CHECKS, LETTERS, Drill, Line, Segment, pointed
from rudp.sim.drill.side import Came, NotHereError, Side
from rudp.sim.drill.wire import OUR_PORT, PEER_PORT, Flow, SegmentError, pattern

_COMPARED: Final = ("seq", "length", "ack", "win", "urg", "extras")

_CODEPOINTS: Final = {"ect1": ECT_1, "ect": ECT_0, "ce": CE}

_WORDS: Final = {
    "flags": "other control bits",
    "extras": "other bits in the IP header",
}


class DrillError(AssertionError):
    """What happened is not what a line says.

    ``what``: in words.  ``line``: the line, None for the end of the drill.  ``column``: of the word
    that does not hold, from 1 on.  ``expected`` and ``seen``: segments or values, "" for nothing.
    ``time``: seconds since the beginning.  ``played``: the lines before, with their times.
    """

    def __init__(self, what: str, *, expected: str = "", seen: str = "", field: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.seen = seen
        self.field = field
        self.line: Line | None = None
        self.column = 1
        self.time = 0.0
        self.played: list[tuple[float, Line]] = []

    def at(self, line: Line | None, time: float, played: list[tuple[float, Line]]) -> "DrillError":
        """Say where it happened."""
        self.line = line
        self.time = time
        self.played = played
        if line is not None:
            places = line.segment.places if line.segment is not None else {}
            self.column = places.get(self.field, line.column)
        return self

    def story(self) -> str:
        """Return the line with a mark under the word, what was expected and what was seen."""
        parts = []
        if self.line is not None:
            parts.append(pointed(self.line.text, self.column))
        for title, text in (("expected", self.expected), ("seen", self.seen)):
            if self.expected or self.seen:
                parts.append(f"    {title:9} {text or 'nothing'}")
        return "\n".join(parts)

    def __str__(self) -> str:
        where = f"line {self.line.number}, column {self.column}" if self.line else "the end"
        head = f"{where}, at {self.time:.4f} s: {self.what}"
        before = [f"{time:10.4f}  {line.text.strip()}" for time, line in self.played]
        return "\n".join(["", *before, head, self.story()])


class Play:
    """A drill, or several after each other, on *side*."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.flows = {"": side.new_flow(side.peer, PEER_PORT)}
        self.played: list[tuple[float, Line]] = []
        """The lines that held, with the times at which they did."""
        self._time = 0.0  # of the event before
        self._batch: list[tuple[Flow, bytes, int]] = []
        self._boxes: dict[Flow, list[Came]] = {}

    def run(self, drill: Drill) -> None:
        """Play *drill*.  Raises :class:`DrillError` where it does not hold."""
        lines = drill.events(self.side.name)
        for n, line in enumerate(lines):
            try:
                self._play(line, goes_on=n + 1 < len(lines) and lines[n + 1].joined)
            except DrillError as error:
                raise error.at(line, self.side.time, self.played) from None
            except NotHereError as error:
                failed = DrillError(str(error))
                raise failed.at(line, self.side.time, self.played) from None
            except (OSError, ValueError) as error:
                failed = DrillError(f"raised {type(error).__name__}: {error}")
                raise failed.at(line, self.side.time, self.played) from None
            self.played.append((self._time, line))
        self.side.rest()
        try:
            self._nothing_unexpected()
        except DrillError as error:
            raise error.at(None, self.side.time, self.played) from None

    # -- inside ----------------------------------------------------------------------------------

    def _play(self, line: Line, *, goes_on: bool) -> None:
        when = self._time
        if line.time is not None:
            when = self._time + line.time if line.relative else line.time
            if when < self._time - self.side.tolerance:
                raise DrillError(f"{when:.4f} s is over")
        if line.mark == ">":
            assert line.segment is not None
            self._expect(line, line.segment, when)
            return
        if self._batch and not line.joined:
            raise DrillError("the read before is not finished")
        if when > self._time:
            self.side.advance(when, stay=False)
            self._nothing_unexpected()
            when = max(when, self.side.time)  # a side in real time is late now and then
        if line.mark == "<":
            assert line.segment is not None
            self._nothing_unexpected()
            flow = self._flow(line.flow)
            ecn = max((_CODEPOINTS.get(one, 0) for one in line.segment.extras), default=0)
            self._batch.append((flow, flow.encode(line.segment, self.side.time), ecn))
            if not goes_on:
                self._hand_in()
        elif line.verb in CHECKS:
            self._check(line)
        else:
            self._call(line, line.verb, line.words)
        self._time = max(when, self._time)

    def _call(self, line: Line, verb: str, words: tuple[str, ...]) -> None:
        if verb == "flow":
            name, address, *port = words
            host, _, udp_port = address.rpartition(":")
            path = ((host, int(udp_port)), "")
            self.flows[name] = self.side.new_flow(path, int(port[0]) if port else PEER_PORT)
            return
        flow = self._flow(line.flow)
        match verb:
            case "wait":
                pass
            case "anew":
                flow.anew(int(words[0]))
                self.side.anew(flow)
            case "fails":
                self._fail(line, *words)
            case "send":
                size = int(words[0])
                data = pattern(flow.sent + 1, size)
                self.side.send(flow, data, urgent="urgent" in words)
                flow.sent += size
            case "read":
                self._read(flow, int(words[0]))
            case "connect":
                self.side.call(flow, verb, words)
                flow.sent = int(words[0]) if words else 0
            case "accept":
                self.side.call(flow, verb, words)
                flow.sent = flow.read = 0
            case _:
                self.side.call(flow, verb, words)

    def _read(self, flow: Flow, size: int) -> None:
        data = self.side.read(flow)
        if len(data) != size:
            raise DrillError(
                f"read {len(data)} octets", expected=f"{size} octets", seen=f"{len(data)} octets"
            )
        if data != pattern(flow.read + 1, size):
            raise DrillError("read wrong data")
        flow.read += size

    def _fail(self, line: Line, error: str, verb: str, *words: str) -> None:
        try:
            self._call(line, verb, words)
        except OSError as raised:
            seen = (type(raised).__name__, errno.errorcode.get(raised.errno or 0))
            if error not in seen:
                raise DrillError("another error", expected=error, seen=repr(raised)) from None
        else:
            raise DrillError(f"{verb} did not fail", expected=error)

    def _check(self, line: Line) -> None:
        *names, wanted = ("",) if not line.words else line.words
        if line.verb == "events":
            names, wanted = [], " ".join(sorted(set(line.words)))
        found = self.side.look(self._flow(line.flow), line.verb, tuple(names))
        if line.verb in ("urgent", "unsent", "count", "records", "connections"):
            wanted = str(int(wanted))
        if found != wanted and not _alike(found, wanted, self.side):
            subject = " ".join([line.verb, *names])
            raise DrillError(
                f"it is {found or 'nothing'}",
                expected=f"{subject} {wanted}",
                seen=f"{subject} {found}",
            )

    def _expect(self, line: Line, wanted: Segment, when: float) -> None:
        flow = self._flow(line.flow)
        late = self.side.tolerance + self.side.slack * (when - self._time)
        self.side.advance(when + late, stay=True)
        box = self._sorted_out().get(flow)
        expected = f"{line.flow}> {wanted}"
        if not box:
            self._nothing_unexpected(expected)
            raise DrillError("nothing came", expected=expected)
        came = box.pop(0)
        self._time = came.time
        got = self._decode(flow, came)
        seen = f"{line.flow}> {got}"
        if not when - self.side.tolerance <= came.time <= when + late:
            raise DrillError(
                f"at {came.time:.4f} s instead of {when:.4f} s",
                expected=f"{expected}   at {when:.4f} s",
                seen=f"{seen}   at {came.time:.4f} s",
            )
        if wanted.has("A") and wanted.ack is None:
            raise DrillError("the line must name the ack", seen=seen)
        field = self._difference(wanted, got, late)
        if field:
            what = _WORDS.get(field, f"other {field}")
            if wanted.options is None and field == "options":
                what = "SACK blocks that the line does not name"
            raise DrillError(what, expected=expected, seen=seen, field=field)

    def _difference(self, wanted: Segment, got: Segment, late: float) -> str:
        """Return the first field that differs, "" if none does."""
        heeded = ~sum(1 << LETTERS.index(letter) for letter in self.side.heedless)
        if (wanted.flags ^ got.flags) & heeded:
            return "flags"
        for name in _COMPARED:
            value = getattr(wanted, name)
            if (value is not None or name == "urg") and value != getattr(got, name):
                return name
        options = got.options or []
        if wanted.options is None:
            return "options" if any(one.startswith("sack ") for one in options) else ""
        ticks = max(1, round(late * 1000))
        if len(options) == len(wanted.options) and all(
            _same_option(one, other, ticks)
            for one, other in zip(wanted.options, options, strict=True)
        ):
            return ""
        return "options"

    def _hand_in(self) -> None:
        """Give the side what the peer sent, as reads of one socket would bring it."""
        batch, self._batch = self._batch, []
        at = 0
        while at < len(batch):
            flow, data, ecn = batch[at]
            read = [data]
            at += 1
            while at < len(batch) and batch[at][0] is flow and batch[at][2] == ecn:
                if not 0 < len(batch[at][1]) <= len(data):
                    break
                read.append(batch[at][1])
                at += 1
                if len(read[-1]) < len(data):
                    break
            self.side.deliver(flow, read, ecn)

    def _flow(self, name: str) -> Flow:
        if name not in self.flows:
            raise DrillError(f"there is no flow {name!r}; declare it: flow {name} HOST:UDPPORT")
        return self.flows[name]

    def _sorted_out(self) -> dict[Flow, list[Came]]:
        """Return what came out and was not asked for, by flow."""
        while self.side.came:
            came = self.side.came.popleft()
            ours = int.from_bytes(came.data[:2], "big")
            theirs = int.from_bytes(came.data[2:4], "big")
            for flow in self.flows.values():
                if flow.path == came.path and flow.port == theirs and ours == OUR_PORT:
                    self._boxes.setdefault(flow, []).append(came)
                    break
            else:
                raise DrillError(
                    f"a segment from port {ours} to {came.path[0]} port {theirs}, of no flow"
                )
        return self._boxes

    def _nothing_unexpected(self, expected: str = "") -> None:
        self.side.collect()
        boxes = self._sorted_out()
        for name, flow in self.flows.items():
            if boxes.get(flow):
                came = boxes[flow][0]
                segment = self._decode(flow, came)
                raise DrillError(
                    f"unexpected at {came.time:.4f} s: {name}> {segment}",
                    expected=expected,
                    seen=f"{name}> {segment}",
                )

    def _decode(self, flow: Flow, came: Came) -> Segment:
        try:
            return flow.decode(came.data, came.ecn, came.time)
        except SegmentError as error:
            raise DrillError(str(error)) from None


def _alike(found: str, wanted: str, side: Side) -> bool:
    """Are both measured times, and differ by no more than *side* may be wrong?"""
    try:
        wrong = abs(float(found) - float(wanted))
        return "." in wanted and wrong <= side.blur + side.slack * float(wanted)
    except ValueError:
        return False


def _same_option(wanted: str, got: str, ticks: int) -> bool:
    """Compare two options; a timestamp may be *ticks* off, ``*`` stands for any number."""
    if not wanted.startswith("TS ") or not got.startswith("TS "):
        return wanted == got
    pairs = zip(wanted.split()[1:], got.split()[1:], strict=True)
    return all(one == "*" or abs(int(one) - int(other)) <= ticks for one, other in pairs)
