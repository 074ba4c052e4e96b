"""The client gives up, with much still to send, while the server sends, too."""

import asyncio


async def client(reader, writer):
    writer.write(bytes(100_000))
    await reader.read(1000)
    writer.transport.abort()


async def server(reader, writer):
    try:
        while True:
            writer.write(bytes(1000))
            await writer.drain()
            await asyncio.sleep(0.005)
    except ConnectionError as error:
        print("the server hears:", error)
