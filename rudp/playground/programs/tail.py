"""One segment, and nothing behind it that could tell of its loss."""

import asyncio


async def client(reader, writer):
    writer.write(bytes(1000))
    await asyncio.sleep(3)
    writer.close()


async def server(reader, writer):
    await reader.readexactly(1000)
    print("it has arrived after", round(asyncio.get_running_loop().time(), 3), "s")
    await reader.read()
    writer.close()
