"""Ten small writes, a millisecond apart: with Nagle's algorithm some of them wait."""

import asyncio


async def client(reader, writer):
    for number in range(10):
        writer.write(b"word %d, " % number)
        await asyncio.sleep(0.001)
    writer.close()
    await writer.wait_closed()


async def server(reader, writer):
    while data := await reader.read(100):
        print(f"{asyncio.get_running_loop().time():.3f} s: {data.decode()}")
    writer.close()
