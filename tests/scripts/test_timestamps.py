"""Timestamps: negotiated on the SYNs, echoed, and what PAWS makes of them (RFC 7323)."""

from tests.scripts.kit import Play, active, passive

STAMPED = passive("mss 1000, sackOK, TS 0 0")


def test_W_26_TS_5_on_every_segment_once_negotiated(play: Play) -> None:
    """TS-1, DEF-29, W-31: milliseconds, and the echo of TS.Recent."""
    play(
        """
        connect
        > S 0 <mss 1452, sackOK, TS 0 0, ws 3>
        +0.1 < SA 0 ack 1 <mss 1000, TS 500 0>
        > A 1 ack 1 <TS 100 500>
        +0.1 send 10
        > PA 1:11(10) ack 1 <TS 200 500>
        +0.1 < A 1 ack 11 <TS 700 200>
        shutdown
        > FA 11 ack 1 <TS 300 700>
        abort
        > RA 12 ack 1 <TS 300 700>
        """
    )


def test_W_26_not_unless_both_offer(play: Play) -> None:
    """W-30: and then they are ignored."""
    play(active())
    play("send 10 \n > PA 1:11(10) ack 1 <> \n < A 1 ack 11 <TS 5 5> \n info unacked 0")
    play.configure(timestamps=False)
    play("listen \n < S 0 <mss 1000, TS 5 0> \n > SA 0 ack 1 <mss 1452>")


def test_TS_2_ST_20_TRAP_11_PAWS(play: Play) -> None:
    """ACKP-1, TW-2: an old duplicate in the window is answered by an ACK and not taken."""
    play(STAMPED)
    play(
        """
        < PA 1:11(10) ack 1 <TS 1000 100>
        +0.04 > A 1 ack 11 <TS 140 1000>
        read 10
        < PA 11:21(10) ack 1 <TS 999 100>
        > A 1 ack 11
        < A 11 ack 1 <TS 999 100>           # without data: one answer in half a second
        > A 1 ack 11
        < A 11 ack 1 <TS 999 100>
        read 0
        count PAWS 3
        < PA 11:21(10) ack 1 <TS 1000 100>  # the same age is young enough
        +0.04 > A 1 ack 21
        read 10
        """
    )


def test_TS_2_an_original_that_its_neighbour_overtook(play: Play) -> None:
    """TS-3: the retransmission at the left edge has a newer stamp than what was held back."""
    play(passive("mss 1000, sackOK, TS 0 0"))
    play(
        """
        < A 21:31(10) ack 1 <TS 1000 100>   # two are missing, one lost, one held back
        > A 1 ack 1 <TS 100 101, sack 21:31>
        < A 1:11(10) ack 1 <TS 1100 100>    # the lost one again
        > A 1 ack 11 <TS 100 1100, sack 21:31>
        < A 11:21(10) ack 1 <TS 990 100>    # and now the other
        > A 1 ack 31
        < A 51:61(10) ack 1 <TS 1100 100>
        > A 1 ack 31 <TS 100 1100, sack 51:61>
        < A 41:51(10) ack 1 <TS 849 100>    # more than a quarter of a second is old
        > A 1 ack 31 <TS 100 1100, sack 51:61>
        count PAWS 1
        """
    )


def test_TS_2_RST_is_exempt(play: Play) -> None:
    """TRAP-11, TS-5: an old stamp, or none."""
    play(STAMPED)
    play("< A 1 ack 1 <TS 1000 100> \n < R 1 <TS 1 0> \n error ConnectionResetError")
    play.configure()
    play(STAMPED)
    play("< R 1 \n error ConnectionResetError")


def test_TS_3_TRAP_11_TS_Recent_follows_the_left_edge(play: Play) -> None:
    """A segment above a gap does not move it; a delayed ACK echoes the first of its segments."""
    play(STAMPED)
    play(
        """
        < PA 11:21(10) ack 1 <TS 300 100>
        > A 1 ack 1 <TS 100 101, sack 11:21>
        < PA 1:11(10) ack 1 <TS 200 100>
        > A 1 ack 21 <TS 100 200>
        < PA 21:31(10) ack 1 <TS 400 100>
        +0.01 < PA 31:41(10) ack 1 <TS 410 100>
        +0.03 > A 1 ack 41 <TS 140 400>
        """
    )


def test_TS_4_DEF_30_after_24_days_TS_Recent_says_nothing(play: Play) -> None:
    play(STAMPED)
    play(
        """
        < A 1 ack 1 <TS 1000 100>
        +2000000 < A 1 ack 1 <TS 900 0>
        > A 1 ack 1
        2073700 < PA 1:11(10) ack 1 <TS 900 0>
        +0.04 > A 1 ack 11 <TS * 900>
        """
    )


def test_TS_6_M_12_missing_timestamps(play: Play) -> None:
    """Dropped in silence, and the connection lives."""
    play(STAMPED)
    play(
        """
        < PA 1:11(10) ack 1 <noTS>
        < FA 1 ack 1 <noTS>
        count TIMESTAMP_MISSING 2
        state ESTABLISHED
        read 0
        """
    )


def test_TS_7_PAWS_does_not_touch_a_SYN(play: Play) -> None:
    """Nor does the clock of an earlier connection matter in LISTEN."""
    play(
        """
        listen
        < S 0 <mss 1000, TS 2000000000 0>
        > SA 0 ack 1 <mss 1452, TS 0 2000000000>
        < R 1
        < S 0 <mss 1000, TS 1 0>
        > SA 0 ack 1 <mss 1452, TS 0 1>
        """
    )


def test_TS_5_a_RST_that_answers_echoes_the_segment(play: Play) -> None:
    """UDP-23: TSval 0, and no longer than what it answers."""
    play("< A 1 ack 700 <TS 5 0> \n > R 700 <TS 0 5>")


def test_M_4_options_that_are_not_what_they_seem(play: Play) -> None:
    """M-3, M-5, MUST-4..7, MUST-64, MUST-68, W-20, W-21, W-27, W-29, UTO-4."""
    play(
        """
        listen
        < S 0 <raw 0203ff, raw 04030000>                    # wrong lengths: ignored
        > SA 0 ack 1 <mss 1452>
        < A 1 ack 1
        accept
        info peer_mss 536
        info sack False
        < PA 1:11(10) ack 1 <raw fd04ffff, raw 1c040001, nop, raw fe08000000000000>
        +0.04 > A 1 ack 11
        < PA 11:21(10) ack 1 <raw 0001ffff>                 # behind the end of the list
        +0.04 > A 1 ack 21
        < PA 21:31(10) ack 1 <raw fd00>
        < PA 21:31(10) ack 1 <raw fd01>
        < PA 21:31(10) ack 1 <raw fd09ffff>
        < RA 21 ack 1 <raw 0201>
        count BAD_OPTION 4
        read 20
        """
    )
