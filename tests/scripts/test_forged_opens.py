"""Who knows all addresses and ports, but no number, cannot spoil an open (decision 23)."""

import pytest

from tests.scripts.kit import Play


def test_ST_17_ST_18_a_forged_crossing_SYN(play: Play) -> None:
    """The real SYN,ACK shows our number, the forged SYN does not; what that said is forgotten."""
    play(
        """
        connect
        > S 0
        < S 700000:700010(10) win 9 <mss 88, ws 14, TS 900000 0>
        > SA 0 ack 700011
        state SYN-RECEIVED
        +0.1 < SA 0 ack 1 win 5000 <mss 1000>
        > A 1 ack 1 <>
        state ESTABLISHED
        events ESTABLISHED WRITABLE
        read 0
        info snd_wnd 5000
        info snd_shift 0
        info timestamps False
        info mss 1000
        < PA 1:11(10) ack 1
        +0.04 > A 1 ack 11
        read 10
        send 10
        > PA 1:11(10) ack 11
        """
    )


def test_ST_23_a_forged_SYN_and_a_RST_that_fits_it(play: Play) -> None:
    """The forger knows the number he chose; he does not know ours."""
    play(
        """
        connect
        > S 0
        < S 700000
        > SA 0 ack 700001
        < R 700001
        > S 0
        state SYN-SENT
        < S 800000
        > SA 0 ack 800001
        < RA 800001 ack 500                 # an ACK, but not of our SYN
        > S 0
        state SYN-SENT
        +0.1 < SA 0 ack 1
        > A 1 ack 1
        state ESTABLISHED
        count RST_IGNORED 2
        """
    )


def test_ST_18_the_SYN_ACK_was_lost_after_a_forged_SYN(play: Play) -> None:
    """The peer's ACK draws one of ours that it refuses; the open begins again."""
    play(
        """
        connect
        > S 0
        < S 700000
        > SA 0 ack 700001
        +0.1 < A 1 ack 1                    # to the peer it was a SYN out of the window
        > A 1 ack 700001
        < R 700001                          # and this ACK is wrong
        > S 0
        < SA 0 ack 1
        > A 1 ack 1
        state ESTABLISHED
        """
    )


@pytest.mark.parametrize("flags", ["R", "RA", "SA", "A", "FA", "SFA"])
@pytest.mark.parametrize("ack", [0, 2, 1000, -1000, -(1 << 31)])
def test_ST_14_a_guess_at_our_number(play: Play, flags: str, ack: int) -> None:
    """M-10: in SYN-SENT only one number in 2**32 is right."""
    number = f"ack {ack}" if "A" in flags else ""
    answer = f"> R {ack}" if "A" in flags and "R" not in flags else ""
    if answer and "S" not in flags:
        answer += "\n > S 0"  # the peer may know of an older connection, which the RST has ended
    play(
        f"""
        connect
        > S 0
        < {flags} 5000 {number}
        {answer}
        state SYN-SENT
        < SA 0 ack 1
        > A 1 ack 1
        state ESTABLISHED
        """
    )


def test_ST_14_a_challenge_is_answered_and_the_SYN_goes_again_at_once(play: Play) -> None:
    """M-10, RFC 9293 §3.5.1: once for each time-out, for what asks for it may be forged."""
    play(
        """
        connect
        > S 0
        +0.1 < A 5000 ack 77
        > R 77
        > S 0
        +0.1 < A 5000 ack 77
        > R 77
        1.0 > S 0
        +0.1 < A 5000 ack 77
        > R 77
        > S 0
        < SA 0 ack 1
        > A 1 ack 1
        """
    )


def test_ST_23_ST_24_UDP_21_guesses_at_a_half_open_child(play: Play) -> None:
    """ST-22, ST-27, CHAL-1: RST and ACK with other numbers; and what is said is paid for."""
    play(
        """
        listen
        < S 0 <mss 1000>
        > SA 0 ack 1
        < R 0
        < R 2
        > A 1 ack 1
        < R 100000
        < A 1 ack 77
        > R 77
        < A 1 ack 2
        > R 2
        state SYN-RECEIVED
        < A 1 ack 1
        state ESTABLISHED
        """
    )


def test_UDP_21_all_that_a_half_open_child_says_is_counted(play: Play) -> None:
    """UDP-22: 20 octets of SYN pay for five answers of 24, and 20 of something else for as much."""
    play(
        """
        listen
        < S 0
        > SA 0 ack 1
        1.0 > SA 0 ack 1
        +0.5 < FA -50 ack 1                 # outside of the window: 20 octets more
        > A 1 ack 1
        3.0 > SA 0 ack 1
        7.0 > SA 0 ack 1
        15.0 > SA 0 ack 1
        31.0 > SA 0 ack 1
        63.1 count AMPLIFICATION_LIMIT 0
        """
    )
    play.configure()
    play(
        """
        listen
        < S 0
        > SA 0 ack 1
        1.0 > SA 0 ack 1
        3.0 > SA 0 ack 1
        7.0 > SA 0 ack 1
        15.0 > SA 0 ack 1
        31.1 count AMPLIFICATION_LIMIT 1    # 120 octets may go, 120 went
        """
    )
