"""TCP-AO's MACs and traffic keys, held against RFC 9235 and against segments of our own making."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from rudp.core.segment import wire
from rudp.core.segment.mac import Hmac, Mac, derivation_input, traffic_hmac
from rudp.core.segment.options import SignedOptions, encode_unsigned
from rudp.core.segment.signature import NO_ADDRESS, Signature
from rudp.core.segment.wire import ACK, PSH, Run
from rudp.core.terms.counters import Counters
from rudp.keys import Cmac, derive_cmac

SECRET = b"testvector"
VECTORS: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("rfc9235.json").read_text(encoding="utf-8")
)["vectors"]


class Packet:
    """One of RFC 9235's packets: its addresses, and its segment as it came."""

    def __init__(self, vector: dict[str, Any]) -> None:
        packet = bytes.fromhex(vector["packet"])
        if packet[0] >> 4 == 4:
            self.source, self.destination = packet[12:16], packet[16:20]
            self.segment = packet[20:]
        else:
            self.source, self.destination = packet[8:24], packet[24:40]
            self.segment = packet[40:]
        ports = self.segment[:4]
        numbers = struct.pack("!II", vector["source_isn"], vector["destination_isn"])
        self.context = self.source + self.destination + ports + numbers
        self.covers_options = vector["options_covered"]

    @property
    def run(self) -> Run:
        run = wire.read_segment(memoryview(self.segment), Counters())
        assert run is not None
        return run

    def signature(self, mac: Mac) -> Signature:
        return Signature(mac, self.source, self.destination, self.covers_options)


def traffic_mac(vector: dict[str, Any]) -> Mac:
    context = Packet(vector).context
    if vector["algorithm"] == "AES-128-CMAC-96":
        pytest.importorskip("cryptography")
        return Cmac(SECRET, context)
    return traffic_hmac("sha1", 20, SECRET, context)


def test_all_vectors_are_here() -> None:
    names = {f"{group}.{half}.{n}" for group in "4567" for half in "12" for n in "1234"}
    assert {vector["section"] for vector in VECTORS} == names


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["section"])
class TestVectors:
    def test_traffic_key(self, vector: dict[str, Any]) -> None:
        """RFC 5926 §3.1: what the key derivation functions give."""
        context = Packet(vector).context
        if vector["algorithm"] == "AES-128-CMAC-96":
            pytest.importorskip("cryptography")
            key = derive_cmac(SECRET, context)
        else:
            key = Hmac("sha1", SECRET).digest(derivation_input(context, 20))
        assert key.hex() == vector["traffic_key"]

    def test_its_MAC_is_right(self, vector: dict[str, Any]) -> None:
        packet = Packet(vector)
        opts = packet.run.options
        assert isinstance(opts, SignedOptions)
        assert {opts.key_id, opts.next_id} == {61, 84}
        assert packet.signature(traffic_mac(vector)).is_on(packet.run, packet.run.seq)

    def test_no_bit_of_it_can_be_changed(self, vector: dict[str, Any]) -> None:
        """But in the checksum; and in options, where they are not covered."""
        packet = Packet(vector)
        signature = packet.signature(traffic_mac(vector))
        whole = packet.segment
        options = range(20, packet.run.header_octets - 16)
        for at in range(len(whole)):
            packet.segment = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            run = wire.read_segment(memoryview(packet.segment), Counters())
            if run is None or not isinstance(run.options, SignedOptions):
                continue
            free = at in (16, 17) or (at in options and not packet.covers_options)
            assert signature.is_on(run, run.seq) is free, at

    def test_another_time_round_is_another_segment(self, vector: dict[str, Any]) -> None:
        """RFC 5925 §6.2: the sequence number extension."""
        packet = Packet(vector)
        signature = packet.signature(traffic_mac(vector))
        assert not signature.is_on(packet.run, packet.run.seq + (1 << 32))
        assert not signature.is_on(packet.run, packet.run.seq - (1 << 32))


def made(count: int, octets: int, last: int, seq: int) -> tuple[Signature, bytes]:
    """Return *count* signed segments of *octets* octets, the last of *last*, in one buffer."""
    mac = traffic_hmac("sha256", 32, bytes(16), b"context")
    signature = Signature(mac, NO_ADDRESS, NO_ADDRESS, True)
    data = bytes(n % 251 for n in range((count - 1) * octets + last))
    opts = encode_unsigned(1, 2)
    ports = 7 << 16 | 9
    buffers: list[bytes | memoryview]
    if count == 1:
        head = wire.pack_segment(ports, seq & 0xFFFF_FFFF, 5, ACK | PSH, 100, opts)
        buffers = [head, memoryview(data)]
    else:
        middle = len(data) // 3
        chunks = [memoryview(data)[:middle], memoryview(data)[middle:]]
        wire_seq = seq & 0xFFFF_FFFF
        buffers = wire.pack_run(ports, wire_seq, 5, ACK | PSH, 100, opts, chunks, len(data), octets)
    total = sum(map(len, buffers))
    signature.sign(buffers, 36 + octets, total, seq)
    return signature, b"".join(buffers)


@pytest.mark.parametrize("seq", [1000, (1 << 32) - 2500, (5 << 32) + 7])
@pytest.mark.parametrize(("count", "last"), [(1, 1000), (1, 1), (2, 1000), (9, 1000), (9, 5)])
def test_a_run_is_signed_and_checked_as_one(count: int, last: int, seq: int) -> None:
    """Also where its numbers wrap; what is read is one run, with nothing left out."""
    octets = 1000 if count > 1 else last
    signature, data = made(count, octets, last, seq)
    (run,) = wire.read_runs(memoryview(data), 36 + octets, Counters())
    assert run.segments == count
    assert run.length == (count - 1) * octets + last
    assert signature.is_on(run, seq)
    assert not signature.is_on(run, seq + (1 << 32))


def test_one_wrong_segment_makes_a_run_wrong() -> None:
    signature, data = made(9, 1000, 500, 1000)
    for n in range(9):
        at = n * 1036 + 400
        forged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        (run,) = wire.read_runs(memoryview(forged), 1036, Counters())
        assert not signature.is_on(run, 1000)
