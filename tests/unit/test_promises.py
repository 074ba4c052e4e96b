"""What one UDP socket holds, shared by the connections that receive (BUF-8)."""

import random

from hypothesis import given
from hypothesis import strategies as st

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.receive.promises import (
    DATAGRAM_COST,
    LEAST,
    LOOPBACK_COST,
    QUEUE,
    READ_GAP,
    REST,
    START,
    SocketBuffer,
    Stake,
)
from rudp.core.receive.receiver import Receiver, window_shift
from rudp.core.terms.timers import Timers
from tests.unit.test_receiver import IRS, run_of

CAPACITY = 212_992  # octets: what Linux grants where nobody has raised its limit
SEGMENT = 65_456
MANY = 1 << 30


def receiving(buffer: SocketBuffer, promised: int, now: float, *, loopback: bool = True) -> Stake:
    """Return the stake of a connection that used all at *now* and may send *promised* more."""
    stake = Stake(buffer, loopback=loopback)
    stake.granted(max(promised, START))
    stake.arrived(0, None, now)
    stake.granted(promised)
    return stake


def talking(buffer: SocketBuffer, now: float, *, loopback: bool = True) -> Stake:
    """Return the stake of a connection that got 100 octets at *now* and may send many more."""
    stake = Stake(buffer, loopback=loopback)
    stake.arrived(START - 100, None, now)
    return stake


def test_before_data_comes_an_initial_window_is_promised() -> None:
    """BUF-8: ten segments (RFC 6928), whoever else receives."""
    buffer = SocketBuffer(CAPACITY)
    assert Stake(buffer, loopback=True).most(SEGMENT, 0) == START
    receiving(buffer, CAPACITY, 0.0)
    assert Stake(buffer, loopback=False).most(1448, 0) == START


def test_a_single_connection_has_all_of_it_step_by_step() -> None:
    """BUF-8: twice what came, until the socket is full; three datagrams of loopback fit."""
    stake = receiving(SocketBuffer(CAPACITY), 0, 0.0)
    assert stake.most(SEGMENT, START) == 3 * START
    assert stake.most(SEGMENT, MANY) == int(CAPACITY / LOOPBACK_COST) > 3 * SEGMENT


def test_small_datagrams_cost_twice_their_octets() -> None:
    stake = receiving(SocketBuffer(CAPACITY), 0, 0.0, loopback=False)
    assert stake.most(1448, MANY) == CAPACITY // DATAGRAM_COST


def test_what_is_spread_over_a_round_trip_costs_what_comes_between_two_reads() -> None:
    """BUF-3: 100 Mbit/s over 200 ms get all that they may use out of the smallest socket."""
    stake = receiving(SocketBuffer(CAPACITY), 0, 0.0, loopback=False)
    stake.arrived(0, READ_GAP / 2, 0.0)
    assert stake.most(1448, MANY) == CAPACITY // 2
    stake.arrived(0, 0.2, 0.0)
    assert stake.most(1448, MANY) > 6 << 20
    near = Stake(SocketBuffer(CAPACITY), loopback=True)
    near.arrived(0, 0.2, 0.0)  # a loaded host, not a long path
    assert near.most(SEGMENT, MANY) < CAPACITY


def test_several_that_take_much_have_equal_shares_of_one_half() -> None:
    """The other half is for those who begin."""
    buffer = SocketBuffer(8 << 20)
    share = int((4 << 20) / 50 / LOOPBACK_COST)
    stakes = [receiving(buffer, share, 0.0) for _ in range(50)]
    for stake in stakes:
        assert 0 <= stake.most(0, MANY) - share <= 2


def test_who_talks_takes_nothing() -> None:
    """What 1,000 may send and do not is lent to the one that sends: three quarters of all."""
    buffer = SocketBuffer(8 << 20)
    bulk = receiving(buffer, 0, 0.0, loopback=False)
    bulk.arrived(0, 0.1, 0.0)
    alone = bulk.most(1448, MANY)
    talkers = [talking(buffer, 0.0, loopback=False) for _ in range(1000)]
    assert alone * 0.74 < bulk.most(1448, MANY) <= alone * 0.75
    assert {talker.charge for talker in talkers} == {0.0}


def test_what_can_come_at_once_waits_before_the_others() -> None:
    """An echo beside a transfer over a short path waits for a bounded queue, or an equal share."""
    buffer = SocketBuffer(8 << 20)
    bulk = receiving(buffer, 0, 0.0)
    talking(buffer, 0.0)
    assert bulk.most(SEGMENT, MANY) == int((2 << 20) / LOOPBACK_COST)
    for _ in range(100):
        talking(buffer, 0.0)
    assert bulk.most(SEGMENT, MANY) == int(QUEUE / LOOPBACK_COST)


def test_what_some_take_is_not_lent() -> None:
    """Ten that take a little each leave what they may double; two that take much share a half."""
    buffer = SocketBuffer(8 << 20)
    small = [receiving(buffer, 10_000, 0.0, loopback=False) for _ in range(10)]
    first = receiving(buffer, 0, 0.0, loopback=False)
    first.arrived(0, 2 * READ_GAP, 0.0)
    taken = sum(stake.charge for stake in small)
    assert taken == 10 * 10_000 * DATAGRAM_COST
    assert first.most(1448, MANY) == int((6 << 20) - 2 * taken)
    second = receiving(buffer, 2 << 20, 0.0, loopback=False)
    second.granted(2 << 20)
    assert first.most(1448, MANY) == int(((4 << 20) - taken) / 2)


def test_a_claim_fades_with_what_comes() -> None:
    """Who used all of a window and now uses little of it leaves the rest within half a second."""
    buffer = SocketBuffer(8 << 20)
    stake = receiving(buffer, 1 << 20, 0.0)
    stake.arrived(0, None, 0.0)
    stake.granted(1 << 20)
    assert stake.charge == (1 << 20) * LOOPBACK_COST
    left = 1 << 20
    for n in range(1, 10):
        left -= 100
        stake.arrived(left, None, n * REST / 2)
    assert stake.charge < LOOPBACK_COST * (1 << 20) / 2
    for n in range(10, 40):
        left -= 100
        stake.arrived(left, None, n * REST / 2)
    assert stake.charge == 0.0


def test_what_others_were_promised_is_not_promised_again() -> None:
    """A share counts only as far as it is free."""
    buffer = SocketBuffer(CAPACITY)
    first = receiving(buffer, 180_000, 0.0)
    second = receiving(buffer, 0, 0.0)
    assert second.most(0, MANY) == int(CAPACITY / LOOPBACK_COST) - 180_000
    first.arrived(0, None, 0.0)  # they have come
    assert second.most(0, MANY) == int(CAPACITY * 3 / 4 / LOOPBACK_COST)


def test_a_window_that_a_peer_can_use_is_never_refused() -> None:
    """SWS-2, SWS-3: else the peer would wait for the override of silly-window avoidance."""
    buffer = SocketBuffer(CAPACITY)
    stakes = [receiving(buffer, LEAST, 0.0) for _ in range(100)]
    assert stakes[0].most(SEGMENT, MANY) == LEAST
    stakes[0].granted(100_000)
    assert stakes[0].most(SEGMENT, MANY) == 50_000
    stakes[0].granted(200_000)
    assert stakes[0].most(SEGMENT, MANY) == SEGMENT
    assert stakes[0].most(1448, MANY) == LEAST


def test_who_rests_leaves_its_share_to_others() -> None:
    """The promise stands; that it will be used at once is not to be expected."""
    buffer = SocketBuffer(CAPACITY)
    idle = receiving(buffer, 150_000, 0.0)
    stake = receiving(buffer, 0, REST)
    assert stake.most(0, MANY) < CAPACITY // 2
    stake.arrived(0, None, 1.5 * REST + 0.001)
    assert stake.most(0, MANY) == int(CAPACITY / LOOPBACK_COST)
    assert idle.charge == 0
    idle.arrived(100_000, None, 1.5 * REST + 0.001)
    assert stake.most(0, MANY) < CAPACITY * 3 // 4


def test_an_end_leaves_all() -> None:
    buffer = SocketBuffer(CAPACITY)
    stake, other = receiving(buffer, 100_000, 0.0), receiving(buffer, 1, 0.0)
    stake.release()
    stake.release()
    assert other.most(0, MANY) == int(CAPACITY / LOOPBACK_COST)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40_000), st.booleans()), max_size=60),
    st.integers(10_000, 1_000_000),
)
def test_SHLD_14_no_edge_ever_moves_back(plan: list[tuple[int, int, bool]], capacity: int) -> None:
    """BUF-8: connections come and go in one socket, and every promise stands."""
    buffer = SocketBuffer(capacity)
    receivers: list[Receiver] = []
    config = Config()
    for n, (which, size, read) in enumerate(plan):
        now = n / 50
        while which >= len(receivers):
            stake = Stake(buffer, loopback=which % 2 == 0)
            receiver = Receiver(IRS, config, Timers(), stake=stake)
            receiver.shift = window_shift(config.receive_buffer_max)
            receiver.syn_window_field()
            receivers.append(receiver)
        receiver = receivers[which]
        size = min(size, receiver.rcv_wnd)
        edge = receiver.right_edge
        if size:
            receiver.accept(receiver.rcv_nxt, run_of(size), now)
        if read:
            receiver.read()
        field = receiver.window_field()
        assert receiver.right_edge >= edge
        # A unit of the scale is what rounding may hide.
        assert receiver.rcv_nxt + (field << receiver.shift) > edge - (1 << receiver.shift)
        receiver.ack_sent()


def test_a_table_charges_what_its_connections_promise() -> None:
    """SYN, SYN,ACK and all that follows: what a SYN says is the promise that holds."""
    chance = random.Random(1)
    table = ConnectionTable(Config(), secret=bytes(16), chance=chance)
    table.limit_promises(CAPACITY)
    table.open_active((("127.0.0.1", 1), ""), 80, 0.0)
    syn = table.poll_transmit(0.0)
    assert syn is not None
    assert int.from_bytes(bytes(syn.buffers[0])[14:16], "big") == START
