"""Both ends fill the window of the other before either reads: what then opens must be heard.

RFC 9293 A.2, decision 27.  Windows are rounded, probes cross, and each end may have seen less of
the other than it takes to be acceptable.
"""

from collections.abc import Callable

import pytest

from rudp.config import Config
from rudp.sim.network import Network


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("octets", "settings"),
    [
        (600_000, {}),
        (40_000, {"receive_buffer": 5000, "receive_buffer_max": 2 << 20, "pacing": False}),
        (40_000, {"receive_buffer": 5000, "receive_buffer_max": 2 << 20, "timestamps": False}),
    ],
    ids=["default", "small", "small without timestamps"],
)
def test_two_that_write_first(octets: int, settings: dict[str, object], seed: int) -> None:
    """And within a second, not after the user timeout."""
    mss = 1180 + 3 * seed if octets > 100_000 else 145 + 7 * seed
    config = Config(mtu_discovery=False, mss=mss, **settings)  # type: ignore[arg-type]
    network = Network(delay=0.01, seed=seed)
    a, b = network.host(("10.0.0.1", 1), config), network.host(("10.0.0.2", 2), config)
    listener = b.table.listen(2)
    near = a.table.open_active(b.path, 2, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=1.0)
    far = listener.accepted.popleft()
    ends = (a.table, near), (b.table, far)
    got = [0, 0]

    def read() -> bool:
        for n, (table, connection) in enumerate(ends):
            got[n] += len(connection.receive())
            table.touch(connection)
        return got == [octets, octets]

    for table, connection in ends:
        connection.send(bytes(octets))
        table.touch(connection)
    network.run_until(lambda: False, limit=0.5 + 0.001 * seed)
    assert network.run_until(read, limit=1.0)


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("sack", [False, True])
def test_two_that_fill_their_windows_and_lose_what_came_first(sack: bool, timestamps: bool) -> None:
    """The ACK of each bears the number behind the other's window."""
    config = Config(
        mtu_discovery=False,
        mss=1036 if timestamps else 1024,  # so that four segments fill the window exactly
        receive_buffer=4096,
        receive_buffer_max=4096,
        sack=sack,
        timestamps=timestamps,
        user_timeout=None,
    )
    network = Network(delay=0.05, seed=1)
    a, b = network.host(("10.0.0.1", 1), config), network.host(("10.0.0.2", 2), config)
    listener = b.table.listen(2)
    near = a.table.open_active(b.path, 2, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=1.0)
    far = listener.accepted.popleft()
    ends = (a.table, near), (b.table, far)
    lost = {"a": 0, "b": 0}

    def drops(who: str) -> Callable[[bytes, float], bool]:
        def first_two(data: bytes, now: float) -> bool:
            drop = len(data) > 500 and lost[who] < 2
            lost[who] += drop
            return drop

        return first_two

    network.link("10.0.0.1", "10.0.0.2", drop=drops("a"))
    network.link("10.0.0.2", "10.0.0.1", drop=drops("b"))
    got = [0, 0]

    def read() -> bool:
        for n, (table, connection) in enumerate(ends):
            got[n] += len(connection.receive())
            table.touch(connection)
        return got == [20_000, 20_000]

    for table, connection in ends:
        connection.send(bytes(20_000))
        table.touch(connection)
    assert network.run_until(read, limit=20.0), got
