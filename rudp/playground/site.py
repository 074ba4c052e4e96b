"""Builds the site: its page, the report page, this package's wheel, and Pyodide.

Everything is in one folder, which any web server can serve, for instance ``python -m http.server``.
The browser gets the page first; Pyodide, which is large, after that, and what it got stays with it,
so that the site works without a network from then on.  A worker knows the files of a site and its
version from a table that is written into its script here.
"""

import dataclasses
import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any, Final

from rudp.config import CONGESTION
from rudp.labs.catalogue import LABS
from rudp.playground import lab, pyodide, wheel
from rudp.playground.play import run
from rudp.playground.scenarios import SCENARIOS
from rudp.playground.setting import PROGRAM_MAX, RANGES, Setting
from rudp.trace import report

PAGE: Final = (
    "index.html", "playground.css", "playground.js", "setting.js", "answer.js", "engine.js",
    "runner.js", "offline.js",
)  # fmt: skip
"""The files of the page, in the folder ``page`` here."""

HELPERS: Final = ("sortedcontainers", "hypothesis")
"""What finds the smallest faults that break an answer to a lab; left out where it is missing."""


def build(folder: Path, *, wheel_file: Path | None = None, archive: Path | None = None) -> None:
    """Write the site into *folder*, which is made if it is not there.

    *wheel_file*: this package's wheel, None for one of what is installed.  *archive*: the file of
    the npm package pyodide, None to fetch it.  Raises :class:`rudp.playground.pyodide.FetchError`
    if Pyodide cannot be had, and :class:`OSError`.
    """
    archive = archive or pyodide.fetch()
    pyodide.check(archive)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyodide").mkdir(exist_ok=True)
    pyodide.unpack(archive, folder / "pyodide")
    wheels = dict(_wheels(wheel_file))
    files = {name: _page(name) for name in PAGE}
    files["report.html"] = report.frame(".").encode()
    files |= {name: text.encode() for name, text in report.shared_files().items()}
    files["choices.json"] = json.dumps(choices(), separators=(",", ":")).encode()
    files |= {
        f"begin-{name}.json": run(Setting.parse(json.dumps({"scenario": name}))).answer().encode()
        for name in SCENARIOS
    }
    files |= wheels
    sizes = {
        f"pyodide/{name}": (folder / "pyodide" / name).stat().st_size for name in pyodide.FILES
    }
    whole = hashlib.sha256(f"{pyodide.INTEGRITY}{sorted(wheels)}".encode())
    for name, data in sorted(files.items()):
        whole.update(f"{name} {len(data)}\n".encode() + data)
    table = {
        "version": whole.hexdigest()[:16],
        "files": {name: len(data) for name, data in files.items()} | sizes,
        "wheels": list(wheels),
    }
    text = json.dumps(table, indent=1).encode()
    for name, data in files.items():
        (folder / name).write_bytes(data.replace(b"{{site}}", text))


def _page(name: str) -> bytes:
    return (resources.files(__package__) / "page" / name).read_bytes()


def _wheels(wheel_file: Path | None) -> list[tuple[str, bytes]]:
    """Return the wheels of the site, this package's first."""
    mine = wheel.of_rudp() if wheel_file is None else (wheel_file.name, wheel_file.read_bytes())
    return [mine, *filter(None, map(wheel.of, HELPERS))]


def choices() -> dict[str, Any]:
    """Return what there is to choose from on the page."""
    plain = {field.name: field.default for field in dataclasses.fields(Setting)}
    return {
        "defaults": plain,
        "ranges": RANGES,
        "program_max": PROGRAM_MAX,
        "congestion": [name for name in CONGESTION if name != "reno"],
        "scenarios": [
            {
                "name": each.name,
                "title": each.title,
                "look": each.look,
                "setting": each.setting,
                "text": each.text,
                "kind": each.kind,
            }
            for each in SCENARIOS.values()
        ],
        "labs": [
            {
                "name": each.name,
                "title": each.title,
                "section": each.section,
                "called": each.called,
                "text": lab.begin(each.name),
            }
            for each in LABS.values()
        ],
    }
