"""The lab ``reassembly``: the queue of what arrived above a gap."""

import random
from typing import Any, Final

from rudp.core.life.parts import Parts
from rudp.core.receive.reassembly import RECENT, Reassembly
from rudp.core.receive.receiver import Receiver
from rudp.core.terms.ranges import RangeSet
from rudp.labs.lab import Setup, config, same

_ROOM: Final = 1 << 30


class Reference:
    """What the package does."""

    def __init__(self) -> None:
        self._queue = Reassembly(_ROOM)

    def insert(self, seq: int, data: bytes) -> None:
        """Keep what is new."""
        self._queue.insert(seq, data)

    def take(self, rcv_nxt: int) -> bytes:
        """Return what follows on."""
        return b"".join(self._queue.take(rcv_nxt))

    def ranges(self) -> list[tuple[int, int]]:
        """Return what is here."""
        return list(self._queue.held)

    def blocks(self, most: int) -> list[tuple[int, int]]:
        """Return the latest ranges first."""
        return self._queue.sack_blocks(most)


def ask(cls: Any, chance: random.Random) -> None:
    """Do the same to two queues, and compare them; the data differs each time that it comes."""
    mine, right = cls(), Reference()
    rcv_nxt = 1000
    story = []
    for number in range(12):
        if number % 4 == 3:
            rcv_nxt += chance.choice([0, 1, 5, 10])
            story.append(f"take({rcv_nxt})")
            done = "; ".join(story)
            taken = right.take(rcv_nxt)
            same(f"after {done}: what was taken last", mine.take(rcv_nxt), taken)
            rcv_nxt += len(taken)
        else:
            seq = rcv_nxt + chance.randint(1, 30)
            data = bytes([65 + number]) * chance.choice([1, 2, 5, 10, 20])
            story.append(f"insert({seq}, {data!r})")
            done = "; ".join(story)
            mine.insert(seq, data)
            right.insert(seq, data)
        same(f"after {done}: ranges()", list(map(tuple, mine.ranges())), right.ranges())
        if number < RECENT:
            most = chance.randint(1, 4)
            given = list(map(tuple, mine.blocks(most)))
            same(f"after {done}: blocks({most})", given, right.blocks(most))
    end = rcv_nxt + 40
    for seq in range(rcv_nxt, end):  # and what is in it, octet by octet
        same(f"after {done}: take({seq})", mine.take(seq), right.take(seq))


class _Queue(Reassembly):
    """A queue of a learner where the receiver expects ours."""

    __slots__ = ("_mine",)

    def __init__(self, mine: Any) -> None:
        super().__init__(_ROOM)
        self._mine = mine

    def insert(self, seq: int, data: bytes) -> bool:
        self._mine.insert(seq, data)
        self._look()
        return True

    def take(self, rcv_nxt: int) -> list[bytes]:
        data = self._mine.take(rcv_nxt)
        self._look()
        return [data] if data else []

    def sack_blocks(self, most: int) -> list[tuple[int, int]]:
        return [(left, right) for left, right in self._mine.blocks(most)]

    def clear(self) -> None:
        self.held = RangeSet()

    def _look(self) -> None:
        self.held = RangeSet()
        for left, right in self._mine.ranges():
            self.held.add(left, right)


def build(cls: Any) -> Setup:
    """Let a class keep what the client receives above a gap."""

    class WithQueue(Receiver):
        def new_queue(self) -> Reassembly:
            return _Queue(cls())

    return Setup(config(), Parts(receiver=WithQueue))
