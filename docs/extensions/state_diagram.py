"""The directive ``state-diagram``: the picture and the table of TCP's states, from the code.

Arrows and labels come from ``MOVES`` of :mod:`rudp.core.terms.state` when the page is built; only
where a state stands in the picture is said here.  The arrows that the label "delete TCB" would
have, from nearly every state, are told in a sentence instead.
"""

import math
from typing import Final
from xml.sax.saxutils import escape

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from rudp.core.terms.state import MOVES, Cause, State

PLACES: Final = {
    State.CLOSED: (400, 40),
    State.LISTEN: (140, 140),
    State.SYN_SENT: (660, 140),
    State.SYN_RECEIVED: (140, 260),
    State.ESTABLISHED: (400, 340),
    State.FIN_WAIT_1: (140, 440),
    State.CLOSE_WAIT: (660, 440),
    State.FIN_WAIT_2: (140, 560),
    State.CLOSING: (400, 560),
    State.LAST_ACK: (660, 560),
    State.TIME_WAIT: (400, 680),
}
"""The middle of each box."""

END: Final = (660, 680)
"""A second box for CLOSED, where connections end (RFC 9293 Figure 5 has two as well)."""

SIZE: Final = (800, 720)
BOX: Final = (130, 34)

ASIDE: Final = 7
"""How far from the middle two arrows pass each other that lead to and fro."""

STYLE: Final = """\
.states{max-width:100%;height:auto;font:13px ui-monospace,Menlo,Consolas,monospace}
.states rect{fill:var(--color-background-secondary,#f8f9fb);stroke:currentColor}
.states text{fill:currentColor;text-anchor:middle;dominant-baseline:central}
.states .name{font-weight:600}
.states .cause{paint-order:stroke;stroke:var(--color-background-primary,#fff);stroke-width:6px}
.states line{stroke:#0072b2;stroke-width:1.5}
.states marker path{fill:#0072b2}
"""

TIP: Final = (
    '<marker id="tip" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" markerHeight="8" '
    'orient="auto"><path d="M0,0L10,5L0,10z"/></marker>'
)

DESCRIPTION: Final = "The states of a connection; the table below says the same"

_Point = tuple[float, float]


def drawn() -> dict[tuple[State, Cause], State]:
    """Return the moves that get an arrow."""
    return {move: after for move, after in MOVES.items() if move[1] is not Cause.DELETE}


def svg() -> str:
    """Return the picture."""
    width, height = SIZE
    head = (
        f'<svg class="states" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{DESCRIPTION}">'
        f"<style>{STYLE}</style>{TIP}"
    )
    parts = [head]
    labels = []
    arrows = {(before, after) for (before, _), after in drawn().items()}
    both_ways = {(before, after) for before, after in arrows if (after, before) in arrows}
    for (before, cause), after in drawn().items():
        start = PLACES[before]
        end = END if after is State.CLOSED else PLACES[after]
        (x1, y1), (x2, y2) = _edge(start, end), _edge(end, start)
        if (before, after) in both_ways:
            aside = math.hypot(x2 - x1, y2 - y1) / ASIDE
            dx, dy = (y1 - y2) / aside, (x2 - x1) / aside
            x1, y1, x2, y2 = x1 + dx, y1 + dy, x2 + dx, y2 + dy
        parts.append(
            f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" '
            'marker-end="url(#tip)"/>'
        )
        # Beyond the middle, where arrows that begin together are further apart; two that go to and
        # fro have theirs at different places.
        share = 0.28 if (before, after) in both_ways else 0.52
        x, y = x1 + (x2 - x1) * share, y1 + (y2 - y1) * share
        labels.append(f'<text class="cause" x="{x:.0f}" y="{y:.0f}">{escape(cause.value)}</text>')
    parts += labels
    boxes = [*((str(state), place) for state, place in PLACES.items()), (str(State.CLOSED), END)]
    for name, (x, y) in boxes:
        parts.append(
            f'<rect x="{x - BOX[0] / 2:.0f}" y="{y - BOX[1] / 2:.0f}" width="{BOX[0]}" '
            f'height="{BOX[1]}" rx="6"/><text class="name" x="{x}" y="{y}">{name}</text>'
        )
    return "".join([*parts, "</svg>"])


def _edge(of: _Point, towards: _Point) -> _Point:
    """Return where the line between the middles of two boxes leaves the first."""
    dx, dy = towards[0] - of[0], towards[1] - of[1]
    share = min(
        BOX[0] / 2 / abs(dx) if dx else math.inf,
        BOX[1] / 2 / abs(dy) if dy else math.inf,
    )
    return of[0] + dx * share, of[1] + dy * share


def table() -> nodes.table:
    """Return the moves as a table."""
    group = nodes.tgroup(cols=3)
    group += [nodes.colspec(colwidth=1) for _ in range(3)]
    head, body = nodes.thead(), nodes.tbody()
    head += _row("in state", "when", "goes to")
    for (before, cause), after in drawn().items():
        body += _row(str(before), cause.value, str(after))
    group += [head, body]
    whole = nodes.table()
    whole += group
    return whole


def _row(*texts: str) -> nodes.row:
    row = nodes.row()
    for text in texts:
        entry = nodes.entry()
        entry += nodes.paragraph(text=text)
        row += entry
    return row


def sentence() -> str:
    """Tell of the moves that have no arrow."""
    names = ", ".join(
        str(before)
        for (before, cause), after in MOVES.items()
        if cause is Cause.DELETE and after is State.CLOSED
    )
    return (
        f"One more arrow leads to CLOSED from each of {names}: the connection is deleted, by a "
        "RST, an ABORT or a time-out, or by a CLOSE in LISTEN and SYN-SENT."
    )


class StateDiagram(Directive):
    """The picture, the sentence, the table."""

    def run(self) -> list[nodes.Node]:
        """Return them."""
        return [nodes.raw("", svg(), format="html"), nodes.paragraph(text=sentence()), table()]


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive."""
    app.add_directive("state-diagram", StateDiagram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
