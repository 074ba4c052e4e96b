"""What an acknowledgement or a time-out makes lost: RFC 6675 with SACK, RFC 6582 without."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.core.loss.recovery import DUP_THRESH, Phase, Recovery
from rudp.core.loss.rtt import Rtt
from rudp.core.loss.scoreboard import SACKED, Scoreboard
from tests.unit.flights import SMSS, Course, octets


def flight_of(segments: int, *, sack: bool) -> Course:
    """A flight judged as before RACK."""
    return Course(segments, sack=sack, loss_detection="rfc6675", undo=False, prr=False)


# -- with SACK ---------------------------------------------------------------------------------


def test_dup_thresh() -> None:
    """SB-4, DEF-22"""
    assert DUP_THRESH == 3


def test_two_segments_sacked_are_not_enough() -> None:
    """SB-4: 2 * SMSS octets is not more than 2 * SMSS."""
    flight = flight_of(10, sack=True)
    assert flight.sack((1, 2)) == []
    assert flight.sack((2, 3)) == []
    assert (flight.lost, flight.phase) == ([], Phase.OPEN)


def test_one_octet_more_is() -> None:
    """SB-4, RACK-12: more than 2 * SMSS octets above the hole."""
    flight = flight_of(10, sack=True)
    assert flight.sack((1, 3)) == []
    assert flight.sack((1, 3.01)) == ["loss"]
    assert (flight.lost, flight.phase) == ([(0, 1)], Phase.FAST)
    assert flight.recover == 10


def test_three_ranges_are_enough_however_small() -> None:
    """SB-4: DupThresh discontiguous ranges."""
    flight = flight_of(10, sack=True)
    assert flight.sack((1, 1.1), (3, 3.1)) == []
    assert flight.sack((5, 5.1)) == ["loss"]
    assert flight.lost == [(0, 1)]


def test_only_what_has_enough_above_it_is_lost() -> None:
    """SB-4: the hole between the second and the third range has one range above it."""
    flight = flight_of(20, sack=True)
    flight.sack((2, 2.1), (4, 4.1), (6, 6.1))
    assert flight.lost == [(0, 2)]
    flight.sack((8, 8.1))
    assert flight.lost == [(0, 2), (2.1, 4)]


def test_later_holes_join_the_episode() -> None:
    """RACK-12, CC-9: one reduction for one window of data."""
    flight = flight_of(20, sack=True)
    assert flight.sack((1, 4)) == ["loss"]
    flight.resend()
    assert flight.sack((6, 9)) == []
    assert flight.lost == [(4, 6)]
    assert flight.phase is Phase.FAST


def test_a_retransmission_is_not_lost_by_the_same_evidence() -> None:
    """SB-6: what was sent again is left alone by SACKs above it; the timer watches it."""
    flight = flight_of(20, sack=True)
    flight.sack((1, 4))
    flight.resend()
    for upto in range(5, 21):
        assert flight.sack((1, upto)) == []
    assert flight.lost == []


def test_the_episode_ends_at_its_recovery_point() -> None:
    """RACK-12, NR-6: when all that was outstanding at its start is acknowledged."""
    flight = flight_of(10, sack=True)
    flight.sack((1, 4))
    flight.resend()
    flight.send(5)
    assert flight.ack(9) == []
    assert flight.phase is Phase.FAST
    assert flight.ack(10) == ["recovered"]
    assert (flight.phase, flight.board.in_flight) == (Phase.OPEN, 5 * SMSS)


def test_losses_in_the_next_window_are_a_new_episode() -> None:
    """CC-10"""
    flight = flight_of(10, sack=True)
    flight.sack((1, 10))
    flight.resend()
    flight.send(10)
    assert flight.ack(10, (11, 14)) == ["recovered", "loss"]
    assert (flight.lost, flight.phase) == ([(10, 11)], Phase.FAST)
    assert flight.recover == 20


def test_an_ack_without_news_changes_nothing() -> None:
    """NR-1: with SACK a duplicate without new SACK information says nothing."""
    flight = flight_of(10, sack=True)
    flight.sack((1, 2))
    for _ in range(10):
        assert flight.sack((1, 2)) == []
        assert flight.duplicate() == []
    assert (flight.lost, flight.board.duplicates) == ([], 0)


sack_lists = st.lists(st.tuples(st.integers(1, 79), st.integers(1, 25)), min_size=1, max_size=25)


@given(sack_lists)
def test_is_lost_against_its_definition(blocks: list[tuple[int, int]]) -> None:
    """SB-4: lost is what IsLost() holds for after some SACK, until it is SACKed; nothing else.

    Ranges that grow together are fewer, so IsLost() may be taken back; a mark is not.
    """
    smss = 10
    board, recovery = Scoreboard(0), Recovery(0, sack=True, rack=False)
    rtt = Rtt(0.2, 60.0, "linux")
    board.on_sent(0, 80, 0.0)
    expected: set[int] = set()
    for left, size in blocks:
        news = board.sack([(left, min(left + size, 80))])
        recovery.on_ack(board, 0, news, True, smss, rtt, 1.0)
        sacked = [(run.seq, run.end) for run in board.runs if run.fate == SACKED]
        for octet in range(80):
            above = [(a, b) for a, b in sacked if a > octet]
            if len(above) >= 3 or sum(b - a for a, b in above) > 2 * smss:
                expected.add(octet)
        expected -= octets(sacked)
        assert octets(board.lost) == expected


# -- without SACK ------------------------------------------------------------------------------


def test_the_third_duplicate_begins_fast_recovery() -> None:
    """NR-2, NR-3: the first segment is lost, nothing else."""
    flight = flight_of(10, sack=False)
    assert [flight.duplicate() for _ in range(3)] == [
        [],
        [],
        ["loss"],
    ]
    assert (flight.lost, flight.phase) == ([(0, 1)], Phase.FAST)
    assert flight.recover == 10


def test_the_last_segment_may_be_shorter() -> None:
    """NR-3"""
    flight = flight_of(0, sack=False)
    flight.send(0.3)
    flight.duplicate(3)
    assert flight.lost == [(0, 0.3)]


def test_an_advance_starts_the_count_anew() -> None:
    """NR-1"""
    flight = flight_of(10, sack=False)
    flight.duplicate()
    flight.duplicate()
    flight.ack(1)
    assert flight.board.duplicates == 0
    flight.duplicate()
    assert flight.duplicate() == []
    assert flight.duplicate() == ["loss"]


def test_limited_transmit() -> None:
    """LT-1: the first two duplicates make room for one segment each."""
    flight = flight_of(10, sack=False)
    flight.duplicate()
    assert flight.board.in_flight == 9 * SMSS
    flight.duplicate()
    assert flight.board.in_flight == 8 * SMSS


def test_limited_transmit_stops_after_two() -> None:
    """LT-1, NR-2: duplicates that are the echo of an earlier episode make no more room."""
    flight = flight_of(10, sack=False)
    flight.time_out()
    flight.resend()
    flight.send(10)
    flight.ack(10)
    for _ in range(8):
        assert flight.duplicate() == []
    assert flight.board.in_flight == 8 * SMSS


def test_further_duplicates_make_room() -> None:
    """NR-3, NR-4: what RFC 6582 adds to cwnd is what leaves the pipe here.

    With ssthresh as the window both say: outstanding <= ssthresh + 3 * SMSS, then one SMSS more
    for each duplicate.  The segment that was lost and not sent again yet is not in the pipe.
    """
    flight = flight_of(20, sack=False)
    for _ in range(3):
        flight.duplicate()
    assert flight.board.in_flight == (20 - 3 - 1) * SMSS
    flight.resend()
    assert flight.board.in_flight == (20 - 3) * SMSS
    for n in range(4, 12):
        assert flight.duplicate() == []
        assert flight.board.in_flight == (20 - n) * SMSS


def test_duplicates_never_count_for_more_than_is_outstanding() -> None:
    """NR-4: a peer that repeats itself opens no window of ours."""
    flight = flight_of(5, sack=False)
    for _ in range(1000):
        flight.duplicate()
    assert flight.board.duplicates <= 5 * SMSS
    flight.send(5)
    assert flight.board.in_flight >= 4 * SMSS


def test_a_partial_ack_names_the_next_hole() -> None:
    """NR-5: cwnd - acked + SMSS is pipe + acked - SMSS, seen from the other side."""
    flight = flight_of(20, sack=False)
    for _ in range(10):
        flight.duplicate()
    flight.resend()
    assert flight.board.in_flight == 10 * SMSS
    assert flight.ack(4) == []
    assert (flight.lost, flight.phase) == ([(4, 5)], Phase.FAST)
    flight.resend()
    # RFC 6582: outstanding 16, inflation 10 - 4 + 1.
    assert flight.board.in_flight == (16 - (10 - 4 + 1)) * SMSS


def test_a_partial_ack_of_less_than_a_segment_adds_none() -> None:
    """NR-5: else a receiver could blow up the window by acknowledging octet by octet."""
    flight = flight_of(20, sack=False)
    for _ in range(10):
        flight.duplicate()
    flight.resend()
    flight.ack(0.5)
    flight.resend()
    assert flight.board.in_flight == (19.5 - (10 - 0.5)) * SMSS


def test_the_impatient_variant() -> None:
    """NR-5: the RTO timer is set anew for the first partial acknowledgement only."""
    flight = flight_of(20, sack=False)
    for _ in range(3):
        flight.duplicate()
    flight.resend()
    seen = []
    for segment in (2, 4, 6):
        flight.ack(segment)
        flight.resend()
        seen.append(flight.flight.recovery.is_impatient)
    assert seen == [False, True, True]
    flight.ack(20)
    assert not flight.flight.recovery.is_impatient


def test_a_full_ack_ends_fast_recovery() -> None:
    """NR-6"""
    flight = flight_of(10, sack=False)
    for _ in range(5):
        flight.duplicate()
    flight.resend()
    flight.send(2)
    assert flight.ack(10) == ["recovered"]
    assert (flight.phase, flight.board.duplicates) == (Phase.OPEN, 0)
    assert flight.board.in_flight == 2 * SMSS


def test_an_echo_of_an_episode_does_not_begin_another() -> None:
    """NR-2: duplicates at the recovery point come from segments that were sent twice."""
    flight = flight_of(10, sack=False)
    for _ in range(3):
        flight.duplicate()
    flight.resend()
    flight.send(5)
    flight.ack(10)
    for _ in range(6):
        assert flight.duplicate() == []
    assert (flight.phase, flight.lost) == (Phase.OPEN, [])
    flight.ack(11)
    assert [flight.duplicate() for _ in range(3)][-1] == ["loss"]


def test_no_duplicate_when_nothing_is_outstanding() -> None:
    """NR-1"""
    flight = flight_of(1, sack=False)
    flight.ack(1)
    for _ in range(5):
        assert flight.duplicate() == []
    assert (flight.phase, flight.board.duplicates) == (Phase.OPEN, 0)


# -- the retransmission timer ------------------------------------------------------------------


@pytest.mark.parametrize("sack", [False, True])
def test_after_a_time_out_everything_is_lost(sack: bool) -> None:
    """RTO-16, NR-7"""
    flight = flight_of(10, sack=sack)
    flight.time_out()
    assert (flight.lost, flight.phase) == ([(0, 10)], Phase.TIMEOUT)
    assert (flight.board.in_flight, flight.recover) == (0, 10)


def test_after_a_time_out_sacked_octets_are_skipped() -> None:
    """RTO-16, SB-3"""
    flight = flight_of(10, sack=True)
    flight.sack((2, 3), (5, 6))
    flight.time_out()
    assert flight.lost == [(0, 2), (3, 5), (6, 10)]


def test_reneging() -> None:
    """SB-3: SACKed at SND.UNA, and not acknowledged: the receiver threw it away again."""
    flight = flight_of(10, sack=True)
    flight.sack((0, 2), (5, 6))
    flight.time_out()
    assert flight.lost == [(0, 10)]
    assert flight.board.sacked == 0


def test_a_time_out_ends_fast_recovery() -> None:
    """NR-7, RTO-15"""
    flight = flight_of(10, sack=False)
    for _ in range(4):
        flight.duplicate()
    flight.send(3)
    flight.time_out()
    assert (flight.phase, flight.board.duplicates) == (Phase.TIMEOUT, 0)
    assert flight.recover == 13


def test_duplicates_after_a_time_out_are_echoes() -> None:
    """NR-2, NR-7: what was sent again without need comes back as duplicates."""
    flight = flight_of(10, sack=False)
    flight.time_out()
    flight.resend()
    for _ in range(5):
        assert flight.duplicate() == []
    assert flight.ack(5) == []
    for _ in range(5):
        assert flight.duplicate() == []
    assert (flight.lost, flight.board.duplicates) == ([], 0)
    assert flight.ack(10) == []
    assert flight.phase is Phase.OPEN


@pytest.mark.parametrize("sack", [False, True])
def test_a_second_time_out(sack: bool) -> None:
    """RTO-16: the retransmissions are lost as well."""
    flight = flight_of(10, sack=sack)
    flight.time_out()
    flight.resend()
    assert flight.lost == []
    flight.time_out()
    assert flight.lost == [(0, 10)]


def test_new_data_after_a_time_out_is_judged_by_sack() -> None:
    """SB-4, RTO-16"""
    flight = flight_of(5, sack=True)
    flight.time_out()
    flight.resend()
    flight.send(10)
    flight.ack(5, (6, 9))
    assert flight.lost == [(5, 6)]
