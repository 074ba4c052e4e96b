"""Windows of the peer: shut, shrunk, tiny; probing, and sending what is worth a segment."""

from tests.scripts.kit import Play, active

SHUT = (
    active()
    + """
    send 5
    > PA 1:6(5) ack 1
    +0.1 < A 1 ack 6 win 0
    send 100
    """
)


def test_ZWP_1_MUST_36_a_shut_window_is_probed(play: Play) -> None:
    """ACKP-8, ACKP-9, ZWP-2, ZWP-5, SHLD-29, SHLD-30, ST-43, DEF-17, MUST-35.

    After one RTO, then twice as late each time.
    """
    play(SHUT)
    play(
        """
        +0.3 > A 6:7(1) ack 1
        +0.05 < A 1 ack 6 win 0
        +0.55 > A 6:7(1) ack 1
        +0.05 < A 1 ack 6 win 0
        +1.15 > A 6:7(1) ack 1
        +0.05 < A 1 ack 6 win 0
        +0.1 < A 1 ack 6 win 2000           # it opens: at once
        > A 6:7(1) ack 1
        > PA 7:106(99) ack 1
        +0.1 < A 1 ack 106
        """
    )


def test_ZWP_2_a_probe_that_is_accepted_is_progress(play: Play) -> None:
    """SHLD-30: but the window is shut as before, so the intervals go on growing until it opens.

    A scaled window may have room for a thousand octets of which its field cannot tell.
    """
    play(SHUT)
    play(
        """
        +0.3 > A 6:7(1) ack 1
        +0.1 < A 1 ack 7 win 0
        +0.6 > A 7:8(1) ack 1
        +0.1 < A 1 ack 8 win 0
        +1.2 > A 8:9(1) ack 1
        +0.1 < A 1 ack 9 win 65535
        > PA 9:106(97) ack 1
        +0.1 < A 1 ack 106 win 0
        send 10
        +0.3 > A 106:107(1) ack 1
        """
    )


def test_MUST_37_hours_of_answered_probes(play: Play) -> None:
    """ZWP-3, ZWP-7, FAIL-6, TRAP-4, TRAP-9: every minute for five hours, and the data arrives."""
    play(SHUT)
    script, wait = "", 0.3
    for _ in range(310):
        script += f"+{wait - 0.05} > A 6:7(1) ack 1 \n +0.05 < A 1 ack 6 win 0 \n"
        wait = min(wait * 2, 60.0)
    play(script.replace(f"+{0.3 - 0.05} >", "+0.3 >", 1))
    assert play.time > 5 * 3600
    play(
        """
        state ESTABLISHED
        soft none
        < A 1 ack 6 win 65535
        > A 6:7(1) ack 1
        > PA 7:106(99) ack 1
        < A 1 ack 106
        """
    )


def test_ZWP_3_unanswered_probes_count(play: Play) -> None:
    """FAIL-2, MUST-20: the peer is gone."""
    play.configure(user_timeout=10.0)
    play(SHUT)
    play(
        """
        +0.3 > A 6:7(1) ack 1
        +0.6 > A 6:7(1) ack 1
        +1.2 > A 6:7(1) ack 1
        +2.4 > A 6:7(1) ack 1
        +4.8 > A 6:7(1) ack 1
        +0.7 > RA 6 ack 1
        error TimeoutError
        """
    )


def test_ZWP_4_SHLD_17_the_window_shuts_over_data_in_flight(play: Play) -> None:
    """MUST-34, SHLD-15..17, FAIL-6: the timer goes on; answers with window 0 are life signs."""
    play.configure(user_timeout=100.0)
    play(active())
    play(
        """
        send 5000
        > A 1:1001(1000) ack 1
        > A 1001:2001(1000) ack 1
        > A 2001:3001(1000) ack 1
        > A 3001:4001(1000) ack 1
        > PA 4001:5001(1000) ack 1
        +0.1 < A 1 ack 1001 win 0           # shrunk by four segments
        info ssthresh 1073741824
        +0.3 > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 1001 win 0
        +0.5 > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 1001 win 0
        +1.1 > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 1001 win 0
        info ssthresh 1073741824            # no sign of congestion
        +2.3 > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 1001 win 0
        +4.7 > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 1001 win 0
        +9.5 > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 1001 win 0
        +19.1 > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 1001 win 0
        +38.3 > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 1001 win 0
        +59.9 > A 1001:2001(1000) ack 1     # more than 100 s by now
        +0.1 < A 1 ack 2001 win 0
        > A 2001:3001(1000) ack 1           # progress: the next takes its place
        state ESTABLISHED
        """
    )


def test_SHLD_15_a_window_that_shrank(play: Play) -> None:
    """SHLD-16, SWS-1, MUST-34: nothing new beyond it; what is inside goes again if lost."""
    play(active(win=5000))
    play(
        """
        send 10000
        > A 1:1001(1000) ack 1
        > A 1001:2001(1000) ack 1
        > A 2001:3001(1000) ack 1
        > A 3001:4001(1000) ack 1
        > A 4001:5001(1000) ack 1
        +0.1 < A 1 ack 1001 win 2000        # the edge moved from 5001 to 3001
        +0.3 > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 5001 win 2000
        > A 5001:6001(1000) ack 1
        > A 6001:7001(1000) ack 1
        """
    )


def test_MUST_38_SWS_2_no_silly_little_segments(play: Play) -> None:
    """SWS-3, DEF-16: less than half the largest window is not worth a segment, for 0.2 s."""
    play(active(win=2000))
    play(
        """
        send 3000
        > A 1:1001(1000) ack 1
        > A 1001:2001(1000) ack 1
        +0.1 < A 1 ack 2001 win 100
        +0.2 > A 2001:2101(100) ack 1       # the override
        +0.1 < A 1 ack 2101 win 2000
        > PA 2101:3001(900) ack 1
        """
    )


def test_SWS_2_half_of_the_largest_window_will_do(play: Play) -> None:
    """A peer that never offers a full segment is served all the same."""
    play(active(win=600))
    play(
        """
        send 1500
        > A 1:601(600) ack 1
        +0.1 < A 1 ack 601 win 300
        > A 601:901(300) ack 1
        +0.1 < A 1 ack 901 win 600
        > PA 901:1501(600) ack 1
        """
    )


def test_a_FIN_alone_probes_a_shut_window(play: Play) -> None:
    """ZWP-2, ST-43: it is the next octet."""
    play(
        active()
        + """
        send 5
        > PA 1:6(5) ack 1
        +0.1 < A 1 ack 6 win 0
        shutdown
        +0.3 > FA 6 ack 1
        +0.1 < A 1 ack 6 win 0
        +0.5 > FA 6 ack 1
        +0.1 < A 1 ack 7 win 0
        state FIN-WAIT-2
        """
    )


def test_TRAP_4_a_lost_window_update_is_mended(play: Play) -> None:
    """The peer opened its window, we never heard of it; the probe finds out."""
    play(SHUT)
    play(
        """
        +0.3 > A 6:7(1) ack 1
        +0.1 < A 1 ack 7 win 5000
        > PA 7:106(99) ack 1
        """
    )


def test_acks_that_just_miss_the_window_are_heard(play: Play) -> None:
    """RFC 9293 A.2: an edge that was rounded, and both ends know too small a number.

    The peer granted up to 1025 and then, rounding anew, 1001; what it sends has missed our octets,
    as ours has missed its.  A SEG.SEQ further off than a unit of the window says nothing.
    """
    play.configure(receive_buffer_max=1 << 22)  # so our own units have 128 octets, too
    play(active("mss 1000, ws 7"))
    play(
        """
        < A 1 ack 1 win 8
        send 1020
        > A 1:1001(1000) ack 1
        > PA 1001:1021(20) ack 1
        +0.1 < A 1 ack 1001 win 0
        < A 1:401(400) ack 1001 win 0
        +0.04 > A 1001 ack 401
        send 500
        < A 272 ack 1021 win 8
        > A 1001 ack 401
        < A 273 ack 1021 win 8
        > PA 1021:1521(500) ack 401
        < A 401 ack 1521 win 8
        count UNACCEPTABLE 2
        """
    )


def test_acks_at_the_edge_of_a_full_window_are_heard(play: Play) -> None:
    """RFC 9293 A.2: both ends have filled the other's window, and both have lost the first octets.

    An ACK with the number behind the window is not in it, so each would drop what the other says.
    """
    play.configure(receive_buffer=4096, receive_buffer_max=4096)
    play(active("mss 1000"))
    play(
        """
        < A 1 ack 1 win 2000
        send 3000
        > A 1:1001(1000) ack 1
        > A 1001:2001(1000) ack 1
        < A 1001:4097(3096) ack 1 win 2000
        > A 2001 ack 1
        < A 4098 ack 2001 win 2000          # beyond the edge: no honest peer is there
        > A 2001 ack 1
        < A 4097 ack 2001 win 2000
        > PA 2001:3001(1000) ack 1          # the answer to the other needs no repetition
        < A 4097 ack 3001 win 2000          # this window is not full: not heard
        info unacked 1000
        """
    )
