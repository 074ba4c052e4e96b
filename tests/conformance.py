"""Writes docs/conformance.md: every requirement, and the tests that show it; kernels as peers.

The requirements are in ``tests/requirements.toml``.  A test shows one by carrying its id: in its
name, spelled with underscores (``test_MUST_13_...``), or in a docstring, comment or string of its
own (``MUST-13``, ``M-1..M-21``, ``MUST-58/59``).  Ids outside of a test function, in a table of
cases for instance, count for the class or the file.  The drills that come with rudp, which a test
plays, count as a whole.  What kernels answer is in ``tests/vm/observed.json``.

``python -m tests.conformance`` rewrites the page; with ``--check`` it only tells whether the page
is up to date.
"""

import argparse
import ast
import dataclasses
import io
import json
import re
import sys
import tokenize
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parent
REQUIREMENTS = TESTS / "requirements.toml"
OBSERVED = TESTS / "vm" / "observed.json"
DRILLS = TESTS.parent / "rudp" / "sim" / "drill" / "shipped"
PAGE = TESTS.parent / "docs" / "conformance.md"

NOT_EVIDENCE = {TESTS / "conformance.py", TESTS / "test_conformance.py"}
"""They speak of ids without showing anything."""

STATUSES = ("applies", "covered", "later", "n/a", "optional")

TESTS_SHOWN = 6
"""A row names at most so many tests; the rest is counted."""


@dataclasses.dataclass(frozen=True)
class Requirement:
    """One line of the requirements file; *why* is empty when *status* is ``applies``."""

    id: str
    text: str
    status: str
    why: str


@dataclasses.dataclass(frozen=True)
class Section:
    """One table of the requirements file."""

    title: str
    about: str
    requirements: tuple[Requirement, ...]


class UnknownIdError(Exception):
    """Something that looks like a requirement id, but no requirement has it."""


def load(path: Path = REQUIREMENTS) -> list[Section]:
    """Return the sections of the requirements file in its order.

    Raises ValueError for an entry that is not as the head of the file describes it.
    """
    with path.open("rb") as file:
        tables = tomllib.load(file)
    sections = []
    for table in tables.values():
        title, about = table.pop("title"), table.pop("about")
        rows = []
        for id_, entry in table.items():
            if isinstance(entry, str):
                rows.append(Requirement(id_, entry, "applies", ""))
            elif entry.keys() == {"text", "status", "why"} and entry["status"] in STATUSES[1:]:
                rows.append(Requirement(id_, entry["text"], entry["status"], entry["why"]))
            else:
                raise ValueError(f"{path.name}: {id_} is not an entry: {entry}")
        sections.append(Section(title, about, tuple(rows)))
    return sections


class Ids:
    """Finds the ids of *known* in names and in running text."""

    def __init__(self, known: Iterable[str]) -> None:
        self.known = set(known)
        prefixes = "|".join(sorted({id_.partition("-")[0] for id_ in self.known}, key=len)[::-1])
        number = r"(\d+[a-z]?)"
        self._in_text = re.compile(
            rf"(?<![\w-])({prefixes})-{number}"
            rf"(?:(?:\.\.|–| to (?=(?:{prefixes})-))(?:\1-)?(\d+)|((?:/\d+)+))?(?!\w)"
        )
        self._in_name = re.compile(
            rf"(?<![A-Za-z0-9])({prefixes})_{number}(?:_to_(?:\1_)?(\d+))?(?![A-Za-z0-9])"
        )

    def in_text(self, text: str) -> Iterator[str]:
        """Yield the ids in *text*.  Raises UnknownIdError."""
        for prefix, first, last, others in self._in_text.findall(text):
            yield from self._expand(prefix, first, last)
            for number in filter(None, others.split("/")):
                yield self._checked(f"{prefix}-{number}")

    def in_name(self, name: str) -> Iterator[str]:
        """Yield the ids in an identifier or file name.  Raises UnknownIdError."""
        for prefix, first, last in self._in_name.findall(name):
            yield from self._expand(prefix, first, last)

    def _expand(self, prefix: str, first: str, last: str) -> Iterator[str]:
        yield self._checked(f"{prefix}-{first}")
        if last:
            self._checked(f"{prefix}-{last}")
            for number in range(int(first.rstrip("abcd")) + 1, int(last) + 1):
                if f"{prefix}-{number}" in self.known:  # ids have gaps: W-12, W-20
                    yield f"{prefix}-{number}"

    def _checked(self, id_: str) -> str:
        if id_ not in self.known:
            raise UnknownIdError(id_)
        return id_


@dataclasses.dataclass(frozen=True)
class Owner:
    """A stretch of lines that belongs to a test, a class or a file."""

    first: int
    last: int
    name: str


def owners(source: str, file: str) -> list[Owner]:
    """Return whom the lines of *source* belong to; of several the last one counts."""
    lines = source.splitlines()
    found = [Owner(1, len(lines) + 1, file)]

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            while first > 1 and lines[first - 2].lstrip().startswith("#"):
                first -= 1  # the comment right above belongs to what follows
            last = node.end_lineno or node.lineno
            if isinstance(node, ast.ClassDef):
                found.append(Owner(first, last, f"{prefix}::{node.name}"))
                visit(node.body, f"{prefix}::{node.name}")
            elif node.name.startswith("test"):
                found.append(Owner(first, last, f"{prefix}::{node.name}"))
            else:
                found.append(Owner(first, last, prefix))

    visit(ast.parse(source).body, file)
    return found


def names(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of every function and class of *source*."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def prose(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of every comment and string of *source*, a line at a time."""
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in kinds:
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, line


def evidence(ids: Ids, root: Path = TESTS, drills: Path = DRILLS) -> dict[str, list[str]]:
    """Return for each id the tests that carry it, sorted.

    Raises UnknownIdError, with the place, for an id that no requirement has.
    """
    shown: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted(root.rglob("*.py")):
        if path in NOT_EVIDENCE:
            continue
        source = path.read_text(encoding="utf-8")
        file = path.relative_to(root).as_posix()
        belongs = owners(source, file)
        marks = [(line, ids.in_name(name)) for line, name in names(source)]
        marks += [(line, ids.in_text(text)) for line, text in prose(source)]
        for line, found in marks:
            owner = [one for one in belongs if one.first <= line <= one.last][-1]
            for id_ in _located(found, f"{file}:{line}"):
                if path.name.startswith("test_"):
                    shown[id_].add(owner.name)
    for path in sorted(drills.rglob("*.drill")):
        name = f"rudp drill {path.relative_to(drills).with_suffix('').as_posix()}"
        for id_ in _located(ids.in_text(path.read_text(encoding="utf-8")), name):
            shown[id_].add(name)
    return {id_: sorted(places) for id_, places in shown.items()}


def _located(found: Iterable[str], place: str) -> Iterator[str]:
    try:
        yield from found
    except UnknownIdError as error:
        raise UnknownIdError(f"{place}: no requirement is called {error}") from None


def musts_without_test(sections: list[Section], shown: dict[str, list[str]]) -> list[Requirement]:
    """Return the MUSTs that apply and that no test carries."""
    return [
        requirement
        for section in sections
        for requirement in section.requirements
        if requirement.id.startswith("MUST-")
        and requirement.status == "applies"
        and requirement.id not in shown
    ]


def page(sections: list[Section], shown: dict[str, list[str]]) -> str:
    """Return the text of docs/conformance.md."""
    out = [
        "# Conformance",
        "",
        "Made by `python -m tests.conformance` from `tests/requirements.toml` and the ids that the",
        "tests carry; not to be edited. Test names are relative to `tests/`;",
        "a `rudp drill` is one of [the drills](drill.md) that come with rudp.",
        "",
        "*applies*: it binds rudp. *covered*: the system's UDP and IP do it. *later*: that part of",
        "rudp is not implemented yet. *n/a*: it cannot apply on top of UDP sockets. *optional*: a",
        "MAY that is not taken up.",
        "",
        "| | " + " | ".join(STATUSES) + " | applying, with a test |",
        "|---|" + "---:|" * (len(STATUSES) + 1),
    ]
    for section in sections:
        counts = [sum(one.status == status for one in section.requirements) for status in STATUSES]
        tested = sum(one.status == "applies" and one.id in shown for one in section.requirements)
        out.append(f"| {section.title} | " + " | ".join(map(str, [*counts, tested])) + " |")
    out += ["", "## MUSTs that apply and have no test", ""]
    missing = musts_without_test(sections, shown)
    out += [f"- {one.id}: {one.text}" for one in missing] or ["None."]
    for section in sections:
        out += ["", f"## {section.title}", "", section.about, ""]
        out += ["| id | requirement | status | tests |", "|---|---|---|---|"]
        out += [_row(one, shown.get(one.id, [])) for one in section.requirements]
    return "\n".join([*out, *_kernels(json.loads(OBSERVED.read_text(encoding="utf-8")))]) + "\n"


def _kernels(observed: dict[str, dict[str, str]]) -> list[str]:
    """Return the lines on what kernels answer, rows by version; alike ones are only counted."""
    versions = sorted(observed, key=lambda version: [*map(int, version.split("."))])
    rows = {
        title: [observed[version].get(title, "") for version in versions]
        for title in observed[versions[-1]]
    }
    differing = {title: seen for title, seen in rows.items() if len(set(seen)) > 1}
    out = [
        "",
        "## Linux kernels as peers",
        "",
        "What `python -m tests.vm` has seen kernels do, in a virtual machine. Three digits are AE,",
        "CWR and ECE (RFC 9768 §3.1.1) of a segment, or of each one in turn; *AccECN*: that option",
        "is beside them; *data*: the first segment with some, and what its IP header says of ECT.",
        f"{len(rows) - len(differing)} answers more are the same in all.",
        "",
        "| Linux | " + " | ".join(versions) + " |",
        "|---" * (len(versions) + 1) + "|",
    ]
    return out + [f"| {title} | {' | '.join(seen)} |" for title, seen in differing.items()]


def _row(one: Requirement, places: list[str]) -> str:
    status = f"{one.status}: {one.why}" if one.why else one.status
    tests = "<br>".join(f"`{place}`" for place in places[:TESTS_SHOWN])
    if len(places) > TESTS_SHOWN:
        tests += f"<br>and {len(places) - TESTS_SHOWN} more"
    return f"| {one.id} | {one.text} | {status} | {tests} |"


def current_page() -> str:
    """Return what docs/conformance.md has to be now."""
    sections = load()
    ids = Ids(one.id for section in sections for one in section.requirements)
    return page(sections, evidence(ids))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, report a difference")
    options = parser.parse_args(arguments)
    text = current_page()
    if options.check:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        print("up to date" if same else f"{PAGE} is out of date")
        return 0 if same else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
