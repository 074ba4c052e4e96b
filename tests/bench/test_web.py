"""The bench of a web application runs on both loops."""

import re

import pytest

from bench import web


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_both_transports_are_measured(
    loop: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("fastapi", "uvicorn", "uvloop"):
        pytest.importorskip(package)
    few = ["--rounds", "1", "--seconds", "0.1", "--connections", "2", "--loops", loop]
    monkeypatch.setattr("sys.argv", ["bench.web", *few])
    web.main()
    assert re.search(rf"\n{loop} +2( +[\d.]+){{6}}\n$", capsys.readouterr().out)
