"""``rudp top``: the busiest connections of programs that run, told anew every second.

What moved in the last interval stands first.  On a terminal with ``rich`` it is a table that is
kept up to date; elsewhere one table comes below the other.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from rudp.cli import arguments, output, running, seen, ss, stdio
from rudp.cli.output import Column
from rudp.live.ask import Answer
from rudp.trace.words import octets

ROWS: Final = 20
"""Connections in a table, at most, where there is no terminal that would say."""

OVERHEAD: Final = 6
"""Lines of a terminal that are not rows of the table."""


_SHORT: Final[dict[str, str]] = {
    "ESTABLISHED": "ESTAB",
    "FIN-WAIT-1": "FINW1",
    "FIN-WAIT-2": "FINW2",
    "CLOSE-WAIT": "CLOSW",
    "LAST-ACK": "LASTA",
    "SYN-SENT": "SYN-S",
    "SYN-RECEIVED": "SYN-R",
}


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}" if seconds < 1 else f"{seconds * 1e3:.0f}"


def _rate(octets_a_second: float) -> str:
    bits = octets_a_second * 8 / 1e6
    return f"{bits:.2f}" if bits < 10 else f"{bits:.0f}"


def _size(count: int) -> str:
    return octets(count).replace("iB", "").replace(" ", "")


COLUMNS: Final = (
    Column("peer", -27),
    Column("state", -5, lambda state: _SHORT.get(state, state)),
    Column("out", 6, _rate),
    Column("in", 6, _rate),
    Column("RTT", 6, _milliseconds),
    Column("cwnd", 6, _size),
    Column("resent", 6, _size),
    Column("by", -4),
)


@dataclasses.dataclass(frozen=True)
class Row:
    """A connection, and octets a second: *out* that were acknowledged, *into* that came."""

    pid: int
    connection: dict[str, Any]
    out: float
    into: float

    @property
    def values(self) -> tuple[Any, ...]:
        """What stands in :data:`COLUMNS`."""
        of = self.connection
        return (
            *(seen.peer(of), of["state"], self.out, self.into, of["srtt"], of["cwnd"]),
            of["resent"],
            of["held_back_by"],
        )


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "top",
        help="watch the busiest connections of programs that run",
        description="Show the busiest connections of this user's programs that are visible, again "
        "and again, until Ctrl-C. out and in are Mbit/s; by says what holds the sender back: app, "
        "there is nothing to send; rwnd, the peer's window; cwnd, the congestion window.",
    )
    ss.add_options(parser)
    parser.add_argument(
        "-i",
        "--interval",
        type=arguments.duration,
        default=1.0,
        metavar="TIME",
        help="time from one table to the next (default: 1s)",
    )
    parser.add_argument(
        "-n",
        "--count",
        type=arguments.count(1, 1_000_000),
        metavar="N",
        help="end after so many tables",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object for each connection")
    parser.set_defaults(run=functools.partial(run, parser), loop="asyncio")


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command."""
    return running.run(parser, options, lambda: _watch(parser.prog, options), serves=True)


async def _watch(prog: str, options: argparse.Namespace) -> int:
    """Show one table after the other; return 1 if nobody can be asked."""
    rates = Rates()
    with _screen(options) as show:
        rounds = 0
        while options.count is None or rounds < options.count:
            if rounds or options.count is not None:
                await asyncio.sleep(options.interval)  # of the first there are no rates
            elif not rounds:
                await asyncio.sleep(0)
            try:
                found, complete = ss.answers(prog, options)
            except OSError as error:
                stdio.complain(f"{prog}: {ss.reason(error)}")
                return 1
            if options.pid is not None and not found and not complete:
                return 1
            show(found, rates.rows(found, time.monotonic()))
            rounds += 1
    return 0


class Rates:
    """Knows what each connection had done when it was seen last."""

    def __init__(self) -> None:
        self._before: dict[tuple[Any, ...], tuple[int, int]] = {}
        self._at = 0.0

    def rows(self, answers: list[Answer], now: float) -> list[Row]:
        """Return all connections, the busiest first; *now*: seconds, when they were asked for."""
        passed = now - self._at
        known, self._before, self._at = self._before, {}, now
        rows = []
        for answer in answers:
            pid = answer.program["pid"]
            for each in answer.connections:
                key = pid, each["local"], each["peer"], each["local_port"], each["remote_port"]
                done = each["bytes_acked"], each["bytes_received"]
                self._before[key] = done
                since = known.get(key)
                # One that is new since then has done all of it in less time than that.
                if since is None and known and each["age"] < passed:
                    since = (0, 0)
                if since is None or passed <= 0:
                    rows.append(Row(pid, each, 0.0, 0.0))
                else:
                    out, into = (max(a - b, 0) / passed for a, b in zip(done, since, strict=True))
                    rows.append(Row(pid, each, out, into))
        rows.sort(key=lambda row: (-row.out - row.into, row.pid, row.connection["peer"]))
        return rows


def summary(answers: list[Answer], rows: list[Row]) -> str:
    """Return the line above the table."""
    out, into = sum(row.out for row in rows), sum(row.into for row in rows)
    resent = sum(row.connection["resent"] for row in rows)
    programs = len(answers)
    return (
        f"{programs} program{'s'[: programs != 1]}, {len(rows)} connections, "
        f"out {seen.rate(out)}, in {seen.rate(into)}, {octets(resent)} resent"
    )


@contextlib.contextmanager
def _screen(options: argparse.Namespace) -> Iterator[Any]:
    """Give what shows answers and rows in the way that suits standard output."""
    say = output.make(as_json=options.json)
    if isinstance(say, output.RichOutput):
        with _live() as show:
            yield show
        return

    def plain(answers: list[Answer], rows: list[Row]) -> None:
        for row in rows:
            rates = {"out_rate": row.out, "in_rate": row.into}
            say.event("connection", pid=row.pid, **rates, **row.connection)
        say.event("round", connections=len(rows))
        say.line(f"{time.strftime('%H:%M:%S')}  {summary(answers, rows)}")
        say.table(COLUMNS, [row.values for row in rows[:ROWS]])
        if len(rows) > ROWS:
            say.line(f"and {len(rows) - ROWS} more")
        say.line("")

    yield plain


@contextlib.contextmanager
def _live() -> Iterator[Any]:
    """Give what shows a table that takes the place of the last one."""
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stdout, highlight=False)
    with Live(console=console, auto_refresh=False, screen=True) as live:

        def show(answers: list[Answer], rows: list[Row]) -> None:
            live.update(screen(answers, rows, *shutil.get_terminal_size()), refresh=True)

        yield show


def screen(answers: list[Answer], rows: list[Row], width: int, height: int) -> Any:
    """Return what ``rich`` shows on a terminal of *width* columns and *height* lines."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    room = max(height - OVERHEAD, 1)
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    rest = sum(abs(column.width) + 2 for column in COLUMNS[1:])
    for column in COLUMNS:
        justify: Any = "right" if column.width > 0 else "left"
        most = max(width - rest, 20) if column is COLUMNS[0] else None
        table.add_column(
            column.title,
            justify=justify,
            no_wrap=True,
            overflow="ellipsis",
            min_width=abs(column.width) if most is None else min(most, -column.width),
            max_width=most,
        )
    for row in rows[:room]:
        texts = [  # no markup: addresses have colons and brackets
            Text("-" if value is None else column.text(value))
            for column, value in zip(COLUMNS, row.values, strict=True)
        ]
        idle = not (row.out or row.into)
        table.add_row(*texts, style="dim" if idle else "")
    names = ", ".join(seen.name(each.program) for each in answers) or "no program is visible"
    lines: list[Any] = [
        Text(f"rudp top  {time.strftime('%H:%M:%S')}  {platform.node()}", style="bold"),
        Text(names, no_wrap=True, overflow="ellipsis"),
        Text(summary(answers, rows), no_wrap=True, overflow="ellipsis"),
        Text(""),
        table,
    ]
    if len(rows) > room:
        lines.append(Text(f"and {len(rows) - room} more", style="dim"))
    return Group(*lines)
