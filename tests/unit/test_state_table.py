"""Every state, every set of flags, every place of SEQ and ACK: the reaction of RFC 9293 §3.10.7.

The oracle below is written from the table of the RFC (with RFC 5961, 1337 and 6191), not from the
code, and knows nothing but small numbers relative to a fixed situation in each state.  What it says
about a segment is compared with what the table under test did: the state afterwards, the segments
that came out, the octets that the user got.

Ids: ST-8..ST-34, M-7..M-10, CHAL-1, CHAL-2, ECN-9, MUST-66.
"""

import dataclasses
import itertools
import random
import struct
from collections.abc import Iterator

import pytest

from rudp.config import Config
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.segment.transmit import Path
from rudp.core.terms.state import State

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
PATH: Path = (("192.0.2.1", 4000), "")
THEIR_PORT, OUR_PORT = 1000, 80
MASK = 0xFFFF_FFFF
IRS = MASK - 20  # the peer's numbers wrap in the middle of it all
PEER_WINDOW = 1000
OUR_WINDOW = 65_535
DATA = b"0123456789"

# The situation: the peer has sent 30 octets; we have sent 300, of which 100 are acknowledged.
THEIRS, OURS, OURS_ACKED = 30, 300, 100
OFF = 0.05  # later than a delayed ACK, sooner than a retransmission

Reply = tuple[int, int, int]
"""Flags, SEQ, ACK of a segment of ours, relative to ISS and IRS."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a segment led to; *state* is the name of the state, or "gone"."""

    state: str
    replies: tuple[Reply, ...] = ()
    delivered: bytes = b""


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Where a state stands, relative to ISS and IRS; *fin*: the number of our FIN."""

    una: int
    nxt: int
    rcv_nxt: int
    fin: int | None = None


BEFORE_FIN = OURS + 1
SITUATIONS = {
    "CLOSED": Numbers(0, 0, 0),
    "LISTEN": Numbers(0, 0, 0),
    "SYN-SENT": Numbers(0, 1, 0),
    "SYN-RECEIVED passive": Numbers(0, 1, 1),
    "SYN-RECEIVED active": Numbers(0, 1, 1),
    "ESTABLISHED": Numbers(1 + OURS_ACKED, BEFORE_FIN, 1 + THEIRS),
    "FIN-WAIT-1": Numbers(1 + OURS_ACKED, BEFORE_FIN + 1, 1 + THEIRS, BEFORE_FIN),
    "FIN-WAIT-2": Numbers(BEFORE_FIN + 1, BEFORE_FIN + 1, 1 + THEIRS, BEFORE_FIN),
    "CLOSE-WAIT": Numbers(1 + OURS_ACKED, BEFORE_FIN, 2 + THEIRS),
    "CLOSING": Numbers(1 + OURS_ACKED, BEFORE_FIN + 1, 2 + THEIRS, BEFORE_FIN),
    "LAST-ACK": Numbers(1 + OURS_ACKED, BEFORE_FIN + 1, 2 + THEIRS, BEFORE_FIN),
    "TIME-WAIT": Numbers(BEFORE_FIN + 1, BEFORE_FIN + 1, 2 + THEIRS, BEFORE_FIN),
}


# -- the oracle ----------------------------------------------------------------------------------


def expected(state: str, flags: int, seq: int, ack: int, length: int) -> Outcome:
    """Return what a segment of *length* octets does in *state*."""
    here = SITUATIONS[state]
    stay = Outcome(state.partition(" ")[0])
    acknowledge = (ACK, here.nxt, here.rcv_nxt)
    answer = dataclasses.replace(stay, replies=(acknowledge,))
    seg_len = length + bool(flags & SYN) + bool(flags & FIN)
    if state == "CLOSED":
        if flags & RST:
            return Outcome("gone")  # ST-8
        if flags & ACK:
            return Outcome("gone", ((RST, ack, 0),))
        return Outcome("gone", ((RST | ACK, 0, seq + seg_len),))  # ST-9
    if state == "LISTEN":
        if flags & RST:
            return Outcome("gone")  # ST-10
        if flags & ACK:
            return Outcome("gone", ((RST, ack, 0),))  # ST-11
        if flags & SYN and not flags & FIN:  # M-9
            return Outcome("SYN-RECEIVED", ((SYN | ACK, 0, seq + 1),))  # ST-12
        return Outcome("gone")  # ST-13
    if state == "SYN-SENT":
        return _in_syn_sent(here, flags, seq, ack, length)
    if state == "TIME-WAIT":
        return _in_time_wait(here, flags, seq, length, seg_len)

    opening = state.startswith("SYN-RECEIVED")
    passive = state.endswith("passive")
    refuse = dataclasses.replace(stay, replies=((RST, ack, 0),))
    take_ack = False
    knows_us = flags & ACK and ack == here.nxt  # decision 23: it has seen our SYN
    if opening and not passive and flags & (SYN | RST) == SYN and seq != 0 and knows_us:
        return _in_syn_sent(here, flags, seq, ack, length)
    if opening and flags & SYN and not flags & RST and seq == 0:  # the peer's SYN once more
        if not flags & ACK:
            return dataclasses.replace(stay, replies=((SYN | ACK, 0, 1),))
        take_ack = not passive and ack == here.nxt and not length
    if not take_ack:
        if flags & RST:  # ST-22..24
            if not _in_window(here, seq):
                return stay
            if opening and not passive and seq == here.rcv_nxt and not knows_us:
                return Outcome("SYN-SENT", ((SYN, 0, 0),))
            return Outcome("gone") if seq == here.rcv_nxt else answer
        if not _acceptable(here, seq, seg_len):
            return answer  # ST-21
        if flags & SYN:  # ST-25
            return Outcome("gone") if passive else answer
        if not flags & ACK:
            return stay  # ST-26
    if opening:
        if not here.una < ack <= here.nxt:
            return refuse  # ST-27, ST-28
        after = "ESTABLISHED"
        if take_ack:
            return Outcome(after)
    else:
        if not here.una - PEER_WINDOW <= ack <= here.nxt:
            return answer  # ST-27
        after = state
        if here.fin is not None and ack > here.fin:  # ST-30
            after = {"FIN-WAIT-1": "FIN-WAIT-2", "CLOSING": "TIME-WAIT", "LAST-ACK": "gone"}.get(
                state, state
            )
    return _data_and_fin(here, after, seq, length, bool(flags & FIN))


def _in_syn_sent(here: Numbers, flags: int, seq: int, ack: int, length: int) -> Outcome:
    if flags & ACK and not here.una < ack <= here.nxt:  # ST-14
        refusal = (RST, ack, 0)
        again = (SYN, 0, 0)  # what was in the way is ended by that
        if flags & RST:
            return Outcome("SYN-SENT")
        return Outcome("SYN-SENT", (refusal,) if flags & SYN else (refusal, again))
    if flags & RST:
        return Outcome("gone" if flags & ACK else "SYN-SENT")  # ST-15, ST-16
    if not flags & SYN:
        return Outcome("SYN-SENT")  # ST-19
    if not flags & ACK:  # ST-18: data is held, and what is held may be acknowledged
        return Outcome("SYN-RECEIVED", ((SYN | ACK, 0, seq + 1 + length),), DATA[:length])
    end = seq + 1 + length + bool(flags & FIN)  # ST-17
    return Outcome(
        "CLOSE-WAIT" if flags & FIN else "ESTABLISHED", ((ACK, here.nxt, end),), DATA[:length]
    )


def _in_time_wait(here: Numbers, flags: int, seq: int, length: int, seg_len: int) -> Outcome:
    stay = Outcome("TIME-WAIT")
    answer = Outcome("TIME-WAIT", ((ACK, here.nxt, here.rcv_nxt),))
    if flags & RST:
        return stay
    if flags & SYN:
        if flags & ACK:
            return answer
        if seq > here.rcv_nxt - 1 and not flags & FIN:  # TW-4d, M-9
            return Outcome("SYN-RECEIVED", ((SYN | ACK, 0, seq + 1),))
        return answer  # the challenge
    if flags & FIN and seq + seg_len == here.rcv_nxt:
        return answer  # the FIN once more
    # Nothing but a FIN matters any more: neither the ACK field nor where the segment ends, for no
    # honest peer sends beyond its FIN.
    return stay if _in_window(here, seq) else answer


def _in_window(here: Numbers, seq: int) -> bool:
    return here.rcv_nxt <= seq < here.rcv_nxt + OUR_WINDOW


def _acceptable(here: Numbers, seq: int, seg_len: int) -> bool:
    if not seg_len:
        return _in_window(here, seq)
    return _in_window(here, seq) or _in_window(here, seq + seg_len - 1)


def _data_and_fin(here: Numbers, state: str, seq: int, length: int, fin: bool) -> Outcome:
    if state not in ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"):
        return Outcome(state)  # ST-33
    rcv_nxt = here.rcv_nxt
    delivered = b""
    if length and seq <= rcv_nxt:
        delivered = DATA[rcv_nxt - seq :]
        rcv_nxt = seq + length
    if fin and seq + length == rcv_nxt:  # ST-34
        rcv_nxt += 1
        state = {
            "ESTABLISHED": "CLOSE-WAIT",
            "FIN-WAIT-1": "CLOSING",
            "FIN-WAIT-2": "TIME-WAIT",
        }[state]
    replies = ((ACK, here.nxt, rcv_nxt),) if length or fin else ()
    return Outcome(state, replies, delivered)


# -- the code under test -------------------------------------------------------------------------


class Bench:
    """A table with one connection brought to a state."""

    def __init__(self, state: str) -> None:
        self.table = ConnectionTable(
            Config(timestamps=False, sack=False, window_scaling=False),
            secret=bytes(16),
            chance=random.Random(0),
        )
        self.now = 0.0
        self.iss = 0
        self.connection: Connection | None = None
        self.old_nxt = 0
        self.listener = None
        if state in ("LISTEN", "SYN-RECEIVED passive"):
            self.listener = self.table.listen(OUR_PORT)
        if state.startswith(("CLOSED", "LISTEN")):
            return
        if state == "SYN-RECEIVED passive":
            self.arrive(SYN, 0, 0)
            self.iss = self.poll()[0][1]
            assert self.listener is not None
            (self.connection,) = self.listener.half_open
            return
        self.connection = self.table.open_active(PATH, THEIR_PORT, self.now, local_port=OUR_PORT)
        self.iss = self.poll()[0][1]
        if state == "SYN-SENT":
            return
        if state == "SYN-RECEIVED active":
            self.arrive(SYN, 0, 0)
            self.poll()
            return
        self.arrive(SYN | ACK, 0, 1)
        self.arrive(ACK, 1, 1, bytes(THEIRS))
        self.connection.receive()
        self.connection.send(bytes(OURS))
        self.poll()
        self.arrive(ACK, 1 + THEIRS, 1 + OURS_ACKED)
        here = SITUATIONS[state]
        if state in ("CLOSE-WAIT", "LAST-ACK"):
            self.arrive(FIN | ACK, 1 + THEIRS, here.una)
        if here.fin is not None:
            self.connection.shutdown(self.now)
            self.table.touch(self.connection)
        self.poll()
        if state in ("FIN-WAIT-2", "TIME-WAIT"):
            self.arrive(ACK, 1 + THEIRS, here.una)
        if state in ("CLOSING", "TIME-WAIT"):
            self.arrive(FIN | ACK, 1 + THEIRS, here.una)
        self.poll()
        if state == "TIME-WAIT":
            self.listener = self.table.listen(OUR_PORT)

    def arrive(self, flags: int, seq: int, ack: int, data: bytes = b"") -> None:
        header = struct.pack(
            "!HHIIBBHHH",
            *(THEIR_PORT, OUR_PORT, (IRS + seq) & MASK, (self.iss + ack) & MASK),
            *(0x50, flags, PEER_WINDOW, 0, 0),
        )
        self.table.handle_datagrams(header + data, 20 + len(data), PATH, self.now)

    def poll(self) -> list[tuple[int, int, int]]:
        """Return flags, SEQ and ACK of what is to be sent, as on the wire."""
        found = []
        if self.connection is not None:
            self.table.touch(self.connection)
        while (transmit := self.table.poll_transmit(self.now)) is not None:
            for datagram in transmit.datagrams():
                _, _, seq, ack, _, flags = struct.unpack_from("!HHIIBB", datagram)
                found.append((flags, seq, ack))
        return found

    def outcome(self, state: str) -> Outcome:
        """Return what has happened since the segment came."""
        replies = self.poll()
        self.now += OFF
        self.table.handle_timeouts(self.now)
        replies += self.poll()
        relative = []
        for flags, seq, ack in replies:
            ack = _signed(ack - IRS) if flags & ACK else ack
            if flags == RST | ACK and state == "CLOSED":
                assert seq == 0
            elif flags & SYN and state == "LISTEN":
                seq = 0  # any number is right
            elif flags & SYN and state == "TIME-WAIT":  # above the old ones (TW-5)
                assert _signed(seq - self.iss) > SITUATIONS[state].nxt
                seq = 0
            else:
                seq = _signed(seq - self.iss)
            relative.append((flags, seq, ack))
        return Outcome(self._state(), tuple(relative), self._delivered())

    def _state(self) -> str:
        if self.listener is not None and self.listener.half_open:
            return "SYN-RECEIVED"
        if self.table.time_wait_records:
            return "TIME-WAIT"
        if self.connection is None or self.connection.state is State.CLOSED:
            assert not self.table.connections
            return "gone"
        return str(self.connection.state)

    def _delivered(self) -> bytes:
        return self.connection.receive() if self.connection is not None else b""


def _signed(number: int) -> int:
    return (number + (1 << 31) & MASK) - (1 << 31)


# -- the comparison ------------------------------------------------------------------------------


def places(state: str) -> Iterator[tuple[int, int, int]]:
    """Yield SEQ, ACK and length: below, at the edges of, in and above what is acceptable."""
    here = SITUATIONS[state]
    seqs = [here.rcv_nxt + at for at in (-50, -1, 0, 20, OUR_WINDOW + 10)]
    acks = {here.una - 5000, here.una - 50, here.una, here.una + 50, here.nxt, here.nxt + 1}
    if here.nxt - here.una < 50:
        acks.discard(here.una + 50)
    return itertools.product(seqs, sorted(acks), (0, len(DATA)))


def names(flags: int) -> str:
    letters = "FSRPAUEC"
    return "".join(letters[bit] for bit in range(8) if flags >> bit & 1) or "none"


def difference(state: str, flags: int, seq: int, ack: int, length: int, extra: int = 0) -> str:
    """Return what is wrong with the reaction, "" if nothing is."""
    bench = Bench(state)
    bench.arrive(flags | extra, seq, ack, DATA[:length])
    got = bench.outcome(state)
    wanted = expected(state, flags, seq, ack, length)
    if got == wanted:
        return ""
    what = f"{names(flags | extra)} seq={seq} ack={ack} len={length}"
    return f"{state}: {what}\n    is     {got}\n    should {wanted}"


@pytest.mark.parametrize("state", SITUATIONS)
def test_every_flag_set_at_every_place(state: str) -> None:
    """All 64 sets of URG ACK PSH RST SYN FIN, as the table of RFC 9293 §3.10.7 has them."""
    wrong = [
        difference(state, flags, seq, ack, length)
        for seq, ack, length in places(state)
        for flags in range(64)
        # Without the flag the ACK field means nothing, so one value of it is enough.
        if flags & ACK or ack == SITUATIONS[state].una
    ]
    wrong = [one for one in wrong if one]
    assert not wrong, f"{len(wrong)} in all\n" + "\n".join(wrong[:20])


@pytest.mark.parametrize("state", SITUATIONS)
def test_ECN_9_ECE_and_CWR_change_nothing(state: str) -> None:
    """W-7: the other 192 sets; the place changes from set to set."""
    everywhere = itertools.cycle(places(state))
    wrong = [
        difference(state, flags & 63, *next(everywhere), flags & (ECE | CWR))
        for flags in range(64, 256)
        for _ in range(7)  # no divisor of the number of places
    ]
    assert not any(wrong), "\n".join(filter(None, wrong))
