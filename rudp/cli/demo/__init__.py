"""``rudp demo``: see TCP at work.

``rudp demo SCENARIO`` plays one of some small scenarios, in virtual time or between two processes,
and draws what happened; ``rudp demo`` alone transfers data over a lossy path between two real UDP
sockets.
"""

import argparse
import functools
import textwrap
from collections.abc import Sequence
from typing import Any, Final, TypedDict

from rudp.cli import arguments, output, recording, views
from rudp.cli.demo import show, transfer
from rudp.cli.demo.faults import Fault
from rudp.cli.demo.real import RealStage
from rudp.cli.demo.scenarios import SCENARIOS, Scenario
from rudp.cli.demo.stage import Place, Stage, StuckError
from rudp.trace import Ladder, Recording

RTT: Final = 0.02
"""Seconds there and back, unless something else is asked for."""

SPEED_MAX: Final = 1_000_000.0


class _Path(TypedDict):
    """What a stage is told of its path."""

    rtt: float
    loss: float
    seed: int
    faults: tuple[Fault, ...]


_TRANSFER: Final = ("size", "file", "delay", "reorder", "mss")
_SCENARIO: Final = (
    "real", "rtt", "drop", "explain", "step", "speed", "quiz", "svg", "json",
)  # fmt: skip


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    width = max(map(len, SCENARIOS))
    listed = "\n".join(f"  {each.name:{width}}  {each.title}" for each in SCENARIOS.values())
    parser = subparsers.add_parser(
        "demo",
        help="see TCP at work: small scenarios, or a transfer over a lossy path",
        description="Play a scenario in virtual time and draw every segment of it. Without one,\n"
        "transfer data between two UDP sockets of this machine over a path with\n"
        "losses, and compare both ends' SHA-256.",
        epilog=f"scenarios:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "scenario",
        nargs="?",
        choices=list(SCENARIOS),
        metavar="SCENARIO",
        help="one of those below",
    )
    parser.add_argument(
        "--loss", type=arguments.share, help="share of segments lost, each way (default: 0%%; "
        "of the transfer: 1%%)"
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="for all chances (default: 1)")
    parser.add_argument(
        "--pcapng",
        metavar="FILE",
        help="write what the client saw, for Wireshark; of a transfer FILE-client and FILE-server",
    )
    parser.add_argument("--html", metavar="FILE", help="write a report, one page for a browser")
    recording.add_more_options(parser)
    _add_scenario_options(parser.add_argument_group("with a scenario"))
    transfer.add_options(parser.add_argument_group("without a scenario"))
    parser.set_defaults(run=functools.partial(run, parser))


def _add_scenario_options(group: Any) -> None:
    group.add_argument(
        "--real",
        action="store_true",
        help="play it in real time between two processes, over UDP sockets of this machine",
    )
    group.add_argument(
        "--rtt", type=arguments.seconds, help="the round trip, 20ms or 0.1s (default: 20ms)"
    )
    group.add_argument(
        "--drop",
        type=_drop,
        action="append",
        metavar="c:data:2",
        help="lose this segment in place of those that the scenario loses: c or s for client or "
        "server; syn, ack, data, fin, rst or any; which one, from 1 on. May be given again; "
        "none loses nothing",
    )
    pace = group.add_mutually_exclusive_group()
    pace.add_argument("--step", action="store_true", help="wait for Enter before each line")
    pace.add_argument(
        "--speed",
        type=_speed,
        help="show each line when its time comes, so many times faster than real time",
    )
    group.add_argument("--quiz", action="store_true", help="ask a question first")
    views.add_options(group)


def _drop(text: str) -> Fault | None:
    return None if text == "none" else Fault.parse(text)


def _speed(text: str) -> float:
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number such as 1 or 0.5") from None
    if not 0.001 <= speed <= SPEED_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.001 and {SPEED_MAX:g}")
    return speed


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    unfit = _TRANSFER if options.scenario else _SCENARIO
    for name in unfit:
        if getattr(options, name) is not None and getattr(options, name) is not False:
            where = "without" if options.scenario else "with"
            parser.error(f"--{name} is for the demo {where} a scenario")
    if options.scenario is None:
        return transfer.run(parser, options)
    if options.json and (options.quiz or options.step or options.speed):
        parser.error("--json goes without --quiz, --step and --speed")
    scenario = SCENARIOS[options.scenario]
    if options.real and scenario.virtual:
        parser.error(f"{scenario.name} is for virtual time alone: {scenario.virtual}")
    return play(parser, scenario, options)


def play(parser: argparse.ArgumentParser, scenario: Scenario, options: argparse.Namespace) -> int:
    """Play *scenario* and show it; return 1 if it cannot come to its end on such a path."""
    faults = scenario.losses()
    if options.drop is not None:
        faults = tuple(fault for fault in options.drop if fault is not None)
    path: _Path = {
        "rtt": RTT if options.rtt is None else options.rtt,
        "loss": options.loss or 0.0,
        "seed": options.seed,
        "faults": faults,
    }
    script = {
        "scenario": scenario.name,
        "rtt": path["rtt"],
        "loss": path["loss"],
        "drop": [str(each) for each in faults],
    }
    stuck = None
    notes: Sequence[tuple[float, str]] = ()
    try:
        if options.pcapng is not None:
            open(options.pcapng, "wb").close()
    except OSError as error:
        parser.error(f"cannot write {error.filename}: {error.strerror}")
    if options.real:
        with RealStage(scenario, capture=options.pcapng, **path) as real:
            stuck = _run(scenario, real)
            run = real.recording(options.seed, script)
    else:
        stage = Stage(scenario.config(), script=script, **path)
        if options.pcapng is not None:
            stage.client.capture(options.pcapng)
        stuck = _run(scenario, stage)
        stage.client.flush()
        run = stage.log.recording
        notes = stage.notes
    views.write(parser, options, run, f"{scenario.name}: {scenario.title}")
    recording.write_more(parser, options, run)
    if not options.json:
        _show(output.make(as_json=False), scenario, run, options, path["rtt"], notes)
    if stuck is not None:
        parser.exit(1, f"{parser.prog}: the scenario ends here: {stuck}\n")
    return 0


def _run(scenario: Scenario, place: Place[Any]) -> Exception | None:
    """Run the script; return what kept it from its end."""
    try:
        scenario.script(place)
    except (StuckError, OSError) as error:
        return error
    return None


def _show(
    say: output.Output,
    scenario: Scenario,
    recording: Recording,
    options: argparse.Namespace,
    rtt: float,
    notes: Sequence[tuple[float, str]],
) -> None:
    """Say what there is to see, and show it."""
    tell = None
    if options.quiz:
        say.line(f"{scenario.name}\n")  # the title would say too much
        tell = show.ask(say, scenario.quiz, options.seed)
    else:
        say.line(f"{scenario.name}: {scenario.title}\n")
        say.line(f"{textwrap.fill(scenario.look, min(output.columns(), 98))}\n")
    pace: show.Pace = show.at_once
    if options.step:
        pace = show.by_hand
    elif options.speed:
        pace = show.played(options.speed)
    drawn = Ladder(explain=options.explain, **({"fold": None} | scenario.options))
    drawn.draw(recording)
    show.ladder(say, drawn, pace, notes)
    if scenario.graph:
        show.window(say, recording, rtt)
    say.line(f"\n{show.summary(recording)}")
    if tell is not None:
        tell()
