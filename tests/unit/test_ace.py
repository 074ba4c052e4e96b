"""The words of the handshake: RFC 9768's tables, row by row."""

import pytest

from rudp.core.segment import ace
from rudp.core.segment.transmit import CE, ECT_0, ECT_1
from rudp.core.segment.wire import ACK, AE, CWR, ECE, SYN
from rudp.core.terms.feedback import Feedback

NONE, CLASSIC, ACCURATE = Feedback.NONE, Feedback.CLASSIC, Feedback.ACCURATE


def flags(word: str) -> int:
    """Return AE, CWR and ECE, written as three digits, as flags."""
    return sum(bit for bit, digit in zip((AE, CWR, ECE), word, strict=True) if digit == "1")


@pytest.mark.parametrize("word", range(8))
def test_AECN_1_the_three_bits(word: int) -> None:
    assert ace.word(ACK | SYN | ace.bits(word)) == word
    assert ace.bits(word) == flags(f"{word:03b}")


@pytest.mark.parametrize(
    ("answer", "feedback"),
    [
        ("010", ACCURATE),  # Table 2, the first block: the IP header of the SYN had Not-ECT,
        ("011", ACCURATE),  # ECT(1),
        ("100", ACCURATE),  # ECT(0),
        ("110", ACCURATE),  # CE
        ("101", ACCURATE),  # the second: was ECN nonce, and is reserved (§3.1.3)
        ("001", CLASSIC),
        ("000", NONE),
        ("111", NONE),  # the fourth: it sends back what it gets
    ],
)
def test_AECN_2_what_an_accurate_client_makes_of_an_answer(answer: str, feedback: Feedback) -> None:
    """Table 2; a reflected classic offer, 011, is that of a server which has seen ECT(1)."""
    assert ace.accepted(SYN | ACK | flags(answer)) is feedback


@pytest.mark.parametrize(
    ("offer", "accurate", "classic"),
    [
        ("111", ACCURATE, CLASSIC),  # Table 2, the first block; a classic server is of the second
        ("011", CLASSIC, CLASSIC),  # the third
        ("000", NONE, NONE),
        ("001", ACCURATE, NONE),  # reserved (§3.1.3)
        ("010", ACCURATE, NONE),
        ("100", ACCURATE, NONE),
        ("101", ACCURATE, NONE),
        ("110", ACCURATE, NONE),
    ],
)
def test_AECN_1_AECN_2_what_a_server_makes_of_a_SYN(
    offer: str, accurate: Feedback, classic: Feedback
) -> None:
    assert ace.asks_for(SYN | flags(offer), "accurate") is accurate
    assert ace.asks_for(SYN | flags(offer), "accept") is accurate
    assert ace.asks_for(SYN | flags(offer), "classic") is classic
    assert ace.asks_for(SYN | flags(offer), "on") is classic
    assert ace.asks_for(SYN | flags(offer), "off") is NONE


@pytest.mark.parametrize(
    ("answer", "feedback"),
    [("001", CLASSIC), ("000", NONE), ("011", NONE), ("010", NONE), ("101", CLASSIC)],
)
def test_ECN_2_what_a_classic_client_makes_of_an_answer(answer: str, feedback: Feedback) -> None:
    """Old stacks send both bits back; the third is none of RFC 3168's."""
    assert ace.accepted_classic(SYN | ACK | flags(answer)) is feedback


@pytest.mark.parametrize(("ecn", "word"), [(0, "010"), (ECT_1, "011"), (ECT_0, "100"), (CE, "110")])
def test_AECN_4_how_a_header_is_told_back(ecn: int, word: str) -> None:
    """Tables 2, 3 and 4."""
    assert ace.bits(ace.SEEN[ecn]) == flags(word)
    assert ace.seen(int(word, 2)) == ecn


@pytest.mark.parametrize("word", ["000", "001", "101", "111"])
def test_AECN_4_words_that_tell_nothing(word: str) -> None:
    assert ace.seen(int(word, 2)) is None
    assert not ace.arrived_changed(int(word, 2), 0)


@pytest.mark.parametrize("sent", [0, ECT_1, ECT_0, CE])
@pytest.mark.parametrize("came", [0, ECT_1, ECT_0, CE])
def test_AECN_7_changes_that_no_router_may_make(sent: int, came: int) -> None:
    """RFC 3168 §18: an ECT becomes CE, and nothing else may happen."""
    fine = came == sent or (sent in (ECT_0, ECT_1) and came == CE)
    assert ace.arrived_changed(ace.SEEN[came], sent) is not fine
