"""What tasks are written with: wrong answers, and how a class takes the place of a part."""

import dataclasses
from collections.abc import Callable
from typing import Any

from rudp.config import Config
from rudp.core.life.parts import USUAL, Parts
from rudp.sim.link import LinkOptions
from rudp.sim.network import Table


class Wrong(Exception):  # noqa: N818 - an answer is wrong, which is no error of the program
    """A class has answered a question wrongly; the text says which, and what is right."""


def same(asked: str, given: object, right: object) -> None:
    """Raise :class:`Wrong` unless what was *given* is *right*."""
    if given != right:
        raise Wrong(f"{asked} is {right!r}, not {given!r}")


@dataclasses.dataclass(frozen=True)
class Setup:
    """How the end of the learner is made for a connection.

    ``config`` and ``parts`` are those of its table, ``wrapped`` stands between the table and the
    network, ``side`` is ``"client"`` or ``"server"``, ``link`` what the path is like besides.
    ``patient``: the client says nothing before the server has accepted it.
    """

    config: Config
    parts: Parts = USUAL
    wrapped: Callable[[Table], Table] | None = None
    side: str = "client"
    link: LinkOptions = dataclasses.field(default_factory=LinkOptions)
    patient: bool = False


def config(**settings: Any) -> Config:
    """Return the settings of the learner's end: each segment takes the way through all parts."""
    usual: dict[str, Any] = {"lane": "off", "pacing": False, "congestion": "newreno", "mss": 1000}
    usual["ecn"] = "off"  # no lab asks for it
    return Config(**usual | settings)
