"""What commands say: the same things as text, as JSON, and with rich on a terminal."""

import io
import json
import sys

import pytest

from rudp.cli import output
from rudp.cli.output import Column

COLUMNS = (Column("name", -6), Column("size", 8, lambda value: f"{value:,}"))


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


def say_everything(say: output.Output) -> None:
    say.line("begin [x]")
    say.event("begun", port=7)
    say.status("working", 0.5)
    say.row(COLUMNS, ("a", 1234))
    say.row(COLUMNS, ("b", None))
    say.table(COLUMNS, [("c", 5)])
    say.close()


def test_plain_text_without_a_terminal() -> None:
    file = io.StringIO()
    say_everything(output.make(as_json=False, file=file))
    lines = ["begin [x]", "name        size", "a          1,234", "b              -", ""]
    assert file.getvalue().splitlines() == [*lines, "name        size", "c              5"]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_plain_text_where_colours_are_not_wanted(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    file = Terminal()
    say_everything(output.make(as_json=False, file=file))
    assert "\x1b" not in file.getvalue()
    assert "begin [x]\n" in file.getvalue()


def test_plain_text_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    file = Terminal()
    say_everything(output.make(as_json=False, file=file))
    assert "\x1b" not in file.getvalue()


def test_rich_on_a_terminal() -> None:
    pytest.importorskip("rich")
    file = Terminal()
    say_everything(output.make(as_json=False, file=file))
    text = file.getvalue()
    assert "begin [x]\n" in text
    assert "\x1b[1mname        size" in text
    assert "working" in text
    assert "│ c    │    5 │" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor comes back


def test_json_lines() -> None:
    file = Terminal()
    say_everything(output.make(as_json=True, file=file))
    assert json.loads(file.getvalue()) == {"event": "begun", "port": 7}
