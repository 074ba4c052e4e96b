"""What a program is told of its connections: lines of the log, addresses in errors, numbers."""

import asyncio
import logging
import pickle
import re
import socket
import ssl
from typing import Any

import pytest
import trustme

import rudp
from tests.aio.kit import HOST, Net, Recorder, address_of, cleared, close, pair, stream_pair


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged at INFO, ports and times left out."""
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    return [re.sub(r"port \d+ to [^ ]+:\d+|[\d.]+ (s|ms|µs)\b", "...", text) for text in said]


async def quiet(net: Net) -> None:
    """Let both ends notice what has happened."""
    await asyncio.sleep(1.0 if net.is_virtual else 0.1)


async def test_one_line_when_a_connection_opens_and_one_when_it_ends(
    net: Net, caplog: pytest.LogCaptureFixture
) -> None:
    """Of both sides, the one in TIME-WAIT too: how long, how much, and why."""
    if net.is_tcp:
        pytest.skip("asyncio does not")
    caplog.set_level(logging.INFO, "rudp")
    async with stream_pair(net) as ((reader, writer), (far_reader, far_writer)):
        await quiet(net)
        assert lines(caplog) == ["...: open, after ..."] * 2
        caplog.clear()
        writer.write(bytes(2048))
        await far_reader.readexactly(2048)
        far_writer.write(b"x")
        assert await reader.read(1) == b"x"
        await close(writer)
        assert await far_reader.read() == b""
        await close(far_writer)
        await quiet(net)
    assert sorted(lines(caplog)) == [
        "...: ended after ..., 1 octet sent and 2 KiB received: closed",
        "...: ended after ..., 2 KiB sent and 1 octet received: closed",
    ]


async def test_the_line_at_the_end_says_why(net: Net, caplog: pytest.LogCaptureFixture) -> None:
    if net.is_tcp:
        pytest.skip("asyncio does not")
    caplog.set_level(logging.INFO, "rudp")
    async with pair(net) as p:
        rudp.reset(p.near)
        assert isinstance(await p.server.lost, ConnectionResetError)
        await p.client.lost
        await quiet(net)
    ends = [text.partition(": ended ")[2].rpartition(": ")[2] for text in lines(caplog)[2:]]
    assert sorted(ends) == ["Connection reset by peer", "Software caused connection abort"]


async def test_nothing_is_asked_for_when_nobody_listens(
    net: Net, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING, "rudp")
    monkeypatch.setattr("rudp.aio.news.seconds", None)
    async with stream_pair(net) as ((_, writer), (_, far_writer)):
        await close(writer)
        await close(far_writer)
    assert not caplog.records


async def test_an_open_that_fails_has_no_line_and_names_the_address(
    net: Net, caplog: pytest.LogCaptureFixture
) -> None:
    """In asyncio's words; its notes and its kind are as they were."""
    caplog.set_level(logging.INFO, "rudp")
    server = await net.create_server(Recorder)
    address = address_of(server)
    async with cleared(server):
        pass
    with pytest.raises(ConnectionRefusedError) as raised:
        await net.create_connection(Recorder, *address)
    assert str(raised.value).endswith(f"Connect call failed {address!r}")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.errno) == (str(raised.value), raised.value.errno)
    assert not lines(caplog)


async def test_several_refusals_are_a_refusal(real: Net) -> None:
    """Each with its address; asyncio's own summary has lost what kind of error it was."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HOST, 0))
        port = one.getsockname()[1]
    loop = asyncio.get_running_loop()
    both = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (HOST, port)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.3", port)),
    ]

    async def resolved(*_: Any, **__: Any) -> Any:
        return both

    patch = pytest.MonkeyPatch()
    try:
        patch.setattr(type(loop), "getaddrinfo", resolved)
    except TypeError:
        pytest.skip("a loop in C is as it is")
    with patch.context(), pytest.raises(ConnectionRefusedError) as raised:
        await real.create_connection(Recorder, "name", port)
    patch.undo()
    for *_, address in both:
        assert f"Connect call failed {address!r}" in str(raised.value)


async def test_info_of_everything_that_stands_for_a_connection(net: Net) -> None:
    if net.is_tcp:
        with pytest.raises(TypeError, match="rudp"):
            async with stream_pair(net) as ((_, writer), _):
                rudp.info(writer)
        return
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert(HOST).configure_cert(server_side)
    authority.configure_trust(client_side)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(5))
        await close(writer)

    server = await net.start_server(echo, HOST, 0, ssl=server_side)
    async with cleared(server):
        reader, writer = await net.open_connection(*address_of(server), ssl=client_side)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        for one in (writer, writer.transport):
            found = rudp.info(one)
            assert found.state is rudp.State.ESTABLISHED
            assert found.bytes_received > 5, "TLS has more to say"
        text = str(found)
        assert text.startswith("ESTABLISHED, Cubic, segments of ")
        for part in ("round trip: ", " (varies by ", "windows: congestion ", " KiB", "rates: "):
            assert part in text
        await close(writer)


async def test_stats_as_text_are_what_has_counted_something(net: Net) -> None:
    if net.is_tcp:
        return
    async with pair(net) as p:
        stats = p.near.get_extra_info("endpoint").stats()
        shown = dict(re.split(r"\s{2,}", line) for line in str(stats).splitlines())
        assert shown["connections"] == "1"
        assert set(shown) == {name for name, value in stats.items() if value}
        assert dict(stats)["rst_sent"] == 0
