"""The lab ``rtt``: the retransmission time-out."""

import random
from typing import Any, Final

from rudp.config import Config
from rudp.core.congestion.controller import Ack
from rudp.core.life.parts import Parts
from rudp.core.loss.roundtrips import RoundTrips
from rudp.core.loss.rtt import Rtt
from rudp.core.send.flight import Flight
from rudp.core.send.sender import Sender
from rudp.labs.lab import Setup, Wrong, config

FLOOR: Final = 0.2
CEILING: Final = 60.0


class Reference(Rtt):
    """What the package does."""

    def __init__(self, floor: float, ceiling: float) -> None:
        super().__init__(floor, ceiling, "rfc")


def ask(cls: Any, chance: random.Random) -> None:
    """Let two measure the same, and expire at the same times."""
    floor, ceiling = chance.choice([(0.2, 60.0), (1.0, 60.0), (0.0, 3.0)])
    mine, right = cls(floor, ceiling), Reference(floor, ceiling)
    story = [f"floor {floor}, ceiling {ceiling}"]
    for _ in range(20):
        if chance.random() < 0.3:
            story.append("back_off()")
            mine.back_off()
            right.back_off()
        else:
            r = round(chance.choice([chance.uniform(0, 0.05), chance.uniform(0, 0.9)]), 4)
            story.append(f"sample({r})")
            mine.sample(r)
            right.sample(r)
        if not abs(mine.rto - right.rto) < 1e-6:
            raise Wrong(f"after {', '.join(story)}: rto is {right.rto:.6f}, not {mine.rto!r}")


class _RoundTrips(RoundTrips):
    """The estimate, whose RTO is that of a learner."""

    __slots__ = ("_mine",)

    def __init__(self, mine: Any, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._mine = mine
        self.rto = mine.rto

    def sample(self, r: float) -> None:
        super().sample(r)
        self._mine.sample(max(r, 0.0))
        self.rto = self._mine.rto

    def back_off(self) -> None:
        super().back_off()
        self._mine.back_off()
        self.rto = self._mine.rto


def build(cls: Any) -> Setup:
    """Let a class say when the client's segments go again."""

    class WithRtt(Flight):
        def new_rtt(self, config: Config, iss: int) -> RoundTrips:
            mine = cls(config.min_rto, config.max_rto)
            return _RoundTrips(mine, config.min_rto, config.max_rto, "rfc", iss)

    class WithFlight(Sender):
        def new_flight(self, iss: int, config: Config, ack: Ack | None) -> Flight:
            return WithRtt(iss, config, ack)

    settings = config(min_rto=FLOOR, max_rto=CEILING, rto_form="rfc", tail_loss_probe=False)
    return Setup(settings, Parts(sender=WithFlight))
