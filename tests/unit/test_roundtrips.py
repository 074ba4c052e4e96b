"""Which acknowledgements measure a round trip (RFC 6298 §3)."""

from rudp.core.loss.roundtrips import RoundTrips
from rudp.core.loss.scoreboard import SentRun


def measured(estimate: RoundTrips, sent_at: float, now: float, seg_ack: int, nxt: int) -> None:
    run = SentRun(seg_ack - 100, seg_ack, sent_at, 1, 100, seg_ack - 100)
    estimate.measure(seg_ack, nxt, [run], False, [], None, now)


def test_one_sample_for_each_round_trip() -> None:
    """RTO-4: the next is that of what was sent after the last."""
    estimate = RoundTrips(0.2, 60.0, "linux", 0)
    measured(estimate, 1.0, 1.5, 100, 300)
    assert estimate.srtt == 0.5
    for seg_ack in (200, 300):
        measured(estimate, 1.0, 3.0, seg_ack, 300)
    assert estimate.srtt == 0.5
    measured(estimate, 3.0, 4.0, 400, 400)
    assert estimate.srtt == 0.5 + 0.5 / 8


def test_a_round_trip_of_no_time_is_one() -> None:
    """RTO-4: where the clock stands still within a turn of the loop the first samples may be 0."""
    estimate = RoundTrips(0.2, 60.0, "linux", 0)
    measured(estimate, 1.0, 1.0, 100, 300)
    assert estimate.srtt == 0.0
    measured(estimate, 1.0, 3.0, 200, 300)
    assert estimate.srtt == 0.0
