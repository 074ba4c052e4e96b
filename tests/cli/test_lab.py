"""``rudp lab``: from the list to the grade, as a learner goes."""

import json
import os
import webbrowser
from pathlib import Path

import pytest

from rudp.cli import main
from rudp.labs.catalogue import LABS
from tests.labs.solutions import SLIPS, SOLUTIONS


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str) -> str:
    head = LABS[name].start.read_text(encoding="utf-8").partition("\nclass ")[0]
    Path(f"lab_{name}.py").write_text(f"{head}\n{text}", encoding="utf-8")
    return f"lab_{name}.py"


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(LABS)
    assert main(["lab", "list", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[-1]["section"] == "RFC 5681 §3.1, §3.2"


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "show", "rtt"]) == 0
    out = capsys.readouterr().out
    assert "class Rto:" in out
    assert "# The answer of the package: rudp.core.loss.rtt" in out


def test_from_start_to_the_first_failed_check(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "start", "checksum"]) == 0
    told = capfd.readouterr().out
    assert told == (
        "lab_checksum.py written: fill in Checksum, then: rudp lab check lab_checksum.py\n"
    )
    assert main(["lab", "check", "lab_checksum.py"]) == 1
    out = capfd.readouterr().out
    assert "hidden connections     0 of 15\ngrade                  0\n" in out
    assert "it raised NotImplementedError (line 22 of lab_checksum.py)" in out


def test_start_does_not_write_over_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("lab_wire.py").write_text("mine")
    with pytest.raises(SystemExit, match="2"):
        main(["lab", "start", "wire"])
    assert "lab_wire.py is there already" in capsys.readouterr().err
    assert main(["lab", "start", "wire", "-o", "other.py"]) == 0
    assert main(["lab", "start", "wire", "--force"]) == 0
    assert Path("lab_wire.py").read_text() == Path("other.py").read_text()
    with pytest.raises(SystemExit, match="2"):
        main(["lab", "start", "wire", "-o", "no/other.py"])
    assert "cannot write no/other.py: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["dance", ""])
def test_there_is_no_such_lab(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["lab", "show", name])
    assert "invalid choice" in capsys.readouterr().err


def test_a_grade_for_programs(capfd: pytest.CaptureFixture[str]) -> None:
    """What the class prints does not get between."""
    solution = SOLUTIONS["rtt"].replace("self.srtt = None", "self.srtt = None; print('here')")
    assert main(["lab", "check", write("rtt", solution), "--json"]) == 0
    told = capfd.readouterr()
    assert json.loads(told.out) == {
        "event": "verdict", "lab": "rtt", "grade": 100, "problem": "", "faults": None, "where": "",
        "smallest": False,
        "questions": [5, 5], "hidden questions": [20, 20],
        "connections": [5, 5], "hidden connections": [15, 15], "page": None,
    }  # fmt: skip
    assert "here" in told.err


def test_what_breaks_it_and_a_page(capfd: pytest.CaptureFixture[str]) -> None:
    path = write("sender", SOLUTIONS["sender"].replace(*SLIPS["sender"][1]))
    assert main(["lab", "check", path, "--html", "both.html"]) == 1
    out = capfd.readouterr().out
    assert "The smallest faults with which a connection breaks: c:data:1 lost" in out
    assert "Here the client of the reference sends:" in out
    assert "both.html written; it opens where the two differ" in out
    assert "Lab sender: c:data:1 lost" in Path("both.html").read_text(encoding="utf-8")
    assert sorted(os.listdir()) == ["both.html", "lab_sender.py"]


@pytest.mark.parametrize("shown", [True, False])
def test_the_page_is_opened_on_request(
    shown: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []

    def show(url: str) -> bool:
        opened.append(url)
        return shown

    monkeypatch.setattr(webbrowser, "open", show)
    path = write("sender", SOLUTIONS["sender"].replace(*SLIPS["sender"][1]))
    assert main(["lab", "check", path, "--open"]) == 1
    assert opened == [Path("lab_sender.html").resolve().as_uri()]
    told = capfd.readouterr().err
    assert ("no browser was found to open lab_sender.html with" in told) is not shown


def test_nothing_is_opened_if_there_is_nothing_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", None)
    assert main(["lab", "start", "close"]) == 0
    assert main(["lab", "check", "lab_close.py", "--open"]) == 1
    assert os.listdir() == ["lab_close.py"]


def test_a_page_does_not_take_the_place_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "start", "close"]) == 0
    with pytest.raises(SystemExit, match="2"):
        main(["lab", "check", "lab_close.py", "--html", "./lab_close.py"])
    assert "lab_close.py would be written over" in capsys.readouterr().err


def test_a_file_may_have_any_name_and_import_what_stands_beside_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    Path("struct.py").write_text("1 / 0")  # hides nothing
    text = SOLUTIONS["close"].replace("class Machine:", "import helper\nclass Machine:")
    Path("helper.py").write_text("")
    Path(write("close", text)).rename("random.py")
    assert main(["lab", "check", "random.py"]) == 0
    assert "grade                100" in capfd.readouterr().out
    assert sorted(os.listdir()) == ["helper.py", "random.py", "struct.py"]


def test_a_class_that_loops(capfd: pytest.CaptureFixture[str]) -> None:
    path = write(
        "close", "class Machine:\n    def after(self, state, cause):\n        while 1: ..."
    )
    assert main(["lab", "check", path, "--timeout", "3s"]) == 1
    told = capfd.readouterr()
    assert f"{path}: it has not come to an end after 3 s (questions, seed 1)" in told.err


def test_a_class_that_ends_the_process(capfd: pytest.CaptureFixture[str]) -> None:
    path = write("close", "import os\nclass Machine:\n    def after(self, *_): os._exit(0)")
    assert main(["lab", "check", path, "--json"]) == 1
    verdict = json.loads(capfd.readouterr().out)
    assert (verdict["grade"], verdict["problem"]) == (0, "the check has ended too early")


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "cannot read it: No such file"), ("x = (", 'the first line does not say """Lab NAME')],
)
def test_a_file_that_cannot_be_checked(
    text: str | None, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        Path("mine.py").write_text(text)
    assert main(["lab", "check", "mine.py"]) == 1
    assert f"rudp lab check: mine.py: {why}" in capfd.readouterr().err
