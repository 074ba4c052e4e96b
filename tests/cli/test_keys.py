"""``--key-file`` and ``RUDP_KEY``: who has the key is answered, and nobody else."""

import argparse
from pathlib import Path

import pytest

from rudp.cli import arguments
from tests.cli.kit import Commands

KEY = b"a key that both have"


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "key"
    path.write_bytes(KEY + b"\n")
    return str(path)


def test_a_key_is_what_is_in_the_file(key_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUDP_KEY", "another key that somebody has")
    (key,) = arguments.key(key_file)
    assert key.secret == KEY
    (key,) = arguments.key("")
    assert key.secret == b"another key that somebody has"
    monkeypatch.delenv("RUDP_KEY")
    assert arguments.key("") == ()


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (KEY, KEY),
        (KEY + b"\n", KEY),
        (KEY + b"\r\n", KEY),
        (KEY + b"\r", KEY + b"\r"),  # one that was drawn, and ends so by chance
        (KEY + b"\n\n", KEY + b"\n"),
    ],
)
def test_one_newline_does_not_count(content: bytes, secret: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    (key,) = arguments.key(str(path))
    assert key.secret == secret


def test_keys_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    for content in (b"", b"short\n", bytes(81)):
        path.write_bytes(content)
        with pytest.raises(argparse.ArgumentTypeError, match="16 to 80 octets"):
            arguments.key(str(path))
    with pytest.raises(argparse.ArgumentTypeError, match="16 to 80 octets"):
        arguments.key("/dev/zero")
    with pytest.raises(argparse.ArgumentTypeError, match="No such file"):
        arguments.key(str(tmp_path / "nowhere"))
    monkeypatch.setenv("RUDP_KEY", "short")
    with pytest.raises(argparse.ArgumentTypeError, match="RUDP_KEY: a key must have"):
        arguments.key("")


def test_nc_and_echo(rudp: Commands, key_file: str) -> None:
    """One has it in a file, the other in the environment; who has none finds nobody."""
    echo = rudp("echo", "rudp://127.0.0.1:0", "--json", "--key-file", key_file)
    port = echo.port()
    with_key = rudp("nc", "127.0.0.1", port, stdin=-1, env={"RUDP_KEY": KEY.decode()})
    out, _ = with_key.process.communicate(b"hello")
    assert (out, with_key.process.returncode) == (b"hello", 0)
    without = rudp("nc", "127.0.0.1", port, "--connect-timeout", "1s")
    status, _, err = without.end()
    assert (status, err) == (1, "rudp nc: timed out\n")
    short = rudp("nc", "127.0.0.1", port, env={"RUDP_KEY": "short"})
    status, _, err = short.end()
    assert status == 2
    assert "16 to 80 octets" in err


def test_a_peer_without_the_key_is_named(rudp: Commands, key_file: str) -> None:
    port = rudp("echo", "rudp://127.0.0.1:0", "--json", env={"RUDP_KEY": ""}).port()
    nc = rudp("nc", "--connect-timeout", "300ms", "--key-file", key_file, "127.0.0.1", port)
    assert nc.end() == (1, "", "rudp nc: timed out: no answer with this key, but others\n")
