"""``rudp lab``: exercises in which a class of one's own takes the place of a part of rudp.

The check runs in a process of its own, on the core in Python, so that a class that loops can be
ended, and can derive from those of the core.
"""

import argparse
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Any, Final

import rudp
from rudp.cli import arguments, output, stdio
from rudp.labs.catalogue import LABS

TIMEOUT: Final = 60.0
"""Seconds that a check may take unless something else is asked for."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "lab",
        help="write a part of TCP yourself, and have it checked",
        description="Labs: a class of yours takes the place of a part of rudp, and is put to the "
        "test with questions and with connections over bad paths, in virtual time.",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    listed = verbs.add_parser("list", help="say which labs there are")
    _with_json(listed)
    listed.set_defaults(run=run_list)
    shown = verbs.add_parser("show", help="say what a lab is about, and where its answer is")
    _with_name(shown)
    shown.set_defaults(run=run_show)
    start = verbs.add_parser("start", help="write the file to begin with")
    _with_name(start)
    start.add_argument("-o", "--output", metavar="FILE", help="(default: lab_NAME.py)")
    start.add_argument("--force", action="store_true", help="write over a file that exists")
    start.set_defaults(run=functools.partial(run_start, start))
    check = verbs.add_parser("check", help="put the class in a file to the test")
    check.add_argument("file", metavar="FILE", help="that start has written, filled in")
    check.add_argument(
        "--timeout",
        type=arguments.duration,
        default=TIMEOUT,
        help=f"how long it may take (default: {TIMEOUT:.0f}s)",
    )
    check.add_argument(
        "--salt", default="", metavar="TEXT", help="have other hidden seeds, which belong to TEXT"
    )
    check.add_argument(
        "--html",
        metavar="PAGE",
        help="when a connection breaks write a page that compares it with the reference's, and "
        "opens at the step where they begin to differ",
    )
    check.add_argument(
        "--open",
        action="store_true",
        help="show that page in the browser (FILE with the suffix .html, unless --html names one)",
    )
    _with_json(check)
    check.set_defaults(run=functools.partial(run_check, check))


def _with_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=list(LABS), metavar="NAME", help=", ".join(LABS))


def _with_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON instead of text")


def run_list(options: argparse.Namespace) -> int:
    """Say which labs there are."""
    say = output.make(as_json=options.json)
    for lab in LABS.values():
        say.line(f"{lab.name:10}  {lab.title:38}  {lab.section}")
        say.event("lab", name=lab.name, title=lab.title, section=lab.section)
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Show the task."""
    lab = LABS[options.name]
    print(lab.start.read_text(encoding="utf-8"))
    print(f"# The answer of the package: {lab.package}")
    return 0


def run_start(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Write the file to begin with."""
    lab = LABS[options.name]
    path = Path(options.output or f"lab_{lab.name}.py")
    try:
        with open(path, "w" if options.force else "x", encoding="utf-8") as file:
            file.write(lab.start.read_text(encoding="utf-8"))
    except FileExistsError:
        parser.error(f"{path} is there already; --force writes over it")
    except OSError as error:
        parser.error(f"cannot write {path}: {error.strerror}")
    print(f"{path} written: fill in {lab.called}, then: rudp lab check {path}")
    return 0


def run_check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Check a file; return 0 if all went well, 1 if not."""
    say = output.make(as_json=options.json)
    if options.open and options.html is None:
        options.html = str(Path(options.file).with_suffix(".html"))
    if options.html is not None and Path(options.html).resolve() == Path(options.file).resolve():
        parser.error(f"{options.file} would be written over")
    told, timed_out = _check(options)
    latest = told[-1] if told else {}
    if latest.get("event") == "verdict":
        say.event("verdict", **{name: each for name, each in latest.items() if name != "event"})
        status = _tell(say, latest)
        if (
            options.open
            and latest["page"]
            and not webbrowser.open(Path(latest["page"]).resolve().as_uri())
        ):
            stdio.complain(f"rudp lab check: no browser was found to open {latest['page']} with")
        return status
    if timed_out:
        doing = f" ({latest['what']})" if "what" in latest else ""
        why = f"it has not come to an end after {options.timeout:g} s{doing}"
    else:
        why = latest.get("why", "the check has ended too early")
    say.event("verdict", lab=None, grade=0, problem=why, faults=None, page=None)
    if not options.json:
        stdio.complain(f"rudp lab check: {options.file}: {why}")
    return 1


def _check(options: argparse.Namespace) -> tuple[list[dict[str, Any]], bool]:
    """Run the check in a process; return what it tells, and whether its time was over."""
    # Nothing in the folder takes the place of a module of Python's: -P.
    command = [sys.executable, "-P", "-m", "rudp.labs", options.file, options.salt]
    places = [str(Path(rudp.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "RUDP_PURE": "1",
        "COLUMNS": str(shutil.get_terminal_size().columns),  # for the ladder
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
    }
    if options.html is not None:
        command.append(options.html)
    # A file takes what it tells, also of a process that has to be ended.
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+", encoding="utf-8") as file,
    ):
        environment["HYPOTHESIS_STORAGE_DIRECTORY"] = folder  # else there is one beside the file
        timed_out = False
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                env=environment,
                timeout=options.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            timed_out = True
        file.seek(0)
        return [json.loads(line) for line in file if line.endswith("\n")], timed_out


def _tell(say: output.Output, verdict: dict[str, Any]) -> int:
    """Say what was found."""
    for name in ("questions", "hidden questions", "connections", "hidden connections"):
        passed, total = verdict[name]
        say.line(f"{name:20} {passed:3} of {total}")
    say.line(f"{'grade':20} {verdict['grade']:3}")
    if verdict["problem"]:
        say.line(f"\n{verdict['problem']}")
    if verdict["faults"] is not None:
        faults = verdict["faults"] or "none are needed"
        which = "The smallest faults" if verdict["smallest"] else "Faults, perhaps not the fewest,"
        say.line(f"\n{which} with which a connection breaks: {faults}")
    if verdict["where"]:
        say.line(f"\n{verdict['where']}")
    if verdict["page"]:
        say.line(f"\n{verdict['page']} written; it opens where the two differ")
    return int(bool(verdict["problem"]) or verdict["grade"] < 100)
