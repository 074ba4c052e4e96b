"""What counters say, and what they may hide (RFC 9768 §3.2.2, appendix A)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.core.ecn.counts import REPEATS, Counts
from rudp.core.ecn.feedback import ROUNDS, Marked
from rudp.core.segment import options
from rudp.core.segment.options import EcnCounters
from rudp.core.segment.transmit import CE, ECT_0, ECT_1
from rudp.core.terms.feedback import Fallback

SMSS = 1000
ROOM = 28


def heard(
    marked: Marked,
    ace: int,
    acked: int = 0,
    counters: EcnCounters | None = None,
    *,
    tsval: int | None = None,
    window: tuple[int, int] = (0, 1),
) -> tuple[int, int]:
    """Return the segments and octets that an acknowledgement tells of."""
    marked.news(ace & 7, counters, acked, SMSS, tsval, window)
    return marked.segments, marked.octets


@pytest.mark.parametrize(
    ("segments", "more", "marks"),
    [(1, 1, 1), (7, 0, 0), (7, 7, 7), (8, 0, 8), (9, 2, 2), (10, 2, 10), (16, 7, 15), (3, 5, 5)],
)
def test_AECN_5_the_safest_of_the_likely_cases(segments: int, more: int, marks: int) -> None:
    """A.2.1, with its example of 9 and 10 segments; more marks than segments are believed."""
    marked = Marked()
    heard(marked, 5, 2 * SMSS)
    assert heard(marked, 5 + more, segments * SMSS)[0] == marks


def test_AECN_5_where_each_acknowledgement_covers_many_a_cycle_is_not_likely() -> None:
    """A peer that reads many at once acknowledges them at once; only what is unusual is suspect."""
    marked = Marked()
    assert [heard(marked, 5, 40 * SMSS)[0] for _ in range(3)] == [0, 0, 0]
    assert heard(marked, 7, 16 * SMSS)[0] == 2
    assert not marked.is_settled
    for _ in range(300):
        assert heard(marked, 7, 2 * SMSS)[0] == 0
    assert heard(marked, 7, 16 * SMSS)[0] == 16


@pytest.mark.parametrize(
    ("more", "octets", "marks"),
    [(0, 1000, 16), (2, 1000, 2), (7, 7000, 7), (0, 0, 0), (1, 9000, 9)],
)
def test_AECN_5_the_option_tells_a_cycle_from_none(more: int, octets: int, marks: int) -> None:
    """A.2.2: sixteen segments; so many octets of them in marked ones."""
    marked = Marked()
    marked.first_option((None, 1, 1, 0))
    assert heard(marked, 5 + more, 16 * SMSS, (None, None, 1, octets)) == (marks, octets)


def test_AECN_5_octets_are_estimated_and_then_known() -> None:
    """A.3: what was told before the option came is not told again."""
    marked = Marked()
    assert heard(marked, 6, 500) == (1, 500)
    assert heard(marked, 7, 3000) == (1, SMSS)
    assert heard(marked, 7, 1000, (None, 1, 1, 1700)) == (0, 200)
    assert marked.fallback is None


@pytest.mark.parametrize("tsval", [None, 7, 6])
def test_AECN_5_an_older_acknowledgement_is_no_news(tsval: int | None) -> None:
    """A.1."""
    marked = Marked()
    assert heard(marked, 6, 1000, tsval=7) == (1, 1000)
    assert heard(marked, 5, 0, tsval=tsval) == (0, 0)
    assert heard(marked, 7, 0, tsval=8) == (1, SMSS)


def test_AECN_5_marks_on_what_has_no_data_are_counted_and_not_answered() -> None:
    """Our own pure ACKs are not ECN-capable: something on the path spoils them."""
    marked = Marked()
    assert heard(marked, 6, 0, tsval=1, window=(9, 9)) == (0, 0)
    assert marked.ce == 6
    assert heard(marked, 7, 0, tsval=2, window=(9, 10)) == (1, SMSS)


def test_AECN_7_nothing_but_marks() -> None:
    """§3.2.2.3: for some round trips it may be a queue, then it is something else."""
    marked, una = Marked(), 0
    for n in range(1, ROUNDS + 2):
        assert marked.fallback is None
        una += SMSS
        heard(marked, 5 + n, SMSS, window=(una, una))
    assert marked.fallback is Fallback.ALWAYS_MARKED
    assert not marked.heeds
    assert heard(marked, 3, SMSS) == (0, 0)


def test_AECN_7_one_that_is_not_marked_ends_the_test() -> None:
    marked, una = Marked(), 0
    for n in range(1, 20):
        una += SMSS
        heard(marked, 5 + n - (n > 2), SMSS, window=(una, una))
    assert marked.fallback is None


def test_AECN_7_the_first_counter_is_zero() -> None:
    marked = Marked()
    assert marked.news(0, None, SMSS, SMSS, None, (0, 0)) is Fallback.ACE_ZERO
    assert not marked.heeds
    later = Marked()
    heard(later, 7, SMSS)
    assert heard(later, 8, SMSS) == (1, SMSS)  # 7 and 1 make 0, too


@pytest.mark.parametrize("first", [(None, 0, 1, 0), (None, 1, 0, 0), (None, 0, 0, 0)])
def test_AECN_8_a_cleared_option_is_read_no_more(first: EcnCounters) -> None:
    marked = Marked()
    marked.first_option(first)
    assert heard(marked, 5, SMSS, (None, 1, 1, 900)) == (0, 0)
    assert marked.fallback is None


# -- what is told --------------------------------------------------------------------------------


def told(counts: Counts, room: int = ROOM) -> EcnCounters | None:
    """Return what the next acknowledgement says in its option, if it has one."""
    option = counts.option(room)
    assert len(option) % 4 == 0
    assert len(option) <= room
    counts.acknowledged()
    decoded = options.decode(option)
    assert decoded is not None
    return decoded.accurate_ecn


def test_AECN_6_a_handshake_has_all_fields() -> None:
    counts = Counts()
    assert [told(counts) for _ in range(REPEATS)] == [(None, 1, 1, 0)] * REPEATS
    assert told(counts) is None


@pytest.mark.parametrize(
    ("room", "said"),
    [
        (12, (None, 1, 1, 0)),
        (11, (None, None, 1, 0)),
        (8, (None, None, 1, 0)),
        (7, (None, None, None, None)),
        (4, (None, None, None, None)),
        (3, None),
    ],
)
def test_AECN_6_what_has_no_room_is_left_out(room: int, said: EcnCounters | None) -> None:
    assert told(Counts(), room) == said


@pytest.mark.parametrize("room", [4, 7])
def test_AECN_6_what_has_changed_is_not(room: int) -> None:
    """Rather there is none (§3.2.3.3)."""
    counts = Counts()
    counts.count(ECT_0, 1, 100, True)
    assert told(counts, room) is None
    assert told(counts, 8) == (None, None, 101, None)


def test_AECN_6_the_same_kind_is_told_twice() -> None:
    """And then not before something changes; the counter has gone round meanwhile."""
    counts = Counts()
    counts.count(ECT_0, 1, 100, True)
    assert [told(counts) is None for _ in range(REPEATS + 1)] == [False] * REPEATS + [True]
    counts.count(ECT_0, 1, 1 << 24, True)
    assert told(counts) is None
    counts.count(CE, 1, 1, True)
    assert told(counts) == (None, None, 101, 1)


kinds = st.sampled_from([0, ECT_1, ECT_0, CE])


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(kinds, st.integers(1, SMSS)), min_size=1, max_size=7),
            st.booleans(),
            st.sampled_from([ROOM, 12, 8, 4, 0]),
        ),
        max_size=30,
    )
)
def test_AECN_5_AECN_6_marks_are_told_of_once(
    acks: list[tuple[list[tuple[int, int]], bool, int]],
) -> None:
    """What one end counts the other hears of, whatever is lost and whatever options have no room.

    An acknowledgement covers less than a cycle, and what is lost is covered by the next.
    """
    counts, marked = Counts(), Marked()
    marked.first_option(told(counts))
    segments = octets = pending = 0
    for came, lost, room in acks:
        for ecn, size in came:
            counts.count(ecn, 1, size, True)
        pending += sum(size for _, size in came)
        before = counts.ce
        option = options.decode(counts.option(room))
        assert option is not None
        counts.acknowledged()
        if lost and before - marked.ce < 8:
            continue
        marked.news(counts.ace, option.accurate_ecn, pending, 1, None, (0, 1))
        if before - marked.ce == 0:
            segments += marked.segments
            octets += marked.octets
        else:
            return  # more than a cycle was lost: no one can tell
        pending = 0
        assert marked.ce == counts.ce
