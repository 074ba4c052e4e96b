"""Drills: scripts of segments and calls, played against one TCP.

:func:`parse` reads one, :class:`Play` plays it on a :class:`Side`: on rudp, in virtual time, that
is :class:`Ours`.  The language is that of :mod:`rudp.sim.drill.language`.

>>> play = Play(Ours())
>>> play.run(parse("connect\\n> S 0\\n+0.1 < SA 0 ack 1\\n> A 1 ack 1\\nstate ESTABLISHED"))
"""

from rudp.sim.drill.language import Drill, DrillSyntaxError, Line, Segment, parse
from rudp.sim.drill.ours import Ours
from rudp.sim.drill.play import DrillError, Play
from rudp.sim.drill.side import Came, NotHereError, Side
from rudp.sim.drill.wire import Flow

__all__ = [
    "Came",
    "Drill",
    "DrillError",
    "DrillSyntaxError",
    "Flow",
    "Line",
    "NotHereError",
    "Ours",
    "Play",
    "Segment",
    "Side",
    "parse",
]
