"""Congestion controllers by the names that ``Config(congestion=...)`` takes."""

import functools
from typing import Final

from rudp.core.congestion.bbr import LOSSY_THRESHOLD, Bbr
from rudp.core.congestion.controller import ControllerFactory
from rudp.core.congestion.cubic import Cubic
from rudp.core.congestion.newreno import NewReno
from rudp.core.congestion.prague import Prague

CONTROLLERS: Final[dict[str, ControllerFactory]] = {
    "newreno": NewReno,
    "reno": NewReno,
    "cubic": Cubic,
    "bbr": Bbr,
    "prague": Prague,
    "lossy": functools.partial(Bbr, loss_threshold=LOSSY_THRESHOLD),
}


def controller_factory(choice: str | ControllerFactory) -> ControllerFactory:
    """Return what makes the controller of that name, or *choice* itself."""
    return CONTROLLERS[choice] if isinstance(choice, str) else choice
