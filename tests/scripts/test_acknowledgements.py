"""Acknowledgements: when one is due at once, when it waits, and never two for one segment."""

from tests.scripts.kit import Play, active, passive

FULL = 1452  # what our MSS option says


def quick(upto: int = 16) -> str:
    """Return the lines of the first *upto* full-sized segments, each acknowledged at once."""
    lines = []
    for n in range(1, upto * FULL, FULL):
        lines += [f"< A {n}:{n + FULL}({FULL}) ack 1", f"> A 1 ack {n + FULL}", f"read {FULL}"]
    return "\n".join(lines) + "\n"


AFTER = 16 * FULL + 1


def test_DACK_5_the_first_16_are_quick(play: Play) -> None:
    """DACK-1, SHLD-18, MUST-40, ST-47, DEF-14: the 17th waits 40 ms."""
    play(passive())
    play(quick())
    play(f"< A {AFTER}:{AFTER + FULL}({FULL}) ack 1 \n +0.04 > A 1 ack {AFTER + FULL}")


def test_SHLD_19_every_second_full_segment(play: Play) -> None:
    """DACK-2."""
    play(passive())
    play(quick())
    a, b, c = (AFTER + n * FULL for n in (1, 2, 3))
    play(
        f"""
        < A {AFTER}:{a}({FULL}) ack 1
        +0.01 < A {a}:{b}({FULL}) ack 1
        > A 1 ack {b}
        < A {b}:{c}({FULL}) ack 1
        +0.04 > A 1 ack {c}
        """
    )


def test_DACK_2_small_segments_wait_for_company(play: Play) -> None:
    """DACK-6: data that goes out carries the ACK and there is no other."""
    play(passive())
    play(
        """
        < PA 1:11(10) ack 1
        +0.01 < PA 11:21(10) ack 1
        +0.03 > A 1 ack 21                  # 40 ms after the first of them
        < PA 21:31(10) ack 1
        +0.01 send 5
        > PA 1:6(5) ack 31
        +0.1 < A 31 ack 6
        +10 wait
        """
    )


def test_DACK_2_gaps_and_what_fills_them(play: Play) -> None:
    """MAY-13, SHLD-31, SACK-1..3: at once above a gap, and at once when it shrinks."""
    play(passive("mss 1000, sackOK"))
    play(
        """
        < A 11:21(10) ack 1
        > A 1 ack 1 <sack 11:21>
        < A 31:41(10) ack 1
        > A 1 ack 1 <sack 31:41 11:21>
        < A 51:61(10) ack 1
        > A 1 ack 1 <sack 51:61 31:41 11:21>
        < A 71:81(10) ack 1
        > A 1 ack 1 <sack 71:81 51:61 31:41 11:21>
        < A 91:101(10) ack 1
        > A 1 ack 1 <sack 91:101 71:81 51:61 31:41>
        < A 21:31(10) ack 1
        > A 1 ack 1 <sack 11:41 91:101 71:81 51:61>
        read 0
        < A 1:11(10) ack 1
        > A 1 ack 41 <sack 91:101 71:81 51:61>
        read 40
        < A 41:91(50) ack 1
        > A 1 ack 101 <sack 51:61>          # a duplicate, reported once
        read 60
        """
    )


def test_SACK_5_what_was_SACKed_can_be_read(play: Play) -> None:
    """M-16: the first copy counts, whatever comes again and in whichever pieces."""
    play(passive("mss 1000, sackOK"))
    play(
        """
        < A 101:201(100) ack 1
        > A 1 ack 1 <sack 101:201>
        < A 151:301(150) ack 1
        > A 1 ack 1 <sack 151:201 101:301>
        < A 51:151(100) ack 1
        > A 1 ack 1 <sack 101:151 51:301>
        < A 1:401(400) ack 1
        > A 1 ack 401 <sack 51:301>
        read 400
        """
    )


def test_SACK_4_a_duplicate_is_reported_once(play: Play) -> None:
    """RFC 2883 §4: below the cumulative ACK, alone and in part; and with the next data of ours."""
    play(passive("mss 1000, sackOK"))
    play(
        """
        < PA 1:101(100) ack 1
        +0.04 > A 1 ack 101
        < PA 1:101(100) ack 1
        > A 1 ack 101 <sack 1:101>
        < PA 51:151(100) ack 1
        > A 1 ack 151 <sack 51:101>
        < PA 151:251(100) ack 1
        +0.04 > A 1 ack 251 <>
        < PA 151:251(100) ack 1
        &< A 301:401(100) ack 1
        > A 1 ack 251 <sack 151:251 301:401>
        < A 301:401(100) ack 1
        > A 1 ack 251 <sack 301:401 301:401>
        """
    )


def test_SACK_4_every_duplicate_of_a_batch_has_an_acknowledgement(play: Play) -> None:
    """DACK-3, DACK-4, RFC 2883 §4: as one if they follow on each other, and one a segment."""
    play(passive("mss 1000, sackOK"))
    play(
        """
        < PA 1:101(100) ack 1
        +0.04 > A 1 ack 101
        < A 201:301(100) ack 1
        > A 1 ack 101 <sack 201:301>
        < A 401:501(100) ack 1
        > A 1 ack 101 <sack 401:501 201:301>
        < A 1:11(10) ack 1
        &< A 11:21(10) ack 1
        &< A 231:241(10) ack 1
        > A 1 ack 101 <sack 1:21 201:301 401:501>
        > A 1 ack 101 <sack 231:241 201:301 401:501>
        < A 51:451(400) ack 1               # it fills both gaps, and brings three parts again
        > A 1 ack 501 <sack 51:101>
        +1 wait
        """
    )


def test_SACK_4_no_more_duplicates_are_remembered_than_eight(play: Play) -> None:
    """M-21: a peer that repeats itself in crumbs gets no more acknowledgements for it."""
    play(passive("mss 1000, sackOK"))
    crumbs = [f"&< A {n}:{n + 1}(1) ack 1" for n in range(10, 100, 10)]
    reports = [f"> A 1 ack 101 <sack {n}:{n + 1}>" for n in [1, *range(10, 80, 10)]]
    lines = ["< PA 1:101(100) ack 1", "+0.04 > A 1 ack 101", "< A 1:2(1) ack 1"]
    play("\n".join([*lines, *crumbs, *reports, "+1 wait"]))


def test_SACK_4_data_of_ours_carries_the_report_and_only_one_segment_does(play: Play) -> None:
    """DACK-6: the headers of a run are alike, and the peer would count the report each time."""
    play(passive("mss 1000, sackOK", win=1000))
    play(
        """
        < PA 1:101(100) ack 1 win 1000
        +0.04 > A 1 ack 101
        send 4000
        > A 1:1001(1000) ack 101
        +0.1 < A 101 ack 1001 win 9000
        &< PA 1:101(100) ack 1001 win 9000
        > A 1001:1989(988) ack 101 <sack 1:101>
        > A 1989:2989(1000) ack 101 <>
        > A 2989:3989(1000) ack 101 <>
        > PA 3989:4001(12) ack 101 <>
        """
    )


def test_SACK_4_the_report_goes_alone_if_data_may_not(play: Play) -> None:
    """SACK-4: it waits for no window."""
    play(passive("mss 1000, sackOK", win=1000))
    play(
        """
        send 3000
        > A 1:1001(1000) ack 1
        < PA 1:101(100) ack 1 win 1000
        +0.04 > A 1001 ack 101
        < PA 1:101(100) ack 1 win 1000
        > A 1001 ack 101 <sack 1:101>
        """
    )


def test_SACK_4_what_PAWS_drops_is_a_duplicate_too(play: Play) -> None:
    """TS-2, UNDO-6: the original that comes late has an older timestamp than its copy."""
    play(passive("mss 1000, sackOK, TS 5000 0"))
    play(
        """
        < PA 1:101(100) ack 1 <TS 5100 100>
        +0.04 > A 1 ack 101
        < PA 1:101(100) ack 1 <TS 5010 100>
        > A 1 ack 101 <TS * *, sack 1:101>
        """
    )


def test_SACK_4_a_FIN_that_comes_again(play: Play) -> None:
    """RFC 2883 §4: it has a number, and whoever sent it again counts that."""
    play(passive("mss 1000, sackOK"))
    play(
        """
        < FA 1:101(100) ack 1
        > A 1 ack 102
        < FA 1:101(100) ack 1
        > A 1 ack 102 <sack 1:102>
        < FA 101 ack 1
        > A 1 ack 102 <sack 101:102>
        """
    )


def test_SACK_4_not_unless_asked_for(play: Play) -> None:
    """DEF-28"""
    play.configure(dsack=False)
    play(passive("mss 1000, sackOK"))
    play(
        """
        < PA 1:101(100) ack 1
        +0.04 > A 1 ack 101
        < PA 1:101(100) ack 1
        > A 1 ack 101 <>
        """
    )


def test_DACK_2_duplicates_are_acknowledged_at_once(play: Play) -> None:
    """ST-21, M-16, CHAL-4: with data, always."""
    play(passive())
    play(
        """
        < PA 1:101(100) ack 1
        +0.04 > A 1 ack 101
        < PA 1:101(100) ack 1
        > A 1 ack 101
        < PA 1:101(100) ack 1
        > A 1 ack 101
        < PA 51:151(100) ack 1              # half of it is new
        +0.04 > A 1 ack 151
        read 150
        """
    )


def test_MUST_58_MUST_59_DACK_4_one_ACK_for_a_read(play: Play) -> None:
    """DACK-3, ACKP-10, UDP-1: a batch is processed first and answered once."""
    play(passive("mss 1000, sackOK"))
    lines = [f"&< A {n}:{n + 1000}(1000) ack 1" for n in range(1, 20_001, 1000)]
    play("\n".join([lines[0].removeprefix("&"), *lines[1:]]) + "\n > A 1 ack 20001 \n read 20000")
    play(
        """
        < A 20101:20201(100) ack 1
        &< A 20301:20401(100) ack 1
        &< A 20501:20601(100) ack 1
        > A 1 ack 20001 <sack 20501:20601 20301:20401 20101:20201>
        """
    )


def test_DACK_4_without_SACK_each_segment_out_of_order_counts(play: Play) -> None:
    """A sender without SACK counts duplicates."""
    play(passive())
    play(
        """
        < A 1001:2001(1000) ack 1
        &< A 2001:3001(1000) ack 1
        &< A 3001:4001(1000) ack 1
        > A 1 ack 1
        > A 1 ack 1
        > A 1 ack 1
        < A 1:1001(1000) ack 1
        > A 1 ack 4001
        """
    )


def test_SACK_1_no_blocks_unless_negotiated(play: Play) -> None:
    """W-24: on a segment without SYN the permission means nothing."""
    play(passive())
    play(
        """
        < A 11:21(10) ack 1 <sackOK>
        > A 1 ack 1 <>
        """
    )


def test_PSH_1_MUST_61_PSH_ends_what_is_buffered(play: Play) -> None:
    """MUST-60, SHLD-27, MAY-16: small writes are joined, and nothing is held back."""
    play(passive())
    play(
        """
        send 500
        send 300
        send 700
        > A 1:1001(1000) ack 1
        > PA 1001:1501(500) ack 1
        """
    )


def test_MUST_17_Nagle_and_Minshall(play: Play) -> None:
    """NAG-1..3, SHLD-7, DEF-15: off unless asked for; then one small segment at a time."""
    play(passive())
    play(
        """
        send 10
        > PA 1:11(10) ack 1
        send 10
        > PA 11:21(10) ack 1
        +0.1 < A 1 ack 21
        nodelay off
        send 10
        > PA 21:31(10) ack 1
        send 10
        wait
        send 1000
        > A 31:1031(1000) ack 1             # full segments go; the rest waits
        +0.1 < A 1 ack 31
        > PA 1031:1041(10) ack 1            # no small one is outstanding any more
        send 10
        nodelay on
        > PA 1041:1051(10) ack 1
        nodelay off
        send 10
        shutdown
        > PA 1051:1061(10) ack 1
        > FA 1061 ack 1
        """
    )


def test_SACK_4_a_segment_of_old_and_new(play: Play) -> None:
    """DACK-2: what was sent for nothing is reported at once, with what came beside it."""
    play(active("mss 1000, sackOK"))
    play(
        """
        < PA 1:701(700) ack 1
        > A 1 ack 701
        read 700
        < PA 1:801(800) ack 1
        > A 1 ack 801 <sack 1:701>
        """
    )
