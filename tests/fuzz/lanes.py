"""A language of octets for what may happen to a steady connection, with the lane and without.

Any string of octets is a program for three pairs of ends that differ in nothing but who does their
steady work: the RFC's code, the lane in Python, the lane in C (:mod:`tests.sim.twins`).  They write
and read, let time pass, and get what no peer would send: datagrams that were on their way before,
damaged at any place, as they are or in one read with others.  The oracle: all three do the same.
"""

from typing import Any, Final

from rudp.core.segment.transmit import CE
from tests.sim.twins import CLIENT, SERVER, Twin

LANES: Final = ("off", "python", "auto")
PATHS: Final[tuple[dict[str, Any], ...]] = (
    {"delay": 0.001},
    {"delay": 0.001, "loss": 0.02},
    {"delay": 0.01, "reorder": 0.05, "reorder_delay": 0.005},
    {"delay": 0.001, "rate": 2_000_000, "queue": 50_000},
)
OPTIONS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"ecn": "on"},
    {"congestion": "bbr"},
    {"receive_buffer": 8192, "receive_buffer_max": 20_000, "send_buffer": 30_000},
)
WAITS: Final = (0.0, 0.0005, 0.002, 0.002, 0.01, 0.05, 0.3, 2.0)
SIZES: Final = (1, 64, 64, 500, 1448, 5000, 70_000)
PROGRAM_MAX: Final = 256


class Octets:
    """A program, read octet by octet; behind its end there are zeros."""

    def __init__(self, program: bytes) -> None:
        self._program = program[:PROGRAM_MAX]
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._program)

    def next(self) -> int:
        octet = self._program[self._at] if self else 0
        self._at += 1
        return octet


def run(program: bytes) -> tuple[int, int]:
    """Let all three pairs do what *program* says; AssertionError where they differ.

    Return how often a lane was entered, and left, by the pair with the lane in Python.
    """
    octets = Octets(program)
    path, options = PATHS[octets.next() % len(PATHS)], OPTIONS[octets.next() % len(OPTIONS)]
    twins = [Twin(lane, path, options, 1) for lane in LANES]
    _warm_up(twins)
    while octets:
        deed = octets.next()
        end = deed & 1
        kind = deed >> 1 & 7
        if kind <= 1:
            data = bytes([octets.next()]) * SIZES[deed >> 4 & 7 if deed >> 4 & 7 < 7 else 0]
            _each(twins, end, "write", data)
        elif kind == 2:
            _each(twins, end, "read", (None, 100, None, 5000)[deed >> 4 & 3])
        elif kind in (3, 4):
            for twin in twins:
                twin.pass_time(WAITS[deed >> 4 & 7])
        elif kind in (5, 6):
            _forge(twins, end, deed >> 4, octets)
        else:
            name, *args = _RARE[deed >> 4]
            _each(twins, end, name, *args)
        _compare(twins)
    for twin in twins:
        twin.pass_time(0.5)
    _compare(twins)
    inside = [twin.look_inside() for twin in twins]
    assert inside[0] == inside[1] == inside[2]
    return twins[1].lanes


def try_program(program: bytes) -> None:
    """For a fuzzer: as :func:`run`."""
    run(program)


_RARE: Final[tuple[tuple[Any, ...], ...]] = (
    ("status",), ("hold_back", 3000), ("hold_back", 0), ("resize", 30_000), ("shrink", 500),
    ("mark", 10), ("write_urgent", b"!"), ("records",), ("status",), ("hold_back", 100),
    ("read", None), ("shutdown",), ("close",), ("abort",), ("mark", 0), ("status",),
)  # fmt: skip


def _warm_up(twins: list[Twin]) -> None:
    for _ in range(4):
        for end in range(2):
            _each(twins, end, "write", b"warm")
            for twin in twins:
                twin.pass_time(0.02)
            _each(twins, 1 - end, "read", None)


def _each(twins: list[Twin], end: int, deed: str, *args: Any) -> None:
    for twin in twins:
        twin.act(end, deed, *args)


def _forge(twins: list[Twin], end: int, how: int, octets: Octets) -> None:
    """Let *end* get what was on the way to it not long ago once more, damaged perhaps."""
    address = (CLIENT, SERVER)[end]
    pages = [page for page in twins[0].pages if len(page) == 3 and isinstance(page[2], bytes)]
    sent = [page for page in pages if isinstance(page[1], tuple) and page[1][4][0] == address]
    if not sent:
        return
    fields, whole = sent[-1 - octets.next() % len(sent)][1:]
    data = bytearray(whole)
    for _ in range(how & 3):
        at = octets.next()
        data[at % min(len(data), 48)] ^= octets.next()
    if how & 4:
        data = data[: octets.next() + 1]
    source = (SERVER, CLIENT)[end]
    for twin in twins:
        now = twin.now
        ecn = CE if how & 8 else 0
        twin.tables[end].handle_datagrams(bytes(data), fields[0], (source, ""), now, ecn)


def _compare(twins: list[Twin]) -> None:
    first, *others = (twin.pages for twin in twins)
    for pages in others:
        assert pages == first
    for twin in twins:
        del twin.pages[:-40]
