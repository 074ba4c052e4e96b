"""A wheel of the rudp that is installed here: pure Python, the same octets for the same files.

The site runs what the machine that builds it runs, be it from an index or a checkout.
"""

import base64
import hashlib
import io
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Final

import rudp

TAG: Final = "py3-none-any"

_LEFT_OUT: Final = {".c", ".h", ".so", ".pyd", ".pyc", ".pyi"}
"""Suffixes of files that a browser's Python has no use for."""

_STAMP: Final = (1980, 1, 1, 0, 0, 0)
"""When each file was made, as far as the archive tells."""


def make() -> tuple[str, bytes]:
    """Return the wheel, its name and its octets."""
    home = Path(rudp.__file__).parent
    found = metadata.distribution("aiorudp")
    stem = f"aiorudp-{found.version}"
    about = f"{stem}.dist-info"
    content = {
        path.relative_to(home.parent).as_posix(): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.suffix not in _LEFT_OUT and "__pycache__" not in path.parts
    }
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


def _hash(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={digest}"
