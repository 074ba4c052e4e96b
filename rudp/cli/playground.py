"""``rudp playground``: the site on which rudp runs in a browser."""

import argparse
import os
from pathlib import Path

from rudp.cli import output, stdio
from rudp.playground.pinned import FetchError
from rudp.playground.site import build


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "playground",
        help="build the site on which rudp runs in a browser",
        description="Build a static site on which this rudp runs in a browser: scenarios to "
        "change, segments to lose by a click, programs of one's own, and the labs. Any web server "
        "can serve it: python -m http.server -d DIR. The first time npm fetches Pyodide, 6.5 MB, "
        "and pip what finds the smallest faults in labs.",
    )
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="the folder to write")
    parser.add_argument(
        "--wheel", type=Path, metavar="FILE", help="of rudp (default: made of what is installed)"
    )
    parser.add_argument(
        "--pyodide",
        type=Path,
        metavar="FILE",
        help="the .tgz of the npm package pyodide (default: fetched once, then kept)",
    )
    parser.add_argument("--json", action="store_true", help="say what was written as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return 1 if the site cannot be built."""
    folder = Path(options.output)
    try:
        without = build(folder, wheel_file=options.wheel, archive=options.pyodide)
    except FetchError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or folder}: {error.strerror}")
    say = output.make(as_json=options.json)
    octets = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    say.line(f"{folder} written, {octets / 1e6:.1f} MB: python -m http.server -d {folder}")
    for each in without:
        say.line(f"It is without {each}")
    say.event("written", path=os.fspath(folder), octets=octets, without=without)
    return 0


def _fail(text: str) -> int:
    stdio.complain(f"rudp playground: {text}")
    return 1
