"""The bench of looking at a program runs."""

import pytest

from bench import looking


def test_every_look_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(looking, "PAUSE", 0.05)
    monkeypatch.setattr("sys.argv", ["bench.looking", "--connections", "3", "--rounds", "2"])
    looking.main()
    printed = capsys.readouterr().out
    assert printed.startswith("6 ends of connections, 2 rounds\n")
    for way in ("scrape, in the loop", "what rudp ss is told", "scrape, from a thread"):
        assert f"\n{way} " in printed
