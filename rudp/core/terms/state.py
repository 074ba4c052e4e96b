"""The eleven states and every arrow between them (RFC 9293 §3.3.2, Figure 5).

The table below is the whole state machine: a connection moves only by looking up its state and
the cause.  What else happens at an arrow (segments sent, timers set) is decided where the cause is
seen, in :mod:`rudp.core.life.arrival` and :mod:`rudp.core.life.connection`; never here.
"""

import enum
from typing import Final


class State(enum.IntEnum):
    """A connection state; ``str()`` gives the RFC's spelling, ``"FIN-WAIT-1"``."""

    CLOSED = 0
    LISTEN = 1
    SYN_SENT = 2
    SYN_RECEIVED = 3
    ESTABLISHED = 4
    FIN_WAIT_1 = 5
    FIN_WAIT_2 = 6
    CLOSE_WAIT = 7
    CLOSING = 8
    LAST_ACK = 9
    TIME_WAIT = 10

    def __str__(self) -> str:
        return self.name.replace("_", "-")


class Cause(enum.Enum):
    """What moves a connection from one state to another."""

    OPEN_PASSIVE = "passive OPEN"
    OPEN_ACTIVE = "active OPEN"
    CLOSE = "CLOSE"
    RCV_SYN = "rcv SYN"
    RCV_SYN_ACK = "rcv SYN,ACK"
    RCV_ACK_OF_SYN = "rcv ACK of SYN"
    RCV_RST = "rcv RST"
    RCV_FIN = "rcv FIN"
    RCV_ACK_OF_FIN = "rcv ACK of FIN"
    TIMEOUT_2MSL = "2MSL timeout"
    DELETE = "delete TCB"

    __hash__ = object.__hash__  # for MOVES: that of its base is a function of Python


_S = State
_C = Cause

MOVES: Final[dict[tuple[State, Cause], State]] = {
    (_S.CLOSED, _C.OPEN_PASSIVE): _S.LISTEN,
    (_S.CLOSED, _C.OPEN_ACTIVE): _S.SYN_SENT,
    (_S.LISTEN, _C.RCV_SYN): _S.SYN_RECEIVED,
    (_S.LISTEN, _C.DELETE): _S.CLOSED,
    (_S.SYN_SENT, _C.RCV_SYN_ACK): _S.ESTABLISHED,
    (_S.SYN_SENT, _C.RCV_SYN): _S.SYN_RECEIVED,  # simultaneous open, MUST-10
    (_S.SYN_SENT, _C.DELETE): _S.CLOSED,
    (_S.SYN_RECEIVED, _C.RCV_ACK_OF_SYN): _S.ESTABLISHED,
    (_S.SYN_RECEIVED, _C.RCV_RST): _S.SYN_SENT,  # the crossing SYN was old or forged
    (_S.SYN_RECEIVED, _C.CLOSE): _S.FIN_WAIT_1,
    (_S.SYN_RECEIVED, _C.DELETE): _S.CLOSED,
    (_S.ESTABLISHED, _C.CLOSE): _S.FIN_WAIT_1,
    (_S.ESTABLISHED, _C.RCV_FIN): _S.CLOSE_WAIT,
    (_S.ESTABLISHED, _C.DELETE): _S.CLOSED,
    (_S.FIN_WAIT_1, _C.RCV_ACK_OF_FIN): _S.FIN_WAIT_2,
    (_S.FIN_WAIT_1, _C.RCV_FIN): _S.CLOSING,  # simultaneous close, Figure 13
    (_S.FIN_WAIT_1, _C.DELETE): _S.CLOSED,
    (_S.FIN_WAIT_2, _C.RCV_FIN): _S.TIME_WAIT,
    (_S.FIN_WAIT_2, _C.DELETE): _S.CLOSED,
    (_S.CLOSE_WAIT, _C.CLOSE): _S.LAST_ACK,
    (_S.CLOSE_WAIT, _C.DELETE): _S.CLOSED,
    (_S.CLOSING, _C.RCV_ACK_OF_FIN): _S.TIME_WAIT,
    (_S.CLOSING, _C.DELETE): _S.CLOSED,
    (_S.LAST_ACK, _C.RCV_ACK_OF_FIN): _S.CLOSED,
    (_S.LAST_ACK, _C.DELETE): _S.CLOSED,
    (_S.TIME_WAIT, _C.TIMEOUT_2MSL): _S.CLOSED,
    (_S.TIME_WAIT, _C.DELETE): _S.CLOSED,
}
"""One row for each arrow; a pair that is not here never happens."""


def after(state: State, cause: Cause) -> State:
    """Return the state that *cause* leads to from *state*.

    A :class:`KeyError` means that the caller saw something that cannot happen: a bug, not input.
    """
    return MOVES[state, cause]
