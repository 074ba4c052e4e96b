"""aiohttp on both sides: requests, and a WebSocket on one of them.

aiohttp's client opens its sockets by itself before it hands them to the event loop.  On a loop of
rudp's that is the loop's connection all the same.
"""

import contextlib

import aiohttp
from aiohttp import web

import rudp


async def hello(request):
    return web.json_response({"hello": request.match_info["name"]})


async def shout(request):
    """Answer each message in capitals."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data.upper())
    return socket


@contextlib.asynccontextmanager
async def serving(host, port, ssl=None):
    """Serve while the block runs, over TLS where there is a context.  Gives the port."""
    app = web.Application()
    app.router.add_get("/hello/{name}", hello)
    app.router.add_get("/shout", shout)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=ssl).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def ask(host, port, ssl=None):
    """Ask three times; *ssl* is the context that says whom to believe."""
    base = f"{'https' if ssl else 'http'}://{host}:{port}"
    connector = aiohttp.TCPConnector(ssl=ssl or True)
    async with aiohttp.ClientSession(base, connector=connector) as session:
        for name in ("Anna", "Ben"):
            async with session.get(f"/hello/{name}") as response:
                print(await response.json())
        async with session.ws_connect("/shout") as socket:
            await socket.send_str("hello")
            print(await socket.receive_str())


async def main():
    async with serving("127.0.0.1", 0) as port:
        await ask("127.0.0.1", port)


if __name__ == "__main__":
    rudp.run(main())
