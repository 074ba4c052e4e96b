"""The scoreboard against a model that keeps a record for every single octet."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from rudp.core.loss.scoreboard import IN_FLIGHT, LOST, SACKED, Scoreboard, SentRun

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

    def acknowledge(self, seg_ack: int) -> tuple[set[int], bool]:
        left, self.una = self.una, seg_ack
        gone = {number: self.octets.pop(number) for number in range(left, seg_ack)}
        news = {number for number, octet in gone.items() if not octet.sacked}
        return news, any(octet.transmissions > 1 for octet in gone.values())

    def sack(self, left: int, right: int) -> set[int]:
        news = {number for number in range(left, right) if not self.octets[number].sacked}
        for octet in self.within(left, right):
            octet.sacked, octet.lost = True, False
        # Octets that are SACKed side by side become one run: the time of its first is kept, and all
        # of it counts as resent if any of it was.
        while left > self.una and self.octets[left - 1].sacked:
            left -= 1
        while right < self.nxt and self.octets[right].sacked:
            right += 1
        most = max(octet.transmissions for octet in self.within(left, right))
        for octet in self.within(left, right):
            octet.transmissions = most
            octet.sent_at = self.octets[left].sent_at
        return news

    def mark_range_lost(self, left: int, right: int) -> set[int]:
        news = set()
        for number in range(left, right):
            octet = self.octets[number]
            if not octet.sacked and not octet.lost:
                octet.lost = True
                news.add(number)
        return news

    def forget_losses(self) -> None:
        for octet in self.octets.values():
            octet.lost = False

    def forget_sacks(self) -> None:
        for octet in self.octets.values():
            if octet.sacked:
                octet.sacked, octet.lost = False, True

    def on_resent(self, left: int, right: int, now: float) -> set[int]:
        resent = set()
        for number in range(left, right):
            octet = self.octets[number]
            if not octet.sacked:
                octet.sent_at, octet.lost = now, False
                octet.transmissions += 1
                resent.add(number)
        return resent

    def check(self, board: Scoreboard) -> None:
        assert (board.snd_una, board.snd_nxt) == (self.una, self.nxt)
        octets = self.octets
        assert board.sacked == sum(octet.sacked for octet in octets.values())
        assert numbers(board.lost) == {n for n in octets if octets[n].lost}
        flying = {n for n, o in octets.items() if not o.sacked and not o.lost}
        assert board.in_flight == len(flying)
        at = self.una
        for run in board.runs:
            assert run.seq == at < run.end
            within = self.within(run.seq, run.end)
            fate = SACKED if within[0].sacked else LOST if within[0].lost else IN_FLIGHT
            assert run.fate == fate
            assert all(o.sacked == (fate == SACKED) and o.lost == (fate == LOST) for o in within)
            if fate != SACKED:
                assert {o.sent_at for o in within} == {run.sent_at}
                assert {o.transmissions for o in within} == {run.transmissions}
            at = run.end
        assert at == self.nxt
        by_time = list(board.oldest_first())
        assert octets_of(by_time) == flying
        assert [run.sent_at for run in by_time] == sorted(run.sent_at for run in by_time)


def octets_of(runs: list[SentRun]) -> set[int]:
    return {number for run in runs for number in range(run.seq, run.end)}


def numbers(ranges: object) -> set[int]:
    return {n for left, right in ranges for n in range(left, right)}  # type: ignore[attr-defined]


fractions = st.floats(0, 1)
steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "send",
                "send",
                "ack",
                "sack",
                "sack",
                "lose",
                "lose oldest",
                "resend",
                "resend lost",
                "forgive",
                "renege",
            ]
        ),
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
            news, resent = board.acknowledge(right)
            assert [run.seq for run in news] == sorted(run.seq for run in news)
            assert (octets_of(news), resent) == model.acknowledge(right)
        elif name == "sack" and model.una < left < right:
            assert octets_of(board.sack([(left, right)])) == model.sack(left, right)
        elif name == "lose" and left < right:
            lost = octets_of(board.mark_range_lost(left, right))
            assert lost == model.mark_range_lost(left, right)
        elif name == "lose oldest":
            for run in board.oldest_first():
                if run.sent_at > a * now:
                    break
                board.mark_lost(run)
                model.mark_range_lost(run.seq, run.end)
        elif name == "resend" and left < right:
            assert octets_of(board.on_resent(left, right, now)) == model.on_resent(left, right, now)
        elif name == "resend lost" and board.lost.octets:
            left, right = next(iter(board.lost))
            board.on_resent(left, right, now)
            model.on_resent(left, right, now)
        elif name == "forgive":
            board.forget_losses()
            model.forget_losses()
        elif name == "renege":
            board.forget_sacks()
            model.forget_sacks()
        model.check(board)


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


def spans(runs: list[SentRun]) -> list[tuple[int, int]]:
    return [(run.seq, run.end) for run in runs]


def test_an_acknowledgement_splits_a_run() -> None:
    """SB-7"""
    board = sent(100, 200)
    news, resent = board.acknowledge(150)
    assert (spans(news), resent) == ([(0, 100), (100, 150)], False)
    assert [(run.seq, run.end, run.sent_at) for run in board.runs] == [(150, 200, 2)]
    assert board.in_flight == 50


def test_both_parts_of_a_run_remember_what_it_knew() -> None:
    """SB-7: time, transmissions, and what the delivery rate needs."""
    board = sent(100)
    board.runs[0].is_probe = True
    board.runs[0].tx_in_flight = 77
    board.sack([(40, 60)])
    first, _, last = board.runs
    for run in (first, last):
        assert (run.sent_at, run.transmissions, run.is_probe, run.tx_in_flight) == (1, 1, True, 77)


def train(*segments: int) -> Scoreboard:
    """Return a board with one run of 1,000 octets for each of *segments*, which are its MSS."""
    board = Scoreboard(0)
    for mss in segments:
        board.on_sent(board.snd_nxt, board.snd_nxt + 1000, 1.0, mss)
    return board


def test_what_ends_within_a_segment_is_torn() -> None:
    """PMTU-5: where the segment began, what is missing of it, and where it ended."""
    board = train(300, 400)
    board.acknowledge(300)
    board.sack([(600, 750), (1000, 1400)])
    assert list(board.torn) == [(600, 750, 900)]
    board.torn = ()
    board.acknowledge(1900)  # the last segment of a run is shorter
    assert list(board.torn) == [(1800, 1900, 2000)]


def test_what_was_sent_again_may_have_come_in_other_segments() -> None:
    """PMTU-5, SB-7"""
    board = train(1000)
    board.mark_range_lost(0, 1000)
    board.on_resent(0, 1000, 2.0)
    board.acknowledge(300)
    assert board.torn == ()


def test_a_fin_is_a_segment_of_its_own() -> None:
    """An acknowledgement of all but the FIN tears nothing."""
    board = Scoreboard(0)
    board.on_sent(0, 501, 1.0, 1000)
    board.separate(500)
    board.acknowledge(500)
    assert (board.torn, spans(board.runs)) == ((), [(500, 501)])


def test_sacked_octets_are_not_news_again() -> None:
    """ACKP-3: delivered is counted once."""
    board = sent(100, 200)
    assert spans(board.sack([(100, 200)])) == [(100, 200)]
    assert board.sack([(100, 200)]) == []
    assert spans(board.sack([(50, 150)])) == [(50, 100)]
    assert board.in_flight == 50
    assert spans(board.acknowledge(200)[0]) == [(0, 50)]


def test_sacked_neighbours_become_one_run() -> None:
    """SB-8: what a lossy path leaves behind is as many objects as there are holes."""
    board = sent(*range(100, 1100, 100))
    for left in range(900, 0, -100):
        board.sack([(left, left + 100)])
    assert spans(board.runs) == [(0, 100), (100, 1000)]


def test_karn() -> None:
    """RTO-7, MUST-18: an acknowledgement that covers one resent octet is ambiguous."""
    board = sent(100, 200)
    board.mark_range_lost(0, 10)
    board.on_resent(0, 10, 5)
    assert [(run.seq, run.end, run.transmissions) for run in board.runs] == [
        (0, 10, 2),
        (10, 100, 1),
        (100, 200, 1),
    ]
    assert board.acknowledge(10)[1] is True
    assert board.acknowledge(100)[1] is False


def test_the_order_of_sending() -> None:
    """RACK-1: what is sent again goes to the end of the string, and keeps its number."""
    board = sent(100, 200, 300)
    board.on_resent(0, 100, 4)
    board.mark_range_lost(150, 160)
    board.on_resent(150, 160, 5)
    assert spans(list(board.oldest_first())) == [
        (100, 150),
        (160, 200),
        (200, 300),
        (0, 100),
        (150, 160),
    ]


def test_the_pipe() -> None:
    """SB-5, PRR-2: neither SACKed nor lost, and lost octets again once they are resent."""
    board = sent(1000)
    board.sack([(500, 700)])
    assert board.in_flight == 800
    board.mark_range_lost(0, 600)
    assert board.in_flight == 300
    board.on_resent(0, 100, 2)
    assert board.in_flight == 400


def test_sacked_octets_are_never_lost() -> None:
    """RTO-16: what is SACKed is not sent again."""
    board = sent(1000)
    board.sack([(200, 300), (400, 500)])
    board.mark_range_lost(0, 1000)
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
