"""The table of exit statuses in docs/cli.md, and outputs that nobody reads."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rudp.cli import COMMANDS, main
from tests.cli.kit import ROOT, START, Commands

STATUSES = {"0", "1", "2", "130", "128 + *n*", "the program's"}


def test_the_table_has_every_status() -> None:
    """Each status is in another test: this holds the table against them."""
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    table = text.partition("| status | meaning |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| ([^|-]+?) \|", table, re.MULTILINE)) == STATUSES


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_on_standard_output_and_a_success(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "usage: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["nc", "localhost", "70000"],
        ["relay", "x", ":1"],
        ["echo", "x"],
        ["rendezvous", "x"],
        ["perf", "-c", "x:y"],
        ["demo", "no-such"],
        ["decode"],
        ["report"],
        ["drill", "--no-such"],
        ["lab"],
        ["exec"],
        ["no-such"],
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The usage of all options would push it out of sight: that is for ``--help``."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rudp")
    assert ": error: " in err
    assert err.count("\n") == 1


def closed() -> int:
    """Return the end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are others there")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["nc", "--help"],
        ["demo", "close"],
        ["demo", "--loss", "1%", "--size", "20K"],
        ["demo", "close", "--json"],
        ["drill", "--list"],
    ],
)
def test_an_output_that_nobody_reads_ends_a_command_silently(arguments: list[str]) -> None:
    output = closed()
    command = [sys.executable, "-W", "error", "-c", START, *arguments]
    done = subprocess.run(
        command, stdout=output, stderr=subprocess.PIPE, cwd=ROOT, timeout=60, check=False
    )
    os.close(output)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are others there")
def test_the_same_of_nc_and_perf(rudp: Commands, tmp_path: Path) -> None:
    """Their peers are told by a reset."""
    (tmp_path / "data").write_bytes(bytes(300_000))
    echo = rudp("echo", "--json", "127.0.0.1:0")
    server = rudp("perf", "--json", "-s", "--bind", "127.0.0.1:0")
    where = f"127.0.0.1:{server.port()}"
    output = closed()
    with (tmp_path / "data").open("rb") as file:
        nc = rudp("nc", f"127.0.0.1:{echo.port()}", stdin=file, stdout=output)
    client = rudp("perf", "-c", where, "-t", "5", "-i", "100ms", stdout=output)
    os.close(output)
    assert nc.end() == (1, "", "")
    assert client.end() == (1, "", "")
    assert echo.event("closed")["error"] == "connection reset by peer"
    server.event("failed")
    assert echo.end(signal.SIGTERM)[0] == server.end(signal.SIGTERM)[0] == 0
