"""Clients of databases over rudp, to servers that know nothing of it.

In the client's process, with ``rudp relay`` beside the server; and with a relay on each side, where
neither the client nor the server is touched.
"""

import asyncio
import contextlib
from typing import Any

import pytest

from tests.apps.kit import FAR, HOST, PATIENCE, World, beside, carried
from tests.apps.kit import application as example
from tests.ports import free_port

REDIS = ("cache_redis", "redis")
POSTGRES = ("table_asyncpg", "asyncpg")
WHO = {"user": "anna", "database": "postgres"}

VISITS = "visits [1, 2, 3, 4, 5]\nvalue 20000\nnews b'all is well'\n"
SQUARES = "COPY 1000\nsum 332833500\n[0, 2, 4, 6, 8, 10, 12, 14]\ngiven up\n"


def ask(world: World, app: dict[str, Any], server: int, **who: str) -> None:
    """Ask the server at that port of the kernel's."""
    port = free_port()

    async def main() -> None:
        async with beside(server, port) if world.virtual else contextlib.nullcontext():
            await app["ask"](world.far, port, **who)

    relay = carried(f"rudp://{HOST}:{port}", f"tcp://{HOST}:{server}")
    with world.path(port), contextlib.nullcontext() if world.virtual else relay:
        world.run(main())


def ask_by_relays(app: dict[str, Any], server: int, **who: str) -> None:
    """Ask on asyncio's own loop."""
    near, far = free_port(), free_port()
    with (
        World("asyncio").path(far),
        carried(f"rudp://{HOST}:{far}", f"tcp://{HOST}:{server}"),
        carried(f"tcp://{HOST}:{near}", f"rudp://{FAR}:{far}"),
    ):
        asyncio.run(asyncio.wait_for(app["ask"](HOST, near, **who), PATIENCE))


def test_redis(world: World, redis: int, capsys: pytest.CaptureFixture[str]) -> None:
    app = example(*REDIS)
    ask(world, app, redis)
    assert capsys.readouterr().out == VISITS


def test_redis_by_relays(redis: int, capsys: pytest.CaptureFixture[str]) -> None:
    ask_by_relays(example(*REDIS), redis)
    assert capsys.readouterr().out == VISITS


def test_postgresql(world: World, postgres: int, capsys: pytest.CaptureFixture[str]) -> None:
    app = example(*POSTGRES)
    ask(world, app, postgres, **WHO)
    assert capsys.readouterr().out == SQUARES


def test_postgresql_by_relays(postgres: int, capsys: pytest.CaptureFixture[str]) -> None:
    ask_by_relays(example(*POSTGRES), postgres, **WHO)
    assert capsys.readouterr().out == SQUARES
