"""Accurate feedback of marks, segment by segment, in both roles (RFC 9768).

N, C and E are AE, CWR and ECE; without SYN they are a counter of three digits, which begins at 5:
NE.  6 is NC, 7 NCE, 0 has none of them.
"""

import pytest

from tests.scripts.kit import Play

STAMPS = "mss 1012, sackOK, TS 0 0"

SERVER = """
    listen
    < SECN 0 win 65535 <mss 1000>
    > SAC 0 ack 1 <mss 1452, ecn0 1 0 1>
    +0.1 < AC 1 ack 1 win 65535 <ecn0 1 0 1>
    accept
    info ecn_feedback accurate
    info ecn True
"""
"""The peer's SYN came without ECT, and so did our answer."""

CLIENT = """
    connect
    > SECN 0
    +0.1 < SAC 0 ack 1 win 65535 <mss 1000, ecn0 1 0 1>
    > AC 1 ack 1 <ecn0 1 0 1>
    info ecn_feedback accurate
    info ecn True
"""


def run(play: Play, *scripts: str) -> None:
    """Play *scripts* as one: nothing may come between them."""
    play("\n".join(scripts))


@pytest.fixture(autouse=True)
def _accurate(play: Play) -> None:
    play.configure(ecn="accurate")


# -- the handshake -------------------------------------------------------------------------------


def test_AECN_1_AECN_4_a_server(play: Play) -> None:
    """What answers is capable; the option ends with its first data, and goes on with what comes."""
    run(play, SERVER, "send 10 \n > PANE 1:11(10) ack 1 ect")


def test_AECN_1_AECN_4_a_client(play: Play) -> None:
    """The first data segment carries the option as well: does it get through?"""
    run(
        play,
        CLIENT,
        "send 10 \n > PANE 1:11(10) ack 1 ect <ecn0 1 0 1> \n send 5 \n > PANE 11:16(5) ack 1 ect",
    )


@pytest.mark.parametrize(
    ("bits", "feedback", "ecn"),
    [
        ("C", "accurate", True),
        ("EC", "accurate", False),
        ("N", "accurate", False),
        ("CN", "accurate", False),
        ("EN", "accurate", True),
        ("E", "classic", True),
        ("", "none", False),
        ("ECN", "none", False),
    ],
)
def test_AECN_2_AECN_7_the_answers_that_a_client_may_get(
    play: Play, bits: str, feedback: str, ecn: bool
) -> None:
    """Table 2.  What says that our SYN came with ECT or CE, when it left without, tells of a path
    that spoils the field: we send nothing capable then, and count all the same.
    """
    run(
        play,
        f"connect \n > SECN 0 \n +0.1 < SA{bits} 0 ack 1 win 65535 <mss 1000>",
        "> AC 1 ack 1" if feedback == "accurate" else "> A 1 ack 1",
        f"info ecn_feedback {feedback} \n info ecn {ecn}",
    )
    fallback = "HANDSHAKE_MANGLED" if feedback == "accurate" and not ecn else "None"
    play(f"info ecn_fallback {fallback}")
    ace = "NE" if feedback == "accurate" else ""
    play(f"send 10 \n > PA{ace} 1:11(10) ack 1{' ect' if ecn else ''}")


@pytest.mark.parametrize(
    ("offer", "answer"),
    [*[(bits, "C") for bits in ("ECN", "N", "EN", "CN", "C", "E")], ("EC", "E"), ("", "")],
)
def test_AECN_1_AECN_2_the_SYNs_that_a_server_may_get(play: Play, offer: str, answer: str) -> None:
    play(f"listen \n < S{offer} 0 win 65535 <mss 1000> \n > SA{answer} 0 ack 1")


@pytest.mark.parametrize(("ip", "answer"), [("", "C"), ("ect1", "EC"), ("ect", "N"), ("ce", "CN")])
def test_AECN_4_a_server_tells_how_the_SYN_came(play: Play, ip: str, answer: str) -> None:
    """Table 2; CE on a SYN is not counted (§3.2.2.2)."""
    run(
        play,
        f"listen \n < SECN 0 win 65535 {ip} <mss 1000> \n > SA{answer} 0 ack 1",
        "+0.1 < AC 1 ack 1 \n accept \n send 5 \n > PANE 1:6(5) ack 1 ect",
    )


@pytest.mark.parametrize(
    ("ip", "answer", "ace"),
    [("", "C", "NE"), ("ect1", "EC", "NE"), ("ect", "N", "NE"), ("ce", "CN", "CN")],
)
def test_AECN_4_a_client_tells_how_the_answer_came(
    play: Play, ip: str, answer: str, ace: str
) -> None:
    """Table 3; CE on it is counted, but once."""
    run(
        play,
        f"connect \n > SECN 0 \n +0.1 < SAC 0 ack 1 {ip} <mss 1000>",
        f"> A{answer} 1 ack 1 \n < SAC 0 ack 1 {ip} <mss 1000> \n > A{answer} 1 ack 1",
        f"send 5 \n > PA{ace} 1:6(5) ack 1 ect",
    )


@pytest.mark.parametrize(("ip", "answer"), [("ect1", "EC"), ("ect", "N"), ("ce", "CN")])
def test_AECN_4_data_does_not_take_the_place_of_that_ACK(play: Play, ip: str, answer: str) -> None:
    """Where it has to tell that something changes the IP header."""
    ace = "CN" if ip == "ce" else "NE"
    run(
        play,
        f"connect \n send 10 \n > SECN 0 \n +0.1 < SAC 0 ack 1 win 65535 {ip} <mss 1000>",
        f"> A{answer} 1 ack 1 \n > PA{ace} 1:11(10) ack 1 ect",
    )


def test_AECN_4_data_takes_the_place_of_an_ACK_that_has_nothing_to_tell(play: Play) -> None:
    """Its counter stands for Not-ECT as well: Table 4 has nothing else to make of it."""
    run(
        play,
        "connect \n send 10 \n > SECN 0 \n +0.1 < SAC 0 ack 1 win 65535 <mss 1000>",
        "> PANE 1:11(10) ack 1 ect <ecn0 1 0 1> \n +0.04 < ANE 1 ack 11",
    )
    play("send 10 \n > PANE 11:21(10) ack 1 ect")


@pytest.mark.parametrize(
    ("bits", "fallback", "delivered"),
    [
        ("", "ACE_ZERO", 0),
        ("E", "None", 0),
        ("C", "None", 0),
        ("EC", "HANDSHAKE_MANGLED", 0),
        ("N", "HANDSHAKE_MANGLED", 0),
        ("EN", "None", 0),
        ("CN", "HANDSHAKE_MANGLED", 1),
        ("ECN", "None", 0),
    ],
)
def test_AECN_4_AECN_7_what_a_server_makes_of_the_last_ACK(
    play: Play, bits: str, fallback: str, delivered: int
) -> None:
    """Table 4."""
    run(
        play,
        "listen \n < SECN 0 win 65535 <mss 1000> \n > SAC 0 ack 1",
        f"+0.1 < A{bits} 1 ack 1 win 65535 \n accept \n info ecn_fallback {fallback}",
    )
    ect = " ect" if fallback == "None" else ""
    play(f"info delivered_ce {delivered} \n send 10 \n > PANE 1:11(10) ack 1{ect}")


def test_AECN_7_a_marked_SYN_makes_the_first_window_smaller(play: Play) -> None:
    """Half of it, as for any mark (§3.2.2.2)."""
    run(
        play,
        "connect \n > SECN 0 \n +0.1 < SACN 0 ack 1 win 65535 <mss 1000> \n > AC 1 ack 1",
        "info cwnd 5000",
    )


def test_AECN_2_crossing_offers(play: Play) -> None:
    """Each answers as a server would (§3.1.2); a counter follows."""
    play(
        """
        connect
        > SECN 0
        < SECN 0 win 65535 <mss 1000>
        > SAC 0 ack 1
        < SAC 0 ack 1 win 65535 <mss 1000>
        info ecn_feedback accurate
        info ecn True
        send 10
        > PANE 1:11(10) ack 1 ect
        """
    )


def test_AECN_2_a_crossing_offer_that_is_classic(play: Play) -> None:
    run(
        play,
        "connect \n > SECN 0 \n < SEC 0 win 65535 <mss 1000> \n > SAE 0 ack 1",
        "< SAE 0 ack 1 win 65535 <mss 1000> \n info ecn_feedback classic \n info ecn True",
    )


# -- what is lost while it opens -----------------------------------------------------------------


def test_AECN_3_a_client_asks_twice_and_then_for_nothing(play: Play) -> None:
    """§3.1.4.1; the third is not answered with an offer, so there is none."""
    run(
        play,
        "connect \n > SECN 0 \n +1 > SECN 0 \n +2 > S 0",
        "+0.1 < SA 0 ack 1 win 65535 <mss 1000> \n > A 1 ack 1 \n info ecn_feedback none",
    )


def test_AECN_3_a_late_answer_to_the_first_SYN(play: Play) -> None:
    """Whatever was sent since, the answer settles it, and a client may go on with ECT."""
    run(
        play,
        "connect \n > SECN 0 \n +1 > SECN 0 \n +2 > S 0",
        "+0.1 < SAC 0 ack 1 win 65535 <mss 1000> \n > AC 1 ack 1",
        "info ecn_feedback accurate \n info ecn True",
    )


def test_AECN_3_a_refusal_is_believed(play: Play) -> None:
    """No middlebox sees these bits, so it is not about them."""
    play("connect \n > SECN 0 \n +0.1 < RA 0 ack 1 \n error ConnectionRefusedError")


def test_AECN_3_a_server_answers_with_an_option_without_and_plainly(play: Play) -> None:
    """§3.2.3.2.2: and once it was plain, nothing of ours is capable (§3.1.5)."""
    run(
        play,
        "listen \n < SECN 0 win 65535 <mss 1000> \n > SAC 0 ack 1 <mss 1452, ecn0 1 0 1>",
        "+1 > SAC 0 ack 1 <mss 1452> \n +2 > SA 0 ack 1 <mss 1452>",
        "+0.1 < AC 1 ack 1 win 65535 \n accept \n info ecn_feedback accurate",
        "info ecn_fallback PLAIN_SYN \n send 10 \n > PANE 1:11(10) ack 1",
        "count ECN_FALLBACK 1",
    )


def test_AECN_3_a_SYN_that_comes_again(play: Play) -> None:
    """The answer tells of the latest, and has no option any more."""
    run(
        play,
        "listen \n < SECN 0 win 65535 <mss 1000> \n > SAC 0 ack 1 <mss 1452, ecn0 1 0 1>",
        "< SECN 0 win 65535 ce <mss 1000> \n > SACN 0 ack 1 <mss 1452>",
    )


def test_AECN_3_a_peer_that_takes_its_offer_back(play: Play) -> None:
    """The feedback stays as it was agreed on; nothing of ours is capable (§3.1.5)."""
    run(
        play,
        "listen \n < SECN 0 win 65535 <mss 1000> \n > SAC 0 ack 1",
        "+0.5 < S 0 win 65535 <mss 1000> \n > SAC 0 ack 1 \n +0.1 < AC 1 ack 1 \n accept",
        "info ecn_feedback accurate \n info ecn False \n info ecn_fallback PLAIN_SYN",
    )


@pytest.mark.parametrize(("first", "second", "answer"), [("ECN", "EC", "C"), ("EC", "ECN", "E")])
def test_AECN_3_two_kinds_of_offers(play: Play, first: str, second: str, answer: str) -> None:
    """Nobody could tell what the other has settled on: reset (§3.1.5)."""
    run(
        play,
        f"listen \n < S{first} 0 win 65535 <mss 1000> \n > SA{answer} 0 ack 1",
        f"< S{second} 0 win 65535 <mss 1000> \n > RA{'NE' if answer == 'C' else ''} 1 ack 1",
        "connections 0",
    )


def test_AECN_3_a_plain_SYN_first(play: Play) -> None:
    """Who has answered without goes on without (§3.1.5)."""
    run(
        play,
        "listen \n < S 0 win 65535 <mss 1000> \n > SA 0 ack 1",
        "< SECN 0 win 65535 <mss 1000> \n > SA 0 ack 1 \n < A 1 ack 1 \n accept",
        "info ecn_feedback none",
    )


# -- counting ------------------------------------------------------------------------------------


def test_AECN_5_marks_are_counted_and_told_of_at_once(play: Play) -> None:
    """§3.2.2.5.1: a mark after none, and each second one while there is data to acknowledge."""
    run(
        play,
        SERVER,
        """
        < PAC 1:11(10) ack 1 ect
        +0.04 > ANE 1 ack 11 <ecn0 11>
        < PAC 11:21(10) ack 1 ce
        > ACN 1 ack 21 <ecn0 11 10>
        < PAC 21:31(10) ack 1 ce
        +0.04 > AECN 1 ack 31 <ecn0 11 20>
        < PAC 31:41(10) ack 1 ce
        < PAC 41:51(10) ack 1 ce
        > AE 1 ack 51 <ecn0 11 40>
        < PAC 51:61(10) ack 1 ect
        +0.04 > AE 1 ack 61 <ecn0 21 40>
        < PAC 61:71(10) ack 1 ect
        +0.04 > AE 1 ack 71 <ecn0 31 40>
        < PAC 71:81(10) ack 1 ect
        +0.04 > AE 1 ack 81
        info ce_received 4
        """,
    )


def test_AECN_5_marks_on_what_has_no_data(play: Play) -> None:
    """Three of them make an ACK; octets they have none (§3.2.2.5.1)."""
    run(
        play,
        CLIENT,
        "send 10 \n > PANE 1:11(10) ack 1 ect",
        "+0.1 < ANE 1 ack 11 ce win 65000 \n < ANE 1 ack 11 ce win 64000",
        "< ANE 1 ack 11 ce win 63000 \n > A 11 ack 1 \n info ce_received 3",
    )


def test_AECN_5_what_is_not_acceptable_does_not_count(play: Play) -> None:
    run(play, SERVER, "< PAC 900000:900010(10) ack 1 ce \n > ANE 1 ack 1 \n info ce_received 0")


def test_AECN_6_the_order_of_the_fields(play: Play) -> None:
    """What came first in the option is what comes: order 1 for ECT(1)."""
    run(
        play,
        SERVER,
        "< PAC 1:11(10) ack 1 ect1 \n +0.04 > ANE 1 ack 11 <ecn1 11>",
        "< PAC 11:21(10) ack 1 ce \n > ACN 1 ack 21 <ecn1 11 10>",
        "< PAC 21:31(10) ack 1 ect \n +0.04 > ACN 1 ack 31 <ecn0 11 10 11>",
    )


def test_AECN_6_SACK_blocks_go_before(play: Play) -> None:
    """Two of them, and a shorter option; a third is left out (§3.2.3.3)."""
    play(
        f"""
        listen
        < SECN 0 win 65535 <{STAMPS}>
        > SAC 0 ack 1 <mss 1452, sackOK, TS 0 0, ecn0 1 0 1>
        < AC 1 ack 1 win 65535
        accept
        < PAC 11:21(10) ack 1 ce
        > ACN 1 ack 1 <TS * *, sack 11:21, ecn0 1 10>
        < PAC 31:41(10) ack 1
        > ACN 1 ack 1 <TS * *, sack 31:41 11:21, ecn0 1 10>
        < PAC 51:61(10) ack 1 ect
        > ACN 1 ack 1 <TS * *, sack 51:61 31:41, ecn0 11 10>
        """
    )


def test_AECN_8_a_client_whose_first_option_is_lost(play: Play) -> None:
    """§3.2.3.2.2: it sends none any more, and reads those that come."""
    run(
        play,
        CLIENT,
        "send 10 \n > PANE 1:11(10) ack 1 ect <ecn0 1 0 1> \n +0.3 > PANE 1:11(10) ack 1",
        "+0.1 < PANE 1:11(10) ack 11 ce \n > ACN 11 ack 11 <> \n count ECN_OPTION_LOST 1",
    )


# -- the marks on what we sent -------------------------------------------------------------------


def window(upto: int = 10_001) -> str:
    return "\n".join(f"> ANE {n}:{n + 1000}(1000) ack 1 ect" for n in range(1, upto, 1000))


def test_AECN_11_a_mark_halves_the_window_once_in_a_round_trip(play: Play) -> None:
    """And nobody says CWR: the bit is another's (§3.1.5)."""
    run(
        play,
        SERVER,
        "send 20000 \n" + window(),
        """
        +0.1 < ACN 1 ack 2001 <ecn0 1001 1000>
        info delivered_ce 1
        info cwnd 5000
        < AECN 1 ack 4001 <ecn0 1001 2000>
        < A 1 ack 6001 <ecn0 1001 3000>
        info cwnd 5000
        info delivered_ce 3
        info ece_received 3
        > ANE 10001:11001(1000) ack 1 ect
        < A 1 ack 8001
        > ANE 11001:12001(1000) ack 1 ect
        > ANE 12001:13001(1000) ack 1 ect
        info resent 0
        """,
    )


def test_AECN_5_a_counter_that_may_have_gone_round(play: Play) -> None:
    """A.2.1: nine segments acknowledged at once, and 1 more: it may be 9; the option knows.

    But not where it is usual that so many are.
    """
    run(
        play,
        SERVER.replace("win 65535 <ecn0 1 0 1>", "win 65535"),
        "send 10000 \n" + window(9001) + "\n > PANE 9001:10001(1000) ack 1 ect",
        "+0.1 < ANE 1 ack 1001 \n < ACN 1 ack 10001 \n info delivered_ce 9",
    )
    play.configure(ecn="accurate")
    run(
        play,
        SERVER.replace("win 65535 <ecn0 1 0 1>", "win 65535"),
        "send 10000 \n" + window(9001) + "\n > PANE 9001:10001(1000) ack 1 ect",
        "+0.1 < ACN 1 ack 9001 \n info delivered_ce 1",
    )
    play.configure(ecn="accurate")
    run(
        play,
        SERVER,
        "send 10000 \n" + window(9001) + "\n > PANE 9001:10001(1000) ack 1 ect",
        "+0.1 < ACN 1 ack 9001 <ecn0 8001 1000> \n info delivered_ce 1",
        "< ACN 1 ack 10001 <ecn0 9001 1000> \n info delivered_ce 1",
    )


def test_AECN_5_an_old_ACK_is_not_a_cycle(play: Play) -> None:
    """A.1: an acknowledgement that was overtaken says nothing any more."""
    run(
        play,
        SERVER,
        "send 10000 \n" + window(9001) + "\n > PANE 9001:10001(1000) ack 1 ect",
        "+0.1 < ACN 1 ack 4001 <ecn0 3001 1000> \n < ANE 1 ack 2001 \n < ANE 1 ack 4001",
        "info delivered_ce 1",
    )


def test_AECN_7_a_counter_that_begins_at_zero(play: Play) -> None:
    """AECN-9, §3.2.2.4: something clears it; nothing is capable then, and no mark is heeded."""
    run(
        play,
        CLIENT,
        "send 100 \n > PANE 1:101(100) ack 1 ect",
        "+0.1 < A 1 ack 101 \n info ecn False \n info ecn_fallback ACE_ZERO",
        "send 100 \n > PANE 101:201(100) ack 1 \n +0.1 < AE 1 ack 201",
        "info ece_received 0",
        "< PA 1:11(10) ack 201 ce \n > ACN 201 ack 11",
    )


def test_AECN_8_an_option_that_was_cleared(play: Play) -> None:
    """§3.2.3.2.4: no option is believed, and the counter is."""
    run(
        play,
        "connect \n > SECN 0 \n +0.1 < SAC 0 ack 1 win 65535 <mss 1000, ecn0 0 0 0>",
        "> AC 1 ack 1 \n send 100 \n > PANE 1:101(100) ack 1 ect",
        "+0.1 < ANE 1 ack 101 <ecn0 0 900 0> \n info ecn True \n info ece_received 0",
    )


def test_AECN_7_octets_without_a_segment(play: Play) -> None:
    """§3.2.3.2.5: the two counters cannot both be right."""
    run(
        play,
        SERVER,
        "send 1000 \n > PANE 1:1001(1000) ack 1 ect",
        "+0.1 < ANE 1 ack 1001 <ecn0 1 1000> \n info ecn_fallback COUNTERS_DISAGREE",
        "info ecn False",
    )


@pytest.mark.parametrize("length", [2, 4, 5, 7, 8, 10, 11, 13])
def test_AECN_6_options_of_any_length_are_read(play: Play, length: int) -> None:
    """§3.2.3: as many whole fields as there are, and the rest is nothing."""
    run(play, SERVER, "send 1000 \n > PANE 1:1001(1000) ack 1 ect")
    value = "0003e80003e8000001aaaa"[: 2 * (length - 2)]
    play(f"+0.1 < ACN 1 ack 1001 <raw ac{length:02x}{value}> \n info delivered_ce 1")


def test_AECN_10_a_cookie_remembers_by_the_ACK_itself(play: Play) -> None:
    """§5.1: 0 and 1 say that it was not agreed on.  An option would make the answer longer."""
    play.configure(ecn="accurate", half_open_max=0)
    run(
        play,
        "listen \n < SECN 0 win 65535 ect1 <mss 1412> \n > SAEC 0 ack 1 <mss 1452>",
        "+0.1 < AC 1 ack 1 win 65535 \n accept \n info ecn_feedback accurate \n info ecn True",
        "send 5 \n > PANE 1:6(5) ack 1 ect",
    )


@pytest.mark.parametrize("bits", ["", "E"])
def test_AECN_10_a_cookie_of_who_did_not_agree(play: Play, bits: str) -> None:
    play.configure(ecn="accurate", half_open_max=0)
    run(play, "listen \n < S 0 win 65535 <mss 1412> \n > SA 0 ack 1 <mss 1452>")
    play(f"+0.1 < A{bits} 1 ack 1 win 65535 \n accept \n info ecn_feedback none")


@pytest.mark.parametrize("ecn", ["classic", "off"])
def test_AECN_10_a_cookie_of_who_does_not_count(play: Play, ecn: str) -> None:
    """Whatever the ACK has: the listener has not offered it."""
    play.configure(ecn=ecn, half_open_max=0)
    run(play, "listen \n < SECN 0 win 65535 <mss 1412> \n > SA 0 ack 1 <mss 1452>")
    play("+0.1 < AC 1 ack 1 win 65535 \n accept \n info ecn_feedback none")
