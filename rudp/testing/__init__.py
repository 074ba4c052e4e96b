"""Tests of programs that use the network: on virtual time, with faults that are values.

:func:`run` runs a program on a simulated network, with a :class:`FaultScript` that says which
segments are lost or late; :class:`Simulation` also tells afterwards what happened.  :func:`faults`
is a strategy for hypothesis.  For pytest there is a marker, ``rudp_network``, by which an async
test runs like that, see :mod:`rudp.testing.plugin`.
"""

from rudp.testing.script import Fault, FaultScript, FaultScriptError
from rudp.testing.simulation import Simulation, run
from rudp.testing.strategies import faults

__all__ = ["Fault", "FaultScript", "FaultScriptError", "Simulation", "faults", "run"]
