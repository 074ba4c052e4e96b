"""The site of the playground: its wheel, its Pyodide, and the command that builds it."""

import base64
import csv
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rudp.cli import main
from rudp.playground import wheel
from rudp.playground.pinned import PYODIDE


def test_the_wheel_is_this_package_and_python_alone(tmp_path: Path) -> None:
    name, data = wheel.make()
    assert name.endswith("-py3-none-any.whl")
    assert wheel.make() == (name, data), "the same octets each time"
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        names = packed.namelist()
        assert not [each for each in names if each.endswith((".so", ".c", ".h", ".pyc"))]
        (record,) = [each for each in names if each.endswith("/RECORD")]
        rows = list(csv.reader(packed.read(record).decode().splitlines()))
        assert sorted(row[0] for row in rows) == sorted(names)
        for place, said, size in rows:
            if said:
                digest = hashlib.sha256(packed.read(place)).digest()
                assert said == f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
                assert int(size) == len(packed.read(place))
        packed.extractall(tmp_path)
    asked = "import rudp.playground as p; print(p.__file__, repr(p.run('{}').problem))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", asked],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path))
    assert done.stdout.endswith("''\n")


def test_another_file_is_not_taken_for_pyodide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.tgz").write_bytes(b"something else")
    command = ["playground", "-o", str(tmp_path / "site"), "--pyodide"]
    assert main([*command, str(tmp_path / "other.tgz")]) == 1
    assert "is not Pyodide 314.0.7" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "none.tgz")]) == 1
    assert "none.tgz: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("npm", "why"),
    [
        (None, "there is no npm to fetch it"),
        ("#!/bin/sh\necho no network >&2\nexit 1\n", "npm cannot fetch it: no network"),
        ("#!/bin/sh\necho other > pyodide-314.0.7.tgz\n", "is not Pyodide 314.0.7"),
        ("#!/bin/sh\nexit 0\n", "npm has written no"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the npm here is a shell script")
def test_without_a_network_it_says_what_is_missing(
    npm: str | None,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    if npm is not None:
        (tmp_path / "npm").write_text(npm)
        (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if npm else str(tmp_path))
    assert main(["playground", "-o", str(tmp_path / "site")]) == 1
    assert why in capsys.readouterr().err
    assert not PYODIDE.kept.exists()
    assert not (tmp_path / "site").exists()
