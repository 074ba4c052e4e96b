"""What the site brings along that is not rudp: files of one version, known by their hashes.

They come from the registries of npm and of Python, through the ``npm`` and the ``pip`` that are
installed, and are kept in the user's cache directory; after the first time nobody is asked.
"""

import base64
import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

TIMEOUT: Final = 600.0
"""Seconds that a registry may take."""


class FetchError(Exception):
    """A file cannot be had; the text says why, and what can be done."""


@dataclasses.dataclass(frozen=True)
class Pinned:
    """A file, and how to get it.

    ``file``: its name.  ``what``: what is said of it.  ``hash``: its SHA-512 in base64, as the
    registry of npm writes it.  ``command``: writes it into the folder where it runs.
    """

    file: str
    what: str
    hash: str
    command: tuple[str, ...]

    @property
    def kept(self) -> Path:
        """Where it is kept, whether it is there or not."""
        return _cache() / self.file

    def fetch(self) -> Path:
        """Return the file, from the cache or, if it is not there, from the registry.

        Raises :class:`FetchError`.
        """
        kept = self.kept
        try:
            if kept.exists():
                self.check(kept)
                return kept
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
                fetched = self._fetched(Path(folder))
                self.check(fetched)
                fetched.replace(kept)
        except OSError as error:
            raise FetchError(f"cannot keep {kept}: {error.strerror}") from None
        return kept

    def check(self, path: Path) -> None:
        """Raise :class:`FetchError` unless the file at *path* is this one, :class:`OSError`."""
        digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
        if digest != self.hash:
            raise FetchError(f"{path} is not {self.what}, by its hash")

    def _fetched(self, folder: Path) -> Path:
        program, *arguments = self.command
        found = shutil.which(program)
        if found is None:
            raise FetchError(f"{self.what} is needed once, and there is no {program} to fetch it")
        told = f"{self.what} is needed once, and {Path(program).name}"
        try:
            done = subprocess.run(
                [found, *arguments],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise FetchError(f"{told} has not brought it in {TIMEOUT:.0f} s") from None
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
            raise FetchError(f"{told} cannot fetch it: {said[0]}")
        fetched = folder / self.file
        if not fetched.exists():
            raise FetchError(f"{told} has written no {self.file}")
        return fetched


def _wheel(name: str, version: str, file: str, digest: str) -> Pinned:
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:")
    return Pinned(file, f"{name} {version}", digest, (*pip, f"{name}=={version}"))


PYODIDE: Final = Pinned(
    "pyodide-314.0.7.tgz",
    "Pyodide 314.0.7 (6.5 MB)",
    "0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A==",
    ("npm", "pack", "pyodide@314.0.7", "--silent"),
)
"""CPython for browsers."""

FILES: Final = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
)
"""What a browser needs of it."""

HELPERS: Final = (
    _wheel(
        "hypothesis",
        "6.155.0",  # later ones are not Python alone
        "hypothesis-6.155.0-py3-none-any.whl",
        "BnMoIFQNogS7rdeyExt9jzgBMsj5u8Ti7XCTX0OYS3SiRMFXVHnO9jJXinYzh51svzuMIil22KrzbhEiZATaew==",
    ),
    _wheel(
        "sortedcontainers",
        "2.4.0",
        "sortedcontainers-2.4.0-py2.py3-none-any.whl",
        "4cyzmHAC2T+3dNx5Rcv2kWPfL+vN+Y9TqhaIUAxd6DtKJp8+VlY2dVaGNeoheHvPmwKySDZynS96bVjeGJafVw==",
    ),
)
"""What finds the smallest faults that break an answer to a lab."""


def unpack(archive: Path, folder: Path) -> None:
    """Write :data:`FILES` of Pyodide's *archive* into *folder*, which exists.

    *archive* has passed :meth:`Pinned.check`.  Raises :class:`OSError`.
    """
    with tarfile.open(archive) as tar:
        for name in FILES:
            member = tar.extractfile(f"package/{name}")
            assert member is not None  # the hash has told what is in it
            with member, open(folder / name, "wb") as file:
                shutil.copyfileobj(member, file)


def _cache() -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "rudp"
