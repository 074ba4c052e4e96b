"""A question and an answer."""


async def client(reader, writer):
    writer.write(b"How are you?")
    print("the answer:", await reader.read(100))
    writer.close()


async def server(reader, writer):
    question = await reader.read(100)
    print("the question:", question)
    writer.write(b"Fine, thank you.")
    writer.close()
