"""Lab close: the state machine of a connection (RFC 9293 §3.3.2, figure 5).

The rows of the way up are here.  Those of the way down are yours: how a connection goes from
ESTABLISHED, or SYN-RECEIVED, to CLOSED when we close first, when the peer does, and when both do at
the same moment.  Such a move has one of four causes:

    Cause.CLOSE             our program has closed its half
    Cause.RCV_FIN           the peer's FIN has arrived, and all before it
    Cause.RCV_ACK_OF_FIN    the peer has acknowledged our FIN
    Cause.TIMEOUT_2MSL      the wait in TIME-WAIT is over

Which state has the name ``FIN-WAIT-1`` in the standard is ``State.FIN_WAIT_1`` here.
"""

from rudp.core.terms.state import Cause, State

OPENING = {
    (State.CLOSED, Cause.OPEN_PASSIVE): State.LISTEN,
    (State.CLOSED, Cause.OPEN_ACTIVE): State.SYN_SENT,
    (State.LISTEN, Cause.RCV_SYN): State.SYN_RECEIVED,
    (State.SYN_SENT, Cause.RCV_SYN_ACK): State.ESTABLISHED,
    (State.SYN_SENT, Cause.RCV_SYN): State.SYN_RECEIVED,
    (State.SYN_RECEIVED, Cause.RCV_ACK_OF_SYN): State.ESTABLISHED,
    (State.SYN_RECEIVED, Cause.RCV_RST): State.SYN_SENT,
}


class Machine:
    """Knows where a connection goes."""

    def after(self, state: State, cause: Cause) -> State:
        """Return the state after *cause* in *state*; KeyError for what cannot happen there.

        In every state but CLOSED a connection can die (``Cause.DELETE``): it is CLOSED then.
        """
        if cause is Cause.DELETE and state is not State.CLOSED:
            return State.CLOSED
        if (state, cause) in OPENING:
            return OPENING[state, cause]
        raise NotImplementedError
