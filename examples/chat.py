"""A chat room: what one client writes, all others read.

Start ``chat.py serve``, then ``chat.py join`` in as many terminals as you like.  All connections
share the server's one UDP socket; the server tells its clients apart by their address, which is
``get_extra_info("peername")`` of each.  Ctrl-C, or the end of the input, leaves the room.
"""

import argparse
import asyncio
import contextlib
import sys

import rudp

BACKLOG = 256 * 1024
"""Octets.  A client for whom more than this is waiting is too slow, and has to go."""

FAREWELL = 2.0
"""Seconds that clients have to leave when the room closes."""


class Room:
    """Who is here, by peername."""

    def __init__(self):
        self.writers = {}
        self.closed = False

    def tell(self, line, *, sender=None):
        """Send a line to everybody but *sender*."""
        if self.closed:
            return
        for peer, writer in list(self.writers.items()):
            if peer == sender:
                continue
            if writer.transport.get_write_buffer_size() > BACKLOG:
                writer.transport.abort()
            else:
                writer.write(line.encode() + b"\n")

    def close(self):
        """Send everybody home: after our FIN they close their side."""
        self.closed = True
        for writer in self.writers.values():
            writer.write_eof()

    async def welcome(self, reader, writer):
        """Look after one client until it leaves."""
        peer = writer.get_extra_info("peername")
        name = f"{peer[0]}:{peer[1]}"
        self.writers[peer] = writer
        self.tell(f"* {name} is here, {len(self.writers)} in the room")
        try:
            async for line in reader:
                text = line.decode(errors="replace").strip()
                self.tell(f"{name}: {text}", sender=peer)
        except (OSError, ValueError):  # cut off, or a line without end
            rudp.reset(writer.transport)
        finally:
            del self.writers[peer]
            self.tell(f"* {name} has left")
            writer.close()


async def serve(host, port):
    """Keep a room open until Ctrl-C."""
    room = Room()
    server = await rudp.start_server(room.welcome, host, port)
    print(f"the room is open on port {server.sockets[0].getsockname()[1]}", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        server.close()
        room.close()
        try:
            await asyncio.wait_for(server.wait_closed(), FAREWELL)
        except TimeoutError:
            server.abort_clients()


async def join(host, port):
    """Be a client: print what comes, send what is typed."""
    reader, writer = await rudp.open_connection(host, port)

    async def listen():
        async for line in reader:
            print(line.decode().rstrip(), flush=True)

    async def speak():
        typed = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        pipe, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(typed), sys.stdin
        )
        try:
            async for line in typed:
                writer.write(line)
                await writer.drain()
        finally:
            pipe.close()

    tasks = [asyncio.create_task(listen()), asyncio.create_task(speak())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # raises what went wrong
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        await writer.wait_closed()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["serve", "join"])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9002)
    options = parser.parse_args()
    what = serve if options.what == "serve" else join
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(what(options.host, options.port))
    except OSError as error:
        print(f"chat: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
