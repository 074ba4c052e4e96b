"""Whatever a drill says, it is read or refused, and holds or does not: nothing else comes out."""

from hypothesis import given
from hypothesis import strategies as st

from rudp.sim.drill import DrillError, DrillSyntaxError, Ours, Play, parse
from rudp.sim.drill.language import VERBS

WORDS = """
    rudp: kernel: config only +0.1 +1 0.5 7 9999999999 > < &< b< b> b. S SA A PA FA R RA SF - U
    0 1 -1 1:11(10) 1:10(10) 101:201(100) ack win urg sum res ce ect <mss 1000> sackOK> <TS 0> *>
    <sack 1:2 3:4> <raw 00> 0402> <noTS> <> < > # none on off short urgent 10 100000 ESTABLISHED
    CLOSED EOF READABLE cwnd PAWS ECONNREFUSED EPIPE OSError TimeoutError sack mss 3 ecn congestion
    newreno
"""

SEGMENTS = (
    "> S 0", "< S 0", "> SA 0 ack 1", "< SA 0 ack 1 <mss 1000, sackOK, TS 0 0>", "> A 1 ack 1",
    "< A 1 ack 1", "< PA 1:11(10) ack 1", "&< PA 11:21(10) ack 1", "< R 1", "< FA 1 ack 1",
    "< A 1 ack 1 <sack 5:9>", "< UA 1:11(10) ack 1 urg 5", "b< S 0", "< - 0 res sum ce",
    "< A 1 ack 1 <raw 0502>", "< A 9 ack -9 win 0 <TS 5 5, nop, ws 14>",
)  # fmt: skip

USUAL = (
    "connect", "listen", "accept", "send 10", "send 5000", "send 3 urgent", "read 10", "shutdown",
    "close", "abort", "+1 wait", "nodelay off", "user_timeout 1", "keepalive 1 1 2", "anew 0",
    "receive_buffer 5000", "flow b 192.0.2.1:4000 1001", "b.accept", "unlisten", "wait",
    "icmp ECONNREFUSED 0", "icmp EHOSTUNREACH", "fails OSError send 1", "config sack off",
    "state CLOSED", "events EOF", "info cwnd 1", "count PAWS 0", "records 0", "urgent 0",
)  # fmt: skip

lines = st.one_of(
    st.sampled_from(USUAL),
    st.sampled_from(SEGMENTS),
    st.lists(st.sampled_from([*WORDS.split(), *VERBS]), min_size=1, max_size=6).map(" ".join),
    st.text(max_size=30),
)


def outcome(text: str) -> DrillSyntaxError | DrillError | None:
    """Return what is wrong with a drill."""
    try:
        drill = parse(text)
        Play(Ours(drill.settings("rudp"))).run(drill)
    except (DrillSyntaxError, DrillError) as error:
        return error
    return None


@given(st.lists(lines, max_size=15).map("\n".join))
def test_a_drill_is_read_or_refused_and_holds_or_not(text: str) -> None:
    error = outcome(text)
    if isinstance(error, DrillSyntaxError):
        assert 1 <= error.line <= len(text.splitlines())
        assert 1 <= error.column <= len(error.text) + 2
    elif error is not None:
        assert error.what
