"""A peer that acknowledges what it never got, or says so in ever new ways, gains little by it.

Who receives is on the path by nature and cannot be kept from lying.  It can be kept from gaining:
octets count and not acknowledgements, what was never sent cannot be acknowledged, reports of loss
and of its absence move the window between bounds that honest ones would allow too.
"""

import pytest

from tests.scripts.kit import Play, active

SACK = active("mss 1000, sackOK")
PLAIN = active("mss 1000")


def burst(first: int, last: int, size: int = 1000) -> str:
    """Return the segments that carry octets *first* up to *last*."""
    return "".join(f"> A {at}:{at + size}(1000) ack 1\n" for at in range(first, last, size))


WINDOW = "send 20000 \n" + burst(1, 10_001)
"""All that the initial window of ten segments lets go, and as much again that waits."""


def test_CC_3_an_acknowledgement_in_slices(play: Play) -> None:
    """RFC 5681 §3.1: ten acknowledgements of 100 octets open the window by what one of 1000 does.

    One segment was acknowledged, so two may leave: its place and the growth.
    """
    slices = [f"< A 1 ack {at} \n" for at in range(101, 1101, 100)]
    slices.insert(5, burst(10_001, 11_001))
    play(PLAIN + WINDOW)
    play("+0.1 wait \n" + "".join(slices) + burst(11_001, 12_001) + "info cwnd 11000")


def test_CC_3_a_segment_acknowledged_whole(play: Play) -> None:
    """The same without slices, to compare."""
    play(PLAIN + WINDOW)
    play("+0.1 < A 1 ack 1001 \n" + burst(10_001, 12_001) + "info cwnd 11000")


@pytest.mark.parametrize("ahead", [1, 1000, 10_000, 1_000_000, 1 << 30])
def test_ST_27_what_was_never_sent_cannot_be_acknowledged(play: Play, ahead: int) -> None:
    """CHAL-2: an optimistic ACK beyond SND.NXT is answered, and opens nothing."""
    play(PLAIN + WINDOW)
    play(
        f"""
        +0.1 < A 1 ack {10_001 + ahead}
        > A 10001 ack 1
        < A 1 ack {10_002 + ahead}
        info cwnd 10000
        info unacked 10000
        count ACK_UNACCEPTABLE 2
        """
    )


def test_WS_3_early_acknowledgements_stop_at_the_peers_window(play: Play) -> None:
    """Each of these is of octets in flight, so it is believed; its sender pays with its own window.

    Nothing leaves beyond what it has offered, and each octet leaves once.
    """
    play(active("mss 1000", win=12_000) + WINDOW)
    play("< A 1 ack 10001 win 2000 \n" + burst(10_001, 12_001) + "info unsent 8000")
    play("< A 1 ack 12001 win 0 \n info unsent 8000")


def test_ST_27_what_was_acknowledged_early_is_not_sent_again(play: Play) -> None:
    """The liar has lost these octets for good, and nobody else has lost anything."""
    play(PLAIN + "send 3000 \n" + burst(1, 2001) + "> PA 2001:3001(1000) ack 1")
    play(
        """
        < A 1 ack 3001
        info unacked 0
        +200 < A 1 ack 2001                 # it would like to have the last again
        +200 shutdown
        > FA 3001 ack 1
        < A 1 ack 3002
        state FIN-WAIT-2
        """
    )


def test_M_11_SB_3_what_is_SACKed_and_never_acknowledged(play: Play) -> None:
    """SACK-5: SACKs of octets that never came hold nothing up: in the end all is sent again."""
    play(SACK + "send 3000 \n" + burst(1, 2001) + "> PA 2001:3001(1000) ack 1")
    play(
        """
        +0.1 < A 1 ack 1 <sack 1:3001>      # what begins at SEG.ACK is not out of order
        < A 1 ack 1 <sack 3001:9001>        # never sent
        < A 1 ack 1 <sack 2001:1001>
        info in_flight 3000
        count SACK_INVALID 3
        < A 1 ack 1 <sack 1001:3001>
        info in_flight 1000
        +0.025 > A 1:1001(1000) ack 1
        +0.1 < A 1 ack 1001                 # the rest is not there after all
        +0.3 > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 2001
        > PA 2001:3001(1000) ack 1
        +0.1 < A 1 ack 3001
        info unacked 0
        """
    )


def test_M_11_SACKs_open_no_more_than_acknowledgements_do(play: Play) -> None:
    """A segment SACKed out of order is one that has left, and said again it is no other."""
    play(SACK + WINDOW)
    play("+0.1 < A 1 ack 1 <sack 2001:3001> \n" + burst(10_001, 11_001) + "info cwnd 10000")
    play("< A 1 ack 1 <sack 2001:3001> \n" * 20 + "info cwnd 10000 \n info in_flight 10000")


def test_NR_3_duplicates_that_nobody_has_caused(play: Play) -> None:
    """RFC 5681 §13: a hundred invented duplicates halve the window once.

    They let as many new segments go as were outstanding, and not one more.
    """
    play(PLAIN + "send 100000 \n" + burst(1, 10_001))
    script = "+0.1 wait \n"
    leaves = {0: 10_001, 1: 11_001, 7: 12_001, 8: 13_001, 9: 14_001, 10: 15_001, 11: 16_001}
    for n in range(100):
        script += "< A 1 ack 1 \n"
        if n in leaves:
            script += burst(leaves[n], leaves[n] + 1000)
        elif n == 2:
            script += burst(1, 1001)
    play(script + "info ssthresh 5000 \n info cwnd 5000")


def test_UNDO_3_a_loss_called_off_gives_back_what_was_taken(play: Play) -> None:
    """D-SACKs of all that was sent again restore the window, once, and do not make it larger.

    What is acknowledged with them lets it grow as it would have without a loss.
    """
    play(SACK + "send 10000 \n" + burst(1, 9001) + "> PA 9001:10001(1000) ack 1")
    play("+0.1 < A 1 ack 1 <sack 1001:5001> \n > A 1:1001(1000) ack 1 \n info ssthresh 5000")
    play("< A 1 ack 10001 <sack 1:1001> \n info undone 1 \n info cwnd 16000")
    play("< A 1 ack 10001 <sack 1:1001> \n" * 20 + "info undone 1 \n info cwnd 16000")


def test_ECN_9_an_echo_that_was_not_agreed_on(play: Play) -> None:
    """ECE is nothing then; where it was agreed on it halves the window once (ECN-5)."""
    play(PLAIN + "send 10000 \n" + burst(1, 9001) + "> PA 9001:10001(1000) ack 1")
    play("+0.1 < AE 1 ack 1001 \n < AE 1 ack 2001 \n info cwnd 12000")
