"""The sending half: what goes next, when the timer runs, and what a closed window does."""

import itertools
from typing import Any

import pytest

from rudp.config import Config
from rudp.core.congestion.controller import initial_window
from rudp.core.congestion.newreno import NewReno
from rudp.core.loss.recovery import Phase
from rudp.core.send.news import News
from rudp.core.send.sender import R1, SWS_OVERRIDE, Sender
from rudp.core.terms.budget import Budget
from rudp.core.terms.timers import OFF, LossTimer, Timers

ISS = 0xFFFF_FC18  # 2**32 - 1000: every test crosses the wrap
ONE = ISS + 1  # the first octet of data
SMSS = 1000
RTO = 0.3  # after one sample of 100 ms: 100 + max(4 * 50, 200)


def wide(smss: int, window: int) -> NewReno:
    """A congestion window that is never what holds the sender back."""
    return NewReno(smss, 1 << 24)


class Half:
    """A sender after a handshake that took 100 ms; octets count from 0, the first of the data."""

    def __init__(
        self,
        window: int = 60_000,
        *,
        sack: bool = False,
        narrow: bool = False,
        config: Config | None = None,
        syn_transmissions: int = 1,
        memory: Budget | None = None,
        **settings: Any,
    ) -> None:
        if config is None:
            settings.setdefault("pacing", False)
            config = Config(congestion="newreno" if narrow else wide, **settings)
        self.timers = Timers()
        self.sender = Sender(ISS, config, self.timers, memory=memory)
        self.sender.syn_sent(-0.1)
        self.sender.on_ack(News().begin(ONE, None), 0.0)
        self.sender.snd_wnd = self.sender.max_snd_wnd = window
        self.sender.established(
            SMSS,
            sack=sack,
            timestamps=False,
            syn_transmissions=syn_transmissions,
            tsecr=None,
            now=0.0,
        )
        self.window = window

    def write(self, size: int) -> None:
        self.sender.buffer.append(bytes(size))

    def flush(self, now: float = 0.0, most: int = 64) -> list[tuple[int, int]]:
        """Send all that may be sent, then let the sender watch the window; return the runs."""
        runs: list[tuple[int, int]] = []
        while (run := self.sender.next_run(now, most, SMSS)) is not None:
            assert len(runs) < 1000
            self.sender.on_sent(run[0], run[1], now)
            runs.append((run[0] - ONE, run[1] - ONE))
        self.sender.watch_window(now)
        return runs

    def ack(
        self,
        octets: int,
        now: float = 0.1,
        *,
        window: int | None = None,
        sacked: list[tuple[int, int]] | None = None,
        echo: float | None = None,
    ) -> None:
        """An acknowledgement of everything below *octets*, with the window that goes with it."""
        if window is None:
            window = self.window
        sender = self.sender
        seg_ack = ONE + octets
        # An echo is the time in ms at which the segment that is answered left.
        stamp = None if echo is None else round((now - echo) * 1000)
        news = News().begin(seg_ack, stamp)
        news.sack_blocks = [(ONE + left, ONE + right) for left, right in sacked or []]
        news.duplicate = seg_ack == sender.snd_una < sender.snd_nxt and window == sender.snd_wnd
        sender.on_ack(news, now)
        sender.update_window(0, seg_ack, window, now)
        self.window = window

    def fire(self, now: float | None = None) -> tuple[int, int] | None:
        """Let the loss timer expire, and do what the connection does then; return a probe."""
        deadline = self.timers.loss
        assert deadline != OFF
        now = deadline if now is None else now
        self.timers.loss = OFF
        if self.timers.loss_kind is LossTimer.RTO:
            self.sender.on_retransmission_timeout(now)
            return None
        probe = self.sender.on_persist_timeout(now)
        assert probe is not None
        self.sender.on_probe_sent(probe[0], probe[1], now)
        return probe[0] - ONE, probe[1] - ONE

    @property
    def cwnd(self) -> int:
        return self.sender.flight.controller.cwnd


def kind(half: Half) -> LossTimer:
    return half.timers.loss_kind


# -- windows -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("smss", "window"),
    [
        (88, 880),
        (536, 5360),
        (1000, 10_000),
        (1440, 14_400),
        (1460, 14_600),
        (1480, 14_600),
        (8948, 17_896),
        (65_483, 130_966),
    ],
)
def test_initial_window(smss: int, window: int) -> None:
    """CC-1, DEF-18: min(10 * SMSS, max(2 * SMSS, 14600))."""
    assert initial_window(smss) == window


@pytest.mark.parametrize(("transmissions", "cwnd"), [(1, 10_000), (2, 10_000), (3, 1000)])
def test_a_syn_that_was_lost(transmissions: int, cwnd: int) -> None:
    """CC-2, CC-3: once is an accident; and the handshake does not grow the window."""
    half = Half(narrow=True, syn_transmissions=transmissions)
    assert half.cwnd == cwnd
    assert half.sender.flight.controller.ssthresh == 1 << 30


def test_the_first_flight() -> None:
    """CC-1, CC-7, SHLD-28: ten full segments, as one run."""
    half = Half(narrow=True)
    half.write(50_000)
    assert half.flush() == [(0, 10_000)]


def test_the_smaller_window_counts() -> None:
    """CC-7, ST-33"""
    half = Half(4000, narrow=True)
    half.write(50_000)
    assert half.flush() == [(0, 4000)]
    half.ack(1000, window=60_000)
    assert half.flush() == [(4000, 11_000)]


def test_slow_start_runs_on_the_acknowledged_octets() -> None:
    """CC-4, CC-6, MUST-19"""
    half = Half(narrow=True)
    half.write(100_000)
    half.flush()
    half.ack(10_000)
    assert half.cwnd == 20_000
    assert half.flush(0.1) == [(10_000, 30_000)]


def test_a_window_that_is_not_used_does_not_grow() -> None:
    """CC-6, TRAP-10: the application, or the receiver, was the limit."""
    half = Half(narrow=True)
    for n in range(20):
        half.write(2000)
        half.flush(0.1 * n)
        half.ack(2000 * (n + 1), 0.1 * n + 0.05)
    assert half.cwnd == 10_000
    half = Half(4000, narrow=True)
    half.write(80_000)
    for n in range(20):
        half.flush(0.1 * n)
        half.ack(4000 * (n + 1), 0.1 * n + 0.05)
    assert half.cwnd == 10_000


def test_after_idle() -> None:
    """CC-8, DEF-26: nothing sent for more than an RTO brings the restart window back."""
    half = Half(narrow=True)
    half.write(30_000)
    half.flush()
    half.ack(10_000)
    half.flush(0.1)
    half.ack(30_000, 0.2)
    assert half.cwnd == 40_000
    half.write(50_000)
    assert half.flush(100.0) == [(30_000, 40_000)]
    assert half.cwnd == 10_000


def test_after_a_short_pause() -> None:
    """CC-8: up to one RTO is no idle time; and the rule can be switched off."""
    for now, restart in ((0.35, True), (100.0, False)):
        half = Half(narrow=True, slow_start_after_idle=restart)
        half.write(10_000)
        half.flush(0.1)
        half.ack(10_000, 0.2)
        before = half.cwnd
        half.write(60_000)
        half.flush(now)
        assert half.cwnd == before > 10_000 - 1


def test_cwnd_below_a_segment_still_sends_one() -> None:
    """RTO-15: the loss window is one segment, whatever cwnd a controller arrives at."""
    half = Half(config=Config(congestion=lambda smss, iw: NewReno(smss, 10)))
    half.write(3000)
    assert half.flush() == [(0, 1000)]


def test_the_send_buffer_is_a_limit() -> None:
    """BUF-4"""
    half = Half(config=Config(congestion=wide, send_buffer=4096))
    half.write(50_000)
    assert sum(b - a for a, b in half.flush()) <= 4096
    half.ack(4000)
    assert sum(b - a for a, b in half.flush()) <= 4096


def test_BUF_6_beyond_a_share_the_send_buffers_have_a_bound_together() -> None:
    """What one leaves, by being acknowledged or by its end, the other may have."""
    memory = Budget(20_000, share=10_000)
    first, second = (
        Half(config=Config(congestion=wide, pacing=False), memory=memory) for _ in "ab"
    )
    for half in (first, second):
        half.write(100_000)
    assert sum(b - a for a, b in first.flush(most=1)) == 30_000
    assert memory.used == 20_000
    assert sum(b - a for a, b in second.flush(most=1)) == 10_000
    first.ack(1000)
    assert first.flush(most=1) == [(30_000, 31_000)]
    first.sender.end()
    assert memory.used == 0
    second.ack(10_000)
    assert sum(b - a for a, b in second.flush(most=1)) == 30_000
    assert memory.used == 20_000
    second.ack(40_000)
    assert sum(b - a for a, b in second.flush(most=1)) == 30_000
    second.sender.end()
    assert memory.used == 0


# -- full segments, small segments ---------------------------------------------------------------


def test_writes_collapse_into_full_segments() -> None:
    """SHLD-27, SHLD-28, MAY-16"""
    half = Half()
    for _ in range(100):
        half.write(25)
    assert half.flush() == [(0, 2500)]


def test_a_run_holds_no_more_segments_than_asked_for() -> None:
    half = Half()
    half.write(5500)
    assert half.flush(most=2) == [(0, 2000), (2000, 4000), (4000, 5500)]


def test_nodelay_sends_at_once() -> None:
    """NAG-1, MUST-17, MUST-60, DEF-15: Nagle is off as delivered."""
    half = Half()
    for n in range(5):
        half.write(100)
        assert half.flush() == [(100 * n, 100 * n + 100)]


def test_nagle() -> None:
    """NAG-1, SHLD-7, MUST-60: small data waits for the acknowledgement of small data, no longer."""
    half = Half(nodelay=False)
    half.write(100)
    assert half.flush() == [(0, 100)]
    half.write(100)
    half.write(100)
    assert half.flush() == []
    half.ack(100)
    assert half.flush() == [(100, 300)]


def test_nagle_lets_full_segments_go() -> None:
    """NAG-1, SHLD-28"""
    half = Half(nodelay=False)
    half.write(100)
    half.flush()
    half.write(2300)
    assert half.flush() == [(100, 2100)]
    half.ack(100)
    assert half.flush() == [(2100, 2400)]


def test_minshall() -> None:
    """NAG-2: only a small segment in flight holds back a small one, not a full one."""
    half = Half(nodelay=False)
    half.write(2000)
    half.flush()
    half.write(300)
    assert half.flush() == [(2000, 2300)]
    half.write(300)
    assert half.flush() == []
    half.ack(2000)
    assert half.flush() == []
    half.ack(2300)
    assert half.flush() == [(2300, 2600)]


def test_nagle_can_be_switched_at_any_time() -> None:
    """MUST-17, NAG-1"""
    half = Half(nodelay=False)
    half.write(100)
    half.flush()
    half.write(100)
    assert half.flush() == []
    half.sender.nodelay = True
    assert half.flush() == [(100, 200)]
    half.sender.nodelay = False
    half.write(100)
    assert half.flush() == []


def test_a_fin_lifts_nagle() -> None:
    """NAG-3: the FIN rides on the last data."""
    half = Half(nodelay=False)
    half.write(100)
    half.flush()
    half.write(100)
    assert half.flush() == []
    half.sender.fin_seq = half.sender.buffer.end
    assert half.flush() == [(100, 201)]
    assert not half.sender.fin_acked
    half.ack(201)
    assert half.sender.fin_acked


def test_a_fin_alone() -> None:
    half = Half()
    half.sender.fin_seq = half.sender.buffer.end
    assert half.flush() == [(0, 1)]
    assert half.flush() == []
    assert half.sender.has_work is False


def test_a_fin_needs_room_in_the_window() -> None:
    """ZWP-1: it has a sequence number like any octet."""
    half = Half(1000)
    half.write(1000)
    half.sender.fin_seq = half.sender.buffer.end
    assert half.flush() == [(0, 1000)]
    half.ack(1000, window=1000)
    assert half.flush() == [(1000, 1001)]


# -- silly windows (RFC 9293 §3.8.6.2.1) ---------------------------------------------------------


def test_part_of_a_segment_is_not_worth_sending() -> None:
    """SWS-1, SWS-2, MUST-38: 300 octets of window, 5000 of data, and 10000 were offered once."""
    half = Half(10_000)
    half.write(15_000)
    assert half.flush() == [(0, 10_000)]
    half.ack(10_000, window=300)
    assert half.flush() == []


def test_nothing_is_sent_that_leaves_a_crumb_of_window() -> None:
    """SWS-2, MUST-38: full segments, and what is left of the window stays."""
    half = Half(2500)
    half.write(5000)
    assert half.flush() == [(0, 2000)]


def test_all_that_is_queued_goes_if_it_fits() -> None:
    """SWS-2 (b): D =< U."""
    half = Half(2500)
    half.write(2400)
    assert half.flush() == [(0, 2400)]


@pytest.mark.parametrize(("window", "expected"), [(299, []), (300, [(600, 900)])])
def test_half_of_the_largest_window_is_worth_it(
    window: int, expected: list[tuple[int, int]]
) -> None:
    """SWS-2 (c): a peer that never offers a full segment is served by halves of what it offers."""
    half = Half(600)
    half.write(5000)
    assert half.flush() == [(0, 600)]
    half.ack(600, window=window)
    assert half.flush() == expected


def test_half_of_the_largest_window_under_nagle() -> None:
    """SWS-2 (c): with Nagle on, only if nothing is outstanding."""
    half = Half(600, nodelay=False)
    half.write(5000)
    assert half.flush() == [(0, 600)]
    half.ack(100, window=900)
    assert half.flush() == []
    half.ack(600, window=600)
    assert half.flush() == [(600, 1200)]


def test_the_override() -> None:
    """SWS-2 (d), SWS-3, DEF-16, MUST-60: after 0.2 s what fits goes all the same."""
    assert SWS_OVERRIDE == 0.2
    half = Half(10_000)
    half.write(15_000)
    half.flush()
    half.ack(10_000, 1.0, window=300)
    assert half.flush(1.0) == []
    assert half.timers.loss == pytest.approx(1.2)
    assert kind(half) is LossTimer.PERSIST
    assert half.fire() == (10_000, 10_300)


def test_what_the_override_released_is_data_like_any() -> None:
    """RTO-9, NAG-2: one RTO later it is sent again; and it counts as small."""
    half = Half(10_000, nodelay=False)
    half.write(10_400)
    half.flush()
    half.ack(10_000, 0.1, window=300)
    half.flush(0.1)
    rto = half.sender.flight.rtt.rto
    half.fire(0.3)
    assert half.timers.loss == pytest.approx(0.3 + rto)
    assert kind(half) is LossTimer.RTO
    half.sender.update_window(0, half.sender.snd_una, 5000, 0.4)
    assert half.flush(0.4) == []
    half.ack(10_300, 0.5, window=5000)
    assert half.flush(0.5) == [(10_300, 10_400)]


def test_no_override_while_something_is_outstanding() -> None:
    """SWS-3: its acknowledgement will bring news."""
    half = Half(10_000)
    half.write(15_000)
    half.flush()
    half.ack(9000, window=1300)
    assert half.flush(0.1) == []
    assert kind(half) is LossTimer.RTO


# -- shrinking windows (RFC 9293 §3.8.6) ---------------------------------------------------------


def test_a_negative_usable_window() -> None:
    """MUST-34, SWS-1, SHLD-15: nothing new is sent beyond the edge that moved left."""
    half = Half(10_000)
    half.write(30_000)
    assert half.flush() == [(0, 10_000)]
    half.ack(2000, window=3000)
    assert half.flush() == []
    assert half.sender.snd_nxt == ONE + 10_000
    half.ack(5000, window=6000)
    assert half.flush() == [(10_000, 11_000)]


def test_old_data_inside_a_shrunk_window_is_sent_again() -> None:
    """SHLD-16, MAY-7: and none beyond it."""
    half = Half(10_000)
    half.write(30_000)
    half.flush()
    half.ack(2000, 0.1, window=3000)
    half.fire()
    assert half.flush(0.5) == [(2000, 3000)]
    half.ack(3000, 0.6, window=2000)
    assert half.flush(0.6) == [(3000, 5000)]


def test_the_first_segment_is_sent_again_even_beyond_the_edge() -> None:
    """MUST-35, MUST-34: a window that shrank to nothing is probed by the retransmission."""
    half = Half(10_000)
    half.write(30_000)
    half.flush()
    half.ack(2000, 0.1, window=0)
    for _ in range(4):
        half.fire()
        assert half.flush(half.timers.loss) == [(2000, 3000)]


def test_a_shrunk_window_does_not_time_the_connection_out() -> None:
    """SHLD-17, MUST-37, ZWP-4: as long as the peer answers."""
    half = Half(10_000, user_timeout=100.0)
    half.write(10_000)
    half.flush()
    half.ack(2000, 0.1, window=3000)
    now = 0.1
    while now < 1000:
        now = half.timers.loss
        assert not half.sender.gave_up(now)
        half.fire()
        half.flush(now)
        half.ack(2000, now + 0.1, window=3000)
    assert not half.sender.gave_up(now + 0.2)


def test_it_does_without_an_answer() -> None:
    """FAIL-2"""
    half = Half(10_000, user_timeout=100.0)
    half.write(10_000)
    half.flush()
    half.ack(2000, 0.1, window=3000)
    while half.timers.loss < 100.1:
        assert not half.sender.gave_up(half.timers.loss)
        half.fire()
        half.flush(half.timers.loss)
    assert half.timers.loss == pytest.approx(100.1)
    assert half.sender.gave_up(half.timers.loss)


# -- the window that counts (step 5) -------------------------------------------------------------


def test_which_segment_may_set_the_window() -> None:
    """TRAP-1: not one with an older SEG.SEQ and no newer SEG.ACK, nor the other way round."""
    sender = Half().sender
    sender.update_window(100, ONE, 5000, 0.0)
    assert not sender.update_window(99, ONE, 1, 0.0)
    assert not sender.update_window(99, ONE - 1, 1, 0.0)
    assert not sender.update_window(100, ONE - 1, 1, 0.0)
    assert sender.snd_wnd == 5000
    assert sender.update_window(100, ONE, 4000, 0.0)
    assert not sender.update_window(100, ONE, 4000, 0.0)
    assert sender.update_window(101, ONE, 6000, 0.0)
    assert (sender.snd_wl1, sender.snd_wl2, sender.snd_wnd) == (101, ONE, 6000)


def test_the_largest_window_is_remembered() -> None:
    """CHAL-2, SWS-2"""
    sender = Half(500).sender
    sender.update_window(1, ONE, 9000, 0.0)
    sender.update_window(2, ONE, 100, 0.0)
    assert sender.max_snd_wnd == 9000


# -- zero windows (RFC 9293 §3.8.6.1) ------------------------------------------------------------


def closed(written: int = 5000, **settings: Any) -> Half:
    """Return a sender whose peer has taken 2000 octets and shut the window at 1.0 s."""
    half = Half(2000, **settings)
    half.write(2000 + written)
    half.flush(0.9)
    half.ack(2000, 1.0, window=0)
    assert half.flush(1.0) == []
    return half


def test_the_first_probe_after_one_rto() -> None:
    """ZWP-1, SHLD-29, MUST-36: and not before; here the RTO is 0.3 s still."""
    half = closed()
    assert kind(half) is LossTimer.PERSIST
    assert half.timers.loss == pytest.approx(1.0 + half.sender.flight.rtt.rto)
    assert half.fire() == (2000, 2001)


def test_no_probe_without_data() -> None:
    """ZWP-1: a window may stay shut for as long as nobody has anything to send."""
    half = closed(0)
    assert half.timers.loss == OFF
    half.write(1)
    half.flush(500.0)
    assert half.timers.loss == pytest.approx(500.0 + half.sender.flight.rtt.rto)


def test_a_probe_is_one_octet_sent_again_and_again() -> None:
    """ZWP-2: SND.NXT moves the first time only."""
    half = closed()
    for _ in range(5):
        assert half.fire() == (2000, 2001)
        assert half.sender.snd_nxt == ONE + 2001
        half.ack(2000, half.timers.loss - 0.01, window=0)
        assert half.flush(half.timers.loss - 0.01) == []


def test_probes_come_at_doubling_intervals() -> None:
    """ZWP-1, SHLD-30, DEF-17: one RTO, then twice as long each time, up to 60 s."""
    half = closed(user_timeout=None)
    rto = half.sender.flight.rtt.rto
    times = [1.0]
    for _ in range(12):
        times.append(half.timers.loss)
        half.fire()
        half.ack(2000, half.timers.loss - 0.01, window=0)
    intervals = [b - a for a, b in itertools.pairwise(times)]
    assert intervals == pytest.approx([min(rto * 2**n, 60.0) for n in range(12)])


def test_answered_probes_keep_the_connection_for_ever() -> None:
    """ZWP-3, MUST-37, ZWP-7, TRAP-4: a week of them, with a user timeout of 100 s."""
    half = closed(user_timeout=100.0)
    now = 1.0
    probes = 0
    while now < 7 * 86_400:
        now = half.timers.loss
        assert not half.sender.gave_up(now)
        assert half.fire() == (2000, 2001)
        half.ack(2000, now + 0.1, window=0)
        probes += 1
    assert probes > 1000
    assert half.sender.flight.rtt.backoffs == 0


def test_probes_without_answer_end_at_r2() -> None:
    """ZWP-3, FAIL-2, TRAP-9"""
    half = closed(user_timeout=100.0)
    while not half.sender.gave_up(half.timers.loss):
        assert half.timers.loss < 101.0
        half.fire()
    assert half.timers.loss == pytest.approx(101.0)


def test_a_probe_that_is_taken_is_progress() -> None:
    """ZWP-2, SHLD-30: the next octet follows, at growing intervals as long as it is shut."""
    half = closed()
    for _ in range(4):
        half.fire()
    half.ack(2001, 10.0, window=0)
    assert half.flush(10.0) == []
    assert half.timers.loss == pytest.approx(10.0 + 16 * half.sender.flight.rtt.rto)
    assert half.fire() == (2001, 2002)


def test_an_open_window_is_used_at_once() -> None:
    """ZWP-5: before the first probe."""
    half = closed()
    half.ack(2000, 1.1, window=4000)
    assert half.flush(1.1) == [(2000, 6000)]
    assert kind(half) is LossTimer.RTO
    assert half.timers.loss == pytest.approx(1.1 + half.sender.flight.rtt.rto)


def test_an_open_window_after_refused_probes() -> None:
    """ZWP-5, MUST-36: the octet that was refused goes again, and the rest with it."""
    half = closed()
    for _ in range(6):
        half.fire()
        half.ack(2000, half.timers.loss - 0.01, window=0)
    now = half.timers.loss - 0.005
    half.ack(2000, now, window=4000)
    assert half.flush(now) == [(2000, 2001), (2001, 5001)]
    assert half.timers.loss == pytest.approx(now + half.sender.flight.rtt.rto)


def test_a_probe_says_nothing_about_congestion() -> None:
    """ZWP-4"""
    half = Half(2000, narrow=True)
    half.write(7000)
    half.flush(0.9)
    half.ack(2000, 1.0, window=0)
    half.flush(1.0)
    before = half.cwnd
    for _ in range(8):
        half.fire()
    assert half.cwnd == before
    assert half.sender.flight.controller.ssthresh == 1 << 30


def test_a_window_that_closes_over_outstanding_data() -> None:
    """ZWP-4, MUST-35: the retransmission timer goes on, and no loss is booked for it."""
    half = Half(10_000, narrow=True)
    half.write(20_000)
    half.flush()
    half.ack(2000, 0.1, window=0)
    before = half.cwnd
    for _ in range(5):
        assert kind(half) is LossTimer.RTO
        half.fire()
        half.flush(half.timers.loss - 0.1)
        half.ack(2000, half.timers.loss - 0.05, window=0)
    assert half.cwnd == before


def test_a_window_that_opens_over_outstanding_data() -> None:
    """ZWP-5: what was refused while it was shut goes at once, not when the timer comes round."""
    half = Half(10_000)
    half.write(10_000)
    half.flush()
    half.ack(2000, 0.1, window=0)
    for _ in range(6):
        half.fire()
        assert half.flush(half.timers.loss - 0.1) == [(2000, 3000)]
        half.ack(2000, half.timers.loss - 0.05, window=0)
    now = half.timers.loss - 5.0
    half.ack(2000, now, window=8000)
    sent = half.flush(now)
    assert sent[0][0] == 2000
    assert sent[-1][1] == 10_000


def test_a_window_that_was_shut_for_a_moment() -> None:
    """ZWP-5: no time-out yet, so nothing says that what is outstanding was refused."""
    half = Half(10_000)
    half.write(10_000)
    half.flush()
    half.ack(2000, 0.1, window=0)
    half.ack(2000, 0.15, window=8000)
    assert half.flush(0.15) == []


def test_a_fin_is_a_probe_as_well() -> None:
    """ZWP-2"""
    half = closed(0)
    half.sender.fin_seq = half.sender.buffer.end
    assert half.flush(2.0) == []
    assert half.fire() == (2000, 2001)


# -- the retransmission timer --------------------------------------------------------------------


def test_the_timer_runs_while_something_is_outstanding() -> None:
    """RTO-9, RTO-10, MUST-18: the first send starts it, news restart it, the last ACK stops it."""
    half = Half()
    assert half.timers.loss == OFF
    half.write(1000)
    half.flush(1.0)
    assert half.timers.loss == pytest.approx(1.0 + RTO)
    assert kind(half) is LossTimer.RTO
    half.write(1000)
    half.flush(1.05)
    assert half.timers.loss == pytest.approx(1.0 + RTO)
    half.ack(1000, 1.1)
    assert half.timers.loss == pytest.approx(1.1 + half.sender.flight.rtt.rto)
    half.ack(1000, 1.15)
    assert half.timers.loss == pytest.approx(1.1 + half.sender.flight.rtt.rto)
    half.ack(2000, 1.2)
    assert half.timers.loss == OFF


def test_the_rto_doubles() -> None:
    """RTO-11, RTO-12: 0.3, 0.6, 1.2, ... 60 s; each time the first segment alone."""
    half = Half(user_timeout=None)
    half.write(5000)
    half.flush(0.0)
    times = [0.0]
    for _ in range(10):
        times.append(half.timers.loss)
        half.fire()
        assert half.flush(times[-1])[0][0] == 0
    intervals = [b - a for a, b in itertools.pairwise(times)]
    assert intervals == pytest.approx([min(RTO * 2**n, 60.0) for n in range(10)])


def test_a_time_out_starts_from_one_segment() -> None:
    """RTO-15, RTO-16, MUST-19, CC-9: half of FlightSize, once; cwnd one segment; slow start."""
    half = Half(narrow=True, undo=False)
    half.write(50_000)
    half.flush()
    half.fire()
    assert (half.cwnd, half.sender.flight.controller.ssthresh) == (1000, 5000)
    assert half.flush(0.3) == [(0, 1000)]
    half.fire()
    assert (half.cwnd, half.sender.flight.controller.ssthresh) == (1000, 5000)
    assert half.flush(0.9) == [(0, 1000)]
    half.ack(1000, 1.0)
    assert half.cwnd == 2000
    assert half.flush(1.0) == [(1000, 3000)]
    half.ack(3000, 1.1)
    assert half.flush(1.1) == [(3000, 7000)]


def test_what_was_sacked_is_not_sent_again() -> None:
    """RTO-16, SB-3"""
    half = Half(sack=True, loss_detection="rfc6675", undo=False)
    half.write(5000)
    half.flush()
    half.ack(0, 0.1, sacked=[(1000, 2000), (3000, 4000)])
    half.fire()
    sent = half.flush(0.5)
    for octets in (2000, 4000):
        half.ack(octets, 0.6)
        sent += half.flush(0.6)
    assert sent == [(0, 1000), (2000, 3000), (4000, 5000)]


def test_karn() -> None:
    """RTO-7, RTO-12, MUST-18: the acknowledgement of a segment sent twice is no sample."""
    half = Half()
    half.write(1000)
    half.flush(1.0)
    half.fire()
    half.flush(1.3)
    half.ack(1000, 1.4)
    assert half.sender.flight.rtt.srtt == pytest.approx(0.1)
    assert half.sender.flight.rtt.rto == pytest.approx(2 * RTO)
    half.write(1000)
    half.flush(2.0)
    half.ack(2000, 2.1)
    assert half.sender.flight.rtt.backoffs == 0
    assert half.sender.flight.rtt.rto < 2 * RTO


def test_a_timestamp_tells_which_copy_was_answered() -> None:
    """RTO-7: the second, 20 ms ago.  SRTT = 7/8 * 100 + 1/8 * 20."""
    half = Half()
    half.write(1000)
    half.flush(1.0)
    half.fire()
    half.flush(1.3)
    half.ack(1000, 1.4, echo=0.02)
    assert half.sender.flight.rtt.srtt == pytest.approx(0.09)


def test_one_sample_for_a_round_trip() -> None:
    """RTO-4, RTO-8: ten acknowledgements for one flight count once, the next flight again.

    SRTT goes from 100 to 7/8 * 100 + 1/8 * 180 = 110 ms.
    """
    half = Half()
    half.write(10_000)
    half.flush(1.0)
    for n in range(1, 11):
        half.ack(1000 * n, 1.17 + n / 100)
    assert half.sender.flight.rtt.srtt == pytest.approx(0.11)
    half.write(1000)
    half.flush(2.0)
    half.ack(11_000, 2.11)
    assert half.sender.flight.rtt.rttvar < 0.05


def test_a_sample_needs_progress() -> None:
    """RTO-7: a duplicate's timestamp is not looked at."""
    half = Half()
    half.write(2000)
    half.flush(1.0)
    half.ack(0, 1.5, echo=0.5)
    assert half.sender.flight.rtt.srtt == pytest.approx(0.1)


def test_a_lost_syn_makes_the_first_rto_three_seconds() -> None:
    """RTO-13: no timestamps, so the SYN's acknowledgement gave no sample."""
    timers = Timers()
    sender = Sender(ISS, Config(), timers)
    sender.syn_sent(0.0)
    sender.on_syn_timeout(1.0)
    assert sender.flight.rtt.rto == 2.0
    sender.syn_sent(1.0)
    sender.on_ack(News().begin(ONE, None), 1.1)
    sender.established(SMSS, sack=False, timestamps=False, syn_transmissions=2, tsecr=None, now=1.1)
    assert sender.flight.rtt.rto == 3.0
    sender.snd_wnd = sender.max_snd_wnd = 10_000
    sender.buffer.append(bytes(10))
    run = sender.next_run(1.1, 64, SMSS)
    assert run is not None
    sender.on_sent(*run, 1.1)
    assert timers.loss == pytest.approx(4.1)
    sender.on_ack(News().begin(ONE + 10, None), 1.2)
    assert sender.flight.rtt.rto == pytest.approx(RTO)


def test_r1() -> None:
    """FAIL-1, SHLD-10, MUST-20: three retransmissions of one segment."""
    assert R1 == 3
    half = Half()
    half.write(1000)
    half.flush()
    seen = []
    for _ in range(4):
        half.fire()
        half.flush(half.timers.loss)
        seen.append(half.sender.is_troubled)
    assert seen == [False, False, True, True]


@pytest.mark.parametrize("timeout", [10.0, 300.0])
def test_r2(timeout: float) -> None:
    """FAIL-2, MUST-20, MUST-21, SHLD-11: counted from the first transmission of what is stuck."""
    half = Half(user_timeout=timeout)
    assert Config().user_timeout == 300.0 >= 100.0
    half.write(1000)
    half.flush(5.0)
    half.ack(1000, 6.0)
    half.write(1000)
    half.flush(50.0)
    while not half.sender.gave_up(half.timers.loss):
        assert half.timers.loss < 50.0 + timeout
        half.fire()
        half.flush(half.timers.loss)
    assert half.timers.loss == pytest.approx(50.0 + timeout)


def test_progress_starts_r2_anew() -> None:
    """FAIL-2: time without progress, not time."""
    half = Half(user_timeout=10.0)
    half.write(100_000)
    half.flush()
    for n in range(1, 101):
        assert not half.sender.gave_up(9.0 * n)
        half.ack(1000 * n, 9.0 * n)


def test_r2_can_be_infinite() -> None:
    """MUST-21: and changed at any time."""
    half = Half(user_timeout=None)
    half.write(1000)
    half.flush()
    assert not half.sender.gave_up(1e9)
    half.sender.user_timeout = 5.0
    assert half.sender.gave_up(5.0)


# -- fast retransmit -----------------------------------------------------------------------------


def test_fast_retransmit_and_recovery() -> None:
    """NR-3, NR-4, NR-6, CC-9: the hole at once, then a new segment for each further duplicate.

    Ten segments in flight, so ssthresh = 5000 and the window 5000 + 3000 + 1000 for each duplicate
    after the third.  It passes 12000, which is outstanding by then, with the eighth.
    """
    half = Half(narrow=True)
    half.write(100_000)
    half.flush()
    sent = []
    for n in range(9):
        half.ack(0, 0.1 + n / 1000)
        sent.append(half.flush(0.1 + n / 1000))
    assert sent == [
        [(10_000, 11_000)],  # limited transmit
        [(11_000, 12_000)],
        [(0, 1000)],  # the fast retransmission
        [],
        [],
        [],
        [],
        [(12_000, 13_000)],
        [(13_000, 14_000)],
    ]
    assert half.sender.flight.controller.ssthresh == 5000
    assert half.sender.flight.recovery.phase is Phase.FAST
    half.ack(12_000, 0.3)
    assert half.cwnd == 3000
    assert half.flush(0.3) == [(14_000, 15_000)]


def test_limited_transmit_is_not_counted() -> None:
    """NR-3, LT-1: ssthresh is half of ten segments, not of the twelve that are out by then."""
    for sack in (False, True):
        half = Half(narrow=True, sack=sack)
        half.write(100_000)
        half.flush()
        for n in (1, 2, 3):
            half.ack(0, 0.1, sacked=[(1000, 1000 + 1000 * n)] if sack else None)
            half.flush(0.1)
        assert half.sender.flight.controller.ssthresh == 5000


def test_limited_transmit_needs_room_in_the_peers_window() -> None:
    """LT-1"""
    half = Half(10_000, narrow=True)
    half.write(100_000)
    half.flush()
    half.ack(0)
    assert half.flush(0.1) == []


def test_a_partial_acknowledgement_sends_the_next_hole_at_once() -> None:
    """NR-5"""
    half = Half(narrow=True)
    half.write(10_000)
    half.flush()
    for _ in range(3):
        half.ack(0)
    assert half.flush(0.1) == [(0, 1000)]
    half.ack(4000, 0.2)
    assert half.flush(0.2) == [(4000, 5000)]
    assert half.timers.loss == pytest.approx(0.2 + half.sender.flight.rtt.rto)
    deadline = half.timers.loss
    half.ack(7000, 0.3)
    assert half.flush(0.3) == [(7000, 8000)]
    assert half.timers.loss == deadline


def test_recovery_with_sack() -> None:
    """SB-4, SB-6, CC-7, CC-9: every hole, in order, as the pipe allows; then new data."""
    half = Half(sack=True, narrow=True, loss_detection="rfc6675", prr=False)
    half.write(100_000)
    half.flush()
    half.ack(0, 0.1, sacked=[(1000, 2000)])
    assert half.flush(0.1) == [(10_000, 11_000)]
    half.ack(0, 0.1, sacked=[(1000, 2000), (3000, 4000), (5000, 6000)])
    assert half.sender.flight.controller.ssthresh == 5000
    # Outstanding 11000, SACKed 3000, lost [0, 1000): the pipe is 7000, and still the hole goes.
    assert half.flush(0.1) == [(0, 1000)]
    half.ack(0, 0.1, sacked=[(6000, 11_000)])
    # SACKed 8000; lost are the holes at 2000 and 4000: the pipe is 1000, the window 5000.
    assert half.flush(0.1) == [(2000, 3000), (4000, 5000), (11_000, 13_000)]
    half.ack(11_000, 0.2)
    assert half.sender.flight.recovery.phase is Phase.OPEN


def test_a_resent_range_is_cut_to_the_segments_of_the_moment() -> None:
    """PMTU-11, SB-7"""
    half = Half(sack=True)
    half.write(6000)
    half.flush()
    half.ack(0, 0.1, sacked=[(3000, 6000)])
    half.sender.resize(700)
    assert half.sender.next_run(0.1, 2, 700) == (ONE, ONE + 1400)


# -- urgent data ---------------------------------------------------------------------------------


def test_the_urgent_pointer() -> None:
    """URG-1, MUST-62, MUST-31: from SEG.SEQ to the octet after the urgent data, 65535 at most."""
    sender = Half().sender
    assert sender.urgent_pointer(ONE) == 0
    sender.snd_up = ONE + 100
    assert sender.urgent_pointer(ONE) == 100
    assert sender.urgent_pointer(ONE + 99) == 1
    assert sender.urgent_pointer(ONE + 100) == 0
    sender.snd_up = ONE + 100_000
    assert sender.urgent_pointer(ONE) == 65_535
    assert sender.urgent_pointer(ONE + 40_000) == 60_000


# -- what others ask -----------------------------------------------------------------------------


def test_getters() -> None:
    half = Half()
    sender = half.sender
    assert (sender.has_work, sender.unsent, sender.flight_size) == (False, 0, 0)
    half.write(500)
    assert (sender.has_work, sender.unsent) == (True, 500)
    half.flush()
    assert (sender.has_work, sender.unsent) == (False, 0)
    assert (sender.flight_size, sender.snd_una, sender.snd_nxt) == (500, ONE, ONE + 500)
    half.fire()
    assert sender.has_work
    half.flush(0.4)
    assert sender.flight.octets_resent == 500
    half.ack(500, 0.5)
    assert (sender.has_work, sender.flight_size) == (False, 0)


def test_what_fills_no_run_waits_for_a_writer_that_goes_on() -> None:
    half = Half()
    half.sender.held_back = 1500
    half.write(3400)
    assert half.flush(most=2) == [(0, 2000)]
    half.write(800)
    assert half.flush(most=2) == [(2000, 4000)]
    half.sender.held_back = 0
    assert half.flush(most=2) == [(4000, 4200)]


def test_if_that_is_too_much_what_fills_no_segment_waits() -> None:
    half = Half()
    half.sender.held_back = 500
    half.write(1300)
    assert half.flush(most=2) == [(0, 1000)]
    half.sender.held_back = 299
    assert half.flush(most=2) == [(1000, 1300)]


def test_what_fills_no_run_goes_out_before_the_fin() -> None:
    half = Half()
    half.write(500)
    half.sender.held_back = 4000
    half.sender.fin_seq = half.sender.buffer.end
    assert half.flush() == [(0, 501)]
