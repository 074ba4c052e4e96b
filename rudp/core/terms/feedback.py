"""What two ends may agree on about the marks of routers, and why that may come to nothing."""

import enum


class Feedback(enum.Enum):
    """What is told of marks, in both directions of a connection."""

    NONE = "none"
    CLASSIC = "classic"
    """ECE until CWR comes (RFC 3168)."""
    ACCURATE = "accurate"
    """How many (RFC 9768)."""


class Fallback(enum.Enum):
    """Why nothing of ours is ECN-capable though marks are counted; ``section``: who says so.

    ``sentence``: what was seen.
    """

    HANDSHAKE_MANGLED = "The ECN bits of our SYN came changed.", "RFC 9768 §3.2.2.3"
    ACE_ZERO = "The first counter that came was 0.", "RFC 9768 §3.2.2.1, §3.2.2.4"
    PLAIN_SYN = "One of the SYNs went, or came, without an offer.", "RFC 9768 §3.1.5"
    ALWAYS_MARKED = "All came with a mark, round after round.", "RFC 9768 §3.2.2.3"
    COUNTERS_DISAGREE = "Octets were marked, but no segment.", "RFC 9768 §3.2.3.2.5"

    def __init__(self, sentence: str, section: str) -> None:
        self.sentence = sentence
        self.section = section
