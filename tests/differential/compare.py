"""What differs between two runs of one script, and what may.

Each rule below that lets something pass is a heading of ``docs/differences.md``, which says why.
"""

import dataclasses
from typing import Final

from tests.differential.play import Part, Trace, Traces
from tests.differential.script import Character, Script

RESET: Final = "ConnectionResetError 104"

UNDELIVERED: Final = (f"wait_closed: {RESET}", "wait_closed: done")

SAME_NEWS: Final = {
    "BrokenPipeError 32": "ConnectionResetError 104",  # "One name for a reset"
    "write_eof: OSError": "write_eof: None",  # "write_eof() does not raise for what is gone"
}


def differences(script: Script, tcp: Traces, ours: Traces) -> list[str]:
    """Return a line for each thing in which *ours* is not as *tcp* and may not differ."""
    found = [f"{name}, {line}" for name, line in _promises(ours)]
    if script.rushed:
        return found + (_at_last(tcp, ours) if script.is_orderly() else [])
    # "Buffers are smaller": where they were full once, nothing later happens at the same time.
    parts = min(map(_until_full, (*tcp, *ours)))
    for which, name in enumerate(("client", "server")):
        if tcp[which].wrong:
            found.append(f"{name}, other octets than were written, over TCP")
        end, peer = (
            getattr(script, name),
            getattr(script, "server" if name == "client" else "client"),
        )
        comparison = _Comparison(end, peer, ours[1 - which], parts)
        found += [f"{name}, {line}" for line in comparison.unlike(tcp[which], ours[which])]
    return found


def _promises(ours: Traces) -> list[tuple[str, str]]:
    """Return what may never be, whatever TCP does."""
    found: list[tuple[str, str]] = []
    client, server = ours
    for name, mine, peer in (("client", client, server), ("server", server, client)):
        if mine.wrong:
            found.append((name, "other octets than were written"))
        if mine.heard_end and mine.arrived < peer.accepted:
            found.append((name, f"{mine.arrived} of {peer.accepted} octets and a clean end"))
        if mine.arrived > peer.written:
            found.append((name, f"{mine.arrived} octets, {peer.written} were written"))
        for listener in {moment.rpartition(" ")[0] for moment in mine.moments}:
            turns = [one for one in mine.moments if one.rpartition(" ")[0] == listener]
            if any(turn.endswith("pause") != (at % 2 == 0) for at, turn in enumerate(turns)):
                found.append((name, f"paused or resumed twice: {turns}"))
    return found


def _at_last(tcp: Traces, ours: Traces) -> list[str]:
    """Return what differs in the end where both acted as they liked, but in order."""
    found: list[str] = []
    for name, theirs, mine in zip(("client", "server"), tcp, ours, strict=True):
        one, other = ((trace.arrived, trace.heard_end) for trace in (theirs, mine))
        if one != other:
            found.append(f"{name}: {one} != {other}")
    return found


def _until_full(trace: Trace) -> int:
    return next((number for number, part in enumerate(trace.parts) if part.full), len(trace.parts))


@dataclasses.dataclass
class _Comparison:
    """Of one end, until the two know different things: *parts* at most."""

    end: Character
    peer: Character
    peer_saw: Trace
    parts: int

    def unlike(self, theirs: Trace, mine: Trace) -> list[str]:
        """Return what differs and may not."""
        found: list[str] = []
        heard_end = cancelled = False
        for number in range(self.parts):
            one, other = theirs.parts[number], mine.parts[number]
            calls, heard_end = _once(one.calls, heard_end)
            one, other = _plain(dataclasses.replace(one, calls=calls)), _plain(other)
            if self.parted(one, other, mine):
                break
            # "One wait_closed() is cancelled alone"
            cancelled |= "wait_closed: cancelled" in one.tasks
            if cancelled:
                one.tasks, other.tasks = map(_but_wait_closed, (one.tasks, other.tasks))
            # "wait_closed() means delivered"
            if self.peer.fails() or mine.accepted > self.peer_saw.arrived:
                other.tasks = sorted(task.replace(*UNDELIVERED) for task in other.tasks)
            if other.received > one.received and self.peer_saw.written > self.peer_saw.accepted:
                one.received = other.received  # "What is written after close()"
            found += [
                f"part {number}: {what} {getattr(one, what)} != {getattr(other, what)}"
                for what in ("steps", "calls", "tasks", "received")
                if getattr(one, what) != getattr(other, what)
            ]
        return found

    def parted(self, one: Part, other: Part, mine: Trace) -> bool:
        """Return whether from here on one of the two knows more than the other."""
        told, heard = _lost(one), _lost(other)
        # "What was dropped is told by a reset", which overtakes the rest, and is not repeated
        short = mine.arrived < self.peer_saw.accepted
        if self.peer_saw.aborted and (short or RESET in (told, heard)):
            return True
        if RESET in (told, heard):
            if other.wrote:
                return True  # "A reset needs a round trip"
            if self.end.kind == "streams" and told == heard:
                return True  # "What has arrived is read before the error"
        if told == heard:
            return False
        if heard == RESET:
            return (
                (one.deaf and not told)  # "A reset is told at once"
                # "A callback that fails", whose end may make ours fail as well
                or (self.peer.fails() and (told in ("", "None") or "eof" in one.calls))
                or (mine.accepted > self.peer_saw.arrived and told == "None")  # "What is lost"
            )
        # "What has arrived is read before the error"
        return told == RESET and not heard and other.deaf


def _but_wait_closed(tasks: list[str]) -> list[str]:
    return [task for task in tasks if not task.startswith("wait_closed")]


def _lost(part: Part) -> str:
    return next((call.partition("lost ")[2] for call in part.calls if "lost " in call), "")


def _once(calls: list[str], heard_end: bool) -> tuple[list[str], bool]:
    """Leave out the ends of stream after the first: "The end of the stream is told once"."""
    kept: list[str] = []
    for call in calls:
        if not call.endswith("eof"):
            kept.append(call)
        elif not heard_end:
            kept.append(call)
            heard_end = True
    return kept, heard_end


def _plain(part: Part) -> Part:
    """Return *part* in the words that both have."""

    def plain(entry: str) -> str:
        for one, other in SAME_NEWS.items():
            entry = entry.replace(one, other)
        return entry

    return dataclasses.replace(
        part,
        steps=[plain(step) for step in part.steps],
        calls=[plain(call) for call in part.calls],
        tasks=sorted(plain(task) for task in part.tasks),
    )
