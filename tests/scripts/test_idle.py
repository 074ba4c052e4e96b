"""The idle limit: a peer that brings nothing forward for too long (Config.idle_timeout)."""

import pytest

from tests.scripts.kit import Play, passive


def test_a_client_that_opens_and_says_nothing(play: Play) -> None:
    """It is reset, and the error is a time-out, as MUST-20 has it for other silence."""
    play.configure(idle_timeout=10.0)
    play(passive())
    play(
        """
        10.0 state ESTABLISHED
        10.1 > RA 1 ack 1
        error TimeoutError
        count IDLE_TIMEOUT 1
        connections 0
        """
    )


def test_acknowledging_keep_alives_is_saying_nothing(play: Play) -> None:
    play.configure(idle_timeout=10.0, keepalive=True, keepalive_idle=4.0, keepalive_interval=1.0)
    play(passive())
    play(
        """
        4.1 > A 0 ack 1
        < A 1 ack 1
        8.1 > A 0 ack 1
        < A 1 ack 1
        10.1 > RA 1 ack 1
        error TimeoutError
        """
    )


@pytest.mark.parametrize("who", ["peer", "we"])
def test_progress_either_way_counts(play: Play, who: str) -> None:
    """What arrives, and what is acknowledged; the limit is exceeded by a quarter at most."""
    play.configure(idle_timeout=10.0)
    play(passive())
    turn = {
        "peer": "< PA 1:11(10) ack 1 \n read 10 \n +0.04 > A 1 ack 11",
        "we": "send 10 \n > PA 1:11(10) ack 1 \n < A 1 ack 11",
    }[who]
    reset = {"peer": "> RA 1 ack 11", "we": "> RA 11 ack 1"}[who]
    play(f"9 wait \n {turn}")
    play("19 state ESTABLISHED")
    # Looked at 2.5 s, 5 s, 7.5 s and so on after the start.
    play(f"20.1 {reset} \n error TimeoutError")


def test_a_reader_that_does_not_read(play: Play) -> None:
    """ZWP-3 keeps it alive for ever; the idle limit does not."""
    play.configure(idle_timeout=8.0)
    play(passive(win=10))
    play(
        """
        send 20
        > A 1:11(10) ack 1
        < A 1 ack 11 win 0
        """
    )
    for wait in (0.3375, 0.675, 1.35, 2.7):
        play(f"+{wait} > A 11:12(1) ack 1 \n < A 1 ack 11 win 0")
    play("10.1 > RA 11 ack 1 \n error TimeoutError")  # the octets of 0.1 s were noticed at 2.1 s


def test_it_is_off_unless_asked_for(play: Play) -> None:
    play(passive())
    play("1000000 state ESTABLISHED")
    assert play.table.next_deadline == float("inf")


def test_a_reset_that_waits_for_the_peer_keeps_its_own_time(play: Play) -> None:
    """SHLD-3: it waits as long as FIN-WAIT-2 lasts; that the idle limit looks too moves nothing."""
    play.configure(idle_timeout=8.0, fin_wait2_timeout=5.0)
    play(passive(win=10))
    play(
        """
        send 20
        > A 1:11(10) ack 1
        < PA 1:11(10) ack 11 win 0
        close
        +0.04 > A 11 ack 11
        """
    )
    for wait in (0.2975, 0.675, 1.35):
        play(f"+{wait} > A 11:12(1) ack 11 \n < A 11 ack 11 win 0")
    play("+2.6375 > RA 11 ack 11 \n error ConnectionAbortedError")
