"""Wireshark's TCP dissector reads our datagrams, when told that the UDP port carries TCP."""

import asyncio
import dataclasses
import pathlib
import random

import pytest

import rudp
from tests.interop.capture import capture, fields, follow, missing
from tests.interop.relay import relay

pytestmark = pytest.mark.interop

# The bits of tcp.completeness: which segments of a connection tshark has seen.
SYN, SYN_ACK, ACK, DATA, FIN, RST = 1, 2, 4, 8, 16, 32
COMPLETE = SYN | SYN_ACK | ACK | DATA | FIN

# One segment, one frame: a run that the kernel cuts up (UDP_SEGMENT) crosses loopback whole.
CONFIG = rudp.Config(datagram_io="portable", mss=1400)


@pytest.fixture(scope="module", autouse=True)
def _tshark() -> None:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _transfer(address: tuple[str, int], inner_port: int, data: bytes) -> bytes:
    """Send *data* to an echo server, read what comes back, close."""
    reader, writer = await rudp.open_connection(*address, inner_port=inner_port, config=CONFIG)
    writer.write(data)
    writer.write_eof()
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


async def test_a_whole_connection(tmp_path: pathlib.Path) -> None:
    """UDP-32, W-30, W-31: nothing malformed, complete, all options read, the same octets."""
    file = tmp_path / "run.pcap"
    data = random.Random(1).randbytes(300_000)
    server = await rudp.start_server(_echo, "127.0.0.1", 0, config=CONFIG)
    port = server.sockets[0].getsockname()[1]
    with capture(port) as captured:
        async with server:
            assert await _transfer(("127.0.0.1", port), port, data) == data
        captured.save(file)
    options = ("mss_val", "wscale.shift", "sack_perm", "timestamp.tsval")
    names = ("tcp.flags.syn", "tcp.checksum", "tcp.completeness", "_ws.malformed")
    frames = fields(file, port, *names, *(f"tcp.options.{name}" for name in options))
    assert [frame for frame in frames if frame["_ws.malformed"] or not frame["tcp.checksum"]] == []
    assert frames[-1]["tcp.completeness"] == str(COMPLETE)
    syns = [frame for frame in frames if frame["tcp.flags.syn"] == "1"]
    assert syns == frames[:2]
    for name in options:
        assert all(frame[f"tcp.options.{name}"] for frame in syns), name
    assert all(frame["tcp.options.timestamp.tsval"] for frame in frames)
    assert {frame["tcp.checksum"] for frame in frames} == {"0x0000"}, "W-9"
    assert follow(file, port) == (data, data)


async def test_signed_segments(tmp_path: pathlib.Path) -> None:
    """RFC 5925 §2.2: the ids of the keys are read in each, and everything else as before."""
    file = tmp_path / "signed.pcap"
    data = random.Random(1).randbytes(100_000)
    ours = rudp.MasterKey(secret=b"sixteen octets..", send_id=61, recv_id=84)
    theirs = dataclasses.replace(ours, send_id=84, recv_id=61)
    server = await rudp.start_server(
        _echo, "127.0.0.1", 0, config=dataclasses.replace(CONFIG, keys=(theirs,))
    )
    port = server.sockets[0].getsockname()[1]
    with capture(port) as captured:
        async with server:
            reader, writer = await rudp.open_connection(
                "127.0.0.1", port, config=dataclasses.replace(CONFIG, keys=(ours,))
            )
            writer.write(data)
            writer.write_eof()
            assert await reader.read() == data
            writer.close()
            await writer.wait_closed()
        captured.save(file)
    ao = ("tcp.options.ao.keyid", "tcp.options.ao.rnextkeyid", "tcp.options.ao.mac")
    names = ("udp.srcport", "tcp.completeness", "_ws.malformed", "tcp.options.timestamp.tsval")
    frames = fields(file, port, *names, *ao)
    assert frames[-1]["tcp.completeness"] == str(COMPLETE)
    for frame in frames:
        ids = ("84", "61") if frame["udp.srcport"] == str(port) else ("61", "84")
        assert (frame[ao[0]], frame[ao[1]]) == ids
        assert len(frame[ao[2]].replace(":", "")) == 24
        assert frame["tcp.options.timestamp.tsval"]
        assert not frame["_ws.malformed"]
    assert follow(file, port) == (data, data)


async def test_selective_acknowledgements(tmp_path: pathlib.Path) -> None:
    """W-25: after losses the blocks are read, and retransmissions told from new data."""
    file = tmp_path / "losses.pcap"
    data = random.Random(2).randbytes(300_000)
    ended = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _echo(reader, writer)
        ended.set()

    server = await rudp.start_server(echo, "127.0.0.1", 0, config=CONFIG)
    port = server.sockets[0].getsockname()[1]
    async with server, relay(("127.0.0.1", port), loss=0.05, seed=3) as path:
        relay_port = path.address[1]
        with capture(relay_port) as captured:
            assert await _transfer(path.address, port, data) == data
            captured.save(file)
        await ended.wait()  # what the client's last ACKs say has to come through the relay, too
    assert min(path.dropped) > 0
    names = ("_ws.malformed", "tcp.options.sack_le", "tcp.analysis.retransmission")
    frames = fields(file, relay_port, *names)
    assert not any(frame["_ws.malformed"] for frame in frames)
    assert any(frame["tcp.options.sack_le"] for frame in frames)
    assert any(frame["tcp.analysis.retransmission"] for frame in frames)


async def test_a_refused_connection(tmp_path: pathlib.Path) -> None:
    """A SYN and the RST that answers it."""
    file = tmp_path / "refused.pcap"
    server = await rudp.start_server(_echo, "127.0.0.1", 0, config=CONFIG)
    port = server.sockets[0].getsockname()[1]
    with capture(port) as captured:
        async with server:
            with pytest.raises(ConnectionRefusedError):
                await rudp.open_connection("127.0.0.1", port, inner_port=port ^ 1, config=CONFIG)
        captured.save(file)
    frames = fields(file, port, "tcp.completeness", "_ws.malformed")
    assert len(frames) == 2
    completeness = int(frames[-1]["tcp.completeness"])
    assert completeness & (SYN | SYN_ACK | RST) == SYN | RST
    assert not any(frame["_ws.malformed"] for frame in frames)
