"""``rudp drill``: scripts of segments and calls, played against rudp, or the kernel's TCP as well.

What a drill is, how it is read and played is in :mod:`rudp.sim.drill`; here are the files, what is
said about them, and :mod:`the kernel <rudp.cli.drill.kernel>`.
"""

import argparse
import functools
from pathlib import Path
from typing import Final

from rudp.cli import arguments, output, stdio
from rudp.cli.drill import junit, kernel, playing
from rudp.cli.drill.playing import FAILED, PASSED, SKIPPED, UNREADABLE, Result
from rudp.sim import drill
from rudp.trace import Ladder, report

SHIPPED: Final = Path(drill.__file__).with_name("shipped")
"""Where the drills are that belong to the package."""

SUFFIX: Final = ".drill"

TRANSCRIPT: Final = 12
"""Lines that are shown before the one that does not hold."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "drill",
        help="play scripts of segments against rudp, or the kernel's TCP",
        description="Play drills: scripts that say which segments arrive, what a program calls, "
        "and what must come out and when. In virtual time, against rudp; nothing is sent anywhere.",
    )
    parser.add_argument(
        "drills",
        nargs="*",
        metavar="FILE",
        help="a drill, a folder of drills, or the name of one that comes with rudp or of a topic, "
        "such as close/active or close (default: all that come with rudp)",
    )
    parser.add_argument("--list", action="store_true", help="say what there is, and play nothing")
    parser.add_argument(
        "--show", action="store_true", help="print the drills, to make a copy of one; play nothing"
    )
    parser.add_argument(
        "--kernel",
        action="store_true",
        help="play each against the kernel's TCP too, in real time; Linux and root",
    )
    parser.add_argument(
        "--tolerance",
        type=arguments.seconds,
        default=kernel.TOLERANCE,
        help=f"by how much the kernel may be late (default: {kernel.TOLERANCE * 1000:.0f}ms)",
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="say when each line was played; with --kernel against both, side by side",
    )
    parser.add_argument("--ladder", action="store_true", help="draw what happened")
    parser.add_argument(
        "--html",
        metavar="FILE",
        help="write a report of one drill, a page for a browser; with --kernel it compares the two",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a drill, and no text")
    parser.add_argument(
        "--junit", metavar="FILE", help="write the results as JUnit XML, as CI servers read it"
    )
    parser.set_defaults(run=functools.partial(run, parser))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command; return 1 if a drill fails, 2 if one cannot be read or played."""
    paths = _found(parser, options.drills)
    say = output.make(as_json=options.json)
    if options.list:
        return _list(paths, say)
    if options.show:
        return _show(paths)
    if options.html is not None and len(paths) != 1:
        parser.error(f"--html is for one drill, not {len(paths)}")
    reason = kernel.missing() if options.kernel else None
    if reason is not None:
        parser.error(f"--kernel: {reason}")
    watched = bool(options.ladder or options.html is not None)
    results = []
    rudp: dict[str, Result] = {}
    for result in playing.play(paths, options.kernel, options.tolerance, watched):
        results.append(result)
        _tell(say, result, options, rudp.get(result.name))
        if result.side == "rudp":
            rudp[result.name] = result
    _sum_up(say, results)
    try:
        if options.junit is not None:
            where = options.junit
            junit.save(options.junit, results)
        if options.html is not None:
            where = options.html
            _write_page(parser, options.html, results)
    except OSError as error:
        parser.error(f"cannot write {where}: {error.strerror}")
    statuses = {result.status for result in results}
    return 2 if UNREADABLE in statuses else 1 if FAILED in statuses else 0


def _found(parser: argparse.ArgumentParser, names: list[str]) -> dict[str, Path]:
    """Return the files of the drills that were asked for, by name."""
    found: dict[str, Path] = {}
    for name in names or [""]:
        shipped = SHIPPED / name
        path = Path(name) if name and Path(name).exists() else shipped
        if path.is_dir():
            root = SHIPPED if path is shipped else path
            inside = sorted(path.rglob(f"*{SUFFIX}"))
            if not inside:
                parser.error(f"{name}: no file in it ends with {SUFFIX}")
            for each in inside:
                if root is SHIPPED:
                    found[each.relative_to(root).with_suffix("").as_posix()] = each
                else:
                    found[str(each)] = each
        elif path.exists():
            found[name] = path
        elif shipped.with_name(shipped.name + SUFFIX).exists():
            found[name] = shipped.with_name(shipped.name + SUFFIX)
        else:
            parser.error(f"{name}: no such file, and no drill of this name comes with rudp")
    return found


def _show(paths: dict[str, Path]) -> int:
    """Print each as it is, whether it can be played or not."""
    for path in paths.values():
        try:
            print(path.read_text(encoding="utf-8").rstrip("\n"))
        except UnicodeDecodeError:
            stdio.complain(f"rudp drill: {path}: not text in UTF-8")
            return 2
        except OSError as error:
            stdio.complain(f"rudp drill: {playing.in_words(path, error)}")
            return 2
    return 0


def _list(paths: dict[str, Path], say: output.Output) -> int:
    width = max(map(len, paths))
    status = 0
    for name, path in paths.items():
        try:
            read = playing.load(name, path)
        except (OSError, ValueError) as error:
            stdio.complain(f"rudp drill: {playing.in_words(path, error)}")
            status = 2
            continue
        only = f" ({read.only} only)" if read.only else ""
        say.line(f"{name:{width}}  {read.title}{only}")
        say.event("listed", name=name, title=read.title, only=read.only or None)
    return status


def _tell(
    say: output.Output, result: Result, options: argparse.Namespace, rudp: Result | None
) -> None:
    """Say how a drill went; *rudp*: how it did against that, if this is another side."""
    time = "" if result.status in (SKIPPED, UNREADABLE) else f"  {result.seconds:.3f} s"
    why = f"  {result.why}" if result.status == SKIPPED else ""
    say.line(f"{result.status:10}  {result.side:6}  {result.name}{time}{why}")
    say.event("drill", **result.fields())
    if options.verbose and result.status in (PASSED, FAILED):
        if rudp is None:
            for when, line in result.played:
                say.line(f"{when:10.4f}  {line.text.strip()}")
        else:
            _beside(say, rudp, result)
    elif result.error is not None:
        if len(result.played) > TRANSCRIPT:
            say.line("       ...")
        for when, line in result.played[-TRANSCRIPT:]:
            say.line(f"{when:10.4f}  {line.text.strip()}")
    if result.place:
        say.line(f"{result.place}: {result.why}")
    if result.story:
        say.line(result.story)
    if options.ladder and result.recording is not None and result.recording.events:
        ladder = Ladder(result.side, "peer")
        ladder.draw(result.recording)
        say.line(f"\n{ladder}\n")


def _beside(say: output.Output, first: Result, second: Result) -> None:
    """Say when each line was played against two sides."""
    say.line(f"{first.side:>10}  {second.side:>10}")
    times = [{line.number: when for when, line in one.played} for one in (first, second)]
    lines = {line.number: line for one in (first, second) for _, line in one.played}
    for number, line in sorted(lines.items()):
        columns = [f"{one[number]:10.4f}" if number in one else " " * 10 for one in times]
        say.line(f"{'  '.join(columns)}  {line.text.strip()}")


def _sum_up(say: output.Output, results: list[Result]) -> None:
    counts = {
        status: sum(result.status == status for result in results)
        for status in (PASSED, FAILED, UNREADABLE, SKIPPED)
    }
    words = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    say.line(f"\n{words}")
    say.event("summary", **{status.lower(): number for status, number in counts.items()})


def _write_page(parser: argparse.ArgumentParser, path: str, results: list[Result]) -> None:
    shown = [result for result in results if result.recording is not None]
    if not shown:
        parser.exit(1, f"{parser.prog}: nothing was played that a page could show\n")
    names = [result.side for result in shown]
    recordings = [result.recording for result in shown if result.recording is not None]
    try:
        report.save(path, *recordings, title=shown[0].name, names=(names[0], names[-1]))
    except ValueError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
