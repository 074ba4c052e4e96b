"""UDP on Linux: whole runs in one system call, each way.

``UDP_SEGMENT`` lets one ``sendmsg`` carry up to 64 datagrams as a list of buffers, and ``UDP_GRO``
lets one ``recvmsg`` return as many; a segment then costs a fraction of a system call.  They need
not be of one connection: datagrams of one size to one peer leave together.  Errors come
from the socket's error queue together with the datagram they are about.  A wildcard socket is
told, and tells, which of the host's addresses a datagram belongs to (W-46).  The ECN bits come and
go as control messages too: they differ from one datagram to the next.
"""

import asyncio
import contextlib
import errno
import functools
import secrets
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Final

from rudp.core.segment.transmit import RUN_OCTETS_MAX, Address, Path, Transmit
from rudp.udp.fields import families
from rudp.udp.own import DATAGRAM_MAX, OCTETS_PER_WAKE, OwnSocket, plain
from rudp.udp.port import TRANSIENT, Receiver

try:
    from rudp._lane import Engine
except ImportError:  # it was not compiled, or is not to be used
    Engine = None  # type: ignore[assignment,misc]

# From <linux/udp.h>, <linux/in.h> and <linux/in6.h>; the socket module lacks the names.
SOL_UDP: Final = 17
UDP_SEGMENT: Final = 103
UDP_GRO: Final = 104
IP_PKTINFO: Final = 8
IP_RECVERR: Final = 11
IP_RECVTOS: Final = 13
IPV6_RECVERR: Final = 25
IPV6_RECVPKTINFO: Final = 49
MSG_ERRQUEUE: Final = 0x2000
MSG_TRUNC: Final = int(socket.MSG_TRUNC)  # an IntFlag costs a microsecond for each "&"

READS_PER_WAKE: Final = 16
"""Reads in a row before the loop gets its turn, or fewer once OCTETS_PER_WAKE have come.

Two are enough if they are for several connections: these then answer a few at a time, and the peer
works while the next are read.  Opening 32 at a time is a fifth faster, 100 echoes a tenth slower.
"""

LONE_MAX: Final = 2048
"""Octets of a datagram that may be all there is; a larger one is a piece of something."""

LOOK_AGAIN: Final = 8
"""Of so many wake-ups that each find one datagram one asks whether it was the last.

A datagram that is overlooked is not lost: the loop wakes us again, after it had its turn.  Not to
ask saves nearly two of the four reads of a round trip, 2 to 5 % of its time.
"""

ERRORS_PER_WAKE: Final = 64

ANCILLARY_MAX: Final = 88
"""Octets of control messages that come with a read: a stride, the ECN bits, an IPv6 host."""

GATHERED_MAX: Final = 8
"""Datagrams of several connections that leave in one system call.  64 would cost hardly less for
each, and while they are made the peer has nothing to do: it should work at the same time."""

_INT: Final = struct.Struct("=i")
_GSO: Final = struct.Struct("=H")
_PKTINFO4: Final = struct.Struct("=i4s4s")
_PKTINFO6: Final = struct.Struct("=16sI")
_EXTENDED_ERR: Final = struct.Struct("=IBBBBII")

_IP: Final = socket.IPPROTO_IP
_IPV6: Final = socket.IPPROTO_IPV6
_LOW_OCTET: Final = 0 if sys.byteorder == "little" else 3  # of the int that IPv6 gives; IPv4: one

ECN_BITS: Final = 3
"""The lower two of the eight bits; the others are the DSCP (RFC 3168 §5)."""

_ERRORS: Final = ((_IP, IP_RECVERR), (_IPV6, IPV6_RECVERR))
_RECEIVE_ECN: Final = ((_IP, IP_RECVTOS), (_IPV6, socket.IPV6_RECVTCLASS))
_RECEIVE_HOST: Final = ((_IP, IP_PKTINFO), (_IPV6, IPV6_RECVPKTINFO))
"""Options for IPv4 and for IPv6."""


class LinuxPort(OwnSocket):
    """A non-blocking UDP socket of our own, watched by *loop*.

    *remote*: the address it is connected to, or None.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        receiver: Receiver,
        remote: Address | None,
    ) -> None:
        super().__init__(loop, sock, receiver, remote)
        self._ipv6 = sock.family == socket.AF_INET6
        self._wildcard = remote is None and self.sockname[0] in ("0.0.0.0", "::")
        self._families = families(sock)
        self._buffer = bytearray(DATAGRAM_MAX)
        self._view = memoryview(self._buffer)
        self._gso = True
        self._lone = 0  # wake-ups in a row that found one datagram, and no other as far as seen
        self._gathered: list[Transmit] = []  # datagrams that may leave together
        self._prepare()
        if Engine is not None and isinstance(sock, socket.socket):  # else it is a test's
            self.engine = Engine(
                loop, self, receiver, _clock(loop), sock.fileno(), self._ipv6,
                len(self._families) > 1, self._wildcard, remote, secrets.randbits(64),
            )  # fmt: skip
            self._wake = self.engine.receive
        self._listen()

    def _prepare(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.setsockopt(SOL_UDP, UDP_GRO, 1)
        self.ecn_capable = True
        for ipv6 in self._families:
            self._option(*_ERRORS[ipv6], 1)
            if not self._option(*_RECEIVE_ECN[ipv6], 1):
                self.ecn_capable = False
        if self._wildcard:  # IPv6's option tells of IPv4 too, as ::ffff:1.2.3.4
            self._option(*_RECEIVE_HOST[self._ipv6], 1)

    def _option(self, level: int, name: int, value: int) -> bool:
        """Set an option and return whether that worked: an older kernel does without."""
        try:
            self._sock.setsockopt(level, name, value)
        except OSError:
            return False
        return True

    # -- receiving -------------------------------------------------------------------------------

    def _readable(self) -> None:
        receiver = self._receiver
        sock = self._sock
        buffers = [self._buffer]
        taken = 0
        deaf = True
        lone = self._lone
        for count in range(READS_PER_WAKE):
            try:
                size, ancillary, flags, address = sock.recvmsg_into(buffers, ANCILLARY_MAX)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self.read_errors()
                if self._closed:
                    break
                continue
            deaf = False
            if flags & MSG_TRUNC:
                continue  # M-20; cannot happen with a buffer of the largest size
            stride = size
            local = ""
            ecn = 0
            for level, kind, data in ancillary:
                if level == _IP and kind == socket.IP_TOS:
                    ecn = data[0] & ECN_BITS
                elif level == _IPV6 and kind == socket.IPV6_TCLASS:
                    ecn = data[_LOW_OCTET] & ECN_BITS
                elif level == SOL_UDP and kind == UDP_GRO:
                    (stride,) = _INT.unpack_from(data)
                else:
                    local = _local_host(level, kind, data) or local
            peer = self._remote or plain(address)
            crowded = receiver.datagrams_received(self._view[:size], stride, peer, local, ecn)
            taken += size
            if count or size > stride or size > LONE_MAX:
                self._lone = 0
            else:
                self._lone = lone + 1
                if lone % LOOK_AGAIN:
                    break
            if taken >= OCTETS_PER_WAKE or self._closed or (crowded and count):
                break
        if deaf:  # woken for an error that somebody else has seen already
            self.read_errors()
        receiver.batch_received()

    def read_errors(self) -> bool:
        """Empty the error queue: ICMP messages with the datagrams they quote (ICMP-1).

        Return whether there was one.
        """
        self._listen_again()
        for count in range(ERRORS_PER_WAKE):
            try:
                quote, ancillary, _, address = self._sock.recvmsg(1500, 512, MSG_ERRQUEUE)
            except OSError:
                return count > 0
            code = mtu = 0
            local = ""
            for level, kind, data in ancillary:
                if (level, kind) in _ERRORS and len(data) >= _EXTENDED_ERR.size:
                    code, *_, mtu, _ = _EXTENDED_ERR.unpack_from(data)
                else:
                    local = _local_host(level, kind, data) or local
            if code:
                peer = self._remote or plain(address)
                self._receiver.icmp_received(code, quote, peer, local, mtu)
        return True

    # -- sending ---------------------------------------------------------------------------------

    def send(self, transmit: Transmit) -> bool:
        """Send *transmit*, at the latest with :meth:`flush`; if the socket is full, keep it."""
        if self._closed:
            self._receiver.send_failed(errno.EBADF, transmit)
            return True
        assert not self._kept, "nothing is sent before ready_to_send"
        gathered = self._gathered
        if gathered and not _joins(gathered, transmit):
            self.flush()
        if transmit.total <= transmit.size and self._gso:
            self._gathered.append(transmit)
        else:
            self._try(transmit, transmit.buffers, transmit.total)
        return not self._kept

    def flush(self) -> bool:
        """Send what is gathered; return False if nothing more is taken until ``ready_to_send``."""
        gathered = self._gathered
        if gathered:
            self._gathered = []
            transmit = gathered[0] if len(gathered) == 1 else _join(gathered)
            self._try(transmit, transmit.buffers, transmit.total)
        return not self._kept

    def _try(self, transmit: Transmit, buffers: list[bytes | memoryview], total: int) -> None:
        if self._kept:
            self._keep(transmit, buffers, total)
            return
        if total > transmit.size and not self._gso:
            self._send_singly(transmit, b"".join(buffers))
            return
        try:
            self._sendmsg(transmit, buffers, total)
        except (BlockingIOError, InterruptedError):
            self._keep(transmit, buffers, total)
        except OSError as error:
            if error.errno in (errno.EIO, errno.EINVAL) and total > transmit.size:
                # The device, or the kernel, takes no batches: remember it, and send one by one.
                # But older kernels say the same of a batch whose datagrams are too large, and all
                # of them of any datagram whose source address has gone with its interface.
                self._gso = not self._send_singly(transmit, b"".join(buffers))
                if self.engine is not None:
                    self.engine.gso = self._gso
            else:
                self._failed(error.errno or errno.EIO, transmit)

    def _send_singly(self, transmit: Transmit, whole: bytes) -> bool:
        """Send a run datagram by datagram; return whether some were taken and none refused."""
        for at in range(0, len(whole), transmit.size):
            datagram = whole[at : at + transmit.size]
            try:
                self._sendmsg(transmit, [datagram], len(datagram))
            except (BlockingIOError, InterruptedError):
                self._keep(transmit, [whole[at:]], len(whole) - at)
                return at > 0
            except OSError as error:
                self._failed(error.errno or errno.EIO, transmit)
                if error.errno not in TRANSIENT:
                    return False  # nor will it take the others, which count as lost with it
        return True

    def _sendmsg(self, transmit: Transmit, buffers: list[bytes | memoryview], total: int) -> None:
        try:
            self._sendmsg_once(transmit, buffers, total)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError:
            if not self.read_errors():
                raise
            # It was the answer to an earlier datagram, and perhaps of another peer (UDP-19).
            self._sendmsg_once(transmit, buffers, total)

    def _sendmsg_once(
        self, transmit: Transmit, buffers: list[bytes | memoryview], total: int
    ) -> None:
        if self._fields.apply(transmit.dscp, transmit.ttl) and self.engine is not None:
            self.engine.dscp = transmit.dscp
            self.engine.ttl = -1 if transmit.ttl is None else transmit.ttl
        address, local = transmit.path
        ancillary: list[tuple[int, int, bytes]] = []
        if total > transmit.size:
            ancillary.append((SOL_UDP, UDP_SEGMENT, _GSO.pack(transmit.size)))
        if transmit.ecn:
            octet = transmit.dscp << 2 | transmit.ecn
            ancillary += [_traffic_class(ipv6, octet) for ipv6 in self._families]
        if self._wildcard and local:  # else the socket has one address only
            ancillary.append(_source(self._ipv6, local))
        if self._remote is not None:
            self._sock.sendmsg(buffers, ancillary)
        else:
            self._sock.sendmsg(buffers, ancillary, 0, address)

    def _keep(self, transmit: Transmit, buffers: list[bytes | memoryview], total: int) -> None:
        super()._keep(transmit, buffers, total)
        if self.engine is not None:
            self.engine.blocked = True

    def _ready(self) -> None:
        if self.engine is not None:
            self.engine.blocked = False
            self.engine.wake()
        super()._ready()

    def resend(
        self, path: Path, whole: bytes, size: int, dscp: int, ttl: int | None, ecn: int
    ) -> None:
        """Send what the engine could not, and do what is to be done if it still does not go."""
        transmit = Transmit(path, [whole], size, len(whole), dscp, ttl, ecn)
        self._try(transmit, transmit.buffers, transmit.total)

    def _forget(self) -> None:
        super()._forget()
        self._gathered.clear()
        if self.engine is not None:
            self.engine.close()


def _clock(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Return what tells the time of *loop*, without the way through asyncio's loop to it."""
    if getattr(loop.time, "__func__", None) is asyncio.BaseEventLoop.time:
        return time.monotonic
    return loop.time


def _joins(gathered: list[Transmit], transmit: Transmit) -> bool:
    """Return whether *transmit* is a datagram that may follow *gathered* in one system call."""
    first = gathered[0]
    size = first.total
    return (
        transmit.total == size <= transmit.size  # the system takes all of them, or none
        and len(gathered) < min(GATHERED_MAX, RUN_OCTETS_MAX // size)
        and transmit.path == first.path
        and transmit.ecn == first.ecn
        and transmit.dscp == first.dscp
        and transmit.ttl == first.ttl
    )


def _join(gathered: list[Transmit]) -> Transmit:
    """Return one transmit of all these datagrams."""
    first = gathered[0]
    buffers = [buffer for transmit in gathered for buffer in transmit.buffers]
    total = len(gathered) * first.total
    return Transmit(first.path, buffers, first.total, total, first.dscp, first.ttl, first.ecn)


@functools.lru_cache(maxsize=256)
def _traffic_class(ipv6: bool, octet: int) -> tuple[int, int, bytes]:
    """Return the control message that sets DSCP and ECN of these datagrams."""
    if ipv6:
        return _IPV6, socket.IPV6_TCLASS, _INT.pack(octet)
    return _IP, socket.IP_TOS, _INT.pack(octet)


@functools.lru_cache(maxsize=256)
def _source(ipv6: bool, local: str) -> tuple[int, int, bytes]:
    """Return the control message that makes *local* the source address (W-46)."""
    if ipv6:
        packed = socket.inet_pton(socket.AF_INET6, local)
        return _IPV6, socket.IPV6_PKTINFO, _PKTINFO6.pack(packed, 0)
    packed = socket.inet_pton(socket.AF_INET, local)
    return _IP, IP_PKTINFO, _PKTINFO4.pack(0, packed, bytes(4))


def _local_host(level: int, kind: int, data: bytes) -> str:
    """Return which of our hosts a control message names, "" if it is about something else."""
    if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
        # The address to answer from; with an error, where the ICMP message went to instead.
        chosen = data[4:8] if any(data[4:8]) else data[8:12]
        return socket.inet_ntop(socket.AF_INET, chosen)
    if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
        return socket.inet_ntop(socket.AF_INET6, data[:16])
    return ""
