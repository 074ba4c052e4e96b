"""Why closing takes four segments: the two directions of a connection end one by one.

The client asks for a poem and says at once that it will send nothing more.  Its FIN closes one
direction only: the server still has verses to send, takes its time, and closes its own direction
when it is done.  Each FIN needs an acknowledgement, so there are four segments.

What you will see: the verses as they arrive, then the connection as a ladder.  The client stays in
FIN-WAIT-2 and the server in CLOSE-WAIT for as long as the verses take: the connection is half open.
Everything runs on a simulated network with 20 ms of delay each way, and takes no time at all.
"""

import asyncio

import rudp
from rudp import sim
from rudp.trace import Ladder

VERSES = [b"The FIN is sent,\n", b"the window stays open:\n", b"still the snow keeps falling.\n"]


async def recite(reader, writer):
    request = await reader.read()  # returns at the client's FIN
    print(f"server: the client asked for {request.decode()!r} and has finished sending")
    for verse in VERSES:
        await asyncio.sleep(0.5)
        writer.write(verse)
    await asyncio.sleep(0.5)
    writer.close()


async def main(ladder):
    server = await rudp.start_server(recite, "10.0.0.2", 9000, tracer=ladder.right)
    reader, writer = await rudp.open_connection("10.0.0.2", 9000, tracer=ladder.left)

    writer.write(b"a poem")
    writer.write_eof()  # our FIN: we have finished sending, but go on reading
    async for verse in reader:
        print(f"client: {verse.decode().rstrip()}")

    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


if __name__ == "__main__":
    ladder = Ladder()
    sim.run(main(ladder), delay=0.02)  # ends when the last FIN is acknowledged
    print(f"\n{ladder}")
