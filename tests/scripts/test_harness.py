"""A drill notices what it does not say, otherwise none would mean anything; and where it is."""

import re

import pytest

from rudp.sim.drill import DrillError, DrillSyntaxError, parse
from tests.scripts.kit import Play, active, passive


def test_the_example_of_the_page(play: Play) -> None:
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
    ("lines", "complaint", "column"),
    [
        ("send 10 \n > A 1:11(10) ack 1", "other control bits", 4),
        ("send 10 \n > PA 2:12(10) ack 1", "other seq", 7),
        ("send 10 \n > PA 1:10(9) ack 1", "other length", 7),
        ("send 10 \n > PA 1:11(10) ack 2", "other ack", 16),
        ("send 10 \n > PA 1:11(10)", "must name the ack", 2),
        ("send 10 \n > PA 1:11(10) ack 1 win 7", "other win", 22),
        ("send 10 \n > PA 1:11(10) ack 1 <nop>", "other options", 22),
        ("send 10 \n +0.01 > PA 1:11(10) ack 1", "instead of", 8),
        ("send 10", "unexpected", 1),
        ("send 10 \n > PA 1:11(10) ack 1 \n +1 wait", "unexpected", 5),
        ("> A 1 ack 1", "nothing came", 1),
        ("state CLOSED", "it is ESTABLISHED", 1),
        ("read 1", "read 0 octets", 1),
        ("fails BrokenPipeError send 1", "send did not fail", 1),
        ("shutdown \n > FA 1 ack 1 \n fails TimeoutError send 1", "another error", 2),
        ("shutdown \n > FA 1 ack 1 \n send 1", "raised BrokenPipeError", 2),
        ("events EOF", "it is nothing", 1),
        ("b< A 1 ack 1", "there is no flow 'b'", 1),
        ("accept", "nobody to accept", 1),
        ("+0.5 wait \n 0.3 wait", "0.3000 s is over", 6),
    ],
)
def test_what_does_not_hold_is_noticed(play: Play, lines: str, complaint: str, column: int) -> None:
    play(active())
    with pytest.raises(DrillError, match=re.escape(complaint)) as caught:
        play(lines)
    assert caught.value.column == column
    if caught.value.line is not None:
        assert caught.value.line.text == lines.splitlines()[-1].rstrip()


def test_expected_and_seen_stand_beside_each_other(play: Play) -> None:
    play(active())
    with pytest.raises(DrillError) as caught:
        play("send 10\n  > PA 1:11(10) ack 2")
    assert caught.value.story().splitlines() == [
        "    > PA 1:11(10) ack 2",
        "                  ^",
        "    expected  > PA 1:11(10) ack 2",
        "    seen      > PA 1:11(10) ack 1 win 65535",
    ]


@pytest.mark.parametrize(
    ("line", "complaint", "column"),
    [
        ("dance", "there is no such event: dance", 1),
        ("+0.1", "here belongs an event", 5),
        ("+0.1.2 wait", "here belongs an event", 1),
        ("9999999999 wait", "a time is at most", 1),
        ("! A 1", "here belongs an event", 1),
        ("< A 1:3(1) ack 1", "the length does not fit the numbers", 6),
        ("< X 1", "here belongs the control bits of a segment, such as SA, or -, not 'X'", 3),
        ("< AA 1", "A stands there twice", 3),
        ("< A x", "here belongs a sequence number, not 'x'", 5),
        ("< A 99999999999", "a sequence number is", 5),
        ("< A 1:99999(99998)", "a segment has at most 65535 octets", 6),
        ("< A 1 ack", "here belongs the number of ack", 10),
        ("< A 1 ack 1 ack 1", "ack stands there twice", 13),
        ("< A 1 ack 1 win 65536", "the number of win is 0 to 65535", 17),
        ("< A 1 ackk 1", "a segment has no field 'ackk'", 7),
        ("< S 0 <mss 1460", "here belongs a list of options", 8),
        ("< S 0 <mss 1460, mms 2>", "there is no such option: mms", 18),
        ("< S 0 <mss x>", "the option mss has not such values: 'x'", 8),
        ("< S 0 <mss 1> more", "a segment ends before 'more'", 15),
        ("&> A 1 ack 1", "only segments that arrive can be in one read", 1),
        ("send", "send takes OCTETS [urgent]", 5),
        ("send ten", "send takes OCTETS [urgent]; 'ten' is no OCTETS", 6),
        ("send 10 20", "'20' is no urgent", 9),
        ("send 10 urgent 20", "send takes OCTETS [urgent] ends before '20'", 16),
        ("send 999999999999", "is no OCTETS", 6),
        ("state OPEN", "'OPEN' is no STATE", 7),
        ("events READY", "'READY' is no EVENT", 8),
        ("info cwmd 1", "'cwmd' is no FIELD", 6),
        ("count LUCK 1", "'LUCK' is no REASON", 7),
        ("icmp EWHAT", "'EWHAT' is no ERRNO", 6),
        ("fails OSError dance", "there is no such call: dance", 15),
        ("flow b here", "'here' is no HOST:PORT", 8),
        ("linux: connect", "a line is for rudp or kernel, not 'linux'", 1),
        ("config cwnd 3", "rudp.Config has no setting 'cwnd'", 8),
        ("config mss 3", "mss", 8),
        ("config sack", "here belongs a value", 12),
        ("wait \n config sack off", "config stands before the first event", 2),
        ("only kernel", "the reason is missing", 12),
        ("only windows why not", "an implementation is rudp or kernel, not 'windows'", 6),
    ],
)
def test_what_cannot_be_read_is_shown_where_it_stands(
    line: str, complaint: str, column: int
) -> None:
    with pytest.raises(DrillSyntaxError) as caught:
        parse(line)
    assert complaint in caught.value.what
    assert (caught.value.line, caught.value.column) == (line.count("\n") + 1, column)


def test_a_drill_has_a_head() -> None:
    drill = parse(
        """
        # What it shows.
        # RFC 9293 §3.5
        only rudp  for this reason
        config sack off
        rudp: config min_rto 0.5
        config ecn on
        connect     # a comment
        kernel: +1 wait
        """,
        "name",
    )
    assert (drill.name, drill.title) == ("name", "What it shows.")
    assert (drill.only, drill.reason) == ("rudp", "for this reason")
    assert drill.settings("rudp") == {"sack": False, "min_rto": 0.5, "ecn": "on"}
    assert drill.settings("kernel") == {"sack": False, "ecn": "on"}
    assert [line.verb for line in drill.events("rudp")] == ["connect"]
    assert [line.verb for line in drill.events("kernel")] == ["connect", "wait"]
