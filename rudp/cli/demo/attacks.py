"""Scenarios in which a third party speaks: somebody who guesses, and somebody who reads along.

Segments are forged in the server's name and reach the client, as if they came from the server.
"""

import struct
from typing import Final

import rudp
from rudp.cli.demo.stage import CLIENT_PORT, PORT, Stage
from rudp.trace.events import SegmentSent

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10

MASK: Final = 0xFFFF_FFFF

WINDOW: Final = 256
"""What a forged segment has in its window field."""

RACE: Final = 0.02
"""Seconds between one forgery and the next: less than the client's ACK is delayed, which would tell
the server of octets that it has never sent."""

EVIL: Final = b"BUY 9999 SHARES"

KEY: Final = rudp.MasterKey(secret=b"known to two, and to nobody else")


TIMESTAMPS: Final = (1, 1, 8, 10)
"""Two octets that fill up, the kind of the option and its length (RFC 7323 §3.2)."""


def forged(
    flags: int,
    seq: int,
    ack: int = 0,
    data: bytes = b"",
    *,
    stamps: tuple[int, int] | None = None,
) -> bytes:
    """Return a segment from the server's port to the client's, with timestamps or without."""
    options = b"" if stamps is None else struct.pack("!4BII", *TIMESTAMPS, *stamps)
    return (
        struct.pack(
            "!HHIIHHI",
            PORT,
            CLIENT_PORT,
            seq & MASK,
            ack & MASK,
            (20 + len(options)) // 4 << 12 | flags,
            WINDOW,
            0,
        )
        + options
        + data
    )


def isn(stage: Stage) -> None:
    """Somebody who cannot see the segments sends resets with numbers that he guessed."""
    stage.open()
    stage.wait(0.05)
    _, irs, _, _ = stage.client.connection.initial_numbers
    for guess in (12_345, irs + 30_000):
        stage.forge(forged(RST, guess))
        stage.wait(0.05)
    stage.client.send(300)
    stage.server.read(300)
    stage.wait(0.1)


def blind(stage: Stage) -> None:
    """Somebody who cannot see the segments has guessed a number in the window, and tries it all."""
    stage.open()
    stage.wait(0.05)
    iss, irs, _, _ = stage.client.connection.initial_numbers
    for what, segment in (
        ("a reset inside the window", forged(RST, irs + 30_000)),
        ("a SYN, as if the server began anew", forged(SYN, irs + 30_000)),
        ("an order, with an acknowledgement that is guessed", order(irs + 1, iss + 2**31)),
        ("an end, far outside of the window", forged(FIN | ACK, irs + 2**31, iss + 1)),
    ):
        stage.note(what)
        stage.forge(segment)
        stage.wait(0.05)
    stage.client.send(300)
    stage.server.read(300)
    stage.wait(0.1)


def order(seq: int, ack: int, stamps: tuple[int, int] | None = None) -> bytes:
    """Return data that the client's program should not believe."""
    return forged(PSH | ACK, seq, ack, EVIL, stamps=stamps)


def overheard(stage: Stage) -> None:
    """Somebody who reads along puts his own words into the server's mouth, and then ends it."""
    stage.open()
    stage.server.send(100)
    stage.client.read(100)
    stage.wait(0.1)
    last = [
        event.segment
        for event in stage.log.events
        if isinstance(event, SegmentSent) and event.connection == "server"
    ][-1]
    expected = last.wire_seq + last.length
    stage.note("an order, with the numbers that come next")
    stage.forge(order(expected, last.wire_ack, (last.tsval or 0, last.tsecr or 0)))
    stage.wait(RACE)
    heard = stage.client.connection.readable_octets
    if heard:
        stage.client.read(heard)
        stage.note(f"the client's program has read {EVIL.decode()!r}")
    stage.note("a reset, with the number that comes next")
    stage.forge(forged(RST, expected + heard))
    stage.wait(RACE)
    stage.server.send(100)
    stage.wait(0.1)
