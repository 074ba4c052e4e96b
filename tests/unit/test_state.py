"""The table of moves, held against RFC 9293 §3.3.2, Figure 5."""

import pytest

from rudp.core.terms.state import MOVES, Cause, State, after

S, C = State, Cause

FIGURE_5 = {
    # Every arrow of the figure but two: LISTEN -SEND-> SYN-SENT, since a listener cannot send
    # (ST-2), and SYN-RECEIVED -rcv RST-> LISTEN, since here a child goes and the listener
    # stays (ST-23).  FIN-WAIT-1 -rcv FIN,ACK of FIN-> TIME-WAIT is two moves in a row.
    ("CLOSED", "passive OPEN"): "LISTEN",
    ("CLOSED", "active OPEN"): "SYN-SENT",
    ("LISTEN", "rcv SYN"): "SYN-RECEIVED",
    ("LISTEN", "CLOSE"): "CLOSED",
    ("SYN-SENT", "rcv SYN"): "SYN-RECEIVED",
    ("SYN-SENT", "rcv SYN,ACK"): "ESTABLISHED",
    ("SYN-SENT", "CLOSE"): "CLOSED",
    ("SYN-RECEIVED", "rcv ACK of SYN"): "ESTABLISHED",
    ("SYN-RECEIVED", "CLOSE"): "FIN-WAIT-1",
    ("ESTABLISHED", "CLOSE"): "FIN-WAIT-1",
    ("ESTABLISHED", "rcv FIN"): "CLOSE-WAIT",
    ("FIN-WAIT-1", "rcv ACK of FIN"): "FIN-WAIT-2",
    ("FIN-WAIT-1", "rcv FIN"): "CLOSING",
    ("FIN-WAIT-2", "rcv FIN"): "TIME-WAIT",
    ("CLOSING", "rcv ACK of FIN"): "TIME-WAIT",
    ("CLOSE-WAIT", "CLOSE"): "LAST-ACK",
    ("LAST-ACK", "rcv ACK of FIN"): "CLOSED",
    ("TIME-WAIT", "2MSL timeout"): "CLOSED",
}

# One arrow is ours: the figure lets a RST delete an active open whose SYN crossed another, and by
# that whoever forges both (decision 23).
OUR_OWN = {("SYN-RECEIVED", "rcv RST"): "SYN-SENT"}

# The figure's note 2: what deletes the TCB (ABORT, a reset, a time-out, and CLOSE where it
# deletes) is not drawn, and leads to CLOSED from everywhere.
DELETED_BY_CLOSE = {"LISTEN", "SYN-SENT"}


def test_no_move_that_is_not_drawn() -> None:
    """MUST-10, ST-18: the table is the figure, no arrow more but one."""
    for (state, cause), target in MOVES.items():
        if cause is C.DELETE:
            assert target is S.CLOSED
        else:
            assert (FIGURE_5 | OUR_OWN)[str(state), cause.value] == str(target)


def test_no_move_is_missing() -> None:
    drawn = FIGURE_5 | OUR_OWN
    for name in DELETED_BY_CLOSE:
        assert drawn.pop((name, "CLOSE")) == "CLOSED"
    for state in State:
        if state is not S.CLOSED:
            drawn[str(state), C.DELETE.value] = "CLOSED"
    assert {(str(s), c.value): str(t) for (s, c), t in MOVES.items()} == drawn


def test_fin_and_its_ack_in_one_segment() -> None:
    """TRAP-3: from FIN-WAIT-1 to TIME-WAIT, whichever of the two is looked at first."""
    assert after(after(S.FIN_WAIT_1, C.RCV_ACK_OF_FIN), C.RCV_FIN) is S.TIME_WAIT
    assert after(after(S.FIN_WAIT_1, C.RCV_FIN), C.RCV_ACK_OF_FIN) is S.TIME_WAIT


def test_a_move_that_cannot_happen_is_an_error() -> None:
    for state in State:
        for cause in Cause:
            if (state, cause) not in MOVES:
                with pytest.raises(KeyError):
                    after(state, cause)


def test_every_state_can_be_reached_and_left() -> None:
    seen = {S.CLOSED}
    while True:
        found = seen | {target for (state, _), target in MOVES.items() if state in seen}
        if found == seen:
            break
        seen = found
    assert seen == set(State)
    assert {state for state, _ in MOVES} == set(State)


def test_names_are_the_rfcs() -> None:
    assert [str(state) for state in State] == [
        "CLOSED",
        "LISTEN",
        "SYN-SENT",
        "SYN-RECEIVED",
        "ESTABLISHED",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "CLOSE-WAIT",
        "CLOSING",
        "LAST-ACK",
        "TIME-WAIT",
    ]
