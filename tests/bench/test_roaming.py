"""The bench of moves has a row for each way and round trip."""

import re

import pytest

from bench import roaming


def test_every_way_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    roaming.main(["--seeds", "1"])
    rows = capsys.readouterr().out.splitlines()[1:]
    found = [re.fullmatch(r"(\w+) +(\d+) ms +\d+ ms +\d+ ms", row) for row in rows]
    assert [each and each.groups() for each in found] == [
        (who, rtt) for who in ("client", "server") for rtt in ("20", "100")
    ]
    with pytest.raises(SystemExit):
        roaming.main(["--seeds", "0"])
