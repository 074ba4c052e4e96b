"""What ``import rudp`` imports: a program that begins should not wait for what it does not use."""

import json
import subprocess
import sys
from typing import Any

import pytest

import rudp

COUNT = """
import asyncio, json, sys
before = set(sys.modules)
import rudp
{then}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def imported(then: str = "") -> list[str]:
    """Return the modules that ``import rudp`` and *then* import beside asyncio's."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT.format(then=then)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_the_package_alone_is_next_to_nothing() -> None:
    found = imported()
    assert len(found) <= 8, found
    assert [name for name in found if name.startswith("rudp")] == ["rudp", "rudp.build"]


def test_streams_bring_nothing_of_what_watches() -> None:
    """Nor the packages' metadata, which alone took as long as the core."""
    found = imported("rudp.open_connection, rudp.start_server, rudp.Config()")
    assert "rudp.core.life.connection" in found
    strangers = {name.partition(".")[0] for name in found}
    assert not strangers & {"email", "fnmatch", "ipaddress", "json", "pathlib", "zipfile"}
    assert "importlib.metadata" not in found
    assert not [name for name in found if name.startswith(("rudp.trace", "rudp.sim", "rudp.cli"))]
    assert len(found) <= 151  # two of them where core and lane are compiled


def test_a_command_brings_no_other() -> None:
    found = imported("from rudp.cli import main\nassert main(['report', 'none']) == 1")
    assert "rudp.cli.report" in found
    assert not [name for name in found if name.startswith(("rudp.aio", "rudp.sim", "rudp.cli.nc"))]


def test_every_public_name_is_there() -> None:
    assert set(rudp.__all__) <= set(dir(rudp))
    for name in rudp.__all__:
        value: Any = getattr(rudp, name)
        assert value is getattr(rudp, name)
        assert value.__name__ == name
    names: dict[str, Any] = {}
    exec("from rudp import *", names)
    assert set(rudp.__all__) <= set(names)


def test_rooms_are_attributes() -> None:
    assert "rudp.trace.log" in imported("rudp.trace.log_tracer")


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(AttributeError, match="'rudp' has no attribute 'open_conection'"):
        rudp.open_conection  # type: ignore[attr-defined]  # noqa: B018
