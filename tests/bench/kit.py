"""The benches as programs."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.link import missing

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with *arguments* at the root of the project."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def need_paths() -> None:
    """Skip the test where no namespaces or TUN devices can be had."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
