"""``rudp nc`` and ``rudp relay`` through a ``rudp rendezvous``, as processes over loopback."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rudp.cli import main
from tests.cli.kit import Command, Commands, Identities


@pytest.fixture
def rendezvous(rudp: Commands) -> Command:
    return rudp("rendezvous", "--json", "--relay", "rudp://127.0.0.1:0")


def where(rendezvous: Command) -> list[str]:
    return ["--punch", "shed", "--rendezvous", f"127.0.0.1:{rendezvous.port()}"]


def test_two_nc_meet(rudp: Commands, rendezvous: Command, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    (tmp_path / "data").write_bytes(data)
    options = where(rendezvous)
    with open(tmp_path / "data", "rb") as file:
        sender = rudp("nc", "--json", *options, stdin=file)
    receiver = rudp("nc", "--json", *options)
    out, _ = receiver.process.communicate(timeout=90)
    assert (out, receiver.process.returncode) == (data, 0)
    assert sender.event("connected", on_stderr=True)["punched"] == "host"
    assert sender.end()[0] == 0
    rendezvous.process.send_signal(signal.SIGTERM)
    assert rendezvous.event("stopped")["meetings"] == 1
    assert rendezvous.end() == (0, "", "")


def test_two_nc_with_a_key_of_their_own(
    rudp: Commands, rendezvous: Command, tmp_path: Path
) -> None:
    """Who has another is not the peer."""
    for name in ("key", "other"):
        (tmp_path / name).write_bytes(f"a secret in {name:>10}\n".encode())
    options = where(rendezvous)
    ours = [*options, "--key-file", str(tmp_path / "key")]
    first, second = rudp("nc", *ours), rudp("nc", *ours)
    assert [first.end(), second.end()] == [(0, "", "")] * 2
    theirs = [*options, "--key-file", str(tmp_path / "other"), "--connect-timeout", "2s"]
    first, second = rudp("nc", *ours, "--connect-timeout", "2s"), rudp("nc", *theirs)
    assert "segments came that are not signed with this key" in first.end()[2]
    assert second.end()[0] == 1


def test_a_relay_on_both_sides(rudp: Commands, rendezvous: Command) -> None:
    options = where(rendezvous)
    echo = rudp("echo", "--json", "tcp://127.0.0.1:0")
    far = rudp("relay", "--json", *options, "punch", f"tcp://127.0.0.1:{echo.port()}")
    far.event("meeting")
    near = rudp("relay", "--json", *options, "tcp://127.0.0.1:0", "punch")
    client = (
        "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 30);"
        "s.sendall(b'hello'); s.shutdown(1); print(s.makefile().read())"
    )
    port = near.port()
    clients = [
        subprocess.Popen([sys.executable, "-c", client, port], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in clients:
        assert process.communicate(timeout=60)[0] == b"hello\n"
    for command in (near, far):
        assert command.end(signal.SIGTERM)[0] == 0


@pytest.mark.parametrize("which", ["nc", "relay"])
def test_with_tls(
    rudp: Commands, rendezvous: Command, identities: Identities, which: str, tmp_path: Path
) -> None:
    """One side shows a certificate, and the other looks at the name in it."""
    options = where(rendezvous)
    client = [*options, *identities.client, "--ssl-name", "localhost"]
    if which == "relay":
        echo = rudp("echo", "--json", "tcp://127.0.0.1:0")
        target = f"tcp://127.0.0.1:{echo.port()}"
        far = rudp("relay", "--json", *options, *identities.server, "punch", target)
        far.event("meeting")
        near = rudp("relay", "--json", *client, "tcp://127.0.0.1:0", "punch")
        with socket.create_connection(("127.0.0.1", int(near.port())), 30) as sock:
            sock.sendall(b"hello")
            assert sock.recv(5) == b"hello"
        for command in (near, far):
            assert command.end(signal.SIGTERM)[0] == 0
        return
    (tmp_path / "data").write_bytes(b"nobody reads this on its way")
    with open(tmp_path / "data", "rb") as file:
        sender = rudp("nc", *options, *identities.server, "--ssl-server", "-q", "1s", stdin=file)
    receiver = rudp("nc", *client, "-q", "1s")
    out, _ = receiver.process.communicate(timeout=60)
    assert (out, receiver.process.returncode) == (b"nobody reads this on its way", 0)
    assert sender.end()[0] == 0


def test_both_as_clients_of_tls(rudp: Commands, rendezvous: Command, identities: Any) -> None:
    client = [*where(rendezvous), *identities.client, "--ssl-name", "localhost"]
    for each in [rudp("nc", *client), rudp("nc", *client)]:
        status, _, err = each.end()
        assert status == 1
        assert "both sides are TLS clients: one needs" in err


def test_what_a_rendezvous_refuses_is_told(rudp: Commands) -> None:
    rendezvous = rudp("rendezvous", "--json", "--room", "house", "rudp://127.0.0.1:0")
    nc = rudp("nc", *where(rendezvous))
    status, out, err = nc.end()
    assert (status, out) == (1, "")
    assert err.startswith("rudp nc: the rendezvous at 127.0.0.1:")
    assert err.endswith(": there is no such room here\n")
    assert rendezvous.end(signal.SIGTERM)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nc", "--rendezvous", "x"], "--rendezvous needs --punch"),
        (["nc", "--punch", "x"], "--punch needs the name of a room, and --rendezvous"),
        (["nc", "--punch", "", "--rendezvous", "x"], "--punch needs the name of a room"),
        (["nc", "--punch", "x", "--rendezvous", "x", "y", "1"], "there is no HOST, no PORT"),
        (["nc", "--punch", "x", "--rendezvous", "x", "-l"], "there is no HOST, no PORT"),
        (["nc", "--punch", "x", "--rendezvous", "x", "--ssl"], "--ssl with --punch needs --ssl-na"),
        (["nc", "--punch", "x", "--rendezvous", "x", "--ssl", "--ssl-server"], "needs --ssl-cert"),
        (["nc", "--punch", "x", "--rendezvous", "x", "--ssl-server"], "is for --punch with --ssl"),
        (["nc", "--ssl", "--ssl-server", "localhost", "7"], "--ssl-server is for --punch with"),
        (["nc", "--punch", "x", "--rendezvous", "tcp://x:1"], "is no rendezvous such as"),
        (["nc"], "which address? HOST PORT, or HOST:PORT"),
        (["nc", "-l", "x"], "'x' is not a port"),
        (["relay", "tcp://:1", "punch"], "--punch is for one of LISTEN and TARGET"),
        (
            ["relay", "--punch", "x", "--rendezvous", "x", "punch", "punch"],
            "--punch is for one of LISTEN and TARGET",
        ),
        (
            ["relay", "--punch", "x", "--rendezvous", "x", "tcp://:1", "tcp://x:1"],
            "--punch is for one of LISTEN and TARGET",
        ),
        (["rendezvous", "tcp://:1"], "a rendezvous listens on rudp://"),
        (["rendezvous", "--relay-rate", "0"], "--relay-rate must be more than 0"),
    ],
)
def test_arguments_that_do_not_go_together(arguments: list[str], error: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert error in capsys.readouterr().err


@pytest.mark.parametrize("text", ["host", "host:9", "rudp://host", "[::1]", "[::1]:9", "1.2.3.4"])
def test_a_rendezvous_may_be_said_in_short(text: str) -> None:
    from rudp.cli.settings import _rendezvous

    port = "9" if text.endswith(":9") else "7478"
    assert _rendezvous(text).startswith("rudp://")
    assert _rendezvous(text).endswith(f":{port}")
