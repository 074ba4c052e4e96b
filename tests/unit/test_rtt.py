"""SRTT, RTTVAR and RTO; all expected figures are worked out by hand from RFC 6298 §2."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.core.loss.rtt import GRANULARITY, MIN_RTT_SPACING, MIN_RTT_WINDOW, RTO_INITIAL, Rtt

Form = Literal["linux", "rfc"]
forms = pytest.mark.parametrize("form", ["linux", "rfc"])


def estimator(form: Form = "rfc", floor: float = 0.001, ceiling: float = 60.0) -> Rtt:
    return Rtt(floor, ceiling, form)


@forms
def test_before_the_first_sample(form: Form) -> None:
    """RTO-1"""
    rtt = estimator(form, floor=0.2)
    assert (rtt.rto, rtt.srtt, rtt.min_rtt) == (1.0, None, None)
    assert RTO_INITIAL == 1.0


@forms
def test_the_first_sample(form: Form) -> None:
    """RTO-2: R = 400 ms gives SRTT 400, RTTVAR 200, RTO 400 + 4 * 200 = 1200 ms."""
    rtt = estimator(form)
    rtt.sample(0.4)
    assert (rtt.srtt, rtt.rttvar) == (0.4, 0.2)
    assert rtt.rto == pytest.approx(1.2)


@forms
def test_further_samples(form: Form) -> None:
    """RTO-3, TRAP-6: RTTVAR first, with the old SRTT.

    400 ms, then 600: RTTVAR = 3/4 * 200 + 1/4 * |400 - 600| = 200, SRTT = 7/8 * 400 + 1/8 * 600
    = 425, RTO = 1225.  Then 300: RTTVAR = 150 + 1/4 * 125 = 181.25, SRTT = 7/8 * 425 + 37.5
    = 409.375, RTO = 1134.375.  In the wrong order RTTVAR would be 193.75 after the second.
    """
    rtt = estimator(form)
    rtt.sample(0.4)
    rtt.sample(0.6)
    assert rtt.rttvar == pytest.approx(0.2)
    assert rtt.srtt == pytest.approx(0.425)
    assert rtt.rto == pytest.approx(1.225)
    rtt.sample(0.3)
    assert rtt.rttvar == pytest.approx(0.18125)
    assert rtt.srtt == pytest.approx(0.409375)
    assert rtt.rto == pytest.approx(1.134375)


def test_steady_path() -> None:
    """RTO-2: when RTTVAR has gone, G remains in the RFC's form: RTO = SRTT + 1 ms."""
    rtt = estimator("rfc")
    for _ in range(200):
        rtt.sample(0.5)
    assert rtt.rttvar < 1e-9
    assert rtt.rto == pytest.approx(0.5 + GRANULARITY)


@pytest.mark.parametrize(
    ("form", "floor", "expected"),
    [
        ("rfc", 1.0, 1.0),  # max(floor, SRTT + ...) = max(1, 0.501)
        ("rfc", 0.2, 0.501),
        ("linux", 0.2, 0.7),  # SRTT + max(4 * RTTVAR, floor)
        ("linux", 1.0, 1.5),
    ],
)
def test_the_floor(form: Form, floor: float, expected: float) -> None:
    """RTO-5: Linux puts it below the variance term, the RFC below the sum."""
    rtt = estimator(form, floor)
    for _ in range(200):
        rtt.sample(0.5)
    assert rtt.rto == pytest.approx(expected)


@pytest.mark.parametrize(("form", "expected"), [("linux", 0.2001), ("rfc", 1.0)])
def test_the_floor_on_a_short_path(form: Form, expected: float) -> None:
    """RTO-5: 100 us to the peer."""
    rtt = estimator(form, 0.2 if form == "linux" else 1.0)
    for _ in range(200):
        rtt.sample(0.0001)
    assert rtt.rto == pytest.approx(expected)


@forms
def test_the_ceiling(form: Form) -> None:
    """RTO-6"""
    rtt = estimator(form)
    rtt.sample(30.0)  # 30 + 4 * 15
    assert rtt.rto == 60.0


def test_back_off_doubles_to_the_ceiling() -> None:
    """RTO-11, RTO-6, DEF-5"""
    rtt = estimator()
    seen = []
    for _ in range(8):
        rtt.back_off()
        seen.append(rtt.rto)
    assert seen == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert rtt.backoffs == 8


@forms
def test_back_off_stays_until_a_sample(form: Form) -> None:
    """RTO-12: the next valid sample, and nothing else, brings the RTO back."""
    rtt = estimator(form, floor=0.2)
    rtt.sample(0.1)  # RTTVAR 50 ms: linux 100 + 200, rfc max(200, 300)
    assert rtt.rto == pytest.approx(0.3)
    rtt.back_off()
    rtt.back_off()
    assert rtt.rto == pytest.approx(1.2)
    assert (rtt.srtt, rtt.backoffs) == (0.1, 2)
    rtt.sample(0.1)  # RTTVAR 37.5 ms
    assert rtt.rto == pytest.approx(0.3 if form == "linux" else 0.25)
    assert rtt.backoffs == 0


def test_a_lost_syn() -> None:
    """RTO-13: data begins with an RTO of 3 s, and the first sample takes over."""
    rtt = estimator()
    rtt.back_off()
    rtt.syn_was_lost()
    assert (rtt.rto, rtt.backoffs) == (3.0, 0)
    rtt.sample(0.1)
    assert rtt.rto == pytest.approx(0.3)


def test_a_lost_syn_and_a_low_ceiling() -> None:
    """RTO-13, RTO-6: the ceiling counts, too."""
    rtt = estimator(ceiling=2.0)
    rtt.syn_was_lost()
    assert rtt.rto == 2.0


def test_a_handshake_as_long_as_a_time_out_is_in_doubt() -> None:
    """RTO-2, RTO-7: if it was the answer that got lost, the next sample is the first one."""
    rtt = estimator()
    rtt.sample(1.001)
    rtt.sample(0.1)
    assert (rtt.srtt, rtt.rttvar) == (0.1, 0.05)
    rtt.sample(1.001)  # from then on all count as ever
    assert rtt.srtt == pytest.approx(0.1 + 0.901 / 8)


def test_a_negative_round_trip_is_no_minimum() -> None:
    """The clock went back: a window spread over less than no time would never leave."""
    rtt = estimator()
    rtt.observe(-0.1, 1.0)
    rtt.sample(0.02)
    rtt.observe(0.02, 1.1)
    rtt.observe(-60.0, 1.2)
    assert rtt.min_rtt == 0.02
    assert rtt.spread == 0.02


def test_the_minimum_counts_for_five_minutes() -> None:
    """RACK-2, DEF-23: then the smallest of what came since takes its place."""
    rtt = estimator()
    for r, now in ((0.5, 0.0), (0.2, 1.0), (0.9, 100.0), (0.4, 200.0)):
        rtt.observe(r, now)
    assert rtt.min_rtt == 0.2
    rtt.observe(0.6, 301.0)
    assert rtt.min_rtt == 0.2
    rtt.observe(0.6, 301.1)
    assert rtt.min_rtt == 0.4
    rtt.observe(0.7, 2000.0)
    assert rtt.min_rtt == 0.7


@given(st.lists(st.tuples(st.floats(0.001, 10), st.floats(0, 20)), max_size=300))
def test_the_minimum_against_all_samples(steps: list[tuple[float, float]]) -> None:
    """RACK-2: what is forgotten came within 5 seconds of a smaller one that still counts."""
    rtt = estimator()
    samples = []
    now = 0.0
    for r, pause in steps:
        now += pause
        rtt.observe(r, now)
        samples.append((r, now))
        assert rtt.min_rtt is not None
        assert rtt.min_rtt >= min(s for s, at in samples if at >= now - MIN_RTT_WINDOW)
        assert rtt.min_rtt <= min(
            s for s, at in samples if at >= now - MIN_RTT_WINDOW + MIN_RTT_SPACING
        )


def test_a_sample_is_never_negative() -> None:
    """RTO-3: a clock that does not move gives 0, and a timestamp may lag by a tick."""
    rtt = estimator()
    rtt.sample(-0.001)
    assert rtt.srtt == 0.0


def test_after_a_spurious_time_out_the_next_sample_is_believed() -> None:
    """UNDO-8: SRTT = max(SRTT + 2 G, R), RTTVAR = max(RTTVAR, R / 2); then as always."""
    rtt = estimator()
    rtt.sample(0.1)
    rtt.was_spurious()
    rtt.sample(0.5)
    assert (rtt.srtt, rtt.rttvar) == (0.5, 0.25)
    assert rtt.rto == pytest.approx(1.5)
    rtt.sample(0.5)
    assert (rtt.srtt, rtt.rttvar) == (0.5, 0.1875)
    rtt.was_spurious()
    rtt.sample(0.1)
    assert rtt.srtt == pytest.approx(0.502)


def test_a_delay_that_is_over_is_forgotten() -> None:
    """UNDO-8: a sample that would have been in time before the delay brings back what was then."""
    rtt = estimator()
    rtt.sample(0.1)
    rtt.was_spurious()
    rtt.sample(5.0)
    rtt.was_spurious()
    rtt.sample(6.0)  # the next is late as well: what counts is what was before both
    assert rtt.rto == pytest.approx(18.0)
    rtt.sample(0.1)
    assert rtt.srtt == pytest.approx(0.1)
    assert rtt.rttvar == pytest.approx(0.0375)
    rtt.was_spurious()
    rtt.sample(5.0)
    rtt.sample(4.0)  # this is the path now
    rtt.sample(0.1)
    assert rtt.srtt is not None
    assert rtt.srtt > 4.0


def test_a_window_is_spread_over_what_a_queue_explains() -> None:
    """PACE-1: SRTT, or four smallest round trips and a tenth of a second."""
    assert estimator().spread is None
    rtt = estimator()
    rtt.sample(0.5)
    assert rtt.spread == 0.5
    rtt.observe(0.05, 0.0)
    assert rtt.spread == pytest.approx(0.3)
    rtt.observe(0.2, MIN_RTT_WINDOW + 1)
    assert rtt.spread == 0.5


def test_an_answer_within_the_rto_ends_the_back_off() -> None:
    """RTO-12: and no other, nor is it a sample."""
    rtt = estimator()
    rtt.was_answered(0.1)
    rtt.sample(0.1)
    before = rtt.srtt, rtt.rttvar, rtt.rto
    rtt.back_off()
    rtt.back_off()
    rtt.was_answered(before[2])
    assert (rtt.rto, rtt.backoffs) == (4 * before[2], 2)
    rtt.was_answered(before[2] - 0.001)
    assert (rtt.srtt, rtt.rttvar, rtt.rto, rtt.backoffs) == (*before, 0)


@given(
    st.lists(st.floats(0, 100) | st.none(), max_size=50),
    st.sampled_from(["linux", "rfc"]),
    st.sampled_from([0.001, 0.2, 1.0]),
)
def test_rto_stays_between_its_bounds(events: list[float | None], form: Form, floor: float) -> None:
    """RTO-5, RTO-6: whatever comes; None is a time-out."""
    rtt = estimator(form, floor, 60.0)
    for event in events:
        if event is None:
            rtt.back_off()
        else:
            rtt.sample(event)
            assert rtt.srtt is not None
            assert rtt.rto >= min(rtt.srtt, 60.0)
        assert floor <= rtt.rto <= 60.0
