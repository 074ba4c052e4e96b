"""A file from one computer to another, with its SHA-256 compared at the end.

On the one: ``file_transfer.py receive copy.bin``, on the other: ``file_transfer.py send photo.jpg
--host ADDRESS``.  The sender closes its half when the file is sent; the receiver now knows that it
has everything, and answers with the SHA-256 of what it has stored.  Both print it and leave with
status 0, or with 1 and a message if the transfer was cut off or damaged.

Who gives up half-way aborts instead of closing: a FIN says that the file is complete.
"""

import argparse
import asyncio
import hashlib
import sys

import rudp

CHUNK = 256 * 1024


async def send(path, host, port):
    """Send the file at *path*; return whether the other side has got the same."""
    reader, writer = await rudp.open_connection(host, port)
    try:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                writer.write(chunk)
                await writer.drain()  # waits while the network is slower than the disk
        writer.write_eof()
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    except BaseException:
        rudp.reset(writer.transport)
        raise
    print(f"sent      {digest.hexdigest()}\nreceived  {answer}")
    return answer == digest.hexdigest()


async def receive(path, host, port):
    """Wait for one sender and store what it sends at *path*; return True."""
    senders = asyncio.Queue()
    server = await rudp.start_server(lambda *streams: senders.put_nowait(streams), host, port)
    print(f"waiting on port {server.sockets[0].getsockname()[1]}", flush=True)
    try:
        reader, writer = await senders.get()
    finally:
        server.close()  # one file is all we want
    try:
        digest = hashlib.sha256()
        with open(path, "wb") as file:
            while chunk := await reader.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
        writer.write(digest.hexdigest().encode())
        writer.close()
        await writer.wait_closed()
    except BaseException:
        rudp.reset(writer.transport)
        raise
    print(f"received  {digest.hexdigest()}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["send", "receive"])
    parser.add_argument("path", help="the file to send, or the file to store it in")
    parser.add_argument("--host", help="the receiver's address; or the address to receive on")
    parser.add_argument("--port", type=int, default=9001)
    options = parser.parse_args()
    if options.what == "send":
        transfer = send(options.path, options.host or "127.0.0.1", options.port)
    else:
        transfer = receive(options.path, options.host, options.port)
    try:
        complete = asyncio.run(transfer)
    except OSError as error:
        print(f"the transfer failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if not complete:
        print("the transfer failed: the SHA-256 differs", file=sys.stderr)
        return 1
    print("complete")
    return 0


if __name__ == "__main__":
    sys.exit(main())
