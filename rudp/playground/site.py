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
from rudp.playground import lab, wheel
from rudp.playground.pinned import FILES, HELPERS, PYODIDE, FetchError, unpack
from rudp.playground.play import run
from rudp.playground.scenarios import SCENARIOS
from rudp.playground.setting import PROGRAM_MAX, RANGES, Setting
from rudp.trace import report

PAGE: Final = (
    "index.html", "playground.css", "playground.js", "setting.js", "answer.js", "engine.js",
    "runner.js", "offline.js",
)  # fmt: skip
"""The files of the page, in the folder ``page`` here."""

_TABLE: Final = b"{{site}}"
"""Where a script has the table."""


def build(
    folder: Path, *, wheel_file: Path | None = None, archive: Path | None = None
) -> list[str]:
    """Write the site into *folder*, which is made if it is not there; return what it is without.

    *wheel_file*: this package's wheel, None for one of what is installed.  *archive*: the file of
    the npm package pyodide, None to fetch it.  Raises :class:`rudp.playground.pinned.FetchError`
    if Pyodide cannot be had, and :class:`OSError`.
    """
    archive = archive or PYODIDE.fetch()
    PYODIDE.check(archive)
    mine = wheel.make() if wheel_file is None else (wheel_file.name, wheel_file.read_bytes())
    helpers, without = _helpers()
    wheels = dict([mine, *helpers])
    begun = {name: run(json.dumps({"scenario": name})).answer() for name in SCENARIOS}
    texts = report.shared_files() | {
        "report.html": report.frame("."),
        "choices.json": json.dumps(choices(), separators=(",", ":")),
        **{f"begin-{name}.json": answer for name, answer in begun.items()},
    }
    files = {name: _page(name) for name in PAGE} | wheels
    files |= {name: text.encode() for name, text in texts.items()}
    (folder / "pyodide").mkdir(parents=True, exist_ok=True)
    unpack(archive, folder / "pyodide")
    sizes = {f"pyodide/{name}": (folder / "pyodide" / name).stat().st_size for name in FILES}
    whole = hashlib.sha256(PYODIDE.hash.encode())
    for name, data in sorted(files.items()):
        whole.update(f"{name} {len(data)}\n".encode() + data)
    table = {
        "version": whole.hexdigest()[:16],
        "files": {name: len(data) for name, data in files.items()} | sizes,
        "wheels": list(wheels),
    }
    written = json.dumps(table, indent=1).encode()
    for name, data in files.items():
        (folder / name).write_bytes(data.replace(_TABLE, written) if name in PAGE else data)
    return without


def _helpers() -> tuple[list[tuple[str, bytes]], list[str]]:
    """Return the wheels that help, or without them what that means."""
    try:
        files = [each.fetch() for each in HELPERS]
    except FetchError as error:
        return [], [f"the search for the smallest faults in labs: {error}"]
    return [(file.name, file.read_bytes()) for file in files], []


def _page(name: str) -> bytes:
    return (resources.files(__package__) / "page" / name).read_bytes()


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
