"""A UDP socket for peers behind NATs: STUN beside segments, and no refusal that is believed.

While a hole is punched, what our datagrams meet says nothing about the peer: a router that does not
know him yet answers with ICMP "port unreachable", and a moment later it lets them through.  So such
errors are remembered for the one who explains a failure, and end no open.
"""

import asyncio
import errno
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from rudp.aio.endpoint import Endpoint
from rudp.core.segment.addresses import name_of
from rudp.core.segment.transmit import Address, Transmit
from rudp.core.terms.counters import Count
from rudp.nat import stun

_WRONG: Final = (Count.AO_MISSING, Count.AO_KEY_UNKNOWN, Count.AO_MAC_WRONG)

OBSTACLES_MAX: Final = 64
"""Addresses of which the latest error is remembered."""


class NatEndpoint(Endpoint):
    """An :class:`Endpoint` with one socket that is not connected, for one punch, or for STUN.

    ``punching``: whether errors on the way are only noted, in ``obstacles``, the latest errno
    number by peer.  ``answers``: asked whether a host's question is answered, None for none.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.punching = False
        self.answers: Callable[[str], bool] | None = None
        self.obstacles: OrderedDict[Address, int] = OrderedDict()
        self._asked: dict[bytes, tuple[Address, asyncio.Future[stun.Message]]] = {}

    @property
    def counts_wrong_keys(self) -> bool:
        """Whether segments came that no key of ours has signed, where they should be."""
        counters = self._table.counters
        return any(counters[each] for each in _WRONG)

    def datagrams_received(
        self, data: bytes | memoryview, stride: int, address: Address, local: str, ecn: int = 0
    ) -> bool:
        """Take what is STUN out of what came; segments go the way of all segments."""
        if stride > stun.MESSAGE_MAX or not any(
            data[at + 4 : at + 8] == stun.COOKIE for at in range(0, len(data), stride or 1)
        ):
            return super().datagrams_received(data, stride, address, local, ecn)
        crowded = False
        for at in range(0, len(data), stride):
            datagram = data[at : at + stride]
            message = stun.parse(datagram)
            if message is None:
                size = len(datagram)
                crowded = super().datagrams_received(datagram, size, address, local, ecn)
            else:
                self._heard(message, address, local)
        return crowded

    def icmp_received(
        self, code: int, quote: bytes, address: Address | None, local: str, mtu: int
    ) -> None:
        """Note an error; what a path carries is heeded in any case."""
        question = stun.parse(quote)
        if question is not None:
            self._refused(question.transaction, code)
        elif self.punching and code != errno.EMSGSIZE:
            if address is not None:
                self._note(address, code)
        else:
            super().icmp_received(code, quote, address, local, mtu)

    def toss(
        self, data: bytes, address: Address, *, ttl: int | None = None, local: str = ""
    ) -> None:
        """Send one datagram that is no segment, from host *local*; it may be lost like any."""
        if self.closed or self._port is None or self._blocked:
            return
        size = len(data)
        self._port.send(Transmit((address, local), [data], size, size, 0, ttl))
        self._blocked = not self._port.flush()

    async def ask(self, server: Address, *, rto: float = stun.RTO) -> tuple[str, int]:
        """Return the host and port as which the STUN server at *server* sees this socket.

        It is asked up to 7 times in 39.5 s (RFC 8489 §6.2.1, with *rto* of 0.5 s).  Raises
        :class:`TimeoutError` if it does not answer, :class:`ConnectionRefusedError` if there is
        none, :class:`OSError` with EPROTO if its answer is none.
        """
        transaction, question = stun.request()
        answer: asyncio.Future[stun.Message] = self.loop.create_future()
        self._asked[transaction] = server, answer
        try:
            wait = rto
            for turn in range(1, stun.REQUESTS + 1):
                self.toss(question, server)
                last = turn == stun.REQUESTS
                await asyncio.wait([answer], timeout=stun.LAST_WAIT * rto if last else wait)
                if answer.done():
                    return stun.mapped_address(answer.result())
                wait *= 2
        except stun.StunError as error:
            what = f"the STUN server at {name_of(server)} gives no answer of use: {error}"
            raise OSError(errno.EPROTO, what) from None
        finally:
            del self._asked[transaction]
        raise TimeoutError(errno.ETIMEDOUT, f"the STUN server at {name_of(server)} does not answer")

    def _heard(self, message: stun.Message, address: Address, local: str) -> None:
        """Answer a question; give an answer to the one who has asked, if anybody has."""
        if message.kind == stun.REQUEST:
            if self.answers is not None and self.answers(str(address[0])):
                self.toss(stun.success(message.transaction, address), address, local=local)
            return
        if message.kind not in (stun.SUCCESS, stun.ERROR):
            return
        server, answer = self._asked.get(message.transaction, (None, None))
        if answer is not None and server == address and not answer.done():
            answer.set_result(message)

    def _refused(self, transaction: bytes, code: int) -> None:
        server, answer = self._asked.get(transaction, ((), None))
        if answer is not None and not answer.done():
            what = f"the STUN server at {name_of(server)}: {os.strerror(code)}"
            answer.set_exception(OSError(code, what))

    def _note(self, address: Address, code: int) -> None:
        self.obstacles[address] = code
        self.obstacles.move_to_end(address)
        if len(self.obstacles) > OBSTACLES_MAX:
            self.obstacles.popitem(last=False)
