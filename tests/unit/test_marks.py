"""What a controller is told of the marks of routers that a peer counts (RFC 9768)."""

from typing import Any

import pytest

from rudp.core.congestion.controller import Controller
from rudp.core.segment.transmit import ECT_0, ECT_1
from rudp.core.send.news import News
from tests.unit.flights import FIRST, RTT, SMSS, Course, Recorder


class Scalable(Recorder):
    """Answers each mark itself."""

    answers_marks = True
    ect = ECT_1


class Counted(Course):
    """A flight towards a peer that counts, told to *controller*."""

    def __init__(self, segments: int, controller: type[Recorder] = Recorder) -> None:
        super().__init__(0, congestion=_marks_noted(controller))
        self.flight.board.acknowledge(FIRST)
        self.flight.established(
            SMSS,
            sack=True,
            timestamps=False,
            syn_transmissions=1,
            accurate=True,
            tsecr=None,
            now=0.0,
        )
        self.send(segments)

    def told(self, segment: int, marked: int, octets: int, *, at: float) -> list[str]:
        """All below *segment* is acknowledged, and *marked* segments more had a mark."""
        news = News().begin(FIRST + segment * SMSS, None)
        news.ece, news.marked, news.marked_octets = marked > 0, marked, octets
        self.now = at
        self.flight.on_ack(news, at)
        return self.heard()


def _marks_noted(base: type[Recorder]) -> Any:
    class Noted(base):  # type: ignore[valid-type, misc]
        def on_ack(self, ack: Any) -> None:
            self.heard.append("ack")

        def on_marks(self, segments: int, octets: int, now: float) -> None:
            self.heard.append(f"{segments} marks, {octets} octets")

    return Noted


def test_AECN_11_one_reduction_for_each_window_whatever_was_counted() -> None:
    course = Counted(10)
    assert course.told(2, 1, 100, at=RTT) == ["1 marks, 100 octets", "ecn"]
    assert course.told(4, 2, 200, at=RTT) == ["2 marks, 200 octets"]
    assert course.told(6, 0, 0, at=RTT) == ["ack"]
    assert not course.flight.cwr_due  # CWR is part of a number there


def test_AECN_11_a_controller_that_answers_marks_hears_of_each_and_nothing_else() -> None:
    course = Counted(10, Scalable)
    assert course.told(2, 1, 100, at=RTT) == ["1 marks, 100 octets", "ack"]
    assert course.told(4, 2, 200, at=RTT) == ["2 marks, 200 octets", "ack"]
    assert course.told(4, 1, 0, at=RTT) == ["1 marks, 0 octets"]
    assert course.flight.marks is not None
    assert course.flight.marks.received == 3


@pytest.mark.parametrize(("kind", "ect"), [(Controller, ECT_0), (Scalable, ECT_1)])
def test_the_codepoint_is_the_controllers_choice(kind: type[Controller], ect: int) -> None:
    assert kind.ect == ect
