"""docs/conformance.md is what the generator makes, and the generator reads ids as meant."""

import re
from pathlib import Path

import pytest

from tests import conformance


@pytest.fixture
def ids() -> conformance.Ids:
    return conformance.Ids(["MUST-1", "MUST-2", "W-1", "W-12", "W-20", "TW-4", "TW-4a", "M-1"])


def known() -> conformance.Ids:
    return conformance.Ids(one.id for part in conformance.load() for one in part.requirements)


@pytest.fixture(scope="module")
def shown() -> dict[str, list[str]]:
    """What the tests carry; an id that is not known fails here."""
    return conformance.evidence(known())


def test_page_is_up_to_date(shown: dict[str, list[str]]) -> None:
    page = conformance.page(conformance.load(), shown)
    assert conformance.PAGE.read_text(encoding="utf-8") == page, "run: python -m tests.conformance"


def test_every_must_that_applies_has_a_test(shown: dict[str, list[str]]) -> None:
    missing = conformance.musts_without_test(conformance.load(), shown)
    assert not [one.id for one in missing]


def test_requirements_are_told_apart() -> None:
    requirements = [one for part in conformance.load() for one in part.requirements]
    assert len({one.id for one in requirements}) == len(requirements)
    assert all(re.fullmatch(r"[A-Z]+-\d+[a-z]?", one.id) for one in requirements)
    assert all(bool(one.why) == (one.status != "applies") for one in requirements)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MUST-1", ["MUST-1"]),
        ("(MUST-1, W-20): both", ["MUST-1", "W-20"]),
        ("W-1..W-20", ["W-1", "W-12", "W-20"]),
        ("W-1..20.", ["W-1", "W-12", "W-20"]),
        ("W-1 to W-12", ["W-1", "W-12"]),
        ("W-1 to 12 seconds", ["W-1"]),
        ("MUST-1/2", ["MUST-1", "MUST-2"]),
        ("TW-4a and TW-4", ["TW-4a", "TW-4"]),
        ("MUST-1: RFC-2, UTF-8, NEW-1, XW-1", ["MUST-1"]),
        ("nothing", []),
    ],
)
def test_ids_in_text(ids: conformance.Ids, text: str, expected: list[str]) -> None:
    assert list(ids.in_text(text)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_MUST_1_window_is_unsigned", ["MUST-1"]),
        ("test_MUST_1_W_20", ["MUST-1", "W-20"]),
        ("test_W_1_to_W_12_layout", ["W-1", "W-12"]),
        ("test_W_1_to_12", ["W-1", "W-12"]),
        ("test_TW_4a", ["TW-4a"]),
        ("test_sum_1", []),
        ("test_XW_1", []),
    ],
)
def test_ids_in_names(ids: conformance.Ids, name: str, expected: list[str]) -> None:
    assert list(ids.in_name(name)) == expected


@pytest.mark.parametrize("text", ["MUST-3", "W-1..W-21", "MUST-1/9"])
def test_unknown_ids_are_noticed(ids: conformance.Ids, text: str) -> None:
    with pytest.raises(conformance.UnknownIdError):
        list(ids.in_text(text))


def test_ids_count_for_the_test_that_carries_them(ids: conformance.Ids, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        '"""A file about MUST-1."""\n'
        "# W-1: right above\n"
        "@mark('W-12')\n"
        "def test_one():\n"
        '    """Shows W-20."""\n'
        "class TestTwo:\n"
        '    """All of MUST-2."""\n'
        "    async def test_TW_4(self): ...\n"
        "    def helper(self): 'W-1'\n"
    )
    (tmp_path / "helper.py").write_text("# M-1 is no test here\n")
    assert conformance.evidence(ids, tmp_path, tmp_path) == {
        "MUST-1": ["test_it.py"],
        "W-1": ["test_it.py::TestTwo", "test_it.py::test_one"],
        "W-12": ["test_it.py::test_one"],
        "W-20": ["test_it.py::test_one"],
        "MUST-2": ["test_it.py::TestTwo"],
        "TW-4": ["test_it.py::TestTwo::test_TW_4"],
    }


def test_drills_count_as_a_whole(ids: conformance.Ids, tmp_path: Path) -> None:
    (tmp_path / "close").mkdir()
    (tmp_path / "close" / "one.drill").write_text("# It opens (MUST-1, W-1).\nconnect\n> S 0\n")
    assert conformance.evidence(ids, tmp_path, tmp_path) == {
        "MUST-1": ["rudp drill close/one"],
        "W-1": ["rudp drill close/one"],
    }
