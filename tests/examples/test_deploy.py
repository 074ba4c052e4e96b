"""The examples of deployment: units that systemd takes, a container file that a linter takes."""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rudp.cli import COMMANDS, _run

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "examples" / "deploy"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_units_are_right(tmp_path: Path) -> None:
    """With the interpreter in the place of the program, which is not installed there."""
    for file in DEPLOY.glob("rudp-relay.*"):
        text = file.read_text(encoding="utf-8")
        (tmp_path / file.name).write_text(text.replace("/opt/rudp/bin/rudp", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint")
def test_the_container_file_is_right() -> None:
    done = subprocess.run(
        ["hadolint", str(DEPLOY / "Containerfile")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_commands_in_them_and_in_the_guide_have_these_arguments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All but what they do: they are parsed."""
    texts = [*DEPLOY.iterdir(), ROOT / "docs" / "howto" / "operate.md"]
    found = set()
    for text in texts:
        for line in text.read_text(encoding="utf-8").splitlines():
            match = re.search(r"(?:bin/rudp|7000/udp rudp) (.*)$", line)
            if match is not None:
                found.add(match[1])
    assert len(found) == 2
    parsed: list[argparse.Namespace] = []

    def parse(
        _: argparse.ArgumentParser, options: argparse.Namespace, *main: Any, **how: Any
    ) -> int:
        parsed.append(options)
        return 0

    monkeypatch.setattr("rudp.cli.running.run", parse)
    for command in found:
        name, *arguments = command.replace(" systemd ", " rudp://:7000 ").split()
        assert name in COMMANDS
        assert _run([name, *arguments]) == 0
    assert len(parsed) == len(found)
