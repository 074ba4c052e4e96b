"""A run as one HTML page: ladder, control blocks, sequence space, states, graphs, quiz.

The page is a file that needs nothing else: the scripts and the style beside this module are put
into it, and so is the run, packed small.  Its content security policy lets the browser run these
scripts and no others, and load nothing from anywhere.  What comes from the run is data to the
scripts, never markup.  A page stays under :data:`SIZE_MAX`; of a run that is too long for that it
shows the beginning and the end step by step, the graphs of all of it, and says what is left out.
"""

import base64
import hashlib
import html
import json
import zlib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Final

from rudp.trace.arrows import NAMED
from rudp.trace.events import Event, Header, Recording
from rudp.trace.report.facts import figures, reference
from rudp.trace.report.graphs import graphs
from rudp.trace.report.rows import Connection, rows

SIZE_MAX: Final = 1_000_000
"""Octets of a page."""

_SCRIPTS: Final = (
    "js/dom.js", "uplot/uPlot.iife.min.js", "js/words.js", "js/run.js", "js/layout.js",
    "js/minimap.js", "js/ladder.js", "js/blocks.js", "js/space.js", "js/timers.js", "js/states.js",
    "js/graphs.js", "js/quiz.js", "js/compare.js", "js/framed.js", "js/main.js",
)  # fmt: skip

_STYLES: Final = ("uplot/uPlot.min.css", "style.css")

_ROWS_MIN: Final = 50
"""Rows that are shown of a run whatever they take."""

_RESERVE: Final = 1000
"""Octets kept free for the title and the like."""

TITLE_MAX: Final = 200
"""Characters of a title."""


def report(
    run: Recording | Iterable[Event],
    other: Recording | Iterable[Event] | None = None,
    *,
    title: str = "",
    names: tuple[str, str] = ("first run", "second run"),
    connection: str | None = None,
    start: Event | None = None,
    shared: str | None = None,
) -> str:
    """Return the page of *run*, a recording or its events; with *other*, both to compare.

    *title*: cut after :data:`TITLE_MAX` characters.  *names*: what two runs are called.
    *connection*: which one is shown, by its name at one of its ends (``"client#2"``), the same of
    two runs; None for the first.  *start*: the event of *run* at which the page opens, unless its
    address names a step; None for the beginning.  *shared*: the URL of a folder that has
    :func:`shared_files`, for many pages on one site; None puts them into the page.  Raises
    :class:`ValueError` if one of the runs has no connection, or not that one, or events that are no
    numbers or larger than a page.
    """
    runs = [run] if other is None else [run, other]
    recordings = [
        each if isinstance(each, Recording) else Recording(Header(), list(each)) for each in runs
    ]
    connections = [Connection(each, connection) for each in recordings]
    fields = _fields(title[:TITLE_MAX] or " and ".join(connections[0].names), shared)
    page = _text("page.html")
    fixed = len(_filled(page, fields).encode())
    room = (SIZE_MAX - _RESERVE - fixed) // len(runs)
    texts = [
        _fitting(each, name[:TITLE_MAX] if len(runs) > 1 else "", room, start)
        for each, name in zip(connections, names, strict=False)
    ]
    fields["runs"] = "\n".join(
        f'<script type="text/plain" class="run">{each}</script>' for each in texts
    )
    return _filled(page, fields)


def frame(shared: str) -> str:
    """Return the page without a run, for an ``iframe``: the page around it hands over the runs.

    When it has loaded it posts ``{ready: true}`` to its parent, and takes messages of the same
    origin: ``{title, runs, sent, forced}``, the runs each as :func:`packed` makes them; ``sent``:
    what the segments of both sides of the first are called, in the order in which they leave;
    ``forced``: those of these names that have been lost on purpose.  It posts ``{lose: name}`` or
    ``{spare: name}`` when the user wants that, and ``{shown: [...]}``, the steps of each run, when
    it has drawn them.  *shared*: as of :func:`report`.
    """
    return _filled(_text("page.html"), _fields("", shared))


def packed(
    run: Recording | Iterable[Event], *, connection: str | None = None, name: str = ""
) -> str:
    """Return *run* as a page holds it, in at most :data:`SIZE_MAX` octets, for :func:`frame`.

    *connection*: as of :func:`report`; *name*: of a run that is compared.  Raises
    :class:`ValueError` as that does.
    """
    recording = run if isinstance(run, Recording) else Recording(Header(), list(run))
    return _fitting(Connection(recording, connection), name[:TITLE_MAX], SIZE_MAX, None)


def _fields(title: str, shared: str | None) -> dict[str, str]:
    """Return what the page is filled with, but for the runs."""
    files = shared_files()
    script, style = files["report.js"], files["report.css"]
    return {
        "title": html.escape(title),
        "policy": (
            f"default-src 'none'; script-src {_source(script, shared)}; "
            f"style-src {_source(style, shared)}; img-src data:"
        ),
        "licence": _text("uplot/LICENSE").replace("--", "- -"),
        "style": f"<style>{style}</style>"
        if shared is None
        else f'<link rel="stylesheet" href="{html.escape(shared)}/report.css">',
        "script": f"<script>{script}</script>"
        if shared is None
        else f'<script src="{html.escape(shared)}/report.js"></script>',
        "reference": json.dumps(reference(), separators=(",", ":")).replace("<", "\\u003c"),
        "runs": "",
    }


def save(
    path: str | Path,
    run: Recording | Iterable[Event],
    other: Recording | Iterable[Event] | None = None,
    *,
    title: str = "",
    names: tuple[str, str] = ("first run", "second run"),
    connection: str | None = None,
    start: Event | None = None,
) -> None:
    """Write the page of :func:`report` to the file *path*.

    Raises :class:`ValueError` as that does, and :class:`OSError`.
    """
    page = report(run, other, title=title, names=names, connection=connection, start=start)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(page)


def shared_files() -> dict[str, str]:
    """Return the script and the style of all pages, by the names of their files."""
    return {
        "report.js": "\n".join(map(_text, _SCRIPTS)),
        "report.css": "\n".join(map(_text, _STYLES)),
    }


def _text(path: str) -> str:
    return (resources.files(__name__) / path).read_text(encoding="utf-8")


def _source(text: str, shared: str | None) -> str:
    """Return from where a page may take *text*: only itself, or only the site that it is on."""
    if shared is not None:
        return "'self'"
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _filled(page: str, fields: dict[str, str]) -> str:
    """Put *fields* where the page has ``{{their name}}``; they are not looked into again."""
    first, *parts = page.split("{{")
    filled = [first]
    for part in parts:
        name, _, rest = part.partition("}}")
        filled += [fields[name], rest]
    return "".join(filled)


def _fitting(connection: Connection, name: str, room: int, start: Event | None) -> str:
    """Return *connection*, packed into *room* octets, with as many of its events as fit."""
    whole: dict[str, object] = {
        "name": name,
        "sides": connection.names,
        "others": [len(connection.others), *connection.others[:NAMED]],
        "seed": None if connection.header.seed is None else str(connection.header.seed)[:TITLE_MAX],
        "library": str(connection.header.library)[:TITLE_MAX],
        "figures": figures(connection),
        "graphs": graphs(connection),
    }
    limit = len(connection.events)
    # A row takes some octets however well it packs, so the first guess need not be all of them.
    limit = min(limit, max(room // 4, _ROWS_MIN))
    while True:
        shown, at = rows(connection, limit, start)
        packed = _packed(whole | {"rows": shown} | ({} if at is None else {"start": at}))
        if len(packed) <= room:
            return packed
        if limit <= _ROWS_MIN:
            raise ValueError(f"{limit} events are too large for a page of {SIZE_MAX} octets")
        limit = max(min(int(limit * 0.95 * room / len(packed)), limit - 1), _ROWS_MIN)


def _packed(fields: dict[str, object]) -> str:
    text = json.dumps(fields, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()
