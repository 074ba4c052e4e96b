"""The server rests for two seconds before it reads; its buffer takes five segments."""

import asyncio


async def client(reader, writer):
    writer.write(bytes(8000))
    writer.close()
    await writer.wait_closed()


async def server(reader, writer):
    writer.transport.pause_reading()
    await asyncio.sleep(2)
    writer.transport.resume_reading()
    await reader.read()
    writer.close()
