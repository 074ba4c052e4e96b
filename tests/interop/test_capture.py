"""Our own captures, read back by tshark: well formed, complete, with comments and names."""

import asyncio
import pathlib
import shutil
import subprocess
from typing import Any

import pytest

import rudp
from rudp.trace import Capture
from rudp.trace.events import SegmentSent
from rudp.trace.tee import Tee
from tests.unit.watched import Run

pytestmark = pytest.mark.interop

COMPLETE = 31
"""tcp.completeness: SYN, SYN,ACK, ACK, data, FIN."""

DELAY = 0.02


@pytest.fixture(scope="module", autouse=True)
def _tshark() -> None:
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark")


def tshark(file: pathlib.Path, *arguments: str) -> str:
    command = ["tshark", "-2", "-r", str(file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def fields(file: pathlib.Path, *names: str, decode: str = "") -> list[dict[str, str]]:
    columns = [word for name in names for word in ("-e", name)]
    how = ["-d", decode] if decode else []
    checked = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    checked += ["-o", "udp.check_checksum:TRUE"]
    text = tshark(file, "-n", *how, *checked, "-T", "fields", *columns)
    return [dict(zip(names, line.split("\t"), strict=True)) for line in text.splitlines()]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _transfer(host: str, near: Any, far: Any, size: int, **options: Any) -> None:
    """Send to an echo server, read what comes back, close."""
    server = await rudp.start_server(_echo, host, 0, capture=far, **options)
    port = server.sockets[0].getsockname()[1]
    async with server:
        reader, writer = await rudp.open_connection(host, port, capture=near, **options)
        writer.write(bytes(size))
        writer.write_eof()
        assert len(await reader.read()) == size
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_both_ends_of_a_whole_connection(host: str, tmp_path: pathlib.Path) -> None:
    """Each file has all segments once, with right checksums, directions and an interface name."""
    near, far = tmp_path / "near.pcapng", tmp_path / "far.pcapng"
    await _transfer(host, str(near), far, 300_000, config=rudp.Config(mss=1400))
    family = "ipv6" if ":" in host else "ip"
    for file, name in ((near, "client"), (far, "server")):
        frames = fields(
            file, "_ws.malformed", "tcp.completeness", "tcp.checksum.status", "frame.packet_flags",
            "frame.interface_name", "frame.comment", f"{family}.src", "tcp.srcport",
        )  # fmt: skip
        assert not any(frame["_ws.malformed"] for frame in frames)
        assert {frame["tcp.completeness"] for frame in frames} == {str(COMPLETE)}
        assert {frame["tcp.checksum.status"] for frame in frames} == {"1"}, "all good"
        assert {frame["frame.interface_name"] for frame in frames} == {name}
        assert {frame[f"{family}.src"] for frame in frames} == {host}
        by_port: dict[str, set[str]] = {}
        for frame in frames:
            by_port.setdefault(frame["tcp.srcport"], set()).add(frame["frame.packet_flags"])
        assert sorted(map(sorted, by_port.values())) == [["0x00000001"], ["0x00000002"]]
        comments = [frame["frame.comment"] for frame in frames if frame["frame.comment"]]
        first = "SYN_OPEN" if name == "client" else "SYN_ANSWERED"
        assert comments[0].startswith(f"{first}: ")


async def test_the_time_of_day(tmp_path: pathlib.Path) -> None:
    """On a real loop; virtual time begins at 1970."""
    near = tmp_path / "near.pcapng"
    await _transfer("127.0.0.1", near, None, 1000)
    (frame, *_) = fields(near, "frame.time_epoch")
    age = near.stat().st_mtime - float(frame["frame.time_epoch"])
    assert -5.0 < age < 60.0


async def test_as_sent_needs_to_know_the_port(tmp_path: pathlib.Path) -> None:
    """IP, UDP and TCP with checksum 0, as it is on the wire (W-9)."""
    file = tmp_path / "sent.pcapng"
    capture = Capture(file, "as-sent", name="us")
    await _transfer("127.0.0.1", capture, None, 50_000)
    (port,) = {
        frame["udp.dstport"]
        for frame in fields(file, "udp.dstport", "frame.packet_flags")
        if frame["frame.packet_flags"] == "0x00000002"
    }
    names = ("_ws.malformed", "tcp.completeness", "tcp.checksum", "udp.checksum.status")
    frames = fields(file, *names, decode=f"udp.port=={port},tcp")
    assert frames
    assert not any(frame["_ws.malformed"] for frame in frames)
    assert {frame["tcp.completeness"] for frame in frames} == {str(COMPLETE)}
    assert {frame["tcp.checksum"] for frame in frames} == {"0x0000"}
    assert {frame["udp.checksum.status"] for frame in frames} == {"1"}


class Captured(Run):
    """A watched run whose client is captured as well."""

    def __init__(self, file: pathlib.Path, **options: Any) -> None:
        self.file = file
        super().__init__(**options)

    def client_tracer(self) -> rudp.Tracer:
        ours = ("10.0.0.1", 7000)
        capture = Capture(self.file, name="client", peer_name="server", local=ours)
        return Tee(super().client_tracer(), capture)


@pytest.mark.parametrize("seed", range(3))
def test_retransmissions_are_counted_alike(seed: int, tmp_path: pathlib.Path) -> None:
    """What we say was sent again is what Wireshark finds was sent again."""
    run = Captured(tmp_path / "run.pcapng", seed=seed, drop=(3, 40, 41, 42, 77, 150))
    for _ in range(20):
        run.send(10_000)
        run.read(10_000)
    run.close()
    again = [
        event
        for event in run.log.events
        if isinstance(event, SegmentSent)
        and event.connection == "client"
        and event.why.name.startswith("RETRANSMIT_")
    ]
    assert len(again) >= 6
    frames = fields(run.file, "tcp.analysis.retransmission", "frame.comment", "tcp.completeness")
    marked = [frame for frame in frames if frame["tcp.analysis.retransmission"]]
    assert len(marked) == len(again)
    assert all(frame["frame.comment"].startswith("RETRANSMIT_") for frame in marked)
    assert frames[0]["tcp.completeness"] == str(COMPLETE)


def test_names_of_addresses(tmp_path: pathlib.Path) -> None:
    run = Captured(tmp_path / "run.pcapng")
    run.close()
    hosts = tshark(run.file, "-q", "-z", "hosts")
    assert {("10.0.0.1", "client"), ("10.0.0.2", "server")} <= {
        tuple(line.split()) for line in hosts.splitlines()
    }
