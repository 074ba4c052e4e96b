"""Why a connection begins with a number that nobody can foresee.

Each side numbers its octets from an initial sequence number, the ISN.  It could be 0 each time;
this program shows what would come of it.  The network is simulated, and so is the accident: the
copy of a segment comes out of the network when its connection is over and the next has begun.

What you will see:

1. The ISNs of some connections.  From another port they lie elsewhere; for the same ports they grow
   with time, so that what is left of one connection lies below the next (RFC 6528).
2. An old order arrives in the next connection between the same ports.  Its number is far outside
   the window, and it is refused.
3. The same with the number that the old order would have if both connections had begun with the
   same ISNs.  Now it fits and is delivered, and the real order is taken for a repetition of it.

Timestamps are off, because they would give the old segment away as well.
"""

import asyncio
import struct

import rudp
from rudp import sim

CLIENT = ("10.0.0.1", 5000)
SERVER = ("10.0.0.2", 9000)
CONFIG = rudp.Config(timestamps=False)
SYN = 0x02


class Watcher:
    """Looks at the datagrams on the network, and keeps ISNs and one order."""

    def __init__(self):
        self.isns = {}
        self.order = None

    def __call__(self, what, now, datagram, source, destination):
        if what != "sent":
            return
        if datagram[13] & SYN:
            self.isns[source] = int.from_bytes(datagram[4:8], "big")
        if b"ALICE" in datagram and self.order is None:
            self.order = datagram


async def take_orders(reader, writer):
    order = await reader.readline()
    if order.strip():
        print(f"   the server has received {order.decode().strip()!r}")
    writer.close()  # first: so TIME-WAIT is the server's, and the client's port is free again


async def place_order(order, address=CLIENT, *, before=None):
    """Send one order; *before* is called when the connection is open and nothing is sent yet."""
    reader, writer = await rudp.open_connection(*SERVER, local_addr=address, config=CONFIG)
    if before is not None:
        before()
        await asyncio.sleep(0.001)
    writer.write(order)
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def main():
    network = asyncio.get_running_loop().network
    watcher = Watcher()
    network.taps.append(watcher)
    server = await rudp.start_server(take_orders, *SERVER, config=CONFIG)
    server_stats = server.endpoints[0].stats

    print("1. Initial sequence numbers of the client, a second apart")
    for port in (6000, 6001, 6002, 6003):
        numbers = []
        for _ in range(3):
            address = (CLIENT[0], port)
            await place_order(b"\n", address)
            numbers.append(watcher.isns[address])
            await asyncio.sleep(1)
        print(f"   from port {port}: {', '.join(f'{number:>10}' for number in numbers)}")

    print("\n2. An old order in the next connection")
    await place_order(b"5 APPLES FOR ALICE\n")
    old = dict(watcher.isns)
    await place_order(
        b"1 BANANA FOR BOB..\n", before=lambda: network.arrive(watcher.order, CLIENT, SERVER)
    )
    print(f"   segments refused for their number: {server_stats().get('sequence_unacceptable', 0)}")

    print("\n3. The same, had the connections begun with the same numbers")

    def arrive_as_if_numbers_were_fixed():
        seq, ack = struct.unpack_from("!II", watcher.order, 4)
        seq += watcher.isns[CLIENT] - old[CLIENT]
        ack += watcher.isns[SERVER] - old[SERVER]
        numbers = struct.pack("!II", seq & 0xFFFFFFFF, ack & 0xFFFFFFFF)
        network.arrive(watcher.order[:4] + numbers + watcher.order[12:], CLIENT, SERVER)

    await place_order(b"1 BANANA FOR BOB..\n", before=arrive_as_if_numbers_were_fixed)
    print("   and the order for Bob is lost.")
    server.close()


if __name__ == "__main__":
    sim.run(main(), delay=0.02)
