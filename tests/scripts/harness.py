"""Plays one connection table against a scripted peer, in virtual time.

A script is text with one event a line, in the spirit of packetdrill::

    connect
    > S 0                                       # our SYN comes out, now
    +0.1 < SA 0 ack 1 win 65535 <mss 1000>      # a tenth of a second later the peer answers
    > A 1 ack 1
    send 1500
    > A 1:1001(1000) ack 1
    > PA 1001:1501(500) ack 1
    +0.3 > A 1:1001(1000) ack 1                 # nobody answers: the RTO

Calls that follow each other at one time are one turn of a program: what they cause is sent after
the last.  Nothing may come out that the script does not name, nor at another time (to half a
millisecond); what is named is compared: flags, numbers, data, and window and options where the
line has them.

A line is ``[time] event``.  The time is relative to the event before (``+0.1``) or counted from the
beginning (``7.5``); without one the event happens at once.  Events:

``> FLAGS SEQ[:END(LENGTH)] [ack N] [win N] [urg N] [<options>]``
    A segment of ours.  FLAGS are letters of ``SAFRPUEC``, ``-`` for none.
``< ...``
    The same from the peer; ``&<`` belongs to the read of the line before, so nothing is sent in
    between.  Once both SYNs had timestamps, the peer's are filled in unless ``noTS`` is among the
    options.  ``sum`` sets the checksum field, ``res`` the reserved bits; ``ce`` is a router's mark
    in the IP header, as ``ect`` in a segment of ours is the leave to make it.
calls
    ``connect``, ``listen``, ``unlisten``, ``accept``, ``send N [urgent]``, ``read N``,
    ``shutdown`` (CLOSE of our half), ``close`` (and nobody reads), ``abort``, ``nodelay on|off``,
    ``receive_buffer N``, ``user_timeout S|none``, ``keepalive IDLE INTERVAL COUNT``,
    ``icmp ERRNO [SEQ|short]``, ``fails ERROR call``.  ``wait`` lets time pass; ``anew SEQ`` begins
    to count again at the peer's SEQ and our next SYN.
what must hold
    ``state NAME``, ``error NAME|none``, ``soft NAME|none``, ``events NAMES``, ``urgent N``,
    ``unsent N``, ``info FIELD VALUE``, ``count REASON N``, ``records N``, ``connections N``.

Sequence numbers are relative: 0 is the SYN, 1 the first octet of data.  Timestamps are milliseconds
since the script began, on either side.  Data is a pattern over its numbers, checked in both
directions.  Our port is 80, the peer's 1000.  Another flow is declared by ``flow NAME HOST:UDPPORT
[PORT]`` and addressed as ``NAME<``, ``NAME>``, ``NAME.call``.
"""

import errno
import random
import re
import struct
from dataclasses import dataclass, field
from typing import Any, Final

from rudp.config import Config
from rudp.core.demux.listener import Listener
from rudp.core.demux.table import ConnectionTable
from rudp.core.life import tcb
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import CE, ECT_0, Path
from rudp.core.terms.counters import Count
from rudp.core.terms.state import MOVES, Cause, State
from rudp.core.watch.tracer import Tracer, Watched

PEER: Final[Path] = (("192.0.2.1", 4000), "")
OUR_PORT: Final = 80
PEER_PORT: Final = 1000
SECRET: Final = bytes(range(32))
TOLERANCE: Final = 0.0005
MASK: Final = 0xFFFF_FFFF
LETTERS: Final = "FSRPAUEC"  # from bit 0 upwards
EVENTS: Final = {
    "ESTABLISHED": tcb.ESTABLISHED,
    "READABLE": tcb.READABLE,
    "WRITABLE": tcb.WRITABLE,
    "EOF": tcb.EOF,
    "ACKED_FIN": tcb.ACKED_FIN,
    "CLOSED": tcb.CLOSED,
    "SOFT_ERROR": tcb.SOFT_ERROR,
    "URGENT": tcb.URGENT,
}
ARROWS: Final = {(before, after) for (before, _), after in MOVES.items()}


_PATTERN: Final = bytes((i * 31 + (i >> 8) * 7) & 0xFF for i in range(1 << 16))
_TIME: Final = re.compile(r"\+?\d+(\.\d+)?$")
_SEGMENT: Final = re.compile(
    r"(?P<flags>[SAFRPUEC]+|-)\s+(?P<seq>-?\d+)(?::(?P<end>-?\d+)\((?P<length>\d+)\))?"
    r"(?P<rest>(?:\s+(?:ack\s+(?:-?\d+)|win\s+\d+|urg\s+\d+|sum|res|ce|ect))*)"
    r"\s*(?:<(?P<options>.*)>)?\s*$"
)


def pattern(seq: int, length: int) -> bytes:
    """Return the *length* octets of data whose first has the relative number *seq*."""
    at = seq % len(_PATTERN)
    return (_PATTERN * (2 + length // len(_PATTERN)))[at : at + length]


class ScriptError(AssertionError):
    """What came out is not what the script says."""


@dataclass
class Segment:
    """A segment in relative numbers, as a line of a script has it; None where it says nothing."""

    flags: int
    seq: int
    length: int
    ack: int | None = None
    win: int | None = None
    urg: int | None = None
    options: list[str] | None = None
    extras: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "Segment":
        found = _SEGMENT.match(text)
        if found is None:
            raise ScriptError(f"not a segment: {text!r}")
        flags = sum(1 << LETTERS.index(letter) for letter in found["flags"].replace("-", ""))
        seq = int(found["seq"])
        length = int(found["length"] or 0)
        if found["end"] is not None and int(found["end"]) != seq + length:
            raise ScriptError(f"the length does not fit the numbers: {text!r}")
        words = found["rest"].split()
        numbers = {}
        for name in ("ack", "win", "urg"):
            if name in words:
                numbers[name] = int(words[words.index(name) + 1])
        options = found["options"]
        return cls(
            flags,
            seq,
            length,
            options=None
            if options is None
            else [" ".join(one.split()) for one in options.split(",") if one.strip()],
            extras=frozenset(words) & {"sum", "res", "ce", "ect"},
            **numbers,
        )

    def __str__(self) -> str:
        letters = "".join(x for x in "SFRPUECA" if self.flags >> LETTERS.index(x) & 1) or "-"
        text = f"{letters} {self.seq}"
        if self.length:
            text += f":{self.seq + self.length}({self.length})"
        for name in ("ack", "win", "urg"):
            if getattr(self, name) is not None:
                text += f" {name} {getattr(self, name)}"
        if "ect" in self.extras:
            text += " ect"
        if self.options is not None:
            text += f" <{', '.join(self.options)}>"
        return text


@dataclass
class Flow:
    """One pair of ports between us and one UDP address."""

    path: Path
    port: int
    irs: int
    peer_clock: int
    iss: int = 0
    iss_known: bool = False
    our_clock: int | None = None
    peer_offers_timestamps: bool = False
    we_offer_timestamps: bool = False
    last_tsval: int = 0
    newest_peer_tsval: int = 0
    connection: Connection | None = None
    sent: int = 0
    read: int = 0
    outbox: list[tuple[float, bytes, int]] = field(default_factory=list)


class Moves(Tracer):
    """A tracer that holds every move against the state diagram."""

    def state_moved(
        self, who: Watched, before: State, after: State, cause: Cause, now: float
    ) -> None:
        assert (before, after) in ARROWS, f"{before} to {after} is not in the diagram"


class Play:
    """A table, its peer and a clock.  Call it with a script, as often as needed.

    *wrap*: our sequence numbers, the peer's and both timestamps begin just below 2**32.
    """

    def __init__(self, *, wrap: bool = False, path: Path = PEER, **settings: Any) -> None:
        self._wrap = wrap
        self._path = path
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Begin afresh with other settings.

        Unless these say otherwise, sending is not paced, the window is NewReno's and the receive
        buffer does not grow, so that a script can tell from the numbers of a RFC what leaves at
        one moment.
        """
        usual: dict[str, Any] = {
            "pacing": False,
            "congestion": "newreno",
            "receive_buffer_max": 4096,
        }
        self.config = Config(**usual | settings)
        self.table = self._new_table()
        self._flows = {"": self._flow(self._path, PEER_PORT)}
        self._listener: Listener | None = None
        self._start = self._starting_time(self._path, MASK + 1 - 1000 if self._wrap else 100_000)
        self.now = self._start
        """The time as the table knows it, seconds."""
        self._log: list[str] = []
        self._batch: list[tuple[Flow, bytes, int]] = []

    def __call__(self, script: str) -> None:
        """Play *script*.  Raises :class:`ScriptError` with the transcript at the first surprise."""
        lines = [line.partition("#")[0].strip() for line in script.splitlines()]
        lines = [line for line in lines if line]
        for n, line in enumerate(lines):
            follows = lines[n + 1] if n + 1 < len(lines) else ""
            try:
                self._play(line, batch_goes_on=follows.startswith("&"))
                self._log.append(f"{self.time:10.4f}  {line}")
            except ScriptError as error:
                raise ScriptError(self._report(line, error)) from None
        try:
            self._nothing_unexpected()
        except ScriptError as error:
            raise ScriptError(self._report("(the end)", error)) from None

    @property
    def connection(self) -> Connection:
        """The connection of the main flow."""
        return self._connection(self._flows[""])

    @property
    def iss(self) -> int:
        """Our ISS on the main flow, 32 bits."""
        return self._flows[""].iss

    @property
    def time(self) -> float:
        """Seconds since the script began."""
        return self.now - self._start

    # -- events ----------------------------------------------------------------------------------

    def _play(self, line: str, *, batch_goes_on: bool) -> None:
        first, _, rest = line.partition(" ")
        when = self.time
        if _TIME.match(first):
            when = self.time + float(first) if first.startswith("+") else float(first)
            first, _, rest = rest.strip().partition(" ")
        rest = rest.strip()
        name, mark = first[:-1], first[-1]
        if mark == ">":
            self._expect(self._flows[name], Segment.parse(rest), when)
            return
        if self._batch and name != "&":
            raise ScriptError("a batch is not finished")
        if when > self.time:
            self._advance(when)
            self._nothing_unexpected()
        if mark == "<":
            self._nothing_unexpected()
            flow = self._flows[name.removeprefix("&")]
            segment = Segment.parse(rest)
            ecn = CE if "ce" in segment.extras else 0
            self._batch.append((flow, self._encode(flow, segment), ecn))
            if not batch_goes_on:
                self._hand_in()
            return
        name, dot, call = first.rpartition(".")
        if not dot:
            name, call = "", first
        self._call(call, name, rest.split())

    def _call(self, call: str, name: str, words: list[str]) -> None:
        method = getattr(self, f"_do_{call}", None)
        if method is None:
            raise ScriptError(f"no such event: {call}")
        if call == "flow":
            method(*words)
        else:
            method(self._flows[name], *words)

    def _expect(self, flow: Flow, wanted: Segment, when: float) -> None:
        self._advance(when + TOLERANCE, flow)
        if not flow.outbox:
            self._nothing_unexpected()
            raise ScriptError("nothing came")
        stamp, data, ecn = flow.outbox.pop(0)
        got = self._decode(flow, data, ecn)
        if abs(stamp - when) > TOLERANCE:
            raise ScriptError(f"at {stamp:.4f} instead of {when:.4f} came  > {got}")
        problem = self._difference(flow, wanted, got)
        if problem:
            raise ScriptError(f"{problem}: came  > {got}")

    def _difference(self, flow: Flow, wanted: Segment, got: Segment) -> str:
        if wanted.flags >> LETTERS.index("A") & 1 and wanted.ack is None:
            return "the script must name the ack"
        for name in ("flags", "seq", "length", "ack", "win", "urg", "extras"):
            value = getattr(wanted, name)
            if value is None and name != "urg":
                continue
            if value != getattr(got, name):
                return f"other {name}"
        options = got.options or []
        if wanted.options is None:
            return "SACK blocks" if any(one.startswith("sack ") for one in options) else ""
        if len(options) == len(wanted.options) and all(map(_same_option, wanted.options, options)):
            return ""
        return "other options"

    def _advance(self, when: float, until: Flow | None = None) -> None:
        """Let time pass up to *when*, or until *until* has something."""
        if when < self.time - TOLERANCE:
            raise ScriptError(f"{when} is over")
        self._collect()
        for _ in range(100_000):
            if any(flow.outbox for flow in self._flows.values()):
                return
            deadline = self.table.next_deadline
            if deadline > self._start + when:
                break
            self.now = max(self.now, deadline)
            self.table.handle_timeouts(self.now)
            self._collect()
        else:
            raise ScriptError("the timers never rest")
        if until is None:
            self.now = max(self.now, self._start + when)

    def _hand_in(self) -> None:
        """Give the table what the peer sent, as reads of one socket would bring it."""
        batch, self._batch = self._batch, []
        at = 0
        while at < len(batch):
            flow, data, ecn = batch[at]
            stride = len(data)
            read = [data]
            at += 1
            while at < len(batch) and batch[at][0] is flow and 0 < len(batch[at][1]) <= stride:
                if batch[at][2] != ecn:
                    break
                read.append(batch[at][1])
                at += 1
                if len(read[-1]) < stride:
                    break
            self.table.handle_datagrams(b"".join(read), stride, flow.path, self.now, ecn)
        self._collect()

    def _collect(self) -> None:
        while (transmit := self.table.poll_transmit(self.now)) is not None:
            for data in transmit.datagrams():
                flow = self._flow_of(transmit.path, data)
                flow.outbox.append((self.time, data, transmit.ecn))

    def _flow_of(self, path: Path, data: bytes) -> Flow:
        ours, theirs = struct.unpack_from("!HH", data)
        for flow in self._flows.values():
            if flow.path == path and flow.port == theirs and ours == OUR_PORT:
                return flow
        raise ScriptError(f"a segment from port {ours} to {path[0]} port {theirs}, of no flow")

    def _nothing_unexpected(self) -> None:
        self._collect()
        for name, flow in self._flows.items():
            if flow.outbox:
                stamp, data, ecn = flow.outbox[0]
                segment = self._decode(flow, data, ecn)
                raise ScriptError(f"unexpected at {stamp:.4f}  {name}> {segment}")

    def _report(self, line: str, error: ScriptError) -> str:
        return "\n".join(["", *self._log, f"{self.time:10.4f}  {line}   <-- {error}"])

    # -- the wire --------------------------------------------------------------------------------

    def _encode(self, flow: Flow, segment: Segment) -> bytes:
        options = list(segment.options or [])
        syn, rst, ack = (segment.flags >> LETTERS.index(x) & 1 for x in "SRA")
        if syn:
            flow.peer_offers_timestamps |= any(one.startswith("TS ") for one in options)
        elif "noTS" in options:
            options.remove("noTS")
        elif (
            not (rst or any(one.startswith("TS ") for one in options))
            and flow.peer_offers_timestamps
            and flow.we_offer_timestamps
        ):
            echo = flow.last_tsval - (flow.our_clock or 0)
            tsval = max(int(self.time * 1000) + 1, flow.newest_peer_tsval)
            options.insert(0, f"TS {tsval} {echo if ack else 0}")
        packed = b"".join(self._encode_option(flow, one, ack) for one in options)
        packed += bytes(-len(packed) % 4)
        header = struct.pack(
            "!HHIIBBHHH",
            flow.port,
            OUR_PORT,
            (flow.irs + segment.seq) & MASK,
            (flow.iss + segment.ack) & MASK if segment.ack is not None else 0,
            (20 + len(packed)) // 4 << 4 | (0xF if "res" in segment.extras else 0),
            segment.flags,
            65535 if segment.win is None else segment.win,
            0xBEEF if "sum" in segment.extras else 0,
            segment.urg or 0,
        )
        # Data on a SYN begins one number after it.
        return header + packed + pattern(segment.seq + syn, segment.length)

    def _encode_option(self, flow: Flow, text: str, ack: int) -> bytes:
        name, *values = text.split()
        if name == "mss":
            return struct.pack("!BBH", 2, 4, int(values[0]))
        if name == "ws":
            return struct.pack("!BBB", 3, 3, int(values[0]))
        if name == "sackOK":
            return b"\x04\x02"
        if name == "TS":
            flow.newest_peer_tsval = max(flow.newest_peer_tsval, int(values[0]))
            tsecr = (flow.our_clock or 0) + int(values[1]) if ack else int(values[1])
            return struct.pack(
                "!BBII", 8, 10, (flow.peer_clock + int(values[0])) & MASK, tsecr & MASK
            )
        if name == "sack":
            edges = [(flow.iss + int(edge)) & MASK for pair in values for edge in pair.split(":")]
            return struct.pack(f"!BB{len(edges)}I", 5, 2 + 4 * len(edges), *edges)
        if name == "nop":
            return b"\x01"
        if name == "raw":
            return bytes.fromhex(values[0])
        raise ScriptError(f"no such option: {text}")

    def _decode(self, flow: Flow, data: bytes, ecn: int) -> Segment:
        _, _, seq, ack, offset, flags, win, checksum, urg = struct.unpack_from("!HHIIBBHHH", data)
        syn, acked, urgent = (flags >> LETTERS.index(x) & 1 for x in "SAU")
        if checksum or offset & 0xF or (ack and not acked) or (urg and not urgent):
            raise ScriptError("a field is set that should be 0")
        if syn and not flow.iss_known:
            flow.iss, flow.iss_known = seq, True
        payload = data[(offset >> 4) * 4 :]
        seq = self._rel(seq, flow.iss)
        if payload != pattern(seq, len(payload)):
            raise ScriptError(f"wrong data at {seq}")
        return Segment(
            flags,
            seq,
            len(payload),
            self._rel(ack, flow.irs) if acked else None,
            win,
            urg if urgent else None,
            self._decode_options(flow, data[20 : (offset >> 4) * 4], syn, acked),
            frozenset({"ect"} if ecn == ECT_0 else ()),
        )

    def _decode_options(self, flow: Flow, data: bytes, syn: int, acked: int) -> list[str]:
        found = []
        at = 0
        while at < len(data) and data[at]:
            if data[at] == 1:
                at += 1
                continue
            kind, value = data[at], data[at + 2 : at + data[at + 1]]
            at += data[at + 1]
            if kind == 2:
                found.append(f"mss {int.from_bytes(value, 'big')}")
            elif kind == 3:
                found.append(f"ws {value[0]}")
            elif kind == 4:
                found.append("sackOK")
            elif kind == 8:
                tsval, tsecr = struct.unpack("!II", value)
                if syn:
                    flow.we_offer_timestamps = True
                    flow.our_clock = (tsval - int(self.time * 1000)) & MASK
                flow.last_tsval = tsval
                clock = self._rel(tsval, flow.our_clock) if flow.our_clock is not None else tsval
                echo = self._rel(tsecr, flow.peer_clock) if tsecr or acked else 0
                found.append(f"TS {clock} {echo}")
            elif kind == 5:
                edges = [
                    self._rel(edge, flow.irs)
                    for edge in struct.unpack(f"!{len(value) // 4}I", value)
                ]
                pairs = zip(edges[::2], edges[1::2], strict=True)
                found.append("sack " + " ".join(f"{left}:{right}" for left, right in pairs))
            else:
                found.append(f"kind {kind}")
        if any(data[at:]):
            raise ScriptError("what follows the end of the options is not zero")
        return found

    @staticmethod
    def _rel(number: int, base: int) -> int:
        return ((number - base + (1 << 31)) & MASK) - (1 << 31)

    # -- calls -----------------------------------------------------------------------------------

    def _do_flow(self, name: str, address: str, port: str = str(PEER_PORT)) -> None:
        host, _, udp_port = address.rpartition(":")
        self._flows[name] = self._flow(((host, int(udp_port)), ""), int(port))

    def _do_wait(self, flow: Flow) -> None:
        pass

    def _do_anew(self, flow: Flow, seq: str) -> None:
        flow.irs = flow.irs + int(seq) & MASK
        flow.iss_known = flow.peer_offers_timestamps = flow.we_offer_timestamps = False
        flow.our_clock = None
        flow.connection = None
        flow.sent = flow.read = 0

    def _do_connect(self, flow: Flow) -> None:
        flow.connection = self.table.open_active(
            flow.path, flow.port, self.now, local_port=OUR_PORT, tracer=Moves()
        )

    def _do_listen(self, flow: Flow) -> None:
        self._listener = self.table.listen(OUR_PORT, tracer=Moves())

    def _do_unlisten(self, flow: Flow) -> None:
        assert self._listener is not None
        self.table.unlisten(self._listener, self.now)
        self._listener = None

    def _do_accept(self, flow: Flow) -> None:
        assert self._listener is not None
        if not self._listener.accepted:
            raise ScriptError("nobody to accept")
        flow.connection = self._listener.accepted.popleft()
        flow.sent = flow.read = 0

    def _do_send(self, flow: Flow, size: str, urgent: str = "") -> None:
        connection = self._connection(flow)
        connection.send(pattern(flow.sent + 1, int(size)), urgent=bool(urgent))
        flow.sent += int(size)
        self.table.touch(connection)

    def _do_read(self, flow: Flow, size: str) -> None:
        connection = self._connection(flow)
        data = connection.receive()
        if data != pattern(flow.read + 1, int(size)):
            what = "wrong data" if len(data) == int(size) else f"{len(data)} octets"
            raise ScriptError(f"read {what}")
        flow.read += len(data)
        self.table.touch(connection)

    def _do_shutdown(self, flow: Flow) -> None:
        self._connection(flow).shutdown(self.now)
        self.table.touch(self._connection(flow))

    def _do_close(self, flow: Flow) -> None:
        self._connection(flow).close(self.now)
        self.table.touch(self._connection(flow))

    def _do_abort(self, flow: Flow) -> None:
        self._connection(flow).abort(self.now)
        self.table.touch(self._connection(flow))

    def _do_nodelay(self, flow: Flow, value: str) -> None:
        self._connection(flow).nodelay = value == "on"
        self.table.touch(self._connection(flow))

    def _do_receive_buffer(self, flow: Flow, octets: str) -> None:
        self._connection(flow).receive_buffer = int(octets)

    def _do_user_timeout(self, flow: Flow, value: str) -> None:
        self._connection(flow).user_timeout = None if value == "none" else float(value)

    def _do_keepalive(self, flow: Flow, idle: str, interval: str, count: str) -> None:
        self._connection(flow).set_keepalive(True, float(idle), float(interval), int(count))
        self.table.touch(self._connection(flow))

    def _do_icmp(self, flow: Flow, name: str, seq: str = "short") -> None:
        quote = b""
        if seq != "short":
            quote = struct.pack("!HHI", OUR_PORT, flow.port, (flow.iss + int(seq)) & MASK)
        self.table.handle_icmp(getattr(errno, name), quote, flow.path, self.now)

    def _do_fails(self, flow: Flow, error: str, call: str, *words: str) -> None:
        name = next(name for name, one in self._flows.items() if one is flow)
        try:
            self._call(call, name, list(words))
        except OSError as raised:
            if error not in (type(raised).__name__, errno.errorcode.get(raised.errno or 0)):
                raise ScriptError(f"raised {raised!r}") from None
        else:
            raise ScriptError("did not fail")

    # -- what must hold --------------------------------------------------------------------------

    def _do_state(self, flow: Flow, name: str) -> None:
        self._equal(str(self._connection(flow).state), name)

    def _do_error(self, flow: Flow, name: str) -> None:
        error = self._connection(flow).error
        self._equal("none" if error is None else type(error).__name__, name)

    def _do_soft(self, flow: Flow, name: str) -> None:
        error = self._connection(flow).soft_error
        self._equal("none" if error is None else errno.errorcode[error.errno or 0], name)

    def _do_events(self, flow: Flow, *names: str) -> None:
        bits = self._connection(flow).poll_events()
        self._equal({name for name, bit in EVENTS.items() if bits & bit}, set(names))

    def _do_urgent(self, flow: Flow, octets: str) -> None:
        self._equal(self._connection(flow).urgent_octets, int(octets))

    def _do_unsent(self, flow: Flow, octets: str) -> None:
        self._equal(self._connection(flow).unsent_octets, int(octets))

    def _do_info(self, flow: Flow, name: str, value: str) -> None:
        found = getattr(self._connection(flow).info(), name)
        if isinstance(found, float):
            found = round(found, 4)
        self._equal(str(found), value)

    def _do_count(self, flow: Flow, reason: str, number: str) -> None:
        self._equal(self.table.counters[Count[reason]], int(number))

    def _do_records(self, flow: Flow, number: str) -> None:
        self._collect()
        self._equal(self.table.time_wait_records, int(number))

    def _do_connections(self, flow: Flow, number: str) -> None:
        self._collect()
        self._equal(self.table.connections, int(number))

    @staticmethod
    def _equal(found: object, wanted: object) -> None:
        if found != wanted:
            raise ScriptError(f"it is {found}")

    # -- inside ----------------------------------------------------------------------------------

    def _connection(self, flow: Flow) -> Connection:
        if flow.connection is not None:
            return flow.connection
        if self._listener is not None:
            ports = OUR_PORT << 16 | flow.port
            for child in [*self._listener.half_open, *self._listener.accepted]:
                if child.path == flow.path and child.ports == ports:
                    return child
        raise ScriptError("there is no connection")

    def _flow(self, path: Path, port: int) -> Flow:
        if self._wrap:
            return Flow(path, port, MASK + 1 - 500, MASK + 1 - 50)
        return Flow(path, port, 500_000, 1_000_000)

    def _new_table(self) -> ConnectionTable:
        table = ConnectionTable(self.config, secret=SECRET, chance=random.Random(1))
        table.enable_ecn()
        return table

    def _starting_time(self, path: Path, iss: int) -> float:
        """Return when to begin so that the main flow gets about the given ISS (ISN-1)."""
        probe = self._new_table()
        probe.open_active(path, PEER_PORT, 0.0, local_port=OUR_PORT)
        transmit = probe.poll_transmit(0.0)
        assert transmit is not None
        (first,) = struct.unpack_from("!I", transmit.datagrams()[0], 4)
        return float(round((iss - first & MASK) / 250_000, 3))


def _same_option(wanted: str, got: str) -> bool:
    """Compare two options; a timestamp clock may be a tick off, ``*`` stands for any number."""
    if not wanted.startswith("TS ") or not got.startswith("TS "):
        return wanted == got
    pairs = zip(wanted.split()[1:], got.split()[1:], strict=True)
    return all(one == "*" or abs(int(one) - int(other)) <= 1 for one, other in pairs)


def active(options: str = "mss 1000", *, win: int = 65535, rtt: float = 0.1) -> str:
    """Return the script of an open by us; the answer carries *options*."""
    return f"""
        connect
        > S 0
        +{rtt} < SA 0 ack 1 win {win} <{options}>
        > A 1 ack 1
        state ESTABLISHED
        events ESTABLISHED WRITABLE
    """


def passive(options: str = "mss 1000", *, win: int = 65535, rtt: float = 0.1) -> str:
    """Return the script of an open by the peer, whose SYN carries *options*."""
    return f"""
        listen
        < S 0 win {win} <{options}>
        > SA 0 ack 1
        +{rtt} < A 1 ack 1 win {win}
        accept
        state ESTABLISHED
    """
