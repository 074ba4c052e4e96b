"""A client for echo_server.py: it sends one line and prints what comes back."""

import asyncio

import rudp


async def main():
    reader, writer = await rudp.open_connection("127.0.0.1", 9000)
    writer.write(b"hello\n")
    print(await reader.readline())
    writer.close()
    await writer.wait_closed()  # returns when the server has acknowledged everything


if __name__ == "__main__":
    asyncio.run(main())
