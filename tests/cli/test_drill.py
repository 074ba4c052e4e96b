"""``rudp drill``: which files it plays, what it says of them, and to whom."""

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rudp.cli import main
from rudp.cli.drill import SHIPPED

GOOD = "# We open.\nconnect\n> S 0\n"
BAD = "# We open.\nconnect\n> S 0\n+0.1 < SA 0 ack 1\n> A 1 ack 2   # it is 1\n"
BROKEN = "connect\n> S zero\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("good", GOOD), ("bad", BAD), ("broken", BROKEN)):
        (tmp_path / f"{name}.drill").write_text(text, encoding="utf-8")
    return tmp_path


def test_one_that_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "good.drill"]) == 0
    assert capsys.readouterr().out == "passed      rudp    good.drill  0.000 s\n\n1 passed\n"


def test_one_that_does_not(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is, the lines before, and what was expected beside what was seen."""
    assert main(["drill", "bad.drill"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "FAILED      rudp    bad.drill  0.100 s",
        "    0.0000  connect",
        "    0.0000  > S 0",
        "    0.1000  +0.1 < SA 0 ack 1",
        "bad.drill:5:7: other ack",
        "    > A 1 ack 2",
        "          ^",
        "    expected  > A 1 ack 2",
        "    seen      > A 1 ack 1 win 65535",
        "",
        "1 FAILED",
    ]


def test_one_that_cannot_be_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "broken.drill", "good.drill"]) == 2
    assert capsys.readouterr().out.splitlines() == [
        "UNREADABLE          broken.drill",
        "broken.drill:2:5: here belongs a sequence number, not 'zero'",
        "    > S zero",
        "        ^",
        "passed      rudp    good.drill  0.000 s",
        "",
        "1 passed, 1 UNREADABLE",
    ]


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"connect\n\xff", "not text in UTF-8, at octet 8"),
        (b"#" * (1 << 20) + b"#", "a drill has at most 1048576 octets"),
        (b"", ""),
        (b"\0", "here belongs an event"),
    ],
)
def test_what_is_no_drill(
    folder: Path, capsys: pytest.CaptureFixture[str], octets: bytes, why: str
) -> None:
    (folder / "one.drill").write_bytes(octets)
    assert main(["drill", "one.drill"]) == (2 if why else 0)
    assert why in capsys.readouterr().out


def test_the_end_and_a_call_that_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "end.drill").write_text("connect\n", encoding="utf-8")
    assert main(["drill", "end.drill"]) == 1
    out = capsys.readouterr().out
    assert "end.drill: the end: unexpected at 0.0000 s: > S 0" in out
    (folder / "end.drill").write_text("connect\n> S 0\nconnect\n", encoding="utf-8")
    assert main(["drill", "end.drill"]) == 1
    assert "end.drill:3:1: raised OSError" in capsys.readouterr().out


def test_a_folder_a_topic_a_name_and_all(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "."]) == 2
    assert "1 passed, 1 FAILED, 1 UNREADABLE" in capsys.readouterr().out
    assert main(["drill", "close/active", "sack"]) == 0
    assert "passed      rudp    sack/fast" in capsys.readouterr().out
    assert main(["drill"]) == 0
    number = len(list(SHIPPED.rglob("*.drill")))
    assert capsys.readouterr().out.endswith(f"\n{number} passed\n")


@pytest.mark.parametrize("name", ["close/never", "nothing.drill", "../ours.py/x"])
def test_what_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["drill", name])
    assert "no such file, and no drill of this name comes with rudp" in capsys.readouterr().err


def test_a_folder_without_drills(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(SystemExit, match="2"):
        main(["drill", "empty"])
    assert "no file in it ends with .drill" in capsys.readouterr().err


def test_the_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "--list", "close/active", "good.drill"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "close/active  We close first, and stay in TIME-WAIT.",
        "good.drill    We open.",
    ]
    assert main(["drill", "--list", "--json", "sack/reneged", "broken.drill"]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["only"] == "rudp"
    assert "broken.drill:2:5: here belongs a sequence number" in told.err


def test_one_is_printed_to_make_a_copy_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "--show", "close/active"]) == 0
    shown = capsys.readouterr().out
    (folder / "mine.drill").write_text(shown, encoding="utf-8")
    assert shown.startswith("# We close first")
    assert main(["drill", "mine.drill"]) == 0
    (folder / "octets.drill").write_bytes(b"\xff")
    assert main(["drill", "--show", "octets.drill"]) == 2
    assert capsys.readouterr().err == "rudp drill: octets.drill: not text in UTF-8\n"


def test_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "--json", "good.drill", "bad.drill", "broken.drill"]) == 2
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    broken, good, bad, summary = told
    assert good == {
        "event": "drill", "name": "good.drill", "side": "rudp", "status": "passed",
        "seconds": 0.0, "lines": 2,
    }  # fmt: skip
    assert (bad["status"], bad["line"], bad["column"]) == ("failed", 5, 7)
    assert (bad["expected"], bad["seen"]) == ("> A 1 ack 2", "> A 1 ack 1 win 65535")
    assert (broken["status"], broken["line"], broken["column"]) == ("unreadable", 2, 5)
    assert summary == {
        "event": "summary", "passed": 1, "failed": 1, "unreadable": 1, "skipped": 0,
    }  # fmt: skip


def test_for_continuous_integration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["good.drill", "bad.drill", "broken.drill", "close/active"]
    assert main(["drill", "--junit", "results.xml", *names]) == 2
    root = ElementTree.parse("results.xml").getroot()
    rudp = root.find("testsuite[@name='rudp']")
    drills = root.find("testsuite[@name='drills']")
    assert rudp is not None
    assert drills is not None
    assert (rudp.get("tests"), rudp.get("failures"), drills.get("errors")) == ("3", "1", "1")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["active"].get("classname") == "rudp.close"
    failure = cases["bad.drill"].find("failure")
    assert failure is not None
    assert failure.get("message") == "other ack"
    assert "bad.drill:5:7: other ack" in (failure.text or "")
    error = cases["broken.drill"].find("error")
    assert error is not None
    assert "here belongs a sequence number" in (error.text or "")


def test_when_each_line_was_played(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "-v", "good.drill"]) == 0
    assert "    0.0000  connect\n    0.0000  > S 0\n" in capsys.readouterr().out


def test_the_ladder_and_the_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "--ladder", "--html", "page.html", "close/active"]) == 0
    out = capsys.readouterr().out
    assert "FIN-WAIT-1    -- FIN,ACK seq=1 ack=1" in out
    assert "<h1>close/active</h1>" in (folder / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--html", "page.html", "close"], "--html is for one drill, not"),
        (["--html", "no/page.html", "close/active"], "cannot write no/page.html: No such file"),
        (["--junit", "no/x.xml", "close/active"], "cannot write no/x.xml: No such file"),
    ],
)
def test_what_cannot_be_written(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["drill", *arguments])
    assert why in capsys.readouterr().err


def test_a_page_of_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "one.drill").write_text("wait\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="1"):
        main(["drill", "--html", "page.html", "one.drill"])
    assert "there is no connection" in capsys.readouterr().err


def test_the_kernel_needs_root(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    with pytest.raises(SystemExit, match="2"):
        main(["drill", "--kernel", "good.drill"])
    assert "--kernel: it needs" in capsys.readouterr().err
