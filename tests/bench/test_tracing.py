"""The bench of tracing runs, and its simulated transfer ends."""

import pytest

from bench import tracing


@pytest.mark.parametrize("way", ["off", "recorder", "tracer"])
def test_the_simulated_transfer_ends(way: str) -> None:
    tracing.simulate(1 << 20, way)


def test_every_way_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench.tracing", "--size", "1", "--rounds", "2"])
    tracing.main()
    printed = capsys.readouterr().out
    for way in tracing.WAYS:
        assert f"\n{way} " in printed
    assert "hooks, when off" in printed
