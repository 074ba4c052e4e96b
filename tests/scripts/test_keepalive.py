"""Keep-alive: only if asked for, only in silence, and patient."""

from tests.scripts.kit import Play, passive


def test_MUST_25_off_unless_asked_for(play: Play) -> None:
    """KA-1, DEF-12: a silent connection lives for days."""
    play(passive() + "+1000000 state ESTABLISHED")


def test_KA_1_the_schedule(play: Play) -> None:
    """MUST-24, MUST-27..29, MAY-5, KA-3, KA-4, SHLD-12, ST-44: 7200 s, nine times 75 s."""
    play.configure(keepalive=True)
    play(passive())
    play(
        """
        +7200 > A 0 ack 1
        +75 > A 0 ack 1
        +75 > A 0 ack 1
        +75 > A 0 ack 1
        +75 > A 0 ack 1
        +75 > A 0 ack 1
        +75 > A 0 ack 1
        +75 > A 0 ack 1
        +75 > A 0 ack 1
        state ESTABLISHED
        +75 > RA 1 ack 1
        error TimeoutError
        """
    )


def test_KA_4_any_answer_counts(play: Play) -> None:
    """MUST-29."""
    play(passive())
    play(
        """
        keepalive 10 5 3
        +10 > A 0 ack 1
        +5 > A 0 ack 1
        +1 < A 1 ack 1
        +10 > A 0 ack 1
        +5 > A 0 ack 1
        +5 > A 0 ack 1
        +1 < PA 1:11(10) ack 1
        +0.04 > A 1 ack 11
        +9.96 > A 0 ack 11
        +1 < R 11
        error ConnectionResetError
        """
    )


def test_MUST_26_KA_2_only_in_silence(play: Play) -> None:
    """Nothing outstanding, nothing received."""
    play(passive())
    play(
        """
        keepalive 10 5 3
        +9 < PA 1:11(10) ack 1
        +0.04 > A 1 ack 11
        +9.96 > A 0 ack 11                  # ten seconds after what came last
        < A 11 ack 1
        +5 send 10
        > PA 1:11(10) ack 11
        +0.3 > PA 1:11(10) ack 11
        +0.6 > PA 1:11(10) ack 11
        +1.2 > PA 1:11(10) ack 11
        +2.4 > PA 1:11(10) ack 11
        +4.8 > PA 1:11(10) ack 11           # the retransmissions are all there is
        +0.1 < A 11 ack 11
        +10 > A 10 ack 11
        """
    )


def test_KA_3_our_probe_is_answered_and_so_is_theirs(play: Play) -> None:
    """ST-21: a segment below the window without data, Linux's and ours alike."""
    play(
        passive()
        + """
        +100 < A 0 ack 1
        > A 1 ack 1
        +100 < A 0:1(1) ack 1               # the form with an octet of garbage (MAY-6)
        > A 1 ack 1
        """
    )


def test_KA_1_also_half_closed(play: Play) -> None:
    """ST-44: in CLOSE-WAIT and FIN-WAIT-2."""
    play.configure(keepalive=True, keepalive_idle=10.0, keepalive_interval=5.0, keepalive_count=1)
    play(passive())
    play(
        """
        shutdown
        > FA 1 ack 1
        < A 1 ack 2
        +10 > A 1 ack 1
        +5 > RA 2 ack 1
        error TimeoutError
        """
    )


def test_UDP_12_KA_5_one_number_keeps_a_NAT_open(play: Play) -> None:
    """A probe each time when nothing has come for so long, answered or not."""
    play.configure(keepalive=25, keepalive_count=2)
    play(passive())
    play(
        """
        +25 > A 0 ack 1
        +0.1 < A 1 ack 1
        +25 > A 0 ack 1
        +0.1 < A 1 ack 1
        +10 < PA 1:11(10) ack 1
        +0.04 > A 1 ack 11
        +24.96 > A 0 ack 11
        +25 > A 0 ack 11
        +25 > RA 1 ack 11
        error TimeoutError
        """
    )
