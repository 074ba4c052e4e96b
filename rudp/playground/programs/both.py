"""Both sides close at the same moment."""

import asyncio


async def close_at(second, writer):
    await asyncio.sleep(second - asyncio.get_running_loop().time())
    writer.close()


async def client(reader, writer):
    await close_at(1.0, writer)


async def server(reader, writer):
    await close_at(1.0, writer)
