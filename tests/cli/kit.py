"""The command ``rudp`` as a user runs it: a process that is given signals and returns a status."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import trustme

ROOT: Final = Path(__file__).resolve().parents[2]
TIMEOUT: Final = 90.0

# Signals end it even if the test run ignores them.
START: Final = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "signal.signal(signal.SIGHUP, signal.SIG_DFL); from rudp.cli import main; sys.exit(main())"
)


class Command:
    """A running command."""

    def __init__(self, *arguments: str, stdin: Any = subprocess.DEVNULL, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", START, *arguments],
            cwd=ROOT,
            stdin=stdin,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            env=os.environ | {"COLUMNS": "80"} | options.pop("env", {}),
            **options,
        )

    def event(self, kind: str, *, on_stderr: bool = False) -> dict[str, Any]:
        """Wait for the next event of that *kind*."""
        stream = self.process.stderr if on_stderr else self.process.stdout
        assert stream is not None
        seen = []
        for line in stream:
            seen.append(line)
            event: dict[str, Any] = json.loads(line)
            if event["event"] == kind:
                return event
        raise AssertionError(f"no {kind}, but {seen}")

    def port(self, *, on_stderr: bool = False) -> str:
        """Wait until it listens; return the port."""
        where: str = self.event("listening", on_stderr=on_stderr)["address"]
        return where.rpartition(":")[2]

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Wait for its end; return the status and what it has said on stdout and stderr."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, (out or b"").decode(), err.decode()


class Commands:
    """Starts commands on one event loop, and ends those that still run."""

    def __init__(self, loop: str) -> None:
        self._loop = loop
        self._all: list[Command] = []

    def __call__(self, name: str, *arguments: str, **options: Any) -> Command:
        command = Command(name, "--loop", self._loop, *arguments, **options)
        self._all.append(command)
        return command

    def end(self) -> None:
        for command in self._all:
            command.process.kill()
            command.process.communicate()


@pytest.fixture
def rudp(pytestconfig: pytest.Config) -> Iterator[Commands]:
    """Start ``rudp NAME ARGUMENTS`` on the loop of the test run."""
    commands = Commands(pytestconfig.getoption("--loop"))
    yield commands
    commands.end()


class Identities:
    """PEM files of an authority and of a server it vouches for."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.authority = authority
        self.ca = str(folder / "ca.pem")
        self.certificate = str(folder / "server.pem")
        self.stranger = str(folder / "stranger.pem")
        authority.cert_pem.write_to_path(self.ca)
        server = authority.issue_cert("127.0.0.1", "localhost")
        server.private_key_and_cert_chain_pem.write_to_path(self.certificate)
        trustme.CA().cert_pem.write_to_path(self.stranger)

    @property
    def server(self) -> tuple[str, ...]:
        return ("--ssl", "--ssl-cert", self.certificate)

    @property
    def client(self) -> tuple[str, ...]:
        return ("--ssl", "--ssl-ca", self.ca)


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    """Certificates for 127.0.0.1."""
    return Identities(tmp_path_factory.mktemp("identities"))
