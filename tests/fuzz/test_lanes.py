"""Programs of octets for a steady connection, with the lane and without it."""

import random

import pytest

from tests.fuzz import lanes


@pytest.mark.parametrize("seed", range(24))
def test_whatever_happens_nobody_can_tell_whether_there_is_a_lane(seed: int) -> None:
    """§3.10.7.4, TS-3: damaged, late and repeated segments in the middle of steady traffic."""
    chance = random.Random(f"lanes {seed}")
    entered = left = 0
    for _ in range(6):
        came, went = lanes.run(chance.randbytes(chance.choice((20, 60, 200))))
        entered += came
        left += went
    assert entered >= left >= entered - 12
    assert entered > 6
