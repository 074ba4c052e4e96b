"""The nine labs, in the order of the course.

Nothing of the core is imported here: where it is compiled, no class of a learner's derives from it.
"""

import dataclasses
from pathlib import Path
from typing import Final

START: Final = Path(__file__).with_name("start")
"""Where the files are that learners begin with."""


@dataclasses.dataclass(frozen=True)
class Lab:
    """One lab; the module of this name in :mod:`rudp.labs.tasks` puts it to the test.

    ``name``: that of its file in ``start``.  ``section``: where a standard says what it does.
    ``called``: the name of the class.  ``package``: the module with the package's own answer.
    ``heed``: whether a connection must not need many more segments than with that.
    """

    name: str
    title: str
    section: str
    called: str
    package: str
    heed: bool = False

    @property
    def start(self) -> Path:
        """The file that learners begin with."""
        return START / f"{self.name}.py"


_ALL: Final = (
    Lab("wire", "parse and build", "RFC 9293 §3.1", "Codec", "rudp.core.segment.wire"),
    Lab(
        "checksum",
        "the Internet checksum",
        "RFC 9293 §3.1",
        "Checksum",
        "rudp.core.segment.checksum",
    ),
    Lab(
        "handshake",
        "initial numbers and SYN cookies",
        "RFC 6528 §3, RFC 4987 §3.6",
        "Numbers",
        "rudp.core.demux.syncookie",
    ),
    Lab("close", "the state machine", "RFC 9293 §3.3.2", "Machine", "rudp.core.terms.state"),
    Lab(
        "reassembly",
        "what arrived above a gap",
        "RFC 9293 §3.10.7.4",
        "Queue",
        "rudp.core.receive.reassembly",
    ),
    Lab(
        "receiver",
        "the receive window",
        "RFC 9293 §3.4, §3.8.6",
        "Window",
        "rudp.core.receive.receiver",
    ),
    Lab("rtt", "the time-out", "RFC 6298 §2, §5", "Rto", "rudp.core.loss.rtt", heed=True),
    Lab(
        "sender",
        "what goes next",
        "RFC 9293 §3.8.6, §3.7.4",
        "Half",
        "rudp.core.send.sender",
        heed=True,
    ),
    Lab(
        "congestion",
        "the congestion window",
        "RFC 5681 §3.1, §3.2",
        "Reno",
        "rudp.core.congestion.newreno",
        heed=True,
    ),
)

LABS: Final[dict[str, Lab]] = {lab.name: lab for lab in _ALL}
"""By name."""
