"""``rudp echo`` and ``rudp nc`` as processes over loopback."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rudp as library
from rudp.cli import main
from tests.cli.kit import Commands, Identities

PIPE = subprocess.PIPE


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    """A file of a megabyte, and something, called ``data``."""
    content = os.urandom(1_000_003)
    (tmp_path / "data").write_bytes(content)
    return content


def test_a_file_to_the_echo_and_back(rudp: Commands, tmp_path: Path, data: bytes) -> None:
    """The FIN of either direction is passed on only after everything else."""
    echo = rudp("echo", "--json", "rudp://127.0.0.1:0")
    with open(tmp_path / "data", "rb") as file:
        nc = rudp("nc", "127.0.0.1", echo.port(), stdin=file)
    out, err = nc.process.communicate(timeout=90)
    assert (nc.process.returncode, err) == (0, b"")
    assert out == data
    assert echo.event("closed")["octets"] == len(data)
    assert echo.end(signal.SIGTERM) == (0, "", "")


def test_the_echo_is_plain_text_unless_asked(rudp: Commands) -> None:
    echo = rudp("echo", "tcp://127.0.0.1:0")
    assert echo.process.stdout is not None
    line = echo.process.stdout.readline().decode()
    assert line.startswith("listening on tcp://127.0.0.1:")
    port = int(line.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b"hello"
    assert echo.process.stdout.readline().decode().endswith(": 5 B\n")
    assert echo.end(signal.SIGINT) == (130, "", "interrupted\n")


def test_who_listens_takes_a_file_to_its_end(rudp: Commands, tmp_path: Path, data: bytes) -> None:
    """Its own input has ended long before: that closes only its own direction."""
    listener = rudp("nc", "--json", "-l", "127.0.0.1", "0")
    port = listener.port(on_stderr=True)
    with open(tmp_path / "data", "rb") as file:
        sender = rudp("nc", "-v", "127.0.0.1", port, stdin=file)
    out, err = listener.process.communicate(timeout=90)
    assert out == data
    last = json.loads(err.splitlines()[-1])
    assert (last["event"], last["sent"], last["received"]) == ("closed", 0, len(data))
    status, said, told = sender.end()
    assert (status, said) == (0, "")
    assert told.startswith(f"connected with rudp://127.0.0.1:{port}\nsent 976.6 KiB, received 0 B")


def test_the_answer_may_come_after_our_end(rudp: Commands) -> None:
    """Half-close: the listener hears the end of the question, and answers then."""
    listener = rudp("nc", "--json", "-l", "127.0.0.1", "0", stdin=PIPE)
    client = rudp("nc", "127.0.0.1", listener.port(on_stderr=True), stdin=PIPE)
    assert client.process.stdin is not None
    assert listener.process.stdout is not None
    assert listener.process.stdin is not None
    client.process.stdin.write(b"question")
    client.process.stdin.close()
    client.process.stdin = None
    assert listener.process.stdout.read() == b"question"
    listener.process.stdin.write(b"answer")
    listener.process.stdin.close()
    listener.process.stdin = None
    assert client.end() == (0, "answer", "")
    assert listener.end()[0] == 0


def test_where_somebody_types_the_end_of_the_peer_is_the_end(rudp: Commands) -> None:
    pty: Any = pytest.importorskip("pty", reason="no terminals here")
    typing, terminal = pty.openpty()
    try:
        listener = rudp("nc", "--json", "-l", "127.0.0.1", "0", stdin=PIPE)
        client = rudp("nc", "127.0.0.1", listener.port(on_stderr=True), stdin=terminal)
        os.write(typing, b"typed\n")
        assert listener.process.stdout is not None
        assert listener.process.stdout.read(6) == b"typed\n"
        listener.process.communicate(b"bye", timeout=90)
        assert client.end() == (0, "bye", "")
    finally:
        os.close(typing)
        os.close(terminal)


def test_tls(rudp: Commands, identities: Identities) -> None:
    echo = rudp("echo", "--json", *identities.server, "rudp://127.0.0.1:0")
    port = echo.port()
    nc = rudp("nc", *identities.client, "-q", "100ms", "127.0.0.1", port, stdin=PIPE)
    assert nc.process.stdin is not None
    assert nc.process.stdout is not None
    nc.process.stdin.write(b"a secret")
    nc.process.stdin.flush()
    assert nc.process.stdout.read(8) == b"a secret"
    assert nc.end() == (0, "", "")  # which closes its input
    wrong = rudp("nc", "--ssl", "--ssl-ca", identities.stranger, "127.0.0.1", port)
    status, _, said = wrong.end()
    assert status == 1
    assert said.startswith("rudp nc: the certificate is not accepted: ")
    assert len(said.splitlines()) == 1
    named = rudp("nc", *identities.client, "--ssl-name", "example.org", "127.0.0.1", port)
    assert "the certificate is not accepted: Hostname mismatch" in named.end()[2]
    assert echo.end(signal.SIGTERM)[0] == 0


def test_tls_without_input_waits_for_the_peer(rudp: Commands, identities: Identities) -> None:
    """Who only receives must not close because the sender takes its time."""
    listener = rudp("nc", "--json", *identities.server, "-l", "127.0.0.1", "0")
    port = listener.port(on_stderr=True)
    sender = rudp("nc", *identities.client, "-q", "100ms", "127.0.0.1", port, stdin=PIPE)
    listener.event("connected", on_stderr=True)
    out, err = sender.process.communicate(b"x" * 100_000, timeout=90)
    assert (sender.process.returncode, out, err) == (0, b"", b"")
    status, received, _ = listener.end()
    assert (status, received) == (0, "x" * 100_000)


def test_a_tls_stream_that_was_cut(rudp: Commands, identities: Identities) -> None:
    listener = rudp("nc", "--json", *identities.server, "-l", "127.0.0.1", "0")
    port = listener.port(on_stderr=True)
    sender = rudp("nc", *identities.client, "127.0.0.1", port, stdin=PIPE)
    listener.event("connected", on_stderr=True)
    sender.end(signal.SIGTERM)
    status, _, said = listener.end()
    assert (status, said) == (1, "rudp nc: connection reset by peer\n")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_signal_resets_the_connection(
    rudp: Commands, number: signal.Signals, status: int
) -> None:
    """The peer must not take what it has got for everything."""
    listener = rudp("nc", "--json", "-l", "127.0.0.1", "0", stdin=PIPE)
    client = rudp("nc", "127.0.0.1", listener.port(on_stderr=True), stdin=PIPE)
    listener.event("connected", on_stderr=True)
    assert client.process.stdin is not None
    client.process.stdin.write(b"the first half")
    client.process.stdin.flush()
    assert listener.process.stdout is not None
    assert listener.process.stdout.read(14) == b"the first half"
    assert client.end(number)[0] == status
    assert listener.end() == (1, "", "rudp nc: connection reset by peer\n")


async def test_a_reset_is_heard_while_the_input_is_silent(rudp: Commands) -> None:
    """The peer has ended its direction, and resets when it is gone and something comes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.close()

    server = await library.start_server(serve, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    nc = rudp("nc", "127.0.0.1", port, stdin=PIPE).process
    assert nc.stdin is not None
    assert nc.stdout is not None
    os.write(nc.stdin.fileno(), b"x")
    assert await asyncio.to_thread(nc.stdout.read) == b""
    os.write(nc.stdin.fileno(), b"y")
    assert await asyncio.to_thread(nc.wait, 60) == 1
    assert nc.stderr is not None
    assert nc.stderr.read() == b"rudp nc: connection reset by peer\n"
    server.close()
    await server.wait_closed()


@pytest.mark.skipif(sys.platform == "win32", reason="sockets are no descriptors there")
@pytest.mark.parametrize("blocking", [True, False])
async def test_input_and_output_on_one_socket(rudp: Commands, blocking: bool) -> None:
    """The end of the peer reaches who holds the other end, as rsync and ssh want it."""
    content = os.urandom(1_000_000)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        writer.write_eof()
        received.set_result(await reader.read())
        writer.close()

    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    server = await library.start_server(serve, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.setblocking(blocking)
            nc = rudp("nc", "127.0.0.1", port, stdin=theirs, stdout=theirs)
        ours.settimeout(60)
        assert await asyncio.to_thread(ours.makefile("rb").read) == content
        await asyncio.to_thread(ours.sendall, content)
        ours.shutdown(socket.SHUT_WR)
        assert await received == content
        assert (await asyncio.to_thread(nc.end))[::2] == (0, "")
    server.close()
    await server.wait_closed()


def test_output_that_nobody_reads(rudp: Commands) -> None:
    echo = rudp("echo", "--json", "rudp://127.0.0.1:0")
    read, write = os.pipe()
    nc = rudp("nc", "127.0.0.1", echo.port(), stdin=PIPE, stdout=write)
    os.close(write)
    os.close(read)
    nc.process.communicate(b"hello", timeout=90)
    assert nc.process.returncode == 1


def test_nobody_listens(rudp: Commands) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = str(silent.getsockname()[1])
        nc = rudp("nc", "--connect-timeout", "300ms", "127.0.0.1", port)
        assert nc.end() == (1, "", "rudp nc: timed out\n")
    assert rudp("nc", "127.0.0.1", port).end() == (1, "", "rudp nc: connection refused\n")


def test_an_address_that_is_taken(rudp: Commands) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        where = f"rudp://127.0.0.1:{other.getsockname()[1]}"
        status, _, said = rudp("echo", where).end()
    assert status == 1
    assert said.startswith("rudp echo: ")
    assert "address already in use" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nc", "7"], "a HOST and a PORT are needed"),
        (["nc", "localhost", "0"], "a HOST and a PORT are needed"),
        (["nc", "localhost", "http"], "'http' is not a port"),
        (["nc", "localhost", "65536"], "port 65536 is out of range"),
        (["nc", "localhost:" + "9" * 5000], "is out of range"),
        (["nc", "rudp://localhost:7", "7"], "'rudp://localhost:7' is not the name of a host"),
        (["nc", ":7"], "a HOST and a PORT are needed"),
        (["nc", "-k", "localhost", "7"], "-k needs -l"),
        (["nc", "-4", "-6", "localhost", "7"], "not allowed with"),
        (["nc", "-w", "0", "localhost", "7"], "0 is not between"),
        (["nc", "-l", "--ssl", "7"], "--ssl needs --ssl-cert on the side that listens"),
        (["nc", "--ssl-ca", "x", "localhost", "7"], "--ssl-ca needs --ssl"),
        (["nc", "--ssl", "--ssl-key", "x", "localhost", "7"], "--ssl-key needs --ssl-cert"),
        (["nc", "--ssl", "--ssl-ca", "/none", "localhost", "7"], "cannot read /none"),
        (["nc", "--ssl", "--ssl-ca", "/dev/null", "localhost", "7"], "cannot use /dev/null"),
        (["nc", "--ssl", "--ssl-cert", "/dev/null", "localhost", "7"], "cannot use /dev/null"),
        (["nc", "--mss", "7", "localhost", "7"], "mss must lie between"),
        (["nc", "--connect-timeout", "0", "localhost", "7"], "0 is not between"),
        (["nc", "a..b", "7"], "'a..b' is not the name of a host"),
        (["nc", "x" * 64, "7"], "is not the name of a host"),
        (["nc", "", "7"], "'' is not the name of a host"),
        (["nc", "--ssl", "--ssl-name", ".b", "localhost", "7"], "'.b' is not the name of a host"),
        (["nc", "\udcff", "7"], "is not the name of a host"),
        (["echo", "rudp://a..b:7"], "is not the name of a host"),
        (["perf", "-c", "a..b"], "is not the name of a host"),
        (["perf", "-s", "--bind", "a..b"], "is not the name of a host"),
        (["perf", "-c", "localhost", "-n", "9" * 400], "is more than 1T"),
        (["echo", "localhost"], "'localhost' is not an address: it has no port"),
        (["echo", "http://localhost:7"], "http:// is neither rudp:// nor tcp://"),
        (["echo", "rudp://localhost:7/path"], "'7/path' is not a port"),
        (["echo", "rudp://localhost/path:7"], "is not an address: it should be"),
        (["echo", "rudp://[::1:7"], "is not an address: it should be"),
        (["echo", "::1:7"], "an IPv6 address needs brackets"),
        (["echo", "[::x]:7"], "'::x' is no IPv6 address"),
        (["echo", "[fe80::1%]:7"], "'fe80::1%' is no IPv6 address"),
        (["echo", "--ssl", "--ssl-cert", "x", "tcp://localhost:7"], "--ssl is for rudp"),
    ],
)
def test_arguments_that_cannot_be_used(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_who_listens_may_serve_one_after_the_other(rudp: Commands) -> None:
    """-k: one that fails is told of; the input, which has ended, is at its end for the others."""
    listener = rudp("nc", "-k", "--json", "-l", "127.0.0.1:0")
    port = listener.port(on_stderr=True)
    for word in (b"one", b"two"):
        nc = rudp("nc", "127.0.0.1", port, stdin=PIPE)
        assert nc.process.communicate(word, timeout=60) == (b"", b"")
        assert nc.process.returncode == 0
        assert listener.event("closed", on_stderr=True)["received"] == 3
    rest = listener.end(signal.SIGTERM)
    assert rest[:2] == (143, "onetwo")


def test_silence_may_be_a_failure(rudp: Commands) -> None:
    """-w: neither side says anything; and who listens waits no longer for a peer."""
    echo = rudp("echo", "--json", "127.0.0.1:0")
    nc = rudp("nc", "-w", "300ms", "127.0.0.1", echo.port(), stdin=PIPE)
    assert nc.process.wait(timeout=60) == 1
    assert nc.process.stderr is not None
    assert nc.process.stderr.read() == b"rudp nc: nothing was sent or received for 0.3 s\n"
    assert echo.event("closed")["error"] == "connection reset by peer"
    assert rudp("nc", "-l", "-w", "100ms", "127.0.0.1", "0").end() == (
        *(1, ""),
        "rudp nc: timed out\n",
    )


def test_the_kernel_carries_what_is_called_tcp(rudp: Commands, tmp_path: Path, data: bytes) -> None:
    """To its end, in both directions, as rudp does."""
    listener = rudp("nc", "--json", "-l", "tcp://127.0.0.1:0", stdin=PIPE)
    port = int(listener.port(on_stderr=True))
    with open(tmp_path / "data", "rb") as file:
        nc = rudp("nc", f"tcp://127.0.0.1:{port}", stdin=file)
    out, _ = listener.process.communicate(b"hello", timeout=60)
    assert (listener.process.returncode, out) == (0, data)
    assert nc.end() == (0, "hello", "")


@pytest.mark.parametrize(("option", "host"), [("-4", "127.0.0.1"), ("-6", "::1")])
def test_one_of_the_two_protocols(rudp: Commands, option: str, host: str) -> None:
    echo = rudp("echo", "--json", f"[{host}]:0" if ":" in host else f"{host}:0")
    port = echo.port()
    nc = rudp("nc", option, host, port, stdin=PIPE)
    assert nc.process.communicate(b"x", timeout=60) == (b"x", b"")
    other = "-6" if option == "-4" else "-4"
    failed = rudp("nc", other, "-w", "5", host, port)
    assert failed.end()[0] == 1
