"""What a command says: text for people, or one JSON object a line for programs.

With ``rich`` installed and a terminal to write to, tables have rules and colours, and a line at the
bottom is kept up to date.  Everywhere else, and with NO_COLOR set, the same words come as plain
text.  A command describes what happened once, and what it looks like is decided here.
"""

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

from rudp.cli import running, stdio

if TYPE_CHECKING:
    from rich.live import Live


COLUMNS_MIN: Final = 64
"""Columns below which text does not get narrower."""


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table: *title*, the *width* it needs, and what makes text of a value."""

    title: str
    width: int
    text: Callable[[Any], str] = str


class Output:
    """Says nothing; the others say it in their way."""

    def line(self, text: str) -> None:
        """Say *text*, to people alone."""

    def event(self, kind: str, **fields: Any) -> None:
        """Report that something happened, to programs alone."""

    def row(self, columns: Sequence[Column], values: Sequence[Any]) -> None:
        """Add a row to a table that grows, under its heading, to people alone."""

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
        """Show a table that is complete, to people alone."""

    def status(self, text: str, done: float | None = None) -> None:
        """Show what goes on at the bottom of a terminal; *done*: the share from 0 to 1."""

    def close(self) -> None:
        """Take the status away."""


class TextOutput(Output):
    """Plain text, one line after the other."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._headed: Sequence[Column] = ()

    def line(self, text: str) -> None:
        """Write *text*."""
        print(text, file=self._file, flush=True)

    def row(self, columns: Sequence[Column], values: Sequence[Any]) -> None:
        """Write the heading once, and a line for each row."""
        if self._headed is not columns:
            self._headed = columns
            self._heading(_joined(columns, [column.title for column in columns]))
        self.line(_joined(columns, _texts(columns, values)))

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
        """Write an empty line and the table."""
        self.line("")
        self._headed = ()
        for values in rows:
            self.row(columns, values)

    def _heading(self, text: str) -> None:
        self.line(text)


class JsonOutput(Output):
    """JSON Lines; each object has the member ``event``."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def event(self, kind: str, **fields: Any) -> None:
        """Write an object."""
        print(json.dumps({"event": kind} | fields), file=self._file, flush=True)


class RichOutput(TextOutput):
    """Text with colours, and a status that is kept up to date; *file* is a terminal."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)
        from rich.console import Console

        self._console = Console(file=file, highlight=False)
        self._live: Live | None = None

    def line(self, text: str) -> None:
        """Say *text* above the status."""
        self._console.print(text, markup=False, soft_wrap=True)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
        """Show a table with rules."""
        from rich.box import ROUNDED
        from rich.table import Table
        from rich.text import Text

        table = Table(box=ROUNDED, header_style="bold")
        for column in columns:
            table.add_column(column.title, justify="right" if column.width > 0 else "left")
        for values in rows:  # no markup: addresses have colons and brackets
            table.add_row(*map(Text, _texts(columns, values)))
        self._console.print(table)

    def status(self, text: str, done: float | None = None) -> None:
        """Draw the status anew.  No thread does it: it would take time from what is measured."""
        from rich.live import Live
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        grid = Table.grid(padding=(0, 1))
        cells: list[Any] = [text]
        if done is not None:
            cells.insert(0, ProgressBar(total=1.0, completed=min(done, 1.0), width=30))
        grid.add_row(*cells)
        self._live.update(grid, refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _heading(self, text: str) -> None:
        self._console.print(text, style="bold", markup=False, soft_wrap=True)


class Lasting(Output):
    """Says everything as *inner* does, until that fails: then it complains once and says no more.

    What cannot be said without waiting is left out.  For commands that have more to do than talk.
    """

    def __init__(self, inner: Output, file: TextIO) -> None:
        self._inner = inner
        self._file = file
        self._left_out = 0

    def _say(self, name: str, *arguments: Any, **fields: Any) -> None:
        if not stdio.has_room(self._file):
            self._left_out += name != "status"
            return
        missed, self._left_out = self._left_out, 0
        try:
            if missed:
                self._inner.line(f"({missed} messages left out, as nobody read)")
                self._inner.event("left_out", messages=missed)
            getattr(self._inner, name)(*arguments, **fields)
        except OSError as error:
            self._inner = Output()
            stdio.forget(self._file)
            if self._file is not sys.stderr:
                stdio.complain(f"rudp: going on without output: {running.in_words(error)}")

    def line(self, text: str) -> None:
        """Say *text*."""
        self._say("line", text)

    def event(self, kind: str, **fields: Any) -> None:
        """Report that something happened."""
        self._say("event", kind, **fields)

    def row(self, columns: Sequence[Column], values: Sequence[Any]) -> None:
        """Add a row."""
        self._say("row", columns, values)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
        """Show a table."""
        self._say("table", columns, rows)

    def status(self, text: str, done: float | None = None) -> None:
        """Show what goes on."""
        self._say("status", text, done)

    def close(self) -> None:
        """Take the status away."""
        self._say("close")


def make(*, as_json: bool, file: TextIO | None = None, lasting: bool = False) -> Output:
    """Return what writes JSON, or text that suits *file*, standard output if None.

    *lasting*: it does not matter much if that cannot be written to.  Else :class:`OSError` is
    raised then.
    """
    file = file or sys.stdout
    if lasting:
        return Lasting(make(as_json=as_json, file=file), file)
    if as_json:
        return JsonOutput(file)
    if file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        try:
            return RichOutput(file)
        except ImportError:
            pass  # it is an extra
    return TextOutput(file)


def columns() -> int:
    """Return how wide a line of text may be: as the terminal, or as COLUMNS says, or 80."""
    return max(shutil.get_terminal_size((80, 24)).columns, COLUMNS_MIN)


def _texts(columns: Sequence[Column], values: Sequence[Any]) -> list[str]:
    """Return *values* as text; None is a dash."""
    return [
        "-" if value is None else column.text(value)
        for column, value in zip(columns, values, strict=True)
    ]


def _joined(columns: Sequence[Column], texts: Sequence[str]) -> str:
    """Put *texts* side by side; those of columns with a negative width stand at the left."""
    return "  ".join(
        text.rjust(column.width) if column.width > 0 else text.ljust(-column.width)
        for column, text in zip(columns, texts, strict=True)
    ).rstrip()
