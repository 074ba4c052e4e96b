"""``rudp report``: from a file of events, or two, to one HTML page that needs nothing else."""

import argparse
import functools
import os
from pathlib import Path

from rudp.cli import output, stdio
from rudp.trace import Recording, report


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "report",
        help="make an HTML page of a file of events",
        description="Make one HTML page, which needs nothing else, of the events of a run: ladder, "
        "control blocks, sequence space, states, timers, graphs and a quiz. With two files the "
        "page compares their runs.",
    )
    parser.add_argument("events", metavar="EVENTS", help="a file of events: events.jsonl")
    parser.add_argument("other", metavar="OTHER", nargs="?", help="another, to compare it with")
    parser.add_argument(
        "-o",
        "--output",
        metavar="PAGE",
        help="the file to write (default: EVENTS with the suffix .html)",
    )
    parser.add_argument(
        "--connection",
        metavar="NAME",
        help="which one, by its name in the events, client#2 (default: the first)",
    )
    parser.add_argument("--title", default="", help="what stands above the page")
    parser.add_argument("--json", action="store_true", help="say what was written as JSON")
    parser.set_defaults(run=functools.partial(run, parser))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command; return 1 if a file cannot be read or written, or holds no events."""
    paths = [Path(path) for path in (options.events, options.other) if path is not None]
    page = Path(options.output) if options.output else paths[0].with_suffix(".html")
    if page in paths:
        parser.error(f"{page} would be written over")
    recordings = []
    for path in paths:
        try:
            recordings.append(Recording.load(path))
        except OSError as error:
            return _fail(f"cannot read {path}: {error.strerror}")
        except ValueError as error:
            return _fail(f"{path}: {error}")
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    try:
        report.save(
            page,
            *recordings,
            title=options.title or " and ".join(names),
            names=(names[0], names[-1]),
            connection=options.connection,
        )
    except OSError as error:
        return _fail(f"cannot write {page}: {error.strerror}")
    except ValueError as error:
        return _fail(str(error))
    say = output.make(as_json=options.json)
    say.line(f"{page} written")
    say.event("written", path=os.fspath(page), octets=page.stat().st_size)
    return 0


def _fail(text: str) -> int:
    stdio.complain(f"rudp report: {text}")
    return 1
