"""Losses found by acknowledgements: limited transmit, fast retransmit, recovery."""

from tests.scripts.kit import Play, active


def sent(first: int, last: int, *, pushed: bool = False) -> str:
    """Return lines for segments of 1000 octets, from number *first* to *last*."""
    lines = [f"> A {n}:{n + 1000}(1000) ack 1" for n in range(first, last, 1000)]
    if pushed:
        lines[-1] = lines[-1].replace("A", "PA")
    return "\n".join(lines) + "\n"


def test_NR_3_fast_retransmit_without_SACK(play: Play) -> None:
    """ACKP-2, ACKP-7, LT-1, NR-1, NR-2, NR-4, NR-6, SHLD-28, CC-7, DEF-22.

    One loss in a window of ten.
    """
    play(active("mss 1000"))
    play("send 20000 \n" + sent(1, 10001))
    play(
        """
        +0.1 < A 1 ack 1
        > A 10001:11001(1000) ack 1         # limited transmit
        < A 1 ack 1
        > A 11001:12001(1000) ack 1
        info cwnd 10000
        < A 1 ack 1
        > A 1:1001(1000) ack 1              # the third: fast retransmit
        info ssthresh 5000
        < A 1 ack 1
        < A 1 ack 1
        < A 1 ack 1
        < A 1 ack 1
        < A 1 ack 1                         # cwnd + 8 segments, as RFC 6582 counts
        > A 12001:13001(1000) ack 1
        < A 1 ack 1
        > A 13001:14001(1000) ack 1
        < A 1 ack 1
        > A 14001:15001(1000) ack 1
        < A 1 ack 1
        > A 15001:16001(1000) ack 1
        +0.1 < A 1 ack 12001
        > A 16001:17001(1000) ack 1         # all is there: five in flight, no burst
        info cwnd 5000
        """
    )


def test_NR_5_partial_acknowledgements_without_SACK(play: Play) -> None:
    """NR-5, NR-6, NR-2, CC-10: two losses, one round trip each; the echo starts nothing new."""
    play(active("mss 1000"))
    play("send 6000 \n" + sent(1, 6001, pushed=True))
    play(
        """
        +0.1 < A 1 ack 1
        < A 1 ack 1
        < A 1 ack 1
        > A 1:1001(1000) ack 1
        < A 1 ack 1
        +0.1 < A 1 ack 2001
        > A 2001:3001(1000) ack 1
        +0.1 < A 1 ack 6001
        info lost 0
        info unacked 0
        send 1000
        > PA 6001:7001(1000) ack 1
        +0.1 < A 1 ack 7001
        +10 wait
        """
    )


def test_SB_4_fast_retransmit_with_SACK(play: Play) -> None:
    """SB-6, SACK-1, ACKP-3, ACKP-6: what has three segments SACKed above it is lost."""
    play(active("mss 1000, sackOK"))
    play("send 10000 \n" + sent(1, 10001, pushed=True))
    play(
        """
        +0.1 < A 1 ack 1 <sack 1001:2001>
        < A 1 ack 1 <sack 1001:3001>
        < A 1 ack 1 <sack 1001:4001>
        > A 1:1001(1000) ack 1
        info ssthresh 5000
        < A 1 ack 1 <sack 1001:4001>        # no news: nothing is sent
        < A 1 ack 1 <sack 5001:10001 1001:4001>
        > A 4001:5001(1000) ack 1
        +0.1 < A 1 ack 4001 <sack 5001:10001>
        +0.01 < A 1 ack 10001
        info unacked 0
        +10 wait
        """
    )


def test_LT_1_limited_transmit_with_SACK(play: Play) -> None:
    """Only SACK news releases a segment."""
    play(active("mss 1000, sackOK"))
    play("send 20000 \n" + sent(1, 10001))
    play(
        """
        +0.1 < A 1 ack 1
        < A 1 ack 1 <sack 1001:2001>
        > A 10001:11001(1000) ack 1
        < A 1 ack 1 <sack 1001:2001>
        < A 1 ack 1 <sack 1001:3001>
        > A 11001:12001(1000) ack 1
        """
    )


def test_M_11_blocks_that_make_no_sense_are_ignored(play: Play) -> None:
    """SB-2, W-25, SB-8: empty, backwards, beyond SND.NXT, below SEG.ACK."""
    play(active("mss 1000, sackOK"))
    play("send 4000 \n" + sent(1, 4001, pushed=True))
    play(
        """
        +0.1 < A 1 ack 1 <sack 2001:2001 3001:2001 4001:5001 2001:4002>
        < A 1 ack 1 <sack 2001:1 3001:1>
        < A 1 ack 1 <raw 0505010203>        # no multiple of eight
        count SACK_INVALID 6
        < A 1 ack 1 <sack -1000:1>          # a duplicate, reported: no harm
        info lost 0
        count SACK_INVALID 6
        """
    )


def test_W_25_SACK_that_was_not_negotiated_is_ignored(play: Play) -> None:
    play(active("mss 1000"))
    play("send 6000 \n" + sent(1, 6001, pushed=True))
    play("+0.1 < A 1 ack 1 win 60000 <sack 1001:6001> \n info lost 0 \n info in_flight 6000")


def test_CC_8_CC_1_idle_returns_to_the_restart_window(play: Play) -> None:
    """CC-1, CC-4, DEF-18, DEF-26, UDP-3: ten segments, more after slow start, ten after a pause."""
    play(active("mss 1000"))
    play("send 10000 \n" + sent(1, 10001, pushed=True))
    play(
        """
        +0.1 < A 1 ack 10001
        info cwnd 20000
        +10 wait
        send 20000
        """
        + sent(10001, 20001)
        + "info cwnd 10000"
    )


def test_CC_6_a_program_that_sends_little_grows_nothing(play: Play) -> None:
    """TRAP-10: cwnd was not the limit."""
    play(active("mss 1000"))
    script = ""
    for n in range(1, 20_001, 1000):
        script += f"send 1000 \n > PA {n}:{n + 1000}(1000) ack 1 \n +0.1 < A 1 ack {n + 1000} \n"
    play(script + "info cwnd 10000")


def test_SB_1_an_acknowledgement_that_was_overtaken_still_SACKs(play: Play) -> None:
    """RACK-9, MUST-59: any ACK counts (RFC 6675 §5), also one below SND.UNA."""
    play(active("mss 1000, sackOK"))
    play("send 6000 \n" + sent(1, 6001, pushed=True))
    play(
        """
        +0.1 < A 1 ack 2001
        < A 1 ack 1 <sack 1001:2001 3001:6001>   # sent before, came after it
        > A 2001:3001(1000) ack 1           # three segments above: lost
        < A 1 ack 1001 <sack 3001:6001>
        +0.1 < A 1 ack 6001
        info resent 1000
        """
    )


def test_UNDO_6_a_DSACK_that_was_overtaken(play: Play) -> None:
    """RFC 2883 §4"""
    play(active("mss 1000, sackOK"))
    play("send 5000 \n" + sent(1, 5001, pushed=True))
    play(
        """
        +0.1 < A 1 ack 1 <sack 1001:4001>
        > A 1:1001(1000) ack 1
        < A 1 ack 5001                      # it was only late
        info undone 0
        send 1000
        > PA 5001:6001(1000) ack 1
        +0.1 < A 1 ack 6001
        < A 1 ack 5001 <sack 1:1001>        # the copy arrived too
        info dsacks 1
        info undone 1
        """
    )


def test_TS_2_an_overtaken_ACK_SACKs_with_an_old_stamp(play: Play) -> None:
    """SB-1: PAWS would drop it, though its stamp is a moment old; its window is not taken."""
    play(active("mss 1000, sackOK, TS 0 0"))
    play(
        """
        send 4940
        > A 1:989(988) ack 1
        > A 989:1977(988) ack 1
        > A 1977:2965(988) ack 1
        > A 2965:3953(988) ack 1
        > PA 3953:4941(988) ack 1
        """
    )
    play(
        """
        +0.1 < A 1 ack 989 <TS 200 100>
        < A 1 ack 1 win 10 <TS 190 100, sack 1977:4941>
        > A 989:1977(988) ack 1
        count PAWS 0
        < A 1 ack 1 <TS 190 100>            # it says nothing
        > A 4941 ack 1
        count PAWS 1
        < A 1 ack 1 <TS -100 100, sack 1977:4941>   # and this is an old duplicate
        count PAWS 2
        """
    )


def test_RACK_9_a_clock_that_stands_still(play: Play) -> None:
    """RACK-7: a tick of 15 ms holds many round trips; the hole is sent again once in it."""
    play(active("mss 1000, sackOK"))
    play("send 6000 \n" + sent(1, 6001, pushed=True))
    play(
        """
        < A 1 ack 1 <sack 1001:2001>
        < A 1 ack 1 <sack 1001:3001>
        < A 1 ack 1 <sack 1001:4001>
        > A 1:1001(1000) ack 1
        < A 1 ack 1 <sack 1001:5001>
        < A 1 ack 1 <sack 1001:6001>
        info resent 1000
        < A 1 ack 6001
        """
    )
