"""The search for the path's MTU (RFC 8899), against paths of every size."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rudp.core.send.pmtu import (
    CUT_MIN,
    MAX_PROBES,
    RAISE_TIMER,
    SIZES,
    STEP_MIN,
    PathMtu,
    Payloads,
    SearchState,
)

BASE, FLOOR, CEILING = 1200, 548, 1472
LOOPBACK = 65_488
PAUSE = 1.0


def search(ceiling: int = CEILING, *, on: bool = True) -> PathMtu:
    return PathMtu(Payloads(BASE, FLOOR, ceiling, ceiling), search=on)


def explore(pmtu: PathMtu, true: int, now: float = 0.0, loss: float = 0.0, seed: int = 0) -> int:
    """Probe a path that carries *true* octets until nothing is left to try; count the probes."""
    chance = random.Random(seed)
    probes = 0
    for _ in range(1000):
        size = pmtu.next_probe(now)
        if size is None:
            if pmtu.state not in (SearchState.SEARCHING, SearchState.ERROR):
                return probes
            now += PAUSE
            continue
        assert pmtu.plpmtu < size
        pmtu.on_probe_sent(size)
        assert pmtu.next_probe(now) is None  # one at a time
        probes += 1
        if size <= true and chance.random() >= loss:
            pmtu.on_probe_delivered()
        else:
            pmtu.on_probe_lost(PAUSE, now)
    raise AssertionError("the search does not end")


def test_where_it_begins() -> None:
    """PMTU-1, PMTU-2, DEF-37"""
    assert (search().plpmtu, search().state) == (BASE, SearchState.SEARCHING)
    assert search(1000).plpmtu == 1000


def test_ethernet_takes_one_probe() -> None:
    """PMTU-7: the size of the link first."""
    pmtu = search()
    assert explore(pmtu, CEILING) == 1
    assert (pmtu.plpmtu, pmtu.state) == (CEILING, SearchState.COMPLETE)


@given(st.integers(BASE, 9000), st.integers(1300, 9000))
def test_every_path_is_found(true: int, ceiling: int) -> None:
    """PMTU-3, PMTU-5, PMTU-7: within eight octets, never above, in few probes."""
    pmtu = search(ceiling)
    probes = explore(pmtu, true)
    best = min(true, ceiling)
    assert best - STEP_MIN <= pmtu.plpmtu <= best
    assert probes <= (MAX_PROBES + 1) * 16


@given(st.integers(BASE, CEILING), st.floats(0, 0.3), st.integers(0, 1000))
def test_losses_make_it_modest_and_never_bold(true: int, loss: float, seed: int) -> None:
    """PMTU-6, PMTU-9: plain loss is no black hole."""
    pmtu = search()
    explore(pmtu, true, loss=loss, seed=seed)
    assert BASE <= pmtu.plpmtu <= true


def test_three_losses_make_a_size_too_large() -> None:
    """PMTU-3, PMTU-12, DEF-38: then there is a pause."""
    assert (MAX_PROBES, RAISE_TIMER) == (3, 600.0)
    pmtu = search()
    for n in range(MAX_PROBES):
        assert pmtu.next_probe(float(n)) == CEILING
        pmtu.on_probe_sent(CEILING)
        pmtu.on_probe_lost(PAUSE, float(n))
    assert pmtu.next_probe(2.5) is None
    assert pmtu.next_probe(3.0) in SIZES


def test_paths_change() -> None:
    """PMTU-3: ten minutes later larger sizes are tried again."""
    pmtu = search()
    explore(pmtu, 1400)
    assert pmtu.next_probe(RAISE_TIMER - 1) is None
    explore(pmtu, CEILING, now=2 * RAISE_TIMER)
    assert pmtu.plpmtu == CEILING


def test_a_router_is_only_heard_when_it_says_less() -> None:
    """PMTU-8, ICMP-5: not below the base, and never above what is known."""
    pmtu = search()
    explore(pmtu, CEILING)
    pmtu.on_too_big(9000, 1.0)
    assert pmtu.plpmtu == CEILING
    pmtu.on_too_big(1400, 1.0)
    assert (pmtu.plpmtu, pmtu.state) == (1400, SearchState.COMPLETE)
    pmtu.on_too_big(600, 1.0)
    assert pmtu.plpmtu == BASE
    pmtu.on_too_big(68, 1.0)
    assert pmtu.plpmtu == BASE


def test_a_router_shortens_the_search() -> None:
    """PMTU-8"""
    pmtu = search()
    pmtu.on_too_big(1300, 0.0)
    assert explore(pmtu, 1300) < MAX_PROBES * 5
    assert 1300 - STEP_MIN <= pmtu.plpmtu <= 1300


def test_what_the_system_refuses() -> None:
    """PMTU-13: nothing of that size is tried again."""
    pmtu = search()
    pmtu.on_probe_sent(CEILING)
    pmtu.on_refused(CEILING)
    explore(pmtu, CEILING - 1)
    assert pmtu.plpmtu == CEILING - 1 or CEILING - 1 - pmtu.plpmtu <= STEP_MIN
    pmtu.on_refused(1000)
    assert pmtu.plpmtu == FLOOR


def test_a_black_hole() -> None:
    """PMTU-9: the base, then the floor, then nothing is left; and each is tried again."""
    pmtu = search()
    explore(pmtu, CEILING)
    assert pmtu.on_black_hole(PAUSE, 10.0)
    assert (pmtu.plpmtu, pmtu.state) == (BASE, SearchState.SEARCHING)
    assert pmtu.next_probe(10.5) is None
    assert pmtu.next_probe(11.0) == CEILING
    assert pmtu.on_black_hole(PAUSE, 12.0)
    assert (pmtu.plpmtu, pmtu.state) == (FLOOR, SearchState.ERROR)
    assert not pmtu.on_black_hole(PAUSE, 13.0)
    assert pmtu.next_probe(12.5) is None


def test_the_base_passes_after_all() -> None:
    """PMTU-3, PMTU-9: the peer was away for a while; one probe for each step back."""
    pmtu = search()
    explore(pmtu, CEILING)
    for now in (10.0, 11.0):
        assert pmtu.on_black_hole(PAUSE, now)
    assert pmtu.next_probe(12.0) == BASE
    pmtu.on_probe_sent(BASE)
    pmtu.on_probe_lost(PAUSE, 12.0)
    assert pmtu.next_probe(12.5) is None
    assert pmtu.next_probe(13.0) == BASE
    pmtu.on_probe_sent(BASE)
    pmtu.on_probe_delivered()
    assert (pmtu.plpmtu, pmtu.state) == (BASE, SearchState.SEARCHING)
    assert explore(pmtu, CEILING, now=20.0) == 1
    assert pmtu.plpmtu == CEILING


def test_the_base_does_not_pass() -> None:
    """PMTU-3: then something between it and the floor may."""
    pmtu = search()
    explore(pmtu, CEILING)
    for now in (10.0, 11.0):
        assert pmtu.on_black_hole(PAUSE, now)
    explore(pmtu, 1000, now=12.0)
    assert 1000 - STEP_MIN <= pmtu.plpmtu <= 1000


@pytest.mark.parametrize(
    ("link", "size"), [(1300, 1300), (700, 700), (None, BASE), (300, BASE), (9000, BASE)]
)
def test_the_link_has_changed(link: int | None, size: int) -> None:
    """PMTU-13: what it takes now is known, and needs no search; nonsense is not believed."""
    pmtu = search()
    explore(pmtu, CEILING)
    assert pmtu.on_refused(CEILING, link)
    assert pmtu.plpmtu == size


def local() -> PathMtu:
    return PathMtu(Payloads(BASE, FLOOR, LOOPBACK, LOOPBACK, trusted=True), search=True)


def test_loopback_is_known() -> None:
    """PMTU-1: nothing to search for."""
    pmtu = local()
    assert (pmtu.plpmtu, pmtu.state, pmtu.trusted) == (LOOPBACK, SearchState.COMPLETE, True)
    assert pmtu.next_probe(1e9) is None
    pmtu.on_refused(LOOPBACK)
    assert pmtu.plpmtu == BASE


def test_loopback_is_no_longer_trusted() -> None:
    """PMTU-9: it may be a peer that was busy for long, or a forwarder that drops large ones."""
    pmtu = local()
    assert pmtu.on_black_hole(PAUSE, 10.0)
    assert pmtu.plpmtu == BASE
    assert explore(pmtu, LOOPBACK, now=20.0) == 1
    assert pmtu.on_black_hole(PAUSE, 30.0)
    explore(pmtu, 2000, now=40.0)
    assert 2000 - STEP_MIN <= pmtu.plpmtu <= 2000


@pytest.mark.parametrize("passed", [16_384, 1300, 1000, 300])
def test_what_a_cut_datagram_tells(passed: int) -> None:
    """PMTU-5: so much passes; one probe shows whether it is always so."""
    pmtu = local()
    pmtu.on_cut(passed, PAUSE, 1.0)
    assert (pmtu.plpmtu, pmtu.trusted) == (passed, False)
    pmtu.on_cut(passed, PAUSE, 1.0)  # what was sent before comes in the same shape
    assert pmtu.next_probe(1.5) is None
    assert pmtu.next_probe(2.5) == LOOPBACK
    pmtu.on_probe_sent(LOOPBACK)
    pmtu.on_cut(passed, PAUSE, 2.6)
    assert pmtu.next_probe(4.0) is None
    assert (pmtu.plpmtu, pmtu.state) == (passed, SearchState.COMPLETE)


def test_a_probe_that_is_cut_is_not_delivered() -> None:
    """PMTU-5: but what is left of it is known to pass."""
    pmtu = search()
    pmtu.on_probe_sent(CEILING)
    pmtu.on_cut(1350, PAUSE, 1.0)
    pmtu.on_probe_delivered()
    assert pmtu.plpmtu == 1350
    assert pmtu.next_probe(9.0) is None


def test_a_peer_cannot_ask_for_tiny_datagrams() -> None:
    """W-55: by acknowledging single octets."""
    pmtu = local()
    pmtu.on_cut(33, PAUSE, 1.0)
    assert pmtu.plpmtu == CUT_MIN == 108


def test_a_cut_without_discovery() -> None:
    """UDP-4: the size falls, and stays there."""
    pmtu = search(on=False)
    pmtu.on_cut(700, PAUSE, 1.0)
    assert pmtu.plpmtu == 700
    assert pmtu.next_probe(1e6) is None


class Path(RuleBasedStateMachine):
    """A path whose width changes, whose routers tell or not, and a peer that may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.true = CEILING
        self.ceiling = CEILING
        self.pmtu = search()

    @rule(true=st.integers(BASE, CEILING + 100))
    def change(self, true: int) -> None:
        self.true = true

    @rule(seconds=st.floats(0, 2 * RAISE_TIMER))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(lost=st.booleans(), cut=st.booleans())
    def probe(self, lost: bool, cut: bool) -> None:
        size = self.pmtu.next_probe(self.now)
        if size is None:
            return
        assert size > self.pmtu.plpmtu
        self.pmtu.on_probe_sent(size)
        if size > self.true and cut:
            self.pmtu.on_cut(self.true, PAUSE, self.now)
        elif lost or size > self.true:
            self.pmtu.on_probe_lost(PAUSE, self.now)
        else:
            self.pmtu.on_probe_delivered()

    @rule()
    def cut(self) -> None:
        if self.pmtu.plpmtu > self.true:
            self.pmtu.on_cut(self.true, PAUSE, self.now)

    @rule()
    def trouble(self) -> None:
        self.pmtu.on_black_hole(PAUSE, self.now)

    @rule(payload=st.integers(0, 2 * CEILING))
    def router(self, payload: int) -> None:
        """What it says may be forged."""
        before = self.pmtu.plpmtu
        self.pmtu.on_too_big(payload, self.now)
        assert self.pmtu.plpmtu == before or BASE <= self.pmtu.plpmtu < before

    @rule(size=st.integers(BASE + 1, CEILING + 1))
    def system(self, size: int) -> None:
        self.pmtu.on_refused(size)
        self.ceiling = min(self.ceiling, size - 1)

    @invariant()
    def stays_in_bounds(self) -> None:
        """PMTU-2, PMTU-13"""
        assert FLOOR <= self.pmtu.plpmtu <= self.ceiling

    def teardown(self) -> None:
        """PMTU-3, PMTU-9: whatever has happened, with time the size is found."""
        if self.pmtu.plpmtu > self.true:
            self.pmtu.on_black_hole(PAUSE, self.now)
        explore(self.pmtu, self.true, now=self.now + PAUSE)
        explore(self.pmtu, self.true, now=self.now + 2 * RAISE_TIMER + 1000 * PAUSE)
        best = min(self.true, self.ceiling)
        assert best - STEP_MIN <= self.pmtu.plpmtu <= best


TestPath = Path.TestCase


@pytest.mark.parametrize("ceiling", [BASE, CEILING])
def test_without_discovery(ceiling: int) -> None:
    """UDP-4: nothing is tried."""
    pmtu = search(ceiling, on=False)
    assert pmtu.next_probe(1e6) is None
    assert (pmtu.plpmtu, pmtu.state) == (BASE, SearchState.DISABLED)


def test_the_peer_sets_a_limit() -> None:
    """W-53: what it does not take is not tried."""
    pmtu = search()
    pmtu.limit(1300)
    explore(pmtu, CEILING)
    assert pmtu.plpmtu == 1300
    pmtu.limit(600)
    assert pmtu.plpmtu == 600
