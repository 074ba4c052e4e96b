"""The scoreboard against a model that keeps a record for every single octet."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from rudp.core.scoreboard import Scoreboard

ISS = 0xFFFF_FFC0  # the numbers under test cross the wrap of the wire


@dataclasses.dataclass
class Octet:
    """What the model knows of one octet in [SND.UNA, SND.NXT)."""

    sent_at: float
    transmissions: int = 1
    sacked: bool = False
    lost: bool = False


class Model:
    """The same books as the scoreboard, kept the slow way."""

    def __init__(self) -> None:
        self.octets: dict[int, Octet] = {}
        self.una = ISS
        self.nxt = ISS

    def on_sent(self, end: int, now: float) -> None:
        for number in range(self.nxt, end):
            self.octets[number] = Octet(now)
        self.nxt = end

    def within(self, left: int, right: int) -> list[Octet]:
        return [self.octets[number] for number in range(left, right)]

    def acknowledge(self, seg_ack: int) -> tuple[int, float | None, bool]:
        gone = [self.octets.pop(number) for number in range(self.una, seg_ack)]
        self.una = seg_ack
        news = [octet for octet in gone if not octet.sacked]
        sent_at = news[0].sent_at if news else None
        return len(news), sent_at, any(octet.transmissions > 1 for octet in gone)

    def sack(self, blocks: list[tuple[int, int]]) -> int:
        news = 0
        for left, right in blocks:
            for octet in self.within(left, right):
                news += not octet.sacked
                octet.sacked, octet.lost = True, False
        return news

    def mark_lost(self, left: int, right: int) -> None:
        for octet in self.within(left, right):
            octet.lost = octet.lost or not octet.sacked

    def on_resent(self, left: int, right: int, now: float) -> None:
        for octet in self.within(left, right):
            octet.sent_at, octet.lost = now, False
            octet.transmissions += 1

    def check(self, board: Scoreboard) -> None:
        assert (board.snd_una, board.snd_nxt) == (self.una, self.nxt)
        octets = self.octets
        assert numbers(board.sacked) == {n for n in octets if octets[n].sacked}
        assert numbers(board.lost) == {n for n in octets if octets[n].lost}
        flying = [o for o in octets.values() if not o.sacked and not o.lost]
        assert board.in_flight == len(flying)
        at = self.una
        for run in board.runs:
            assert run.seq == at < run.end
            assert {(o.sent_at, o.transmissions) for o in self.within(run.seq, run.end)} == {
                (run.sent_at, run.transmissions)
            }
            at = run.end
        assert at == self.nxt


def numbers(ranges: object) -> set[int]:
    return {n for left, right in ranges for n in range(left, right)}  # type: ignore[attr-defined]


fractions = st.floats(0, 1)
steps = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "ack", "sack", "sack", "lose", "resend", "resend lost"]),
        fractions,
        fractions,
    ),
    max_size=50,
)


@given(steps)
@settings(max_examples=300)
def test_the_books_agree_with_the_model(actions: list[tuple[str, float, float]]) -> None:
    """SB-1, SB-5, SB-7, ACKP-3: after any sequence of events, octet for octet."""
    board, model = Scoreboard(ISS), Model()
    for now, (name, a, b) in enumerate(actions):
        held = model.nxt - model.una
        left = model.una + int(min(a, b) * held)
        right = model.una + int(max(a, b) * held)
        if name == "send":
            end = model.nxt + 1 + int(a * 30)
            board.on_sent(model.nxt, end, now)
            model.on_sent(end, now)
        elif name == "ack" and right > model.una:
            assert board.acknowledge(right) == model.acknowledge(right)
        elif name == "sack" and model.una < left < right:
            assert board.sack([(left, right)]) == model.sack([(left, right)])
        elif name == "lose":
            board.mark_lost(left, right)
            model.mark_lost(left, right)
        elif name == "resend" and left < right:
            board.on_resent(left, right, now)
            model.on_resent(left, right, now)
        elif name == "resend lost" and board.lost.octets:
            left, right = next(iter(board.lost))
            board.on_resent(left, right, now)
            model.on_resent(left, right, now)
        model.check(board)
        once = [number for number, octet in model.octets.items() if octet.transmissions == 1]
        held = model.nxt - model.una
        left = model.una + int(a * held)
        right = model.una + int(max(a, b) * held)
        assert numbers(board.sent_once(left, right)) == {n for n in once if left <= n < right}


# -- single rules ------------------------------------------------------------------------------


def sent(*ends: int) -> Scoreboard:
    """Return a board with runs that end at *ends*, sent at 1, 2, 3, ... seconds."""
    board = Scoreboard(0)
    for now, end in enumerate(ends, 1):
        board.on_sent(board.snd_nxt, end, now)
    return board


def test_one_run_is_one_object() -> None:
    board = sent(64_000)
    assert len(board.runs) == 1
    assert (board.in_flight, board.snd_nxt) == (64_000, 64_000)


def test_an_acknowledgement_splits_a_run() -> None:
    """SB-7"""
    board = sent(100, 200)
    assert board.acknowledge(150) == (150, 1, False)
    assert [(run.seq, run.end, run.sent_at) for run in board.runs] == [(150, 200, 2)]
    assert board.in_flight == 50


def test_sacked_octets_are_not_news_again() -> None:
    """ACKP-3: delivered is counted once."""
    board = sent(100, 200)
    assert board.sack([(100, 200)]) == 100
    assert board.sack([(100, 200)]) == 0
    assert board.sack([(50, 150)]) == 50
    assert board.in_flight == 50
    assert board.acknowledge(200) == (50, 1, False)


def test_no_time_for_what_was_sacked_altogether() -> None:
    """RTO-7: such an acknowledgement says nothing about the round trip of these octets."""
    board = sent(100, 200)
    board.sack([(50, 200)])
    assert board.acknowledge(50) == (50, 1, False)
    assert board.acknowledge(200) == (0, None, False)


def test_the_unsacked_end_of_a_run_gives_its_time() -> None:
    """RTO-8"""
    board = sent(100, 200)
    board.sack([(10, 150)])
    board.acknowledge(10)
    assert board.acknowledge(200) == (50, 2, False)


def test_karn() -> None:
    """RTO-7, MUST-18: an acknowledgement that covers one resent octet is ambiguous."""
    board = sent(100, 200)
    board.mark_lost(0, 10)
    board.on_resent(0, 10, 5)
    assert [(run.seq, run.end, run.transmissions) for run in board.runs] == [
        (0, 10, 2),
        (10, 100, 1),
        (100, 200, 1),
    ]
    assert board.acknowledge(10) == (10, 5, True)
    assert board.acknowledge(100) == (90, 1, False)


def test_karn_across_runs() -> None:
    """RTO-7"""
    board = sent(100, 200)
    board.on_resent(150, 160, 5)
    assert board.acknowledge(200) == (200, 1, True)


def test_the_pipe() -> None:
    """SB-5, PRR-2: neither SACKed nor lost, and lost octets again once they are resent."""
    board = sent(1000)
    board.sack([(500, 700)])
    assert board.in_flight == 800
    board.mark_lost(0, 600)
    assert board.in_flight == 300
    board.on_resent(0, 100, 2)
    assert board.in_flight == 400


def test_sacked_octets_are_never_lost() -> None:
    """RTO-16: what is SACKed is not sent again."""
    board = sent(1000)
    board.sack([(200, 300), (400, 500)])
    board.mark_lost(0, 1000)
    assert list(board.lost) == [(0, 200), (300, 400), (500, 1000)]
    board.sack([(0, 250)])
    assert list(board.lost) == [(300, 400), (500, 1000)]


def test_duplicates_leave_the_network() -> None:
    """NR-4, LT-1: without SACK each duplicate acknowledgement stands for one segment."""
    board = sent(1000)
    board.duplicates = 300
    assert board.in_flight == 700
    board.duplicates = 2000
    assert board.in_flight == 0


def test_sent_once_cuts_at_both_ends() -> None:
    board = sent(100, 200, 300)
    board.on_resent(100, 150, 4)
    assert board.sent_once(50, 250) == [(50, 100), (150, 200), (200, 250)]
    assert board.sent_once(110, 140) == []
    assert board.sent_once(160, 170) == [(160, 170)]
    assert board.sent_once(300, 400) == []
