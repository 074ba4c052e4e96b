"""Write the expected output of every scenario anew: ``python -m tests.cli.ladders``.

Read what ``git diff`` shows afterwards: what is written here is what is expected.
"""

import contextlib
import io
import os
from pathlib import Path
from typing import Final
from unittest import mock

from rudp.cli import main
from rudp.cli.demo.scenarios import SCENARIOS

FOLDER: Final = Path(__file__).parent


def played(name: str) -> str:
    """Return what ``rudp demo NAME --explain rfc`` prints on a terminal of 80 columns."""
    text = io.StringIO()
    terminal = mock.patch.dict(os.environ, COLUMNS="80")
    with contextlib.redirect_stdout(text), terminal:
        assert main(["demo", name, "--explain", "rfc"]) == 0
    return text.getvalue()


def write() -> None:
    """Write a file for each scenario."""
    for name in SCENARIOS:
        (FOLDER / f"{name}.txt").write_text(played(name), encoding="utf-8")


if __name__ == "__main__":
    write()
