"""A setting: all that one run of the playground follows from.

It is what the page keeps in its address and hands over as JSON, so it may come from anybody: what
is no setting is refused with words that fit on the page.
"""

import dataclasses
import json
import math
from typing import Any, Final

from rudp.config import CONGESTION
from rudp.playground.scenarios import SCENARIOS, Scenario
from rudp.testing import FaultScript, FaultScriptError

PROGRAM_MAX: Final = 50_000
"""Characters of a program."""

RANGES: Final[dict[str, tuple[float, float]]] = {
    "rtt": (0.0, 2.0),
    "loss": (0.0, 0.5),
    "rate": (50e3, 1e9),
    "queue": (1000, 1_000_000),
    "buffer": (2000, 1_000_000),
    "seed": (0, 1_000_000),
}
"""What the numbers of a setting may be."""

_WHOLE: Final = ("queue", "buffer", "seed")


class SettingError(ValueError):
    """Something is no setting; the text says why."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a run follows from.

    ``rtt``: seconds there and back, without the queue.  ``loss``: the share of segments lost each
    way.  ``rate``: of the path, bit/s each way, None for no limit; ``queue``: octets that may wait
    for it, None for any number.  ``buffer``: octets that a receiver takes, None for what rudp
    chooses.  ``nagle``: whether small segments wait (RFC 9293 §3.7.4).  ``faults``: a fault script
    (:class:`rudp.testing.FaultScript`).  ``program``: text in place of the scenario's own, None
    for that.
    """

    scenario: str = "loss"
    seed: int = 1
    rtt: float = 0.02
    loss: float = 0.0
    rate: float | None = None
    queue: int | None = None
    buffer: int | None = None
    congestion: str = "cubic"
    sack: bool = True
    timestamps: bool = True
    nagle: bool = False
    faults: str = ""
    program: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Setting":
        """Read JSON; what is not there is as the scenario has it.  Raises SettingError."""
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise SettingError(f"a setting is a JSON object: {error}") from None
        if not isinstance(fields, dict):
            raise SettingError("a setting is a JSON object")
        name = fields.get("scenario", cls.scenario)
        if not isinstance(name, str) or name not in SCENARIOS:
            raise SettingError(f"there is no scenario {name!r}, only {', '.join(SCENARIOS)}")
        unknown = set(fields) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise SettingError(f"a setting has no {', '.join(sorted(unknown))}")
        return cls(**(SCENARIOS[name].setting | fields))

    def __post_init__(self) -> None:
        for name, bounds in RANGES.items():
            self._check_number(name, *bounds)
        for name in ("sack", "timestamps", "nagle"):
            if not isinstance(getattr(self, name), bool):
                raise SettingError(f"{name} is true or false, not {getattr(self, name)!r}")
        if self.congestion not in CONGESTION:
            known = ", ".join(CONGESTION)
            raise SettingError(f"congestion is one of {known}, not {self.congestion!r}")
        if self.program is not None and not isinstance(self.program, str):
            raise SettingError("a program is text")
        if self.program is not None and len(self.program) > PROGRAM_MAX:
            raise SettingError(f"a program has at most {PROGRAM_MAX} characters")
        if not isinstance(self.faults, str):
            raise SettingError("a fault script is text")
        self.script()

    def _check_number(self, name: str, low: float, high: float) -> None:
        value: Any = getattr(self, name)
        if value is None and getattr(type(self), name) is None:
            return
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not low <= value <= high:
            raise SettingError(f"{name} is a number from {low:g} to {high:g}, not {value!r}")
        if name in _WHOLE and value != int(value):
            raise SettingError(f"{name} is a whole number, not {value!r}")

    @property
    def played(self) -> Scenario:
        """The scenario of that name."""
        return SCENARIOS[self.scenario]

    @property
    def text(self) -> str:
        """The program that is run."""
        return self.played.text if self.program is None else self.program

    def script(self) -> FaultScript:
        """Return the faults; one whose segment never comes is no error."""
        try:
            return FaultScript(self.faults, lenient=True)
        except FaultScriptError as error:
            raise SettingError(str(error)) from None
