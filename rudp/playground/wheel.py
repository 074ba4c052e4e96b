"""Wheels of what is installed here: pure Python, the same octets for the same files.

The site runs what the machine that builds it has installed, be it from an index or a checkout.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import rudp

TAG: Final = "py3-none-any"

_LEFT_OUT: Final = {".c", ".h", ".so", ".pyd", ".pyc", ".pyi"}
"""Suffixes of files that a browser's Python has no use for."""

_STAMP: Final = (1980, 1, 1, 0, 0, 0)
"""When each file was made, as far as the archive tells."""


def of_rudp() -> tuple[str, bytes]:
    """Return the wheel of this package, its name and its octets."""
    home = Path(rudp.__file__).parent
    files = (path for path in home.rglob("*") if "__pycache__" not in path.parts)
    return _wheel("aiorudp", ((path.relative_to(home.parent), path) for path in files))


def of(name: str) -> tuple[str, bytes] | None:
    """Return the wheel of a distribution that is installed, None if it is not."""
    try:
        files = metadata.files(name)
    except metadata.PackageNotFoundError:
        return None
    if not files or any(file.suffix == ".pth" for file in files):
        return None  # installed in place, or nobody knows from which files
    inside = [file for file in files if ".." not in file.parts and "__pycache__" not in file.parts]
    inside = [file for file in inside if not file.parts[0].endswith(".dist-info")]
    return _wheel(name, ((Path(file), Path(str(file.locate()))) for file in inside))


def _wheel(name: str, files: Iterable[tuple[Path, Path]]) -> tuple[str, bytes]:
    """Return the wheel of distribution *name*; *files*: their places in it and on the disk."""
    found = metadata.distribution(name)
    stem = f"{name}-{found.version}"
    about = f"{stem}.dist-info"
    content = dict(_read(files))
    content[f"{about}/METADATA"] = (found.read_text("METADATA") or "").encode()
    content[f"{about}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: rudp\nRoot-Is-Purelib: true\nTag: {TAG}\n".encode()
    )
    record = [f"{place},{_hash(data)},{len(data)}" for place, data in sorted(content.items())]
    content[f"{about}/RECORD"] = "\n".join([*record, f"{about}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        for place, data in sorted(content.items()):
            entry = zipfile.ZipInfo(place, _STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, data)
    return f"{stem}-{TAG}.whl", packed.getvalue()


def _read(files: Iterable[tuple[Path, Path]]) -> Iterator[tuple[str, bytes]]:
    for place, path in files:
        if path.suffix not in _LEFT_OUT and path.is_file():
            yield place.as_posix(), path.read_bytes()


def _hash(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={digest}"
