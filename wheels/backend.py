"""How wheels are built: hatchling makes them, and what can be compiled is compiled before.

The environment decides: RUDP_COMPILE=1 demands it, and a build that cannot compile fails;
RUDP_COMPILE=0 forbids it, and the wheel is one of Python alone, good for every system.  Without it
what cannot be compiled is left out, and the build says so.  An editable install is never compiled,
and needs nothing that compiling does.

This module is both the build backend (PEP 517) and hatchling's build hook.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling import build as hatchling
from hatchling.build import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
)
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = [
    "Hook",
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

NEEDED: Final = ["mypy>=2.4,<3", "setuptools>=77"]
"""What compiling needs besides a C compiler."""

PARTS: Final = {"core": "the core", "lane": "the lane"}
"""What :mod:`compile` can be asked for."""

LINES: Final = 15
"""So many of the last lines a compiler wrote are shown if it fails."""


def demanded() -> bool:
    """Return whether a build fails that cannot compile."""
    return os.environ.get("RUDP_COMPILE") == "1"


def obstacle() -> str | None:
    """Return why nothing is compiled here, or None."""
    if os.environ.get("RUDP_COMPILE") == "0":
        return "RUDP_COMPILE=0"
    if sys.implementation.name != "cpython":
        return f"{sys.implementation.name} does not gain by it"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "it was never tried with free-threaded Python"
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC")
    if compiler and shutil.which(shlex.split(compiler)[0]) is None:
        return f"there is no C compiler ({compiler})"
    return None  # or Windows, where setuptools knows how to look for one


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what to install for building a wheel: what compiling needs, if there will be any."""
    needed = NEEDED if demanded() or obstacle() is None else []
    return [*hatchling.get_requires_for_build_wheel(config_settings), *needed]


class Hook(BuildHookInterface[Any]):
    """Puts compiled modules into a wheel, beside the sources they are made from."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile what is to be compiled.  Raises :class:`RuntimeError` if that is demanded."""
        self._temporary = tempfile.TemporaryDirectory()
        if version == "editable":
            return
        if reason := obstacle():
            self._tell("it", reason)
            return
        for part, name in PARTS.items():
            self._compile(part, name, build_data)

    def _compile(self, part: str, name: str, build_data: dict[str, Any]) -> None:
        folder = Path(self._temporary.name, part)
        script = Path(__file__).with_name("compile.py")
        done = subprocess.run(
            [sys.executable, script, part, folder],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if done.returncode:
            self.app.display_error("\n".join(done.stdout.splitlines()[-LINES:]))
            self._tell(name, "the compiler failed, as shown above")
            return
        for path in folder.rglob("*"):
            if path.suffix in (".so", ".pyd"):
                build_data["force_include"][str(path)] = path.relative_to(folder).as_posix()
                build_data["pure_python"] = False
                build_data["infer_tag"] = True

    def _tell(self, name: str, reason: str) -> None:
        if demanded():
            raise RuntimeError(f"RUDP_COMPILE=1, but {name} cannot be compiled: {reason}")
        self.app.display_warning(
            f"aiorudp: {name} is NOT compiled: {reason}.  It works all the same, only slower."
        )

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled: it is in the wheel now."""
        self._temporary.cleanup()
