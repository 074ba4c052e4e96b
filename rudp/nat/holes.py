"""Punching: from each of our sockets to each address of the peer, until one is through.

A NAT lets in what looks like an answer.  Both sides send to each other at the same time, so each
datagram looks like the answer to one of the other side, and two SYNs that cross become one
connection (RFC 9293 §3.5).  Before each open goes a datagram that dies on its way, after a few
hops: it opens our NAT for the peer, and does not reach the peer's, some of which take a datagram
that comes too early for one of a conversation of their own, and then give the peer another port.
A peer may come from a port that nobody has told of, since his NAT gives each destination one of its
own; so who speaks to our inner port first is heard as well.
"""

import asyncio
import errno
import functools
import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from rudp.aio.endpoint import Sink
from rudp.aio.registry import registry_of
from rudp.aio.transport import Transport
from rudp.config import Config
from rudp.core.demux.listener import Listener
from rudp.core.life.connection import Connection
from rudp.core.segment.addresses import name_of
from rudp.core.segment.transmit import Address
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Tracer
from rudp.nat import stun
from rudp.nat.endpoint import NatEndpoint
from rudp.nat.greeting import CHOSEN, HELLO_SIZE, NONCE, Greeting, Role, hello, read_hello

logger: Final = logging.getLogger("rudp.punch")

OPENER_TTL: Final = 2
"""Hops of the datagram that opens our NAT: past it, and not to the peer's."""

LEAD: Final = 0.1
"""Seconds from that datagram to the open, where both sides are told in one moment to begin."""

LEAD_ALONE: Final = 0.5
"""The same where nobody tells them: whoever begins later than this finds a NAT that may have taken
the other's open for its own, if it is one of the kind that answers strays."""

AGAIN: Final = 0.5
"""Seconds from the end of an open that failed to the next."""

RELAYED: Final = "relayed"
"""The kind of an address that leads through a relay."""

GREETINGS_MAX: Final = 32
"""Connections of strangers on which a hello is waited for; for one more the oldest is reset."""


_MISFITS: Final[defaultdict[tuple[int, int], str]] = defaultdict(
    lambda: "the peer is to be something in TLS that is not known here",
    {
        (Role.NONE, Role.CLIENT): "the peer wants TLS, and there is no ssl= here",
        (Role.NONE, Role.SERVER): "the peer wants TLS, and there is no ssl= here",
        (Role.CLIENT, Role.NONE): "TLS is wanted here, and the peer has none",
        (Role.SERVER, Role.NONE): "TLS is wanted here, and the peer has none",
        (Role.CLIENT, Role.CLIENT): "both sides are TLS clients: one needs server_side=True",
        (Role.SERVER, Role.SERVER): "both sides are TLS servers: one needs server_side=False",
    },
)


class Pair(NamedTuple):
    """One of our sockets, and an address at which the peer may be.

    *inner_port*: the TCP port there.  *kind*: what the address is, in a word.  *lead*: seconds from
    the datagram that opens our NAT to the open.  *delay*: seconds after which it is tried.
    """

    endpoint: NatEndpoint
    remote: Address
    inner_port: int
    kind: str
    lead: float = 0.0
    delay: float = 0.0

    def __str__(self) -> str:
        return f"{name_of(self.remote)} ({self.kind})"


class Holes:
    """One punch: the connections that are tried, and the one that is taken.

    *inner_port*: our TCP port on each of the endpoints, which are kept open until :meth:`close`.
    *role*: what we are in TLS.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, inner_port: int, config: Config, role: Role
    ) -> None:
        self.failures: dict[Pair, OSError] = {}
        self._tried: dict[Pair, None] = {}
        self._loop = loop
        self._inner_port = inner_port
        self._config = config
        self._role = role
        self._tracer: Tracer | None = None
        self._nonce = registry_of(loop).chance.randbytes(NONCE)
        self._secret: bytes | None = None
        self._kinds: dict[Address, str] = {}
        self._listeners: list[tuple[NatEndpoint, Listener]] = []
        self._greetings: dict[Greeting, None] = {}
        self._strangers: dict[Greeting, None] = {}  # of these, who came and has not said hello
        self._early: list[tuple[Greeting, bytes]] = []
        self._taken: asyncio.Future[tuple[Transport, str]] = loop.create_future()
        self._misfit: asyncio.Future[OSError] = loop.create_future()
        self._handed_over = False

    def watch(self, tracer: Tracer | None, ours: Sequence[tuple[str, int, str]]) -> None:
        """Tell *tracer* what goes on; *ours*: our own addresses, with their kinds."""
        self._tracer = tracer
        for endpoint, listener in self._listeners:
            listener.tracer = tracer
            if tracer is not None:
                tracer.bound_to(endpoint.sockname)
        if tracer is not None:
            for host, port, kind in ours:
                tracer.candidate_found(True, (host, port), kind, self._loop.time())

    def add(self, endpoint: NatEndpoint) -> None:
        """Hear who speaks to us first at *endpoint*, from now on."""
        endpoint.claim(self._inner_port, shares=False)
        try:
            listener = endpoint.listen(
                self._inner_port,
                functools.partial(self._accept, endpoint),
                backlog=GREETINGS_MAX,
                config=self._config,
                tracer=self._tracer,
            )
        except BaseException:
            endpoint.release(self._inner_port)
            raise
        self._listeners.append((endpoint, listener))

    async def punch(self, pairs: Sequence[Pair], secret: bytes) -> tuple[Transport, str]:
        """Return the connection that both sides take, and what it leads to.

        *secret*: what both sides know, and nobody else who might come by.  It tries until it is
        cancelled; why a pair has failed is in ``failures``.  Nothing is read from the connection.
        Raises :class:`OSError` with EPROTO if both would be the same in TLS.
        """
        self._secret = secret
        tracer = self._tracer
        if tracer is not None:
            for pair in pairs:
                tracer.candidate_found(False, pair.remote, pair.kind, self._loop.time())
        self._kinds = {pair.remote: pair.kind for pair in pairs}
        for endpoint, _ in self._listeners:
            endpoint.punching = True
        for greeting in list(self._greetings):
            self._say_hello(greeting)
        for early in self._early:
            self._heard(*early)
        tasks = [self._loop.create_task(self._try(pair)) for pair in pairs]
        try:
            taken = await self._wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._handed_over = True
        if tracer is not None:
            transport, kind = taken
            peer = transport.get_extra_info("udp_peername")
            self._tell(peer, kind, Why.PAIR_WON)
            for pair in self._tried:
                if pair.remote != peer:
                    self._tell(pair.remote, pair.kind, Why.PAIR_ABORTED)
            tracer.punch_ended(kind, "", self._loop.time())
        return taken

    def give_up(self, verdict: str) -> None:
        """No way was found; *verdict*: what is known of the NATs, in words."""
        if self._tracer is not None:
            self._tracer.punch_ended(None, verdict, self._loop.time())

    def _tell(self, address: Address, kind: str, why: Why, trouble: str | None = None) -> None:
        if self._tracer is not None:
            self._tracer.pair_changed(address, kind, why, trouble, self._loop.time())

    async def _wait(self, tasks: "list[asyncio.Task[None]]") -> tuple[Transport, str]:
        """Return what is taken; raise what is no fault of the path."""
        everything: list[asyncio.Future[Any]] = [self._taken, self._misfit, *tasks]
        await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        if self._misfit.done():
            raise self._misfit.result()
        for task in tasks:
            if task.done() and not self._taken.done():
                task.result()
        return await self._taken

    def close(self) -> None:
        """Reset all that was not taken, and leave the sockets."""
        if not self._taken.done():
            self._taken.cancel()
        elif not self._handed_over:  # we were cancelled in that very moment
            self._taken.result()[0].reset()
        for greeting in list(self._greetings):
            self._forget(greeting)
        for endpoint, listener in self._listeners:
            endpoint.punching = False
            endpoint.unlisten(listener)
            endpoint.release(self._inner_port)
        self._listeners.clear()

    # -- one pair --------------------------------------------------------------------------------

    async def _try(self, pair: Pair) -> None:
        """Open a connection to the address of *pair* again and again."""
        await asyncio.sleep(pair.delay)
        while True:
            logger.debug("trying %s", pair)
            self._tried[pair] = None
            is_relayed = pair.kind == RELAYED
            why = Why.PAIR_RELAYED if is_relayed else Why.PAIR_TRIED
            self._tell(pair.remote, pair.kind, why)
            if pair.lead:
                pair.endpoint.toss(stun.indication(), pair.remote, ttl=OPENER_TTL)
                await asyncio.sleep(pair.lead)
            try:
                await self._open(pair)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:  # else the peer has opened it from there
                    self.failures[pair] = error
                    trouble = trouble_of(pair, error)
                    self._tell(pair.remote, pair.kind, Why.PAIR_FAILED, trouble)
                logger.debug("%s: %s", pair, error)
            await asyncio.sleep(AGAIN)

    async def _open(self, pair: Pair) -> None:
        """Open one connection and return when it has ended, unless it is taken.

        Raises :class:`OSError` if it does not open, or is lost.
        """
        waiter: asyncio.Future[None] = self._loop.create_future()
        greeting = self._greeting()

        def sink(connection: Connection) -> Transport:
            return Transport(self._loop, pair.endpoint, connection, greeting, waiter=waiter)

        transport = pair.endpoint.connect(
            pair.remote,
            pair.inner_port,
            sink,
            config=self._config,
            local_port=self._inner_port,
            tracer=self._tracer,
        )
        assert isinstance(transport, Transport)
        try:
            await waiter
            transport.begin()
            ended = await greeting.ended
            if isinstance(ended, OSError):
                raise ended
        finally:
            if not self._is_taken(transport):
                self._forget(greeting)
                transport.reset()

    def _accept(self, endpoint: NatEndpoint, connection: Connection) -> Sink | None:
        """Somebody has opened a connection to our inner port: the peer, from somewhere."""
        if self._taken.done():
            connection.abort(self._loop.time())
            endpoint.touch(connection)
            return None
        if len(self._strangers) >= GREETINGS_MAX:
            self._forget(next(iter(self._strangers)))
        greeting = self._greeting()
        self._strangers[greeting] = None
        return Transport(self._loop, endpoint, connection, greeting)

    # -- which of them ---------------------------------------------------------------------------

    def _greeting(self) -> Greeting:
        return Greeting(self._loop, self._say_hello_if_known, self._heard)

    def _is_taken(self, transport: Transport) -> bool:
        taken = self._taken
        return taken.done() and not taken.cancelled() and taken.result()[0] is transport

    def _say_hello_if_known(self, greeting: Greeting) -> None:
        self._greetings[greeting] = None
        greeting.ended.add_done_callback(lambda _: self._forget(greeting))
        if self._secret is not None:
            self._say_hello(greeting)

    def _say_hello(self, greeting: Greeting) -> None:
        assert self._secret is not None
        greeting.transport.write(hello(self._nonce, self._secret, self._role))

    def _heard(self, greeting: Greeting, said: bytes) -> None:
        """A hello has come, or the word that a connection is taken."""
        if greeting not in self._greetings or self._taken.done():
            return
        if self._secret is None:
            self._early.append((greeting, said))
        elif len(said) != HELLO_SIZE:
            if said == CHOSEN:
                self._take(greeting)
            else:
                self._forget(greeting)
        else:
            theirs, role = read_hello(said, self._secret) or (self._nonce, 0)
            if theirs == self._nonce:  # somebody else, or ourselves
                logger.debug("%r is not the peer", greeting.transport)
                self._forget(greeting)
            elif not self._role.goes_with(role):
                if not self._misfit.done():
                    self._misfit.set_result(OSError(errno.EPROTO, _MISFITS[self._role, role]))
            elif theirs < self._nonce:
                greeting.transport.write(CHOSEN)
                self._take(greeting)
            else:
                self._strangers.pop(greeting, None)  # it is the peer: he may take this one
                greeting.expect(len(CHOSEN))

    def _take(self, greeting: Greeting) -> None:
        transport = greeting.transport
        transport.pause_reading()
        peer = transport.get_extra_info("udp_peername")
        self._taken.set_result((transport, self._kinds.get(peer, "peer-reflexive")))
        del self._greetings[greeting]
        for other in list(self._greetings):
            self._forget(other)

    def _forget(self, greeting: Greeting) -> None:
        """Reset a connection that is not taken."""
        self._strangers.pop(greeting, None)
        if greeting in self._greetings:
            del self._greetings[greeting]
            greeting.transport.reset()


def why_not(pair: Pair, failures: dict[Pair, OSError]) -> str:
    """Return in words what became of *pair*."""
    return f"{pair}: {trouble_of(pair, failures.get(pair))}"


def trouble_of(pair: Pair, failure: OSError | None) -> str:
    """Return in words why *pair* leads nowhere: *failure*, or what the system was told."""
    code = pair.endpoint.obstacles.get(pair.remote)
    if failure is not None and failure.errno != errno.ETIMEDOUT:
        code = failure.errno or code
    return os.strerror(code).lower() if code else "no answer"
