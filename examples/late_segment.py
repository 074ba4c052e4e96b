"""What a late segment can do, and what it cannot.

A network may hold a segment back for as long as it likes.  Three things can then go wrong when a
connection closes, and TCP has an answer to each:

1. Data arrives after the FIN that was sent behind it.  Numbers put it in its place: the stream is
   complete before its end is believed.
2. The last acknowledgement is lost, and the FIN comes again to a side that has finished.  That is
   what TIME-WAIT is for: it answers.
3. A copy of an old segment arrives in the next connection between the same two ports.  It does not
   get in: its numbers (and its timestamp) belong to another life.

What you will see: two connections as ladders.  In the second one the sequence numbers are those of
the wire, so that you can compare.  The network is simulated, and its mischief always the same.
"""

import asyncio

import rudp
from rudp import sim
from rudp.trace import Ladder

CLIENT = ("10.0.0.1", 5000)
SERVER = ("10.0.0.2", 9000)


class Mischief:
    """What happens to datagrams on their way from the server to the client."""

    def __init__(self):
        self.held = None
        self.lose_next = False

    def __call__(self, datagram, now):
        """Return True to take this datagram off the path."""
        if self.held is None and b"two" in datagram:
            self.held = datagram
            return True
        lost, self.lose_next = self.lose_next, False
        return lost


async def count_to_three(reader, writer):
    for word in (b"one ", b"two ", b"three"):
        writer.write(word)
        await asyncio.sleep(0.01)  # so that each word is a segment
    writer.close()


async def main():
    mischief = Mischief()
    network = asyncio.get_running_loop().network
    network.link(SERVER[0], CLIENT[0], drop=mischief)

    print("1. The FIN overtakes a segment of data.\n")
    ladder = Ladder()
    server = await rudp.start_server(count_to_three, *SERVER, tracer=ladder.right)
    reader, writer = await rudp.open_connection(*SERVER, local_addr=CLIENT, tracer=ladder.left)
    await asyncio.sleep(0.1)
    network.arrive(mischief.held, SERVER, CLIENT)
    print(f"The client has received {await reader.read()!r}: everything, and in order.\n")
    await asyncio.sleep(0.05)
    print(ladder)
    ladder.clear()

    print("\n2. The last acknowledgement is lost.\n")
    mischief.lose_next = True
    writer.close()
    await writer.wait_closed()
    print(ladder)
    server.close()

    print("\n3. The same two ports again, and a copy of the old segment.\n")
    ladder = Ladder(absolute=True)
    server = await rudp.start_server(count_to_three, *SERVER, tracer=ladder.right)
    reader, writer = await rudp.open_connection(*SERVER, local_addr=CLIENT, tracer=ladder.left)
    network.arrive(mischief.held, SERVER, CLIENT)
    print(f"The client has received {await reader.read()!r}: nothing twice, nothing foreign.\n")
    stats = writer.get_extra_info("endpoint").stats()
    print(f"Segments refused for their old timestamp: {stats.get('paws_rejected', 0)}")
    print(f"The old segment has seq={int.from_bytes(mischief.held[4:8], 'big')}.\n")
    writer.close()
    await writer.wait_closed()
    server.close()
    print(ladder)


if __name__ == "__main__":
    sim.run(main(), delay=0.02)
