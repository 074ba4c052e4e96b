"""The drills that come with rudp, played against the kernel's TCP."""

import json
from pathlib import Path

import pytest

from rudp import cli

pytestmark = pytest.mark.interop

TRIES = 4
"""How often a drill may be late, which is played in real time while others work."""


@pytest.fixture(autouse=True)
def _possible(kernel_possible: None) -> None:
    """Skip where no namespace or TUN device can be had."""


@pytest.mark.slow
def test_all_drills_hold_on_the_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    """UDP-30"""
    names: list[str] = []
    for _ in range(TRIES):
        cli.main(["drill", "--kernel", "--json", "--tolerance", "50ms", *names])
        results = [json.loads(line) for line in capsys.readouterr().out.splitlines()[:-1]]
        assert {one["status"] for one in results if one["side"] == "rudp"} <= {"passed"}
        late = [one for one in results if one["status"] == "failed"]
        names = [one["name"] for one in late]
        if not names:
            return
    pytest.fail(str(late))


def test_a_page_compares_the_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "both.html"
    assert cli.main(["drill", "handshake/active", "--kernel", "--html", str(page)]) == 0
    assert "<h1>handshake/active</h1>" in page.read_text(encoding="utf-8")
    assert "2 passed" in capsys.readouterr().out


def test_where_the_kernel_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each SYN has the window scale of its buffer; and the ladder is one of the kernel."""
    drill = tmp_path / "one.drill"
    drill.write_text("connect\n> S 0 <mss 1452, sackOK, TS 0 0, ws 3>\n", encoding="utf-8")
    assert cli.main(["drill", str(drill), "--kernel", "--ladder"]) == 1
    out = capsys.readouterr().out
    assert "1 passed, 1 FAILED" in out
    assert f"{drill}:2:7: other options" in out
    assert "seen      > S 0" in out
    assert "kernel" in out.partition("FAILED      kernel")[2]


def test_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drill", "handshake/simultaneous", "--kernel", "-v"]) == 0
    out = capsys.readouterr().out.partition("      rudp      kernel\n")[2].splitlines()
    assert out[0] == "    0.0000      0.0000  connect"
    times = [(line[:10].strip(), line[12:22].strip()) for line in out[:8]]
    assert [bool(ours) for ours, _ in times] == [True] * 6 + [False, True]
    assert all(theirs for _, theirs in times)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("config min_rto 0.5\nconnect", "the kernel has no setting min_rto 0.5"),
        ("count PAWS 0", "the kernel does not tell count"),
        ("info pmtu 0", "there is no socket"),
        ("connect\n> S 0\ninfo pmtu 0", "the kernel does not tell pmtu"),
        ("icmp EMSGSIZE 0", "the kernel hears of no such ICMP error"),
        ("flow b 192.0.2.9:4000", "of two hosts with one UDP port the kernel sees only one"),
        ("accept", "nobody listens"),
        ("listen\naccept", "nobody to accept"),
        ("connect\n> S 0\nclose\nsend 1", "the socket is closed"),
        ("listen\nlisten", "raised OSError"),
    ],
)
def test_what_the_kernel_has_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, why: str
) -> None:
    drill = tmp_path / "one.drill"
    drill.write_text(text, encoding="utf-8")
    cli.main(["drill", str(drill), "--kernel", "--json"])
    (result,) = [
        found
        for line in capsys.readouterr().out.splitlines()
        if (found := json.loads(line)).get("side") == "kernel"
    ]
    assert result["status"] == "failed"
    assert why in result["why"]
