"""A race: a controller of the user's and CUBIC send through one bottleneck at the same time."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import rudp

SECONDS: Final = 8.0
"""Virtual seconds."""

CHUNK: Final = 16_384

PORTS: Final = {"yours": 7001, "CUBIC": 7002}
"""UDP ports of the server, by the name of the flow."""


class ProgramError(Exception):
    """The text of the user's does not have what it must have."""


def controller(names: dict[str, Any]) -> Callable[[int, int], rudp.Controller]:
    """Return the controller among what the user's program defines.  Raises ProgramError."""
    found = [
        value
        for value in names.values()
        if isinstance(value, type)
        and issubclass(value, rudp.Controller)
        and value.__module__ == names["__name__"]
    ]
    if not found:
        raise ProgramError("there is no class that derives from rudp.Controller")
    factory: Callable[[int, int], rudp.Controller] = found[-1]
    return factory


async def run(
    settings: dict[str, Any],
    factory: Callable[[int, int], rudp.Controller],
    client: str,
    server: str,
    writers: list[asyncio.StreamWriter],
) -> list[dict[str, Any]]:
    """Let both send; return for each its ``name``, ``octets`` that arrived and their ``share``.

    *settings*: of :class:`rudp.Config`.  *client*, *server*: hosts.  *writers*: gets all that
    are still open afterwards.
    """
    arrived = dict.fromkeys(PORTS, 0)
    flows: list[asyncio.Task[None]] = []
    async with asyncio.TaskGroup() as group:
        for name, port in PORTS.items():
            config = rudp.Config(
                **settings | {"congestion": factory if name == "yours" else "cubic"}
            )

            async def take(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str = name
            ) -> None:
                writers.append(writer)
                while data := await reader.read(CHUNK):
                    arrived[name] += len(data)

            await rudp.start_server(take, server, port, config=config)
            _, writer = await rudp.open_connection(
                server, port, local_addr=(client, port), config=config
            )
            writers.append(writer)
            flows.append(group.create_task(_send(writer)))
        await asyncio.sleep(SECONDS)
        for flow in flows:
            flow.cancel()
    total = sum(arrived.values()) or 1
    return [
        {"name": name, "octets": octets, "share": octets / total}
        for name, octets in arrived.items()
    ]


async def _send(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(bytes(CHUNK))
        await writer.drain()
