"""``rudp perf``: what it measures between two processes, and what its server makes of nonsense."""

import asyncio
import dataclasses
import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest

import rudp as library
from rudp import sim
from rudp.cli import main, output
from rudp.cli.perf import meter
from rudp.cli.perf.request import Request, parse
from rudp.cli.perf.server import Server
from rudp.cli.perf.times import Times
from rudp.cli.running import FailedError
from tests.cli.kit import Command, Commands, Identities

SIZE = 2_000_003


def measured(client: Command) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Wait for the end of a client; return its last event and those before."""
    status, out, err = client.end()
    assert (status, err) == (0, "")
    *before, last = map(json.loads, out.splitlines())
    assert last["event"] == "end"
    return last, before


@pytest.fixture
def server(rudp: Commands) -> Command:
    return rudp("perf", "--json", "-s", "--bind", "127.0.0.1", "-p", "0")


def test_bulk_by_octets_in_all_directions(rudp: Commands, server: Command) -> None:
    port = server.port()
    for arguments, ways in (
        ([], ["up"]),
        (["-R", "-P", "3"], ["down"]),
        (["--bidir", "-l", "1000"], ["up", "down"]),
    ):
        client = rudp("perf", "--json", "-c", "127.0.0.1", "-p", port, "-n", str(SIZE), *arguments)
        end, (begin, *_) = measured(client)
        assert (begin["event"], begin["request"]["octets"]) == ("begin", SIZE)
        connections = begin["request"]["connections"]
        assert [way for way in ("up", "down") if way in end] == ways
        for way in ways:
            figures = end[way]
            assert figures["bytes"] == SIZE * connections
            rate = figures["bytes"] * 8 / figures["seconds"]
            assert figures["bits_per_second"] == pytest.approx(rate)
        total = sum(end[way]["bytes"] for way in ways)
        for side in ("client", "server"):
            per_gigabyte = end[f"cpu_{side}"] / total * 1e9
            assert end[f"cpu_{side}_per_gigabyte"] == pytest.approx(per_gigabyte)
        assert server.event("served")["received"] == SIZE * connections * ("up" in ways)
    assert server.end(signal.SIGTERM) == (0, "", "")


def test_a_time_is_cut_into_intervals(rudp: Commands, server: Command) -> None:
    """What the lines say adds up to no more than what the end says."""
    port = server.port()
    client = rudp(
        "perf", "--json", "-c", "127.0.0.1", "-p", port, "-t", "700ms", "-i", "200ms", "--bidir"
    )
    end, (_, *intervals) = measured(client)
    assert {interval["way"] for interval in intervals} == {"up", "down"}
    for way in ("up", "down"):
        lines = [interval for interval in intervals if interval["way"] == way]
        assert 0 <= sum(line["bytes"] for line in lines) <= end[way]["bytes"]
        assert [line["start"] for line in lines] == [0.0, *[line["end"] for line in lines[:-1]]]
        assert all("limit" in line for line in lines)
    assert end["up"]["seconds"] > 0.7


def test_messages_there_and_back(rudp: Commands, server: Command, identities: Identities) -> None:
    client = rudp(
        *("perf", "--json", "-c", "127.0.0.1", "-p", server.port()),
        *("--ping-pong", "-n", "6400", "-P", "2"),
    )
    end, (begin, *_) = measured(client)
    assert begin["request"]["length"] == 64
    assert end["exchanges"] == 200
    assert 0 < end["p50"] <= end["p90"] <= end["p99"] <= end["p99.9"]
    assert server.event("served")["received"] == 12_800


def test_over_tls(rudp: Commands, identities: Identities) -> None:
    """Directions end one by one though TLS streams cannot."""
    server = rudp("perf", "--json", "-s", "--bind", "127.0.0.1", "-p", "0", *identities.server)
    client = rudp(
        *("perf", "--json", "-c", "127.0.0.1", "-p", server.port(), *identities.client),
        *("--bidir", "-n", str(SIZE)),
    )
    end, (begin, *_) = measured(client)
    assert begin["tls"] is True
    assert end["up"]["bytes"] == end["down"]["bytes"] == SIZE


def test_a_rate_and_a_beginning_that_does_not_count(rudp: Commands) -> None:
    """-b, -O and -1; figures and facts have iperf3's names."""
    server = rudp("perf", "--json", "-s", "-1", "--bind", "127.0.0.1:0")
    client = rudp(
        *("perf", "--json", "-4", "-c", f"rudp://127.0.0.1:{server.port()}", "-l", "4K"),
        *("-b", "8M", "-O", "400ms", "-t", "600ms", "-i", "200ms", "-w", "64K"),
    )
    end, (begin, *intervals) = measured(client)
    assert [line["omitted"] for line in intervals][:2] == [True, True]
    assert not intervals[-1]["omitted"]
    up = end["up"]
    assert 0.4 <= up["start"] < up["end"]
    assert up["bytes"] <= 8e6 / 8 * 0.8  # whatever the machine is busy with, not more than that
    assert up["bytes"] * 8 / up["seconds"] == pytest.approx(up["bits_per_second"])
    assert begin["test_start"]["omit"] == 0.4
    assert begin["test_start"]["duration"] == 0.6
    assert begin["test_start"]["target_bitrate"] == 8e6
    assert begin["version"].startswith("rudp ")
    assert begin["timestamp"]["timesecs"] > 1.7e9
    assert begin["connected"][0]["remote_host"] == "127.0.0.1"
    assert begin["lane"] in ("C", "Python")
    assert all(begin[name] for name in ("host", "system_info", "python"))
    assert server.end()[0] == 0


def test_a_server_for_one_test_that_fails(rudp: Commands) -> None:
    server = rudp("perf", "--json", "-s", "-1", "--bind", "127.0.0.1", "-p", "0")
    client = rudp("perf", "--json", "-c", "127.0.0.1", "-p", server.port(), "-t", "1h")
    client.event("begin")
    client.end(signal.SIGTERM)
    assert server.end()[0] == 1


@pytest.mark.slow
def test_a_picture(rudp: Commands, server: Command, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    port = server.port()
    file = tmp_path / "out.png"
    command = ("perf", "-c", "127.0.0.1", "-p", port, "-t", "300ms", "-i", "100ms", "--plot")
    assert rudp(*command, str(file)).end()[::2] == (0, "")
    assert file.read_bytes().startswith(b"\x89PNG")
    status, _, said = rudp(*command, str(tmp_path / "out.what")).end()
    assert status == 1
    assert said.startswith("rudp perf: cannot draw ")


def test_no_picture_without_what_draws(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rudp.cli.perf.plot.is_there", lambda: False)
    with pytest.raises(SystemExit):
        main(["perf", "-c", "x", "--plot", "out.png"])
    assert "pip install 'aiorudp[plot]'" in capsys.readouterr().err


def test_plain_words(rudp: Commands) -> None:
    server = rudp("perf", "-s", "--bind", "127.0.0.1", "-p", "0")
    assert server.process.stdout is not None
    line = server.process.stdout.readline().decode()
    assert line.startswith("listening on rudp://127.0.0.1:")
    port = line.rstrip().rpartition(":")[2]
    client = rudp("perf", "-c", "127.0.0.1", "-p", port, "-n", "1M", "-i", "100ms")
    status, out, err = client.end()
    assert (status, err) == (0, "")
    assert out.startswith("bulk up, 1 connection, 1.0 MiB each, writes of 64.0 KiB, Cubic, ")
    assert "\nup: octets read                         1048576\n" in out
    client = rudp(
        "perf", "-c", "127.0.0.1", "-p", port, "-t", "300ms", "-i", "100ms", "--ping-pong"
    )
    status, out, err = client.end()
    assert (status, err) == (0, "")
    assert "exchanges    p50 µs    p99 µs  CPU client  server" in out
    status, out, err = server.end(signal.SIGINT)
    assert (status, err) == (130, "interrupted\n")
    assert ": bulk, " in out
    assert ", 1048576 octets read, " in out


def test_one_test_at_a_time(rudp: Commands, server: Command) -> None:
    port = server.port()
    first = rudp("perf", "--json", "-c", "127.0.0.1", "-p", port, "-t", "1h")
    first.event("begin")
    second = rudp("perf", "-c", "127.0.0.1", "-p", port)
    refused = "rudp perf: the server refuses: the server is busy with another test\n"
    assert second.end() == (1, "", refused)
    status, _, err = first.end(signal.SIGINT)
    assert (status, err) == (130, "interrupted\n")
    server.event("failed")
    measured(rudp("perf", "--json", "-c", "127.0.0.1", "-p", port, "-n", "1K"))


def test_a_server_that_ends_in_the_middle(rudp: Commands, server: Command) -> None:
    client = rudp("perf", "--json", "-c", "127.0.0.1", "-p", server.port(), "-t", "1h")
    client.event("begin")
    assert server.end(signal.SIGTERM)[0] == 0
    status, _, err = client.end()
    assert (status, err) == (1, "rudp perf: connection reset by peer\n")


def test_a_server_that_is_something_else(rudp: Commands) -> None:
    echo = rudp("echo", "--json", "rudp://127.0.0.1:0")
    client = rudp("perf", "-c", "127.0.0.1", "-p", echo.port())
    said = "rudp perf: the server says 'request' and not 'token'\n"
    assert client.end() == (1, "", said)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments -s/--server -c/--client is required"),
        (["-s", "-c", "x"], "not allowed with"),
        (["-c", "x", "-R", "--bidir"], "not allowed with"),
        (["-c", "x", "-t", "1", "-n", "1"], "not allowed with"),
        (["-c", "x", "-n", "0"], "octets must be a number from 1"),
        (["-c", "x", "-l", "1G"], "length must be a number from 1"),
        (["-c", "x", "-i", "1ms"], "interval must be a number from 0.1"),
        (["-c", "x", "-P", "1001"], "'1001' is not a number from 1 to 1000"),
        (["-c", "x", "--congestion", "x"], "invalid choice"),
        (["-s", "--ssl"], "--ssl needs --ssl-cert"),
        (["-c", "x", "-b", "1x"], "'1x' is not a rate such as"),
        (["-c", "x", "-b", "0"], "0 is not between 1 and 10T"),
        (["-c", "x", "-O", "1", "-n", "1M"], "-O goes with a time"),
        (["-c", "x", "-b", "1M", "--ping-pong"], "-b and --plot are for bulk data"),
        (["-c", "x", "-1"], "-1 is for the server"),
        (["-c", "x", "--bind", "127.0.0.1"], "--bind is for the server"),
        (["-s", "-b", "1M"], "-b is for the client"),
        (["-s", "--ping-pong"], "--ping-pong is for the client"),
        (["-s", "--plot", "x.png"], "--plot is for the client"),
        (["-c", "x", "-w", "1"], "window must be a number from 4096"),
        (["-c", "tcp://x"], "perf measures rudp"),
        (["-c", "a:b:c"], "is no IPv6 address"),
    ],
)
def test_arguments_that_cannot_be_used(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["perf", *arguments])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


REQUEST = {
    "test": "bulk",
    "up": True,
    "down": False,
    "connections": 1,
    "seconds": None,
    "octets": 10,
    "length": 5,
    "interval": 1,
}


@pytest.mark.parametrize(
    "change",
    [
        {"test": "flood"},
        {"up": False},
        {"up": 1},
        {"connections": 0},
        {"connections": 1.5},
        {"connections": True},
        {"length": 1 << 40},
        {"interval": 0.001},
        {"interval": math.nan},
        {"seconds": 1},
        {"octets": None},
        {"octets": None, "seconds": math.inf},
        {"octets": "10"},
        {"more": 1},
        {"rate": 0},
        {"rate": math.inf},
        {"window": 10},
        {"window": 1.5},
    ],
)
def test_requests_from_anywhere_are_checked(change: dict[str, Any]) -> None:
    assert Request.of(REQUEST).octets == 10
    with pytest.raises(ValueError):
        Request.of(REQUEST | change)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"1", b"{}", b'{"a": 1, "b": 2}', b"\xff"])
def test_lines_from_anywhere_are_checked(line: bytes) -> None:
    with pytest.raises(FailedError):
        parse(line)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b'{"go": true}\n', b""),
        (b"x" * 100_000, b""),
        (b"0123456789abcdef\n", b""),
        (b'{"request": {}}\n', b'{"error": "the request has other members than it should have"}\n'),
        (b'{"request": 1}\n', b'{"error": "the request has other members than it should have"}\n'),
    ],
)
def test_what_the_server_makes_of_nonsense(sent: bytes, answer: bytes) -> None:
    """It resets the connection or says what is wrong, and goes on serving; on virtual time."""

    async def visit() -> bytes:
        server = Server(output.Output())
        listener = await library.start_server(server.connected, "10.0.0.2", 7000)
        reader, writer = await library.open_connection("10.0.0.2", 7000)
        writer.write(sent)
        try:
            heard = await reader.readline()
        except ConnectionResetError:
            heard = b""
        writer.transport.abort()
        listener.close()
        await asyncio.sleep(1)
        await server.end()
        return heard

    assert sim.run(visit()) == answer


def test_a_client_that_asks_and_leaves_the_rest_undone() -> None:
    """The server waits for its connections a while, and is free again; on virtual time."""

    async def visit() -> list[bytes]:
        server = Server(output.Output())
        listener = await library.start_server(server.connected, "10.0.0.2", 7000)
        heard = []
        for _ in range(2):
            reader, writer = await library.open_connection("10.0.0.2", 7000)
            writer.write(json.dumps({"request": REQUEST}).encode() + b"\n")
            heard.append((await reader.readline())[:8])
            with pytest.raises(ConnectionResetError):
                await reader.readline()
            writer.close()
        listener.close()
        await server.end()
        return heard

    assert sim.run(visit()) == [b'{"token"', b'{"token"']


def sample(**changes: Any) -> meter.Sample:
    return dataclasses.replace(meter.nothing(), **changes)


@pytest.mark.parametrize(
    "change",
    [{"cpu": "1"}, {"cwnd": None}, {"looks": [1]}, {"looks": 1}, {"srtt": "x"}, {"cpu": math.nan}],
)
def test_samples_from_anywhere_are_checked(change: dict[str, Any]) -> None:
    good = dataclasses.asdict(meter.nothing())
    assert meter.Sample.of(good) == meter.nothing()
    with pytest.raises(ValueError):
        meter.Sample.of(good | change)
    with pytest.raises(ValueError):
        meter.Sample.of(1)


def test_what_binds() -> None:
    """A busy processor first, else what the sender was held back by most often."""
    start = meter.nothing()
    idle = meter.Span(start, sample(seconds=2.0, cpu=0.5))
    held = meter.Span(start, sample(seconds=2.0, cpu=0.5, looks=[2, 7, 1]))
    busy = meter.Span(start, sample(seconds=2.0, cpu=1.9, looks=[2, 7, 1]))
    starved = meter.Span(start, sample(seconds=2.0, cpu=0.5, waited=1.4))
    assert meter.binding(held, held, idle) == "rwnd"
    assert held.shares() == {"cwnd": 0.2, "rwnd": 0.7, "app": 0.1}
    assert meter.binding(idle, idle, held) is None
    assert meter.binding(busy, busy, idle) == "CPU (client)"
    assert meter.binding(held, held, starved) == "CPU (server)"
    assert meter.binding(busy, busy, starved) == "CPU (client and server)"


@pytest.mark.parametrize(
    ("settings", "rate", "expected"),
    [
        ({"receive_buffer": 16_384, "receive_buffer_max": 16_384}, None, "rwnd"),
        ({}, 1e6, "cwnd"),
    ],
)
def test_what_holds_a_sender_back(
    settings: dict[str, Any], rate: float | None, expected: str
) -> None:
    """A small window of the peer, and a slow path: on virtual time."""

    async def look() -> list[meter.Limit]:
        config = library.Config(**settings)

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(65_536):
                pass
            writer.close()

        async with await library.start_server(take, "10.0.0.2", 7000, config=config) as server:
            _, writer = await library.open_connection("10.0.0.2", 7000)
            writer.write(bytes(300_000))
            limits: list[meter.Limit] = []
            for _ in range(20):
                await asyncio.sleep(0.0101)
                limits.append(writer.get_extra_info("tcp_info").held_back_by)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            server.close()
        return limits

    limits = sim.run(look(), delay=0.02, rate=rate)
    assert max(set(limits), key=limits.count) == expected


def test_percentiles_to_one_percent() -> None:
    times = Times()
    assert times.percentile(50) is None
    more = Times()
    for n in range(1, 1001):
        (times if n % 2 else more).add(n / 1000)
    times.merge(more)
    assert times.count == 1000
    for percent in (0.1, 50, 99, 100):
        assert times.percentile(percent) == pytest.approx(percent / 100, rel=0.011)
    times.add(0.0)
    assert times.percentile(0) == pytest.approx(1e-7, rel=0.011)
