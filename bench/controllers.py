"""Congestion controllers by name, by number and by file."""

import functools
import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import Any, Final

import rudp

ALIASES: Final = {"reno": "newreno"}
"""What the kernel calls them, and rudp."""


def controller(name: str) -> Any:
    """Return what ``Config(congestion=...)`` takes for *name*.

    A name of rudp's (``newreno``, or ``reno`` as the kernel calls it), ``bbr:0.3`` for BBR with
    that ``loss_threshold``, or a Python file that defines one class of a controller; see
    :mod:`rudp.core.congestion.controller` for what it must have.  Raises :class:`ValueError`,
    with the reason, for what is none of these.
    """
    kind, colon, threshold = name.partition(":")
    if name.endswith(".py"):
        return _from_file(Path(name))
    if colon:
        return _bbr(kind, threshold)
    name = ALIASES.get(name, name)
    rudp.Config(congestion=name)  # type: ignore[arg-type]  # it checks the name
    return name


def available(names: tuple[str, ...] = ("cubic", "bbr")) -> list[str]:
    """Return those of *names* that rudp has, or ``newreno`` if it has none."""
    found = []
    for name in names:
        try:
            controller(name)
        except ValueError:
            continue
        found.append(name)
    return found or ["newreno"]


def _bbr(kind: str, threshold: str) -> Any:
    if kind != "bbr":
        raise ValueError(f"{kind}:{threshold}: only bbr takes a number, its loss threshold")
    try:
        bbr = importlib.import_module("rudp.core.congestion.bbr").Bbr
    except ModuleNotFoundError:
        raise ValueError("this rudp has no bbr") from None
    return functools.partial(bbr, loss_threshold=float(threshold))


def _from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"controller_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    found = [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind) and kind.__module__ == module.__name__ and hasattr(kind, "on_ack")
    ]
    if len(found) != 1:
        names = ", ".join(kind.__name__ for kind in found) or "none"
        raise ValueError(f"{path} must define one class of a controller, and has {names}")
    return found[0]
