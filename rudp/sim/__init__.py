"""Networks on virtual time, for tests that are quick and always the same.

:func:`run` runs an asyncio program on a loop whose time is a number and whose datagrams travel over
simulated links; :class:`Network` joins connection tables without asyncio; :class:`Link` is one
direction of a path, for either of them or alone; :class:`CoDel` and :class:`DualPi2` are queues
for it that mark or drop before they are full; :class:`Nat` is a router that translates
addresses; :class:`Clock` is the queue of events below.
"""

from rudp.sim.clock import Clock
from rudp.sim.codel import CoDel
from rudp.sim.dualpi2 import DualPi2
from rudp.sim.link import Link, LinkOptions
from rudp.sim.loop import DeadlockError, VirtualLoop, run
from rudp.sim.nat import Nat
from rudp.sim.network import Network, Node
from rudp.sim.paths import Tap

__all__ = [
    "Clock",
    "CoDel",
    "DeadlockError",
    "DualPi2",
    "Link",
    "LinkOptions",
    "Nat",
    "Network",
    "Node",
    "Tap",
    "VirtualLoop",
    "run",
]
