"""Closing: in order, at once, half, with unread data, and by abort in every state."""

import random

import pytest

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.segment.transmit import Path
from tests.scripts.kit import Play, active

ESTABLISHED = active()
FIN_WAIT_1 = active() + "shutdown \n > FA 1 ack 1 \n"
FIN_WAIT_2 = FIN_WAIT_1 + "+0.1 < A 1 ack 2 \n state FIN-WAIT-2 \n"
CLOSE_WAIT = active() + "< FA 1 ack 1 \n > A 1 ack 2 \n"
CLOSING = FIN_WAIT_1 + "+0.1 < FA 1 ack 1 \n > A 2 ack 2 \n"
LAST_ACK = CLOSE_WAIT + "shutdown \n > FA 1 ack 2 \n"


def test_ST_5_ST_30_ST_34_normal_close_by_us(play: Play) -> None:
    """MUST-12, MUST-13, TW-1, ST-45, UDP-17, DEF-1: the record lasts 240 s and says nothing."""
    play(active())
    play(
        """
        shutdown
        state FIN-WAIT-1
        > FA 1 ack 1
        +0.1 < A 1 ack 2
        state FIN-WAIT-2
        events WRITABLE ACKED_FIN
        +0.1 < FA 1 ack 2
        > A 2 ack 2
        state TIME-WAIT
        events EOF
        error none
        connections 0
        records 1
        +239.9 records 1
        +0.2 records 0
        """
    )


def test_TRAP_3_data_after_our_FIN_is_delivered(play: Play) -> None:
    """ST-33: a half-close by us, and the peer goes on; ST-3: we send no more."""
    play(active())
    play(
        """
        send 10
        shutdown
        shutdown                            # once is enough
        > PA 1:11(10) ack 1
        > FA 11 ack 1
        fails BrokenPipeError send 1
        +0.1 < PA 1:101(100) ack 12
        state FIN-WAIT-2
        +0.04 > A 12 ack 101
        read 100
        +1000 < PA 101:201(100) ack 12      # no limit while somebody reads
        +0.04 > A 12 ack 201
        < FPA 201:301(100) ack 12
        > A 12 ack 302
        read 200
        state TIME-WAIT
        """
    )


def test_TRAP_3_we_go_on_after_the_FIN_of_the_peer(play: Play) -> None:
    """ST-3 in CLOSE-WAIT; ST-4: what came before the FIN is read first."""
    play(active())
    play(
        """
        < FPA 1:101(100) ack 1
        > A 1 ack 102
        events READABLE EOF
        send 1500
        > A 1:1001(1000) ack 102
        > PA 1001:1501(500) ack 102
        +0.1 < A 102 ack 1501
        read 100
        send 10
        shutdown
        > PA 1501:1511(10) ack 102
        > FA 1511 ack 102
        +0.1 < A 102 ack 1512
        state CLOSED
        error none
        """
    )


def test_ST_5_the_FIN_follows_the_last_data_and_the_window(play: Play) -> None:
    """ST-5: CLOSE implies a push; the state changes at once; the window still counts."""
    play(active(win=1000))
    play(
        """
        send 1500
        > A 1:1001(1000) ack 1
        shutdown
        state FIN-WAIT-1
        +0.1 < A 1 ack 1001 win 500
        > PA 1001:1501(500) ack 1           # no room for the FIN
        +0.1 < A 1 ack 1501 win 1
        > FA 1501 ack 1
        +0.1 < A 1 ack 1502
        state FIN-WAIT-2
        """
    )


def test_ST_34_FIN_above_a_gap_waits(play: Play) -> None:
    """TRAP-3, SHLD-31, M-17: nothing is the end before all is there; data beyond it is cut off."""
    play(active("mss 1000, sackOK"))
    play(
        """
        < FPA 101:201(100) ack 1
        > A 1 ack 1 <sack 101:201>
        state ESTABLISHED
        < A 1:101(100) ack 1
        > A 1 ack 202
        state CLOSE-WAIT
        read 200
        < PA 202:302(100) ack 1             # what no honest peer sends
        < PA 202:302(100) ack 1
        state CLOSE-WAIT
        read 0
        """
    )


def test_M_17_data_beyond_the_FIN_above_a_gap(play: Play) -> None:
    play(active())
    play(
        """
        < FA 101 ack 1
        > A 1 ack 1
        < PA 51:151(100) ack 1
        > A 1 ack 1
        < A 1:51(50) ack 1
        > A 1 ack 102
        state CLOSE-WAIT
        read 100
        """
    )


def test_ST_34_a_repeated_FIN_is_acknowledged(play: Play) -> None:
    """ST-21: our ACK was lost; the FIN is out of the window by now."""
    play(CLOSE_WAIT)
    play(
        """
        +1 < FA 1 ack 1
        > A 1 ack 2
        +0.01 < FA 1 ack 1                  # a FIN takes sequence space: no throttle
        > A 1 ack 2
        state CLOSE-WAIT
        """
    )


def test_MAY_1_SHLD_3_close_with_unread_data_is_a_reset(play: Play) -> None:
    """TRAP-7: the peer learns that what it sent is lost (ST-6 numbers)."""
    play(active())
    play(
        """
        < PA 1:101(100) ack 1
        close
        > RA 1 ack 101
        state CLOSED
        connections 0
        < A 101 ack 1
        > R 1
        """
    )


@pytest.mark.parametrize("acked", [False, True])
def test_ST_31_data_after_close_is_answered_by_a_reset(play: Play, acked: bool) -> None:
    """SHLD-3, MAY-1: in FIN-WAIT-1 and FIN-WAIT-2."""
    play(active())
    play("close \n > FA 1 ack 1")
    if acked:
        play("< A 1 ack 2 \n state FIN-WAIT-2")
    play(
        f"""
        < PA 1:101(100) ack {1 + acked}
        > R {1 + acked}                     # the peer's RCV.NXT, as far as is known
        state CLOSED
        connections 0
        """
    )


def test_ST_31_a_reset_that_had_to_wait_bears_the_number_that_was_acknowledged(play: Play) -> None:
    """SHLD-3: our FIN was lost, so the peer would challenge a RST that follows it."""
    play(active())
    play(
        """
        send 100
        > PA 1:101(100) ack 1
        close
        > FA 101 ack 1
        < PA 1:101(100) ack 1
        < PA 1:101(100) ack 101
        > R 101
        """
    )


@pytest.mark.parametrize("options", ["mss 1000", "mss 1000, TS 0 0"])
def test_ST_31_data_after_close_is_not_taken_while_the_reset_waits(
    play: Play, options: str
) -> None:
    """SHLD-3: nobody will read it; and timestamps, which most segments bear, change nothing."""
    play(active(options))
    play(
        """
        < PA 1:101(100) ack 1
        +0.04 > A 1 ack 101
        send 100
        > PA 1:101(100) ack 101
        close
        < PA 101:201(100) ack 1
        count NOT_READ 1
        < A 201 ack 101
        > RA 101 ack 101
        """
    )


def test_ST_31_a_peer_that_has_our_FIN_too_learns_of_it_by_its_own_ACK(play: Play) -> None:
    """Its data crossed our FIN, whose number lies below its window by now; its ACK is next."""
    play(active())
    play(
        """
        close
        > FA 1 ack 1
        < PA 1:101(100) ack 1
        > R 1
        < A 101 ack 2
        > R 2
        """
    )


def test_ST_46_FIN_WAIT_2_without_a_reader_ends(play: Play) -> None:
    """DEF-11: 60 s after close(); an orderly end as far as we are concerned."""
    play(active())
    play(
        """
        close
        > FA 1 ack 1
        +0.1 < A 1 ack 2
        +59.9 state FIN-WAIT-2
        +0.2 state CLOSED
        error none
        connections 0
        """
    )
    play.configure()
    play(FIN_WAIT_2)
    play(
        """
        close                               # the second half of the close comes later
        +59.9 state FIN-WAIT-2
        +0.2 state CLOSED
        """
    )


@pytest.mark.parametrize(
    ("before", "reset"),
    [
        (ESTABLISHED, "RA 1 ack 1"),
        (FIN_WAIT_1, "RA 2 ack 1"),
        (FIN_WAIT_2, "RA 2 ack 1"),
        (CLOSE_WAIT, "RA 1 ack 2"),
        (CLOSING, ""),
        (LAST_ACK, ""),
        ("connect \n > S 0 \n", ""),
        ("listen \n < S 0 \n > SA 0 ack 1 \n", "RA 1 ack 1"),
        ("connect \n > S 0 \n < S 0 \n > SA 0 ack 1 \n", "RA 1 ack 1"),
    ],
    ids=[
        *("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK"),
        *("SYN-SENT", "SYN-RECEIVED passive", "SYN-RECEIVED active"),
    ],
)
def test_ST_6_abort(play: Play, before: str, reset: str) -> None:
    """The number is exact, and the error says that it was us."""
    play(before)
    connection = play.connection
    play("abort \n abort \n" + (f"> {reset}" if reset else ""))
    assert isinstance(connection.error, ConnectionAbortedError)
    assert connection.state == 0
    with pytest.raises(ConnectionAbortedError):
        connection.send(b"x")
    play("+1000 wait \n records 0")
    assert play.table.connections == 0


def test_ST_6_abort_forgets_what_is_queued(play: Play) -> None:
    """A challenge ACK to our RST, as RFC 5961 has it, meets CLOSED and earns another one."""
    play(active(win=1000))
    play(
        """
        send 5000
        > A 1:1001(1000) ack 1
        abort
        > RA 1001 ack 1
        < A 1 ack 1
        > R 1
        """
    )


def test_ST_6_abort_in_LAST_ACK_with_data_that_was_never_sent(play: Play) -> None:
    """Nobody else would tell the peer that the rest will not come."""
    play(active(win=1000))
    play(
        """
        < FA 1 ack 1 win 1000
        > A 1 ack 2
        send 5000
        > A 1:1001(1000) ack 2
        shutdown
        state LAST-ACK
        abort
        > RA 1001 ack 2
        """
    )


@pytest.mark.parametrize("before", [ESTABLISHED, CLOSE_WAIT, FIN_WAIT_1, FIN_WAIT_2])
def test_ST_23_MUST_12_reset_by_the_peer(play: Play, before: str) -> None:
    """An abort is an error and no end of file, half-closed connections included."""
    play(before)
    play(
        f"""
        < R {2 if before is CLOSE_WAIT else 1}
        state CLOSED
        error ConnectionResetError
        connections 0
        """
    )


def test_ST_23_reset_after_close_is_nobodys_concern(play: Play) -> None:
    """All we sent has arrived and nobody reads: the program has let go."""
    play(active())
    play(
        """
        close
        > FA 1 ack 1
        < A 1 ack 2
        < R 1
        state CLOSED
        error none
        """
    )


@pytest.mark.parametrize("before", [CLOSING, LAST_ACK])
def test_ST_23_reset_in_CLOSING_and_LAST_ACK(play: Play, before: str) -> None:
    play(before)
    play(
        """
        < R 2
        state CLOSED
        connections 0
        records 0
        """
    )


def test_ST_33_CLOSING_and_LAST_ACK_take_no_data(play: Play) -> None:
    """ST-32: nor do they look at URG."""
    play(CLOSING)
    play("< PUA 2:12(10) ack 1 urg 5 \n urgent 0 \n state CLOSING \n < A 2 ack 2 \n records 1")
    play.configure()
    play(LAST_ACK)
    play("< PUA 2:12(10) ack 1 urg 5 \n urgent 0 \n state LAST-ACK \n < A 2 ack 2 \n connections 0")


@pytest.mark.parametrize("before", [FIN_WAIT_1, LAST_ACK])
def test_ST_40_our_FIN_is_repeated(play: Play, before: str) -> None:
    """RTO-9: a FIN alone runs the timer too."""
    ack = 2 if before is LAST_ACK else 1
    play(before)
    play(
        f"""
        +0.3 > FA 1 ack {ack}
        +0.6 > FA 1 ack {ack}
        < A {ack} ack 2
        +100 wait
        """
    )


def test_FAIL_5_after_close_the_same_limit(play: Play) -> None:
    """DEF-10, ST-41, ST-42: 300 s without an answer to the FIN."""
    play.configure(max_rto=60.0, user_timeout=10.0)
    play(active())
    play(
        """
        close
        > FA 1 ack 1
        +0.3 > FA 1 ack 1
        +0.6 > FA 1 ack 1
        +1.2 > FA 1 ack 1
        +2.4 > FA 1 ack 1
        +4.8 > FA 1 ack 1
        10.1 > RA 2 ack 1
        error TimeoutError
        """
    )


def test_ST_4_receive_after_everything_is_over(play: Play) -> None:
    """What came before the FIN can be read in LAST-ACK and later."""
    play(active())
    play(
        """
        < FPA 1:101(100) ack 1
        > A 1 ack 102
        shutdown
        > FA 1 ack 102
        read 100
        < A 102 ack 2
        state CLOSED
        read 0
        fails BrokenPipeError send 1
        """
    )


def test_M_17_nothing_beyond_the_fin_is_kept(play: Play) -> None:
    """Not even where a gap lies before the FIN."""
    play(active("mss 1000, sackOK"))
    play(
        """
        < FA 1001 ack 1
        > A 1 ack 1
        < A 2001:3001(1000) ack 1
        > A 1 ack 1
        < A 1:1001(1000) ack 1
        > A 1 ack 1002
        read 1000
        """
    )


def test_the_handshake_is_ended_before_the_reset() -> None:
    """ST-6: of what is reset in SYN-RECEIVED the peer's user would never hear."""
    near, far = (
        ConnectionTable(Config(), secret=bytes(16), chance=random.Random(1)) for _ in range(2)
    )
    here, there = (("10.0.0.1", 1000), ""), (("10.0.0.2", 2000), "")
    listener = far.listen(80)
    connection = near.open_active(there, 80, 0.0)

    def carry(sender: ConnectionTable, receiver: ConnectionTable, path: Path) -> None:
        while (transmit := sender.poll_transmit(0.0)) is not None:
            for datagram in transmit.datagrams():
                receiver.handle_datagrams(datagram, len(datagram), path, 0.0)

    carry(near, far, here)
    carry(far, near, there)
    connection.let_go(0.0, broken=True)
    near.touch(connection)
    carry(near, far, here)
    (child,) = listener.accepted
    assert isinstance(child.error, ConnectionResetError)


def test_who_leaves_does_not_go_on_writing(play: Play) -> None:
    """What waited for a paused writer to go on leaves with the program that ends, then the RST."""
    play(active())
    play.connection.held_back = 4000  # as for a writer that is paused
    play("send 500 \n wait \n unsent 500")
    play.connection.leave(play.now)
    play.table.touch(play.connection)
    play("> PA 1:501(500) ack 1 \n +0.1 < A 1 ack 501 \n > RA 501 ack 1")
