"""What every test gets: one of two event loops, and a check that nothing is left behind.

``--loop uvloop`` runs the whole suite on uvloop, ``--loop asyncio`` (the default) on the
loop of the standard library.  Coroutine tests get it by themselves; a test that is a plain
function and calls :class:`asyncio.Runner` asks for the fixture ``loop_factory``.

After a coroutine test no task may be left, and after any test no socket may be open that was
not open before.  Warnings are errors, so an unclosed transport fails the test that dropped it.
"""

import asyncio
import gc
import os
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import hypothesis
import pytest
import pytest_asyncio

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


def _new_uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop = uvloop.new_event_loop()
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
    return f"event loop: {config.getoption('--loop')}"


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
