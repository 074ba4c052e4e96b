"""The networks of the contract tests, virtual time on demand, and no unexpected reports."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any, Final

import pytest
import pytest_asyncio

import rudp
from rudp.sim import VirtualLoop
from tests.aio.kit import Net

DELAY = 0.01
"""Seconds that a datagram travels on virtual time."""

LINGER: Final = 0.3
"""Seconds that the end of a test waits for a peer that is gone."""

NETS = {
    "tcp": Net("tcp", None),
    "rudp": Net("rudp", rudp.Config(linger=LINGER)),
    "selector": Net("selector", rudp.Config(datagram_io="selector", linger=LINGER)),
    "portable": Net("portable", rudp.Config(datagram_io="portable", linger=LINGER)),
    "virtual": Net("virtual", rudp.Config()),
}

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual: runs on virtual time alone")


def _virtual_loop() -> VirtualLoop:
    return VirtualLoop(delay=DELAY)


@pytest.hookimpl(wrapper=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Generator[None, Mapping[str, LoopFactory], Mapping[str, LoopFactory]]:
    factories = yield
    if item.get_closest_marker("virtual"):
        return {"virtual": _virtual_loop}
    if "net" in getattr(item, "fixturenames", ()):
        return {**factories, "virtual": _virtual_loop}
    return factories


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the pairs of network and loop that go together."""

    def fits(item: pytest.Item) -> bool:
        callspec = getattr(item, "callspec", None)
        if callspec is None or "net" not in callspec.params:
            return True
        net = callspec.params["net"]
        if (net == "virtual") != (callspec.params["_asyncio_loop_factory"] is _virtual_loop):
            return False
        # uvloop's TCP does not keep the contract in every line, so it is no yardstick.
        return bool(net != "tcp" or config.getoption("--loop") == "asyncio")

    items[:] = [item for item in items if fits(item)]


@pytest.fixture(params=list(NETS))
def net(request: pytest.FixtureRequest) -> Net:
    """A network to run the test over; with it comes the loop that fits."""
    return NETS[request.param]


@pytest.fixture(params=["rudp", "selector", "portable"])
def real(request: pytest.FixtureRequest) -> Net:
    """rudp on real sockets, all ways."""
    return NETS[request.param]


@pytest_asyncio.fixture
async def reports() -> AsyncIterator[list[dict[str, Any]]]:
    """What reached the loop's exception handler.  A test that expects it takes it out."""
    seen: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: seen.append(context))
    yield seen
    loop.set_exception_handler(None)
    assert not seen


@pytest.fixture(autouse=True)
def _no_unexpected_report(
    _no_task_left_by_coroutines: None, request: pytest.FixtureRequest
) -> None:
    if pytest_asyncio.is_async_test(request.node):
        request.getfixturevalue("reports")
