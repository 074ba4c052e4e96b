"""What the connections of one endpoint may hold together."""

from rudp.core.receive.reassembly import PIECE_OVERHEAD, Reassembly
from rudp.core.terms.budget import SHARE, Budget


def test_each_has_a_share_that_does_not_count() -> None:
    budget = Budget(0, SHARE)
    assert all(budget.change(0, SHARE) for _ in range(1000))
    assert budget.used == 0
    assert not budget.change(SHARE, SHARE + 1)


def test_what_goes_beyond_is_counted_and_bounded() -> None:
    """BUF-6"""
    budget = Budget(1000, SHARE)
    assert budget.change(0, SHARE + 600)
    assert not budget.change(0, SHARE + 401)
    assert budget.change(SHARE, SHARE + 400)
    assert budget.used == 1000
    assert budget.change(SHARE + 600, 10)
    assert budget.used == 400
    assert budget.change(SHARE + 400, 0)
    assert budget.used == 0


def test_less_is_never_too_much() -> None:
    budget = Budget(1000, SHARE)
    assert budget.change(0, SHARE + 1000)
    budget.limit = 10
    assert budget.change(SHARE + 1000, SHARE + 900)
    assert budget.used == 900


def test_BUF_6_two_queues_share() -> None:
    """What one gives back, by delivering it or by its end, the other may have."""
    budget = Budget(10_000, SHARE)
    first, second = Reassembly(1 << 20, budget), Reassembly(1 << 20, budget)
    assert first.insert(1, bytes(SHARE + 10_000 - PIECE_OVERHEAD))
    assert budget.used == 10_000
    assert second.insert(1, bytes(SHARE - PIECE_OVERHEAD))
    assert not second.insert(SHARE + 1, bytes(1))
    assert not first.insert(50_000, bytes(1))
    assert len(first.take(1)) == 1
    assert budget.used == 0
    assert second.insert(SHARE + 1, bytes(1))
    second.clear()
    assert budget.used == 0
