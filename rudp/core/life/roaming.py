"""Where the peer is, and whether it is there: what one connection knows of paths.

The MAC covers no address, so a segment is as good from one place as from another; what has to be
found out is where to send to.  A *challenge* with a number goes to the new place, of which nobody
can know who does not get it, and the *response* with that number, from there, is proof that who has
the key is there (RFC 9000 §8.2).  Who moves himself says so with his *token*, which tells the peer
which connection it is (decision 59).  :mod:`rudp.core.life.moving` decides; here are the books.
"""

from typing import Final

from rudp.core.segment.options import PathWord
from rudp.core.segment.transmit import Path
from rudp.core.terms.timers import OFF

AMPLIFICATION: Final = 3
"""Octets we send for each that came from a path, until it is proved (RFC 9000 §8.1)."""

ASKS: Final = 3
"""Challenges that go unanswered until a path is forgotten."""

ANNOUNCEMENTS: Final = 8
"""How often we say unasked that we have moved; time-outs and keep-alive go on saying it."""


class Roaming:
    """The paths of one connection, of which both ends would like to roam.

    *iss* and *irs*: the initial numbers, 32 bits.  ``former``: the path that was left last;
    ``asked``: the one that is not proved yet, None for none, and ``nonce`` what must come from
    there.  ``expects``: what came last was not the end of what the peer had written, so that
    silence means something: perhaps it speaks to where we were.  ``announces``: we have moved, and
    the peer has not said that it knows.  ``moves``: how often either has changed.  Times are
    seconds.
    """

    __slots__ = (
        "_credit",
        "_due",
        "_repeat_at",
        "_said",
        "_silences",
        "announces",
        "asked",
        "expects",
        "former",
        "heard_at",
        "moves",
        "nonce",
        "numbers_drawn",
        "said_at",
        "silent_at",
        "their_token",
        "token",
    )

    def __init__(self, iss: int, irs: int) -> None:
        self.token = _token(irs, iss)
        self.their_token = _token(iss, irs)
        self.former: Path | None = None
        self.asked: Path | None = None
        self.nonce = b""
        self.announces = False
        self.moves = 0
        self.numbers_drawn = 0
        self.said_at = 0.0  # when a challenge or our announcement left first
        self._said = 0  # how often it did
        self._credit = 0
        self._repeat_at = OFF
        self.expects = False
        self.heard_at = 0.0  # when data came last, and
        self.silent_at = OFF  # when it is to be seen whether more has come
        self._silences = 0  # how often it had not
        self._due: dict[PathWord, tuple[Path | None, bytes]] = {}

    @property
    def has_word(self) -> bool:
        """Whether something is to be said."""
        return bool(self._due)

    @property
    def said_once(self) -> bool:
        """Whether the question that is open left once, so that its answer measures a round trip."""
        return self._said == 1

    def owe(self, word: PathWord, path: Path | None, value: bytes) -> None:
        """Say *word* with *value* on *path*, None for the connection's."""
        self._due[word] = path, value

    def next_word(self) -> tuple[PathWord, Path | None, bytes]:
        """Return what is to be said next, and on which path; it is not owed any more."""
        word, (path, value) = self._due.popitem()
        return word, path, value

    def may_say(self, word: PathWord, octets: int) -> bool:
        """Return whether a segment of *octets* octets that says *word* has been paid for."""
        if word is not PathWord.CHALLENGE or self.asked is None:
            return True
        if self._credit < octets:
            return False
        self._credit -= octets
        return True

    def said(self, word: PathWord, rto: float, now: float) -> None:
        """*word* has left; *rto*: seconds to wait for an answer, or twice that, and so on."""
        if word is PathWord.RESPONSE or not (self.announces or self.asked):
            return
        if not self._said:
            self.said_at = now
        self._said += 1
        self._repeat_at = now + rto * 2 ** (self._said - 1)

    def begin_to_announce(self) -> None:
        """We have moved: the peer must know."""
        self.asked = None
        self._due.clear()
        self.announces = True
        self._said = 0
        self.owe(PathWord.TOKEN, None, self.token)

    def ask(self, path: Path, nonce: bytes) -> None:
        """Let *nonce* be what must come from *path*."""
        self.asked = path
        self.nonce = nonce
        self.numbers_drawn += 1
        self._credit = 0
        self._said = 0

    def heard(self, octets: int, now: float) -> None:
        """So many *octets* came from the path that is asked."""
        self._credit = min(self._credit + AMPLIFICATION * octets, 0xFFFF)
        if not self._said or now >= self._repeat_at:
            self.owe(PathWord.CHALLENGE, self.asked, self.nonce)

    def settle(self) -> None:
        """Nothing is open any more: an answer has come, or none will."""
        self.asked = None
        self.announces = False
        self._repeat_at = OFF
        self._due.pop(PathWord.CHALLENGE, None)
        self._due.pop(PathWord.TOKEN, None)

    def note_data(self, more: bool, now: float) -> None:
        """Data came; *more*: the peer has more to send."""
        self.expects = more
        self.heard_at = now
        self._silences = 0

    def look(self, rto: float, has_room: bool, now: float) -> float:
        """Repeat what is not answered, if it is time; return when to look again.

        *rto*: seconds of silence that mean something if more is to come and we have room for it.
        """
        if self.silent_at <= now:
            quiet_until = self.heard_at + rto * 2**self._silences
            if not (self.expects and has_room) or self._silences >= ANNOUNCEMENTS:
                quiet_until = OFF  # until data comes again
            elif quiet_until <= now:
                self._silences += 1
                self.owe(PathWord.TOKEN, None, self.token)
                quiet_until = self.heard_at + rto * 2**self._silences
            self.silent_at = quiet_until
        if self._repeat_at <= now:
            if self._said >= (ANNOUNCEMENTS if self.announces else ASKS):
                self.settle()
            elif self.announces:
                self.owe(PathWord.TOKEN, None, self.token)
            elif self.asked is not None:
                self.owe(PathWord.CHALLENGE, self.asked, self.nonce)
            self._repeat_at = OFF  # until it has left
        return min(self._repeat_at, self.silent_at)


def _token(to: int, of: int) -> bytes:
    """Return the token that one end says: the initial number of the other, and most of its own."""
    return to.to_bytes(4, "big") + of.to_bytes(4, "big")[:3]
