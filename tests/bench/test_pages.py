"""The bench of pages: its run is as long as asked for, and it measures what it says."""

import shutil

import pytest

from bench import pages
from rudp.trace.events import SegmentLost


def test_the_run_has_as_many_events_as_asked_for() -> None:
    recording = pages.run(5000)
    assert 5000 <= len(recording.events) < 8000
    assert any(isinstance(event, SegmentLost) for event in recording.events)
    assert pages.run(5000).events == recording.events


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium")
def test_opening_and_stepping_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    monkeypatch.setattr("sys.argv", ["bench.pages", "--events", "3000", "--rounds", "1"])
    pages.main()
    printed = capsys.readouterr().out
    for name in ("open", "open, CPU", "step, CPU", *(f"step, {each}" for each in pages.ZOOMS)):
        assert f"\n{name} " in printed
