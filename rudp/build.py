"""Which build of rudp this is: what of it runs compiled, and what as it is written.

A wheel may hold the modules of the core twice, compiled and as the Python that is compiled, and
Python imports what is compiled.  With ``RUDP_PURE=1`` in the environment, when rudp is imported, it
imports the other, and does without what there is in C alone: for a look at what runs, with a
debugger or a profiler, and for the tests, which take one wheel for both.  With ``RUDP_PURE=lane``
it only does without the latter.

This module is imported before any of the core.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from types import ModuleType
from typing import Final, Literal

VERSION: Final = "0.1.0"

LANE: Final = "rudp._lane"


class Sources:
    """Finds the source of a module of the core where Python would take the compiled one.

    *compiled*: it takes that one, but only if there is a source.
    """

    def __init__(self, compiled: bool) -> None:
        self._compiled = compiled

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to import *name*, None if others should know (``importlib.abc``).

        Raises :class:`ModuleNotFoundError` for one that has no source in Python.
        """
        if not name.startswith(("rudp.core.", LANE)):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or not isinstance(spec.loader, ExtensionFileLoader):
            return spec
        assert spec.origin is not None
        source = os.path.join(os.path.dirname(spec.origin), f"{name.rpartition('.')[2]}.py")
        if not os.path.exists(source):
            raise ModuleNotFoundError(f"{name} is not Python, as RUDP_PURE demands", name=name)
        return spec if self._compiled else spec_from_file_location(name, source)


def core() -> Literal["compiled", "interpreted"]:
    """Return which core runs: the one that mypyc has compiled, or the Python it is written in."""
    from rudp.core.life import connection

    return "interpreted" if connection.__file__.endswith(".py") else "compiled"


def lane() -> Literal["C", "Python"]:
    """Return what takes the segments of a connection on which nothing is out of the ordinary."""
    core()  # imports it, if nothing has yet
    return "C" if LANE in sys.modules else "Python"


def summary() -> str:
    """Return all of it in a line: ``aiorudp 0.1.0, core compiled, lane Python``."""
    return f"aiorudp {VERSION}, core {core()}, lane {lane()}"


if (pure := os.environ.get("RUDP_PURE")) in ("1", "lane"):
    sys.meta_path.insert(0, Sources(compiled=pure == "lane"))
