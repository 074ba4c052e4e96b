"""The retransmission time-out: its schedule, its samples, and when it gives up."""

import pytest

from tests.scripts.kit import Play, active, passive


def test_RTO_11_the_schedule_up_to_R2(play: Play) -> None:
    """RTO-17, UDP-2: never early, and twice as late each time.

    MUST-18..20, FAIL-2, RTO-6, RTO-9, ST-40..42, DEF-9, SHLD-11, TRAP-9: 300 s, and a RST.
    """
    play(active())
    play(
        """
        send 10
        > PA 1:11(10) ack 1
        +0.3 > PA 1:11(10) ack 1
        +0.6 > PA 1:11(10) ack 1
        events WRITABLE
        soft none
        +1.2 > PA 1:11(10) ack 1
        soft ETIMEDOUT                      # R1: FAIL-1, SHLD-9, SHLD-10, MUST-47, DEF-8
        events WRITABLE SOFT_ERROR
        +2.4 > PA 1:11(10) ack 1
        +4.8 > PA 1:11(10) ack 1
        +9.6 > PA 1:11(10) ack 1
        +19.2 > PA 1:11(10) ack 1
        +38.4 > PA 1:11(10) ack 1
        +60 > PA 1:11(10) ack 1
        +60 > PA 1:11(10) ack 1
        +60 > PA 1:11(10) ack 1
        299.9 state ESTABLISHED
        300.1 > RA 11 ack 1
        state CLOSED
        error TimeoutError
        fails TimeoutError send 1
        """
    )


def test_MUST_21_R2_can_be_set_and_switched_off(play: Play) -> None:
    """FAIL-2: for one connection, while it runs."""
    play(active())
    play(
        """
        user_timeout 1
        send 10
        > PA 1:11(10) ack 1
        +0.3 > PA 1:11(10) ack 1
        +0.6 > PA 1:11(10) ack 1
        +0.1 > RA 11 ack 1
        error TimeoutError
        """
    )
    play.configure(user_timeout=None, max_rto=1.0)
    play(active() + "send 10 \n > PA 1:11(10) ack 1 \n +0.3 > PA 1:11(10) ack 1")
    play("+0.6 > PA 1:11(10) ack 1 \n" + "+1 > PA 1:11(10) ack 1 \n" * 1000)
    play("state ESTABLISHED")


def test_RTO_12_the_doubled_value_stays_until_a_sample(play: Play) -> None:
    """MUST-18, RTO-7, TRAP-6: Karn: the ACK of what was sent twice is no sample."""
    play(active())
    play(
        """
        send 10
        > PA 1:11(10) ack 1
        +0.3 > PA 1:11(10) ack 1
        +0.1 < A 1 ack 11
        info rto 0.6
        info srtt 0.1
        send 10
        > PA 11:21(10) ack 1
        +0.6 > PA 11:21(10) ack 1
        +1.2 > PA 11:21(10) ack 1
        +0.1 < A 1 ack 21
        info rto 2.4
        send 10
        > PA 21:31(10) ack 1
        +0.1 < A 1 ack 31                   # a sample at last
        info rto 0.3
        """
    )


def test_M_13_an_echo_that_was_never_sent_is_no_sample(play: Play) -> None:
    play(active("mss 1000, TS 0 0"))
    play(
        """
        send 10
        > PA 1:11(10) ack 1
        +0.3 > PA 1:11(10) ack 1
        +0.1 < A 1 ack 11 <TS 500 900000>
        info rto 0.6
        """
    )


def test_RTO_2_RTO_3_the_arithmetic(play: Play) -> None:
    """RTO-4, RTO-5, RTO-8, ACKP-4, TRAP-6, DEF-3: 0.1, then 0.2, then 0.1; RTTVAR first."""
    play(active())
    play(
        """
        info rttvar 0.05
        send 10
        > PA 1:11(10) ack 1
        +0.2 < A 1 ack 11
        info srtt 0.1125                    # 7/8 * 0.1 + 1/8 * 0.2
        info rttvar 0.0625                  # 3/4 * 0.05 + 1/4 * 0.1
        info rto 0.3625
        send 10
        > PA 11:21(10) ack 1
        +0.1 < A 1 ack 21
        info srtt 0.1109
        info rttvar 0.05
        info rto 0.3109
        """
    )


def test_RTO_5_the_floor_of_the_RFC(play: Play) -> None:
    play.configure(min_rto=1.0, rto_form="rfc")
    play(active() + "send 10 \n > PA 1:11(10) ack 1 \n +1 > PA 1:11(10) ack 1")


@pytest.mark.parametrize("side", [active, passive])
def test_RTO_13_after_a_lost_SYN(play: Play, side: object) -> None:
    """3 s once data flows, for the handshake gave no sample (CC-2: the window stays)."""
    if side is active:
        play("connect \n > S 0 \n 1 > S 0 \n +0.1 < SA 0 ack 1 <mss 1000> \n > A 1 ack 1")
    else:
        play("listen \n < S 0 <mss 1000> \n > SA 0 ack 1 \n 1 > SA 0 ack 1")
        play("+0.1 < A 1 ack 1 \n accept")
    play(
        """
        info cwnd 10000
        info rto 3.0
        send 10
        > PA 1:11(10) ack 1
        +3 > PA 1:11(10) ack 1
        """
    )


def test_CC_2_a_SYN_lost_twice_leaves_one_segment(play: Play) -> None:
    play(
        """
        connect
        > S 0
        1 > S 0
        3 > S 0
        +0.1 < SA 0 ack 1 <mss 1000>
        > A 1 ack 1
        info cwnd 1000
        """
    )


def test_RTO_15_RTO_16_slow_start_after_an_expiry(play: Play) -> None:
    """MUST-19, CC-9, DEF-5: one segment, and half of what was in flight as ssthresh, once."""
    play(active())
    first = [f"> A {n}:{n + 1000}(1000) ack 1" for n in range(1, 9001, 1000)]
    play(
        "\n".join(["send 10000", *first])
        + """
        > PA 9001:10001(1000) ack 1
        +0.3 > A 1:1001(1000) ack 1
        info ssthresh 5000
        info cwnd 1000
        +0.6 > A 1:1001(1000) ack 1
        info ssthresh 5000
        +0.1 < A 1 ack 1001
        info cwnd 2000
        > A 1001:2001(1000) ack 1
        > A 2001:3001(1000) ack 1
        +0.1 < A 1 ack 10001
        info unacked 0
        +10 wait
        """
    )


def test_RTO_16_SACKed_octets_are_not_resent(play: Play) -> None:
    """SB-1, SB-3, SHLD-31: after the expiry only the holes go again."""
    play.configure(loss_detection="rfc6675", undo=False)
    play(active("mss 1000, sackOK"))
    play(
        """
        send 3000
        > A 1:1001(1000) ack 1
        > A 1001:2001(1000) ack 1
        > PA 2001:3001(1000) ack 1
        +0.1 < A 1 ack 1 <sack 1001:2001>
        +0.2 > A 1:1001(1000) ack 1
        +0.1 < A 1 ack 2001
        > PA 2001:3001(1000) ack 1
        """
    )


def test_SB_3_a_receiver_that_went_back_on_its_SACK(play: Play) -> None:
    """The octet at SND.UNA is SACKed and still not acknowledged when the timer expires."""
    play.configure(loss_detection="rfc6675", undo=False)
    play(active("mss 1000, sackOK"))
    play(
        """
        send 3000
        > A 1:1001(1000) ack 1
        > A 1001:2001(1000) ack 1
        > PA 2001:3001(1000) ack 1
        +0.1 < A 1 ack 1 <sack 1001:3001>
        +0.05 < A 1 ack 1001                # it has thrown away the rest
        info rto 0.3063
        +0.3063 > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 2001
        > PA 2001:3001(1000) ack 1
        """
    )
