"""The lane in C under tools that see what Python does not: ``python -m tests.native TOOL...``.

``asan``      most tests of the lane, with AddressSanitizer and UndefinedBehaviorSanitizer.
``valgrind``  some talks under valgrind.
``leaks``     talks over and over, with as many references and as much memory after them as before;
              with a debug build of Python, if there is one, every reference is counted.
``coverage``  the tests of the lane, and which lines of C they have run.

Without a name, all of them.  Needs gcc, and what it is asked for; a tool that is not there is an
error.  Minutes.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = ROOT / "rudp" / "_lane.c"
FLAGS: Final = ["-std=c11", "-g", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fPIC"]
MORE: Final = [
    "tests/sim/test_lane_machine.py",
    "tests/unit/test_lane_in_c.py",
    "tests/aio/test_engine.py",
]
TESTS: Final = ["tests/sim/test_lane.py", *MORE]
SOME: Final = [*TESTS, "-k", "0-clean or 0-bad or 0-marking or not test_the_wire"]
NEAR: Final = 3
"""An error that valgrind finds is ours if one of so many innermost frames is: an optimised Python
reads beyond what it has by itself."""
DEBUG_PYTHON: Final = "python3.11-dbg"


def describe(python: str) -> tuple[str, str]:
    """Return where *python* has its headers, and how the names of its extension modules end."""
    code = "import sysconfig as s; print(s.get_paths()['include'], s.get_config_var('EXT_SUFFIX'))"
    told = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    include, suffix = told.split()
    return include, suffix


def build(where: Path, *flags: str, python: str = sys.executable) -> None:
    """Put links to all that is needed into *where*, and beside them a lane made with *flags*."""
    package = where / "rudp"
    package.mkdir()
    for path in (ROOT / "rudp").iterdir():
        if path.suffix != ".so" and path.name != "__pycache__":
            (package / path.name).symlink_to(path)
    for name in ("tests", "pyproject.toml", "docs"):
        (where / name).symlink_to(ROOT / name)
    include, suffix = describe(python)
    target = package / f"_lane{suffix}"
    command = ["gcc", *FLAGS, *flags, f"-I{include}", "-shared", str(SOURCE), "-o", str(target)]
    subprocess.run(command, check=True, cwd=where)


def run(where: Path, *command: str, **environment: str) -> None:
    """Run *command* in *where*.  Raises :class:`subprocess.CalledProcessError` if it fails."""
    print("+", *command, flush=True)
    subprocess.run(command, check=True, cwd=where, env=os.environ | environment)


def pytest(*arguments: str) -> list[str]:
    options = ["-q", "-x", "-n0", "-p", "no:cacheprovider", "--lane", "c", "--timeout", "0"]
    return [sys.executable, "-m", "pytest", *options, *arguments]


def asan(where: Path) -> None:
    build(where, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    found = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    )
    run(
        where,
        *pytest(*SOME),
        LD_PRELOAD=found.stdout.strip(),
        ASAN_OPTIONS="detect_leaks=0",  # Python keeps much until the end
        PYTHONMALLOC="malloc",
    )


def valgrind(where: Path) -> None:
    build(where, "-O1")
    log = where / "valgrind.log"
    options = ["--quiet", f"--log-file={log}", "--error-limit=no", "--child-silent-after-fork=yes"]
    talk = [sys.executable, "-m", "tests.native.leaks", "--once"]
    run(where, "valgrind", *options, *talk, PYTHONMALLOC="malloc")
    names = [path.name for path in (ROOT / "rudp").glob("_*.[ch]")]
    reports = re.split(r"^==\d+== *\n", log.read_text(), flags=re.MULTILINE)
    found = [
        report
        for report in reports
        if any(f"({n}:" in line for line in report.splitlines()[1 : 1 + NEAR] for n in names)
    ]
    print(f"valgrind: {len(found)} errors of ours, {len(reports) - len(found)} of Python")
    if found:
        raise SystemExit("\n".join(found))


def leaks(where: Path) -> None:
    python = shutil.which(DEBUG_PYTHON) or sys.executable
    build(where, "-O1", python=python)
    run(where, python, "-m", "tests.native.leaks")


def coverage(where: Path) -> None:
    build(where, "-O0", "--coverage")
    run(where, *pytest(*SOME))
    (data,) = where.rglob("*.gcda")
    run(where, "gcov", "-o", str(data), str(SOURCE))
    (ROOT / "build").mkdir(exist_ok=True)
    for lines in where.glob("_*.gcov"):  # what was not run has ##### before it
        shutil.copy(lines, ROOT / "build")


TOOLS: Final = {each.__name__: each for each in (asan, valgrind, leaks, coverage)}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.native",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tool", nargs="*", choices=[[], *TOOLS], default=[])
    for tool in parser.parse_args().tool or TOOLS:
        with tempfile.TemporaryDirectory() as folder:
            TOOLS[tool](Path(folder))


if __name__ == "__main__":
    main()
