"""The bridge without a kernel: the translation, and the pumps between two socket pairs."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.core.segment.checksum import internet_checksum, tcp_checksum, tcp_checksum_valid

if sys.platform != "linux":
    pytest.skip("a TUN device is a thing of Linux", allow_module_level=True)

from rudp.bridge import AddressPlan, Bridge, Datagram, Drop, Translator, open_tun
from rudp.bridge.__main__ import main
from rudp.bridge.bridge import BATCH

PLAN = AddressPlan(IPv4Address("10.76.0.1"), IPv4Network("10.77.0.0/16"))
TRANSLATOR = Translator(PLAN)

# A SYN that Linux 6.18 wrote to a TUN device, from 10.76.0.1:42310 to 10.77.18.52:443.
LINUX_SYN = bytes.fromhex(
    "4500003c1a3440004006f9ba0a4c00010a4d1234"
    "a54601bb5d634e8000000000a002faf049d60000020405b40402080ada83aeff000000000103030a"
)
SEGMENT = LINUX_SYN[20:36] + b"\0\0" + LINUX_SYN[38:]


def packet(
    segment: bytes,
    *,
    source: str = "10.76.0.1",
    destination: str = "10.77.18.52",
    tos: int = 0,
    ttl: int = 64,
    protocol: int = 6,
    fragment: int = 0x4000,
    options: bytes = b"",
    length: int | None = None,
) -> bytes:
    """Return an IPv4 packet with *segment*, all checksums right."""
    sender, receiver = IPv4Address(source).packed, IPv4Address(destination).packed
    if len(segment) >= 20:
        field = tcp_checksum(sender, receiver, segment).to_bytes(2, "big")
        segment = segment[:16] + field + segment[18:]
    size = 20 + len(options)
    total = size + len(segment) if length is None else length
    start = bytes([0x40 | size // 4, tos]) + total.to_bytes(2, "big") + b"\x12\x34"
    start += fragment.to_bytes(2, "big") + bytes([ttl, protocol])
    rest = sender + receiver + options
    field = internet_checksum(start + b"\0\0" + rest).to_bytes(2, "big")
    return start + field + rest + segment


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


@st.composite
def tcp_segments(draw: st.DrawFn) -> bytes:
    header = bytearray(draw(st.binary(min_size=20, max_size=20)))
    options = draw(st.binary(max_size=40).filter(lambda octets: len(octets) % 4 == 0))
    header[12] = (20 + len(options)) << 2 | header[12] & 0x0F
    return bytes(header) + options + draw(st.binary(max_size=100))


ports = st.integers(1, 0xFFFF)
octet = st.integers(0, 255)


def test_addresses_are_ports() -> None:
    assert PLAN.address_of(0x1234) == IPv4Address("10.77.18.52")
    assert PLAN.port_of(IPv4Address("10.77.18.52")) == 0x1234
    assert PLAN.address_of(0xFFFF) == IPv4Address("10.77.255.255")
    with pytest.raises(ValueError):
        PLAN.port_of(IPv4Address("10.76.0.1"))
    with pytest.raises(IndexError):
        PLAN.address_of(0x10000)


@pytest.mark.parametrize(
    ("kernel", "virtual"), [("10.77.0.1", "10.77.0.0/16"), ("10.76.0.1", "10.77.0.0/24")]
)
def test_a_plan_that_cannot_work_is_refused(kernel: str, virtual: str) -> None:
    with pytest.raises(ValueError):
        AddressPlan(IPv4Address(kernel), IPv4Network(virtual))


def test_a_packet_of_linux_becomes_a_datagram_with_checksum_zero() -> None:
    """UDP-30, W-9: the segment is carried verbatim but for its checksum."""
    assert TRANSLATOR.to_datagram(LINUX_SYN) == Datagram(SEGMENT, 0x1234, 0, 64)


def test_a_datagram_becomes_a_packet_the_kernel_takes() -> None:
    """UDP-30: TCP and IP checksum filled, DF set, from the virtual address of the port."""
    got = TRANSLATOR.to_packet(Datagram(SEGMENT, 0x1234, 0xB9, 17))
    assert isinstance(got, bytes)
    assert got[:10] == bytes.fromhex("45b9003c 0000 4000 11 06")
    assert got[12:20] == bytes([10, 77, 18, 52, 10, 76, 0, 1])
    assert internet_checksum(got[:20]) == 0
    assert tcp_checksum_valid(got[12:16], got[16:20], got[20:])
    assert got[20:36] + b"\0\0" + got[38:] == SEGMENT


@given(tcp_segments(), ports, octet, st.integers(1, 255))
def test_what_goes_through_two_bridges_is_unchanged(
    segment: bytes, port: int, tos: int, ttl: int
) -> None:
    """UDP-30: TTL, DSCP and ECN bits copied both ways; the segment but for its checksum."""
    cleared = segment[:16] + b"\0\0" + segment[18:]
    destination = str(PLAN.address_of(port))
    out = TRANSLATOR.to_datagram(packet(segment, destination=destination, tos=tos, ttl=ttl))
    assert out == Datagram(cleared, port, tos, ttl)
    back = TRANSLATOR.to_packet(out)
    assert isinstance(back, bytes)
    assert back[1] == tos
    assert back[8] == ttl
    assert back[12:20] == PLAN.address_of(port).packed + PLAN.kernel.packed
    assert internet_checksum(back[:20]) == 0
    assert tcp_checksum_valid(back[12:16], back[16:20], back[20:])
    assert back[20:36] + b"\0\0" + back[38:] == cleared


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"", Drop.NOT_IPV4),
        (LINUX_SYN[:19], Drop.NOT_IPV4),
        (b"\x60" + LINUX_SYN[1:], Drop.NOT_IPV4),
        (b"\x44" + LINUX_SYN[1:], Drop.IP_LENGTH),
        (LINUX_SYN[:-1], Drop.IP_LENGTH),
        (LINUX_SYN + b"\0", Drop.IP_LENGTH),
        (packet(SEGMENT, options=b"\1\1\1\0"), Drop.IP_OPTIONS),
        (damaged(LINUX_SYN, 5), Drop.IP_CHECKSUM),
        (packet(SEGMENT, fragment=0x2000), Drop.FRAGMENT),
        (packet(SEGMENT, fragment=0x0001), Drop.FRAGMENT),
        (packet(SEGMENT, ttl=0), Drop.TTL),
        (packet(SEGMENT, protocol=17), Drop.NOT_TCP),
        (packet(SEGMENT, source="10.76.0.2"), Drop.ADDRESS),
        (packet(SEGMENT, destination="10.78.18.52"), Drop.ADDRESS),
        (packet(SEGMENT, destination="10.77.0.0"), Drop.ADDRESS),
        (packet(b""), Drop.TCP_LENGTH),
        (packet(SEGMENT[:19]), Drop.TCP_LENGTH),
        (packet(SEGMENT[:12] + b"\x40" + SEGMENT[13:]), Drop.TCP_LENGTH),
        (packet(SEGMENT[:12] + b"\xb0" + SEGMENT[13:]), Drop.TCP_LENGTH),
        (damaged(LINUX_SYN, 36), Drop.TCP_CHECKSUM),
        (damaged(LINUX_SYN, 59), Drop.TCP_CHECKSUM),
    ],
)
def test_packets_that_are_dropped(bad: bytes, reason: Drop) -> None:
    assert TRANSLATOR.to_datagram(bad) is reason


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Datagram(SEGMENT, 0, 0, 64), Drop.ADDRESS),
        (Datagram(SEGMENT, 1, 0, 0), Drop.TTL),
        (Datagram(b"", 1, 0, 64), Drop.TCP_LENGTH),
        (Datagram(SEGMENT[:19], 1, 0, 64), Drop.TCP_LENGTH),
        (Datagram(SEGMENT[:12] + b"\x4f" + SEGMENT[13:], 1, 0, 64), Drop.TCP_LENGTH),
        (Datagram(SEGMENT[:12] + b"\xb0" + SEGMENT[13:], 1, 0, 64), Drop.TCP_LENGTH),
        (Datagram(SEGMENT + bytes(0xFFFF), 1, 0, 64), Drop.IP_LENGTH),
    ],
)
def test_datagrams_that_are_dropped(bad: Datagram, reason: Drop) -> None:
    """M-1, M-2, W-47."""
    assert TRANSLATOR.to_packet(bad) is reason


def test_an_icmp_error_quotes_the_packet_of_the_kernel() -> None:
    """UDP-30: "fragmentation needed" leaves room for the UDP header."""
    got = TRANSLATOR.to_icmp(3, 4, 1400, Datagram(SEGMENT, 0x1234, 0x02, 64))
    assert isinstance(got, bytes)
    header, message = got[:20], got[20:]
    assert header[:10] == bytes.fromhex("45000038 0000 4000 4001")
    assert header[12:] == bytes([10, 77, 18, 52, 10, 76, 0, 1])
    assert internet_checksum(header) == 0
    assert internet_checksum(message) == 0
    assert message[:2] + message[4:8] == b"\x03\x04" + (1392).to_bytes(4, "big")
    quoted = message[8:]
    assert quoted[:10] == bytes.fromhex("4502003c 0000 4000 4006")
    assert quoted[12:20] == LINUX_SYN[12:20]
    assert internet_checksum(quoted[:20]) == 0
    assert quoted[20:] == SEGMENT[:8]


@pytest.mark.parametrize(
    ("kind", "segment"), [(5, SEGMENT), (0, SEGMENT), (3, SEGMENT[:7]), (11, b"")]
)
def test_icmp_that_is_not_passed_on(kind: int, segment: bytes) -> None:
    assert TRANSLATOR.to_icmp(kind, 0, 0, Datagram(segment, 1, 0, 64)) is Drop.ICMP


@given(st.binary(max_size=100), ports, octet, st.integers(1, 255))
def test_no_datagram_raises(segment: bytes, port: int, tos: int, ttl: int) -> None:
    out = TRANSLATOR.to_packet(Datagram(segment, port, tos, ttl))
    assert out is Drop.TCP_LENGTH or isinstance(out, bytes)


@given(st.integers(0, len(LINUX_SYN) - 1), octet, st.integers(0, len(LINUX_SYN)))
def test_no_packet_raises_and_only_the_whole_one_passes(at: int, value: int, cut: int) -> None:
    broken = (LINUX_SYN[:at] + bytes([value]) + LINUX_SYN[at + 1 :])[:cut]
    out = TRANSLATOR.to_datagram(broken)
    assert isinstance(out, Drop) or broken == LINUX_SYN


@given(st.binary(max_size=100))
def test_no_garbage_raises(garbage: bytes) -> None:
    assert isinstance(TRANSLATOR.to_datagram(garbage), Drop)


class Rig:
    """A bridge whose device is a socket pair, and a peer socket on loopback."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.device, self.kernel = (
            stack.enter_context(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        )
        self.udp, self.peer = (
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
        )
        self.udp.bind(("127.0.0.1", 0))
        self.peer.bind(("127.0.0.1", 0))
        self.peer.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS
        self.peer.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
        self.device.setblocking(False)
        self.kernel.settimeout(5)
        self.peer.settimeout(5)
        self.bridge = Bridge(self.device.fileno(), self.udp, PLAN, "127.0.0.1")
        self.peer_port: int = self.peer.getsockname()[1]

    def packet_to_peer(self, tos: int = 0, ttl: int = 64) -> bytes:
        destination = str(PLAN.address_of(self.peer_port))
        return packet(SEGMENT, destination=destination, tos=tos, ttl=ttl)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with contextlib.ExitStack() as stack:
        yield Rig(stack)


def test_the_pumps_move_packets_and_their_tos_and_ttl_both_ways(rig: Rig) -> None:
    """UDP-30, UDP-16."""
    rig.kernel.send(rig.packet_to_peer(tos=0x2E << 2 | 1, ttl=33))
    rig.bridge.pump_tun()
    segment, ancillary, _, sender = rig.peer.recvmsg(100, 100)
    assert segment == SEGMENT
    assert sender == rig.udp.getsockname()
    assert {(kind, data[0]) for _, kind, data in ancillary} == {
        (socket.IP_TOS, 0x2E << 2 | 1),
        (socket.IP_TTL, 33),
    }
    rig.peer.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x0A << 2 | 3)
    rig.peer.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 7)
    rig.peer.sendto(SEGMENT, rig.udp.getsockname())
    rig.bridge.pump_socket()
    got = rig.kernel.recv(100)
    expected = TRANSLATOR.to_packet(Datagram(SEGMENT, rig.peer_port, 0x0A << 2 | 3, 7))
    assert got == expected
    assert not rig.bridge.counters


def test_a_pump_with_nothing_to_do_returns(rig: Rig) -> None:
    rig.bridge.pump_tun()
    rig.bridge.pump_socket()
    assert not rig.bridge.counters


def test_a_pump_moves_a_batch_at_most(rig: Rig) -> None:
    for _ in range(BATCH + 1):
        rig.peer.sendto(b"x", rig.udp.getsockname())
    rig.bridge.pump_socket()
    assert rig.bridge.counters == {Drop.TCP_LENGTH: BATCH}
    rig.bridge.pump_socket()
    assert rig.bridge.counters == {Drop.TCP_LENGTH: BATCH + 1}


def test_bad_input_is_counted_and_the_next_goes_through(rig: Rig) -> None:
    rig.kernel.send(b"\x60 some IPv6")
    rig.kernel.send(packet(SEGMENT, protocol=17))
    rig.kernel.send(rig.packet_to_peer())
    rig.bridge.pump_tun()
    assert rig.peer.recv(100) == SEGMENT
    rig.peer.sendto(b"short", rig.udp.getsockname())
    rig.peer.sendto(SEGMENT, rig.udp.getsockname())
    rig.bridge.pump_socket()
    assert rig.kernel.recv(100)[20:36] == SEGMENT[:16]
    assert rig.bridge.counters == {Drop.NOT_IPV4: 1, Drop.NOT_TCP: 1, Drop.TCP_LENGTH: 1}


def test_a_stranger_is_dropped(rig: Rig) -> None:
    """UDP-10: one peer host, and no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.2", 0))
        stranger.sendto(SEGMENT, rig.udp.getsockname())
    rig.bridge.pump_socket()
    assert rig.bridge.counters == {Drop.ADDRESS: 1}


def test_a_peer_that_is_gone_is_reported_to_the_kernel(rig: Rig) -> None:
    """UDP-30, UDP-19: ICMP goes over as well, and costs other peers nothing."""
    packet_to_gone = rig.packet_to_peer()
    gone_port = rig.peer_port
    rig.peer.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(5)
        rig.peer_port = other.getsockname()[1]
        for _ in range(3):
            rig.kernel.send(packet_to_gone)
            rig.kernel.send(rig.packet_to_peer())
        rig.bridge.pump_tun()
        rig.bridge.pump_socket()
        for _ in range(3):
            assert other.recv(100) == SEGMENT
            got = rig.kernel.recv(100)
            assert got == TRANSLATOR.to_icmp(3, 3, 0, Datagram(SEGMENT, gone_port, 0, 64))
    assert not rig.bridge.counters


def test_what_the_device_does_not_take_is_counted(rig: Rig) -> None:
    rig.kernel.close()
    rig.peer.sendto(SEGMENT, rig.udp.getsockname())
    rig.bridge.pump_socket()
    assert rig.bridge.counters == {Drop.TUN_REFUSED: 1}


async def test_run_pumps_both_ways_until_cancelled(rig: Rig) -> None:
    loop = asyncio.get_running_loop()
    rig.peer.setblocking(False)
    rig.kernel.setblocking(False)
    running = asyncio.ensure_future(rig.bridge.run())
    await loop.sock_sendall(rig.kernel, rig.packet_to_peer())
    assert await loop.sock_recv(rig.peer, 100) == SEGMENT
    rig.peer.sendto(SEGMENT, rig.udp.getsockname())
    assert (await loop.sock_recv(rig.kernel, 100))[20:36] == SEGMENT[:16]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not loop.remove_reader(rig.udp)
    assert not loop.remove_reader(rig.device)


@pytest.mark.parametrize("name", ["", "sixteen-letters!"])
def test_impossible_interface_names(name: str) -> None:
    with pytest.raises(ValueError):
        open_tun(name)


@pytest.mark.parametrize("mtu", [75, 65_544])
def test_impossible_mtu(mtu: int) -> None:
    with pytest.raises(ValueError):
        open_tun("rudp-unit", mtu)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--listen", "127.0.0.1:65536"],
        ["--listen", "somewhere:1"],
        ["--listen", "127.0.0.1"],
        ["--address", "::1"],
        ["--prefix", "10.77.1.0/16"],
        ["--peer-host", "localhost"],
        ["--prefix", "10.76.0.0/16"],
        ["--name", "sixteen-letters!"],
    ],
)
def test_bad_arguments_end_the_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code in (1, 2)
    assert "rudp.bridge: " in capsys.readouterr().err


def test_help_says_how_to_set_it_up() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "rudp.bridge", "--help"], capture_output=True, text=True, check=True
    )
    assert "route add 10.77.0.0/16 dev rudp0" in ran.stdout
    assert "10.77.18.52" in ran.stdout
