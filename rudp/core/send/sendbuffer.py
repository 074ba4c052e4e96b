"""The octets from SND.UNA on: what was sent and not acknowledged, then what was not sent yet.

The application's chunks are kept as they came and handed out as slices, never copied; small
writes are gathered first, so that a thousand of them do not make a thousand buffers.  Octets are
named by their sequence numbers.
"""

from bisect import bisect_right
from itertools import accumulate
from typing import Final

SMALL: Final = 4096
"""Octets.  Chunks below this are joined with their neighbours: copying them is cheaper than
keeping a buffer for each, in memory and in the system call."""


_NO_CHUNKS: Final[list[memoryview]] = []
_NO_STARTS: Final[list[int]] = []
_NOTHING: Final[list[bytes]] = []
"""What nobody adds to: an idle connection has no lists of its own."""


class SendBuffer:
    """A queue of octets with random access; ``start`` and ``end`` are sequence numbers."""

    __slots__ = ("_chunks", "_gathered", "_gathered_octets", "_starts", "end", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self._chunks = _NO_CHUNKS
        self._starts = _NO_STARTS
        self._gathered = _NOTHING
        self._gathered_octets = 0

    def __len__(self) -> int:
        return self.end - self.start

    def append(self, chunk: bytes) -> None:
        """Queue *chunk*, which must not change any more."""
        size = len(chunk)
        if not size:
            return
        if size >= SMALL:
            self._settle()
            self._keep(chunk, self.end)
        else:
            if self._gathered_octets:
                self._gathered.append(chunk)
            else:
                self._gathered = [chunk]
            self._gathered_octets += size
            if self._gathered_octets >= 16 * SMALL:
                self.end += size
                self._settle()
                return
        self.end += size

    def slices(self, left: int, right: int) -> list[memoryview]:
        """Return the octets ``[left, right)`` as slices of the chunks that hold them."""
        if right > self.end - self._gathered_octets:
            self._settle()
        if left >= right:
            return []
        i = bisect_right(self._starts, left) - 1
        at = left - self._starts[i]
        first = self._chunks[i][at : at + right - left]
        found = [first]
        left += len(first)
        while left < right:
            i += 1
            piece = self._chunks[i][: right - left]
            found.append(piece)
            left += len(piece)
        return found

    def last_write(self, seq: int) -> bytes | None:
        """Return the octets from *seq* to the end if they are one small write, or a few."""
        if seq != self.end - self._gathered_octets or not self._gathered_octets:
            return None
        gathered = self._gathered
        chunk = gathered[0] if len(gathered) == 1 else b"".join(gathered)
        self._keep(chunk, seq)
        self._gathered = _NOTHING
        self._gathered_octets = 0
        return chunk

    def release(self, upto: int) -> None:
        """Forget the octets below *upto*: they are acknowledged."""
        if upto >= self.end:
            self.clear()
            return
        if upto <= self.start:
            return
        self.start = upto
        if upto > self.end - self._gathered_octets:
            self._settle()
        # The last chunk that begins at or below upto still holds octets, unless it ends there.
        n = bisect_right(self._starts, upto) - 1
        if n >= 0 and upto >= self._starts[n] + len(self._chunks[n]):
            n += 1
        if n == len(self._starts):
            self._chunks = _NO_CHUNKS
            self._starts = _NO_STARTS
        elif n > 0:
            del self._chunks[:n]
            del self._starts[:n]

    def cut(self, end: int) -> int:
        """Forget the octets from *end* on, which were never sent; return how many they are."""
        dropped = self.end - end
        if dropped <= 0:
            return 0
        self._settle()
        n = bisect_right(self._starts, end - 1)  # as many begin before that
        del self._chunks[n:]
        del self._starts[n:]
        if n:
            self._chunks[-1] = self._chunks[-1][: end - self._starts[-1]]
        self.end = end
        if end == self.start:
            self.clear()
        return dropped

    def take_chunks(self) -> list[memoryview]:
        """Hand over what is kept, in order; it ends at ``end``, and who takes it gives it back."""
        self._settle()
        chunks = [*self._chunks]
        self.clear()
        return chunks

    def give_chunks(self, chunks: list[memoryview], start: int, end: int) -> None:
        """Keep *chunks*, which end at *end* and hold all from *start* on."""
        self.start = start
        self.end = end
        if chunks:
            sizes = [len(chunk) for chunk in chunks]
            self._chunks = chunks
            self._starts = [*accumulate(sizes[:-1], initial=end - sum(sizes))]

    def clear(self) -> None:
        """Forget everything that is queued, or the last of it that was."""
        self.start = self.end
        self._chunks = _NO_CHUNKS
        self._starts = _NO_STARTS
        self._gathered = _NOTHING
        self._gathered_octets = 0

    def _keep(self, chunk: bytes, start: int) -> None:
        if self._starts:
            self._chunks.append(memoryview(chunk))
            self._starts.append(start)
        else:
            self._chunks = [memoryview(chunk)]
            self._starts = [start]

    def _settle(self) -> None:
        """Make one chunk of the small writes gathered so far."""
        if not self._gathered:
            return
        start = self.end - self._gathered_octets
        chunk = self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered)
        self._keep(chunk, start)
        self._gathered = _NOTHING
        self._gathered_octets = 0
