"""Careful Resume, phase by phase (RFC 9959)."""

import math
from typing import Any

import pytest

from rudp.config import Config
from rudp.core.congestion.controller import Ack, Controller, Signal
from rudp.core.congestion.newreno import NewReno
from rudp.core.congestion.resume import CarefulResume, PathKey, Phase, SavedPaths

SMSS = 1000
IW = 10 * SMSS
RTT = 0.1
SAVED = 200 * SMSS
KEY: PathKey = ("", "10.0.0.2", 0)


class Course:
    """A controller that resumes, and acknowledgements for it; numbers are octets from 0 on."""

    def __init__(self, *, saved_rtt: float = RTT, saved: int = SAVED, lifetime: float = 60.0):
        self.paths = SavedPaths(lifetime=lifetime)
        self.paths.save(KEY, saved, saved_rtt, 0.0)
        known = self.paths.look(KEY, 0.0)
        assert known is not None
        self.inner = NewReno(SMSS, IW)
        self.after: Controller | None = None
        self.controller = CarefulResume(self.inner, known, self.paths, KEY, self.over)
        self.una = 0
        self.nxt = IW
        self.now = RTT

    def over(self, controller: Controller) -> None:
        self.after = controller

    @property
    def phase(self) -> Phase | None:
        """Where it is, None for the Normal phase."""
        return None if self.after is not None else self.controller.phase

    @property
    def cwnd(self) -> int:
        return (self.after or self.controller).cwnd

    def ack(self, octets: int, *, at: float | None = None, sends: bool = True, **more: Any) -> None:
        """So many *octets* more are acknowledged; what there is room for is sent."""
        self.now = self.now if at is None else at
        self.una += octets
        ack = Ack()
        ack.now = self.now
        ack.delivered = octets
        ack.snd_una, ack.snd_nxt = self.una, self.nxt
        ack.in_flight = self.nxt - self.una
        ack.cwnd_limited = True
        ack.srtt = ack.min_rtt = RTT
        for name, value in more.items():
            setattr(ack, name, value)
        (self.after or self.controller).on_ack(ack)
        if sends:
            self.nxt = max(self.nxt, self.una + self.cwnd)

    def to_unvalidated(self) -> "Course":
        self.ack(IW)
        assert self.phase is Phase.UNVALIDATED
        return self

    def to_validating(self) -> "Course":
        self.to_unvalidated()
        self.ack(2 * SMSS, at=2 * RTT)
        self.nxt = max(self.nxt, self.una + self.cwnd)
        assert self.phase is Phase.VALIDATING
        return self


def test_RES_2_the_first_window_goes_as_ever() -> None:
    course = Course()
    assert course.controller.cwnd == IW
    course.ack(4 * SMSS)
    assert course.phase is Phase.RECONNAISSANCE
    assert course.cwnd == 14 * SMSS  # slow start


def test_RES_3_when_all_of_it_has_arrived_the_window_jumps_to_half_of_what_was_saved() -> None:
    course = Course()
    course.ack(IW)
    assert course.phase is Phase.UNVALIDATED
    assert course.cwnd == SAVED // 2


def test_RES_3_a_connection_that_asks_for_no_more_does_not_jump() -> None:
    course = Course()
    course.ack(IW, cwnd_limited=False)
    assert course.phase is Phase.RECONNAISSANCE
    assert course.cwnd == IW


@pytest.mark.parametrize(("rtt", "jumps"), [(0.5, False), (0.51, True), (9.9, True), (10, False)])
def test_RES_4_a_round_trip_of_another_path_ends_it(rtt: float, jumps: bool) -> None:
    """Half of the one that was saved, or ten times."""
    course = Course()
    course.ack(IW, min_rtt=RTT * rtt)
    assert (course.phase is Phase.UNVALIDATED) == jumps
    assert jumps or course.cwnd == 2 * IW


def test_RES_4_what_is_too_old_is_not_used() -> None:
    course = Course(lifetime=60.0)
    course.ack(IW, at=60.0)
    assert course.phase is None
    assert course.cwnd == 2 * IW


def test_RES_4_a_saved_window_that_is_no_gain_is_not_used() -> None:
    course = Course(saved=4 * IW)
    course.ack(IW)
    assert course.phase is None
    assert course.cwnd == 2 * IW


@pytest.mark.parametrize("signal", Signal)
def test_RES_4_congestion_in_the_first_window_ends_it(signal: Signal) -> None:
    course = Course()
    course.controller.on_congestion(signal, IW, RTT)
    assert course.phase is None
    assert course.cwnd == IW // 2


def test_RES_5_what_was_saved_serves_one_connection_alone() -> None:
    first = Course()
    known = first.paths.look(KEY, 0.0)
    assert known is not None
    second = Course()
    second.controller = CarefulResume(second.inner, known, first.paths, KEY, second.over)
    first.to_unvalidated()
    second.ack(IW)
    assert second.phase is None
    assert second.cwnd == 2 * IW
    assert len(first.paths) == 0


def test_RES_6_the_jump_is_paced_over_a_round_trip() -> None:
    course = Course()
    assert course.controller.pacing_rate is None
    course.to_unvalidated()
    assert course.controller.pacing_rate == pytest.approx(SAVED / 2 / RTT)
    course.ack(2 * SMSS, at=2 * RTT)
    assert course.controller.pacing_rate is None


def test_RES_7_nothing_grows_while_it_is_not_validated() -> None:
    course = Course()
    course.ack(IW, sends=False)
    course.nxt = 80 * SMSS
    assert course.cwnd == SAVED // 2
    course.una -= 5 * SMSS  # of what left before the jump, some is still to come
    course.ack(3 * SMSS, at=1.5 * RTT, sends=False)
    assert course.phase is Phase.UNVALIDATED
    assert course.cwnd == SAVED // 2


def test_RES_7_the_first_octets_of_the_jump_that_arrive_validate_what_was_sent() -> None:
    course = Course().to_unvalidated()
    assert course.nxt - course.una == SAVED // 2
    course.ack(2 * SMSS, at=1.9 * RTT, sends=False)
    assert course.phase is Phase.VALIDATING
    assert course.cwnd == SAVED // 2 - 2 * SMSS  # the flight size


@pytest.mark.parametrize(("at", "phase"), [(2.0, Phase.UNVALIDATED), (2.1, Phase.VALIDATING)])
def test_RES_7_a_round_trip_is_as_good_as_an_acknowledgement(at: float, phase: Phase) -> None:
    """What is acknowledged here was sent before the jump."""
    course = Course()
    course.nxt = IW + 5 * SMSS
    course.ack(IW, sends=False)
    course.nxt = 90 * SMSS
    course.ack(SMSS, at=at * RTT, sends=False)
    assert course.phase is phase


def test_RES_8_a_jump_that_was_not_used_is_taken_back() -> None:
    course = Course()
    course.ack(IW, sends=False)
    course.nxt += 3 * SMSS
    course.ack(2 * SMSS, at=2 * RTT, sends=False)
    assert course.phase is None
    assert course.cwnd == IW  # and not less


def test_RES_9_the_window_grows_again_while_the_jump_is_validated() -> None:
    course = Course().to_validating()
    before = course.cwnd
    course.ack(10 * SMSS)
    assert course.phase is Phase.VALIDATING
    assert course.cwnd == before + 10 * SMSS


def test_RES_9_the_last_octet_of_the_jump_ends_it() -> None:
    """From there on slow start would only fill the queue of a path that is known."""
    course = Course().to_validating()
    course.ack(SAVED // 2 - 2 * SMSS, at=3 * RTT)
    assert course.after is course.inner
    assert course.inner.ssthresh == SAVED
    assert course.inner.pacing_rate is None


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize("validating", [False, True])
def test_RES_10_congestion_makes_it_retreat(signal: Signal, validating: bool) -> None:
    """To half of what has been seen to arrive, and what was saved is gone."""
    course = Course()
    if validating:
        course.to_validating()
        course.ack(20 * SMSS)
    else:
        course.to_unvalidated()
        course.una += SMSS
        course.controller.pipe_size += 30 * SMSS
    pipe = course.controller.pipe_size
    course.controller.on_congestion(signal, course.nxt - course.una, 3 * RTT)
    assert course.phase is Phase.SAFE_RETREAT
    assert course.cwnd == pipe // 2
    assert course.controller.pacing_rate is None
    assert len(course.paths) == 0


def test_RES_11_a_retreat_lasts_until_all_of_the_jump_has_arrived() -> None:
    course = Course().to_validating()
    last = course.nxt
    course.controller.on_congestion(Signal.LOSS, course.nxt - course.una, 3 * RTT)
    cwnd = course.cwnd
    course.ack(20 * SMSS, in_recovery=True, sends=False)
    course.controller.on_recovered(1 << 20, 3 * RTT)
    course.ack(10 * SMSS, sends=False)
    assert course.phase is Phase.SAFE_RETREAT
    assert course.cwnd == cwnd  # nothing grows
    course.ack(last - course.una, sends=False)
    assert course.after is course.inner
    assert course.inner.ssthresh == course.controller.pipe_size // 2
    assert course.cwnd == cwnd


def test_RES_11_what_is_lost_twice_makes_it_retreat_further() -> None:
    course = Course().to_validating()
    course.controller.on_congestion(Signal.LOSS, 100 * SMSS, 3 * RTT)
    course.controller.pipe_size = 40 * SMSS
    course.controller.on_congestion(Signal.LOSS, 50 * SMSS, 4 * RTT)
    assert course.cwnd >= 2 * SMSS
    for _ in range(10):
        course.controller.on_congestion(Signal.LOSS, 50 * SMSS, 4 * RTT)
    assert course.cwnd == 2 * SMSS


def test_RES_12_a_time_out_begins_with_one_segment_as_ever() -> None:
    course = Course().to_validating()
    pipe = course.controller.pipe_size
    course.controller.on_timeout(90 * SMSS, True, 5 * RTT)
    assert course.after is course.inner
    assert course.cwnd == SMSS
    assert course.inner.ssthresh <= max(pipe // 2, 2 * SMSS)


def test_RES_12_a_pause_ends_it() -> None:
    course = Course().to_unvalidated()
    course.controller.on_restart(5.0, 0.3, 6.0)
    assert course.after is course.inner
    assert course.cwnd == IW


def test_RES_2_a_pause_before_the_first_window_ends_nothing() -> None:
    course = Course()
    course.controller.on_restart(5.0, 0.3, 6.0)
    assert course.phase is Phase.RECONNAISSANCE


def test_segments_of_another_size_are_those_of_the_controller_behind_it() -> None:
    course = Course()
    course.controller.resize(500)
    assert (course.controller.smss, course.inner.smss) == (500, 500)


# -- what is saved -------------------------------------------------------------------------------


def test_RES_1_one_set_is_kept_for_each_path() -> None:
    paths = SavedPaths()
    paths.save(KEY, 100_000, 0.1, 1.0)
    paths.save(KEY, 200_000, 0.2, 2.0)
    assert len(paths) == 1
    known = paths.look(KEY, 2.0)
    assert known is not None
    assert (known.cwnd, known.rtt) == (200_000, 0.2)
    assert paths.look(("", "10.0.0.3", 0), 2.0) is None
    assert paths.look(("", "10.0.0.2", 46), 2.0) is None
    paths.clear()
    assert len(paths) == 0


def test_paths_are_remembered_for_their_lifetime_and_so_many_of_them() -> None:
    paths = SavedPaths(lifetime=10.0, most=3)
    for number in range(5):
        paths.save(("", str(number), 0), 100_000, 0.1, float(number))
    assert len(paths) == 3
    assert paths.look(("", "1", 0), 5.0) is None
    assert paths.look(("", "2", 0), 11.9) is not None
    assert paths.look(("", "2", 0), 12.0) is None
    # By a clock that has not come so far: it is another one.
    assert paths.look(("", "4", 0), 3.0) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"lifetime": 0.0},
        {"lifetime": math.inf},
        {"lifetime": math.nan},
        {"most": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SavedPaths(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"lifetime": "an hour"}, {"most": math.inf}, {"most": math.nan}, {"most": "all"}]
)
def test_settings_of_another_type_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="object"):
        SavedPaths(**wrong)


def test_a_config_takes_nothing_else() -> None:
    with pytest.raises(ValueError, match="careful_resume"):
        Config(careful_resume=True)  # type: ignore[arg-type]
