"""The ways to send."""

import pytest

from tests.conftest import LoopFactory
from tests.faults.kit import Way


@pytest.fixture(params=["linux", "selector", "portable", "virtual"])
def way(request: pytest.FixtureRequest, loop_factory: LoopFactory) -> Way:
    """All ways to real sockets, and the portable one on virtual time."""
    return Way(request.param, loop_factory)


@pytest.fixture(params=["linux", "selector", "portable"])
def real(request: pytest.FixtureRequest, loop_factory: LoopFactory) -> Way:
    """The first three alone."""
    return Way(request.param, loop_factory)


@pytest.fixture
def virtual(loop_factory: LoopFactory) -> Way:
    """Virtual time alone."""
    return Way("virtual", loop_factory)
