"""Opening: three-way, simultaneous, refused, against old duplicates, and without an answer."""

import errno

import pytest

from tests.scripts.kit import Play, active, passive

OUR_SYN = "mss 1452, sackOK, TS 0 0, ws 3"


def test_ST_2_ST_17_three_way_open_by_us(play: Play) -> None:
    """W-30, MUST-65, SHLD-5, MAY-3: the MSS is on our SYN, and only there."""
    play(
        f"""
        connect
        state SYN-SENT
        > S 0 win 65535 <{OUR_SYN}>
        +0.1 < SA 0 ack 1 win 65535 <mss 1460, sackOK, TS 0 0, ws 7>
        > A 1 ack 1 <TS 100 0>
        state ESTABLISHED
        events ESTABLISHED WRITABLE
        info snd_wnd 65535                 # the window of a SYN is not scaled
        send 10
        > PA 1:11(10) ack 1 <TS 100 0>
        """
    )


def test_ST_1_ST_12_three_way_open_by_the_peer(play: Play) -> None:
    """MUST-41, MUST-42: the listener stays and takes the next one."""
    play(
        """
        flow b 192.0.2.1:4000 1001
        listen
        fails EADDRINUSE listen
        < S 0 win 1000 <mss 1460, sackOK, TS 0 0, ws 7>
        > SA 0 ack 1 win 65535 <mss 1452, sackOK, TS 0 0, ws 3>
        state SYN-RECEIVED
        b< S 0
        b> SA 0 ack 1 <mss 1452>
        +0.1 < A 1 ack 1 win 1000
        state ESTABLISHED
        info snd_wnd 128000
        b< A 1 ack 1
        accept
        b.accept
        """
    )


def test_MUST_42_listening_beside_an_open_under_way(play: Play) -> None:
    """W-41: the same port, another peer."""
    play(
        """
        flow b 192.0.2.1:4000 1001
        connect
        > S 0
        listen
        b< S 0
        b> SA 0 ack 1
        < SA 0 ack 1
        > A 1 ack 1
        state ESTABLISHED
        b.state SYN-RECEIVED
        """
    )


def test_MUST_10_ST_18_simultaneous_open(play: Play) -> None:
    """RFC 9293 figure 7: the SYN,ACK that answers ours repeats the SYN and establishes."""
    play(
        """
        connect
        > S 0 win 65535 <mss 1452, sackOK, TS 0 0, ws 3>
        +0.05 < S 0 win 5000 <mss 1000, sackOK, TS 50 0, ws 7>
        > SA 0 ack 1 win 65535 <mss 1452, sackOK, TS 50 50, ws 3>
        state SYN-RECEIVED
        +0.05 < SA 0 ack 1 win 5000 <mss 1000, TS 100 50>
        state ESTABLISHED
        info snd_wnd 5000
        send 10
        > PA 1:11(10) ack 1
        < A 1 ack 11 win 100
        info snd_wnd 12800
        """
    )


def test_TRAP_2_simultaneous_open_our_syn_was_lost(play: Play) -> None:
    """The peer's SYN is answered by SYN,ACK, and its plain ACK establishes us."""
    play(
        """
        connect
        > S 0                               # lost
        +0.05 < S 0
        > SA 0 ack 1
        +0.05 < A 1 ack 1
        state ESTABLISHED
        """
    )


def test_TRAP_2_simultaneous_open_the_answer_was_lost(play: Play) -> None:
    """ST-40: the SYN,ACK is sent again, with the same number."""
    play(
        """
        connect
        > S 0
        +0.05 < S 0
        > SA 0 ack 1                        # lost
        1.0 > SA 0 ack 1
        +0.05 < SA 0 ack 1
        state ESTABLISHED
        """
    )


def test_ST_18_data_on_a_crossing_syn_is_kept(play: Play) -> None:
    play(
        """
        connect
        > S 0
        < S 0:10(10)
        > SA 0 ack 11
        +0.1 < A 11 ack 1
        state ESTABLISHED
        read 10
        """
    )


def test_ST_14_old_duplicate_syn_ack(play: Play) -> None:
    """M-10: an ACK of what was never sent earns a RST of its number, and the open goes on."""
    play(
        """
        connect
        > S 0
        < SA 77 ack 500
        > R 500
        < SA 77 ack 0                       # ISS < SEG.ACK is required
        > R 0
        < RA 77 ack 500                     # never a RST for a RST
        < A 77 ack 500
        > R 500
        > S 0                               # what it came from is gone now
        state SYN-SENT
        < SA 0 ack 1
        > A 1 ack 1
        state ESTABLISHED
        """
    )


def test_ST_17_the_ACK_of_SYN_ACK_goes_again_while_nobody_speaks(play: Play) -> None:
    """RFC 9002 §6.2.2.1: the peer may have kept nothing of us, and wait; as often as a SYN."""
    play(active(rtt=0.1))
    play(
        """
        1.1 > A 1 ack 1
        3.1 > A 1 ack 1
        7.1 > A 1 ack 1
        15.1 > A 1 ack 1
        31.1 > A 1 ack 1
        63.1 > A 1 ack 1
        123.1 > A 1 ack 1
        +1000000 state ESTABLISHED
        """
    )


@pytest.mark.parametrize(
    "word",
    [
        "+0.5 < A 1 ack 1",
        "+0.5 < PA 1:11(10) ack 1 \n +0.04 > A 1 ack 11",
        "+0.5 send 10 \n > PA 1:11(10) ack 1 \n +0.1 < A 1 ack 11",
        "+0.5 shutdown \n > FA 1 ack 1 \n +0.1 < A 1 ack 2",
        "+0.5 < FA 1 ack 1 \n > A 1 ack 2",
    ],
)
def test_ST_17_a_word_of_either_side_ends_that(play: Play, word: str) -> None:
    play(active(rtt=0.1))
    play(word + "\n +100000 connections 1" if "shut" not in word else word + "\n +50 connections 1")


def test_ST_17_it_finds_out_that_the_peer_has_given_up(play: Play) -> None:
    """After 63 s its half-open child is gone, and it would never have said so."""
    play(active(rtt=0.1))
    play(
        """
        1.1 > A 1 ack 1
        3.1 > A 1 ack 1
        7.1 > A 1 ack 1
        15.1 > A 1 ack 1
        31.1 > A 1 ack 1
        63.1 > A 1 ack 1
        +0.1 < R 1
        error ConnectionResetError
        """
    )


def test_ST_17_with_an_idle_timeout_beside_it(play: Play) -> None:
    """Both are looked after by one timer."""
    play.configure(idle_timeout=10.0)
    play(active(rtt=0.1))
    play(
        """
        1.1 > A 1 ack 1
        3.1 > A 1 ack 1
        7.1 > A 1 ack 1
        10.1 > RA 1 ack 1
        error TimeoutError
        """
    )


def test_ST_15_refused(play: Play) -> None:
    play(
        """
        connect
        > S 0
        < RA 0 ack 1
        error ConnectionRefusedError
        state CLOSED
        events CLOSED
        connections 0
        fails ConnectionRefusedError send 1
        """
    )


def test_ST_16_ST_19_what_syn_sent_drops(play: Play) -> None:
    play(
        """
        connect
        > S 0
        < R 0
        < A 0 ack 1
        < F 0
        < PA 0:10(10) ack 1
        < - 0
        state SYN-SENT
        count RST_IGNORED 1
        """
    )


def test_ST_17_data_and_fin_with_the_syn_ack(play: Play) -> None:
    play(
        """
        connect
        > S 0
        < SAF 0:10(10) ack 1
        > A 1 ack 12
        state CLOSE-WAIT
        read 10
        """
    )


def test_ST_3_ST_4_calls_before_the_connection_exists(play: Play) -> None:
    """Data is queued in SYN-SENT and SYN-RECEIVED and leaves with the first ACK (UDP-22)."""
    play(
        """
        connect
        > S 0
        send 10
        read 0
        unsent 10
        < S 0 <mss 1000>
        > SA 0 ack 1
        send 10
        < A 1 ack 1
        > PA 1:21(20) ack 1
        """
    )


def test_ST_5_close_in_syn_sent(play: Play) -> None:
    """A SYN,ACK that comes later finds nobody and earns a RST."""
    play(
        """
        connect
        > S 0
        shutdown
        state CLOSED
        < SA 0 ack 1
        > R 1
        """
    )


@pytest.mark.parametrize("call", ["shutdown", "close"])
def test_ST_5_close_in_syn_received(play: Play, call: str) -> None:
    """The FIN follows once the SYN is acknowledged (UDP-22)."""
    play(
        f"""
        connect
        > S 0
        < S 0
        > SA 0 ack 1
        send 5
        {call}
        state FIN-WAIT-1
        fails BrokenPipeError send 1
        < A 1 ack 1
        > PA 1:6(5) ack 1
        > FA 6 ack 1
        +0.1 < A 1 ack 7
        state FIN-WAIT-2
        """
    )


def test_ST_10_ST_11_ST_13_listen_rules(play: Play) -> None:
    """M-9: SYN with FIN is dropped; SYN with RST is a RST (M-8)."""
    play(
        """
        listen
        < R 0
        < RA 0 ack 5
        < RS 0
        < SF 0
        < F 0
        < PU 0:10(10) urg 3
        < - 0
        count RST_IGNORED 3
        count LISTEN_DROPPED 4
        < A 0 ack 5
        > R 5
        < SA 0 ack 6
        > R 6
        < FPA 0:10(10) ack 7
        > R 7
        connections 0
        """
    )


def test_ST_28_SYN_RECEIVED_answers_a_wrong_ack_by_rst(play: Play) -> None:
    """ST-27, M-10: the child lives on."""
    play(
        """
        listen
        < S 0
        > SA 0 ack 1
        < A 1 ack 0
        > R 0
        < A 1 ack 2
        > R 2
        < A 1 ack -100000
        > R -100000
        state SYN-RECEIVED
        < A 1 ack 1
        state ESTABLISHED
        """
    )


def test_ST_23_SYN_RECEIVED_reset(play: Play) -> None:
    """MUST-11: the child of a listener goes quietly; our own open is refused by who knows it.

    Without an ACK of our SYN the RST comes from whoever sent the crossing SYN: back to SYN-SENT.
    """
    play(
        """
        flow b 192.0.2.1:4000 1001
        listen
        < S 0
        > SA 0 ack 1
        < R 500                             # inside of the window, not exact: ST-24
        > A 1 ack 1
        < R -1                              # outside: ST-22
        state SYN-RECEIVED
        < R 1
        connections 0
        b.connect
        b> S 0
        b< S 0
        b> SA 0 ack 1
        b< R 1
        b> S 0
        b.state SYN-SENT
        b< S 0
        b> SA 0 ack 1
        b< RA 1 ack 1
        b.error ConnectionRefusedError
        """
    )


def test_ST_25_SYN_in_syn_received(play: Play) -> None:
    """A new SYN deletes the child of a listener; our own open challenges it."""
    play(
        """
        flow b 192.0.2.1:4000 1001
        listen
        < S 0
        > SA 0 ack 1
        < S 500
        connections 0
        b.connect
        b> S 0
        b< S 0
        b> SA 0 ack 1
        b< S 500
        b> A 1 ack 1
        b.state SYN-RECEIVED
        """
    )


def test_ST_21_SYN_RECEIVED_answers_a_repeated_syn(play: Play) -> None:
    """Our SYN,ACK was lost; it goes out again, as far as UDP-21 lets it."""
    play(
        """
        listen
        < S 0 <mss 1000>
        > SA 0 ack 1
        +0.5 < S 0 <mss 1000>
        > SA 0 ack 1
        +0.1 < A 1 ack 1
        state ESTABLISHED
        """
    )


def test_FAIL_3_MUST_23_the_syn_is_repeated_for_three_minutes(play: Play) -> None:
    """MUST-22, RTO-1, RTO-11, DEF-2, DEF-4, DEF-5, DEF-6, TRAP-9: and the failure is a time-out."""
    play(
        """
        connect
        > S 0
        1 > S 0
        3 > S 0
        7 > S 0
        15 > S 0
        31 > S 0
        63 > S 0
        123 > S 0
        182.9 wait
        state SYN-SENT
        183.1 state CLOSED
        error TimeoutError
        events CLOSED
        connections 0
        """
    )


def test_FAIL_3_an_earlier_end_can_be_asked_for(play: Play) -> None:
    play.configure(connect_timeout=5.0)
    play(
        """
        connect
        > S 0
        1 > S 0
        3 > S 0
        4.9 state SYN-SENT
        5 error TimeoutError
        """
    )


def test_FAIL_4_UDP_21_the_syn_ack_within_six_times_what_came(play: Play) -> None:
    """DEF-7, DEF-52, UDP-7: 24 octets pay for six of 24, 20 for five; 63 s end the child."""
    play(
        """
        listen
        < S 0 <mss 1000>
        > SA 0 ack 1 <mss 1452>
        1 > SA 0 ack 1
        3 > SA 0 ack 1
        7 > SA 0 ack 1
        15 > SA 0 ack 1
        31 > SA 0 ack 1
        62.9 connections 1
        63.1 connections 0
        """
    )
    play.configure()
    play(
        """
        listen
        < S 0
        > SA 0 ack 1
        1 > SA 0 ack 1
        3 > SA 0 ack 1
        7 > SA 0 ack 1
        15 > SA 0 ack 1
        31.1 count AMPLIFICATION_LIMIT 1
        62.9 connections 1
        63.1 connections 0
        """
    )


def test_UDP_21_a_repeated_syn_pays_for_more(play: Play) -> None:
    play(
        """
        listen
        < S 0
        > SA 0 ack 1
        0.9 < S 0
        > SA 0 ack 1
        1 > SA 0 ack 1
        3 > SA 0 ack 1
        7 > SA 0 ack 1
        15 > SA 0 ack 1
        31 > SA 0 ack 1
        62.9 connections 1                  # however often the peer asked
        63.1 connections 0
        """
    )


def test_SYNC_1_half_open_children_are_bounded(play: Play) -> None:
    """BUF-6: beyond the limit a SYN is counted and leaves nothing; space is made by time."""
    play.configure(half_open_max=3)
    flows = "\n".join(
        f"flow f{n} 192.0.2.1:4000 {2000 + n} \n f{n}< S 0 \n f{n}> SA 0 ack 1" for n in range(3)
    )
    play(
        f"""
        listen
        {flows}
        < S 0
        > SA 0 ack 1                        # a cookie
        count HALF_OPEN_OVERFLOW 1
        connections 3
        f0< A 1 ack 1
        < S 0
        > SA 0 ack 1
        connections 4
        """
    )


def test_old_duplicate_syn_RFC_9293_figure_8(play: Play) -> None:
    """ST-23: the listener answers the old SYN, the client's RST ends that, the new SYN works."""
    play(
        """
        listen
        < S -300
        > SA 0 ack -299
        < R -299                            # it acknowledged what the client never sent
        connections 0
        anew 0
        < S 0
        > SA 0 ack 1
        < A 1 ack 1
        accept
        state ESTABLISHED
        """
    )


def test_half_open_RFC_9293_figure_9(play: Play) -> None:
    """The peer crashed and opens again: a challenge ACK makes it reset us, and its SYN works."""
    play(passive())
    play(
        """
        < S 70000
        > A 1 ack 1
        < R 1                               # it is in SYN-SENT and that ACK makes no sense
        error ConnectionResetError
        state CLOSED
        anew 70000
        +1 < S 0
        > SA 0 ack 1
        """
    )


def test_half_open_RFC_9293_figure_10(play: Play) -> None:
    """The peer crashed and we have data: the answer is a RST with exactly our ACK's number."""
    play(active())
    play(
        """
        send 10
        > PA 1:11(10) ack 1
        +0.1 < R 1
        error ConnectionResetError
        events WRITABLE CLOSED
        """
    )


def test_half_open_we_crashed(play: Play) -> None:
    """Figure 10 from the other side: ST-9, a reset that fits exactly."""
    play(
        """
        < PA 1:11(10) ack 700
        > R 700
        """
    )


def test_old_syn_at_two_listeners_RFC_9293_figure_11(play: Play) -> None:
    """The old SYN is answered; the other listener has no idea and resets (ST-11)."""
    play(
        """
        listen
        < S 0
        > SA 0 ack 1
        < R 1
        connections 0
        < SA 50 ack 77                      # the same, seen from the other listener
        > R 77
        """
    )


@pytest.mark.parametrize("host", ["224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1", "::"])
def test_MUST_46_open_to_nobody_in_particular(play: Play, host: str) -> None:
    """UDP-15: ST-2 with an impossible remote address."""
    with pytest.raises(OSError) as raised:
        play.table.open_active(((host, 4000), ""), 80, 0.0)
    assert raised.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize("port", [0, 65_536, -1])
def test_MUST_46_open_to_an_impossible_port(play: Play, port: int) -> None:
    with pytest.raises(OSError):
        play.table.open_active((("192.0.2.1", 4000), ""), port, 0.0)
    with pytest.raises(OSError):
        play.table.open_active((("192.0.2.1", 0), ""), 80, 0.0)


def test_ST_2_a_connection_that_exists_cannot_be_opened_again(play: Play) -> None:
    play(active())
    play("fails EADDRINUSE connect")
