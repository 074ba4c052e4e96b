"""What the connections of one table share."""

import random

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.segment.transmit import Path


def path(host: str, port: int) -> Path:
    """Return a path as a datagram brings it, made anew."""
    return ("".join(host), port), "".join(["10.0.0.", "9"])


def test_connections_of_one_peer_share_its_address() -> None:
    table = ConnectionTable(Config(), secret=bytes(16), chance=random.Random(1))
    first, second = (table.open_active(path("10.0.0.1", 7000), 80, 0.0) for _ in range(2))
    # Its parts: a compiled core makes the pair anew for each who asks.
    assert all(one is other for one, other in zip(first.path, second.path, strict=True))
    third = table.open_active(path("10.0.0.1", 7001), 80, 0.0)
    assert third.path == path("10.0.0.1", 7001)
