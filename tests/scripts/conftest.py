"""Every script is played twice: with small numbers, and with all of them about to wrap."""

import pytest

from tests.scripts.kit import Play


@pytest.fixture(params=["plain", "wrap"])
def play(request: pytest.FixtureRequest) -> Play:
    """A table with the default settings and a peer; ``play.configure`` changes the settings."""
    return Play(wrap=request.param == "wrap")
