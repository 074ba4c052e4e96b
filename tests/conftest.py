"""What every test gets: one of two event loops, and a check that nothing is left behind.

``--loop uvloop`` runs the whole suite on uvloop, ``--loop asyncio`` (the default) on the
loop of the standard library.  Coroutine tests get it by themselves; a test that is a plain
function and calls :class:`asyncio.Runner` asks for the fixture ``loop_factory``.

``--lane off`` leaves all work to the procedures of the RFCs, ``--lane python`` and ``--lane c`` let
steady connections take the lane in either language; the default is that in C, if there is one.

After a coroutine test no task may be left, and after any test no socket may be open that was
not open before.  Warnings are errors, so an unclosed transport fails the test that dropped it.

More than a few files are spread over the CPUs by pytest-xdist; ``-n0`` or ``-p no:xdist`` keeps
them in this process, where single files are anyway.  SIGTERM ends a run as Ctrl-C does.
"""

import asyncio
import asyncio.constants
import gc
import os
import signal
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import FrameType

import hypothesis
import pytest
import pytest_asyncio

from rudp import build
from rudp.core.life.steady import LANES

os.environ["COLUMNS"] = "120"  # whatever terminal the tests are run in

# Of debug mode its checks are wanted; where each handle was made took a third of the tests' time.
asyncio.constants.DEBUG_STACK_DEPTH = 1  # type: ignore[misc]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

TASK_GRACE = 1.0
"""Seconds.  A handler whose client has just gone needs a few turns of the loop to see it."""

hypothesis.settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "explore", parent=hypothesis.settings.get_profile("ci"), derandomize=False, max_examples=2000
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--loop",
        choices=("asyncio", "uvloop"),
        default="asyncio",
        help="the event loop that coroutine tests run on",
    )
    parser.addoption(
        "--lane",
        choices=("auto", "c", "python", "off"),
        default="auto",
        help="the lane of steady connections, where a test does not choose one (Config.lane)",
    )


def pytest_configure(config: pytest.Config) -> None:
    lane = config.getoption("--lane")
    if lane == "c" and build.lane() != "C":
        raise pytest.UsageError("there is no lane in C: python wheels/compile.py lane .")
    if lane != "c":
        LANES["auto"] = LANES[lane]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Choose as many workers as there are CPUs, unless the command line says what it wants."""
    option = config.option
    if getattr(option, "numprocesses", 0) is not None or hasattr(config, "workerinput"):
        return  # chosen, a worker, or no pytest-xdist
    if option.collectonly or option.capture == "no":
        return
    if all(os.path.isfile(argument.partition("::")[0]) for argument in config.args):
        return
    option.numprocesses = "auto"  # 0 with --pdb
    if option.dist == "no":
        # Neighbours stay together, for what they share is made once; who is done first helps.
        option.dist = "worksteal"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let SIGTERM and SIGINT end the run, and the programs that its tests have begun."""

    def stop(number: int, frame: FrameType | None) -> None:
        session.shouldstop = f"stopped by {signal.Signals(number).name}"  # if the test goes on
        raise KeyboardInterrupt

    # Also SIGINT, to which what a script puts in the background is born deaf.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _new_uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return warning_late(uvloop.new_event_loop())


def warning_late(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """Return *loop*, one of uvloop's, whose ``close()`` returns whatever it warns of."""
    close = loop.close

    def close_then_warn() -> None:
        # uvloop never returns from close() when its warning about an open handle is an error.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            close()
        for warning in caught:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )

    loop.close = close_then_warn  # type: ignore[method-assign]
    return loop


def _factory(config: pytest.Config) -> LoopFactory:
    if config.getoption("--loop") == "asyncio":
        return asyncio.new_event_loop
    return _new_uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    return {str(config.getoption("--loop")): _factory(config)}


def pytest_report_header(config: pytest.Config) -> str:
    lane = config.getoption("--lane")
    return f"event loop: {config.getoption('--loop')}, lane: {lane} ({build.lane()})"


def pytest_collection_finish() -> None:
    # What the imports made stays for ever; frozen, it costs the collections below nothing.
    gc.collect()
    gc.freeze()


@pytest.fixture
def loop_factory(pytestconfig: pytest.Config) -> LoopFactory:
    """The loop chosen on the command line, for ``asyncio.Runner(loop_factory=...)``."""
    return _factory(pytestconfig)


def open_sockets() -> set[str]:
    """Return a name for each open socket of this process, or nothing where /proc is missing."""
    sockets: set[str] = set()
    try:
        descriptors = os.listdir("/proc/self/fd")
    except OSError:
        return sockets
    for descriptor in descriptors:
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue  # the descriptor of the directory listing itself
        if target.startswith("socket:"):
            sockets.add(target)
    return sockets


@pytest_asyncio.fixture
async def _no_task_left() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=TASK_GRACE)
    if left:
        pytest.fail("tasks left behind:\n" + "\n".join(map(repr, left)), pytrace=False)


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    before = open_sockets()
    yield
    grown = open_sockets() - before
    if grown or pytest_asyncio.is_async_test(request.node):
        gc.collect()
        grown = open_sockets() - before
    if grown:
        pytest.fail(f"sockets left open: {', '.join(sorted(grown))}", pytrace=False)


@pytest.fixture(autouse=True)
def _no_task_left_by_coroutines(_nothing_left: None, request: pytest.FixtureRequest) -> None:
    if pytest_asyncio.is_async_test(request.node):
        request.getfixturevalue("_no_task_left")
