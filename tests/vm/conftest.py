"""The machine, booted once, and its kernel in the place of the one in a namespace."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.vm import image
from tests.vm.machine import Guest, Machine, joined, machine


def pytest_addoption(parser: pytest.Parser) -> None:
    newest = next(iter(image.PINS))
    parser.addoption("--kernel", choices=image.PINS, default=newest, help="the guest's kernel")
    parser.addoption("--update", action="store_true", help="write down what is seen now")


@pytest.fixture(scope="session", name="machine")
def _machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="rudp-vm-") as directory:
        try:
            booting = machine(image.PINS[request.config.getoption("--kernel")], Path(directory))
            with booting as made:
                yield made
        except image.MissingError as error:
            pytest.skip(str(error))


@pytest.fixture
async def kernel(machine: Machine) -> AsyncIterator[Guest]:
    async with joined(machine) as guest:
        yield guest
