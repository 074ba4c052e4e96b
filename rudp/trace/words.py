"""Numbers and headers as people read them."""

from rudp.core.segment.ace import FIRST_ACE
from rudp.core.segment.seqnum import to_wire
from rudp.core.segment.wire import FLAG_NAMES
from rudp.core.terms.why import Why
from rudp.trace.events import CandidateFound, PunchEnded, Punching, Segment


def flags(bits: int) -> str:
    """Return control bits in the order in which people say them: ``"SYN,ACK"``, ``"FIN,ACK"``."""
    return ",".join(name for bit, name in reversed(FLAG_NAMES) if bits & bit)


def octets(count: float) -> str:
    """Return a size in words: ``"812 B"``, ``"1.1 MiB"``."""
    units = ["GiB", "MiB", "KiB", "B"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        units.pop()
    return f"{count:.0f} B" if units[-1] == "B" else f"{count:.1f} {units[-1]}"


def segment(header: Segment, *, absolute: bool = False) -> str:
    """Return a header in words; *absolute*: with the sequence numbers of the wire."""
    return forms(header, absolute=absolute)[0]


def forms(header: Segment, *, absolute: bool = False) -> tuple[str, ...]:
    """Return a header in words five times: in full, then with less and less.

    The counter of marks is there if it is not where it began, a router's mark where there is one.
    Left out are first the window, unless it is shut; then what the segment is hardly sent for:
    the acknowledgement beside data, the sequence number of a pure acknowledgement, the MSS, a
    cookie; then control bits that nearly all data have, and SACK; at last how much data there is.
    """
    parts = {
        "flags": header.flags or "none",
        "seq": f"seq={header.wire_seq if absolute else header.seq}",
    }
    if header.ack is not None:
        parts["ack"] = f"ack={header.wire_ack if absolute else header.ack}"
    if header.length:
        parts["len"] = f"len={header.length}"
    parts["win"] = f"win={header.window}"
    if header.mss is not None:
        parts["mss"] = f"mss={header.mss}"
    if header.sack:
        left, right = header.sack[0]
        if absolute:
            start = header.wire_ack - (header.ack or 0)  # what its numbers are counted from
            left, right = to_wire(left + start), to_wire(right + start)
        parts["sack"] = f"sack={left}-{right}"
    if header.key_id is not None:
        wish = "" if header.next_key_id == header.key_id else f"/{header.next_key_id}"
        parts["key"] = f"key={header.key_id}{wish}"
    if header.cookie is not None:
        parts["cookie"] = "cookie?" if header.cookie == "asked" else "cookie"
    if header.path is not None and header.path != "offer":
        parts["path"] = f"path={header.path}"
    if header.ace is not None and header.ace != FIRST_ACE:
        parts["ace"] = f"ace={header.ace}"
    if header.ecn == "CE":
        parts["ecn"] = "CE"
    window = {"win"} if header.window else set()
    less = window | {"mss", "key", "cookie"}
    if header.length:
        less |= {"ack"}
    elif not header.space and header.ack is not None:
        less |= {"seq"}
    is_plain = header.length and header.flags in ("ACK", "PSH,ACK")
    least = less | {"flags" if is_plain else "sack"}
    return tuple(
        " ".join(text for name, text in parts.items() if name not in without)
        for without in (set(), window, less, least, least | {"len"})
    )


def punching(event: Punching) -> str:
    """Return what an end does whose name goes before: ``"tries 192.0.2.1:5000 (mapped)"``."""
    if isinstance(event, PunchEnded):
        if event.candidate is not None:
            return f"has a connection, {event.candidate}"
        return f"finds no way{f': {event.verdict}' if event.verdict else ''}"
    where = f"{event.address} ({event.candidate})"
    if isinstance(event, CandidateFound):
        return f"is at {where}" if event.ours else f"hears of {where}"
    if event.why is Why.PAIR_FAILED:
        return f"does not get through to {where}: {event.trouble or 'no answer'}"
    verbs = {Why.PAIR_WON: "takes", Why.PAIR_ABORTED: "gives up"}
    return f"{verbs.get(event.why, 'tries')} {where}"


def seconds(count: float) -> str:
    """Return a time in words: ``"20 ms"``, ``"1.2 s"``, ``"4 min"``."""
    if count >= 60:
        return f"{count / 60:.3g} min"
    return f"{count:.3g} s" if count >= 1 else f"{count * 1000:.3g} ms"
