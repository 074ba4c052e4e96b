"""``rudp decode``: what it says of a capture, and of what is none."""

import json
from pathlib import Path

import pytest

from rudp.cli import main
from rudp.trace import Recording


def capture(folder: Path, scenario: str = "half-close") -> str:
    path = str(folder / f"{scenario}.pcapng")
    assert main(["demo", scenario, "--pcapng", path]) == 0
    return path


def test_the_ladder_of_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = capture(tmp_path)
    capsys.readouterr()
    assert main(["decode", path, "--explain", "rfc"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "10.0.0.1:50000 -> 10.0.0.2:80"
    assert lines[2].split() == ["ms", "client"]
    assert lines[4].split()[1:4] == ["SYN-SENT", "--", "SYN"]
    assert "(SYN_OPEN, RFC 9293 §3.10.1)" in lines[5]
    assert lines[-2].split()[1] == "TIME-WAIT"


def test_the_events_of_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture = capture(tmp_path), tmp_path / "run.svg"
    capsys.readouterr()
    assert main(["decode", path, "--json", "--svg", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[0])["events"] == "rudp"
    assert {event.connection for event in Recording.parse(lines).events} == {"client"}
    assert "FIN-WAIT-1" in picture.read_text()


def test_several_connections(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two sections in one file, as mergecap and cat make them; the ports are changed."""
    first = Path(capture(tmp_path, "close")).read_bytes()
    other = first.replace(b"\xc3\x50", b"\xc3\x51")
    path = tmp_path / "both.pcapng"
    path.write_bytes(first + other)
    capsys.readouterr()
    assert main(["decode", str(path), "--connection", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["#", "connection", "segments", "data"]
    assert lines[2].split()[:2] == ["1", "10.0.0.1:50000"]
    assert lines[5] == "10.0.0.1:50001 -> 10.0.0.2:80"
    with pytest.raises(SystemExit) as exit_:
        main(["decode", str(path), "--connection", "3"])
    assert exit_.value.code == 2
    assert "there are 2 connections, no number 3" in capsys.readouterr().err


def test_a_file_that_was_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What there is is shown, and the status says that it is not all."""
    path = Path(capture(tmp_path))
    path.write_bytes(path.read_bytes()[:-5])
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main(["decode", str(path)])
    out, err = capsys.readouterr()
    assert exit_.value.code == 1
    assert "SYN-SENT" in out
    assert "the file ends within the block at octet" in err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"hello\n", "this is neither a pcapng nor a pcap file"),
        (b"\xd4\xc3\xb2\xa1" + bytes(20), "0 packets, none of them of TCP or rudp"),
        (b"\xd4\xc3\xb2\xa1" + bytes(21), "within the packet at octet 24"),
    ],
)
def test_what_has_no_connection(
    content: bytes, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(SystemExit) as exit_:
        main(["decode", str(path)])
    assert exit_.value.code == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert complaint in err


def test_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["decode", str(tmp_path / "none")])
    assert exit_.value.code == 2
    assert "No such file" in capsys.readouterr().err
