"""The files of Pyodide, which is CPython for browsers: one version, known by its hash.

They come from the registry of npm, through the ``npm`` that is installed, and are kept in the
user's cache directory; after the first time nobody is asked.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

VERSION: Final = "314.0.7"

INTEGRITY: Final = (
    "sha512-"
    "0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A=="
)
"""Of the package's file, as the registry and lock files write it."""

FILES: Final = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
)
"""What a browser needs of the package."""

ARCHIVE: Final = f"pyodide-{VERSION}.tgz"
"""The package's file."""

TIMEOUT: Final = 600.0
"""Seconds that the registry may take."""


class FetchError(Exception):
    """The files cannot be had; the text says why, and what can be done."""


def cached() -> Path:
    """Return where the package's file is kept, whether it is there or not."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "rudp" / ARCHIVE


def fetch() -> Path:
    """Return the package's file, from the cache or, if it is not there, from the registry.

    Raises :class:`FetchError`.
    """
    kept = cached()
    if kept.exists():
        return kept
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(f"{_wanted()}, and there is no npm to fetch it")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            done = subprocess.run(
                [npm, "pack", f"pyodide@{VERSION}", "--silent"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
            if done.returncode:
                said = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
                raise FetchError(f"{_wanted()}, and npm cannot fetch it: {said[0]}")
            fetched = Path(folder) / ARCHIVE
            if not fetched.exists():
                raise FetchError(f"{_wanted()}, and npm has written no {ARCHIVE}")
            check(fetched)
            fetched.replace(kept)
    except subprocess.TimeoutExpired:
        raise FetchError(f"{_wanted()}, and npm has not answered in {TIMEOUT:.0f} s") from None
    except OSError as error:
        raise FetchError(f"cannot keep {kept}: {error.strerror}") from None
    return kept


def unpack(archive: Path, folder: Path) -> None:
    """Write :data:`FILES` of *archive* into *folder*, which exists.

    *archive* has passed :func:`check`.  Raises :class:`OSError`.
    """
    with tarfile.open(archive) as tar:
        for name in FILES:
            member = tar.extractfile(f"package/{name}")
            assert member is not None  # the hash has told what is in it
            with member, open(folder / name, "wb") as file:
                shutil.copyfileobj(member, file)


def check(archive: Path) -> None:
    """Raise :class:`FetchError` unless *archive* is the file that :data:`INTEGRITY` stands for.

    Raises :class:`OSError` if it cannot be read.
    """
    digest = hashlib.sha512(archive.read_bytes()).digest()
    if f"sha512-{base64.b64encode(digest).decode()}" != INTEGRITY:
        raise FetchError(f"{archive} is not version {VERSION} of Pyodide, by its hash")


def _wanted() -> str:
    return (
        f"the playground needs the npm package pyodide {VERSION}, 6.5 MB once "
        f"(or its file by --pyodide FILE)"
    )
