"""Path MTU discovery end to end: probes are data, and nothing else pays for them."""

import pytest

from rudp.config import Config
from rudp.core.connection import Connection
from rudp.sim.network import Network

MIB = 1 << 20


def transfer(
    network: Network, octets: int, *, mtu: int | None = None, shrink: int | None = None
) -> Connection:
    """Send *octets*, verified; *shrink*: what the path carries from the middle on."""
    a, b = network.host(("10.0.0.1", 7000)), network.host(("10.0.0.2", 7000))
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
    connection = transfer(Network(seed=1, delay=0.02), 4 * MIB, mtu=mtu)
    info = connection.info()
    assert max(mtu - 100, 1200) <= info.pmtu <= mtu  # the search has not ended yet
    assert info.cwnd > 100_000
    assert info.backoffs == 0


def test_PMTU_9_a_path_that_becomes_narrow() -> None:
    """PMTU-9, PMTU-11, FAIL-1: a black hole is noticed after R1, and the rest goes in pieces."""
    connection = transfer(Network(seed=1, delay=0.02), MIB, shrink=1300)
    assert connection.info().pmtu <= 1300


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
