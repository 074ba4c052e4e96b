"""RACK, the tail-loss probe and the undo of a reduction, as a peer sees them."""

import pytest

from tests.scripts.kit import Play, active, passive
from tests.scripts.test_loss_recovery import sent


def test_RACK_10_late_or_lost(play: Play) -> None:
    """RACK-8, RACK-9: one segment SACKed: a quarter of the round trip later it is lost."""
    play(active("mss 1000, sackOK"))
    play("send 3000 \n" + sent(1, 3001, pushed=True))
    play(
        """
        +0.1 < A 1 ack 1 <sack 1001:2001>
        +0.025 > A 1:1001(1000) ack 1
        +0.1 < A 1 ack 2001
        > PA 2001:3001(1000) ack 1          # sent before what has just been acknowledged
        """
    )


def test_RACK_10_it_was_only_late(play: Play) -> None:
    """RACK-5, RACK-10: it comes within that time, and nothing is sent again."""
    play(active("mss 1000, sackOK"))
    play("send 3000 \n" + sent(1, 3001, pushed=True))
    play(
        """
        +0.1 < A 1 ack 1 <sack 1001:2001>
        +0.02 < A 1 ack 2001
        info reordering_seen True
        +0.01 < A 1 ack 3001
        +10 wait
        info resent 0
        """
    )


def test_RACK_14_a_retransmission_that_is_lost(play: Play) -> None:
    """RACK-3, RACK-14: found by what was sent after it, one round trip later, without a time-out.

    Timestamps tell that the later acknowledgements answer new segments.
    """
    play(active("mss 1000, sackOK, TS 0 0"))
    play("send 9880 \n" + sent_with_timestamps(1, 9881))
    play(
        """
        +0.1 < A 1 ack 1 <sack 989:3953>
        > A 1:989(988) ack 1
        +0.01 < A 1 ack 1 <sack 989:9881>
        send 1976
        > A 9881:10869(988) ack 1
        > PA 10869:11857(988) ack 1
        +0.1 < A 1 ack 1 <sack 989:11857>
        > A 1:989(988) ack 1
        """
    )


def sent_with_timestamps(first: int, last: int) -> str:
    lines = [f"> A {n}:{n + 988}(988) ack 1" for n in range(first, last, 988)]
    lines[-1] = lines[-1].replace("A", "PA", 1)
    return "\n".join(lines) + "\n"


def test_TLP_4_new_data_if_there_is_any(play: Play) -> None:
    """TLP-2, TLP-4: one segment more than cwnd allows, two round trips after the last."""
    play(active("mss 1000, sackOK"))
    play("send 20000 \n" + sent(1, 10001))
    play(
        """
        +0.2 > A 10001:11001(1000) ack 1
        +0.1 < A 1 ack 11001
        """
        + sent(11001, 20001, pushed=True)
    )


def test_TLP_4_else_the_last_segment(play: Play) -> None:
    """TLP-4, TLP-5, TLP-6: the end of a flight is lost; one probe brings it, and one reduction."""
    play(active("mss 1000, sackOK"))
    play("send 5000 \n" + sent(1, 5001, pushed=True))
    play(
        """
        +0.1 < A 1 ack 4001
        +0.25 > PA 4001:5001(1000) ack 1    # two round trips, and the peer's delay for a lone one
        +0.1 < A 1 ack 5001
        send 1000
        > PA 5001:6001(1000) ack 1
        +0.1 < A 1 ack 6001
        info ssthresh 4500                  # of cwnd, as five were in flight before (CC-9)
        """
    )


def test_TLP_4_the_last_segment_with_the_FIN(play: Play) -> None:
    """TLP-4: the FIN is sent again behind the last data, as it was."""
    play(active("mss 1000, sackOK"))
    play(
        """
        send 1500
        shutdown
        > A 1:1001(1000) ack 1
        > PA 1001:1501(500) ack 1
        > FA 1501 ack 1
        +0.1 < A 1 ack 1001
        +0.25 > PA 1001:1501(500) ack 1
        > FA 1501 ack 1
        +0.1 < A 1 ack 1502
        state FIN-WAIT-2
        """
    )


def test_TLP_5_the_time_out_follows_the_probe(play: Play) -> None:
    """TLP-3, TLP-5: no second probe; the RTO is counted from the first."""
    play(active("mss 1000, sackOK"))
    play(
        """
        send 2000
        > A 1:1001(1000) ack 1
        > PA 1001:2001(1000) ack 1
        +0.2 > PA 1001:2001(1000) ack 1
        +0.3 > A 1:1001(1000) ack 1
        info backoffs 1
        """
    )


def test_UNDO_2_a_fast_retransmission_was_not_needed(play: Play) -> None:
    """UNDO-1, UNDO-2, CUB-10: the echo is older than the retransmission: all is as before."""
    play(active("mss 1000, sackOK, TS 0 0"))
    play("send 9880 \n" + sent_with_timestamps(1, 9881))
    play(
        """
        +0.1 < A 1 ack 1 <sack 989:3953>
        > A 1:989(988) ack 1
        info ssthresh 4940
        +0.01 < A 1 ack 3953 <TS 210 100>
        info undone 1
        info lost 0
        info ssthresh 1073741824
        """
    )


def test_UNDO_7_a_time_out_was_not_needed(play: Play) -> None:
    """UNDO-2, UNDO-7: the originals arrive late; nothing else is sent again."""
    play(active("mss 1000, sackOK, TS 0 0"))
    play.connection.user_timeout = None
    play("send 1976 \n" + sent_with_timestamps(1, 1977))
    play(
        """
        +0.2 > PA 989:1977(988) ack 1       # the tail-loss probe
        +0.3 > A 1:989(988) ack 1           # the time-out
        info cwnd 988
        +0.1 < A 1 ack 989 <TS 700 100>
        info undone 1
        +0.01 < A 1 ack 1977
        +10 wait
        """
    )


def test_UNDO_7_with_nothing_in_flight(play: Play) -> None:
    """UNDO-6, UNDO-7: reports complete the undo when all is acknowledged; a segment may go."""
    play.configure(pacing=True, congestion="cubic")
    play(passive("mss 1000, sackOK"))
    play(
        """
        send 1000
        > PA 1:1001(1000) ack 1
        +0.25 > PA 1:1001(1000) ack 1
        +0.3 > PA 1:1001(1000) ack 1
        < A 1 ack 1001
        < A 1 ack 1001 <sack 1:1001>
        < A 1 ack 1001 <sack 1:1001>
        info undone 1
        send 10
        > PA 1001:1011(10) ack 1
        """
    )


def test_UNDO_3_without_timestamps(play: Play) -> None:
    """UNDO-3, UNDO-7: F-RTO sends two new segments, and what comes is old."""
    play(active("mss 1000"))
    play("send 12000 \n" + sent(1, 10001))
    play(
        """
        +0.3 > A 1:1001(1000) ack 1
        +0.1 < A 1 ack 2001
        > A 10001:11001(1000) ack 1
        > PA 11001:12001(1000) ack 1
        +0.01 < A 1 ack 3001
        info undone 1
        info lost 0
        +0.01 < A 1 ack 12001
        +10 wait
        info resent 1000
        """
    )


def test_PRR_4_half_a_window_in_one_round_trip(play: Play) -> None:
    """PRR-1, PRR-4, PRR-6, PRR-8: every second acknowledgement lets one segment go."""
    play(active("mss 1000, sackOK"))
    play("send 40000 \n" + sent(1, 10001))
    play("+0.1 < A 1 ack 10001 \n" + sent(10001, 30001))
    script = """
        +0.1 < A 1 ack 10001 <sack 11001:13001>
        > A 30001:31001(1000) ack 1         # limited transmit
        > A 31001:32001(1000) ack 1
        < A 1 ack 10001 <sack 11001:14001>
        > A 10001:11001(1000) ack 1
        info ssthresh 10000
        """
    for n, seq in enumerate(range(14001, 24001, 1000)):
        script += f"< A 1 ack 10001 <sack 11001:{seq + 1000}> \n"
        if n and n % 2 == 0:
            script += f"> A {31001 + 500 * n}:{32001 + 500 * n}(1000) ack 1 \n"
    play(script)


def test_RTO_9_the_first_segment_has_its_whole_time_when_it_goes_again(play: Play) -> None:
    """Even if it goes at the very instant of the acknowledgement that showed it lost."""
    play(active("mss 1000, sackOK", rtt=0.4))
    play(
        """
        send 5000
        > A 1:1001(1000) ack 1
        > A 1001:2001(1000) ack 1
        > A 2001:3001(1000) ack 1
        > A 3001:4001(1000) ack 1
        > PA 4001:5001(1000) ack 1
        +0.4 < A 1 ack 1 <sack 1001:5001>
        > A 1:1001(1000) ack 1
        +1.0 wait
        < A 1 ack 5001
        info resent 1000
        """
    )


@pytest.mark.parametrize("rtt", [0.15, 0.25, 0.6])
def test_TLP_2_a_probe_in_place_of_the_time_out(play: Play, rtt: float) -> None:
    """TLP-3: where two round trips take longer than the RTO, the probe goes at its time."""
    play(active("mss 1000, sackOK", rtt=rtt))
    for seq in range(1, 20001, 1000):
        play(f"send 1000 \n > PA {seq}:{seq + 1000}(1000) ack 1 \n +{rtt} < A 1 ack {seq + 1000}")
    play(
        f"""
        send 3000
        > A 20001:21001(1000) ack 1
        > A 21001:22001(1000) ack 1
        > PA 22001:23001(1000) ack 1
        +{min(2 * rtt, rtt + 0.2)} > PA 22001:23001(1000) ack 1
        info backoffs 0
        +{rtt} < A 1 ack 20001 <sack 22001:23001>
        > A 20001:21001(1000) ack 1
        +{rtt} < A 1 ack 21001 <sack 22001:23001>
        > A 21001:22001(1000) ack 1
        info backoffs 0
        """
    )


def test_TLP_3_then_the_time_out(play: Play) -> None:
    """TLP-5: the probe is lost as well; there is but one, and an RTO later all is as ever."""
    play(active("mss 1000, sackOK", rtt=0.6))
    play("send 1000 \n > PA 1:1001(1000) ack 1")
    for deadline, backoffs in ((1.25, 0), (1.8, 1), (3.6, 2)):
        play(f"+{deadline} > PA 1:1001(1000) ack 1 \n info backoffs {backoffs}")
