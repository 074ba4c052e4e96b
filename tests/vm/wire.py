"""The guest's link, as a path that loses and marks: Ethernet frames here, IP packets there.

The emulator gives and takes one frame per message of a socket.  The bridge of rudp wants a TUN
device, one packet per message of a descriptor; so another pair of sockets takes its place, and
between the two pairs a packet may be looked at, changed or lost.  The guest does without ARP, and
nobody looks at addresses of Ethernet.
"""

import asyncio
import collections
import contextlib
import dataclasses
import random
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final, Literal

from rudp.bridge.bridge import BATCH, RECEIVE_SIZE, SOCKET_BUFFER
from rudp.core.segment.checksum import internet_checksum

ETHERNET: Final = struct.Struct("!6s6sH")
IPV4: Final = 0x0800
GUEST: Final = bytes.fromhex("525400000001")
"""The address of the guest's card."""

HOST: Final = bytes.fromhex("525400000002")

AO: Final = 29
"""The kind of TCP-AO's option, whose body begins with the KeyID (RFC 5925 §2.2)."""

ECT_0: Final = 0b10
CE: Final = 0b11

MOMENT: Final = 0.05
"""Seconds without a packet after which no answer is under way."""

Way = Literal["in", "out"]
"""Into the guest, or out of it."""


FLAGS: Final = "FSRPAU"
"""From the lowest bit on: FIN, SYN, RST, PSH, ACK, URG."""


@dataclasses.dataclass(frozen=True, slots=True)
class Segment:
    """What a packet of TCP shows on its way.

    *flags* has letters of :data:`FLAGS`; *ace* is AE, CWR and ECE, as digits (RFC 9768 §3.1.1);
    *ecn* the ECN field of IP; *options* their kinds; *key* the KeyID of TCP-AO, -1 without;
    *octets* counts data.
    """

    way: Way
    flags: str
    ace: str
    ecn: int
    options: tuple[int, ...]
    key: int
    octets: int


def segment_of(way: Way, packet: bytes) -> Segment:
    """Return what *packet* shows; it is one that a TCP made."""
    bits = int.from_bytes(packet[32:34], "big")
    end = 20 + (bits >> 12) * 4
    flags = "".join(letter for at, letter in enumerate(FLAGS) if bits >> at & 1)
    found = options_of(packet[40:end])
    key = next((body[0] for kind, body in found if kind == AO), -1)
    kinds = tuple(kind for kind, _ in found)
    return Segment(
        way, flags, f"{bits >> 6 & 7:03b}", packet[1] & CE, kinds, key, len(packet) - end
    )


def options_of(octets: bytes) -> list[tuple[int, bytes]]:
    """Return kind and body of the options in *octets*, without padding."""
    found, at = [], 0
    while at < len(octets) and octets[at]:
        if octets[at] == 1:
            at += 1
        else:
            length = max(2, octets[at + 1])
            found.append((octets[at], octets[at + 2 : at + length]))
            at += length
    return found


def marked(packet: bytes) -> bytes:
    """Return *packet* as a router leaves it that is congested: ECT becomes CE (RFC 3168)."""
    return with_ecn(packet, CE) if packet[1] & CE else packet


def with_ecn(packet: bytes, ecn: int) -> bytes:
    """Return *packet* with other ECN bits in its header."""
    header = bytearray(packet[:20])
    header[1] = header[1] & ~CE | ecn
    header[10:12] = b"\0\0"
    header[10:12] = internet_checksum(bytes(header)).to_bytes(2, "big")
    return bytes(header) + packet[20:]


Judge = Callable[[Segment, bytes], bytes | None]
"""Takes a packet and what it shows, and returns what goes on: nothing, if it is lost."""


class Wire:
    """Joins *frames*, the emulator's socket, and *packets*, the bridge's; both non-blocking.

    ``judge`` sees each packet; ``seen`` keeps the latest ones that it let pass; ``lost`` counts
    what was judged so, or found no room, by way.
    """

    def __init__(self, frames: socket.socket, packets: socket.socket) -> None:
        self.judge: Judge = lambda _, packet: packet
        self.seen: collections.deque[Segment] = collections.deque(maxlen=100_000)
        self.lost: collections.Counter[Way] = collections.Counter()
        self._carried = 0
        self._frames = frames
        self._packets = packets

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Carry packets on the running loop for the time of the block."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._frames, self._outward)
        loop.add_reader(self._packets, self._inward)
        try:
            yield
        finally:
            loop.remove_reader(self._frames)
            loop.remove_reader(self._packets)

    async def quiet(self) -> None:
        """Wait until nothing has passed for a moment: the last words of connections have."""
        self.judge = lambda _, packet: packet
        before = -1
        while before != self._carried:
            before = self._carried
            await asyncio.sleep(MOMENT)

    def _outward(self) -> None:
        for frame in _messages(self._frames):
            if ETHERNET.unpack_from(frame)[2] == IPV4:
                packet = frame[ETHERNET.size :]
                length = int.from_bytes(packet[2:4], "big")  # short frames are padded
                self._carry("out", packet[:length], self._packets, b"")

    def _inward(self) -> None:
        header = ETHERNET.pack(GUEST, HOST, IPV4)
        for packet in _messages(self._packets):
            self._carry("in", packet, self._frames, header)

    def _carry(self, way: Way, packet: bytes, to: socket.socket, header: bytes) -> None:
        self._carried += 1
        if packet[9] == socket.IPPROTO_TCP:  # and not an ICMP error of the bridge's
            segment = segment_of(way, packet)
            passed = self.judge(segment, packet)
            if passed is None:
                self.lost[way] += 1
                return
            packet = passed
            self.seen.append(dataclasses.replace(segment, ecn=packet[1] & CE))
        try:
            to.send(header + packet)
        except BlockingIOError:
            self.lost[way] += 1


def _messages(sock: socket.socket) -> Iterator[bytes]:
    for _ in range(BATCH):
        try:
            yield sock.recv(RECEIVE_SIZE)
        except BlockingIOError:
            return


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two joined sockets that keep messages apart, with room for a window."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
    return ends


def losing(rate: float, seed: int) -> Judge:
    """Lose *rate* of the packets of both ways, 0 to 1."""
    chance = random.Random(seed)
    return lambda _, packet: None if chance.random() < rate else packet


def marking(way: Way, every: int) -> Judge:
    """Mark each *every*-th packet with data on *way*, if it says that it can be marked."""
    count = 0

    def judge(segment: Segment, packet: bytes) -> bytes:
        nonlocal count
        if segment.way == way and segment.octets:
            count += 1
            if count % every == 0:
                return marked(packet)
        return packet

    return judge


def bleaching(way: Way) -> Judge:
    """Clear the ECN field of all packets on *way*."""
    return lambda segment, packet: with_ecn(packet, 0) if segment.way == way else packet
