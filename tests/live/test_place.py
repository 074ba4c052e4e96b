"""Where programs are found: a folder of one user alone, without what the dead leave behind."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from rudp.live import place

NOBODY = (1 << 22) - 1
"""The number of no process: Linux gives none above it."""


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """XDG_RUNTIME_DIR, and a folder for temporary files beside it."""
    folder = tmp_path / "run"
    folder.mkdir(0o700)
    other = tmp_path / "tmp"
    other.mkdir(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(other))
    return folder


def dead(folder: Path, name: str) -> Path:
    """Leave behind a socket at which nobody listens."""
    path = folder / name
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    return path


def test_it_is_in_the_users_runtime_folder(runtime: Path) -> None:
    folder = place.ours()
    assert folder == runtime / "rudp"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert place.ours() == folder
    assert place.folders() == [folder]


@pytest.mark.parametrize("value", ["", "relative", "/no/such/folder"])
def test_without_one_it_is_beside_temporary_files(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    folder = place.ours()
    assert folder == Path(tempfile.gettempdir()) / f"rudp-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_runtime_folder_that_others_may_write_is_not_taken(runtime: Path) -> None:
    runtime.chmod(0o777)
    assert place.ours().parent == Path(tempfile.gettempdir())


def test_who_asks_looks_into_both(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = place.ours()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    second = place.ours()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert place.folders() == [first, second]


def test_a_folder_open_to_others_is_refused(runtime: Path) -> None:
    folder = place.ours()
    folder.chmod(0o755)
    for look in (place.ours, place.folders, place.sockets):
        with pytest.raises(PermissionError, match="others than this user may use it"):
            look()


def test_a_link_is_no_folder(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(0o700)
    (runtime / "rudp").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError):
        place.ours()


def test_sockets_of_the_dead_are_removed(runtime: Path) -> None:
    folder = place.ours()
    gone = dead(folder, f"{NOBODY}-1.sock")
    strange = dead(folder, "strange.sock")
    mine = folder / f"{os.getpid()}-1.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(mine))
        sock.listen()
        assert place.sockets() == [mine]
    assert not gone.exists()
    assert not strange.exists()


def test_who_lives_in_another_namespace_of_processes_is_asked(runtime: Path) -> None:
    """Its number says nothing here, but somebody listens."""
    path = place.ours() / f"{NOBODY}-1.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        assert place.sockets() == [path]


def test_a_system_without_unix_sockets(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(place.NoPlaceError, match="no Unix sockets"):
        place.ours()


@pytest.mark.parametrize(
    ("name", "pid"), [("123-4.sock", 123), ("x-1.sock", 0), ("99999999999-1.sock", 0), ("", 0)]
)
def test_the_name_says_which_process(name: str, pid: int) -> None:
    assert place.pid_of(Path("/run") / name) == pid
