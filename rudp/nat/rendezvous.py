"""The server through which two peers find each other: it tells each where the other was seen.

A room is a name that two have agreed on, and that nobody else knows; not even the server does, for
what it is told is a digest.  When two are in a room it tells both, and what they say to each other
then does not pass it, unless it was allowed to relay.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Iterable
from typing import Any, Final, Self

from rudp.aio.delivery import reset
from rudp.aio.registry import registry_of
from rudp.aio.server import Server
from rudp.aio.streams import start_server
from rudp.config import Config
from rudp.core.watch.tracer import Tracer
from rudp.nat import words
from rudp.nat.endpoint import NatEndpoint
from rudp.nat.rates import Rates
from rudp.nat.relay import Relay
from rudp.nat.words import Offer, WordsError

PORT: Final = 7478
"""The UDP port of a rendezvous, unless another is chosen."""

WORDS_TIME: Final = 10.0
"""Seconds in which a peer says what is expected of it."""

STAY: Final = 60.0
"""Seconds for which two may stay in a room after they were told of each other."""

JOINS_EACH: Final = 10.0
JOINS_TOTAL: Final = 500.0
"""Peers a second, of one host and of all."""

STUN_EACH: Final = 20.0
STUN_TOTAL: Final = 2000.0
"""Questions a second, likewise: an answer has a few octets more than its question."""

_CONFIG: Final = Config(
    keepalive=25.0,
    keepalive_count=3,
    user_timeout=30.0,
    receive_buffer=16 * 1024,
    receive_buffer_max=16 * 1024,
)
"""For peers that say little, and may be gone without a word."""

logger: Final = logging.getLogger("rudp.rendezvous")


class _Seat:
    """One peer in a room; ``told`` is done when it knows the other, or that there is none."""

    def __init__(self, loop: asyncio.AbstractEventLoop, host: str, local: str) -> None:
        self.host = host
        self.local = local
        self.offer: Offer | None = None
        self.told: asyncio.Future[dict[str, Any]] = loop.create_future()


@dataclasses.dataclass
class _Room:
    """Who is in a room; *met*: they know each other."""

    seats: list[_Seat] = dataclasses.field(default_factory=list)
    met: bool = False


class Rendezvous:
    """A rendezvous that serves; made by :func:`start_rendezvous`.

    ``async with`` closes it at the end.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        rooms: frozenset[str] | None,
        relay: bool,
        peers_max: int,
        relays_max: int,
        relay_rate: float,
        wait: float,
    ) -> None:
        self.server: Server
        self._loop = loop
        self._known = rooms
        self._relay = relay
        self._peers_max = peers_max
        self._relays_max = relays_max
        self._relay_rate = relay_rate
        self._wait = wait
        self._rooms: dict[str, _Room] = {}
        self._relays: set[Relay] = set()
        self._stun: dict[str, NatEndpoint] = {}
        self._joins = Rates(JOINS_EACH, JOINS_TOTAL)
        self._questions = Rates(STUN_EACH, STUN_TOTAL)
        self._present: set[asyncio.BaseTransport] = set()
        self._counts = dict.fromkeys(("peers", "meetings", "refused", "questions", "relayed"), 0)

    @property
    def sockets(self) -> tuple[Any, ...]:
        """The UDP sockets that peers connect to; empty once it is closed."""
        return self.server.sockets

    def stats(self) -> dict[str, int]:
        """Return how many there are now of ``rooms``, ``present`` peers and ``relays``.

        And how many there were: ``peers``, ``meetings`` of two, peers that were ``refused``,
        ``questions`` of STUN, and octets ``relayed``.
        """
        now = {
            "rooms": len(self._rooms),
            "present": len(self._present),
            "relays": len(self._relays),
        }
        carried = sum(relay.carried for relay in self._relays)
        return now | self._counts | {"relayed": self._counts["relayed"] + carried}

    def close(self) -> None:
        """Serve no more; who waits in a room is told so by a reset."""
        if self.server.is_serving():
            self.server.close()
            for transport in list(self._present):
                reset(transport)
            for endpoint in self._stun.values():
                endpoint.release(int(endpoint.sockname[1]))
            for relay in list(self._relays):
                relay.close()

    async def wait_closed(self) -> None:
        """Wait until it is closed and the last peer is gone."""
        await self.server.wait_closed()

    async def serve_forever(self) -> None:
        """Serve until cancelled, and close."""
        try:
            await self.server.serve_forever()
        finally:
            self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()
        await self.wait_closed()

    # -- inside ----------------------------------------------------------------------------------

    async def open(
        self, host: str | None, port: int, stun_port: int, config: Config, tracer: Tracer | None
    ) -> None:
        """Bind all sockets.  Raises :class:`OSError`."""
        self.server = await start_server(
            self._serve, host, port, limit=words.LINE_MAX, config=config, tracer=tracer
        )
        try:
            for sock in self.server.sockets:
                local = (sock.getsockname()[0], stun_port, *sock.getsockname()[2:])
                endpoint = await registry_of(self._loop).bound(
                    config, int(sock.family), local, NatEndpoint
                )
                endpoint.claim(int(endpoint.sockname[1]), shares=False)
                self._stun[str(local[0])] = endpoint
                endpoint.answers = self._may_ask
        except BaseException:
            self.close()
            raise

    def _may_ask(self, host: str) -> bool:
        allowed = self._questions.allows(host, self._loop.time())
        self._counts["questions"] += allowed
        return allowed

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one peer, from its first word until it leaves."""
        seen = words.spelled(writer.get_extra_info("udp_peername"))
        self._counts["peers"] += 1
        self._present.add(writer.transport)
        try:
            if len(self._present) > self._peers_max:
                raise _RefusalError("busy", "too many peers are here")
            if not self._joins.allows(seen[0], self._loop.time()):
                raise _RefusalError(
                    "busy", "too many have come from where you are; try again later"
                )
            await self._meet(reader, writer, seen)
        except _RefusalError as refusal:
            self._counts["refused"] += 1
            logger.info("%s:%d: %s", *seen, refusal)
            words.say(writer, error=refusal.code, text=str(refusal))
        except WordsError as error:
            self._counts["refused"] += 1
            logger.info("%s:%d makes no sense: %s", *seen, error)
            words.say(writer, error="malformed", text=f"what you say makes no sense: {error}")
        except (OSError, EOFError):
            pass  # it has left, or says nothing
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._present.discard(writer.transport)

    async def _meet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: list[Any]
    ) -> None:
        async with asyncio.timeout(WORDS_TIME):
            said = await words.hear(reader)
        if words.field(said, "rudp", int) != words.VERSION:
            raise _RefusalError("version", f"this rendezvous speaks version {words.VERSION}")
        name = words.hexadecimal(said.get("room"), 32)
        if self._known is not None and name not in self._known:
            raise _RefusalError("unknown", "there is no such room here")
        stun = self._stun[str(writer.get_extra_info("endpoint").sockname[0])]
        room = self._rooms.setdefault(name, _Room())
        if len(room.seats) >= 2:
            raise _RefusalError("full", "there are two in this room already")
        # A relay has to speak from the address that the peer has spoken to.
        seat = _Seat(self._loop, seen[0], str(writer.get_extra_info("sockname")[0]))
        room.seats.append(seat)
        try:
            words.say(writer, seen=seen, stun=int(stun.sockname[1]), relay=self._relay)
            async with asyncio.timeout(WORDS_TIME):
                seat.offer = Offer.read(await words.hear(reader))
            if len(room.seats) == 2 and all(each.offer is not None for each in room.seats):
                await self._introduce(room)
            await self._hold(reader, writer, seat)
        finally:
            self._leave(name, room, seat)

    async def _hold(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seat: _Seat
    ) -> None:
        """Keep a peer that waits, tell it of the other, and let both be busy with each other."""
        gone = self._loop.create_task(_until_gone(reader))
        try:
            either: list[asyncio.Future[Any]] = [gone, seat.told]
            await asyncio.wait(either, timeout=self._wait, return_when=asyncio.FIRST_COMPLETED)
            if seat.told.done():
                words.say(writer, **seat.told.result())
                await asyncio.wait([gone], timeout=STAY)
            elif not gone.done():
                raise _RefusalError("alone", f"nobody else has come in {self._wait:g} s")
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _introduce(self, room: _Room) -> None:
        """Tell two of each other."""
        room.met = True
        first, second = room.seats
        assert first.offer is not None
        assert second.offer is not None
        ports = await self._relayed(first, second)
        secret = registry_of(self._loop).chance.randbytes(words.SECRET_SIZE).hex()
        self._counts["meetings"] += 1
        for number, (seat, other) in enumerate(((first, second), (second, first))):
            offer = other.offer
            assert offer is not None
            told = {"peer": offer.said(), "secret": secret, "first": not number}
            if ports is not None:
                told["relay"] = ports[number]
            if not seat.told.done():
                seat.told.set_result(told)

    async def _relayed(self, first: _Seat, second: _Seat) -> tuple[int, int] | None:
        """Return a port for each, if both want to be relayed and may."""
        assert first.offer is not None
        assert second.offer is not None
        wanted = self._relay and first.offer.relay and second.offer.relay
        if not wanted or len(self._relays) >= self._relays_max:
            return None
        relay = Relay(self._loop, self._relay_rate, self._relay_ended)
        self._relays.add(relay)
        try:
            return await relay.open(((first.local, first.host), (second.local, second.host)))
        except OSError as error:
            self._relays.discard(relay)
            logger.warning("no relay: %s", error)
            return None

    def _relay_ended(self, relay: Relay) -> None:
        self._relays.discard(relay)
        self._counts["relayed"] += relay.carried

    def _leave(self, name: str, room: _Room, seat: _Seat) -> None:
        """One is gone; if the two had met, the room is free for the next."""
        room.seats.remove(seat)
        if (room.met or not room.seats) and self._rooms.get(name) is room:
            del self._rooms[name]


class _RefusalError(Exception):
    """A peer is not served; *code* says why in a word."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


async def _until_gone(reader: asyncio.StreamReader) -> None:
    """Return when the peer has left; what it says meanwhile is not heard."""
    try:
        while await reader.read(words.LINE_MAX):
            pass
    except OSError:
        pass


async def start_rendezvous(
    host: str | None = None,
    port: int = PORT,
    *,
    rooms: Iterable[str] | None = None,
    relay: bool = False,
    stun_port: int = 0,
    peers_max: int = 1000,
    relays_max: int = 100,
    relay_rate: float = 1024 * 1024,
    wait: float = 3600.0,
    config: Config | None = None,
    tracer: Tracer | None = None,
) -> Rendezvous:
    """Serve peers that :func:`punch` with ``rendezvous=``; return a :class:`Rendezvous`.

    *host*, *port*: where to listen, None for all interfaces.  *rooms*: the names of the rooms that
    there are; None for any.  *stun_port*: a second port, which answers binding requests of STUN, 0
    for any; peers are told its number.

    *relay*: whether to carry the datagrams of two that find no way, at most *relays_max* pairs with
    *relay_rate* octets a second each.  *peers_max*: how many may be here at once; ten a second may
    come from one host.  *wait*: seconds for which one may wait in a room for the other.

    Raises :class:`OSError` with EADDRINUSE if an address is taken.
    """
    loop = asyncio.get_running_loop()
    known = None if rooms is None else frozenset(words.room_id(name) for name in rooms)
    config = config or _CONFIG
    rendezvous = Rendezvous(loop, known, relay, peers_max, relays_max, relay_rate, wait)
    await rendezvous.open(host, port, stun_port, config, tracer)
    return rendezvous
