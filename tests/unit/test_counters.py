"""What is counted, and that the list is closed."""

from rudp.core.terms.counters import Count, Counters


def test_what_never_happened_reads_as_zero() -> None:
    """M-21: and reading it makes no entry."""
    counters = Counters()
    for reason in Count:
        assert counters[reason] == 0
    assert counters == {}


def test_counting() -> None:
    counters = Counters()
    counters[Count.SHORT] += 1
    counters[Count.SHORT] += 2
    assert counters == {Count.SHORT: 3}
    assert counters["segment_shorter_than_header"] == 3  # type: ignore[index]


def test_every_reason_has_a_name_of_its_own() -> None:
    names = [str(reason) for reason in Count]
    assert len(set(names)) == len(names) == len(Count.__members__)
    assert all(name.isidentifier() and name.islower() for name in names)
