"""A long path is filled by the defaults: the receive buffer grows with the reader (BUF-3)."""

import asyncio

import pytest

import rudp
from rudp.core.congestion.newreno import NewReno
from rudp.sim import run
from rudp.sim.network import Network

RATE = 20e6  # bits a second
RTT = 0.2
PATH = int(RATE / 8 * RTT)  # octets: twice the receive buffer that a connection begins with
PAYLOAD = 0.93  # of a datagram, at least, headers of UDP and IP included
BLOCK = bytes(65_536)


def wide(smss: int, window: int) -> NewReno:
    """A congestion window that is never what holds the sender back."""
    return NewReno(smss, 1 << 24)


def transfer(config: rudp.Config, *, rest: float = 0.0) -> tuple[float, rudp.ConnectionInfo]:
    """Send for 4 s; return the goodput of the last two in bits a second, and the reader's info.

    *rest*: seconds that the reader sleeps after each read.
    """

    async def main() -> tuple[float, rudp.ConnectionInfo]:
        received = 0
        infos: list[rudp.ConnectionInfo] = []
        done = asyncio.Event()

        async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal received
            while not done.is_set() and (data := await reader.read(65_536)):
                received += len(data)
                await asyncio.sleep(rest)
            infos.append(writer.get_extra_info("tcp_info"))
            writer.transport.abort()

        async def send(writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    writer.write(BLOCK)
                    await writer.drain()
            except ConnectionResetError:
                writer.close()

        async with await rudp.start_server(sink, "10.0.0.2", 7000, config=config):
            _, writer = await rudp.open_connection("10.0.0.2", 7000, config=config)
            sending = asyncio.create_task(send(writer))
            await asyncio.sleep(2)
            before = received
            await asyncio.sleep(2)
            goodput = (received - before) * 8 / 2
            done.set()
            await sending
        return goodput, infos[0]

    return run(main(), seed=1, rate=RATE, delay=RTT / 2, queue=16 * PATH)


@pytest.mark.parametrize("timestamps", [True, False])
def test_BUF_3_the_window_grows_until_the_path_is_full(timestamps: bool) -> None:
    """BUF-4, DEF-31, DEF-33, WS-1: neither buffer, nor the watermarks, is what limits."""
    goodput, info = transfer(rudp.Config(congestion=wide, timestamps=timestamps))
    assert goodput > PAYLOAD * RATE
    assert 2 * PATH <= info.receive_buffer <= rudp.Config().receive_buffer_max
    assert info.rcv_rtt is not None
    assert info.rcv_rtt >= RTT - 0.001


def test_BUF_3_a_buffer_that_may_not_grow_is_one_window_a_round_trip() -> None:
    config = rudp.Config(congestion=wide, receive_buffer_max=4096)
    goodput, info = transfer(config)
    assert info.receive_buffer == config.receive_buffer
    assert goodput <= config.receive_buffer / RTT * 8


def test_BUF_3_a_slow_reader_keeps_a_small_buffer() -> None:
    """BUF-5: 64 KiB every half second are no reason to hold more for it.

    What the StreamReader takes at first, before it pauses, is read quickly.
    """
    _, info = transfer(rudp.Config(congestion=wide), rest=0.5)
    assert info.receive_buffer <= 3 * 262_144


def goodput(loss: float, socket_buffer: int | None, talkers: int = 0) -> float:
    """Return the goodput of the last two of 4 s in bits a second, tables alone.

    *talkers*: connections of the same sockets that send 100 octets every 50 ms.
    """
    network = Network(seed=1, rate=RATE, delay=RTT / 2, queue=16 * PATH, loss=loss)
    a, b = network.host(("10.0.0.1", 7000)), network.host(("10.0.0.2", 7000))
    if socket_buffer is not None:
        a.table.limit_promises(socket_buffer)
        b.table.limit_promises(socket_buffer)
    listener = b.table.listen(80, backlog=talkers + 1)
    sender, *others = [
        a.table.open_active(b.path, 80, network.clock.now) for _ in range(talkers + 1)
    ]
    assert network.run_until(lambda: len(listener.accepted) == talkers + 1, limit=1.0)
    readers = {reader.ports & 0xFFFF: reader for reader in listener.accepted}
    reader = readers.pop(sender.ports >> 16)
    received = 0
    due = 0.0

    def turn() -> bool:
        nonlocal received, due
        while sender.unsent_octets < 1 << 20:
            sender.send(BLOCK)
        received += len(reader.receive())
        a.table.touch(sender)
        b.table.touch(reader)
        if network.clock.now >= due:
            due = network.clock.now + 0.05
            for one in others:
                one.send(bytes(100))
                a.table.touch(one)
            for one in readers.values():
                one.receive()
                b.table.touch(one)
        return False

    network.run_until(turn, limit=2.0)
    before = received
    network.run_until(turn, limit=2.0)
    return (received - before) * 8 / 2


@pytest.mark.parametrize("loss", [0.0, 0.0005])
def test_BUF_8_a_small_socket_buffer_is_no_limit_to_a_long_path(loss: float) -> None:
    """A fifth of what Linux grants by default, and of 100 Mbit/s over 200 ms."""
    assert goodput(loss, 212_992 // 5) > 0.95 * goodput(loss, None)


def test_BUF_8_those_who_talk_take_nothing_from_one_who_sends() -> None:
    """Half of what Linux grants by default, and a share for each would be 20 KiB of window."""
    assert goodput(0.0, 212_992 // 2, talkers=50) > 0.85 * goodput(0.0, None)
