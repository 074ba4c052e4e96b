"""The client is done with its half; the server takes its time."""

import asyncio


async def client(reader, writer):
    writer.write(b"Tell me a long story.")
    writer.write_eof()
    story = await reader.read()
    print(len(story), "octets of story")
    writer.close()


async def server(reader, writer):
    await reader.read()
    for _ in range(3):
        await asyncio.sleep(0.1)
        writer.write(bytes(700))
    writer.close()
