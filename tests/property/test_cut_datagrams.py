"""Something on the way cuts datagrams, to any size and not always the same: no stream ends early.

UDP's checksum does not help, since a forwarder that reads too little sends a datagram of its own,
with a checksum of its own; and TCP counts the octets of a segment by the length of its packet.
"""

import random

import hypothesis.strategies as st
from hypothesis import given, settings

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.segment.transmit import Address
from rudp.sim.network import Network

HERE: Address = ("127.0.0.1", 7000)
THERE: Address = ("127.0.0.2", 7000)
LOOPBACK = 65_488

Cuts = list[tuple[float, int | None]]

cuts = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.001, 0.02, 0.3, 3.0]),  # seconds until the next
        st.none() | st.integers(1, 200) | st.integers(200, 2000) | st.integers(2000, 70_000),
    ),
    max_size=12,
)
sizes = st.integers(0, 100) | st.integers(0, 3000) | st.integers(0, 400_000)


@settings(max_examples=150, deadline=None)
@given(
    there=cuts,
    back=cuts,
    request=sizes,
    answer=sizes,
    sack=st.booleans(),
    timestamps=st.booleans(),
    link=st.sampled_from([None, 1472, 8972]),
    loss=st.sampled_from([0.0, 0.0, 0.05]),
    seed=st.integers(0, 99),
)
def test_no_cut_gives_a_shorter_stream_with_a_clean_end(
    there: Cuts,
    back: Cuts,
    request: int,
    answer: int,
    sack: bool,
    timestamps: bool,
    link: int | None,
    loss: float,
    seed: int,
) -> None:
    """PMTU-9, M-2: what was read is a beginning of what was written, and with the end all of it.

    *link*: octets that the link takes, None for loopback, where no size is searched for.  When the
    path is whole again everything comes.
    """
    network = Network(seed=seed, delay=0.005, loss=loss)
    config = Config(user_timeout=None, syn_retries=30, sack=sack, timestamps=timestamps)
    tables = []
    for n, address in enumerate((HERE, THERE)):
        table = ConnectionTable(
            config,
            secret=bytes(16),
            chance=random.Random(n),
            loopback_payload=LOOPBACK if link is None else None,
            link_payload=lambda _: link,
        )
        tables.append(network.attach(address, table).table)
    listener = tables[1].listen(80)
    ours = tables[0].open_active((THERE, ""), 80, 0.0)
    assert network.run_until(lambda: bool(listener.accepted), limit=1000.0)
    theirs = listener.accepted.popleft()
    ends = (ours, theirs)
    data = tuple(random.Random(n).randbytes(size) for n, size in enumerate((request, answer)))
    got = (bytearray(), bytearray())
    for end, table, octets in zip(ends, tables, data, strict=True):
        end.send(octets)
        end.shutdown(network.clock.now)
        table.touch(end)

    def whole() -> bool:
        done = True
        for n, (end, table) in enumerate(zip(ends, tables, strict=True)):
            got[n].extend(end.receive())
            table.touch(end)
            assert data[1 - n].startswith(got[n])
            assert not end.fin_received or len(got[n]) == len(data[1 - n])
            done = done and end.fin_received
        return done

    begin = network.clock.now
    for path, changes in (((HERE, THERE), there), ((THERE, HERE), back)):
        when = begin
        for seconds, cut in [*changes, (0.0, None)]:
            hosts = path[0][0], path[1][0]
            network.clock.call_at(when, lambda h, c: network.link(*h, cut=c), hosts, cut)
            when += seconds
    assert network.run_until(whole, limit=5000.0)
