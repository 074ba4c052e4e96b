"""Sixty of the scripts, 160 with those that are slow.

``python -m tests.differential`` tries as many as one likes.
"""

import dataclasses
import logging

import pytest

import rudp
from tests.differential.__main__ import WAYS, shortened, show, unlike
from tests.differential.script import SETTLE, Character, Script, Step, make

SCRIPTS = 20
"""In each test."""

BLOCKS = [*range(3), *(pytest.param(n, marks=pytest.mark.slow) for n in range(3, 8))]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("block", BLOCKS)
def test_a_program_sees_what_it_sees_over_TCP(
    block: int, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # both complain of writes to closed connections
    for number in range(block * SCRIPTS, (block + 1) * SCRIPTS):
        script = make(number)
        if unlike(script, [way]):
            script = shortened(script, [way])
            show(script, [way])
            pytest.fail("\n".join([f"script {number}:", *unlike(script, [way])]))


def test_a_difference_is_found_and_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rudp.Transport, "write_eof", lambda self: None)
    steps = [Step("client", "write", 300), SETTLE, Step("client", "write_eof"), SETTLE]
    script = Script(Character(lost="write"), Character(keep_open=True), (*steps, *steps[:2]))
    assert unlike(script, ["bad path"])
    short = shortened(script, ["bad path"])
    assert short == Script(Character(), Character(), (Step("client", "write_eof"),))


def test_octets_that_were_changed_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a stream that is cut short: the two that hold whatever TCP does."""
    write = rudp.Transport.write
    script = Script(Character(), Character(keep_open=True), (Step("client", "write", 300),))
    monkeypatch.setattr(rudp.Transport, "write", lambda self, data: write(self, data[::-1]))
    assert any("other octets" in line for line in unlike(script, ["bad path"]))
    closed = dataclasses.replace(script, steps=(*script.steps, Step("client", "close")))
    monkeypatch.setattr(rudp.Transport, "write", lambda self, data: write(self, data[:99]))
    assert any("99 of 300 octets and a clean end" in line for line in unlike(closed, ["bad path"]))


def test_scripts_follow_from_their_number() -> None:
    assert make(7) == make(7) != make(8)
    assert all(make(number).rushed or make(number).is_fair() for number in range(200))
