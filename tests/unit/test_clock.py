"""Time passes from event to event, in order, and never back."""

import doctest
import math

import pytest

from rudp.sim import Clock, clock


def test_examples() -> None:
    assert doctest.testmod(clock).failed == 0


def test_events_happen_in_order_of_time() -> None:
    clock = Clock()
    seen: list[tuple[str, float]] = []
    for name, when in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        clock.call_at(when, lambda name=name: seen.append((name, clock.now)))
    while clock.step():
        pass
    assert seen == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    assert clock.next is None
    assert clock.now == 3.0


def test_events_of_one_instant_keep_their_order() -> None:
    clock = Clock()
    seen: list[int] = []
    for number in range(50):
        clock.call_at(1.0, seen.append, number)
    clock.run_until(1.0)
    assert seen == list(range(50))


def test_the_past_is_now() -> None:
    clock = Clock()
    clock.run_until(5.0)
    clock.call_at(1.0, lambda: None)
    assert clock.next == 5.0
    assert clock.step()
    assert clock.now == 5.0


def test_run_until_includes_what_its_events_ask_for_and_stops_there() -> None:
    clock = Clock()
    seen: list[float] = []

    def again() -> None:
        seen.append(clock.now)
        clock.call_at(clock.now + 1.0, again)

    clock.call_at(1.0, again)
    clock.run_until(3.5)
    assert seen == [1.0, 2.0, 3.0]
    assert (clock.now, clock.next) == (3.5, 4.0)
    clock.run_until(2.0)
    assert clock.now == 3.5


@pytest.mark.parametrize("when", [math.inf, -math.inf, math.nan])
def test_an_event_needs_a_time(when: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Clock().call_at(when, print)
