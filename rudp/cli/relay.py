"""``rudp relay``: every connection to one address is carried on to another, over TCP or rudp.

One relay at each end of a bad path lets programs that know only TCP cross it with rudp::

    client - TCP -> relay tcp://:8080 rudp://far:7000 - rudp -> relay rudp://:7000 tcp://:80 - TCP

Where both ends are behind NATs, ``punch`` takes the place of the rudp address on either side: for
each connection the two relays meet in a room.
"""

import argparse
import asyncio
import errno
import functools
import random
from collections.abc import Callable
from typing import Any, Final

import rudp
from rudp.cli import address, arguments, metrics, output, recording, running, service, settings
from rudp.cli.address import Address
from rudp.cli.service import Listening
from rudp.cli.splice import Leg, Pair
from rudp.trace.words import octets

STATUS_INTERVAL: Final = 0.5

PUNCH: Final = "punch"
"""What stands for an address where the two relays punch."""

AGAIN: Final = 2.0
"""Seconds after a meeting that failed until the next."""

DELIVERY: Final = 5.0
"""Seconds that a relay which ends takes to deliver what it has taken."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "relay",
        help="carry connections on, from TCP to rudp and from rudp to TCP",
        description="Carry each connection to LISTEN on to TARGET, until Ctrl-C or SIGTERM. "
        f"Addresses are {address.FORM}; without HOST, LISTEN means all addresses of this machine. "
        "It may be the word systemd: then the sockets are those that a supervisor hands over. "
        "With --punch one of the two is the word punch.",
    )
    parser.add_argument("listen", type=_or_punch(service.to_listen), metavar="LISTEN")
    parser.add_argument("target", type=_or_punch(Address.to_connect), metavar="TARGET")
    parser.add_argument(
        "--max-connections",
        type=arguments.count(1, 60_000),
        default=1000,
        metavar="N",
        help="reset what comes beyond this number (default: 1000)",
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="say of each connection how it ended"
    )
    metrics.add_options(parser)
    running.add_options(parser)
    service.add_options(parser)
    settings.add_options(parser, connects=True)
    settings.add_punch_options(parser)
    settings.add_tls_options(parser, passes_on=True)
    recording.add_options(parser)
    parser.set_defaults(run=functools.partial(run, parser))


def _or_punch(parse: Callable[[str], Address]) -> Callable[[str], Address]:
    """Return *parse* for argparse, for the word punch as well."""

    def address_or_punch(text: str) -> Address:
        return Address("rudp", PUNCH, 0) if text == PUNCH else parse(text)

    return address_or_punch


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run the command."""
    punching = settings.punching(parser, options)
    punched = [each for each in (options.listen, options.target) if each.host == PUNCH]
    if len(punched) != (punching is not None):
        parser.error("--punch is for one of LISTEN and TARGET, which then is the word punch")
    context, tls = settings.tls(
        parser,
        options,
        listens=options.listen.scheme == "rudp",
        connects=options.target.scheme == "rudp",
    )
    if punching is not None and options.listen.host == PUNCH:  # who waits for peers is their server
        punching |= settings.punching_tls(parser, context, {})
    elif punching is not None:
        punching |= settings.punching_tls(parser, None, tls)
    sides = {"listen": options.listen, "target": options.target}
    points = [name for name, side in sides.items() if side.scheme == "rudp"]
    with recording.Recording(parser, options, points) as record:
        say = output.make(as_json=options.json, lasting=True)
        relay = Relay(options, punching, tls, say, record)
        serving = metrics.serving(parser, options, lambda: relay.run(context))
        status = running.run(parser, options, serving, serves=True)
    return record.status(status)


class Relay:
    """The pairs of one relay."""

    def __init__(
        self,
        options: argparse.Namespace,
        punching: rudp.PunchOptions | None,
        tls: dict[str, Any],
        say: output.Output,
        record: recording.Recording,
    ) -> None:
        self._options = options
        self._punching: rudp.PunchOptions = punching or {}
        self._config = settings.config(options, heeds_refusals=True)
        self._record = record
        self._tls = tls | record.watching("target")
        punched = record.tracer("listen" if options.listen.host == PUNCH else "target")
        if punching is not None and punched is not None:
            self._punching["tracer"] = punched
        self._say = say
        self._pairs: dict[Pair, asyncio.Task[None]] = {}
        self._peers: dict[Pair, str] = {}
        self._idle = asyncio.Event()
        self._over = False
        self._served = 0
        self._there = 0
        self._back = 0

    async def run(self, context: Any) -> int:
        """Listen, with TLS if there is a *context*, until cancelled.

        If that is by SIGTERM, give the connections the grace to end.  Then deliver what was taken,
        unless cancelled again, and reset what is open.
        """
        options = self._options
        meeting: asyncio.Task[None] | None = None
        listening: Listening | None = None
        if options.listen.host == PUNCH:
            meeting = asyncio.create_task(self._meet())
            self._say.line(f"meeting at {options.rendezvous}, for {options.target}")
            self._say.event("meeting", rendezvous=options.rendezvous, target=str(options.target))
        else:
            listening = await Listening.on(
                options.listen,
                self._accept,
                self._config,
                context,
                reuse_port=options.reuse_port,
                **self._record.watching("listen"),
            )
            target = PUNCH if options.target.host == PUNCH else str(options.target)
            for where in listening.addresses:
                self._say.line(f"listening on {where}, for {target}")
                self._say.event("listening", address=where, target=target)
        service.notify("READY=1")
        delivers = True
        try:
            while True:
                await asyncio.sleep(STATUS_INTERVAL)
                if meeting is not None and meeting.done():
                    meeting.result()
                self._say.status(self._figures())
        except asyncio.CancelledError as ended:
            if service.wants_grace(ended):
                if meeting is not None:
                    meeting.cancel()
                delivers = False  # unless nobody is in a hurry
                await service.drain(listening, options.grace, lambda: not self._pairs)
                delivers = True
            raise
        finally:
            if meeting is not None:
                meeting.cancel()
                await asyncio.gather(meeting, return_exceptions=True)
            try:
                await self._stop(ConnectionAbortedError("the relay was ended"), delivers=delivers)
            finally:
                if listening is not None:
                    listening.close()
                self._say.close()
                self._say.line(self._figures())
                self._say.event(
                    "stopped", connections=self._served, there=self._there, back=self._back
                )

    async def _stop(self, why: OSError, *, delivers: bool) -> None:
        """Take nothing more, deliver what was taken if it *delivers*, and reset."""
        self._over = True
        try:
            if delivers:
                for pair in list(self._pairs):
                    pair.stop(why)
            if delivers and self._pairs:
                self._idle.clear()
                async with asyncio.timeout(DELIVERY):
                    await self._idle.wait()
        except TimeoutError:
            pass
        finally:
            for pair in list(self._pairs):
                pair.cut(why)
            await asyncio.sleep(0)  # they are lost in the next turn of the loop

    def _figures(self) -> str:
        there = self._there + sum(pair.near.received for pair in self._pairs)
        back = self._back + sum(pair.far.received for pair in self._pairs)
        return (
            f"{len(self._pairs)} open, {self._served} carried, "
            f"{octets(there)} there, {octets(back)} back"
        )

    def _accept(self) -> Leg:
        return Pair(self._open, self._ended, self._options.quiet_time).near

    def _open(self, pair: Pair) -> None:
        """Open the other leg of *pair*."""
        if self._over or len(self._pairs) >= self._options.max_connections:
            pair.cut()
            return
        peer = self._peers[pair] = address.name(self._options.listen.scheme, pair.near.transport)
        self._say.event("opened", peer=peer)
        self._pairs[pair] = asyncio.create_task(self._connect(pair))

    async def _connect(self, pair: Pair) -> None:
        target = self._options.target
        try:
            if target.host == PUNCH:
                await self._punch(lambda: pair.far)
            else:
                async with asyncio.timeout(settings.patience(self._options)):
                    await target.connect(lambda: pair.far, self._config, **self._tls)
        except OSError as error:
            name = PUNCH if target.host == PUNCH else target
            self._say.line(f"{self._peers[pair]}: {name}: {running.in_words(error)}")
            pair.cut(error)

    async def _punch(self, factory: Callable[[], Leg]) -> None:
        """Punch; if two are in the room already, wait until they have met."""
        wait = self._options.connect_timeout
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            try:
                await rudp.create_punched(factory, **(self._punching | {"wait": wait}))
                return
            except OSError as error:
                if error.errno != errno.EBUSY or loop.time() > end:
                    raise
            await asyncio.sleep(random.uniform(0.1, 0.3))

    async def _meet(self) -> None:
        """Meet one peer after the other, each for one connection."""
        said = ""
        while True:
            try:
                await rudp.create_punched(self._accept, **(self._punching | {"wait": None}))
                said = ""
            except OSError as error:
                if error.errno == errno.ENOENT:
                    raise
                if error.errno == errno.EBUSY:  # the two before are about to leave the room
                    await asyncio.sleep(0.1)
                    continue
                why = running.in_words(error)
                if why != said:
                    self._say.line(why)
                said = why
                await asyncio.sleep(AGAIN)

    def _ended(self, pair: Pair, error: BaseException | None) -> None:
        connecting = self._pairs.pop(pair, None)
        if connecting is None:
            return  # one too many
        connecting.cancel()
        if not self._pairs:
            self._idle.set()
        peer = self._peers.pop(pair)
        there, back = pair.near.received, pair.far.received
        self._served += 1
        self._there += there
        self._back += back
        reason = running.in_words(error) if error is not None else None
        if self._options.verbose:
            why = f", {reason}" if reason is not None else ""
            self._say.line(f"{peer}: {octets(there)} there, {octets(back)} back{why}")
        self._say.event("closed", peer=peer, there=there, back=back, error=reason)
