"""What one UDP socket holds, shared by the connections that receive (BUF-8)."""

import random

from hypothesis import given
from hypothesis import strategies as st

from rudp.config import Config
from rudp.core.promises import (
    DATAGRAM_COST,
    LEAST,
    LOOPBACK_COST,
    READ_GAP,
    REST,
    START,
    Claim,
    ReceiveBudget,
)
from rudp.core.receiver import Receiver, window_shift
from rudp.core.table import ConnectionTable
from rudp.core.timers import Timers
from tests.unit.test_receiver import IRS, run_of

CAPACITY = 212_992  # octets: what Linux grants where nobody has raised its limit
SEGMENT = 65_456
MANY = 1 << 30


def receiving(budget: ReceiveBudget, promised: int, now: float, *, loopback: bool = True) -> Claim:
    """Return the claim of a connection that got data at *now* and may send *promised* more."""
    claim = Claim(budget, loopback=loopback)
    claim.arrived(promised, None, now)
    return claim


def test_before_data_comes_an_initial_window_is_promised() -> None:
    """BUF-8: ten segments (RFC 6928), whoever else receives."""
    budget = ReceiveBudget(CAPACITY)
    assert Claim(budget, loopback=True).most(SEGMENT, 0) == START
    receiving(budget, CAPACITY, 0.0)
    assert Claim(budget, loopback=False).most(1448, 0) == START


def test_a_single_connection_has_all_of_it_step_by_step() -> None:
    """BUF-8: twice what came, until the socket is full; three datagrams of loopback fit."""
    claim = receiving(ReceiveBudget(CAPACITY), 0, 0.0)
    assert claim.most(SEGMENT, START) == 3 * START
    assert claim.most(SEGMENT, MANY) == int(CAPACITY / LOOPBACK_COST) > 3 * SEGMENT


def test_small_datagrams_cost_twice_their_octets() -> None:
    claim = receiving(ReceiveBudget(CAPACITY), 0, 0.0, loopback=False)
    assert claim.most(1448, MANY) == CAPACITY // DATAGRAM_COST


def test_what_is_spread_over_a_round_trip_costs_what_comes_between_two_reads() -> None:
    """BUF-3: 100 Mbit/s over 200 ms get all that they may use out of the smallest socket."""
    claim = receiving(ReceiveBudget(CAPACITY), 0, 0.0, loopback=False)
    claim.arrived(0, READ_GAP / 2, 0.0)
    assert claim.most(1448, MANY) == CAPACITY // 2
    claim.arrived(0, 0.2, 0.0)
    assert claim.most(1448, MANY) > Config().receive_buffer_max
    near = Claim(ReceiveBudget(CAPACITY), loopback=True)
    near.arrived(0, 0.2, 0.0)  # a loaded host, not a long path
    assert near.most(SEGMENT, MANY) < CAPACITY


def test_several_have_equal_shares_of_one_half() -> None:
    """The other half is for those who begin."""
    budget = ReceiveBudget(8 << 20)
    claims = [receiving(budget, 1000, 0.0) for _ in range(50)]
    for claim in claims:
        assert claim.most(0, MANY) == int((4 << 20) / 50 / LOOPBACK_COST)


def test_what_others_were_promised_is_not_promised_again() -> None:
    """A share counts only as far as it is free."""
    budget = ReceiveBudget(CAPACITY)
    first = receiving(budget, 180_000, 0.0)
    second = receiving(budget, 0, 0.0)
    assert second.most(0, MANY) == int(CAPACITY / LOOPBACK_COST) - 180_000
    first.arrived(0, None, 0.0)  # they have come
    assert second.most(0, MANY) == int(CAPACITY / LOOPBACK_COST)


def test_a_window_that_a_peer_can_use_is_never_refused() -> None:
    """SWS-2, SWS-3: else the peer would wait for the override of silly-window avoidance."""
    budget = ReceiveBudget(CAPACITY)
    claims = [receiving(budget, LEAST, 0.0) for _ in range(100)]
    assert claims[0].most(SEGMENT, MANY) == LEAST
    claims[0].granted(100_000)
    assert claims[0].most(SEGMENT, MANY) == 50_000
    claims[0].granted(200_000)
    assert claims[0].most(SEGMENT, MANY) == SEGMENT
    assert claims[0].most(1448, MANY) == LEAST


def test_who_rests_leaves_its_share_to_others() -> None:
    """The promise stands; that it will be used at once is not to be expected."""
    budget = ReceiveBudget(CAPACITY)
    idle = receiving(budget, 150_000, 0.0)
    claim = receiving(budget, 0, REST)
    claim.arrived(1, None, REST)
    assert claim.most(0, MANY) < CAPACITY // 2
    claim.arrived(1, None, 1.5 * REST)
    assert claim.most(0, MANY) == int(CAPACITY / LOOPBACK_COST)
    assert idle.charge == 0
    idle.arrived(150_000, None, 1.5 * REST + 0.001)
    assert claim.most(0, MANY) < CAPACITY // 2


def test_an_end_leaves_all() -> None:
    budget = ReceiveBudget(CAPACITY)
    claim, other = receiving(budget, 100_000, 0.0), receiving(budget, 1, 0.0)
    claim.release()
    claim.release()
    assert other.most(0, MANY) == int(CAPACITY / LOOPBACK_COST)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40_000), st.booleans()), max_size=60),
    st.integers(10_000, 1_000_000),
)
def test_SHLD_14_no_edge_ever_moves_back(plan: list[tuple[int, int, bool]], capacity: int) -> None:
    """BUF-8: connections come and go in one socket, and every promise stands."""
    budget = ReceiveBudget(capacity)
    receivers: list[Receiver] = []
    config = Config()
    for n, (which, size, read) in enumerate(plan):
        now = n / 50
        while which >= len(receivers):
            claim = Claim(budget, loopback=which % 2 == 0)
            receiver = Receiver(IRS, config, Timers(), claim=claim)
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
    table = ConnectionTable(Config(), secret=bytes(16), random=chance)
    table.limit_promises(CAPACITY)
    table.open_active((("127.0.0.1", 1), ""), 80, 0.0)
    syn = table.poll_transmit(0.0)
    assert syn is not None
    assert int.from_bytes(bytes(syn.buffers[0])[14:16], "big") == START
