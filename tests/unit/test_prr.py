"""Proportional Rate Reduction (RFC 9937), in segments of 100 octets."""

from hypothesis import given
from hypothesis import strategies as st

from rudp.core.congestion.prr import Prr

SMSS = 100


def test_every_second_delivery_lets_one_go() -> None:
    """PRR-1, PRR-3, PRR-4, PRR-7: twenty in flight, ten wanted; one is lost, nineteen arrive."""
    prr = Prr(10 * SMSS, 20 * SMSS, SMSS)
    in_flight = 18 * SMSS  # one is lost, one has been SACKed
    sent = 0
    for _ in range(19):
        prr.on_ack(SMSS, in_flight, False)
        while in_flight + SMSS <= prr.cwnd:
            prr.on_sent(SMSS)
            in_flight += SMSS
            sent += 1
        in_flight -= SMSS
    assert sent == 10
    assert in_flight + SMSS in (9 * SMSS, 10 * SMSS)


def test_the_fast_retransmission_always_goes() -> None:
    """PRR-6"""
    prr = Prr(10 * SMSS, 20 * SMSS, SMSS)
    prr.on_ack(1, 18 * SMSS, False)
    assert prr.cwnd == 19 * SMSS
    prr.on_sent(SMSS)
    prr.on_ack(2, 19 * SMSS, False)
    assert prr.cwnd == 19 * SMSS


def test_below_the_target_what_arrives_goes_out() -> None:
    """PRR-5: and one segment more while nothing else is found lost."""
    prr = Prr(10 * SMSS, 20 * SMSS, SMSS)
    prr.on_ack(SMSS, 4 * SMSS, False)
    assert prr.cwnd == 5 * SMSS
    prr.on_sent(SMSS)
    prr.on_ack(SMSS, 4 * SMSS, True)
    assert prr.cwnd == 6 * SMSS
    prr.on_ack(20 * SMSS, 4 * SMSS, True)
    assert prr.cwnd == 10 * SMSS


@given(
    st.integers(2, 100),
    st.integers(2, 200),
    st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=100),
)
def test_never_above_the_target_once_below(
    target: int, flight: int, acks: list[tuple[int, bool]]
) -> None:
    """PRR-4, PRR-5: the window ends at ssthresh from either side, and a lone segment may go."""
    prr = Prr(target * SMSS, flight * SMSS, SMSS)
    in_flight = (flight - 1) * SMSS
    for n, (delivered, safe) in enumerate(acks):
        octets = min(delivered * SMSS, in_flight)
        if not octets:
            break
        in_flight -= octets
        prr.on_ack(octets, in_flight, safe)
        assert prr.cwnd >= in_flight
        if in_flight <= target * SMSS:
            assert prr.cwnd <= max(target * SMSS, in_flight + SMSS * (n == 0))
        room = (prr.cwnd - in_flight) // SMSS * SMSS
        prr.on_sent(room)
        in_flight += room
