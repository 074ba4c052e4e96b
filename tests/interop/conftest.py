"""Kernels to talk to; where none can be had the tests are skipped, and say why."""

from collections.abc import Iterator

import pytest

from tests.interop.kernel import Kernel, kernel, missing


@pytest.fixture(scope="session")
def kernel_possible() -> None:
    """Skip where no namespace or TUN device can be had."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(name="kernel")
def _kernel(kernel_possible: None) -> Iterator[Kernel]:
    with kernel() as made:
        yield made


@pytest.fixture
def other_kernel(kernel_possible: None) -> Iterator[Kernel]:
    with kernel() as made:
        yield made
