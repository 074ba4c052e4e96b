"""Fault scripts for hypothesis: it finds the ones that break a program, and shrinks them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rudp.testing.script import ACTIONS, Fault, FaultScript, FaultScriptError
from rudp.trace.kinds import KINDS

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

DEFAULT: Final = ("lost", "late", "twice", "down")
"""What happens unless asked otherwise: what a program over TCP need not notice but as delay."""

_KINDS: Final = ("data", "ack", "syn", "fin")

_MARKS: Final = ("syn", "fin", "rst")
_LIMITS: Final = 12 * (1,) + 12 * (2,) + 6 * (3,)
"""How many faults most scripts have at most.  What few can do is found with few: who starts from
many does not always come down to the fewest."""

_RARE: Final = 4
"""A connection has few of these."""


def faults(
    *,
    actions: Sequence[str] = DEFAULT,
    kinds: Sequence[str] = _KINDS,
    most: int = 12,
    segments: int = 20,
    connections: int = 1,
    seconds: float = 10.0,
) -> "SearchStrategy[FaultScript]":
    """Return a strategy for fault scripts, the empty one first; it needs hypothesis.

    *actions*, *kinds*: what may happen, and to which kinds of segments; those that stand first are
    what it shrinks to.  *most*: faults in a script.  *segments*: numbers of segments, of a kind and
    a side, go up to this; *connections*: likewise.  *seconds*: the longest delay or outage, in
    steps of a millisecond.  Faults whose segments never come are no error in these scripts.  Raises
    :class:`FaultScriptError` for what is out of range or unknown.

    ::

        @given(faults())
        def test_it_copes(script):
            rudp.testing.run(program(), faults=script, delay=0.05)
    """
    from hypothesis import strategies as st

    for given, known, name in ((actions, ACTIONS, "fault"), (kinds, KINDS, "kind of segment")):
        if not given or not set(given) <= set(known):
            raise FaultScriptError(f"a {name} is one of {', '.join(known)}, not {given!r}")
    for number in (most, segments, connections):
        if number < 1:
            raise FaultScriptError(f"of faults, segments and connections 1 or more, not {number}")
    longest = round(seconds * 1000)
    if longest < 1:
        raise FaultScriptError(f"seconds must be at least 0.001, not {seconds}")

    # In a short program there are no others, and the first of a kind matter most.
    first = st.just(1) | st.integers(1, min(segments, 3))

    @st.composite
    def one(draw: st.DrawFn) -> Fault:
        action = draw(st.sampled_from(actions))
        amount = 0.0
        if action == "cut":
            amount = draw(st.integers(1, 1500))
        elif action in ("late", "twice", "down"):
            amount = draw(st.integers(1, longest)) / 1000
        side = draw(st.sampled_from("cs"))
        kind = draw(st.sampled_from(kinds))
        nth = draw(first | st.integers(1, min(segments, _RARE) if kind in _MARKS else segments))
        connection = draw(st.integers(1, connections)) if connections > 1 else 1
        return Fault(side, kind, nth, action, amount, connection)

    limits = st.sampled_from([min(limit, most) for limit in _LIMITS] + [most])

    def script(limit: int) -> "SearchStrategy[list[Fault]]":
        return st.lists(one(), max_size=limit, unique_by=lambda fault: (fault.where, fault.action))

    return limits.flatmap(script).map(lambda drawn: FaultScript(drawn, lenient=True))
