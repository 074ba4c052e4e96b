"""A listener with no room for half-open children: cookies, and what they bring back (RFC 4987)."""

import pytest

from tests.scripts.kit import Play

ALL = "mss 1460, sackOK, TS 0 0, ws 7"


@pytest.fixture(autouse=True)
def no_room(play: Play) -> None:
    """Every SYN is one too many."""
    play.configure(half_open_max=0)


def test_SYNC_5_SYNC_7_the_options_come_back(play: Play) -> None:
    """DEF-41, SYNC-2..4, ST-11: nothing is kept, and it is as if all had been kept."""
    play(
        f"""
        listen
        < S 0 win 1000 <{ALL}>
        > SA 0 ack 1 win 16384 <mss 1452, sackOK, TS * 0, ws 3>
        connections 0
        count COOKIE_SENT 1
        +0.1 < A 1 ack 1 win 1000
        count COOKIE_ACCEPTED 1
        accept
        state ESTABLISHED
        events ESTABLISHED WRITABLE
        info snd_wnd 128000
        info sack True
        info timestamps True
        info window_scaling True
        info snd_shift 7
        info rcv_shift 3
        info peer_mss 1452
        info srtt None                      # nobody knows when the SYN,ACK left
        info rto 1.0
        send 10
        > PA 1:11(10) ack 1
        < PA 1:11(10) ack 11
        +0.04 > A 11 ack 11
        read 10
        info srtt 0.0
        """
    )


def test_SYNC_5_without_timestamps_only_the_segment_size(play: Play) -> None:
    play(
        """
        listen
        < S 0 win 1000 <mss 1460, sackOK, ws 7>
        > SA 0 ack 1 win 16384 <mss 1452>
        +0.1 < A 1 ack 1 win 1000
        accept
        info peer_mss 1452
        info snd_wnd 1000
        info sack False
        info timestamps False
        info window_scaling False
        send 10
        > PA 1:11(10) ack 1 <>
        """
    )


def test_SYNC_5_what_is_switched_off_stays_off(play: Play) -> None:
    play.configure(half_open_max=0, sack=False, window_scaling=False)
    play(
        f"""
        listen
        < S 0 <{ALL}>
        > SA 0 ack 1 <mss 1452, TS * 0>
        < A 1 ack 1
        accept
        info sack False
        info window_scaling False
        info timestamps True
        """
    )
    play.configure(half_open_max=0, timestamps=False)
    play(
        f"""
        listen
        < S 0 <{ALL}>
        > SA 0 ack 1 <mss 1452>
        < A 1 ack 1
        accept
        info sack False
        """
    )


@pytest.mark.parametrize(
    ("offer", "kept"),
    [
        ("mss 20000", 1452),
        ("mss 1431", 1412),
        ("mss 1180", 1180),
        ("mss 527", 88),
        ("mss 3", 88),
        ("nop", 528),
    ],
)
def test_SYNC_4_the_segment_size_is_rounded_down(play: Play, offer: str, kept: int) -> None:
    """MUST-15, MUST-16: nobody is sent more than it said; no option stands for 536."""
    play(
        f"""
        listen
        < S 0 <{offer}>
        > SA 0 ack 1
        < A 1 ack 1
        accept
        info peer_mss {kept}
        """
    )


@pytest.mark.parametrize(("flags", "used"), [("SEC", True), ("S", False)])
def test_SYNC_5_ECN_comes_back(play: Play, flags: str, used: bool) -> None:
    """ECN-2"""
    play(
        f"""
        listen
        < {flags} 0 <{ALL}>
        > SA{"E" if used else ""} 0 ack 1
        < A 1 ack 1
        accept
        info ecn {used}
        """
    )


def test_SYNC_7_data_and_FIN_on_the_completing_ACK(play: Play) -> None:
    """UDP-22: the ACK proves the address, so its data counts."""
    play(
        f"""
        listen
        < S 0 <{ALL}>
        > SA 0 ack 1
        < FPA 1:11(10) ack 1
        > A 1 ack 12
        accept
        state CLOSE-WAIT
        read 10
        """
    )


def test_SYNC_7_the_first_data_does_for_an_ACK_that_was_lost(play: Play) -> None:
    play(
        f"""
        listen
        < S 0 <{ALL}>
        > SA 0 ack 1
        +30 < PA 1:11(10) ack 1
        accept
        read 10
        +0.04 > A 1 ack 11                  # with the whole window, which no SYN can announce
        """
    )


@pytest.mark.parametrize(
    "segment",
    [
        "A 1 ack 2",
        "A 1 ack 0",
        "A 2 ack 1",
        "A 1 ack 1000000",
        "A 1 ack 1 <noTS>",
        "A 1 ack 1 <TS 100 -200000>",
        "A 1 ack 1 <TS 100 200>",
        "SA 0 ack 1",
    ],
)
def test_SYNC_3_what_is_no_cookie_is_reset(play: Play, segment: str) -> None:
    """ST-11: other numbers, were they one off, or an echo of what we never said."""
    play(f"listen \n < S 0 <{ALL}> \n > SA 0 ack 1")
    ack = segment.split()[3]
    play(f"< {segment} \n > R {ack} \n connections 0 \n count COOKIE_ACCEPTED 0")


def test_SYNC_3_data_may_overtake_the_data_that_brings_the_cookie(play: Play) -> None:
    """SYNC-7: it says nothing that could be checked, and a RST would end an open that is in order.

    The segments before it go again, and then it is accepted.
    """
    play(
        f"""
        listen
        < S 0 <{ALL}>
        > SA 0 ack 1
        < PA 11:21(10) ack 1
        < FA 21 ack 1
        connections 0
        count LISTEN_DROPPED 2
        +0.3 < PA 1:11(10) ack 1
        accept
        < PA 11:21(10) ack 1
        read 20
        """
    )


@pytest.mark.parametrize(
    "segment",
    [
        "A 11 ack 1",
        "PA 11:21(10) ack 1 <noTS>",
        "PA 11:21(10) ack 1 <TS 100 -200000>",
        "PA 11:21(10) ack 1 <TS 100 200>",
        "PA 11:21(10) ack 100000001",
        "PA 100000001:100000011(10) ack 1",
    ],
)
def test_ST_11_data_that_overtook_nothing_is_reset(play: Play, segment: str) -> None:
    """No octets, no echo or a wrong one, or numbers that belong to no cookie."""
    play(f"listen \n < S 0 <{ALL}> \n > SA 0 ack 1")
    ack = segment.split()[3]
    play(f"< {segment} \n > R {ack} \n connections 0")


def test_SYNC_3_timestamps_that_were_not_agreed_on(play: Play) -> None:
    play(
        "listen \n < S 0 \n > SA 0 ack 1 \n < A 1 ack 1 <TS 5 0> \n > R 1 \n count COOKIE_INVALID 1"
    )


@pytest.mark.parametrize("flow", ["192.0.2.2:4000", "192.0.2.1:4001", "192.0.2.1:4000 1001"])
def test_SYNC_2_a_cookie_is_for_one_peer(play: Play, flow: str) -> None:
    """CHAL-7: who sees it go by cannot use it from elsewhere."""
    play(f"flow b {flow} \n listen \n < S 0 \n > SA 0 ack 1")
    play.flows["b"].iss = play.iss
    play("b< A 1 ack 1 \n b> R 1 \n connections 0 \n count COOKIE_INVALID 1")


@pytest.mark.parametrize(("seconds", "good"), [(59, True), (60, True), (121, False)])
def test_SYNC_3_a_cookie_is_good_for_one_to_two_minutes(
    play: Play, seconds: float, good: bool
) -> None:
    """Others keep on asking, so it is the cookie's own age that counts."""
    answer = "accept" if good else "> R 1"
    play(
        f"""
        flow b 192.0.2.2:4000
        listen
        < S 0
        > SA 0 ack 1
        +{seconds} b< S 0
        b> SA 0 ack 1
        < A 1 ack 1
        {answer}
        connections {int(good)}
        """
    )


def test_SYNC_6_two_minutes_after_the_last_cookie_no_ACK_is_looked_at(play: Play) -> None:
    play(
        """
        listen
        < A 1 ack 1
        > R 1
        < S 0
        > SA 0 ack 1
        +119.9 < A 1 ack 77
        > R 77
        count COOKIE_INVALID 1
        +0.2 < A 1 ack 78
        > R 78
        count COOKIE_INVALID 1
        """
    )


def test_SYNC_6_it_is_not_sent_again(play: Play) -> None:
    """UDP-21: one SYN,ACK for each SYN."""
    play("listen \n < S 0 \n > SA 0 ack 1 \n +300 connections 0")


def test_SYNC_1_or_the_SYN_is_dropped(play: Play) -> None:
    play.configure(half_open_max=0, syn_cookies=False)
    play("listen \n < S 0 \n connections 0 \n count HALF_OPEN_OVERFLOW 1 \n count COOKIE_SENT 0")


def test_a_SYN_that_was_sent_again_and_crossed_a_cookie(play: Play) -> None:
    """The second SYN finds room; the ACK of the first SYN,ACK fits the child that it made."""
    play.configure(half_open_max=1)
    play(
        f"""
        flow b 192.0.2.2:4000
        listen
        b< S 0
        b> SA 0 ack 1
        < S 0 <{ALL}>
        > SA 0 ack 1
        count COOKIE_SENT 1
        b< A 1 ack 1
        b.accept
        +1 < S 0 <{ALL}>
        > SA 0 ack 1 <mss 1452, sackOK, TS * 0, ws 3>
        state SYN-RECEIVED
        < A 1 ack 1
        accept
        state ESTABLISHED
        """
    )


def test_BUF_6_no_connection_beyond_the_limit(play: Play) -> None:
    """The ACK of a cookie is dropped, not reset: the peer says it again, perhaps with more luck."""
    play.configure(half_open_max=0, connections_max=1)
    play(
        """
        flow b 192.0.2.2:4000
        listen
        < S 0
        > SA 0 ack 1
        b< S 0
        b> SA 0 ack 1
        < A 1 ack 1
        accept
        b< PA 1:11(10) ack 1
        count CONNECTION_OVERFLOW 1
        connections 1
        abort
        > RA 1 ack 1
        b< PA 1:11(10) ack 1
        b.accept
        b.read 10
        +0.04 b> A 1 ack 11
        """
    )


@pytest.mark.parametrize("cookies", [True, False])
def test_SYNC_9_a_full_accept_queue_drops_the_last_ACK(play: Play, cookies: bool) -> None:
    """DEF-42: no reset; the peer says it again, and meanwhile somebody was accepted."""
    play.configure(half_open_max=0 if cookies else 256)
    play("flow late 192.0.2.9:4000 \n flow new 192.0.2.10:4000 \n listen")
    play("late< S 0 \n late> SA 0 ack 1")
    for n in range(128):
        play(
            f"""
            flow f{n} 192.0.2.1:4000 {2000 + n}
            f{n}< S 0
            f{n}> SA 0 ack 1
            f{n}< A 1 ack 1
            """
        )
    play(
        """
        late< PA 1:11(10) ack 1
        count ACCEPT_OVERFLOW 1
        new< S 0
        count ACCEPT_OVERFLOW 2
        f0.accept
        late< PA 1:11(10) ack 1
        +0.04 late> A 1 ack 11
        """
    )
    if not cookies:
        play("new< S 0 \n count ACCEPT_OVERFLOW 3")


def test_a_RST_ends_a_child_that_waits_for_room(play: Play) -> None:
    play.configure()
    play("flow late 192.0.2.9:4000 \n listen \n late< S 0 \n late> SA 0 ack 1")
    for n in range(128):
        play(
            f"""
            flow f{n} 192.0.2.1:4000 {2000 + n}
            f{n}< S 0
            f{n}> SA 0 ack 1
            f{n}< A 1 ack 1
            """
        )
    play("connections 129 \n late< R 1 \n connections 128")


def test_ST_17_a_cookie_whose_ACK_comes_late(play: Play) -> None:
    """The server speaks first, and remembers nothing: the client says again that it is there."""
    play(
        f"""
        listen
        < S 0 win 1000 <{ALL}>
        > SA 0 ack 1
        +60 < A 1 ack 1 win 1000
        accept
        send 10
        > PA 1:11(10) ack 1
        """
    )
