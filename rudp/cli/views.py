"""The options of commands that show events, and the files that these make."""

import argparse
from pathlib import Path
from typing import Any

from rudp.trace import Recording, report, svg


def add_options(group: Any) -> None:
    """Describe the options; *group*: a parser or a group of its arguments."""
    group.add_argument(
        "--explain",
        choices=("short", "rfc"),
        help="say below each segment why it was sent, rfc with the section of a standard, and "
        "under which counter it was dropped, if it was",
    )
    group.add_argument("--svg", metavar="FILE", help="draw the ladder as a picture")
    group.add_argument(
        "--json", action="store_true", help="write the events, one JSON object a line, and no text"
    )


def write(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    recording: Recording,
    title: str,
) -> None:
    """Make the files that were asked for, and write the events if it is to be JSON.

    Ends the program with status 2 if a file cannot be written, 1 if the events make no picture.
    """
    name = options.svg
    try:
        if options.svg is not None:
            picture = svg.ladder(recording.events, title=title)
            Path(options.svg).write_text(picture, encoding="utf-8")
        name = options.html
        if options.html is not None:
            report.save(Path(options.html), recording, title=title)
    except OSError as error:
        parser.error(f"cannot write {name}: {error.strerror}")
    except ValueError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    if options.json:
        for line in recording.lines():
            print(line)
