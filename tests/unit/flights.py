"""A flight of segments and what acknowledgements make of it, for tests of loss recovery.

Everything is in segments of 100 octets, counted from 0; the controller writes down what it hears.
"""

from collections.abc import Iterable
from typing import Any, Final

from rudp.config import Config
from rudp.core.congestion.controller import Ack, Controller, Signal
from rudp.core.loss.recovery import Phase
from rudp.core.send.flight import Flight
from rudp.core.send.news import News
from rudp.core.terms.timers import LossTimer

ISS: Final = 1000
FIRST: Final = ISS + 1
SMSS: Final = 100
RTT: Final = 0.1


class Recorder(Controller):
    """Has a window of its own choice and remembers what it was told since it was asked last."""

    __slots__ = ("heard", "losses")

    def __init__(self, smss: int, initial_window: int) -> None:
        super().__init__(smss, initial_window)
        self.cwnd = 1 << 20
        self.heard: list[str] = []
        self.losses: list[tuple[int, int, int]] = []

    def on_ack(self, ack: Ack) -> None:
        pass

    def on_congestion(self, signal: Signal, flight_size: int, now: float) -> None:
        self.heard.append(signal.name.lower())
        self.ssthresh = flight_size // 2
        self.cwnd = self.ssthresh

    def on_recovered(self, most: int, now: float) -> None:
        self.heard.append("recovered")
        self.cwnd = min(self.ssthresh, most)

    def on_timeout(self, flight_size: int, first: bool, now: float) -> None:
        self.heard.append("timeout" if first else "timeout again")
        self.cwnd = SMSS

    def on_undo(self, most: int, now: float) -> None:
        self.heard.append("undo")
        self.cwnd = min(1 << 20, most)

    def on_range_lost(
        self, octets: int, tx_in_flight: int, lost_since: int, app_limited: bool, now: float
    ) -> None:
        self.losses.append((octets, tx_in_flight, lost_since))


class Course:
    """A flight after a handshake of 100 ms, which ended at second 0."""

    def __init__(
        self, segments: int = 0, *, sack: bool = True, timestamps: bool = False, **config: Any
    ) -> None:
        self.now = 0.0
        self.flight = Flight(ISS, Config(**{"congestion": Recorder} | config))
        self.flight.syn_sent(ISS, -RTT)
        self.flight.syn_acked(ISS + 1, None, 0.0)
        self.flight.established(
            SMSS, sack=sack, timestamps=timestamps, syn_transmissions=1, tsecr=None, now=0.0
        )
        self.board = self.flight.board
        if segments:
            self.send(segments)

    @property
    def controller(self) -> Recorder:
        assert isinstance(self.flight.controller, Recorder)
        return self.flight.controller

    @property
    def phase(self) -> Phase:
        return self.flight.recovery.phase

    @property
    def lost(self) -> list[tuple[float, float]]:
        """The ranges called lost and not sent again."""
        return [((a - FIRST) / SMSS, (b - FIRST) / SMSS) for a, b in self.board.lost]

    @property
    def recover(self) -> float:
        """The recovery point."""
        return (self.flight.recovery.recover - FIRST) / SMSS

    def timer(self) -> tuple[LossTimer, Any]:
        """Which timer runs, and when it expires."""
        kind, deadline = self.flight.loss_deadline(self.now)
        return kind, round(deadline, 9)

    def send(self, segments: float, *, at: float | None = None, apart: bool = False) -> None:
        """Send new segments: as one run, or *apart*, a millisecond after each other."""
        self.now = self.now if at is None else at
        for n in range(round(segments) if apart else 1):
            self.now += 0.001 if n else 0.0
            nxt = self.board.snd_nxt
            size = SMSS if apart else round(segments * SMSS)
            self.flight.on_sent(nxt, nxt + size, self.now)

    def resend(self, *, at: float | None = None) -> list[tuple[float, float]]:
        """Send again what is called lost; return what that was."""
        self.now = self.now if at is None else at
        lost = self.lost
        for left, right in list(self.board.lost):
            self.flight.on_sent(left, right, self.now)
        return lost

    def ack(
        self,
        segment: float | None = None,
        *blocks: tuple[float, float],
        at: float | None = None,
        dsack: tuple[float, float] | None = None,
        echo: float | None = None,
        can_try: bool = True,
    ) -> list[str]:
        """Acknowledge all below *segment*, and SACK *blocks*; return what the controller heard.

        *echo*: when the segment that is answered was sent.
        """
        self.now = self.now if at is None else at
        seg_ack = self.board.snd_una if segment is None else _number(segment)
        news = News().begin(seg_ack, None if echo is None else int(echo * 1000 + 1e-6))
        news.sack_blocks = [(_number(a), _number(b)) for a, b in blocks]
        news.dsack = None if dsack is None else (_number(dsack[0]), _number(dsack[1]))
        news.duplicate = seg_ack == self.board.snd_una < self.board.snd_nxt
        news.can_try = can_try
        self.flight.on_ack(news, self.now)
        return self.heard()

    def sack(self, *blocks: tuple[float, float], at: float | None = None) -> list[str]:
        """SACK *blocks*, without moving SND.UNA."""
        return self.ack(None, *blocks, at=at)

    def duplicate(self, times: int = 1) -> list[str]:
        """The same acknowledgement again, *times* times; return what the last one meant."""
        heard: list[str] = []
        for _ in range(times):
            heard = self.ack()
        return heard

    def time_out(self, *, at: float | None = None) -> list[str]:
        """Let the retransmission timer expire, 0.3 seconds from now unless *at* another time."""
        self.now = self.now + 0.3 if at is None else at
        self.flight.on_retransmission_timeout(True, self.now)
        return self.heard()

    def heard(self) -> list[str]:
        """What the controller heard since it was asked last."""
        if not isinstance(self.flight.controller, Recorder):
            return []
        heard, self.controller.heard = self.controller.heard, []
        return heard


def _number(segment: float) -> int:
    return FIRST + round(segment * SMSS)


def octets(ranges: Iterable[tuple[int, int]]) -> set[int]:
    """Return every number in *ranges*."""
    return {n for left, right in ranges for n in range(left, right)}
