"""TCP Fast Open (RFC 7413), segment by segment, in both roles."""

import pytest

from rudp.core.demux.fastopen import SLOT, FastOpenCookies
from rudp.core.life.fastopen import DISTRUST
from rudp.core.terms.counters import Count
from rudp.sim.drill.ours import SECRET
from rudp.sim.drill.side import PEER
from tests.scripts.kit import Play

ALL = "mss 1460, sackOK, TS 0 0, ws 7"
COOKIE = "220a1122334455667788"


def cookie(play: Play) -> str:
    """The option with the cookie that the table gives its peer now."""
    return "220a" + FastOpenCookies(SECRET).cookie(PEER, play.now).hex()


# -- the server ------------------------------------------------------------------------------------


@pytest.fixture
def server(play: Play) -> Play:
    play.configure(fast_open=True)
    return play


def test_FO_1_FO_3_a_host_that_asks_gets_a_cookie_and_its_data_waits(server: Play) -> None:
    """§4.1.2, §4.2.2: the SYN,ACK acknowledges the SYN alone."""
    server(
        f"""
        listen
        < S 0:100(100) win 1000 <{ALL}, raw 2202>
        > SA 0 ack 1 <mss 1452, sackOK, TS * 0, ws 3, kind 34>
        +0.1 < A 1:101(100) ack 1 win 1000
        accept
        read 100
        info fast_open False
        count FAST_OPEN_ACCEPTED 0
        count FAST_OPEN_REFUSED 0
        """
    )


def test_FO_2_data_behind_a_good_cookie_is_answered_at_once(server: Play) -> None:
    """§4.2.2: the application has it, and its answer follows the SYN,ACK at once."""
    server(
        f"""
        listen
        < S 0:100(100) win 20000 <{ALL}, raw {cookie(server)}>
        accept
        state SYN-RECEIVED
        events ESTABLISHED READABLE WRITABLE
        info fast_open True
        read 100
        send 2000
        > SA 0 ack 101 <mss 1452, sackOK, TS * 0, ws 3>
        > A 1:1169(1168) ack 101
        > PA 1169:2001(832) ack 101
        count FAST_OPEN_ACCEPTED 1
        +0.1 < A 101 ack 2001 win 1000
        state ESTABLISHED
        info srtt 0.1
        info unacked 0
        < PA 101:111(10) ack 2001
        read 10
        +0.04 > A 2001 ack 111
        """
    )


def test_FO_2_the_answer_is_repeated_if_the_syn_ack_was_lost(server: Play) -> None:
    """The client drops what comes before our SYN; it goes again when the SYN is acknowledged."""
    server(
        f"""
        listen
        < S 0:100(100) win 20000 <{ALL}, raw {cookie(server)}>
        accept
        read 100
        send 500
        > SA 0 ack 101
        > PA 1:501(500) ack 101
        +1 > SA 0 ack 101
        +0.1 < A 101 ack 1
        state ESTABLISHED
        +0.2 > PA 1:501(500) ack 101
        +0.1 < A 101 ack 501
        info unacked 0
        """
    )


def test_a_syn_that_comes_again_is_answered_again(server: Play) -> None:
    server(
        f"""
        listen
        < S 0:100(100) win 20000 <{ALL}, raw {cookie(server)}>
        accept
        read 100
        > SA 0 ack 101
        +0.5 < S 0:100(100) win 20000 <{ALL}, raw {cookie(server)}>
        > SA 0 ack 101
        info unread 0
        """
    )


def test_close_before_the_handshake_is_over(server: Play) -> None:
    """ST-12: FIN follows the answer, and the peer's ACK covers all of it."""
    server(
        f"""
        listen
        < S 0:100(100) win 20000 <{ALL}, raw {cookie(server)}>
        accept
        read 100
        send 10
        shutdown
        > SA 0 ack 101
        > PA 1:11(10) ack 101
        > FA 11 ack 101
        state FIN-WAIT-1
        +0.1 < A 101 ack 12
        state FIN-WAIT-2
        < FA 101 ack 12
        > A 12 ack 102
        """
    )


@pytest.mark.parametrize("last", ["< R 101", "< S 150 win 1000 <TS 1 0>"])
def test_FO_2_who_has_an_early_connection_hears_of_its_end(server: Play, last: str) -> None:
    """Nobody else knows of it: elsewhere an open of the peer's that fails is no event."""
    server(
        f"""
        listen
        < S 0:100(100) win 20000 <{ALL}, raw {cookie(server)}>
        accept
        > SA 0 ack 101
        {last}
        error ConnectionResetError
        """
    )


def test_FO_2_a_handshake_that_is_never_finished_times_out(server: Play) -> None:
    server(
        f"""
        listen
        < S 0:100(100) win 20000 <{ALL}, raw {cookie(server)}>
        accept
        > SA 0 ack 101
        +1 > SA 0 ack 101
        +2 > SA 0 ack 101
        +4 > SA 0 ack 101
        +8 > SA 0 ack 101
        +16 > SA 0 ack 101
        +32 wait
        error TimeoutError
        connections 0
        """
    )


@pytest.mark.parametrize("wrong", [COOKIE, "220611223344", "22120011223344556677aabbccddeeff0011"])
def test_FO_1_FO_3_a_wrong_cookie_gets_a_good_one(server: Play, wrong: str) -> None:
    """§4.2.2: as if it had asked for one."""
    server(
        f"""
        listen
        < S 0:100(100) win 20000 <mss 1460, raw {wrong}>
        > SA 0 ack 1 <mss 1452, kind 34>
        count FAST_OPEN_REFUSED 1
        """
    )


@pytest.mark.parametrize("wrong", ["2203aa", "2205112233", "2207aabbccddee", "2214" + "00" * 18])
def test_a_cookie_of_no_known_size_is_no_option(server: Play, wrong: str) -> None:
    """§4.1.1: 4 to 16 octets, an even number."""
    server(
        f"""
        listen
        < S 0:100(100) win 20000 <mss 1460, raw {wrong}>
        > SA 0 ack 1 <mss 1452>
        """
    )


def test_FO_1_a_cookie_is_good_for_its_hour_and_the_next(server: Play) -> None:
    option = cookie(server)
    for hours, taken in ((1, 101), (2, 1)):
        server.configure(fast_open=True)
        server(
            f"""
            listen
            +{hours * SLOT} < S 0:100(100) win 20000 <mss 1460, raw {option}>
            > SA 0 ack {taken} <mss 1452, kind 34>      # the old one is replaced
            """
        )


def test_FO_8_a_listener_that_does_not_offer_it_ignores_it(play: Play) -> None:
    play(
        f"""
        listen
        < S 0:100(100) win 20000 <{ALL}, raw {cookie(play)}>
        > SA 0 ack 1 <mss 1452, sackOK, TS * 0, ws 3>
        """
    )


def test_FO_4_where_there_is_no_room_a_syn_cookie_answers(play: Play) -> None:
    """§5.1: beyond the limit of half-open connections nothing is taken early."""
    play.configure(fast_open=True, half_open_max=0)
    play(
        f"""
        listen
        < S 0:100(100) win 20000 <{ALL}, raw {cookie(play)}>
        > SA 0 ack 1
        connections 0
        count FAST_OPEN_ACCEPTED 0
        """
    )


def test_FO_4_early_connections_count_as_half_open(play: Play) -> None:
    play.configure(fast_open=True, half_open_max=1)
    play(
        f"""
        listen
        < S 0:100(100) win 20000 <{ALL}, raw {cookie(play)}>
        > SA 0 ack 101
        flow b {PEER[0][0]}:{PEER[0][1]} 1001
        b< S 0:100(100) win 20000 <{ALL}, raw {cookie(play)}>
        b> SA 0 ack 1
        count FAST_OPEN_ACCEPTED 1
        count COOKIE_SENT 1
        < A 101 ack 1
        """
    )
    assert play.table.half_open == 0


def test_a_listener_that_goes_leaves_early_connections_to_their_user(server: Play) -> None:
    server(
        f"""
        listen
        < S 0:100(100) win 20000 <{ALL}, raw {cookie(server)}>
        accept
        > SA 0 ack 101
        unlisten
        state SYN-RECEIVED
        +0.1 < A 101 ack 1
        state ESTABLISHED
        """
    )


# -- the client ------------------------------------------------------------------------------------


def visit(play: Play, mss: int = 1460) -> None:
    """Open and leave a connection, by which the table gets :data:`COOKIE`."""
    play(
        f"""
        connect 10
        > S 0 <mss 1452, sackOK, TS * 0, ws 3, kind 34>
        +0.1 < SA 0 ack 1 win 20000 <mss {mss}, sackOK, TS 0 0, ws 7, raw {COOKIE}>
        > PA 1:11(10) ack 1
        +0.1 < A 1 ack 11
        abort
        > RA 11 ack 1
        anew 100000
        """
    )


def test_FO_5_the_first_visit_asks_for_a_cookie(play: Play) -> None:
    """§4.2.1: the data goes with the ACK of the handshake."""
    visit(play)


def test_FO_5_the_second_visit_sends_data_with_the_syn(play: Play) -> None:
    visit(play)
    play(
        """
        connect 100
        > S 0:100(100) <mss 1452, sackOK, TS * 0, ws 3, kind 34>
        +0.1 < SA 0 ack 101 win 20000 <mss 1460, sackOK, TS 0 0, ws 7>
        &< PA 1:501(500) ack 101
        events ESTABLISHED READABLE WRITABLE
        info fast_open True
        info unacked 0
        info srtt 0.1
        read 500
        > A 101 ack 501
        """
    )


def test_FO_6_what_is_not_taken_goes_again_with_the_ack(play: Play) -> None:
    """§4.2.1: the server may take all of it, some or none."""
    visit(play)
    play(
        """
        connect 100
        > S 0:100(100)
        +0.1 < SA 0 ack 1 win 20000 <mss 1460>
        > PA 1:101(100) ack 1
        info fast_open False
        abort
        > RA 101 ack 1
        anew 200000
        connect 100
        > S 0:100(100)
        +0.1 < SA 0 ack 31 win 20000 <mss 1460>
        > PA 31:101(70) ack 1
        info fast_open True
        info bytes_acked 30
        """
    )


def test_FO_5_more_than_a_segment_goes_in_part(play: Play) -> None:
    """§4.1.3: as much as the server's MSS and the path take beside the options."""
    visit(play, mss=700)
    play(
        """
        connect 2000
        > S 0:668(668)
        +0.1 < SA 0 ack 669 win 20000 <mss 700, sackOK, TS 0 0, ws 7>
        > A 669:1357(688) ack 1
        > PA 1357:2001(644) ack 1
        """
    )


@pytest.mark.parametrize("ack", [102, 0, 4000])
def test_an_ack_of_more_than_was_sent_is_refused(play: Play, ack: int) -> None:
    visit(play)
    play(
        f"""
        connect 100
        > S 0:100(100)
        < SA 0 ack {ack} win 20000
        > R {ack}
        state SYN-SENT
        """
    )


def test_a_reset_that_acknowledges_the_data_refuses(play: Play) -> None:
    """RFC 9293 §3.10.7.1: a closed port acknowledges all of the SYN."""
    visit(play)
    play("connect 100 \n > S 0:100(100) \n < RA 0 ack 101 \n error ConnectionRefusedError")


def test_FO_7_a_syn_that_is_not_answered_goes_again_without(play: Play) -> None:
    """§4.1.3.1: nor does the next open try it, for some time; then it asks anew."""
    visit(play)
    play(
        """
        connect 100
        > S 0:100(100) <mss 1452, sackOK, TS * 0, ws 3, kind 34>
        +1 > S 0 <mss 1452, sackOK, TS * 0, ws 3>
        +0.1 < SA 0 ack 1 win 20000 <mss 1460>
        > PA 1:101(100) ack 1
        abort
        > RA 101 ack 1
        anew 200000
        connect 100
        > S 0 <mss 1452, sackOK, TS * 0, ws 3>
        abort
        anew 300000
        """
        f"+{DISTRUST} connect 100 \n > S 0 <mss 1452, sackOK, TS * 0, ws 3, kind 34>"
    )


def test_a_late_answer_to_the_first_syn_takes_its_data(play: Play) -> None:
    visit(play)
    play(
        """
        connect 100
        > S 0:100(100)
        +1 > S 0
        < SA 0 ack 101 win 20000 <mss 1460>
        > A 101 ack 1
        """
    )


def test_both_open_at_once(play: Play) -> None:
    """RFC 9293 §3.5, Figure 7, with data: the peer's answer acknowledges ours."""
    visit(play)
    play(
        """
        connect 100
        > S 0:100(100)
        < S 0:50(50) win 20000 <mss 1460>
        > SA 0 ack 51
        < SA 0 ack 101 win 20000
        state ESTABLISHED
        info unacked 0
        read 50
        """
    )


def test_FO_8_nothing_early_is_nothing_new(play: Play) -> None:
    play("connect \n > S 0 <mss 1452, sackOK, TS * 0, ws 3>")


def test_option_and_counters_in_one_look(server: Play) -> None:
    """W-30: the option is filled to a whole number of words."""
    server(
        f"""
        listen
        < S 0:10(10) win 1000 <mss 1460, raw {cookie(server)}>
        > SA 0 ack 11 <mss 1452>
        """
    )
    assert server.table.counters[Count.FAST_OPEN_ACCEPTED] == 1
