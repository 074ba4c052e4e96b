"""The drills that come with rudp hold, and say what is special about one implementation."""

import re
import textwrap
from pathlib import Path

import pytest

from rudp.cli.drill import SHIPPED, SUFFIX
from rudp.sim.drill import Drill, Ours, Play, language, parse
from tests.scripts.kit import Moves

FILES = sorted(SHIPPED.rglob(f"*{SUFFIX}"))

drills = pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.relative_to(SHIPPED).with_suffix("").as_posix()
)


def read(path: Path) -> Drill:
    return parse(path.read_text(encoding="utf-8"))


def test_there_are_some_of_each_topic() -> None:
    topics = [path.parent.name for path in FILES]
    for topic in ("handshake", "close", "retransmission", "windows", "sack", "blind-attacks"):
        assert topics.count(topic) >= 9, topic
    assert len(FILES) >= 60


@drills
@pytest.mark.parametrize("wrap", [False, True], ids=["plain", "wrap"])
def test_rudp_plays_it(path: Path, wrap: bool) -> None:
    drill = read(path)
    assert drill.only in ("", "rudp")
    Play(Ours(drill.settings("rudp"), wrap=wrap, tracer=Moves())).run(drill)


@drills
def test_it_says_what_it_shows_and_why_implementations_differ(path: Path) -> None:
    """A title, a standard, and a comment in each group of lines that is for one side alone."""
    drill = read(path)
    assert drill.title.endswith(".")
    assert "RFC " in drill.about
    group: list[str] = []
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith(("rudp:", "kernel:")):
            group.append(line)
        elif group:
            assert any("#" in one for one in group), group
            group = []


def test_the_page_has_the_grammar_and_all_verbs() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "drill.md").read_text(encoding="utf-8")
    grammar = (language.__doc__ or "").partition("::\n\n")[2].partition("\n\nComments")[0]
    assert f"```\n{textwrap.dedent(grammar)}\n```" in page
    prose = re.sub("```.*?```", "", page, flags=re.DOTALL)
    shown = " ".join(re.findall("`([^`]+)`", prose)).replace("\\|", "|")
    for verb, words in language.VERBS.items():
        assert f"{verb} {words}".rstrip() in shown
    for event in language.EVENTS:
        assert event in shown
