"""How commands run: loops, errors in words, several things at once; and addresses."""

import argparse
import asyncio
import errno
import os
import socket
import ssl
import sys
from typing import Any

import pytest

from rudp.cli import main, running
from rudp.cli.address import Address


@pytest.mark.parametrize(
    "text", ["rudp://127.0.0.1:7", "tcp://example.org:65535", "rudp://[::1]:7777", "tcp://:0"]
)
def test_addresses_are_written_as_they_are_read(text: str) -> None:
    assert str(Address.to_listen(text)) == text


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("localhost:7", "rudp://localhost:7"),
        ("[::1]:7", "rudp://[::1]:7"),
        (":7", "rudp://:7"),
        ("[fe80::1%eth0]:7", "rudp://[fe80::1%eth0]:7"),
        ("tcp://[fe80::1%25eth0]:7", "tcp://[fe80::1%eth0]:7"),
    ],
)
def test_what_addresses_may_leave_out(text: str, full: str) -> None:
    assert str(Address.to_listen(text)) == full


@pytest.mark.parametrize(
    "text",
    [
        *("", "7", "udp://localhost:7", "rudp://localhost", "rudp://localhost:x", "x://"),
        *("rudp://localhost:65536", "rudp://a/b:7", "rudp://a:7/", "rudp://a:7?x", "rudp://::1:7:"),
        *("[::1]", "[::1]7", "[]:7", "::1", "a:b:7", "[::1%]:7", "[1.2.3.4]:7", "//x:7"),
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is not an address|is not a port|range"):
        Address.to_listen(text)


def test_uvloop_is_taken_if_it_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(SystemExit) as ended:
        main(["echo", "--loop", "uvloop", "rudp://127.0.0.1:0"])
    assert ended.value.code == 2
    assert "uvloop is not installed" in capsys.readouterr().err
    loops: list[Any] = []

    async def note() -> int:
        loops.append(type(asyncio.get_running_loop()))
        return 0

    parser = argparse.ArgumentParser("rudp note")
    running.add_options(parser)
    assert running.run(parser, parser.parse_args([]), note) == 0
    assert loops == [asyncio.SelectorEventLoop]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "connection refused"),
        (ConnectionResetError(), "ConnectionResetError"),
        (ConnectionError("the peer has ended"), "the peer has ended"),
        (TimeoutError(), "timed out"),
        (TimeoutError(errno.ETIMEDOUT, "Connect call failed"), "timed out"),
        (OSError(errno.EHOSTUNREACH, "Connect call failed"), "no route to host"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "no such file or directory"),
        (socket.gaierror(-2, "Name not known"), "the name is not known: Name not known"),
        (
            socket.gaierror(getattr(socket, "EAI_ADDRFAMILY", -9), "Address family"),
            "the host has no address of this IP version",
        ),
        (running.FailedError("it is so"), "it is so"),
        (ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "it was cut"), "TLS failed: it was cut"),
    ],
)
def test_errors_in_words(error: Exception, words: str) -> None:
    assert running.in_words(error).startswith(words)


def test_a_failure_is_one_line(
    capsys: pytest.CaptureFixture[str], pytestconfig: pytest.Config
) -> None:
    """What goes wrong in a callback is told too, and nothing has a traceback."""

    async def fail() -> int:
        asyncio.get_running_loop().call_soon(os.stat, "/none")
        await asyncio.sleep(0)
        raise running.FailedError("no luck")

    parser = argparse.ArgumentParser("rudp fail")
    running.add_options(parser)
    options = parser.parse_args(["--loop", pytestconfig.getoption("--loop")])
    assert running.run(parser, options, fail) == 1
    callback, end = capsys.readouterr().err.splitlines()
    assert callback.startswith("rudp fail: Exception in callback ")
    assert callback.endswith("no such file or directory")
    assert end == "rudp fail: no luck"


async def test_together() -> None:
    """All results, or the first exception, and then nothing goes on."""
    cancelled = []

    async def give(value: int) -> int:
        return value

    async def fail() -> None:
        raise OSError("it failed")

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(1)

    assert await running.together() == []
    assert await running.together(give(1), give(2)) == [1, 2]
    with pytest.raises(OSError, match="it failed"):
        await running.together(wait(), fail())
    assert cancelled == [1]
    assert await running.alongside(give(3), wait(), give(4)) == 3
    with pytest.raises(OSError, match="it failed"):
        await running.alongside(wait(), fail())
    with pytest.raises(OSError, match="it failed"):
        await running.alongside(fail(), fail())
    assert len(cancelled) == 3
