"""The ways to send."""

import pytest

from tests.conftest import LoopFactory
from tests.faults.kit import Way


@pytest.fixture(params=["linux", "portable", "virtual"])
def way(request: pytest.FixtureRequest, loop_factory: LoopFactory) -> Way:
    """Linux's sockets, the loop's own datagram transport, and the latter on virtual time."""
    return Way(request.param, loop_factory)


@pytest.fixture(params=["linux", "portable"])
def real(request: pytest.FixtureRequest, loop_factory: LoopFactory) -> Way:
    """The first two alone."""
    return Way(request.param, loop_factory)


@pytest.fixture
def virtual(loop_factory: LoopFactory) -> Way:
    """Virtual time alone."""
    return Way("virtual", loop_factory)
