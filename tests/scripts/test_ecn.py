"""Explicit congestion notification: agreed on, marked, echoed, answered (RFC 3168)."""

import pytest

from tests.scripts.kit import Play

OFFERED = """
    listen
    < SEC 0 win 65535 <mss 1000>
    > SAE 0 ack 1
    +0.1 < A 1 ack 1 win 65535
    accept
    info ecn True
"""
"""The peer's SYN offers it, and by default that is enough."""

OFFERING = """
    connect
    > SEC 0
    +0.1 < SAE 0 ack 1 win 65535 <mss 1000>
    > A 1 ack 1
    info ecn True
"""


def window(first: int = 1, upto: int = 10_001) -> str:
    """Return the lines of full segments that leave together."""
    return "\n".join(f"> A {n}:{n + 1000}(1000) ack 1 ect" for n in range(first, upto, 1000))


# -- negotiation ---------------------------------------------------------------------------------


def test_ECN_2_an_offer_is_accepted_and_none_is_made(play: Play) -> None:
    """DEF-39, SHLD-8, ECN-3: SYN,ACK and pure ACK are not ECN-capable, data is."""
    play(OFFERED)
    play("send 10 \n > PA 1:11(10) ack 1 ect")
    play.configure()
    play("connect \n > S 0 \n +0.1 < SA 0 ack 1 <mss 1000> \n > A 1 ack 1 \n info ecn False")


def test_ECN_2_an_offer_of_ours(play: Play) -> None:
    play.configure(ecn="on")
    play(OFFERING)
    play("send 10 \n > PA 1:11(10) ack 1 ect")


@pytest.mark.parametrize("flags", ["SA", "SAC", "SAEC"])
def test_ECN_2_what_does_not_accept(play: Play, flags: str) -> None:
    """Old stacks send back the bits that they do not know."""
    play.configure(ecn="on")
    play(
        f"""
        connect
        > SEC 0
        +0.1 < {flags} 0 ack 1 win 65535 <mss 1000>
        > A 1 ack 1
        info ecn False
        send 10
        > PA 1:11(10) ack 1
        """
    )


@pytest.mark.parametrize(
    ("ecn", "flags"), [("classic", "SE"), ("on", "SC"), ("off", "SEC"), ("off", "SECN")]
)
def test_ECN_2_what_does_not_offer(play: Play, ecn: str, flags: str) -> None:
    """ECN-9: and then a mark is not echoed, nor an echo heeded."""
    play.configure(ecn=ecn)
    play(
        f"""
        listen
        < {flags} 0 win 65535 <mss 1000>
        > SA 0 ack 1
        +0.1 < A 1 ack 1 win 65535
        accept
        info ecn False
        send 10
        > PA 1:11(10) ack 1
        +0.1 < PAE 1:11(10) ack 11 ce
        +0.04 > A 11 ack 11
        info ce_received 0
        info ece_received 0
        """
    )


def test_ECN_2_crossing_offers(play: Play) -> None:
    """Each side answers the other's SYN with a SYN,ACK that accepts."""
    play.configure(ecn="on")
    play(
        """
        connect
        > SEC 0
        < SEC 0 win 65535 <mss 1000>
        > SAE 0 ack 1
        < SAE 0 ack 1 win 65535 <mss 1000>
        info ecn True
        send 10
        > PA 1:11(10) ack 1 ect
        """
    )


def test_ECN_2_a_crossing_offer_that_we_did_not_make(play: Play) -> None:
    """The peer has seen a plain SYN from us and will not mark, so we do not say we would."""
    play(
        """
        connect
        > S 0
        < SEC 0 win 65535 <mss 1000>
        > SA 0 ack 1
        < SA 0 ack 1 win 65535 <mss 1000>
        info ecn False
        """
    )


def test_ECN_7_an_offer_that_is_not_answered(play: Play) -> None:
    """The second SYN goes without; an answer to the first still has its marks echoed."""
    play.configure(ecn="on")
    play(
        """
        connect
        > SEC 0
        +1 > S 0
        +0.1 < SAE 0 ack 1 win 65535 <mss 1000>
        > A 1 ack 1
        info ecn False
        send 10
        > PA 1:11(10) ack 1
        +0.1 < PA 1:11(10) ack 11 ce
        > AE 11 ack 11
        """
    )


def test_ECN_7_an_offer_that_is_refused(play: Play) -> None:
    """A RST may be about the two bits; it is believed when it comes again."""
    play.configure(ecn="on")
    play(
        """
        connect
        > SEC 0
        +0.1 < RA 0 ack 1
        > S 0
        state SYN-SENT
        +0.1 < RA 0 ack 1
        error ConnectionRefusedError
        """
    )


def test_ECN_7_a_peer_that_takes_its_offer_back(play: Play) -> None:
    """Whoever has heard a plain SYN does not mark (RFC 3168 §6.1.1)."""
    play(
        """
        listen
        < SEC 0 win 65535 <mss 1000>
        > SAE 0 ack 1
        +0.5 < S 0 win 65535 <mss 1000>
        > SA 0 ack 1
        < A 1 ack 1
        accept
        info ecn False
        """
    )


# -- a mark and its echo -------------------------------------------------------------------------


def test_ECN_4_the_echo_lasts_until_CWR(play: Play) -> None:
    """DACK-2: a change is told at once, though the segment is small; what lies between waits."""
    play(OFFERED)
    play(
        """
        < PA 1:11(10) ack 1 ce
        > AE 1 ack 11
        < PA 11:21(10) ack 1
        +0.04 > AE 1 ack 21
        send 5
        > PAE 1:6(5) ack 21 ect
        < PAC 21:31(10) ack 6
        > A 6 ack 31
        < PA 31:41(10) ack 6
        +0.04 > A 6 ack 41
        info ce_received 1
        """
    )


def test_ECN_4_a_mark_on_the_segment_with_CWR_counts(play: Play) -> None:
    play(OFFERED)
    play(
        """
        < PA 1:11(10) ack 1 ce
        > AE 1 ack 11
        < PAC 11:21(10) ack 1 ce
        +0.04 > AE 1 ack 21
        info ce_received 2
        """
    )


def test_ECN_4_a_mark_out_of_order(play: Play) -> None:
    """In the window is enough; the retransmission that fills the gap is never marked."""
    play(OFFERED)
    play(
        """
        < PA 11:21(10) ack 1 ce
        > AE 1 ack 1
        < PA 1:11(10) ack 1
        > AE 1 ack 21
        """
    )


@pytest.mark.parametrize("segment", ["PA 1:11(10) ack 11 ce", "PA 900000:900010(10) ack 11 ce"])
def test_ECN_4_a_mark_outside_the_window(play: Play, segment: str) -> None:
    """It may be old, or forged to slow us down."""
    play(OFFERED)
    play(
        f"""
        send 10
        > PA 1:11(10) ack 1 ect
        < PA 1:11(10) ack 11
        +0.04 > A 11 ack 11
        < {segment}
        > A 11 ack 11
        info ce_received 0
        """
    )


# -- the answer to an echo -----------------------------------------------------------------------


def test_ECN_5_ECN_6_one_reduction_for_each_window(play: Play) -> None:
    """ECN-3, CC-9: half, nothing is sent again, one segment says CWR, further echoes add nothing.

    Nor does an acknowledgement with an echo let the window grow (RFC 3168 §6.1.2).
    """
    play(OFFERED)
    play("info cwnd 10000 \n send 20000 \n" + window())
    play(
        """
        +0.1 < AE 1 ack 2001
        info cwnd 5000
        < AE 1 ack 4001
        info cwnd 5000
        < AE 1 ack 6001
        > AC 10001:11001(1000) ack 1 ect
        < AE 1 ack 8001
        > A 11001:12001(1000) ack 1 ect
        > A 12001:13001(1000) ack 1 ect
        < A 1 ack 10001
        > A 13001:14001(1000) ack 1 ect
        > A 14001:15001(1000) ack 1 ect
        info cwnd 5000
        < AE 1 ack 11001                    # a mark made since: the next window
        info cwnd 2500
        info ece_received 5
        info resent 0
        """
    )


def test_ECN_3_ECN_6_a_retransmission_is_not_marked(play: Play) -> None:
    """A reduction for a loss is told as well, by new data, and heeds no mark of the same window."""
    play.configure(loss_detection="rfc6675")
    play(OFFERED)
    play("send 20000 \n" + window())
    play(
        """
        +0.1 < A 1 ack 1
        > A 10001:11001(1000) ack 1 ect     # limited transmit
        < A 1 ack 1
        > A 11001:12001(1000) ack 1 ect
        < A 1 ack 1
        > A 1:1001(1000) ack 1
        info ssthresh 5000
        < AE 1 ack 12001
        > AC 12001:13001(1000) ack 1 ect
        > A 13001:14001(1000) ack 1 ect
        info ssthresh 5000
        """
    )


def test_ECN_5_a_loss_in_the_window_of_a_mark(play: Play) -> None:
    """One reduction answers both; the lost segment is sent again all the same."""
    play.configure(loss_detection="rfc6675")
    play(OFFERED)
    play("send 10000 \n" + window(upto=9001) + "\n > PA 9001:10001(1000) ack 1 ect")
    play(
        """
        +0.1 < AE 1 ack 1001
        info ssthresh 5000
        < AE 1 ack 1001
        < AE 1 ack 1001
        < AE 1 ack 1001
        > A 1001:2001(1000) ack 1
        info ssthresh 5000
        """
    )


def test_ECN_8_CUB_11_a_mark_at_the_smallest_window(play: Play) -> None:
    """Nothing leaves for an RTO then, and for twice as long if the next is marked again."""
    play.configure(delayed_ack=0.0)
    play(OFFERED)
    play("send 1000 \n > PA 1:1001(1000) ack 1 ect \n +0.1 < AE 1 ack 1001 \n info cwnd 1000")
    play(
        """
        send 3000
        > AC 1001:2001(1000) ack 1 ect
        +0.1 < AE 1 ack 2001                # sent after the reduction, and marked
        info rto 0.3
        +0.3 > AC 2001:3001(1000) ack 1 ect
        +0.1 < AE 1 ack 3001
        +0.6 > PAC 3001:4001(1000) ack 1 ect
        +0.1 < A 1 ack 4001                 # the queue is gone
        send 2000
        > A 4001:5001(1000) ack 1 ect
        > PA 5001:6001(1000) ack 1 ect
        """
    )


def test_ECN_3_probes_of_a_shut_window_and_FIN_are_not_marked(play: Play) -> None:
    play(OFFERED)
    play(
        """
        < A 1 ack 1 win 0
        send 10
        +0.3 > A 1:2(1) ack 1
        +0.1 < A 1 ack 2 win 100
        > PA 2:11(9) ack 1 ect
        < A 1 ack 11 win 100
        shutdown
        > FA 11 ack 1
        """
    )
