"""Which feedback of marks two ends agree on: AE, CWR and ECE of the two SYNs (RFC 9768 §3.1).

Three bits of the header are one word while the connection opens.  A SYN offers with it, the answer
accepts with it and says besides what the IP header of the SYN had when it came; the ACK that ends
the handshake says that of the SYN,ACK.  So each end hears whether the path leaves its ECN bits
alone.  Later the same three bits are a counter (ACE).
"""

from typing import Final

from rudp.core.segment.transmit import CE
from rudp.core.segment.wire import AE, CWR, ECE
from rudp.core.terms.feedback import Feedback

ACE: Final = AE | CWR | ECE
"""The three bits, where they stand among the flags."""

CLASSIC: Final = 0b001
CLASSIC_OFFER: Final = 0b011
ACCURATE_OFFER: Final = 0b111
"""Words of a SYN, and of an answer to it."""

SEEN: Final = (0b010, 0b011, 0b100, 0b110)
"""By the two ECN bits of the IP header of a SYN or SYN,ACK: the word that says so (Table 3)."""

FIRST_ACE: Final = 5
"""Where the counter begins (RFC 9768 §3.2.1)."""

_SHIFT: Final = 6


def word(flags: int) -> int:
    """Return AE, CWR and ECE of *flags* as a number from 0 to 7: the ACE field."""
    return (flags & ACE) >> _SHIFT


def bits(word: int) -> int:
    """Return the *word*, 0 to 7, as flags of a header."""
    return word << _SHIFT


def asks_for(flags: int, ecn: str) -> Feedback:
    """Return what the *flags* of a SYN ask for, as far as a listener with ``Config.ecn`` goes."""
    if ecn == "off":
        return Feedback.NONE
    return offered_classic(flags) if ecn in ("classic", "on") else offered(flags)


def offered(flags: int) -> Feedback:
    """Return what the *flags* of a SYN ask a server for (RFC 9768 §3.1.2, §3.1.3, AECN-1)."""
    asked = word(flags)
    if not asked:
        return Feedback.NONE
    return Feedback.CLASSIC if asked == CLASSIC_OFFER else Feedback.ACCURATE


def offered_classic(flags: int) -> Feedback:
    """Return what they ask a server for that knows no accurate feedback (RFC 3168 §6.1.1)."""
    asked = word(flags) & CLASSIC_OFFER
    return Feedback.CLASSIC if asked == CLASSIC_OFFER else Feedback.NONE


def accepted(flags: int) -> Feedback:
    """Return what the *flags* of the answer to an accurate offer agree to (Table 2, AECN-2).

    A server that sends back what it has got does not know these bits.
    """
    answer = word(flags)
    if answer in (0, ACCURATE_OFFER):
        return Feedback.NONE
    return Feedback.CLASSIC if answer == CLASSIC else Feedback.ACCURATE


def accepted_classic(flags: int) -> Feedback:
    """Return what the *flags* of the answer to a classic offer agree to (ECN-2)."""
    return Feedback.CLASSIC if word(flags) & CLASSIC_OFFER == CLASSIC else Feedback.NONE


def seen(word: int) -> int | None:
    """Return what the IP header of our SYN or SYN,ACK had when it came, by the peer's *word*.

    The two ECN bits; None if it does not say.
    """
    return SEEN.index(word) if word in SEEN else None


def arrived_changed(word: int, sent: int) -> bool:
    """Return whether the *word* tells of a change that no router may make (RFC 3168 §18, AECN-7).

    *sent*: the two ECN bits as they left.  Those that are capable may become CE.
    """
    came = seen(word)
    return came is not None and came != sent and not (sent and came == CE)
