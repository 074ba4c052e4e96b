"""All datagram paths put the same segments on the wire (decision 4).

Recorded sockets stand for the system.  First the ports alone are given the same runs, while their
sockets fill up and a device may refuse batches.  Then a whole endpoint stands on each of them, and
goes through the same calls, datagrams and moments.
"""

import asyncio
import errno
import random
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rudp.aio.endpoint import Endpoint
from rudp.config import Config
from rudp.core.life.connection import Connection
from rudp.core.segment import wire
from rudp.core.segment.options import encode, encode_syn
from rudp.udp.linux import LinuxPort
from rudp.udp.own import OwnSocket
from rudp.udp.portable import PortablePort
from rudp.udp.selector import SelectorPort
from tests.udp.kit import (
    PEER,
    Datagram,
    Ear,
    RecordingSocket,
    RecordingTransport,
    Refusals,
    Watch,
    linux_port,
    run,
    selector_port,
)

PEERS = [PEER, ("127.0.0.1", 7002), ("10.1.2.3", 9)]


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int, int]:
    size = draw(st.sampled_from([20, 100]) | st.integers(20, 1500))
    return draw(st.just(1) | st.integers(1, 64)), size, draw(st.integers(20, size))


runs = st.lists(st.tuples(sizes(), st.sampled_from(PEERS), st.integers(0, 63)), max_size=8)
full = st.lists(st.sampled_from([0, 0, errno.EAGAIN]), max_size=30)


@given(runs, full, full, st.sampled_from([None, errno.EIO, errno.EINVAL]), st.booleans())
def test_the_same_runs_are_the_same_datagrams(
    plan: list[tuple[tuple[int, int, int], Any, int]],
    full_here: list[int],
    full_there: list[int],
    gso: int | None,
    plain: bool,
) -> None:
    transmits = [
        run(lengths, number, peer, dscp=dscp) for number, (lengths, peer, dscp) in enumerate(plan)
    ]
    sock, watch, ear = RecordingSocket(Refusals(*full_here), gso), Watch(), Ear()
    fast = (selector_port if plain else linux_port)(sock, ear, watch)
    slow = PortablePort(ear, None)
    transport = RecordingTransport(slow, Refusals(*full_there))

    def drain(free: bool) -> None:
        while not free:
            ready = ear.ready
            watch.writable()
            free = ear.ready > ready

    for transmit in transmits:
        drain(fast.send(transmit))
        if not slow.send(transmit):
            transport.drain()
    drain(fast.flush())
    assert sock.sent == transport.sent
    assert [data for data, _ in sock.sent] == [d for t in transmits for d in t.datagrams()]
    assert not ear.failed


# -- a whole endpoint ------------------------------------------------------------------------------


class Turns(Watch):
    """A loop that goes round when it is told to, on a clock that is set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self._soon: deque[tuple[asyncio.Handle, Callable[..., Any], tuple[Any, ...]]] = deque()
        self._later: list[tuple[asyncio.TimerHandle, Callable[..., Any]]] = []

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self)  # type: ignore[arg-type]
        self._soon.append((handle, callback, args))
        return handle

    def call_at(self, when: float, callback: Callable[..., Any]) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, (), self)  # type: ignore[arg-type]
        self._later.append((handle, callback))
        return handle

    def _timer_handle_cancelled(self, _: asyncio.TimerHandle) -> None:
        pass

    def settle(self) -> None:
        """Go round until nothing is left to be done now."""
        while self._soon:
            handle, callback, args = self._soon.popleft()
            if not handle.cancelled():
                callback(*args)

    def advance(self, seconds: float) -> None:
        """Let time pass, and every alarm ring at its moment."""
        end = self.now + seconds
        for _ in range(1000):
            due = [entry for entry in self._later if not entry[0].cancelled()]
            first = min(due, key=lambda entry: entry[0].when(), default=None)
            if first is None or first[0].when() > end:
                break
            self._later.remove(first)
            self.now = max(self.now, first[0].when())
            first[1]()
            self.settle()
        self.now = end


class Reader:
    """A sink that reads whatever there is."""

    def __init__(self, endpoint: Endpoint, connection: Connection) -> None:
        self.connection = connection
        self.data = b""
        self._endpoint = endpoint

    def is_closing(self) -> bool:
        return False

    def pump(self) -> bool:
        self.connection.poll_events()
        if self.connection.readable_octets:
            self.data += self.connection.receive()
            self._endpoint.touch(self.connection)
        return False

    def lose(self, error: OSError) -> None:
        raise AssertionError("nobody forks here")

    def seated(self, seat: object) -> None:
        raise AssertionError("there is no engine")


class Host:
    """An endpoint with one connection; its peer is played by the test."""

    def __init__(self, seed: int, config: Config) -> None:
        self.loop = Turns()
        self.endpoint = Endpoint(
            self.loop,  # type: ignore[arg-type]
            config,
            secret=bytes(16),
            chance=random.Random(seed),
            connected=None,
            real=False,
            on_empty=lambda _: None,
        )
        self.wire: list[Datagram] = []

    def open(self, config: Config) -> None:
        sink = self.endpoint.connect(
            PEER, 80, lambda connection: Reader(self.endpoint, connection), config=config
        )
        assert isinstance(sink, Reader)
        self.reader = sink
        self.loop.settle()

    def arrive(self, segment: bytes) -> None:
        raise NotImplementedError


class SocketHost(Host):
    def __init__(self, seed: int, config: Config, kind: type[OwnSocket]) -> None:
        super().__init__(seed, config)
        self._sock = RecordingSocket()
        self.wire = self._sock.sent
        port: Any = kind(self.loop, self._sock, self.endpoint, None)  # type: ignore[arg-type]
        self.endpoint.attach(port)

    def arrive(self, segment: bytes) -> None:
        self._sock.inbox.append((segment, [], PEER))
        self.loop.readable()
        self.loop.settle()


class PortableHost(Host):
    def __init__(self, seed: int, config: Config) -> None:
        super().__init__(seed, config)
        self._port = PortablePort(self.endpoint, None)
        self.wire = RecordingTransport(self._port).sent
        self.endpoint.attach(self._port)

    def arrive(self, segment: bytes) -> None:
        self._port.datagram_received(segment, PEER)
        self.loop.settle()


class Peer:
    """Answers what is on the wire of one host, with timestamps and SACK."""

    ISS = 0xFFFF_F000

    def __init__(self, wire_of: list[Datagram]) -> None:
        self._wire = wire_of
        self._seq = self.ISS

    def header(self, number: int) -> tuple[int, int, int]:
        """Return ports, SEQ and the end of the data of a datagram on the wire."""
        data = self._wire[number][0]
        ports, seq, _, offset = struct.unpack_from("!IIIB", data)
        return ports, seq, seq + len(data) - (offset >> 4) * 4

    def _segment(self, ack: int, flags: int, window: int, opts: bytes, data: bytes = b"") -> bytes:
        ports = self.header(0)[0]
        back = (ports & 0xFFFF) << 16 | ports >> 16
        head = wire.pack_segment(back, self._seq, ack & 0xFFFF_FFFF, flags, window, opts)
        return head + data

    def syn_ack(self) -> bytes:
        opts = encode_syn(1000, window_scale=3, sack_permitted=True, timestamps=(1, 0))
        flags = wire.SYN | wire.ACK
        segment = self._segment(self.header(0)[1] + 1, flags, 65_535, opts)
        self._seq = self.ISS + 1
        return segment

    def answer(self, segments: int, window: int, data: bytes) -> bytes:
        """Acknowledge the first *segments* on the wire, open *window*, say *data*."""
        end = max(self.header(number)[2] for number in range(1, segments))
        opts = encode((2, 0))
        segment = self._segment(end, wire.ACK, window, opts, data)
        self._seq = (self._seq + len(data)) & 0xFFFF_FFFF
        return segment


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 40_000)),
        st.tuples(st.just("wait"), st.sampled_from([0.001, 0.01, 0.3, 2.0])),
        st.tuples(st.just("answer"), st.tuples(st.integers(0, 60), st.integers(0, 2000))),
        st.tuples(st.just("window"), st.integers(0, 8000)),
        st.tuples(st.just("close"), st.just(None)),
    ),
    max_size=12,
)


@given(st.integers(0, 9), steps, st.booleans())
def test_the_same_calls_are_the_same_segments(
    seed: int, plan: list[tuple[str, Any]], nodelay: bool
) -> None:
    """Handshake, data, retransmissions, probes and FIN, octet for octet and in the same order."""
    config = Config(nodelay=nodelay, ecn="off")
    hosts = [
        SocketHost(seed, config, LinuxPort),
        SocketHost(seed, config, SelectorPort),
        PortableHost(seed, config),
    ]
    for host in hosts:
        host.open(config)
    peer = Peer(hosts[0].wire)
    syn_ack = peer.syn_ack()
    window = 8000
    for host in hosts:
        host.arrive(syn_ack)
    for what, value in plan:
        arriving = b""
        if what == "window":
            window = value
        if what in ("answer", "window"):
            back, octets = value if what == "answer" else (0, 0)
            arriving = peer.answer(max(len(hosts[0].wire) - back, 2), window, bytes(octets))
        for host in hosts:
            connection, now = host.reader.connection, host.loop.now
            if what == "write" and not connection.is_closing and connection.error is None:
                connection.send(bytes(value))
                host.endpoint.touch(connection)
            elif what == "close":
                connection.shutdown(now)
                host.endpoint.touch(connection)
            elif what == "wait":
                host.loop.advance(value)
            elif arriving:
                host.arrive(arriving)
            host.loop.settle()
    for host in hosts[1:]:
        assert host.wire == hosts[0].wire
        assert host.reader.data == hosts[0].reader.data
        assert host.loop.now == hosts[0].loop.now
