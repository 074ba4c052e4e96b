"""How a run is shown: a ladder at once, at the pace of the run or line by line; a graph; a quiz."""

import random
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from rudp.cli.demo.scenarios import SEGMENT, Quiz
from rudp.cli.output import Output, columns
from rudp.trace import Ladder, Recording, words
from rudp.trace.events import CongestionChanged, SegmentLost, SegmentSent

PAUSE_MAX: Final = 2.0
"""Seconds; a longer silence is shortened to this when a ladder is played."""

ROWS_MAX: Final = 60
"""Rows of the graph, at most, or one more."""

Pace = Callable[[float], None]
"""Waits before a line is shown that belongs to so many seconds after the first."""


def at_once(when: float) -> None:
    """Do not wait."""


def played(speed: float) -> Pace:
    """Return what waits as long as the run did, *speed* times faster."""
    shown = 0.0

    def wait(when: float) -> None:
        nonlocal shown
        time.sleep(min(max(when - shown, 0.0) / speed, PAUSE_MAX))
        shown = max(when, shown)

    return wait


def by_hand(when: float) -> None:
    """Wait for the Enter key."""
    sys.stdin.readline()
    if sys.stdin.isatty() and sys.stdout.isatty():
        print("\x1b[A", end="", flush=True)  # the key has begun a new line


def ladder(say: Output, drawn: Ladder, pace: Pace, notes: Sequence[tuple[float, str]] = ()) -> None:
    """Show a ladder, and *notes* between its lines, each at its time in seconds."""
    head = drawn.head()
    for line in head:
        say.line(line)
    indent = head[0].index("ms") + len("ms  ")
    left = deque(notes)
    for when, text in drawn.rows():
        while left and left[0][0] <= when:
            say.line(f"{'':{indent}}[{left.popleft()[1]}]")
        pace(when)
        say.line(text)
    for _, note in left:
        say.line(f"{'':{indent}}[{note}]")


def window(say: Output, recording: Recording, rtt: float) -> None:
    """Show how cwnd of the first end went, a row for each round trip if these are not many."""
    changes = [
        event
        for event in recording.events
        if isinstance(event, CongestionChanged) and event.connection == recording.header.ends[0]
    ]
    if not changes:
        return
    start = changes[0].time
    interval = max(rtt, (changes[-1].time - start) / ROWS_MAX)
    say.line(f"\n{'ms':>9}  cwnd in segments of {SEGMENT} octets, each {words.seconds(interval)}")
    latest = {int((event.time - start) / interval): event for event in changes}
    rows = []
    for event in latest.values():
        phase = "" if event.recovery == "no loss is known" else f"  {event.recovery}"
        rows.append((event.time, event.cwnd // SEGMENT, phase))
    room = columns() - 16 - max(len(phase) for _, _, phase in rows)
    each = max(-(-segments // room) for _, segments, _ in rows)  # in one sign
    for when, segments, phase in rows:
        say.line(f"{when * 1000:9.1f}  {segments:4} {'#' * (segments // each)}{phase}")
    if each > 1:
        say.line(f"{'':16}# is {each} segments")


def ask(say: Output, quiz: Quiz, seed: int) -> Callable[[], None]:
    """Ask *quiz*'s question until a letter of it is given, or there is nothing left to read.

    Return what tells afterwards whether the answer was right.
    """
    order = list(quiz.choices)
    random.Random(seed).shuffle(order)
    letters = "abcdefgh"[: len(order)]
    right = letters[order.index(quiz.choices[0])]
    choose = f"{', '.join(letters[:-1])} or {letters[-1]}"
    say.line(f"{quiz.question}\n")
    for letter, choice in zip(letters, order, strict=True):
        say.line(f"  {letter}) {choice}")
    say.line(f"\nYour answer, {choose}:")
    while line := sys.stdin.readline():
        given = line.strip().lower().rstrip(")")
        if len(given) == 1 and given in letters:
            break
        say.line(f"That is none of the answers; type {choose}:")
    say.line("")

    def tell() -> None:
        verdict = "Right" if line and given == right else f"The answer is {right}"
        say.line(f"\n{verdict}: {quiz.choices[0]} {quiz.because}")

    return tell


def summary(recording: Recording) -> str:
    """Return in one line how much was sent and lost."""
    sent = lost = again = 0
    highest: dict[str, int] = {}
    for event in recording.events:
        if isinstance(event, SegmentLost):
            lost += 1
        elif isinstance(event, SegmentSent):
            sent += 1
            segment = event.segment
            before = highest.get(event.connection, 0)
            again += bool(segment.space and segment.seq < before)
            highest[event.connection] = max(before, segment.seq + segment.space)
    last = recording.events[-1].time if recording.events else 0.0
    return f"{sent} segments, {lost} lost, {again} sent again, in {words.seconds(last)}"
