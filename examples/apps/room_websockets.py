"""A room on websockets: what one says, all hear.  The library is as it is, over rudp."""

import contextlib

from websockets.asyncio.client import connect
from websockets.asyncio.server import broadcast, serve

import rudp


@contextlib.asynccontextmanager
async def serving(host, port, ssl=None):
    """Open the room while the block runs, over TLS where there is a context.  Gives the port."""
    people = set()

    async def guest(socket):
        people.add(socket)
        try:
            async for message in socket:
                broadcast(people, message)
        finally:
            people.discard(socket)

    async with serve(guest, host, port, ssl=ssl) as server:
        yield server.sockets[0].getsockname()[1]


async def ask(host, port, ssl=None):
    """Let two enter and talk; *ssl* is the context that says whom to believe."""
    url = f"{'wss' if ssl else 'ws'}://{host}:{port}"
    async with connect(url, ssl=ssl) as anna, connect(url, ssl=ssl) as ben:
        await anna.send("good morning")
        print("Ben hears", await ben.recv())
        await anna.recv()  # she hears herself, too
        await ben.send("x" * 100_000)
        print("Anna hears", len(await anna.recv()), "letters")


async def main():
    async with serving("127.0.0.1", 0) as port:
        await ask("127.0.0.1", port)


if __name__ == "__main__":
    rudp.run(main())
