"""Both ends fill the window of the other before either reads: what then opens must be heard.

RFC 9293 A.2, decision 27.  Windows are rounded, probes cross, and each end may have seen less of
the other than it takes to be acceptable.
"""

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
