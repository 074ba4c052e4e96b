"""Eight segments from the client to the server."""


async def client(reader, writer):
    writer.write(bytes(8000))
    writer.close()
    await writer.wait_closed()


async def server(reader, writer):
    data = await reader.read()
    print(len(data), "octets have arrived")
    writer.close()
