"""Path MTU discovery end to end: probes are data, and nothing else pays for them."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.sim.network import Network

MIB = 1 << 20
LOOPBACK = 65_488
STEADY = Config(receive_buffer_max=262_144)
"""The window stays as it is, so that a transfer lasts for some round trips, as a search does."""


def transfer(
    network: Network, octets: int, *, mtu: int | None = None, shrink: int | None = None
) -> Connection:
    """Send *octets*, verified; *shrink*: what the path carries from the middle on."""
    a, b = (network.host((f"10.0.0.{n}", 7000), STEADY) for n in (1, 2))
    network.link("10.0.0.1", "10.0.0.2", mtu=mtu)
    listener = b.table.listen(7000)
    ours = a.table.open_active(b.path, 7000, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=60.0)
    theirs = listener.accepted.popleft()
    data = bytes(range(256)) * (octets // 256)
    got = bytearray()
    sent = 0

    def turn() -> bool:
        nonlocal sent
        while sent < octets and ours.unsent_octets < 65_536:
            ours.send(data[sent : sent + 16_384])
            sent += 16_384
        if shrink is not None and len(got) > octets // 2:
            network.link("10.0.0.1", "10.0.0.2", mtu=shrink)
        got.extend(theirs.receive())
        a.table.touch(ours)
        b.table.touch(theirs)
        return len(got) == octets

    assert network.run_until(turn, limit=600.0)
    assert bytes(got) == data
    return ours


def test_PMTU_4_an_ethernet_path() -> None:
    """PMTU-5, PMTU-10, W-53: full frames after one round trip, and nothing is sent twice."""
    connection = transfer(Network(seed=1, delay=0.02), MIB)
    info = connection.info()
    assert (info.pmtu, info.mss, info.resent) == (1472, 1440, 0)


@pytest.mark.parametrize("mtu", [1200, 1280, 1392, 1450, 1472])
def test_PMTU_6_the_loss_of_a_probe_is_not_congestion(mtu: int) -> None:
    """PMTU-5, PMTU-6, PMTU-7: probes that do not pass cost their own octets and no window."""
    connection = transfer(Network(seed=1, delay=0.02), 16 * MIB, mtu=mtu)
    info = connection.info()
    assert max(mtu - 100, 1200) <= info.pmtu <= mtu  # the search has not ended yet
    assert info.cwnd > 100_000
    assert info.backoffs == 0


def test_PMTU_9_a_path_that_becomes_narrow() -> None:
    """PMTU-9, PMTU-11, FAIL-1: a black hole is noticed after R1, and the rest goes in pieces."""
    connection = transfer(Network(seed=1, delay=0.02), MIB, shrink=1300)
    assert connection.info().pmtu <= 1300


def test_PMTU_9_only_small_segments_pass() -> None:
    """FAIL-1: where others show that the path is alive, three losses of a full segment suffice."""
    network = Network(seed=1, delay=0.02)
    a, b = network.host(("10.0.0.1", 7000)), network.host(("10.0.0.2", 7000))
    listener = b.table.listen(7000)
    ours = a.table.open_active(b.path, 7000, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=60.0)
    ours.send(bytes(MIB // 8))
    a.table.touch(ours)
    assert network.run_until(lambda: ours.unacked_octets == ours.unsent_octets == 0, limit=60.0)
    assert ours.info().pmtu == 1472
    network.link("10.0.0.1", "10.0.0.2", mtu=1300)
    since = network.clock.now
    ours.send(bytes(ours.mss))
    while ours.info().pmtu == 1472:
        ours.send(bytes(100))
        a.table.touch(ours)
        network.run_until(lambda: False, limit=0.02)
    assert network.clock.now - since < 0.5
    assert ours.info().backoffs < 3
    assert network.run_until(lambda: ours.unacked_octets == ours.unsent_octets == 0, limit=60.0)


@pytest.mark.parametrize("seconds", [2.0, 10.0])
def test_PMTU_9_a_peer_that_was_away(seconds: float) -> None:
    """PMTU-3: the sizes that were doubted meanwhile are soon known again."""
    network = Network(seed=1, delay=0.02)
    a, b = (network.host((f"10.0.0.{n}", 7000), STEADY) for n in (1, 2))
    listener = b.table.listen(7000)
    ours = a.table.open_active(b.path, 7000, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=60.0)
    theirs = listener.accepted.popleft()
    ours.send(bytes(4 * MIB))
    a.table.touch(ours)
    got = 0

    def half() -> bool:
        nonlocal got
        got += len(theirs.receive())
        b.table.touch(theirs)
        return got > 2 * MIB

    assert network.run_until(half, limit=60.0)
    network.link("10.0.0.1", "10.0.0.2", loss=1.0)
    network.run_until(lambda: False, limit=seconds)
    assert ours.info().pmtu < 1472
    network.link("10.0.0.1", "10.0.0.2", loss=0.0)
    assert network.run_until(lambda: half() and ours.info().pmtu == 1472, limit=60.0)


def test_PMTU_4_a_probe_may_be_larger_than_a_paced_burst() -> None:
    """PMTU-1, W-50: links with jumbo frames at both ends."""
    network = Network(seed=1, delay=0.02, rate=5e6)
    tables = []
    for n, address in enumerate((("10.0.0.1", 7000), ("10.0.0.2", 7000))):
        table = ConnectionTable(
            Config(), secret=bytes(16), chance=random.Random(n), link_payload=lambda _: 8972
        )
        tables.append(network.attach(address, table))
    a, b = tables
    listener = b.table.listen(7000)
    ours = a.table.open_active(b.path, 7000, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=60.0)
    ours.send(bytes(MIB // 4))
    a.table.touch(ours)
    assert network.run_until(lambda: ours.info().pmtu == 8972, limit=1.0)


def local(
    delay: float, config: Config, **link: Any
) -> tuple[Network, Connection, Connection, Callable[[], None]]:
    """Two ends that believe they talk over loopback, with a *link* of another kind between them."""
    network = Network(seed=1, delay=delay)
    tables = []
    for n, address in enumerate((("127.0.0.1", 7000), ("127.0.0.2", 7000))):
        table = ConnectionTable(
            config, secret=bytes(16), chance=random.Random(n), loopback_payload=LOOPBACK
        )
        tables.append(network.attach(address, table).table)
    listener = tables[1].listen(7000)
    ours = tables[0].open_active((("127.0.0.2", 7000), ""), 7000, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=60.0)
    network.link("127.0.0.1", "127.0.0.2", **link)
    theirs = listener.accepted.popleft()

    def touch() -> None:
        tables[0].touch(ours)
        tables[1].touch(theirs)

    return network, ours, theirs, touch


@pytest.mark.parametrize("cut", [65_000, 16_384, 8192, 2048, 1228, 1000, 500, 128])
@pytest.mark.parametrize("sack", [True, False])
def test_PMTU_9_a_forwarder_that_cuts_costs_a_few_round_trips(cut: int, sack: bool) -> None:
    """PMTU-5: half an acknowledged segment says how much passes, and the rest goes at once."""
    network, ours, theirs, touch = local(0.01, Config(sack=sack), cut=cut)
    data = random.Random(1).randbytes(200_000)
    since = network.clock.now
    ours.send(data)
    ours.shutdown(since)
    touch()
    got = bytearray()

    def done() -> bool:
        got.extend(theirs.receive())
        touch()
        return theirs.fin_received

    assert network.run_until(done, limit=10.0)
    assert got == data
    assert network.clock.now - since < 6 * 0.02
    info = ours.info()
    assert (info.pmtu, info.backoffs) == (cut, 0)


def test_PMTU_3_a_forwarder_that_cut_and_cuts_no_more() -> None:
    """One probe of the whole size shows it."""
    network, ours, theirs, touch = local(0.001, Config(), cut=8192)
    sent = 0

    def turn() -> bool:
        nonlocal sent
        while sent < 200 * MIB and ours.unsent_octets < MIB:
            ours.send(bytes(MIB))
            sent += MIB
        theirs.receive()
        if ours.info().pmtu == 8192:
            network.link("127.0.0.1", "127.0.0.2", cut=None)
        touch()
        return ours.info().pmtu == LOOPBACK and sent > 2 * MIB

    assert network.run_until(turn, limit=10.0)


def test_PMTU_9_a_forwarder_that_drops_what_is_large() -> None:
    """Loopback is trusted until the retransmissions are not answered (R1)."""
    network, ours, theirs, touch = local(0.001, Config(), mtu=2000)
    ours.send(bytes(MIB))
    touch()
    got = 0

    def done() -> bool:
        nonlocal got
        got += len(theirs.receive())
        touch()
        return got == MIB

    assert network.run_until(done, limit=10.0)
    assert 1200 <= ours.info().pmtu <= 2000


def test_PMTU_9_plain_loss_is_no_black_hole() -> None:
    """PMTU-9: a lossy path keeps its size."""
    connection = transfer(Network(seed=3, delay=0.02, loss=0.05), MIB // 2)
    assert connection.info().pmtu == 1472


def test_UDP_4_without_discovery() -> None:
    """DEF-37: what any host takes, or what the user says."""
    for chosen, mss in ((None, 516), (900, 888)):
        config = Config(mtu_discovery=False, mss=chosen)
        network = Network(seed=1, delay=0.02)
        a = network.host(("10.0.0.1", 7000), config)
        b = network.host(("10.0.0.2", 7000))
        listener = b.table.listen(7000)
        ours = a.table.open_active(b.path, 7000, 0.0)
        assert network.run_until(lambda: bool(listener.accepted), limit=60.0)  # noqa: B023
        assert ours.mss == mss
