"""Connections as ``ss -ti`` shows them: what each is, and below it how it is doing."""

import textwrap
from collections.abc import Iterable
from typing import Any, Final

from rudp.trace.words import octets, seconds

COLUMNS: Final = 80
"""Columns of what is written where nobody knows who reads it."""

OWN_MAX: Final = 50
"""Connections of our own that are told of: what a pipe takes that nobody reads."""

_HEADING: Final = ("State", "Unread", "Unsent", "Local", "Peer")

_WIDTHS: Final = (-11, 8, 8, -21, -21)

_INDENT: Final = "    "


def lines(program: str, connections: Iterable[dict[str, Any]], wide: int) -> Iterable[str]:
    """Yield the lines about one program: *program*, a heading, and its *connections*.

    *wide*: columns for what is below the first line of a connection.
    """
    yield program
    yield _row(_HEADING)
    for each in connections:
        unread, unsent = octets(each["unread"]), octets(each["unsent"])
        yield _row((each["state"], unread, unsent, local(each), peer(each)))
        kept = (words.replace(" ", "\xa0") for words in _doing(each))  # each in one line
        for line in textwrap.wrap("; ".join(kept), wide - len(_INDENT), break_on_hyphens=False):
            yield _INDENT + line.replace("\xa0", " ")


def own(connections: list[dict[str, Any]]) -> str:
    """Return the text about the connections of this very program, of many the busiest."""
    count = len(connections)
    title = f"{count} connection{'s'[: count != 1]}"
    if count > OWN_MAX:
        title += f", of which these {OWN_MAX} have carried most; rudp ss has all"
        connections.sort(key=lambda of: of["bytes_acked"] + of["bytes_received"], reverse=True)
    return "\n".join(lines(title, connections[:OWN_MAX], COLUMNS))


def name(program: dict[str, Any]) -> str:
    """Return what is said of a program."""
    others = [
        f"{program[key]} {words}"
        for key, words in (("half_open", "half-open"), ("time_wait", "in TIME-WAIT"))
        if program[key]
    ]
    count = program["connections"]
    listed = ", ".join([f"{count} connection{'s'[: count != 1]}", *others])
    return f"{program['program']} ({program['pid']}): {listed}"


def local(connection: dict[str, Any]) -> str:
    """Return our address; the TCP port too, where it is not the UDP port's number."""
    return _with_port(connection["local"], connection["local_port"])


def peer(connection: dict[str, Any]) -> str:
    """Return the peer's address in the same form."""
    return _with_port(connection["peer"], connection["remote_port"])


def _with_port(address: str, port: int) -> str:
    return address if address.endswith(f":{port}") else f"{address}/{port}"


def held_back(connection: dict[str, Any]) -> str:
    """Return what holds the sender back, in words."""
    return {
        "app": "nothing to send",
        "rwnd": "waits for the peer's window",
        "cwnd": "waits for the congestion window",
    }.get(connection["held_back_by"], "")


def _doing(of: dict[str, Any]) -> Iterable[str]:
    yield str(of["congestion"]).lower()
    if of["srtt"] is not None:
        yield f"rtt {seconds(of['srtt'])} ± {seconds(of['rttvar'] or 0.0)}"
    yield f"rto {seconds(of['rto'])}"
    yield f"mss {of['mss']}"
    yield f"cwnd {octets(of['cwnd'])}"
    yield f"in flight {octets(of['in_flight'])}"
    yield f"windows {octets(of['snd_wnd'])} / {octets(of['rcv_wnd'])}"
    yield f"sent {octets(of['bytes_sent'])}, acked {octets(of['bytes_acked'])}"
    yield f"received {octets(of['bytes_received'])}"
    yield f"segments {of['segments_out']} / {of['segments_in']}"
    yield f"resent {octets(of['resent'])}"
    if of["lost_total"]:
        yield f"lost {octets(of['lost_total'])}"
    for key, words in (("delivery_rate", "delivery"), ("pacing_rate", "pacing")):
        if of[key] is not None:
            yield f"{words} {rate(of[key])}"
    yield f"age {seconds(of['age'])}"
    if of["backoffs"]:
        yield f"time-outs in a row {of['backoffs']}"
    if of["key_ids"] is not None:
        yield f"keys {of['key_ids'][0]} / {of['key_ids'][1]}"
    if of["ecn"]:
        yield f"ecn, {of['ce_received']} marked"
    yield held_back(of)
    if of["soft_error"]:
        yield f"trouble: {of['soft_error']}"


def rate(octets_a_second: float) -> str:
    """Return ``12.3 Mbit/s``."""
    return f"{octets_a_second * 8 / 1e6:.1f} Mbit/s"


def _row(texts: Iterable[str]) -> str:
    return "  ".join(
        text.rjust(width) if width > 0 else text.ljust(-width)
        for text, width in zip(texts, _WIDTHS, strict=True)
    ).rstrip()
