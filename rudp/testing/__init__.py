"""Tests of programs that use the network: on virtual time, with faults that are values.

:func:`run` runs a program on a simulated network, with a :class:`FaultScript` that says which
segments are lost or late; :class:`Simulation` also tells afterwards what happened.  :func:`faults`
is a strategy for hypothesis.  For pytest there is a marker, ``rudp_network``, by which an async
test runs like that, see :mod:`rudp.testing.plugin`.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rudp.testing.script import Fault, FaultScript, FaultScriptError
    from rudp.testing.simulation import Simulation, run
    from rudp.testing.strategies import faults

_HOME: Final = {
    "Fault": "script",
    "FaultScript": "script",
    "FaultScriptError": "script",
    "Simulation": "simulation",
    "faults": "strategies",
    "run": "simulation",
}
"""Where each name comes from: it is imported when somebody asks for it (PEP 562), as pytest imports
this package, for the plugin in it, in every run."""

if not TYPE_CHECKING:  # to a type checker it would say that there is every name

    def __getattr__(name: str) -> Any:
        """Import what is asked for the first time."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """Return the names, imported or not, and what else there is."""
    return sorted({*globals(), *__all__})


__all__ = ["Fault", "FaultScript", "FaultScriptError", "Simulation", "faults", "run"]
