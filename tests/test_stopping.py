"""A run of the tests that is stopped ends, and with it what its tests have begun."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

STUBBORN = """
import subprocess, sys, time

def test_begins_a_program():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        print(child.pid, file=open({file!r}, "w"), flush=True)
        time.sleep(60)
    except BaseException:
        pass
    finally:
        child.kill()
        child.wait()

def test_that_is_never_reached():
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_ends(tmp_path: Path, number: signal.Signals) -> None:
    """Even where a test takes the interrupt for a failure of its own, or SIGINT was ignored."""
    told = tmp_path / "told"
    os.mkfifo(told)
    program = tmp_path / "test_stubborn.py"
    program.write_text(STUBBORN.format(file=str(told)))
    command = ["-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"]
    rooted = ["--rootdir", str(tmp_path), "-c", os.devnull, "-p", "tests.conftest"]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = subprocess.Popen(
            [sys.executable, *command, *rooted, str(program)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    child = int(told.read_text())
    run.send_signal(number)
    out, _ = run.communicate(timeout=30)
    assert f"stopped by {number.name}" in out
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
