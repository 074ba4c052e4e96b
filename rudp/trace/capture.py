"""A capture for Wireshark, made by the end itself: what it sent, what it got, and why.

``"as-tcp"`` leaves the UDP header out and fills in the checksums, so the file opens as plain TCP
with no setting, and every graph that Wireshark has for TCP works.  ``"as-sent"`` shows the
datagrams as they were on the wire; Wireshark must be told that the UDP port carries TCP.  One file
is one vantage point.  Each segment that is sent for anything but new data has a comment that says
why; so has each that came and was dropped.
"""

import functools
import ipaddress
import logging
import struct
from pathlib import Path
from typing import BinaryIO, Final, Literal

from rudp.core.segment.checksum import (
    CHECKSUM_OFFSET,
    internet_checksum,
    pseudo_header,
    tcp_checksum,
)
from rudp.core.segment.transmit import Address, Transmit
from rudp.core.segment.wire import Run
from rudp.core.terms.counters import Count
from rudp.core.terms.state import Cause, State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Tracer, Watched
from rudp.trace import pcapng

logger = logging.getLogger("rudp.trace")

Flavour = Literal["as-tcp", "as-sent"]

BUFFER: Final = 1 << 18
"""Octets that wait to be written while connections are established; else nothing waits."""

LIMIT_MIN: Final = 1 << 20
"""Octets: the least to which a capture can be limited."""

NAMES_MAX: Final = 1024
"""Addresses that are given names."""

_LOCAL: Final = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Where we are if nobody says: addresses for documentation (RFC 5737, RFC 3849)."""

_UNSPECIFIED: Final = ("", "0.0.0.0", "::")

_TCP: Final = 6
_UDP: Final = 17
_HOP_LIMIT: Final = 64

_OBVIOUS: Final = frozenset({Why.NEW_DATA})
"""Reasons that need no comment."""


class Capture(Tracer):
    """A tracer that writes a pcapng file.

    *file*: a path, whose file begins anew, or a binary file that is open for writing.  *flavour*:
    see above.  *name*: the name of the interface, that is of this end; *peer_name*: that of the
    other, "" for none.  *local*: our UDP address, where the connections do not know it.  *epoch*:
    seconds from 1970 to the 0 of the clock that the connections have.  *limit*: octets on the disk,
    1 MiB at least, None for all there is: the file of a path begins anew at half of it, and what
    was in it is then in one beside it whose name has ``.1`` at its end, instead of what was there.

    A path needs no closing: what happens outside ESTABLISHED is written at once, bulk data in
    pieces of 256 KiB; :meth:`flush` writes the rest.  Trouble with the file ends the capture, not
    the connection.  Raises :class:`OSError` if it cannot be begun, :class:`ValueError`.
    """

    __slots__ = (
        "_buffer", "_epoch", "_file", "_flavour", "_hosts", "_identity", "_limit", "_local",
        "_name", "_names", "_peer_name", "_size",
    )  # fmt: skip

    def __init__(
        self,
        file: str | Path | BinaryIO,
        flavour: Flavour = "as-tcp",
        *,
        name: str = "rudp",
        peer_name: str = "",
        local: Address | None = None,
        epoch: float = 0.0,
        limit: int | None = None,
    ) -> None:
        if limit is not None and (limit < LIMIT_MIN or not isinstance(file, str | Path)):
            raise ValueError(f"a limit is {LIMIT_MIN} octets at least, and for a path")
        if flavour not in ("as-tcp", "as-sent"):
            raise ValueError(f"flavour must be 'as-tcp' or 'as-sent', not {flavour!r}")
        if not isinstance(file, str | Path) and not hasattr(file, "write"):
            raise TypeError(f"a capture goes to a path or a file that is open, not to {file!r}")
        self._flavour = flavour
        self._name = name
        self._peer_name = peer_name
        self._epoch = epoch
        self._file: Path | BinaryIO | None = Path(file) if isinstance(file, str) else file
        self._hosts: dict[str, bytes] = {}  # addresses that have their names
        self._local: dict[int, Address] = {}
        self._names: list[tuple[bytes, str]] = []
        self._identity = 0
        self._limit = limit
        self._size = 0
        self._buffer = bytearray()
        if isinstance(self._file, Path):
            self._file.write_bytes(b"")
        if local is not None:
            self.bound_to(local)
        self._buffer += self._head()
        self.flush()

    def bound_to(self, local: Address) -> None:
        """Our UDP address is *local*, for connections of its family that know nothing better."""
        self._local[_family(str(local[0]))] = local

    def flush(self) -> None:
        """Write what waits."""
        if not self._buffer:
            return
        try:
            if isinstance(self._file, Path):
                self._make_room(self._file)
                with self._file.open("ab") as file:
                    file.write(self._buffer)
                self._size += len(self._buffer)
            elif self._file is not None:
                self._file.write(self._buffer)
        except (OSError, ValueError) as error:  # ValueError: somebody has closed it
            logger.warning("the capture %s ends here: %s", self._file, error)
            self._file = None
        self._buffer.clear()

    def _make_room(self, path: Path) -> None:
        """If the file is as long as it may be, begin it anew."""
        if self._limit is None or not self._size:
            return
        if self._size + len(self._buffer) > self._limit // 2:
            path.replace(path.with_name(f"{path.name}.1"))
            names = pcapng.names(self._names) if self._names else b""
            self._buffer[:0] = self._head() + names
            self._size = 0

    def _head(self) -> bytes:
        """Return what a file begins with."""
        about = f"{self._flavour}, by rudp"
        return pcapng.section("rudp") + pcapng.interface(self._name, about)

    # -- what the core tells ---------------------------------------------------------------------

    def run_sent(self, who: Watched, transmit: Transmit, why: Why, now: float) -> None:
        if self._file is None:
            return
        comment = "" if why in _OBVIOUS else f"{why.name}: {why.sentence} ({why.section})"
        traffic_class = transmit.dscp << 2 | transmit.ecn
        for segment in transmit.datagrams():
            self.add(who, now, segment, comment=comment, traffic_class=traffic_class)
        self._written(who)

    def run_processed(self, who: Watched, run: Run, dropped: Count | None, now: float) -> None:
        if self._file is None:
            return
        comment = "" if dropped is None else f"dropped: {dropped.value}"
        for segment in run.datagrams():
            self.add(who, now, segment, inbound=True, comment=comment, traffic_class=run.ecn)
        self._written(who)

    def state_moved(
        self, who: Watched, before: State, after: State, cause: Cause, now: float
    ) -> None:
        self.flush()

    def add(
        self,
        who: Watched,
        now: float,
        segment: bytes,
        *,
        length: int | None = None,
        inbound: bool = False,
        comment: str = "",
        traffic_class: int = 0,
    ) -> None:
        """Write down *segment* of *who*, or what is left of one that was *length* octets long."""
        length = len(segment) if length is None else length
        peer = who.path[0]
        ends = [self._here(who), peer]
        hosts = [self._host(str(ends[0][0]), self._name), self._host(str(peer[0]), self._peer_name)]
        ports = [int(address[1]) for address in ends]
        if inbound:
            hosts.reverse()
            ports.reverse()
        source, destination = hosts
        if self._flavour == "as-tcp":
            if length == len(segment):
                checksum = tcp_checksum(source, destination, segment)
                at = CHECKSUM_OFFSET
                segment = segment[:at] + checksum.to_bytes(2, "big") + segment[at + 2 :]
            protocol, payload, size = _TCP, segment, length
        else:
            protocol, size = _UDP, length + 8
            payload = _udp(source, destination, ports[0] << 16 | ports[1], segment, size)
        self._identity = self._identity + 1 & 0xFFFF
        header = _ip(source, destination, protocol, size, self._identity, traffic_class)
        self._buffer += pcapng.packet(
            self._epoch + now,
            header + payload,
            len(header) + size,
            inbound=inbound,
            comment=comment,
        )

    # -- inside ----------------------------------------------------------------------------------

    def _written(self, who: Watched) -> None:
        if len(self._buffer) > BUFFER or who.state is not State.ESTABLISHED:
            self.flush()

    def _here(self, who: Watched) -> Address:
        """Return our UDP address, as well as it is known."""
        peer, host = who.path
        family = _family(str(peer[0]))
        known = self._local.get(family, (_LOCAL[family], who.ports >> 16))
        if host:
            return host, known[1]
        if known[0] in _UNSPECIFIED:
            return _LOCAL[family], known[1]
        return known

    def _host(self, host: str, name: str) -> bytes:
        """Return the octets of the IP address *host*, which is given *name* the first time."""
        packed = self._hosts.get(host)
        if packed is None:
            packed = _packed(host)
            if name and len(self._hosts) < NAMES_MAX:
                self._hosts[host] = packed
                self._names.append((packed, name))
                self._buffer += pcapng.names([(packed, name)])
        return packed


@functools.lru_cache(maxsize=1024)
def _packed(host: str) -> bytes:
    """Return the octets of an IP address; a simulated network's own name gets one from 10/8."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return b"\x0a" + (int.from_bytes(host.encode(), "big") % (1 << 24)).to_bytes(3, "big")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.packed


def _family(host: str) -> int:
    return 6 if len(_packed(host)) == 16 else 4


def _ip(
    source: bytes, destination: bytes, protocol: int, size: int, identity: int, traffic_class: int
) -> bytes:
    """Return the IP header in front of *size* octets of *protocol*."""
    if len(source) == 16:
        word = 6 << 28 | traffic_class << 20
        return struct.pack("!IHBB16s16s", word, size, protocol, _HOP_LIMIT, source, destination)
    head = struct.pack(
        "!BBHHHBBH4s4s",
        0x45, traffic_class, 20 + size, identity, 0x4000, _HOP_LIMIT, protocol, 0, source,
        destination,
    )  # fmt: skip
    return head[:10] + internet_checksum(head).to_bytes(2, "big") + head[12:]


def _udp(source: bytes, destination: bytes, ports: int, segment: bytes, size: int) -> bytes:
    """Return *segment* behind its UDP header."""
    datagram = struct.pack("!IHH", ports, size, 0) + segment
    if len(datagram) < size:
        return datagram
    covered = bytearray(pseudo_header(source, destination, size))
    covered[9 if len(source) == 4 else 39] = _UDP
    checksum = internet_checksum(bytes(covered) + datagram) or 0xFFFF
    return datagram[:6] + checksum.to_bytes(2, "big") + segment
