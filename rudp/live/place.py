"""Where programs can be asked for their connections: a folder of sockets that is one user's alone.

It is ``rudp`` in XDG_RUNTIME_DIR where there is such a folder of this user, else ``rudp-UID``
beside temporary files.  There anybody may have put anything before, so what is not a folder, not
ours, or open to others is never used.  Who asks looks into both.
"""

import contextlib
import errno
import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import Final

SUFFIX: Final = ".sock"

LOOKED_AT: Final = 1000
"""Sockets in a folder that are looked at."""


class NoPlaceError(OSError):
    """This system has no sockets with names."""

    def __init__(self) -> None:
        super().__init__(
            errno.EOPNOTSUPP, "this system has no Unix sockets, and no way beside them"
        )


def ours() -> Path:
    """Return the folder in which to be found, made if it is missing.  Raises :class:`OSError`."""
    folder = _candidates()[0]
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    _check(folder)
    return folder


def folders() -> list[Path]:
    """Return the folders in which programs may be found.

    Raises :class:`OSError` for one that is there and cannot be trusted.
    """
    found = []
    for folder in _candidates():
        with contextlib.suppress(FileNotFoundError):
            _check(folder)
            found.append(folder)
    return found


def sockets() -> list[Path]:
    """Return the sockets of programs; those of programs that are gone are removed meanwhile.

    Raises :class:`OSError` as :func:`folders` does.
    """
    return [path for folder in folders() for path in _listed(folder) if not _is_stale(path)]


def sweep(folder: Path) -> None:
    """Remove from *folder* what programs have left behind that were killed."""
    for path in _listed(folder):
        _is_stale(path)


def pid_of(path: Path) -> int:
    """Return the process whose socket *path* is, 0 if the name does not say."""
    digits = path.name.partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0


def _candidates() -> list[Path]:
    """Return the folders that may be, the one to be found in first."""
    if not (hasattr(socket, "AF_UNIX") and hasattr(os, "getuid")):
        raise NoPlaceError
    found = [Path(tempfile.gettempdir()) / f"rudp-{os.getuid()}"]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and _is_private(runtime):
        found.insert(0, Path(runtime) / "rudp")
    return found


def _is_private(folder: str) -> bool:
    """Return whether nobody else can put anything into *folder*."""
    try:
        found = os.stat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _check(folder: Path) -> None:
    """Raise :class:`OSError` if *folder* is not there, or not this user's alone."""
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(errno.EPERM, "others than this user may use it", str(folder))


def _listed(folder: Path) -> list[Path]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX))
    except OSError:
        return []
    return [folder / name for name in names[:LOOKED_AT]]


def _is_stale(path: Path) -> bool:
    """Return whether nobody listens at *path*, which is gone then."""
    pid = pid_of(path)
    try:
        if pid:
            os.kill(pid, 0)
            return False
    except ProcessLookupError:
        pass  # or it is in another namespace of processes, so it is asked
    except OSError:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            probe.connect(str(path))
    except ConnectionRefusedError:
        with contextlib.suppress(OSError):
            os.unlink(path)
        return True
    except OSError:  # it has much to do, or is gone by itself
        return not os.path.lexists(path)
    return False
