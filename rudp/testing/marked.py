"""What a test gets that is marked for a simulated network; see :mod:`rudp.testing.plugin`.

A plugin for pytest of its own, which the other one has loaded when it meets the first such test:
all hooks are here that whole runs of pytest need not hear of.

Who runs the test is its own affair: pytest-asyncio (1.4 or later), and then its async fixtures are
on the same loop; anyio's plugin; or else this one.  pytest-asyncio is given a loop by its hook
``pytest_asyncio_loop_factories``, which is there only while a test with the marker is collected: a
hook that is always there makes it build all fixtures of wider scope anew for each test.
"""

import ast
import functools
import inspect
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from rudp.sim import LinkOptions, VirtualLoop
from rudp.testing.plugin import FAILURES, MARKER, is_marked
from rudp.testing.script import FaultScript, FaultScriptError
from rudp.testing.simulation import Simulation

_OURS: Final = ("seed", "seeds", "faults", "carry")

_SEED: Final = "_rudp_seed"
_EXAMPLE: Final = "_rudp_example"
_HOOK: Final = "rudp_loop_factories"

_SIMULATION: Final = pytest.StashKey[Simulation]()
_FAILED: Final = pytest.StashKey[Simulation]()
_CURRENT: Final = pytest.StashKey[pytest.Item | None]()

_NAME_MAX: Final = 150
"""Characters of a folder's name."""


# -- collecting ----------------------------------------------------------------------------------


def make_ready(collector: pytest.Module | pytest.Class, obj: Any) -> None:
    """Make the marked test *obj* ready before others take it in hand."""
    handle = getattr(obj, "hypothesis", None)
    inner = getattr(handle, "inner_test", None)
    if handle is not None and inspect.iscoroutinefunction(inner):
        handle.inner_test = _each_example(collector.config, inner)
    elif (
        inspect.iscoroutinefunction(obj)
        and _has_loop_factories(collector.config)
        and not _is_anyios(collector, obj)
    ):
        pytest.mark.asyncio(obj)  # so that the test and its async fixtures have one loop


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, object, object]:
    """Repeat a marked test for its seeds, and have pytest-asyncio ask for a loop."""
    options = _options(metafunc.definition)
    if options is None:
        return (yield)
    if not _is_async(metafunc.function):
        if any(mark.name == MARKER for mark in metafunc.definition.own_markers):
            _refuse(metafunc.definition, "is for async tests, and this is none")
        return (yield)
    if "seeds" in options:
        seeds = _seeds(metafunc.definition, options["seeds"])
        metafunc.fixturenames.append(_SEED)
        metafunc.parametrize(_SEED, seeds, ids=[f"seed={seed}" for seed in seeds], indirect=True)
    _simulation(metafunc.definition, options)  # what is wrong is said now
    if not _has_loop_factories(metafunc.config):
        return (yield)
    hook = _LoopFactories()
    metafunc.config.pluginmanager.register(hook)
    try:
        return (yield)
    finally:
        metafunc.config.pluginmanager.unregister(hook)


class _LoopFactories:
    """The hook of pytest-asyncio, for one test."""

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_asyncio_loop_factories(
        self, config: pytest.Config, item: pytest.Item
    ) -> Mapping[str, Callable[[], VirtualLoop]]:
        return {"rudp": lambda: _new_loop(config)}


@pytest.fixture
def _rudp_seed(request: pytest.FixtureRequest) -> object:
    return request.param


# -- running -------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Make ready to give a marked test a loop, whoever asks for it."""
    options = _options(item) if _is_async(getattr(item, "function", None)) else None
    if options is None:
        return (yield)
    plugins = item.config.pluginmanager
    if _has_loop_factories(item.config) and not plugins.has_plugin(_HOOK):
        # All is collected, so nobody asks it.  But where there is one pytest-asyncio looks first
        # whether the loop is another, and does not hand out fixtures of the one before.
        plugins.register(_LoopFactories(), _HOOK)
    item.config.stash[_CURRENT] = item
    try:
        with pytest.MonkeyPatch.context() as patch:
            _give_anyio_a_loop(item.config, patch)
            return (yield)
    finally:
        item.config.stash[_CURRENT] = None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have a simulation for a marked test, each time it runs; leave out what is not asyncio's."""
    if item.config.stash.get(_CURRENT, None) is item:
        if item.parent is not None and not is_marked(item.parent, getattr(item, "obj", None)):
            _refuse(
                item,
                "belongs on the test, its class or module: here it came when the test was "
                "collected already, as the marks of parameters do",
            )
        item.stash[_SIMULATION] = _simulation(item, _options(item) or {})
        if _FAILED in item.stash:
            del item.stash[_FAILED]
        params = item.callspec.params if hasattr(item, "callspec") else {}
        backend = params.get("anyio_backend", "asyncio")
        if (backend if isinstance(backend, str) else backend[0]) != "asyncio":
            pytest.skip("a simulated network of rudp is for asyncio")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Follow the script among the arguments, and run the test if nobody else does."""
    simulation = pyfuncitem.stash.get(_SIMULATION, None)
    if simulation is None:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    _follow(simulation, arguments.values())
    others = "anyio_backend" in pyfuncitem.funcargs
    if others or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None  # it is anyio's, pytest-asyncio's or hypothesis's
    simulation.run(pyfuncitem.obj(**arguments))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let the run end with the test, and hold its script against what came."""
    simulation = item.stash.get(_SIMULATION, None)
    if simulation is None:
        return (yield)
    try:
        result = yield
    except BaseException:
        item.stash.setdefault(_FAILED, simulation).stop()
        raise
    simulation = item.stash[_SIMULATION]
    if not simulation.has_begun:
        _refuse(
            item,
            "needs a loop for each test: this one ran on a loop that others share. An async "
            "fixture of wider scope, or loop_scope, holds it; or pytest-asyncio is older than 1.4",
        )
    simulation.check()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell of the run that failed."""
    report = yield
    simulation = item.stash.get(_FAILED, item.stash.get(_SIMULATION, None))
    if report.failed and simulation is not None and simulation.has_begun:
        simulation.stop()
        story = simulation.story()
        try:
            files = simulation.save(_folder(item))
            story += "\n\nTo look at it: " + ", ".join(_shown(item, file) for file in files)
        except (OSError, ValueError) as error:
            story += f"\n\nIts files could not be written: {error}"
        report.sections.append(("simulated network", story))
    return report


def _each_example(config: pytest.Config, inner: Callable[..., Any]) -> Callable[..., None]:
    """Return what runs *inner* for one example of hypothesis, on a loop of its own."""

    @functools.wraps(inner)
    def run_example(*args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True
        item = config.stash.get(_CURRENT, None)
        assert item is not None, "a test is running"
        simulation = item.stash[_SIMULATION] = _simulation(item, _options(item) or {})
        _follow(simulation, [*args, *kwargs.values()])
        try:
            simulation.run(inner(*args, **kwargs))
        except Exception:
            simulation.stop()
            item.stash[_FAILED] = simulation  # the last that fails is the smallest
            raise

    setattr(run_example, _EXAMPLE, True)
    return run_example


def _follow(simulation: Simulation, arguments: Iterable[object]) -> None:
    for argument in arguments:
        if isinstance(argument, FaultScript):
            simulation.follow(argument)


def _new_loop(config: pytest.Config) -> VirtualLoop:
    item = config.stash[_CURRENT]
    assert item is not None, "a test is running"
    return item.stash[_SIMULATION].new_loop()


def _give_anyio_a_loop(config: pytest.Config, patch: pytest.MonkeyPatch) -> None:
    """Let anyio's plugin, if it is there, make its runner on a loop of ours.

    Its fixture ``anyio_backend``, which could say so, is shared by the tests of a module.
    """
    plugin = config.pluginmanager.get_plugin("anyio")
    extract = getattr(plugin, "extract_backend_and_options", None)
    if extract is None:
        return

    def with_our_loop(backend: object) -> tuple[str, dict[str, Any]]:
        name, options = extract(backend)
        if name == "asyncio":
            options = {**options, "use_uvloop": False, "loop_factory": lambda: _new_loop(config)}
        return name, options

    patch.setattr(plugin, "extract_backend_and_options", with_our_loop)


# -- options -------------------------------------------------------------------------------------


def _is_async(function: object) -> bool:
    handle = getattr(function, "hypothesis", None)
    inner = getattr(handle, "inner_test", function)
    return inspect.iscoroutinefunction(inner) or hasattr(inner, _EXAMPLE)


def _has_loop_factories(config: pytest.Config) -> bool:
    """Is there a pytest-asyncio that asks for loops?"""
    return hasattr(config.hook, "pytest_asyncio_loop_factories")


def _is_anyios(collector: pytest.Collector, obj: object) -> bool:
    config = collector.config
    return (
        any(mark.name == "anyio" for mark in getattr(obj, "pytestmark", ()))
        or collector.get_closest_marker("anyio") is not None
        or (
            config.pluginmanager.has_plugin("anyio")
            and "auto" in (config.getoption("anyio_mode", None), config.getini("anyio_mode"))
        )
    )


def _options(node: pytest.Item) -> dict[str, Any] | None:
    """Return the options of a test, None if it has no marker."""
    given = [_of_ini(node.config)] if node.config.getini(MARKER) else []
    for mark in reversed(list(node.iter_markers(MARKER))):
        if mark.args:
            _refuse(node, f"takes keyword arguments alone, not {mark.args[0]!r}")
        given.append(dict(mark.kwargs))
    if not given:
        return None
    known = (*LinkOptions.__annotations__, *_OURS)
    options: dict[str, Any] = {}
    for each in given:
        for name in each.keys() - known:
            _refuse(node, f"has no option {name!r}; there are {', '.join(sorted(known))}")
        if "seed" in each:
            options.pop("seeds", None)
        options |= each
    return options


def _of_ini(config: pytest.Config) -> dict[str, Any]:
    """Return what the ini option says."""
    options = {}
    for word in config.getini(MARKER):
        name, sign, value = word.partition("=")
        if word == "on":
            continue
        if not sign:
            raise pytest.UsageError(f"{MARKER}: {word!r} is not name=value, such as delay=0.05")
        try:
            options[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[name] = value
    return options


def _seeds(node: pytest.Item, seeds: object) -> list[Any]:
    if isinstance(seeds, int):
        seeds = range(seeds)
    if isinstance(seeds, str) or not isinstance(seeds, Iterable) or not (found := list(seeds)):
        _refuse(node, f"seeds are a number of them, or some, such as range(100), not {seeds!r}")
    return found


def _simulation(node: pytest.Item, options: dict[str, Any]) -> Simulation:
    """Return the simulation that *options* ask for."""
    links = {name: value for name, value in options.items() if name not in _OURS}
    params = node.callspec.params if hasattr(node, "callspec") else {}
    seed = params.get(_SEED, options.get("seed", 0))
    try:
        return Simulation(
            seed=seed,
            faults=options.get("faults", ""),
            carry=bool(options.get("carry", False)),
            **links,
        )
    except (FaultScriptError, ValueError, TypeError) as error:
        _refuse(node, f": {error}")


def _refuse(node: pytest.Item, what: str) -> NoReturn:
    pytest.fail(f"{node.nodeid}: {MARKER}{what if what[0] == ':' else f' {what}'}", pytrace=False)


def _shown(item: pytest.Item, file: Path) -> str:
    """Return the path of *file* from where pytest was called, if that is not far."""
    here = item.config.invocation_params.dir
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def _folder(item: pytest.Item) -> Path:
    """Return the folder for the files of *item*."""
    name = re.sub(r"[^\w.=-]+", "-", item.nodeid).strip("-")[-_NAME_MAX:]
    return item.config.rootpath / str(item.config.getini(FAILURES)) / name
