"""The soak: every kind of connection, that what is wrong is found, and a run of some seconds."""

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

import rudp
from bench import soak
from bench.peers import LOOPS
from bench.sessions import KINDS, Ledger, Sessions
from bench.soak import HOST
from rudp.sim import run

SERVER = "10.0.0.2"

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def through(kind: str, seed: int, **path: Any) -> Ledger:
    """Go through one connection of *kind* over a path on virtual time; return the ledger."""

    async def main() -> Ledger:
        ledger = Ledger()
        sessions = Sessions(ledger, random.Random(seed), 300_000)
        ours, theirs = soak.contexts()
        config = rudp.Config(**soak.SETTINGS)
        secret: list[dict[str, Any]] = [{}, {}]
        if kind == "tls":
            secret = [{"ssl": ours}, {"ssl": theirs, "server_hostname": HOST}]
        server = await rudp.start_server(sessions.serve, SERVER, 7, config=config, **secret[0])
        await sessions.run(
            kind, lambda: rudp.open_connection(SERVER, 7, config=config, **secret[1])
        )
        server.close()
        await server.wait_closed()
        assert ledger.opened == {kind: 1}
        return ledger

    return run(main(), seed=seed, delay=0.01, **path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_every_kind_checks_what_it_gets(kind: str, seed: int) -> None:
    ledger = through(kind, seed, loss=0.02, reorder=0.02, duplicate=0.02)
    assert not ledger.failures
    assert ledger.done == {kind: 1}
    assert ledger.octets > 1000


@pytest.mark.parametrize("kind", ["bulk", "ping-pong", "half-closed"])
def test_wrong_octets_are_found(kind: str) -> None:
    """Bits that are flipped where no checksum is looked at."""
    ledger = through(kind, 3, corrupt=0.05, deliver_corrupted=True)
    assert ledger.failed
    assert any("not those that were sent" in failure for failure in ledger.failures)
    assert not ledger.done


def test_an_end_where_a_reset_belongs_is_found() -> None:
    """And a reset where an end belongs: each half of another kind."""

    async def main() -> Ledger:
        ledger = Ledger()
        sessions = Sessions(ledger, random.Random(1), 1000)

        async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line = await reader.readline()
            if line.startswith(b"aborted"):
                writer.close()
                await writer.wait_closed()
            else:
                writer.transport.abort()

        async with await rudp.start_server(rude, SERVER, 7):
            for kind in ("aborted", "bulk"):
                await sessions.run(kind, lambda: rudp.open_connection(SERVER, 7))
        return ledger

    ledger = run(main(), delay=0.01)
    assert ledger.failed == 2
    assert not ledger.done


def test_growth_is_told_from_the_medians_of_two_quarters() -> None:
    def samples(*rss: int) -> list[soak.Sample]:
        return [soak.Sample(n, 0, 0, 0, 0, octets, 0, 0, 0, 0) for n, octets in enumerate(rss)]

    assert soak.growth(samples(*range(15))) is None
    assert soak.growth(samples(*[10] * 4, *[100] * 4, *[1000] * 4, 120, 120, 120, 9999)) == 20
    assert soak.growth(samples(*[10] * 8, *[5] * 8)) == -5


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("loop", LOOPS)
def test_a_run_of_some_seconds(
    loop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "soak.json"
    arguments = ["--minutes", "0.03", "--workers", "1", "--largest", "50000", "--loop", loop]
    assert soak.main([*arguments, "--interval", "1", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "MiB right" in out
    assert "all right: " in out
    found = json.loads(file.read_text())
    assert found["failed"] == 0
    assert sum(found["done"].values()) >= len(KINDS)
    assert 1 <= len(found["samples"]) <= 2  # one, if the machine slept through the rest


@needs_proc
def test_a_failure_is_the_exit_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "NEVER", ("socket_receive_buffer",))  # which is never 0
    assert soak.main(["--minutes", "0.005", "--kinds", "bulk", "--largest", "1000"]) == 1
    assert "FAILED: socket_receive_buffer is" in capsys.readouterr().out
