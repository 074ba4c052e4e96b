"""What the playground has to choose from: programs, a race, and the path they begin with."""

import dataclasses
from pathlib import Path
from typing import Any, Final, Literal

PROGRAMS: Final = Path(__file__).with_name("programs")
"""Where the programs are."""


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One scenario.

    ``program``: the file in :data:`PROGRAMS`.  ``look``: what there is to see.  ``setting``: what
    differs from the defaults of :class:`rudp.playground.Setting`.  ``config``: settings of
    :class:`rudp.Config` that cannot be chosen on the page.  ``kind``: two programs on one
    connection, or a controller that shares a bottleneck with another.
    """

    name: str
    title: str
    program: str
    look: str
    setting: dict[str, Any] = dataclasses.field(default_factory=dict)
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    kind: Literal["programs", "race"] = "programs"

    @property
    def text(self) -> str:
        """The program to begin with."""
        return (PROGRAMS / f"{self.program}.py").read_text(encoding="utf-8")


_ALL: Final = (
    Scenario(
        "loss",
        "A segment is lost",
        "upload",
        "The server acknowledges what it still waits for, and tells by SACK what it has beyond. "
        "The client sends again that one segment. Switch SACK off, or lose another one.",
        {"faults": "c:data:2 lost"},
    ),
    Scenario(
        "hello",
        "A question and an answer",
        "hello",
        "Three segments open the connection, and each direction is closed by itself. Lose the "
        "SYN, or the first FIN.",
    ),
    Scenario(
        "tail",
        "The last segment is lost",
        "tail",
        "No later segment can tell of the loss: a timer has to notice. Lose what it sends, too.",
        {"faults": "c:data:1 lost"},
    ),
    Scenario(
        "lazy",
        "A reader that rests",
        "lazy",
        "The window shrinks to nothing, and the client may only probe. Give the reader a larger "
        "buffer.",
        {"buffer": 5000},
    ),
    Scenario(
        "nagle",
        "Small writes",
        "words",
        "With Nagle's algorithm a small segment waits while another one is on its way. Switch it "
        "off, and count the segments.",
        {"nagle": True},
    ),
    Scenario(
        "half-close",
        "One side is done, the other is not",
        "half",
        "After its FIN the client still receives: FIN-WAIT-2 here, CLOSE-WAIT there.",
    ),
    Scenario(
        "both-close",
        "Both close at once",
        "both",
        "The FINs cross, and each side goes through CLOSING to TIME-WAIT. Make the round trip "
        "longer: they still cross. Lose one of them.",
    ),
    Scenario(
        "abort",
        "The client gives up",
        "abort",
        "A RST ends the connection at once. What is on its way to the client then comes to nobody.",
    ),
    Scenario(
        "cwnd",
        "How much may be on its way",
        "bottleneck",
        "cwnd doubles in each round trip until the queue overflows. Try another controller, a "
        "longer queue, or 1 % of loss.",
        {"rate": 5e6, "queue": 20_000},
    ),
    Scenario(
        "race",
        "Your controller against CUBIC",
        "race",
        "Two connections share a bottleneck for eight seconds: yours, and one of CUBIC, drawn "
        "dashed. Change what yours does after a loss.",
        {"rate": 2e6, "queue": 15_000, "rtt": 0.04},
        kind="race",
    ),
)

SCENARIOS: Final = {scenario.name: scenario for scenario in _ALL}
"""By name, in the order in which they are offered."""
