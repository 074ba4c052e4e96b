"""The harness notices what a script does not say: otherwise no script would mean anything."""

import pytest

from tests.scripts.harness import Play, ScriptError, active, passive


def test_the_example_of_the_module(play: Play) -> None:
    play(
        """
        connect
        > S 0                                       # our SYN comes out, now
        +0.1 < SA 0 ack 1 win 65535 <mss 1000>      # a tenth of a second later the peer answers
        > A 1 ack 1
        send 1500
        > A 1:1001(1000) ack 1
        > PA 1001:1501(500) ack 1
        +0.3 > A 1:1001(1000) ack 1                 # nobody answers: the RTO
        """
    )


def test_both_ways_to_open(play: Play) -> None:
    play(active())
    play("send 1 \n > PA 1:2(1) ack 1")
    play.configure()
    play(passive())
    play("< PA 1:101(100) ack 1 \n +0.04 > A 1 ack 101 \n read 100")


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("send 10 \n > A 1:11(10) ack 1", "other flags"),
        ("send 10 \n > PA 2:12(10) ack 1", "other seq"),
        ("send 10 \n > PA 1:10(9) ack 1", "other length"),
        ("send 10 \n > PA 1:11(10) ack 2", "other ack"),
        ("send 10 \n > PA 1:11(10)", "must name the ack"),
        ("send 10 \n > PA 1:11(10) ack 1 win 7", "other win"),
        ("send 10 \n > PA 1:11(10) ack 1 <nop>", "other options"),
        ("send 10 \n +0.01 > PA 1:11(10) ack 1", "instead of"),
        ("send 10", "unexpected"),
        ("send 10 \n > PA 1:11(10) ack 1 \n +1 wait", "unexpected"),
        ("> A 1 ack 1", "nothing came"),
        ("state CLOSED", "it is ESTABLISHED"),
        ("read 1", "read 0 octets"),
        ("fails BrokenPipeError send 1", "did not fail"),
        ("events EOF", "it is set()"),
        ("dance", "no such event"),
        ("< A 1:3(1) ack 1", "the length"),
        ("< X 1", "not a segment"),
    ],
)
def test_a_wrong_script_is_noticed(play: Play, lines: str, complaint: str) -> None:
    play(active())
    with pytest.raises(ScriptError, match=complaint.replace("(", r"\(").replace(")", r"\)")):
        play(lines)
