"""Captures that are read back: our own, those of others, and what is none."""

import dataclasses
import io
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.cli.demo.scenarios import SCENARIOS
from rudp.cli.demo.stage import Stage
from rudp.core.segment import wire
from rudp.core.terms.state import State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Tracer
from rudp.trace import Capture, pcapfile
from rudp.trace.decode import Conversation, decode
from rudp.trace.events import Event, SegmentReceived, SegmentSent, StateMoved
from rudp.trace.pcapfile import CaptureError, Packet, packets
from rudp.trace.tee import Tee

Flavour = Literal["as-tcp", "as-sent"]


class Captured(Stage):
    """A stage both of whose ends write captures."""

    def __init__(self, name: str, flavour: Flavour = "as-tcp", **options: Any) -> None:
        scenario = SCENARIOS[name]
        super().__init__(scenario.config(), rtt=0.02, faults=scenario.losses(), **options)
        self.files = {}
        self.captures = []
        for side in (self.client, self.server):
            file = self.files[side.name] = io.BytesIO()
            capture = Capture(file, flavour, name=side.name, local=side.address, epoch=1e9)
            self.captures.append(capture)
            tracer: Tracer = Tee(side.tracer, capture)
            side.node.table.tracer = side.tracer = tracer
        scenario.script(self)
        for capture in self.captures:
            capture.flush()

    def file(self, side: str = "client") -> io.BytesIO:
        return io.BytesIO(self.files[side].getvalue())


def read(file: io.BytesIO) -> list[Conversation]:
    decoded = decode(packets(file))
    assert not decoded.trouble
    return decoded.conversations


BEFORE_CLOSE = {State.FIN_WAIT_1: State.ESTABLISHED, State.LAST_ACK: State.CLOSE_WAIT}


def told(run: Iterable[Event], end: str) -> list[tuple[Any, ...]]:
    """What a capture can tell of the events of one end; the time is that since the first."""
    found: list[tuple[Any, ...]] = []
    start = None
    closed = False
    for event in run:
        if event.connection.partition("#")[0] != end:
            continue
        if isinstance(event, SegmentSent | SegmentReceived):
            start = event.time if start is None else start
            more = event.why if isinstance(event, SegmentSent) else event.dropped
            time = round(event.time - start, 6)
            # Whether somebody listens, no segment tells.
            state: State = event.state
            state = State.CLOSED if state is State.LISTEN else state
            # And that the user has closed, only the FIN does, which follows the last data.
            closed = closed or (isinstance(event, SegmentSent) and "FIN" in event.segment.flags)
            state = state if closed else BEFORE_CLOSE.get(state, state)
            found.append((event.kind, time, event.connection, state, event.segment, more))
    return found


@pytest.mark.parametrize("flavour", ["as-tcp", "as-sent"])
@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("name", sorted(SCENARIOS.keys() - {"l4s"}))  # that is ecn, 3000 times
def test_what_a_capture_tells_is_what_happened(name: str, side: str, flavour: Flavour) -> None:
    """Each segment with its time, the state of the end, numbers, options and reason."""
    stage = Captured(name, flavour)
    (found,) = read(stage.file(side))
    assert told(found.recording().events, side) == told(stage.log.events, side)


@pytest.mark.parametrize("name", ["close", "simultaneous-close", "reset", "time-wait"])
def test_states_are_followed(name: str) -> None:
    stage = Captured(name)
    for side in ("client", "server"):
        (found,) = read(stage.file(side))
        moves = [
            [(e.before, e.after, e.cause) for e in run if isinstance(e, StateMoved)]
            for run in (
                found.recording().events,
                [event for event in stage.log.events if event.connection == side],
            )
        ]
        silent = [move for move in moves[1] if move[2] == "2MSL timeout"]
        assert moves[0] == moves[1][: len(moves[1]) - len(silent)]


# -- captures that others have made ----------------------------------------------------------------


def pcap(found: Iterable[Packet], link: int, order: str = "<", nano: bool = False) -> io.BytesIO:
    """A classic file."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for each in found:
        seconds, rest = divmod(each.time, 10**9)
        size = len(each.data)
        fraction = rest if nano else rest // 1000
        parts += [struct.pack(f"{order}IIII", seconds, fraction, size, size), each.data]
    return io.BytesIO(b"".join(parts))


def bare(stage: Captured) -> Iterator[Packet]:
    """The packets of a capture without anything that a classic file does not keep."""
    for each in packets(stage.file()):
        yield Packet(each.time, each.link, each.data)


LINKS: list[tuple[int, Callable[[bytes], bytes]]] = [
    (101, lambda ip: ip),
    (1, lambda ip: bytes(12) + b"\x08\x00" + ip + bytes(10)),  # padding behind the packet
    (1, lambda ip: bytes(12) + b"\x81\x00\x00\x05\x08\x00" + ip),
    (1, lambda ip: bytes(12) + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00" + ip),
    (1, lambda ip: bytes(12) + b"\x91\x00\x00\x05\x81\x00\x00\x06\x08\x00" + ip),
    (1, lambda ip: bytes(12) + b"\x88\x64\x11\x00\x00\x01\x00\x00\x00\x21" + ip),
    (1, lambda ip: bytes(12) + b"\x88\x47\x00\x01\x00\xff\x00\x02\x01\xff" + ip),
    (9, lambda ip: b"\xff\x03\x00\x21" + ip),
    (9, lambda ip: b"\x21" + ip),
    (0, lambda ip: b"\x02\x00\x00\x00" + ip),
    (113, lambda ip: bytes(14) + b"\x08\x00" + ip),
    (113, lambda ip: bytes(14) + b"\x81\x00\x00\x05\x08\x00" + ip),
    (276, lambda ip: b"\x08\x00" + bytes(18) + ip),
]


@pytest.mark.parametrize(("link", "frame"), LINKS)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("nano", [False, True])
def test_classic_files(link: int, frame: Callable[[bytes], bytes], order: str, nano: bool) -> None:
    stage = Captured("half-close")
    framed = [dataclasses.replace(each, data=frame(each.data)) for each in bare(stage)]
    (found,) = read(pcap(framed, link, order, nano))
    run = found.recording("client")
    assert run.header.ends == ("client",)
    shown = [(kind, time, state, header) for kind, time, _, state, header, _ in
             told(run.events, "client")]  # fmt: skip
    assert shown == [
        (kind, time, state, header)
        for kind, time, _, state, header, _ in told(stage.log.events, "client")
    ]
    whys = [event.why for event in run.events if isinstance(event, SegmentSent)]
    assert whys == [
        Why.SYN_OPEN, Why.UNKNOWN, Why.NEW_DATA, Why.FIN_CLOSE, Why.UNKNOWN, Why.UNKNOWN,
        Why.UNKNOWN,
    ]  # fmt: skip


def test_the_other_place() -> None:
    """The states of the server, as if the capture had been made there."""
    (found,) = read(pcap(bare(Captured("close")), 101))
    run = found.recording("server")
    moves = [event.after for event in run.events if isinstance(event, StateMoved)]
    assert [str(each) for each in moves] == [
        "LISTEN", "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED",
    ]  # fmt: skip
    assert str(found) == "10.0.0.1:50000 -> 10.0.0.2:80"


def ip6(segment: bytes, *, extension: int = 0, udp: bool = True, sized: bool = True) -> bytes:
    """A segment from 7000 to 7001 over IPv6; not *sized*: no header says how long it is."""
    size = len(segment) + 8 if sized else 0
    payload = struct.pack("!HHHH", 7000, 7001, size, 0) + segment if udp else segment
    protocol = 17 if udp else 6
    if extension:
        length = 4 if extension == AUTHENTICATION else 0
        payload = bytes((protocol, length)) + bytes(22 if length else 6) + payload
        protocol = extension
    hosts = bytes(15) + b"\x01" + bytes(15) + b"\x02"
    size = len(payload) if sized else 0
    return struct.pack("!IHBB", 6 << 28, size, protocol, 64) + hosts + payload


def syn(seq: int = 5, source: int = 1000, target: int = 2000) -> bytes:
    return wire.pack_segment(source << 16 | target, seq, 0, wire.SYN, 100, b"")


FRAGMENT = 44
AUTHENTICATION = 51


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("extension", [0, FRAGMENT, AUTHENTICATION, 60])
def test_ip_version_6(extension: int, sized: bool) -> None:
    """Extension headers, a fragment that is the whole (RFC 6946), a length that is not told."""
    (found,) = decode([Packet(0, 101, ip6(syn(), extension=extension, sized=sized))]).conversations
    assert str(found) == "[::1]:7000 (1000) -> [::2]:7001 (2000)"
    assert found.tunnelled


def test_a_length_that_is_not_told_is_that_of_the_packet() -> None:
    whole = ip6(data_at(5, 1000), sized=False)
    (found,) = decode(
        [Packet(0, 101, ip6(syn())), Packet(1, 101, whole[:100], size=len(whole))]
    ).conversations
    assert found.octets == 1000


def udp4(payload: bytes, *, fragment: int = 0, protocol: int = 17, back: bool = False) -> bytes:
    """A datagram from 10.0.0.1:7000 to 10.0.0.2:7001, or what else *protocol* is."""
    ports = (7001, 7000) if back else (7000, 7001)
    udp = struct.pack("!HHHH", *ports, len(payload) + 8, 0) + payload
    hosts = b"\x0a\x00\x00\x02\x0a\x00\x00\x01" if back else b"\x0a\x00\x00\x01\x0a\x00\x00\x02"
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, fragment, 64, protocol, 0)
    return head + hosts + udp


@pytest.mark.parametrize(
    ("link", "data", "name"),
    [
        (101, udp4(syn(), fragment=0x2000), "fragments"),
        (101, ip6(syn(), extension=FRAGMENT)[:43] + b"\x01" + bytes(60), "fragments"),
        (101, udp4(b"a question of DNS"), "UDP"),
        (101, udp4(syn())[:30], "packets cut short within a header"),
        (101, udp4(syn(), protocol=47), "GRE"),
        (101, udp4(syn(), protocol=4), "IPv4 in IP"),
        (101, udp4(syn(), protocol=200), "IP protocol 200"),
        (101, udp4(bytes(20), protocol=6), "broken TCP headers"),
        (101, b"\x50" + bytes(40), "packets of neither IPv4 nor IPv6"),
        (101, b"\x41" + bytes(40), "broken IPv4 headers"),
        (1, bytes(12) + b"\x08\x06" + bytes(28), "ARP"),
        (1, bytes(12) + b"\x12\x34" + bytes(28), "Ethernet type 0x1234"),
        (1, bytes(12) + b"\x00\x20\xaa\xaa\x03" + bytes(28), "frames of IEEE 802.3"),
        (1, bytes(12) + b"\x81\x00\x00\x05" * 9, "Ethernet type 0x8100"),
        (
            1,
            bytes(12) + b"\x88\x64\x11\x00\x00\x01\x00\x00\xc0\x21" + bytes(9),
            "PPP protocol 0xc021",
        ),
        (1, bytes(8), "packets cut short within a header"),
        (127, bytes(90), "packets of link type 127"),
    ],
)
def test_what_cannot_be_read_is_named(link: int, data: bytes, name: str) -> None:
    decoded = decode([Packet(0, link, data)])
    assert (decoded.conversations, decoded.others) == ([], 1)
    assert decoded.refused() == f"{name} (1)"


def batch(*segments: bytes) -> Packet:
    """What a capture sees of datagrams that are cut later, or were joined before."""
    return Packet(1, 101, udp4(b"".join(segments)))


def data_at(seq: int, size: int, *, source: int = 1000) -> bytes:
    return wire.pack_segment(source << 16 | 2000, seq, 9, wire.ACK, 100, b"") + bytes(size)


def test_a_batch_is_cut_into_its_segments() -> None:
    """Equally long but for the last, and of any number."""
    for count in (2, 3, 40):
        whole = [data_at(6 + 1000 * n, 1000) for n in range(count - 1)] + [data_at(9, 7)]
        (found,) = decode([Packet(0, 101, udp4(syn())), batch(*whole)]).conversations
        assert (found.segments, found.octets) == (1 + count, 1000 * (count - 1) + 7)
        assert not found.joined


def test_a_batch_of_several_connections() -> None:
    sources = [1000, 1001, 1001, 1007]
    opened = [Packet(0, 101, udp4(syn(source=source))) for source in set(sources)]
    mixed = batch(*[data_at(6, 500, source=source) for source in sources])
    found = decode([*opened, mixed]).conversations
    assert sorted((each.segments, each.octets) for each in found) == [(2, 500), (2, 500), (3, 1000)]


def test_a_batch_of_acknowledgements() -> None:
    (found,) = decode([Packet(0, 101, udp4(syn())), batch(*[data_at(6, 0)] * 5)]).conversations
    assert (found.segments, found.octets) == (6, 0)


def test_what_only_looks_like_a_batch() -> None:
    """Data may hold the ports, even a whole header, at places that are no stride."""
    header = data_at(6, 0)
    for inside in (header, header[:4] * 300, bytes(100) + header + bytes(300)):
        segment = data_at(6, 0) + inside + bytes(99)
        (found,) = decode([Packet(0, 101, udp4(syn())), batch(segment)]).conversations
        assert (found.segments, found.octets) == (2, len(inside) + 99)


def test_a_batch_that_was_cut_short() -> None:
    """What of it has no header is counted; if that is all but the first, its length tells."""
    mss = b"\x02\x04\x04\x00"
    answer = wire.pack_segment(2000 << 16 | 1000, 5, 6, wire.SYN | wire.ACK, 100, mss)
    opening = [Packet(0, 101, udp4(syn())), Packet(0, 101, udp4(answer, back=True))]
    whole = batch(*[data_at(6 + 1000 * n, 1000) for n in range(5)])
    cut = dataclasses.replace(whole, data=whole.data[:1200], size=len(whole.data))
    decoded = decode([*opening, cut])
    assert [each.segments for each in decoded.conversations] == [4]
    assert decoded.refused() == "segments cut off a batch (3)"
    cut = dataclasses.replace(whole, data=whole.data[:96], size=len(whole.data))
    (found,) = decode([*opening, cut]).conversations
    assert (found.segments, found.joined) == (3, 1)


def test_data_may_be_missing() -> None:
    """A snapshot length of 96 keeps the headers; lengths are those on the wire."""
    stage = Captured("loss")
    cut = [dataclasses.replace(each, data=each.data[:96]) for each in packets(stage.file())]
    (found,) = decode(cut).conversations
    assert told(found.recording().events, "client") == told(stage.log.events, "client")


def test_a_connection_that_was_open_before() -> None:
    stage = Captured("half-close")
    (found,) = decode(list(packets(stage.file()))[3:]).conversations
    run = found.recording()
    first = next(event for event in run.events if isinstance(event, StateMoved))
    assert (first.before, first.after) == (State.ESTABLISHED, State.FIN_WAIT_1)


def test_several_connections_and_other_packets() -> None:
    """What is in UDP and looks like a segment once is none; a SYN, or an answer, is believed."""
    ack = [wire.pack_segment(ports, 1, 1, wire.ACK, 9, b"") for ports in (7 << 16 | 9, 9 << 16 | 7)]
    there, back = ip6(ack[0]), ip6(ack[1])
    back = back[:8] + back[24:40] + back[8:24] + struct.pack("!HH", 7001, 7000) + back[44:]
    stray = ip6(wire.pack_segment(3 << 16 | 4, 1, 1, wire.ACK, 9, b""))
    ping = ip6(bytes(40))
    decoded = decode(
        Packet(n, 101, data) for n, data in enumerate([ip6(syn()), stray, there, ping, back])
    )
    assert [each.segments for each in decoded.conversations] == [1, 2]
    assert decoded.others == 2


def test_the_next_connection_between_the_same_ports() -> None:
    (found,) = read(Captured("restart").file())
    names = {event.connection for event in found.recording().events}
    assert names == {"client", "client#2"}


# -- bounds and garbage ----------------------------------------------------------------------------


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rudp.trace.decode.CONNECTIONS_MAX", 2)
    monkeypatch.setattr("rudp.trace.decode.SEGMENTS_MAX", 3)
    many = [Packet(n, 101, ip6(syn(source=1000 + n % 3))) for n in range(9)]
    decoded = decode(many)
    assert [each.segments for each in decoded.conversations] == [2, 1]
    assert decoded.trouble == "only the first 3 segments are read"
    assert decoded.others == 1


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    size = len(body) + 12
    return struct.pack(f"{order}II", kind, size) + body + struct.pack(f"{order}I", size)


SECTION = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
RAW = block(1, struct.pack("<HHI", 101, 0, 0))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "neither"),
        (b"GIF89a..............", "neither"),
        (b"\x1f\x8b\x08\x08", "compressed with gzip"),
        (b"\x34\xcd\xb2\xa1" + bytes(20), "Kuznetzov"),
        (b"snoop\0\0\0" + bytes(20), "a snoop file"),
        (b"\xd4\xc3\xb2\xa1", "within its header"),
        (SECTION[:6], "within the block at octet 0"),
        (SECTION[:-1], "within the block at octet 0"),
        (SECTION[:8] + bytes(20), "no byte-order magic"),
        (SECTION + b"\x06\0\0", "within the block at octet 28"),
        (SECTION + struct.pack("<II", 6, 13) + bytes(20), "a block of 13 octets at octet 28"),
        (SECTION + struct.pack("<II", 6, 1 << 30), "a block of 1073741824 octets"),
        (SECTION + struct.pack("<II", 5, 12) + bytes(4), "two lengths"),
        (SECTION + block(6, bytes(20)), "interface 0, which is unknown"),
        (SECTION + RAW + block(6, bytes(8)), "too short"),
        (SECTION + RAW + block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99)), "99 octets"),
        (SECTION + block(3, bytes(8)), "has no interface"),
        (SECTION + block(1, b"abcd"), "the interface at octet 28 is too short"),
        (SECTION + RAW * 1025, "more than 1024 interfaces"),
    ],
)
def test_what_is_no_capture(data: bytes, complaint: str) -> None:
    with pytest.raises(CaptureError, match=complaint):
        list(packets(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("size", "complaint"), [(1 << 20, "a packet of 1048576 octets"), (9, "within the packet")]
)
def test_a_classic_file_that_is_wrong(size: int, complaint: str) -> None:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    with pytest.raises(CaptureError, match=complaint):
        list(packets(io.BytesIO(head + struct.pack("<IIII", 0, 0, size, size) + b"12345678")))
    with pytest.raises(CaptureError, match="within the packet at octet 24"):
        list(packets(io.BytesIO(head + b"1234567")))


@pytest.mark.parametrize("order", "<>")
def test_packet_blocks_of_old(order: str) -> None:
    """Files of before 2009, and of some programs since."""
    data = udp4(syn())
    when = 1_700_000_000_000_001
    body = struct.pack(f"{order}HHIIII", 0, 7, when >> 32, when & 0xFFFFFFFF, len(data), 99)
    body += data + bytes(-len(data) % 4) + struct.pack(f"{order}HHI", 2, 4, 2)
    blocks = [
        (0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)),
        (1, struct.pack(f"{order}HHI", 101, 0, 0)),
        (2, body),
    ]
    file = io.BytesIO()
    for kind, content in blocks:
        size = struct.pack(f"{order}I", len(content) + 12)
        file.write(struct.pack(f"{order}I", kind) + size + content + size)
    file.seek(0)
    (found,) = packets(file)
    assert found == Packet(when * 1000, 101, data, False, size=99)


def test_other_forms_of_a_section() -> None:
    """Big-endian, times in 1/1024 s with an offset, a simple packet, blocks nobody knows."""
    order = ">"
    options = struct.pack(f"{order}HHB3x", 9, 1, 0x8A) + struct.pack(f"{order}HHq", 14, 8, 100)
    interface = block(1, struct.pack(f"{order}HHI", 101, 0, 64) + options, order)
    stamped = struct.pack(f"{order}IIIII4s", 0, 0, 512, 4, 4, b"data")
    file = (
        block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)
        + interface
        + block(99, b"what", order)
        + block(6, stamped, order)
        + block(3, struct.pack(f"{order}I", 100) + bytes(64), order)
    )
    found = list(packets(io.BytesIO(file + SECTION + RAW)))
    assert [(each.time, len(each.data)) for each in found] == [(100_500_000_000, 4), (0, 64)]


def test_a_file_that_was_cut_gives_what_it_has() -> None:
    data = Captured("close").file().getvalue()
    decoded = decode(packets(io.BytesIO(data[:-7])))
    assert decoded.trouble.startswith("the file ends within the block")
    assert decoded.conversations[0].segments == 6


def test_names_cannot_speak_to_the_terminal() -> None:
    """Whatever somebody writes into a file is shown as text."""
    name = b"\x1b[2J\xff"
    options = struct.pack("<HH", 2, len(name)) + name + bytes(-len(name) % 4)
    file = SECTION + block(1, struct.pack("<HHI", 101, 0, 0) + options)
    file += block(6, struct.pack("<IIIII", 0, 0, 0, 4, 4) + b"data")
    (found,) = packets(io.BytesIO(file))
    assert found.interface.isprintable()


def exhaust(data: bytes) -> None:
    """Read *data* as the command does; it may only be refused in order."""
    try:
        decoded = decode(packets(io.BytesIO(data)))
    except CaptureError:
        return
    for each in decoded.conversations:
        for place in ("client", "server"):
            list(each.recording(place).lines())
        assert str(each)


MODEL = Captured("half-close").file().getvalue()
CLASSIC = pcap(bare(Captured("close")), 101).getvalue()


@given(st.binary(max_size=400))
def test_garbage(data: bytes) -> None:
    exhaust(data)
    exhaust(SECTION + RAW + data)
    exhaust(b"\xd4\xc3\xb2\xa1" + data)
    exhaust(SECTION + RAW + block(6, data + bytes(-len(data) % 4)))


@given(st.data())
def test_captures_with_wrong_octets(data: st.DataObject) -> None:
    model = bytearray(data.draw(st.sampled_from([MODEL, CLASSIC])))
    for _ in range(data.draw(st.integers(1, 8))):
        model[data.draw(st.integers(0, len(model) - 1))] = data.draw(st.integers(0, 255))
    exhaust(bytes(model[: data.draw(st.integers(0, len(model)))]))


@given(
    st.sampled_from([0, 1, 12, 101, 113, 276, 99]),
    st.lists(st.binary(max_size=120), max_size=6),
    st.binary(max_size=60),
)
def test_packets_of_garbage(link: int, found: list[bytes], payload: bytes) -> None:
    whole = [*found, ip6(payload), ip6(payload, udp=False)]
    for each in decode(Packet(n, link, data) for n, data in enumerate(whole)).conversations:
        list(each.recording().lines())


def test_the_largest_packet_is_that_of_libpcap() -> None:
    assert pcapfile.PACKET_MAX == 262_144
