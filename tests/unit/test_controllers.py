"""Every controller over one bottleneck, in virtual time; and one that a user might write.

The path has 5 Mbit/s and a round trip of 40 ms, which are 25,000 octets, and a queue of as many.
Facts are coarse: none of them turns on a single segment.
"""

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.config import Config, Congestion
from rudp.core.congestion.bbr import LOSSY_THRESHOLD, Bbr
from rudp.core.congestion.controller import Ack, Controller, ControllerFactory, Signal
from rudp.core.congestion.cubic import Cubic
from rudp.core.congestion.newreno import NewReno
from rudp.core.congestion.registry import CONTROLLERS, controller_factory
from rudp.core.terms.bounds import WINDOW_MAX
from rudp.sim.network import Network

RATE = 5e6
RTT = 0.04
BDP = round(RATE / 8 * RTT)
CHUNK = bytes(65_536)
SERVER = ("10.0.0.2", 7000)


class Vegas(Controller):
    """Grows while the round trip is near the bare one, and shrinks while it is not."""

    __slots__ = ("_window_end",)

    def __init__(self, smss: int, initial_window: int) -> None:
        super().__init__(smss, initial_window)
        self._window_end = 0

    def on_ack(self, ack: Ack) -> None:
        if ack.rtt is None or ack.min_rtt is None or ack.snd_una < self._window_end:
            return
        queued = self.cwnd * (1 - ack.min_rtt / ack.rtt)
        if queued > 4 * self.smss:
            self.cwnd -= self.smss
            self.ssthresh = self.cwnd
        elif ack.cwnd_limited:
            self.cwnd += self.smss if self.cwnd >= self.ssthresh else self.cwnd
        self._window_end = ack.snd_nxt

    def on_congestion(self, signal: Signal, flight_size: int, now: float) -> None:
        self.ssthresh = max(flight_size // 2, 2 * self.smss)
        if signal is Signal.ECN:
            self.cwnd = self.ssthresh

    def on_timeout(self, flight_size: int, first: bool, now: float) -> None:
        self.on_congestion(Signal.LOSS, flight_size, now)
        self.cwnd = self.smss


class Heard:
    """Counts what a controller is told; it and what derives from it are ordinary Python."""

    acks = 0
    reductions = 0


class OwnReno(Heard, NewReno):
    beta = 0.25

    def on_ack(self, ack: Ack) -> None:
        self.acks += 1
        super().on_ack(ack)

    def _reduced(self, flight_size: int) -> int:
        self.reductions += 1
        return super()._reduced(flight_size) // 2


class OwnCubic(Heard, Cubic):
    def __init__(self, smss: int, initial_window: int) -> None:
        super().__init__(smss, initial_window, hystart=False)
        self.name = "mine"

    def on_ack(self, ack: Ack) -> None:
        self.acks += 1
        super().on_ack(ack)

    def _reduced(self, flight_size: int) -> int:
        self.reductions += 1
        return super()._reduced(flight_size)


class OwnBbr(Heard, Bbr):
    def on_ack(self, ack: Ack) -> None:
        self.acks += 1
        super().on_ack(ack)
        assert self.pacing_rate is not None
        self.pacing_rate = int(self.pacing_rate)  # a whole number is a float, too

    def on_congestion(self, signal: Signal, flight_size: int, now: float) -> None:
        self.reductions += 1
        super().on_congestion(signal, flight_size, now)


def shares(
    *controllers: Congestion | ControllerFactory, loss: float = 0.0, seconds: float = 12.0
) -> list[float]:
    """Send without end by each of *controllers*; return what part of the rate each of them got.

    They share the path; the first three seconds do not count.
    """
    network = Network(seed=1)
    network.link("10.0.0.1", "10.0.0.2", rate=RATE, delay=RTT / 2, queue=BDP, loss=loss)
    network.link("10.0.0.2", "10.0.0.1", delay=RTT / 2)
    server = network.host(SERVER)
    listener = server.table.listen(80)
    flows = []
    for n, congestion in enumerate(controllers):
        client = network.host(("10.0.0.1", 7000 + n), Config(congestion=congestion))
        connection = client.table.open_active(server.path, 80, network.clock.now)
        assert network.run_until(lambda: bool(listener.accepted), limit=10.0)
        flows.append((client, connection, listener.accepted.popleft()))
    octets = [0] * len(flows)
    skip = network.clock.now + 3.0
    while network.clock.now < skip + seconds:
        for n, (client, connection, peer) in enumerate(flows):
            if connection.unsent_octets < len(CHUNK):
                connection.send(CHUNK)
                client.table.touch(connection)
            data = peer.receive()
            if data:
                server.table.touch(peer)
                if network.clock.now >= skip:
                    octets[n] += len(data)
        network.step()
    return [8 * n / seconds / RATE for n in octets]


TOLERANT = functools.partial(Bbr, loss_threshold=0.2)


@pytest.mark.parametrize("controller", ["newreno", "cubic", "bbr", TOLERANT, Vegas])
def test_the_path_is_used(controller: Congestion | ControllerFactory) -> None:
    """CC-12, TRAP-10: alone on a path that loses nothing but what its queue refuses."""
    assert shares(controller, seconds=6.0)[0] > 0.85


@pytest.mark.parametrize("kind", [OwnReno, OwnCubic, OwnBbr])
def test_what_derives_from_a_controller_is_asked_in_its_place(
    kind: type[OwnReno | OwnCubic | OwnBbr],
) -> None:
    """The core calls what a program wrote, whether or not the core is compiled."""
    made: list[OwnReno | OwnCubic | OwnBbr] = []

    def make(smss: int, initial_window: int) -> Controller:
        made.append(kind(smss, initial_window))
        return made[-1]

    assert shares(make, loss=0.01, seconds=3.0)[0] > 0.1
    assert made[0].acks > 100
    assert made[0].reductions > 2


def test_what_a_class_derived_from_newreno_says_of_itself_counts() -> None:
    own = OwnReno(1000, 100_000)
    own.on_restart(idle=2.0, rto=1.0, now=0.0)
    own.cwnd = 40_000  # less than was earned: the share beta of it is left
    own.on_congestion(Signal.LOSS, 100_000, 1.0)
    assert (own.cwnd, own.ssthresh) == (10_000, 25_000)


@pytest.mark.parametrize(
    ("controller", "loss", "least"),
    [
        ("newreno", 0.01, 0.3),
        ("cubic", 0.01, 0.35),
        ("bbr", 0.01, 0.75),
        (TOLERANT, 0.05, 0.8),
        ("lossy", 0.1, 0.8),
        (Vegas, 0.01, 0.3),
    ],
)
def test_random_losses(
    controller: Congestion | ControllerFactory, loss: float, least: float
) -> None:
    """CC-12: what is left is what the rules give; BBR tells chance from congestion."""
    assert shares(controller, loss=loss)[0] > least


@pytest.mark.slow
@pytest.mark.parametrize(
    "pair", [*itertools.combinations_with_replacement(["newreno", "cubic", "bbr"], 2)]
)
def test_nobody_starves(pair: tuple[Congestion, Congestion]) -> None:
    """CUB-5, TRAP-10: two that share a path both have a part of it, and nothing lies idle."""
    got = shares(*pair, seconds=15.0)
    assert sum(got) > 0.85
    assert min(got) > 0.15


@pytest.mark.parametrize(
    ("name", "kind"), [("newreno", NewReno), ("reno", NewReno), ("cubic", Cubic), ("bbr", Bbr)]
)
def test_names(name: str, kind: type[Controller]) -> None:
    """CC-12: each name stands for a class, and what is not a name for itself."""
    assert controller_factory(name) is kind
    assert name in CONTROLLERS
    assert controller_factory(TOLERANT) is TOLERANT


def test_lossy_is_bbr_that_bears_losses() -> None:
    """CC-12, decision 36: 30 % where the draft bears 2."""
    made = controller_factory("lossy")(1000, 10_000)
    assert isinstance(made, Bbr)
    assert made.loss_threshold == LOSSY_THRESHOLD


KINDS = "ack ack ack dry lost loss mark recovered timeout again undo restart resize"
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(KINDS.split()),
        st.integers(1, 100),  # segments
        st.floats(0.0001, 3.0),  # seconds until then
    ),
    max_size=60,
)


@pytest.mark.parametrize("factory", [NewReno, Cubic, Bbr, TOLERANT], ids=str)
@given(events=EVENTS)
def test_whatever_comes(factory: ControllerFactory, events: list[tuple[str, int, float]]) -> None:
    """CC-9, CUB-6: there is always a window of a segment, and a rate to send it at."""
    smss = 1000
    controller = factory(smss, 10 * smss)
    ack = Ack()
    for what, segments, seconds in events:
        octets = segments * smss
        ack.now += seconds
        if what in ("ack", "dry"):
            ack.delivered = octets
            ack.prior_delivered = ack.total_delivered
            ack.total_delivered += octets
            ack.snd_una += octets
            ack.snd_nxt = ack.snd_una + octets
            ack.in_flight = ack.tx_in_flight = ack.rate_delivered = octets
            ack.rtt = ack.srtt = ack.min_rtt = seconds
            ack.delivery_rate = octets / seconds
            ack.cwnd_limited = what == "ack"
            ack.rate_app_limited = what == "dry"
            controller.on_ack(ack)
        elif what == "lost":
            controller.on_range_lost(smss, octets, min(octets, 3 * smss), False, ack.now)
        elif what == "loss" or what == "mark":
            signal = Signal.LOSS if what == "loss" else Signal.ECN
            ack.in_recovery = ack.in_recovery or what == "loss"
            controller.on_congestion(signal, octets, ack.now)
        elif what == "recovered":
            ack.in_recovery = False
            controller.on_recovered(WINDOW_MAX, ack.now)
        elif what == "timeout" or what == "again":
            controller.on_timeout(octets, what == "timeout", ack.now)
            assert controller.cwnd == controller.smss
        elif what == "undo":
            controller.on_undo(WINDOW_MAX, ack.now)
        elif what == "restart":
            controller.on_restart(seconds, 1.0, ack.now)
        else:
            smss = 500 + 10 * segments
            controller.resize(smss)
        assert isinstance(controller.cwnd, int)
        assert controller.cwnd >= smss
        assert controller.ssthresh >= 1000
        assert controller.pacing_rate is None or controller.pacing_rate > 0.0
