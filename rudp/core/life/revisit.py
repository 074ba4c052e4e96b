"""A host that was spoken to before: what is known of the path, and what the next one may know.

This joins :mod:`rudp.core.congestion.resume`, which knows windows, to a connection, which knows
where its peer is.
"""

from rudp.config import Config
from rudp.core.congestion.controller import Controller, initial_window
from rudp.core.congestion.newreno import WindowController
from rudp.core.congestion.resume import LEAST, CarefulResume, PathKey
from rudp.core.segment.addresses import host_of
from rudp.core.segment.transmit import Path
from rudp.core.send.flight import Flight


def key_of(path: Path, dscp: int) -> PathKey:
    """Return under what a path is remembered (RFC 9959 §2.2)."""
    return path[1], host_of(path), dscp


def begin(flight: Flight, config: Config, path: Path, dscp: int, now: float) -> None:
    """The handshake is over: resume, if the path is known and the controller has a window."""
    paths = config.careful_resume
    if paths is None:
        return
    key, inner = key_of(path, dscp), flight.controller
    known = paths.look(key, now)
    if known is None or not isinstance(inner, WindowController) or inner.answers_marks:
        return

    def over(controller: Controller) -> None:
        flight.controller = controller

    flight.controller = CarefulResume(inner, known, paths, key, over)


def remember(flight: Flight, config: Config, path: Path, dscp: int, now: float) -> None:
    """The connection is over: save what it found out, unless that is little (RFC 9959 §3.1)."""
    paths = config.careful_resume
    if paths is None:
        return
    rtt, rate = flight.rtt, flight.rate.rate
    if rate is None or rtt.srtt is None or rtt.min_rtt is None or rtt.backoffs:
        return
    octets = int(rate * rtt.srtt)  # what was acknowledged in a round trip
    if octets >= LEAST * initial_window(flight.smss):
        paths.save(key_of(path, dscp), octets, rtt.min_rtt, now)
