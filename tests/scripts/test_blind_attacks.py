"""Forged resets, SYNs, ACKs and ICMP errors (RFC 5961, RFC 5927), and how often we answer."""

import pytest

from tests.scripts.kit import Play, active, passive


def test_CHAL_1_only_the_exact_RST_resets(play: Play) -> None:
    """ST-22..24, TRAP-7, M-8, SHLD-2: the sequence number, nothing else."""
    play(passive())
    play(
        """
        < PA 1:11(10) ack 1
        +0.04 > A 1 ack 11
        < R 10                              # below
        < R 100000                          # above
        < RA 100000 ack 1
        state ESTABLISHED
        count RST_IGNORED 3
        < R 12
        > A 1 ack 11
        < RA 5000 ack 1
        > A 1 ack 11
        < RS 12
        > A 1 ack 11
        count CHALLENGE_ACK 3
        < RP 11:21(10)                      # exact, with data
        error ConnectionResetError
        """
    )


def test_CHAL_1_ST_25_SYN_in_a_synchronized_state(play: Play) -> None:
    play(passive())
    play(
        """
        < S 1
        > A 1 ack 1
        < SA 1 ack 1
        > A 1 ack 1
        < SF 500
        > A 1 ack 1
        state ESTABLISHED
        """
    )


def test_CHAL_3_ten_challenge_ACKs_in_five_seconds(play: Play) -> None:
    """CHAL-5, DEF-43, UDP-24: for each connection by itself."""
    play(passive())
    play("flow b 192.0.2.1:4000 1001 \n b< S 0 \n b> SA 0 ack 1 \n b< A 1 ack 1 \n b.accept")
    play("+10 wait \n" + "< R 2 \n > A 1 ack 1 \n" * 10)
    play(
        """
        < R 2
        < S 2
        count ACK_THROTTLED 2
        b< R 2
        b> A 1 ack 1
        +5 < R 2
        > A 1 ack 1
        """
    )


def test_CHAL_2_MAY_12_an_impossible_ACK_injects_nothing(play: Play) -> None:
    """ST-27: above SND.NXT, or further below SND.UNA than the largest window ever offered."""
    play(passive("mss 1000", win=1000))
    play(
        """
        send 100
        > PA 1:101(100) ack 1
        < A 1 ack 101 win 1000
        < PA 1:11(10) ack 102               # above
        > A 101 ack 1
        < PA 1:11(10) ack -900              # 1001 below
        > A 101 ack 1
        read 0
        count ACK_UNACCEPTABLE 2
        < PA 1:11(10) ack -899              # 1000 below: old, but possible
        +0.04 > A 101 ack 11
        read 10
        """
    )


def test_CHAL_4_empty_segments_outside_of_the_window(play: Play) -> None:
    """ST-21, DEF-44, CHAL-5: one answer in half a second; with data always."""
    play(passive())
    play(
        """
        +1 < A -5 ack 1
        > A 1 ack 1
        < A -5 ack 1
        +0.4 < A 70000 ack 1
        count ACK_THROTTLED 2
        < PA -5:0(5) ack 1
        > A 1 ack 1
        < PA 70000:70005(5) ack 1
        > A 1 ack 1
        +0.1 < A -5 ack 1
        > A 1 ack 1
        < A 1 ack 500                       # an empty ACK of what was never sent counts too
        count ACK_THROTTLED 3
        """
    )


def test_UDP_25_two_sides_that_disagree_fall_silent(play: Play) -> None:
    """The peer answers our ACK with one that we find wrong, and so on: twice a second at most."""
    play(passive())
    play("+1 < A 5000 ack 900 \n > A 1 ack 1 \n" + "+0.1 < A 5000 ack 900 \n" * 4)
    play("+0.1 < A 5000 ack 900 \n > A 1 ack 1")


def test_W_45_CHAL_7_another_UDP_address_does_not_touch_the_connection(play: Play) -> None:
    """UDP-10, UDP-14, W-40, W-44, ST-9, TRAP-7."""
    play(active())
    play(
        """
        flow x 192.0.2.1:4001
        flow y 192.0.2.66:4000
        x< R 1
        x< FA 1 ack 1
        x> R 1
        y< PA 1:11(10) ack 1
        y> R 1
        y< S 1
        y> RA 0 ack 2
        state ESTABLISHED
        read 0
        send 1
        > PA 1:2(1) ack 1
        """
    )


def test_MUST_54_MUST_56_SHLD_25_soft_ICMP_errors(play: Play) -> None:
    """ICMP-1..3, MUST-47, UDP-11: reported, nothing more."""
    play(active())
    play(
        """
        send 10
        > PA 1:11(10) ack 1
        events WRITABLE
        icmp EHOSTUNREACH 1
        soft EHOSTUNREACH
        events SOFT_ERROR
        icmp ENETUNREACH 5
        soft ENETUNREACH
        state ESTABLISHED
        icmp EHOSTUNREACH 11                # not outstanding: ignored
        icmp EHOSTUNREACH 0
        soft ENETUNREACH
        count ICMP_IGNORED 2
        < A 1 ack 11
        """
    )


def test_SHLD_26_ICMP_4_a_hard_error_refuses_an_open(play: Play) -> None:
    """With the quote or, from a socket that tells no more, without."""
    for seq in ("0", "short"):
        play.configure()
        play(
            f"""
            connect
            > S 0
            icmp ECONNREFUSED {seq}
            error ConnectionRefusedError
            connections 0
            """
        )
    play.configure()
    play("connect \n > S 0 \n icmp ECONNREFUSED 1 \n state SYN-SENT \n count ICMP_IGNORED 1")


def test_SHLD_26_later_a_hard_error_is_soft(play: Play) -> None:
    """ICMP-4, MUST-56."""
    play(active())
    play(
        """
        send 10
        > PA 1:11(10) ack 1
        icmp ECONNREFUSED 1
        icmp ECONNREFUSED short
        state ESTABLISHED
        soft ECONNREFUSED
        < A 1 ack 11
        """
    )


def test_ICMP_4_a_half_open_child_is_dropped(play: Play) -> None:
    play("listen \n < S 0 \n > SA 0 ack 1 \n icmp ECONNREFUSED 0 \n connections 0")


def test_ICMP_2_an_error_about_nobody_is_counted(play: Play) -> None:
    play("icmp ECONNREFUSED 0 \n count ICMP_IGNORED 1")


@pytest.mark.parametrize("where", [-1, 65_536, 10_000_000, 1 << 30])
def test_MAY_12_data_outside_of_the_window_is_not_taken(play: Play, where: int) -> None:
    """ST-21, ST-22: the edges of what was promised."""
    play(passive())
    play(f"< PA {where}:{where + 1}(1) ack 1 \n > A 1 ack 1 \n read 0 \n count UNACCEPTABLE 1")
