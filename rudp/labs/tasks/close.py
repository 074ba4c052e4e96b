"""The lab ``close``: the state machine."""

import random
from typing import Any

from rudp.core.life.parts import Parts
from rudp.core.terms.state import MOVES, Cause, State, after
from rudp.labs.lab import Setup, Wrong, config, same


class Reference:
    """What the package does."""

    def after(self, state: State, cause: Cause) -> State:
        """Return the next state."""
        return after(state, cause)


def ask(cls: Any, chance: random.Random) -> None:
    """Ask for all moves, and for some that cannot happen."""
    machine = cls()
    moves = list(MOVES)
    chance.shuffle(moves)
    for state, cause in moves:
        given = machine.after(state, cause)
        same(f"the state after {cause.value!r} in {state}", str(given), str(MOVES[state, cause]))
    for _ in range(10):
        state, cause = chance.choice(list(State)), chance.choice(list(Cause))
        if (state, cause) not in MOVES:
            try:
                given = machine.after(state, cause)
            except KeyError:
                continue
            raise Wrong(f"{cause.value!r} cannot happen in {state}: KeyError, not {given!s}")


def build(cls: Any) -> Setup:
    """Let a class move the client."""
    return Setup(config(), Parts(after=cls().after))
