"""Urgent data: a pointer to the octet behind it, in both directions."""

from tests.scripts.kit import Play, active, passive


def test_URG_1_MUST_30_MUST_62_the_pointer_we_send(play: Play) -> None:
    """MUST-31, W-10: on each segment until the end is acknowledged; the data stays in line."""
    play(active())
    play(
        """
        send 1500 urgent
        send 100
        > UA 1:1001(1000) ack 1 urg 1500
        > PUA 1001:1601(600) ack 1 urg 500
        +0.1 < A 1 ack 1001
        +0.3 > PUA 1001:1601(600) ack 1 urg 500
        < A 1 ack 1601
        send 10
        > PA 1601:1611(10) ack 1
        """
    )


def test_URG_1_of_any_length(play: Play) -> None:
    """MUST-31, CC-1: farther than 16 bits can say is 65535.

    The first window has the octets of ten segments of 1452, which the path is not known to carry.
    """
    play(active("mss 20000", win=65535))
    play(
        """
        send 100000 urgent
        > UA 1:1181(1180) ack 1 urg 65535
        > UA 1181:2361(1180) ack 1 urg 65535
        > UA 2361:3541(1180) ack 1 urg 65535
        > UA 3541:4721(1180) ack 1 urg 65535
        > UA 4721:5901(1180) ack 1 urg 65535
        > UA 5901:7081(1180) ack 1 urg 65535
        > UA 7081:8261(1180) ack 1 urg 65535
        > UA 8261:9441(1180) ack 1 urg 65535
        > UA 9441:10621(1180) ack 1 urg 65535
        > UA 10621:11801(1180) ack 1 urg 65535
        > UA 11801:12981(1180) ack 1 urg 65535
        > UA 12981:14161(1180) ack 1 urg 65535
        > UA 14161:15341(1180) ack 1 urg 65535
        """
    )


def test_MUST_32_MUST_33_the_pointer_we_get(play: Play) -> None:
    """ST-32, MUST-47, SHLD-13: told once for each advance, and how much is left can be asked."""
    play(passive())
    play(
        """
        events ESTABLISHED WRITABLE
        urgent 0
        < UA 1 ack 1 urg 100
        events URGENT
        urgent 100
        < PUA 1:51(50) ack 1 urg 101
        events READABLE URGENT
        urgent 101
        +0.04 > A 1 ack 51
        < PUA 51:101(50) ack 1 urg 51       # the same place
        events READABLE
        read 100
        urgent 1
        +0.04 > A 1 ack 101
        < PA 101:102(1) ack 1
        read 1
        urgent 0
        +0.04 > A 1 ack 102
        """
    )


def test_M_15_a_pointer_that_goes_back_is_ignored(play: Play) -> None:
    play(passive())
    play(
        """
        < UA 1 ack 1 urg 100
        events ESTABLISHED WRITABLE URGENT
        < UA 1 ack 1 urg 50
        < UA 1 ack 1 urg 100
        events
        urgent 100
        """
    )


def test_W_10_without_URG_the_field_means_nothing(play: Play) -> None:
    play(passive())
    play("< A 1 ack 1 urg 100 \n urgent 0")
