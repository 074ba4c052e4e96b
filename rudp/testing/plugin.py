"""The pytest plugin: async tests on virtual time, over a simulated network.

``@pytest.mark.rudp_network(delay=0.05, loss=0.02)`` on an async test, a class or a module: the test
runs on a :class:`rudp.sim.VirtualLoop` whose links have these options.  Besides them:

``seed``
    What chance follows from, 0 unless given.
``seeds``
    Run the test once for each, ``range(100)`` for instance, or a number for so many.
``faults``
    A :class:`rudp.testing.FaultScript` or its text.  A script among the test's own arguments counts
    instead, so ``@given(script=faults())`` and ``parametrize`` need no more; with hypothesis each
    example has a loop of its own.
``carry``
    True: the TCP that the program asks asyncio for (``asyncio.open_connection``, a library's
    ``loop.create_connection``) goes over rudp, as with :func:`rudp.new_event_loop`; else it is
    refused, as a virtual loop has none.

The ini option ``rudp_network`` has the same for all async tests: ``rudp_network = delay=0.05
seeds=3``, or ``on`` for links without delay and loss.  The closest marker wins, option by option.

A test that fails has a section "simulated network" in its report, with the seed, the faults and the
ladder of the last events, and leaves ``run.html``, ``run.pcapng`` and ``run.faults`` in a folder
of its name, under what the ini option ``rudp_failures`` says.

Who runs the test is its own affair: pytest-asyncio (1.4 or later), and then its async fixtures are
on the same loop; anyio's plugin; or else this one.

pytest loads this module in every run, also of projects that test nothing with rudp.  So it imports
nothing of rudp's: :mod:`rudp.testing.marked` does the work, once there is any.
"""

import importlib
from typing import Any, Final

import pytest

MARKER: Final = "rudp_network"
FAILURES: Final = "rudp_failures"

_WORK: Final = "rudp.testing.marked"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Have the ini options."""
    parser.addini(
        MARKER, "run all async tests on a simulated network with these options", type="args"
    )
    parser.addini(
        FAILURES,
        "where runs on a simulated network that failed leave their files",
        default="rudp-failures",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the marker."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(*, seed=0, seeds=None, faults='', carry=False, **options): run the async test "
        "on virtual time, over a simulated network whose links have these options "
        "(see rudp.testing.plugin)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> None:
    """Have a marked test made ready before others take it in hand."""
    if collector.istestfunction(obj, name) and is_marked(collector, obj):
        _work(collector.config).make_ready(collector, obj)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Be there for tests that were marked while they were collected."""
    if any(item.get_closest_marker(MARKER) is not None for item in session.items):
        _work(session.config)


def is_marked(parent: Any, obj: object) -> bool:
    """Return whether *obj*, a test that *parent* has, is for a simulated network."""
    own = getattr(obj, "pytestmark", ())
    return (
        any(mark.name == MARKER for mark in own)
        or parent.get_closest_marker(MARKER) is not None
        or bool(parent.config.getini(MARKER))
    )


def _work(config: pytest.Config) -> Any:
    """Return the plugin that does the work."""
    plugins = config.pluginmanager
    if not plugins.has_plugin(_WORK):
        plugins.register(importlib.import_module(_WORK), _WORK)
    return plugins.get_plugin(_WORK)
