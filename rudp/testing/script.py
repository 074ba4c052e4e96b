"""Faults as values: which segment of which connection meets what, as text and as objects.

::

    c:data:2 lost           # the client's second segment with data
    s:fin late 300ms        # the server's first FIN
    c:syn lost; c:syn:2 lost
    c2:any:5 twice 10ms     # of the second connection: its client's fifth segment
    c:data:3 down 5s        # with this segment the link goes down, both ways, for 5 s
    c@2.5s rebind           # at 2.5 s the NAT before the client forgets: other port, no way back

A fault names a segment by who sends it, ``c`` for the side that opened the connection or ``s`` for
the other, by its kind (:data:`rudp.trace.kinds.KINDS`), and by its number among those as they
leave, which is 1 unless given.  Connections are counted in the order in which they open; without a
number it is the first.  Outages and NATs may have a time instead, in seconds of the loop.
"""

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from rudp.trace.kinds import KINDS, NTH_MAX, SIDES

ACTIONS: Final = ("lost", "late", "twice", "cut", "down", "rebind")
"""What can happen: the datagram is lost, arrives so much later, arrives a second time so much
later, or loses all but its first octets; the link is down for so long; the NAT forgets."""

TIMED: Final = ("down", "rebind")
"""Actions that may have a time instead of a segment."""

_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}

_DIGITS: Final = 9
"""Decimals of seconds."""

_WHERE: Final = re.compile(
    r"(?P<side>[a-z]+)(?P<connection>\d*)"
    r"(?:@(?P<at>[\d.a-z]+)|:(?P<kind>[a-z]+)(?::(?P<nth>\d+))?)"
)
_TIME: Final = re.compile(r"(\d+(?:\.\d*)?)(us|ms|s|min)")


class FaultScriptError(ValueError):
    """A fault script cannot be read, or something in it never came."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """One fault.

    *side*: ``"c"`` or ``"s"``.  *kind* and *nth* name a segment that it sends; with *at*, a time in
    seconds, they have no meaning.  *action*: one of :data:`ACTIONS`.  *amount*: seconds of
    ``late``, ``twice`` and ``down``, octets of ``cut``.  *connection*: 1 for the first.
    """

    side: str
    kind: str
    nth: int
    action: str
    amount: float = 0.0
    connection: int = 1
    at: float | None = None

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise FaultScriptError(f"a side is c or s, not {self.side!r}")
        if self.kind not in KINDS:
            raise FaultScriptError(f"a kind is one of {_listed(KINDS)}, not {self.kind!r}")
        if self.action not in ACTIONS:
            raise FaultScriptError(f"unknown fault {self.action!r}: one of {_listed(ACTIONS)}")
        for name, value in (("number of a segment", self.nth), ("connection", self.connection)):
            if not 1 <= value <= NTH_MAX:
                raise FaultScriptError(f"a {name} is 1 to {NTH_MAX}, not {value}")
        if not (0.0 <= self.amount < math.inf):
            raise FaultScriptError(f"{self.action} {self.amount!r} is out of range")
        if self.action == "cut" and not (self.amount >= 1 and self.amount == int(self.amount)):
            raise FaultScriptError(f"cut leaves 1 octet or more, not {self.amount:g}")
        if self.action in ("late", "down") and not self.amount:
            raise FaultScriptError(f"{self.action} needs a time such as 300ms")
        if self.action in ("lost", "rebind") and self.amount:
            raise FaultScriptError(f"{self.action} takes nothing after it")
        if self.at is not None and self.action not in TIMED:
            raise FaultScriptError(f"{self.action} happens to a segment, such as c:data:2")

    @property
    def where(self) -> str:
        """Which segment, or when: ``c:data:2``, ``c@2.5s``."""
        side = self.side if self.connection == 1 else f"{self.side}{self.connection}"
        if self.at is not None:
            return f"{side}@{in_words(self.at)}"
        return f"{side}:{self.kind}:{self.nth}"

    def __str__(self) -> str:
        if self.action == "cut":
            return f"{self.where} cut {self.amount:.0f}"
        time = f" {in_words(self.amount)}" if self.amount else ""
        return f"{self.where} {self.action}{time}"

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read ``c:data:2 lost``.  Raises :class:`FaultScriptError`."""
        where, *rest = text.split() or [""]
        found = _WHERE.fullmatch(where)
        if found is None:
            raise FaultScriptError(
                f"{where!r} is not a segment such as c:data:2: c or s for client or server, "
                f"{_listed(KINDS)}, and which one, from 1 on; nor a time such as c@2.5s"
            )
        action, *amounts = rest or [""]
        if not action:
            raise FaultScriptError(f"{where} needs a fault: one of {_listed(ACTIONS)}")
        if action in ACTIONS and len(amounts) > (action not in ("lost", "rebind")):
            raise FaultScriptError(f"{text!r}: {action} does not take {' '.join(amounts)!r}")
        amount = 0.0
        if amounts:
            amount = _octets(amounts[0]) if action == "cut" else seconds(amounts[0])
        return cls(
            side=found["side"],
            kind=found["kind"] or "any",
            nth=int(found["nth"] or 1),
            action=action,
            amount=amount,
            connection=int(found["connection"] or 1),
            at=seconds(found["at"]) if found["at"] is not None else None,
        )


class FaultScript:
    """The faults of one run.

    *faults*: text, a fault a line or between semicolons, ``#`` before comments; or :class:`Fault`
    objects.  *lenient*: a fault whose segment never comes is no error; scripts that
    :func:`rudp.testing.faults` draws are so.  Raises :class:`FaultScriptError`.

    >>> print(FaultScript("s:fin late 300ms; c:data:2 lost"))
    s:fin:1 late 300ms
    c:data:2 lost
    """

    __slots__ = ("faults", "lenient")

    def __init__(self, faults: "str | Iterable[Fault]" = (), *, lenient: bool = False) -> None:
        self.faults = tuple(_read(faults) if isinstance(faults, str) else faults)
        self.lenient = lenient
        for fault, times in Counter(self.faults).items():
            if times > 1:
                raise FaultScriptError(f"{fault} stands there {times} times")

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))

    def __repr__(self) -> str:
        lenient = ", lenient=True" if self.lenient else ""
        return f"FaultScript({'; '.join(map(str, self.faults))!r}{lenient})"

    def __len__(self) -> int:
        return len(self.faults)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.faults)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FaultScript) and self.faults == other.faults

    def __hash__(self) -> int:
        return hash(self.faults)


def seconds(text: str) -> float:
    """Return the seconds of ``"300ms"``.  Raises :class:`FaultScriptError`."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise FaultScriptError(f"{text!r} is not a time such as 300ms, 1.5s or 2min")
    return round(float(found[1]) * _UNITS[found[2]], _DIGITS)


def in_words(time: float) -> str:
    """Return a time as scripts have it, nothing of it lost: ``"300ms"``, ``"1.5s"``."""
    unit = "ms" if time < 1.0 else "s"
    number = f"{time / _UNITS[unit]:.{_DIGITS - (3 if unit == 'ms' else 0)}f}"
    return f"{number.rstrip('0').rstrip('.')}{unit}"


def _octets(text: str) -> float:
    if not text.isdecimal():
        raise FaultScriptError(f"{text!r} is not a number of octets")
    return float(text)


def _read(text: str) -> Iterator[Fault]:
    for number, line in enumerate(text.splitlines(), start=1):
        for part in line.partition("#")[0].split(";"):
            if part.strip():
                try:
                    yield Fault.parse(part)
                except FaultScriptError as error:
                    raise FaultScriptError(f"line {number} of the fault script: {error}") from None


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}"
