"""What the applications' tests share."""

from collections.abc import Iterator

import pytest

from tests.apps import kit
from tests.apps.kit import Identity, World


@pytest.fixture(params=["asyncio", "uvloop", "virtual"])
def world(request: pytest.FixtureRequest) -> World:
    """Each of the loops by turns, whatever ``--loop`` says."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return World(request.param)


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="module")
def redis() -> Iterator[int]:
    """The port of a Redis."""
    with kit.redis() as port:
        yield port


@pytest.fixture(scope="module")
def postgres() -> Iterator[int]:
    """The port of a PostgreSQL."""
    with kit.postgres() as port:
        yield port
