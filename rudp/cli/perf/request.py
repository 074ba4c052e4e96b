"""What a client asks the server of ``rudp perf`` to take part in, and the words they exchange.

A test has one connection for words, lines of JSON each with one member, and others for octets::

    client                                  server
    {"request": {...}}                      {"token": "..."} or {"error": "..."}
    the token, on each other connection     {"ready": true}
    {"go": true}                            {"sample": {...}}, again and again
                                            {"read": true}, when its reading is over
    {"stop": true}, when all is over here   {"end": {...}}

The octets are zeros and the last of them, on each connection and in each direction, is a one: over
TLS there is no FIN that would end one direction.
"""

import asyncio
import dataclasses
import json
import math
from typing import Any, Final, Literal, Self

from rudp.cli.running import FailedError

LINE_MAX: Final = 16 * 1024
"""Octets of a line."""

PATIENCE: Final = 15.0
"""Seconds for which one side waits for a word of the other that should come at once."""

CONNECTIONS_MAX: Final = 1000
LENGTH_MAX: Final = 16 << 20
SECONDS_MAX: Final = 86_400.0
OCTETS_MAX: Final = 1 << 50
RATE_MAX: Final = 1e13
WINDOW_MIN: Final = 4096
WINDOW_MAX: Final = 1 << 30


class ProtocolError(FailedError):
    """The peer says something else than the protocol lets it say."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A test.  Raises :class:`ValueError` for values outside their ranges.

    *test*: ``"bulk"`` sends as fast as possible *up*, from the client to the server, or *down*, or
    both ways; ``"ping-pong"`` sends messages and waits for each to come back.  *connections*: how
    many do so at once.  *seconds* or, if that is None, *octets* on each connection and in each
    direction say when it is over.  *length*: octets of one write.  *interval*: seconds from one
    sample to the next.  *rate*: bits per second that each connection sends at most, in each
    direction, None for no limit.  *window*: octets of the buffers at both ends, None for those that
    grow.
    """

    test: Literal["bulk", "ping-pong"]
    up: bool
    down: bool
    connections: int
    seconds: float | None
    octets: int | None
    length: int
    interval: float
    rate: float | None = None
    window: int | None = None

    def __post_init__(self) -> None:
        """Check what may have come from anywhere."""
        if self.test not in ("bulk", "ping-pong"):
            raise ValueError("test must be bulk or ping-pong")
        _flag("up", self.up)
        _flag("down", self.down)
        if not (self.up or self.down):
            raise ValueError("up or down must be true")
        _within("connections", self.connections, 1, CONNECTIONS_MAX, whole=True)
        _within("length", self.length, 1, LENGTH_MAX, whole=True)
        _within("interval", self.interval, 0.1, SECONDS_MAX)
        if self.rate is not None:
            _within("rate", self.rate, 1, RATE_MAX)
        if self.window is not None:
            _within("window", self.window, WINDOW_MIN, WINDOW_MAX, whole=True)
        if (self.seconds is None) is (self.octets is None):
            raise ValueError("either seconds or octets must be given")
        if self.seconds is not None:
            _within("seconds", self.seconds, 0.001, SECONDS_MAX)
        else:
            _within("octets", self.octets, 1, OCTETS_MAX, whole=True)

    @classmethod
    def of(cls, fields: Any) -> Self:
        """Make one of what came as JSON.  Raises :class:`ValueError`."""
        try:
            return cls(**fields)
        except TypeError:
            raise ValueError("the request has other members than it should have") from None


def _flag(name: str, value: Any) -> None:
    if type(value) is not bool:
        raise ValueError(f"{name} must be true or false")


def _within(name: str, value: Any, low: float, high: float, *, whole: bool = False) -> None:
    kinds = (int,) if whole else (int, float)
    if type(value) not in kinds or not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}")


async def tell(writer: asyncio.StreamWriter, word: str, value: Any = True) -> None:
    """Say one word with a value."""
    writer.write(json.dumps({word: value}).encode() + b"\n")
    await writer.drain()


async def hear(reader: asyncio.StreamReader) -> tuple[str, Any]:
    """Return the next word and its value.

    Raises :class:`ConnectionError` at the end of the stream and :class:`ProtocolError` if it is no
    word.
    """
    return parse(await read_line(reader))


async def read_line(reader: asyncio.StreamReader) -> bytes:
    """Return a line.  Raises as :func:`hear` does."""
    try:
        line = await reader.readline()
    except ValueError:
        raise ProtocolError("the peer sends something else than lines") from None
    if not line.endswith(b"\n"):
        raise ConnectionError("the peer has ended the connection")
    return line


def parse(line: bytes) -> tuple[str, Any]:
    """Return the word and the value that *line* consists of.  Raises :class:`ProtocolError`."""
    try:
        ((word, value),) = json.loads(line).items()
    except (ValueError, AttributeError):
        raise ProtocolError("the peer does not speak as rudp perf does") from None
    return word, value
