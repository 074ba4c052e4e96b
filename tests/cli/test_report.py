"""``rudp report``: files in, a page out, and what is said when that does not work."""

import json
from pathlib import Path

import pytest

from rudp.cli import main
from tests.unit.watched import transfer


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    transfer(drop=(2,)).log.save(path)
    return path


def test_a_page_is_written(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(events)]) == 0
    page = events.with_suffix(".html")
    assert "<h1>events.jsonl</h1>" in page.read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"{page} written\n"


def test_two_runs_and_json(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, page = tmp_path / "other.jsonl", tmp_path / "both.html"
    transfer(drop=(9,)).log.save(other)
    arguments = ["report", str(events), str(other), "-o", str(page), "--title", "A & B", "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"event": "written", "path": str(page), "octets": page.stat().st_size}
    assert "<h1>A &amp; B</h1>" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, the header, is missing"),
        ("{}", "line 1 is not an event"),
        ('{"events":"rudp","format":1,"ends":[]}', "there is no connection"),
    ],
)
def test_what_is_no_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(text)
    assert main(["report", str(path)]) == 1
    assert said in capsys.readouterr().err
    assert not path.with_suffix(".html").exists()


def test_another_connection_can_be_chosen(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(events), "--connection", "server"]) == 0
    assert main(["report", str(events), "--connection", "eve"]) == 1
    assert "no connection 'eve', only client, server" in capsys.readouterr().err


def test_files_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "none.jsonl")]) == 1
    assert "cannot read" in capsys.readouterr().err


def test_the_page_does_not_replace_the_events(events: Path) -> None:
    before = events.read_bytes()
    with pytest.raises(SystemExit) as caught:
        main(["report", str(events), "-o", str(events)])
    assert caught.value.code == 2
    assert events.read_bytes() == before
