"""Kernels to talk to; where none can be had the tests are skipped, and say why."""

from collections.abc import Iterator

import pytest

from tests.interop.kernel import Kernel, kernel, missing


@pytest.fixture(scope="session")
def _kernel_possible() -> None:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(name="kernel")
def _kernel(_kernel_possible: None) -> Iterator[Kernel]:
    with kernel() as made:
        yield made


@pytest.fixture
def other_kernel(_kernel_possible: None) -> Iterator[Kernel]:
    with kernel() as made:
        yield made
