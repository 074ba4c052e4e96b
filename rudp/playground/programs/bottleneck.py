"""Three hundred segments into a slow path with a short queue."""


async def client(reader, writer):
    writer.write(bytes(300_000))
    writer.close()
    await writer.wait_closed()


async def server(reader, writer):
    while await reader.read(65536):
        pass
    writer.close()
