"""Captures: what becomes of a file that cannot be written, of names, of what nobody knows."""

import io
import logging
import struct
from pathlib import Path
from typing import Any

import pytest

from rudp.core.segment import wire
from rudp.core.segment.transmit import Transmit
from rudp.core.terms.state import State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Nobody
from rudp.trace import Capture
from rudp.trace.capture import LIMIT_MIN

PORTS = 5000 << 16 | 80


def sent(capture: Capture, host: str = "10.0.0.2", state: State = State.SYN_SENT) -> None:
    head = wire.pack_segment(PORTS, 1, 0, wire.SYN, 1000, b"")
    path = ((host, 7000), "")
    capture.run_sent(Nobody(path, PORTS, state), Transmit(path, [head], 20, 20), Why.SYN_OPEN, 1.5)


def blocks(data: bytes) -> list[tuple[int, bytes]]:
    """Return kind and body of each block; the lengths at both ends must agree."""
    found = []
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert struct.unpack_from("<I", data, at + size - 4) == (size,)
        assert size % 4 == 0
        found.append((kind, data[at + 8 : at + size - 4]))
        at += size
    return found


def test_a_file_that_is_open() -> None:
    file = io.BytesIO()
    sent(Capture(file, epoch=100.0, name="us", peer_name="them"))
    kinds = blocks(file.getvalue())
    assert [kind for kind, _ in kinds] == [0x0A0D0D0A, 1, 4, 4, 6]
    assert b"SYN_OPEN: " in kinds[4][1]
    _, high, low, kept, length = struct.unpack_from("<IIIII", kinds[4][1])
    assert (high << 32 | low, kept, length) == (101_500_000_000, 40, 40)
    assert b"us\0" in kinds[2][1]
    assert b"them\0" in kinds[3][1]


def test_bulk_data_waits_and_everything_else_does_not() -> None:
    file = io.BytesIO()
    capture = Capture(file)
    begun = len(file.getvalue())
    sent(capture, state=State.ESTABLISHED)
    assert len(file.getvalue()) == begun
    sent(capture, state=State.FIN_WAIT_1)
    assert [kind for kind, _ in blocks(file.getvalue())].count(6) == 2


@pytest.mark.parametrize(
    "host", ["10.0.0.2", "2001:db8::5", "::ffff:10.0.0.2", "fe80::1%eth0", "a"]
)
@pytest.mark.parametrize("flavour", ["as-tcp", "as-sent"])
def test_every_kind_of_address(host: str, flavour: str) -> None:
    file = io.BytesIO()
    capture = Capture(file, "as-tcp" if flavour == "as-tcp" else "as-sent")
    sent(capture, host)
    (packet,) = [body for kind, body in blocks(file.getvalue()) if kind == 6]
    size = (
        20 + (40 if host.startswith(("2001", "fe80")) else 20) + (8 if flavour == "as-sent" else 0)
    )
    assert struct.unpack_from("<I", packet, 16) == (size,)


def test_where_it_is_bound_counts_unless_that_is_everywhere() -> None:
    file = io.BytesIO()
    capture = Capture(file, "as-sent")
    capture.bound_to(("0.0.0.0", 4242))
    sent(capture)
    capture.bound_to(("10.0.0.9", 4243))
    sent(capture)
    packets = [body[20:] for kind, body in blocks(file.getvalue()) if kind == 6]
    assert [packet[12:16] for packet in packets] == [bytes([192, 0, 2, 1]), bytes([10, 0, 0, 9])]
    assert [struct.unpack_from("!H", packet, 20) for packet in packets] == [(4242,), (4243,)]


def test_trouble_with_the_file_ends_the_capture_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    capture = Capture(folder / "run.pcapng")
    (folder / "run.pcapng").unlink()
    folder.rmdir()
    with caplog.at_level(logging.WARNING, "rudp.trace"):
        sent(capture)
        sent(capture)
    assert len(caplog.records) == 1
    with pytest.raises(FileNotFoundError):
        Capture(folder / "run.pcapng")


def test_there_are_two_flavours() -> None:
    with pytest.raises(ValueError, match="flavour"):
        Capture(io.BytesIO(), "vanilla")  # type: ignore[arg-type]


def test_a_limit_keeps_the_latest(tmp_path: Path) -> None:
    """Two files of half the size, each of them whole, and together without a gap."""
    path = tmp_path / "run.pcapng"
    capture = Capture(path, name="us", peer_name="them", limit=LIMIT_MIN)
    head = wire.pack_segment(PORTS, 1, 0, wire.ACK, 1000, bytes(60_000))
    peer = (("10.0.0.2", 7000), "")
    who = Nobody(peer, PORTS, State.ESTABLISHED)
    for second in range(100):
        transmit = Transmit(peer, [head], len(head), len(head))
        capture.run_sent(who, transmit, Why.NEW_DATA, float(second))
    capture.flush()
    before = path.with_name("run.pcapng.1")
    assert sorted(tmp_path.iterdir()) == [path, before]
    times = []
    for file in (before, path):
        data = file.read_bytes()
        assert len(data) <= LIMIT_MIN // 2
        found = blocks(data)
        assert [kind for kind, _ in found[:3]] == [0x0A0D0D0A, 1, 4]
        assert b"them\0" in b"".join(body for kind, body in found if kind == 4)
        for kind, body in found:
            if kind == 6:
                _, high, low, *_ = struct.unpack_from("<IIIII", body)
                times.append((high << 32 | low) // 1_000_000_000)
    assert times == [*range(times[0], 100)]
    assert len(times) >= 8


@pytest.mark.parametrize(("file", "limit"), [("run.pcapng", 1000), (io.BytesIO(), 1 << 21)])
def test_a_limit_is_for_a_path_and_not_too_small(file: Any, limit: int) -> None:
    with pytest.raises(ValueError, match="a limit is"):
        Capture(file, limit=limit)
