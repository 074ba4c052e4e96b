"""Packets from the device become datagrams, datagrams become packets: two pumps, no state.

Each pump empties its side as far as a batch goes and returns, which is what ``loop.add_reader``
wants.  Neither ever waits: what the other side does not take at once is lost, as on any network,
and TCP on both ends knows what to do about that.  Everything lost is counted.
"""

import asyncio
import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Final

from rudp.bridge.translate import AddressPlan, Datagram, Drop, Translator

BATCH: Final = 64
"""Packets that one call of a pump moves at most, so that both sides get their turn."""

RECEIVE_SIZE: Final = 65_535
"""Octets: no datagram is longer, so none is cut short (M-20)."""

SOCKET_BUFFER: Final = 4 << 20
"""Octets to ask for, each way; a TCP sends a window at once (BUF-7)."""

_IP_MTU_DISCOVER: Final = 10
_IP_PMTUDISC_PROBE: Final = 3
_IP_RECVERR: Final = 11
_IP_RECVTTL: Final = 12
_IP_RECVTOS: Final = 13
_INT: Final = struct.Struct("=i")
_EXTENDED_ERROR: Final = struct.Struct("=IBBBxII")  # errno, origin, type, code, info, data
_ORIGIN_ICMP: Final = 2
_ANCILLARY_SIZE: Final = 256  # TTL, TOS, and an extended error with the address it came from
_TTL_UNKNOWN: Final = 64


class Bridge:
    """Joins a TUN descriptor and a UDP socket.

    *tun* comes from :func:`~rudp.bridge.tun.open_tun`, *sock* is a bound, unconnected IPv4 socket
    and *peer_host* the IPv4 address all peers share; datagrams from elsewhere are dropped.  The
    caller keeps both descriptors and closes them after the last call.  ``counters`` says how many
    were dropped, by reason.
    """

    def __init__(self, tun: int, sock: socket.socket, plan: AddressPlan, peer_host: str) -> None:
        self.counters: Counter[Drop] = Counter()
        self._tun = tun
        self._sock = sock
        self._peer_host = peer_host
        self._translator = Translator(plan)
        sock.setblocking(False)
        for option, value in (
            # DF, as the kernel's TCP sets it (UDP-5).  It is that TCP which remembers how narrow
            # the path is; our socket must not, or nobody would tell the next connection.
            (_IP_MTU_DISCOVER, _IP_PMTUDISC_PROBE),
            (_IP_RECVERR, 1),
            (_IP_RECVTOS, 1),
            (_IP_RECVTTL, 1),
        ):
            sock.setsockopt(socket.IPPROTO_IP, option, value)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)

    def pump_tun(self) -> None:
        """Pass on what the kernel sent.  Raises OSError when the device is gone."""
        for _ in range(BATCH):
            try:
                packet = os.read(self._tun, RECEIVE_SIZE)
            except BlockingIOError:
                return
            datagram = self._translator.to_datagram(packet)
            if isinstance(datagram, Drop):
                self.counters[datagram] += 1
            else:
                self._send(datagram)

    def pump_socket(self) -> None:
        """Pass on what the peers sent.  Raises OSError when the device is gone."""
        for _ in range(BATCH):
            try:
                segment, ancillary, _, (host, port) = self._sock.recvmsg(
                    RECEIVE_SIZE, _ANCILLARY_SIZE
                )
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error announces itself so; it waits in the error queue
            if host != self._peer_host:
                self.counters[Drop.ADDRESS] += 1
                continue
            tos, ttl = _ip_fields(ancillary)
            packet = self._translator.to_packet(Datagram(segment, port, tos, ttl))
            if isinstance(packet, Drop):
                self.counters[packet] += 1
            else:
                self._write(packet)
        self._pump_errors()

    async def run(self) -> None:
        """Pump until cancelled.  Raises OSError when the device is gone."""
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()

        def guarded(pump: Callable[[], None]) -> None:
            try:
                pump()
            except OSError as error:
                if not gone.done():
                    gone.set_exception(error)

        loop.add_reader(self._tun, guarded, self.pump_tun)
        loop.add_reader(self._sock, guarded, self.pump_socket)
        try:
            await gone
        finally:
            loop.remove_reader(self._tun)
            loop.remove_reader(self._sock)

    def _send(self, datagram: Datagram) -> None:
        segment, port, tos, ttl = datagram
        ancillary = [
            (socket.IPPROTO_IP, socket.IP_TOS, _INT.pack(tos)),
            (socket.IPPROTO_IP, socket.IP_TTL, _INT.pack(ttl)),
        ]
        for _ in range(2):  # the first error may be an ICMP error about another datagram
            try:
                self._sock.sendmsg([segment], ancillary, 0, (self._peer_host, port))
            except BlockingIOError:
                break
            except OSError:
                continue
            return
        # A full queue, no route, too long for the interface: to TCP it is a lost packet.
        self.counters[Drop.UDP_REFUSED] += 1

    def _pump_errors(self) -> None:
        """Pass on what ICMP said about datagrams we sent."""
        for _ in range(BATCH):
            try:
                segment, ancillary, _, (_, port) = self._sock.recvmsg(
                    RECEIVE_SIZE, _ANCILLARY_SIZE, socket.MSG_ERRQUEUE
                )
            except OSError:
                return
            for level, kind, data in ancillary:
                if level == socket.IPPROTO_IP and kind == _IP_RECVERR:
                    self._report(data, segment, port)

    def _report(self, extended_error: bytes, segment: bytes, port: int) -> None:
        _, origin, kind, code, info, _ = _EXTENDED_ERROR.unpack_from(extended_error)
        packet: bytes | Drop = Drop.ICMP
        if origin == _ORIGIN_ICMP:
            packet = self._translator.to_icmp(
                kind, code, info, Datagram(segment, port, 0, _TTL_UNKNOWN)
            )
        if isinstance(packet, Drop):
            self.counters[packet] += 1
        else:
            self._write(packet)

    def _write(self, packet: bytes) -> None:
        try:
            os.write(self._tun, packet)
        except OSError as error:
            if error.errno == errno.EBADFD:
                raise
            self.counters[Drop.TUN_REFUSED] += 1  # the interface is down, or out of buffers


def _ip_fields(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, int]:
    """Return TOS octet and TTL of the datagram that came with *ancillary*."""
    tos, ttl = 0, _TTL_UNKNOWN
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == socket.IP_TOS:
            tos = data[0]
        elif level == socket.IPPROTO_IP and kind == socket.IP_TTL:
            (ttl,) = _INT.unpack(data)
    return tos, ttl
