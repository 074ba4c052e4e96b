"""The window we announce: scaled or not, opened in steps, never taken back."""

import pytest

from rudp.config import Config
from tests.scripts.kit import Play, passive


def test_SWS_4_reading_from_a_buffer_beyond_the_window_field_sends_no_update(play: Play) -> None:
    """DACK-3: without scaling 65535 is all that can be said, so a small read is no news."""
    play(passive())
    play(
        """
        < PA 1:101(100) ack 1
        +0.04 > A 1 ack 101 win 65435
        read 100
        < PA 101:201(100) ack 1
        +0.04 > A 1 ack 201 win 65335
        """
    )


@pytest.mark.parametrize(
    ("buffer", "shift"),
    [(4096, 0), (65_535, 0), (65_536, 1), (131_071, 1), (262_144, 3), (1 << 30, 14)],
)
def test_WS_1_the_smallest_shift_that_will_do(play: Play, buffer: int, shift: int) -> None:
    """W-23, WS-3, SWS-6, TRAP-12, DEF-31, DEF-32, REC-1: the window of the SYN is unscaled."""
    play.configure(receive_buffer=buffer)
    play(
        f"""
        listen
        < S 0 <mss 1000, ws 2>
        > SA 0 ack 1 win {min(buffer, 65_535)} <mss 1452, ws {shift}>
        < A 1 ack 1
        accept
        < PA 1:101(100) ack 1
        +0.04 > A 1 ack 101
        """
    )
    # At most a unit of the shift, and what the reader holds, are missing from the whole buffer.
    window = play.connection.info().rcv_wnd
    assert window <= 1 << 30
    if buffer > 65_535 + 1452:
        assert buffer - 100 - (1 << shift) < window <= buffer


def test_WS_1_the_shift_is_that_of_the_largest_buffer(play: Play) -> None:
    """DEF-31, DEF-32, BUF-3: it cannot be changed later; the window begins as it is."""
    play.configure(receive_buffer_max=Config().receive_buffer_max)
    play(
        """
        listen
        < S 0 <mss 1000, ws 2>
        > SA 0 ack 1 win 65535 <mss 1452, ws 10>
        < A 1 ack 1
        accept
        < PA 1:101(100) ack 1
        +0.04 > A 1 ack 101 win 255         # of 1024 octets: 256 KiB less what was not read
        info receive_buffer 262144
        """
    )


def test_WS_1_no_scale_unless_both_offer(play: Play) -> None:
    """WS-2, W-23, MUST-1, M-14: 15 counts as 14; without an offer of ours nothing is shifted."""
    play(
        """
        listen
        < S 0 <mss 1000, ws 15>
        > SA 0 ack 1 <mss 1452, ws 3>
        < A 1 ack 1 win 65535
        info snd_wnd 1073725440             # 65535 << 14
        """
    )
    play.configure(window_scaling=False)
    play(
        """
        listen
        < S 0 <mss 1000, ws 7>
        > SA 0 ack 1 <mss 1452>
        < A 1 ack 1 win 65535
        info snd_wnd 65535
        """
    )


def test_TRAP_1_a_scale_outside_of_SYN_is_ignored(play: Play) -> None:
    """W-22..24: so are MSS and SACK permission."""
    play(passive())
    play("< A 1 ack 1 win 100 <ws 5, mss 100, sackOK> \n info snd_wnd 100 \n info mss 1000")


def test_ZWP_6_MAY_8_a_window_that_stays_shut(play: Play) -> None:
    """MUST-39, SWS-4, BUF-1, BUF-5, TRAP-4: probes are answered; it opens in one step."""
    play.configure(receive_buffer=4096)
    play(passive())
    play(
        """
        < A 1:1001(1000) ack 1
        &< A 1001:2001(1000) ack 1
        &< A 2001:3001(1000) ack 1
        &< A 3001:4001(1000) ack 1
        > A 1 ack 4001 win 96
        < A 4001:5001(1000) ack 1           # 96 octets fit
        +0.04 > A 1 ack 4097 win 0
        +100 < A 4097:4098(1) ack 1         # a probe
        > A 1 ack 4097 win 0
        +100 < A 4096 ack 1                 # Linux's kind of probe
        > A 1 ack 4097 win 0
        +10000 < A 4097:4098(1) ack 1
        > A 1 ack 4097 win 0
        read 4096
        > A 1 ack 4097 win 4096             # a window update
        < A 4097:5097(1000) ack 1
        > A 1 ack 5097 win 3096
        read 1000
        """
    )


def test_MUST_66_a_shut_window_hears_ACK_URG_and_RST(play: Play) -> None:
    """ST-32, SHLD-2, TRAP-4: of a segment at RCV.NXT, whose data is refused."""
    play.configure(receive_buffer=4096)
    play(passive())
    play(
        """
        < A 1:2049(2048) ack 1
        &< A 2049:4097(2048) ack 1
        > A 1 ack 4097 win 0
        send 10
        > PA 1:11(10) ack 4097 win 0
        < PUA 4097:4107(10) ack 11 urg 10 win 500
        > A 11 ack 4097 win 0
        info unacked 0
        info snd_wnd 500
        urgent 4106
        < RPA 4097:4107(10) ack 11
        error ConnectionResetError
        """
    )


def test_TRAP_5_small_reads_make_no_small_windows(play: Play) -> None:
    """MUST-39, SHLD-14, SWS-4, SWS-5: the edge stands until a segment's worth is free."""
    play.configure(receive_buffer=10_000)
    play(passive())
    lines = [f"&< A {n}:{n + 1000}(1000) ack 1" for n in range(1, 10_001, 1000)]
    play("\n".join([lines[0].removeprefix("&"), *lines[1:]]) + "\n > A 1 ack 10001 win 0")
    play(
        """
        +1 < A 10001:10002(1) ack 1
        > A 1 ack 10001 win 0
        """
    )


def test_WS_4_SWS_5_what_was_shown_is_taken(play: Play) -> None:
    """A promise rounded up by the shift is kept: the last octets of it are accepted."""
    play.configure(receive_buffer=100_001)
    play(
        """
        listen
        < S 0 <mss 1000, ws 0>
        > SA 0 ack 1 win 65535 <mss 1452, ws 1>
        < A 1 ack 1
        accept
        < A 1:4(3) ack 1
        +0.04 > A 1 ack 4 win 49999
        < A 4:5(1) ack 1
        +0.04 > A 1 ack 5 win 49999         # one less, rounded up: the edge stands at 100002
        < A 100002:100003(1) ack 1          # the last octet of that promise
        > A 1 ack 5 win 49999
        < A 100003:100004(1) ack 1          # beyond it
        > A 1 ack 5 win 49999
        count UNACCEPTABLE 1
        """
    )


def test_M_19_a_datagram_larger_than_announced_is_taken(play: Play) -> None:
    play(passive())
    play("< PA 1:9001(9000) ack 1 \n > A 1 ack 9001 \n read 9000")


def test_BUF_6_what_all_hold_behind_gaps_is_bounded(play: Play) -> None:
    """Each has 16 KiB of its own; more is shared, and what finds no room comes again."""
    play.configure(reassembly_max=0)
    play(passive())
    play(
        """
        < A 8001:16001(8000) ack 1
        > A 1 ack 1
        < A 16001:24001(8000) ack 1
        > A 1 ack 1
        < A 24001:24501(500) ack 1          # 16 KiB less two overheads
        > A 1 ack 1
        count REASSEMBLY_OVERFLOW 1
        < A 1:8001(8000) ack 1
        > A 1 ack 24001
        read 24000
        """
    )
    assert play.table.memory.reassembly.used == 0
