"""One call for a whole program: event loops whose TCP is rudp.

The program stays as it is.  It runs on a loop of the kind it is used to, which :class:`Carrier`
stands before, and what it opens and serves goes over rudp, as the loop's rule says.
"""

import asyncio
import contextlib
import functools
import importlib
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar, overload

from rudp.aio.carrier import Carriage, Carrier
from rudp.aio.options import config_of
from rudp.aio.rule import Rule
from rudp.aio.watch import CaptureTo, capture_on
from rudp.config import Config

T = TypeVar("T")


@overload
def new_event_loop(
    base: None = None,
    *,
    tcp: Iterable[str] = (),
    config: Config | None = None,
    key: bytes | None = None,
    capture: CaptureTo | None = None,
) -> asyncio.AbstractEventLoop: ...


@overload
def new_event_loop(
    base: type[asyncio.AbstractEventLoop],
    *,
    tcp: Iterable[str] = (),
    config: Config | None = None,
    key: bytes | None = None,
    capture: CaptureTo | None = None,
    **options: Any,
) -> asyncio.AbstractEventLoop: ...


def new_event_loop(
    base: type[asyncio.AbstractEventLoop] | None = None,
    *,
    tcp: Iterable[str] = (),
    config: Config | None = None,
    key: bytes | None = None,
    capture: CaptureTo | None = None,
    **options: Any,
) -> asyncio.AbstractEventLoop:
    """Return a new event loop on which TCP connections and servers go over rudp.

    It takes the place of :func:`asyncio.new_event_loop`, and goes wherever a loop factory is asked
    for: ``asyncio.Runner(loop_factory=rudp.new_event_loop)``, ``uvicorn --loop
    rudp:new_event_loop``.  *base*: the class of the loop, with *options* for its constructor;
    asyncio's own if None; ``uvloop.Loop``, :class:`rudp.sim.VirtualLoop` and classes derived from
    any of these will do.

    *tcp*: what stays on the kernel's TCP, a list of ``host:port`` patterns such as
    ``localhost:5432``, ``*.internal:*``, ``10.0.0.0/8:6379`` or ``[::1]:8000``; by default nothing
    does.  UDP and Unix sockets, pipes and subprocesses are the loop's as ever.  *config*: for all
    connections and servers.  *key*: a secret for all of them, see :func:`rudp.create_connection`.
    *capture*: one file for all of them, or a :class:`rudp.trace.Capture`.

    Raises :class:`ValueError` for a pattern that can match nothing, and a key that is too short,
    :class:`TypeError` if *tcp* is no list of texts, or another argument of another kind,
    :class:`OSError` if the capture cannot be begun.
    """
    if base is None and options:
        raise TypeError(f"{next(iter(options))!r} is no option; those of a loop class need base=")
    rule = Rule(tcp)
    config = config_of(config, key)
    kind = carrying(base or _usual())  # type: ignore[arg-type]  # of classes mypy does not know it
    loop: Carrier = kind(**options)
    try:
        if capture is not None:
            capture = capture_on(loop, capture, name="program", peer_name="")
        loop.carriage = Carriage(rule, config, capture)
    except BaseException:
        loop.close()
        raise
    return loop


def new_uvloop(
    *,
    tcp: Iterable[str] = (),
    config: Config | None = None,
    key: bytes | None = None,
    capture: CaptureTo | None = None,
) -> asyncio.AbstractEventLoop:
    """Do as :func:`new_event_loop` with uvloop's loop: ``uvicorn --loop rudp:new_uvloop``.

    Raises :class:`ImportError` if uvloop is not installed (the extra ``speed``).
    """
    return new_event_loop(_uvloop(), tcp=tcp, config=config, key=key, capture=capture)


@overload
def run(
    main: Coroutine[Any, Any, T],
    *,
    debug: bool | None = None,
    base: None = None,
    tcp: Iterable[str] = (),
    config: Config | None = None,
    key: bytes | None = None,
    capture: CaptureTo | None = None,
) -> T: ...


@overload
def run(
    main: Coroutine[Any, Any, T],
    *,
    debug: bool | None = None,
    base: type[asyncio.AbstractEventLoop],
    tcp: Iterable[str] = (),
    config: Config | None = None,
    key: bytes | None = None,
    capture: CaptureTo | None = None,
    **options: Any,
) -> T: ...


def run(
    main: Coroutine[Any, Any, T],
    *,
    debug: bool | None = None,
    base: type[asyncio.AbstractEventLoop] | None = None,
    tcp: Iterable[str] = (),
    config: Config | None = None,
    key: bytes | None = None,
    capture: CaptureTo | None = None,
    **options: Any,
) -> T:
    """Run *main* as :func:`asyncio.run` does, with TCP over rudp.

    >>> import asyncio
    >>> async def main():
    ...     server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    ...     return type(server).__module__
    >>> run(main())
    'rudp.aio.server'

    *debug* is asyncio's; everything else is :func:`new_event_loop`'s, with its exceptions.  Raises
    :class:`RuntimeError` where a loop runs, unless *base* is :class:`rudp.sim.VirtualLoop`, which
    waits for nothing real and may run inside, in a notebook's cell for instance.
    """
    factory = functools.partial(
        new_event_loop, base, tcp=tcp, config=config, key=key, capture=capture, **options
    )
    if asyncio._get_running_loop() is not None:
        from rudp.sim.loop import VirtualLoop, run_on

        if base is not None and issubclass(base, VirtualLoop):
            return run_on(factory, main, debug=debug)  # type: ignore[arg-type]  # it is one
        raise RuntimeError("rudp.run() cannot be called where an event loop runs")
    with asyncio.Runner(debug=debug, loop_factory=factory) as runner:
        return runner.run(main)


def _uvloop() -> Any:
    """Return uvloop's loop.

    Not by an import statement: where the core is compiled mypy comes here, and uvloop need not be
    installed.
    """
    return importlib.import_module("uvloop").Loop


def install(
    *,
    tcp: Iterable[str] = (),
    config: Config | None = None,
    key: bytes | None = None,
    capture: CaptureTo | None = None,
) -> None:
    """Have all loops of asyncio and uvloop that this process makes from now on carry their TCP.

    It is for programs and frameworks that take no loop factory, and what ``rudp exec`` does.  Their
    loop classes are replaced by classes that are derived from them, wherever asyncio and uvloop
    themselves have them; what took one by name before, or derived from it, keeps it.

    *tcp*, *config*, *key*, *capture* and exceptions: those of :func:`new_event_loop`.
    """
    rule = Rule(tcp)
    config = config_of(config, key)
    if capture is not None:
        capture = capture_on(None, capture, name="program", peer_name="")
    carriage = Carriage(rule, config, capture)
    packages = ["asyncio"]
    bases: list[Any] = [asyncio.SelectorEventLoop]
    if sys.platform == "win32":
        bases.append(asyncio.ProactorEventLoop)
    with contextlib.suppress(ImportError):
        bases.append(_uvloop())
        packages.append("uvloop")
    replaced = {
        base: type(base.__name__, (carrying(base),), {"carriage": carriage}) for base in bases
    }
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in packages:
            _replace(module, replaced)


def _replace(module: Any, replaced: Mapping[Any, Any]) -> None:
    """Put the new classes where *module* and its policies have the old ones."""
    for name, value in list(vars(module).items()):
        if not isinstance(value, type):
            continue
        if value in replaced:
            setattr(module, name, replaced[value])
        elif vars(value).get("_loop_factory") in replaced:
            value._loop_factory = replaced[value._loop_factory]  # type: ignore[attr-defined]


@functools.cache
def carrying(base: Callable[..., Any]) -> Any:
    """Return the class that is *base* with a :class:`Carrier` before it."""
    if not isinstance(base, type) or not issubclass(base, asyncio.AbstractEventLoop):
        raise TypeError(f"base: a class of event loops was expected, got {base!r}")
    return base if issubclass(base, Carrier) else type(base.__name__, (Carrier, base), {})


def _usual() -> type[asyncio.AbstractEventLoop]:
    """Return what asyncio makes by itself on this system."""
    if sys.platform == "win32":
        return asyncio.ProactorEventLoop
    return asyncio.SelectorEventLoop
