"""What README.md and docs/ show runs, prints what they say, and the links in it lead somewhere."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import rudp
import rudp.sim
import rudp.sim.drill
import rudp.testing
import rudp.trace
from rudp import cli
from rudp.core.terms.state import MOVES, Cause, State
from rudp.labs.catalogue import LABS
from tests import docs

bash = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")


def pages(*parts: str) -> pytest.MarkDecorator:
    """Run the test for each page that has one of *parts* in it."""
    found = [
        pytest.param(page, text, id=str(page.relative_to(docs.ROOT)))
        for page in docs.pages()
        if any(part in (text := page.read_text(encoding="utf-8")) for part in parts)
    ]
    return pytest.mark.parametrize(("page", "text"), found)


@bash
@pages("<!-- run: ", "<!-- fail: ")
def test_commands_print_what_the_page_shows(page: Path, text: str) -> None:
    assert docs.rewritten(text) == text, f"run: python -m tests.docs {page.relative_to(docs.ROOT)}"


@pages("`rudp demo ")
def test_demos_to_try_can_be_tried(
    page: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those named in the text; ``SCENARIO`` and ``FILE`` stand for something."""
    prose = docs.BLOCK.sub("", text)
    for command in set(re.findall(r"`rudp (demo [^`]+)`", prose)):
        if not re.search("[A-Z]{4}|^demo -", command):
            assert cli.main(command.split()) == 0, command
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    "module",
    [rudp, rudp.sim, rudp.sim.drill, rudp.testing, rudp.trace],
    ids=lambda one: one.__name__,
)
def test_the_reference_has_all_public_names(module: types.ModuleType) -> None:
    page = docs.ROOT / "docs" / "reference" / f"{module.__name__.rpartition('.')[2]}.md"
    listed = re.findall(r"^\.\. auto\w+:: (\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(module.__all__)


@pages("```python")
def test_python_on_a_page_runs(page: Path, text: str) -> None:
    docs.run_program(docs.program(text), str(page))


TYPED = ["watching.md", "limits.md", "howto/many-connections.md"]
WRONG = """import rudp
rudp.open_connection("host", 9, capturee="file")
rudp.start_server(lambda reader, writer: None, "host", 9, confiq=None)
rudp.Config(congestion="cubik")
rudp.open_conection("host", 9)
rudp.new_event_loop(tpc=[])
rudp.run(rudp.delivered(1), tcb=[])
"""


@pytest.mark.parametrize("checker", ["mypy --strict --no-incremental", "pyright"])
def test_python_on_a_page_has_types(checker: str, tmp_path: Path) -> None:
    """Whoever types what pages show has nothing to add for a type checker; slips are found."""
    command, *options = checker.split()
    found = shutil.which(command, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"no {command} here")
    for number, name in enumerate(TYPED):
        text = (docs.ROOT / "docs" / name).read_text(encoding="utf-8")
        module = tmp_path / f"page{number}.py"
        module.write_text(docs.typed(docs.program(text)), encoding="utf-8")
    done = checked([found, *options, *map(str, tmp_path.glob("page*.py"))])
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG, encoding="utf-8")
    said = checked([found, *options, str(wrong)]).stdout
    for line, name in enumerate(
        ("capturee", "confiq", "cubik", "open_conection", "overload", "overload"), start=2
    ):
        assert re.search(rf"wrong\.py:{line}:.*{name}", said, re.IGNORECASE), said


def checked(command: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run a type checker, which finds the sources of this tree."""
    environment = os.environ | {"MYPYPATH": str(docs.ROOT), "PYTHONPATH": str(docs.ROOT)}
    return subprocess.run(
        command, cwd=docs.ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pages("")
def test_blocks_are_what_they_say(page: Path, text: str) -> None:
    """Output of the command line has a command; a program of examples is that of examples."""
    for block in docs.blocks(text):
        assert (block.kind in ("run", "fail")) == (block.language == "console"), (
            f"line {block.line}"
        )
        if block.kind == "file" and (example := docs.EXAMPLES / block.what).exists():
            assert block.text == example.read_text(encoding="utf-8")
        if block.kind == "part":
            assert block.text in (docs.EXAMPLES / block.what).read_text(encoding="utf-8")


@bash
@pages("<!-- file: ")
def test_programs_run(page: Path, text: str) -> None:
    """Those whose output is not on the page; those of examples have tests of their own."""
    with docs.folder() as where:
        for block in docs.blocks(text):
            if block.kind == "file":
                (where / block.what).write_text(block.text, encoding="utf-8")
                used = (
                    rf"<!-- (run|fail): .*\b{re.escape(block.what)}|^from {block.what[:-3]} import"
                )
                shown = re.search(used, text, re.MULTILINE)
                if not shown and not (docs.EXAMPLES / block.what).exists():
                    assert docs.output(f"python {block.what}", where)


@pages("")
def test_links_lead_to_files(page: Path, text: str) -> None:
    prose = docs.BLOCK.sub("", text)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"https?:|mailto:|#", target):
            path = page.parent / target.partition("#")[0]
            assert path.exists(), target


def test_decisions_are_numbered_as_they_come() -> None:
    """Each number once and none left out; a link that names one leads to it."""
    records = sorted((docs.ROOT / "docs" / "decisions").glob("0*.md"))
    titles = [page.read_text(encoding="utf-8").partition(".")[0] for page in records]
    assert titles == [f"# {number}" for number in range(1, len(records) + 1)]
    assert [page.name[:5] for page in records] == [
        f"{number:04}-" for number in range(1, len(records) + 1)
    ]
    for page in docs.pages():
        text = page.read_text(encoding="utf-8")
        for said, meant in re.findall(r"\[(?:decision )?(\d+)\]\([\w./]*?(\d{4})-", text):
            assert int(said) == int(meant), page


@bash
def test_the_runner_notices_what_goes_wrong() -> None:
    with docs.folder() as where:
        assert docs.output("echo one | sed s/o/O/", where) == "One\n"
        with pytest.raises(RuntimeError, match="status 3"):
            docs.output("exit 3", where)
        with pytest.raises(RuntimeError, match="hear"):
            docs.output("echo hear >&2", where)
    wrong = "<!-- run: echo 1 -->\n```console\n$ echo 1\n2\n```\n"
    assert docs.rewritten(wrong) == wrong.replace("2", "1")
    with pytest.raises(ZeroDivisionError):
        docs.run_program(docs.program("```python\nawait asyncio.sleep(1 / 0)\n```\n"), "page")


CHAPTERS = sorted((docs.ROOT / "docs" / "learn").glob("[0-9]*.md"))


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_chapter_has_its_run_three_questions_a_drill_and_a_lab(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers are found by running; none of the wrong ones is right."""
    monkeypatch.syspath_prepend(str(docs.ROOT / "docs" / "extensions"))
    quiz = importlib.import_module("quiz")
    text = page.read_text(encoding="utf-8")
    assert "\n```{live-run} " in text
    assert "<!-- run: rudp drill " in text
    assert page.name in (page.parent / "teaching.md").read_text(encoding="utf-8")
    for name in (labs := re.findall("`rudp lab start (\\w+)`", text)):
        assert name in LABS
    assert labs
    (asked,) = (block for block in docs.blocks(text) if block.language == "{questions}")
    questions = quiz.parse(asked.text)
    assert len(questions) == 3
    for question in questions:
        right = question.answer()
        assert re.fullmatch(r"[\w (),²-]+", right), question
        assert right not in question.wrong
        assert len(set(question.choices(right))) == len(question.wrong) + 1


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_chapter_has_one_link_to_the_playground(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a setting that the playground takes."""
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    monkeypatch.syspath_prepend(str(docs.ROOT / "docs" / "extensions"))
    text = page.read_text(encoding="utf-8")
    (setting,) = re.findall(r"^```\{playground\} (.+)$", text, re.MULTILINE)
    importlib.import_module("playground").check(setting)


def test_the_answer_to_a_question_is_that_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(docs.ROOT / "docs" / "extensions"))
    quiz = importlib.import_module("quiz")
    text = """
    How many are sent again?
    $ rudp demo loss{}
    = sum(each.again for each in client.sent)
    - 7
    - none at all
    Why so?
    """
    answers = [
        quiz.parse(text.format(faults))[0].answer()
        for faults in ("", " --drop none", " --drop c:data:1 --drop c:data:5")
    ]
    assert answers == ["1", "0", "2"]
    with pytest.raises(ValueError, match="lacks something"):
        quiz.parse(text.replace("- none at all", ""))


def test_the_state_diagram_has_every_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    monkeypatch.syspath_prepend(str(docs.ROOT / "docs" / "extensions"))
    picture = importlib.import_module("state_diagram").svg()
    arrows = sum(cause is not Cause.DELETE for _, cause in MOVES)
    assert picture.count("<line ") == picture.count('class="cause"') == arrows
    for state in State:
        assert f">{state}</text>" in picture
