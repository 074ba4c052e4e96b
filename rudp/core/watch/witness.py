"""The one door through which a connection says what happens to it.

A connection has one witness or none.  It is told each event once: that is the flight recorder where
nobody traces, and where somebody does, who tells both.
"""

from collections.abc import Sequence

from rudp.core.segment.transmit import Path, Transmit
from rudp.core.segment.wire import Run
from rudp.core.terms.counters import Count
from rudp.core.terms.feedback import Fallback, Feedback
from rudp.core.terms.state import Cause, State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Tracer, Watched


class Witness:
    """Is told what happens to one connection; *now*: seconds on the endpoint's clock."""

    __slots__ = ()

    def sent(
        self,
        state: State,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        length: int,
        room: int,
        why: Why,
        now: float,
        transmits: Sequence[Transmit] = (),
    ) -> None:
        """A run leaves: *length* octets of data, *room* in a full segment; numbers of 32 bits.

        *transmits*: the datagrams that it is made of, in their order.
        """
        raise NotImplementedError

    def received(self, state: State, run: Run, now: float) -> None:
        """*run* came, and is about to be processed."""
        raise NotImplementedError

    def processed(self, run: Run, dropped: Count | None, now: float) -> None:
        """It was; *dropped*: for this reason nothing, or not all, of it was heeded."""
        raise NotImplementedError

    def moved(self, before: State, after: State, cause: Cause, now: float) -> None:
        """The connection went along an arrow of the state diagram."""
        raise NotImplementedError

    def roamed(self, before: Path, after: Path, state: State, now: float) -> None:
        """The connection goes another way: the address of one end is another."""
        raise NotImplementedError

    def fired(self, state: State, timer: str, now: float) -> None:
        """A timer expired."""
        raise NotImplementedError

    def ecn_settled(self, feedback: Feedback, fallback: Fallback | None, now: float) -> None:
        """The ends have agreed on *feedback*; *fallback*: why our data goes without ECN yet.

        It is nothing for the flight recorder: the flags of what it keeps tell the same.
        """


class Traced(Witness):
    """Tells a *tracer* about the connection *who*, and a *recorder* before, if there is one."""

    __slots__ = ("_recorder", "_tracer", "_who")

    def __init__(self, who: Watched, tracer: Tracer, recorder: Witness | None) -> None:
        self._who = who
        self._tracer = tracer
        self._recorder = recorder

    def sent(
        self,
        state: State,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        length: int,
        room: int,
        why: Why,
        now: float,
        transmits: Sequence[Transmit] = (),
    ) -> None:
        """A run leaves."""
        if self._recorder is not None:
            self._recorder.sent(state, seq, ack, flags, window, length, room, why, now)
        for transmit in transmits:
            self._tracer.run_sent(self._who, transmit, why, now)

    def received(self, state: State, run: Run, now: float) -> None:
        """*run* came, and is about to be processed."""
        if self._recorder is not None:
            self._recorder.received(state, run, now)
        self._tracer.run_received(self._who, run, now)

    def processed(self, run: Run, dropped: Count | None, now: float) -> None:
        """It was."""
        if self._recorder is not None:
            self._recorder.processed(run, dropped, now)
        self._tracer.run_processed(self._who, run, dropped, now)

    def moved(self, before: State, after: State, cause: Cause, now: float) -> None:
        """The connection went along an arrow of the state diagram."""
        if self._recorder is not None:
            self._recorder.moved(before, after, cause, now)
        self._tracer.state_moved(self._who, before, after, cause, now)

    def roamed(self, before: Path, after: Path, state: State, now: float) -> None:
        """The connection goes another way."""
        if self._recorder is not None:
            self._recorder.roamed(before, after, state, now)
        self._tracer.path_moved(self._who, before, after, now)

    def fired(self, state: State, timer: str, now: float) -> None:
        """A timer expired."""
        if self._recorder is not None:
            self._recorder.fired(state, timer, now)
        self._tracer.timer_fired(self._who, timer, now)

    def ecn_settled(self, feedback: Feedback, fallback: Fallback | None, now: float) -> None:
        """The ends have agreed on *feedback*, or there is a reason to fall back."""
        self._tracer.ecn_settled(self._who, feedback, fallback, now)
