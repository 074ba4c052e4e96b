"""FastAPI on uvicorn, asked by httpx: all three as they are, on an event loop whose TCP is rudp's.

``python web_fastapi.py`` runs both ends.  From a shell the server alone is ``uvicorn
web_fastapi:app --loop rudp:new_event_loop``; with its options for certificates that is HTTPS.
"""

import asyncio
import contextlib
import ssl

import fastapi
import httpx
import uvicorn

import rudp

app = fastapi.FastAPI()


@app.get("/hello/{name}")
async def hello(name: str):
    return {"hello": name}


@app.post("/count")
async def count(request: fastapi.Request):
    """Tell how many octets a body has, as they arrive."""
    return {"octets": sum([len(part) async for part in request.stream()])}


@contextlib.asynccontextmanager
async def serving(host, port, **options):
    """Serve while the block runs; *options* are uvicorn's.  Gives the port."""
    server = uvicorn.Server(
        uvicorn.Config(app, host=host, port=port, log_level="warning", **options)
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def ask(host, port, authority=None):
    """Ask on one connection; over TLS where there is a file with an *authority* to believe."""
    if authority is None:
        url, verify = f"http://{host}:{port}", False
    else:
        url, verify = f"https://{host}:{port}", ssl.create_default_context(cafile=authority)
    async with httpx.AsyncClient(base_url=url, verify=verify) as client:
        for name in ("Anna", "Ben"):
            print((await client.get(f"/hello/{name}")).json())
        print((await client.post("/count", content=bytes(100_000))).json())


async def main():
    async with serving("127.0.0.1", 0) as port:
        await ask("127.0.0.1", port)


if __name__ == "__main__":
    rudp.run(main())
