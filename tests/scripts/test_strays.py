"""Segments that nobody expects: who is answered, how often, and who never."""

import pytest

from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import pack_segment
from rudp.core.terms.counters import Count
from tests.scripts.kit import Play, active


def test_ST_8_CLOSED_drops_a_RST(play: Play) -> None:
    """M-8, TRAP-7, UDP-23: never a RST for a RST."""
    play(
        """
        < R 5
        < RA 5 ack 7
        < RS 5
        < RSFPU 5:15(10) urg 1
        count RST_IGNORED 4
        """
    )


@pytest.mark.parametrize("segment", ["A 5", "PA 5:15(10)", "SA 5", "FPUA 5:15(10) urg 1"])
def test_ST_9_with_an_ACK(play: Play, segment: str) -> None:
    """M-10, M-18: the reset has exactly the number that the other side would accept."""
    flags, _, rest = segment.partition(" ")
    where, _, urgent = rest.partition(" ")
    play(f"< {flags} {where} ack 700 {urgent} \n > R 700 \n count NO_CONNECTION 1")


@pytest.mark.parametrize(
    ("segment", "ack"),
    [
        ("S 5", 6),
        ("SF 5:15(10)", 17),
        ("F 5", 6),
        ("P 5:15(10)", 15),
        ("U 5 urg 3", 5),
        ("- 5", 5),
    ],
)
def test_ST_9_without_an_ACK(play: Play, segment: str, ack: int) -> None:
    """SEQ 0, and an ACK of all it takes up; M-7."""
    play(f"< {segment} \n > RA 0 ack {ack}")


def test_UDP_23_at_most_ten_resets_a_second_for_a_connection(play: Play) -> None:
    """DEF-51, BUF-6, M-18, UDP-26: clients of one socket, and of one host, are told apart."""
    play("< A 5 ack 700 \n > R 700 \n" * 10)
    play(
        """
        flow x 192.0.2.1:4001
        flow y 192.0.2.2:4000
        flow z 192.0.2.1:4000 1001
        < A 5 ack 700
        count RST_THROTTLED 1
        x< A 5 ack 700
        x> R 700
        y< A 5 ack 700
        y> R 700
        z< A 5 ack 700
        z> R 700
        +1 < A 5 ack 700
        > R 700
        """
    )


def resets_in_a_second(play: Play, hosts: int, each: int) -> int:
    """Send strays of many hosts, then return how many were answered; a second passes."""
    before = play.table.counters[Count.RST_SENT]
    for n in range(hosts):
        for port in range(each):
            stray = pack_segment(1000 + port << 16 | 81, 0, 0, 0x10, 0xFFFF, b"")
            path: Path = ((f"198.51.100.{n + 1}", 4000), "")
            play.table.handle_datagrams(stray, len(stray), path, play.now)
            while play.table.poll_transmit(play.now) is not None:
                pass
    play.now += 1.0
    return play.table.counters[Count.RST_SENT] - before


def test_UDP_23_a_host_that_lost_thousands_of_connections_is_told(play: Play) -> None:
    """DEF-51: 8000 a second, and it is not the only one."""
    assert resets_in_a_second(play, 1, 8100) == 8000
    assert resets_in_a_second(play, 2, 3000) == 6000


def test_UDP_23_at_most_so_many_in_all(play: Play) -> None:
    """How many there are is told by none: it changes with every second, between half and all."""
    play.configure(resets_max=100)
    numbers = [resets_in_a_second(play, 20, 10) for _ in range(40)]
    assert 50 <= min(numbers) < 60
    assert 90 < max(numbers) <= 100
    assert len(set(numbers)) > 20
    assert play.table.counters[Count.RST_THROTTLED] == 40 * 200 - sum(numbers)


def test_UDP_23_the_limits_can_be_chosen(play: Play) -> None:
    play.configure(resets_max=0)
    assert resets_in_a_second(play, 2, 2) == 0
    play.configure(resets_max=1000, resets_per_source=3)
    assert resets_in_a_second(play, 20, 10) == 60


@pytest.mark.parametrize(
    "host", ["224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1", "::", "239.255.255.250"]
)
@pytest.mark.parametrize("segment", ["S 0", "A 0 ack 5", "F 0"])
def test_MUST_63_W_47_impossible_sources(play: Play, host: str, segment: str) -> None:
    """MUST-57, UDP-15: dropped without an answer, listener or not."""
    play(
        f"""
        flow x {host}:4000
        x< {segment}
        listen
        x< {segment}
        connections 0
        """
    )


def test_MUST_63_W_47_port_0(play: Play) -> None:
    """W-1, W-2, UDP-8: of UDP as of TCP."""
    play(
        """
        flow x 192.0.2.9:0
        flow y 192.0.2.9:4000 0
        listen
        x< S 0
        y< S 0
        count BAD_PORT 1
        connections 0
        """
    )


@pytest.mark.parametrize("local", ["224.0.0.1", "255.255.255.255", "ff02::1"])
def test_MUST_57_addressed_to_many(local: str) -> None:
    """W-47: the address that the peer sent to, where the socket tells it."""
    path: Path = (("192.0.2.1", 4000), local)
    play = Play()
    play("flow x 192.0.2.1:4000 \n listen")
    syn = bytes.fromhex("03e80050 00000000 00000000 5002ffff 00000000")
    play.table.handle_datagrams(syn, len(syn), path, play.now)
    stray = bytes.fromhex("03e80051 00000000 00000000 5010ffff 00000000")
    play.table.handle_datagrams(stray, len(stray), path, play.now)
    assert play.table.poll_transmit(play.now) is None
    assert play.table.connections == 0


def test_W_44_W_46_answers_go_back_where_they_came_from(play: Play) -> None:
    """MUST-45: the same two addresses throughout."""
    path: Path = (("192.0.2.1", 4321), "192.0.2.77")
    play("listen")
    syn = bytes.fromhex("03e80050 00000000 00000000 5002ffff 00000000")
    play.table.handle_datagrams(syn, len(syn), path, play.now)
    transmit = play.table.poll_transmit(play.now)
    assert transmit is not None
    assert transmit.path == path
    stray = bytes.fromhex("03e80051 00000000 00000000 5010ffff 00000000")
    play.table.handle_datagrams(stray, len(stray), path, play.now)
    transmit = play.table.poll_transmit(play.now)
    assert transmit is not None
    assert transmit.path == path


def test_W_40_W_41_inner_ports_tell_connections_apart(play: Play) -> None:
    play(active())
    play(
        """
        flow b 192.0.2.1:4000 1001
        flow c 192.0.2.1:4001
        b.connect
        b> S 0
        b< SA 0 ack 1
        b> A 1 ack 1
        c.connect
        c> S 0
        c< SA 0 ack 1
        c> A 1 ack 1
        b< PA 1:11(10) ack 1
        b.read 10
        c.read 0
        read 0
        connections 3
        +0.04 b> A 1 ack 11
        """
    )


def test_W_42_ISN_5_inner_ports_of_active_opens(play: Play) -> None:
    """DEF-47: random, dynamic, and never twice towards one peer."""
    path = (("192.0.2.1", 4000), "")
    ports = {play.table.open_active(path, 80, 0.0).ports >> 16 for _ in range(200)}
    assert len(ports) == 200
    assert min(ports) >= 49_152
    assert max(ports) - min(ports) > 300  # not one after the other


def test_M_1_M_2_what_is_no_segment_gets_silence(play: Play) -> None:
    """M-18, UDP-24, W-5: too short, or with a header that is."""
    good = bytes.fromhex("03e80050 00000000 00000000 5010ffff 00000000")
    offsets = [good[:12] + bytes([words << 4]) + good[13:] for words in (0, 4, 6, 15)]
    for bad in (b"", b"x", good[:19], *offsets):
        play.table.handle_datagrams(bad, max(len(bad), 1), (("192.0.2.1", 4000), ""), play.now)
    assert play.table.poll_transmit(play.now) is None
    play("count SHORT 3 \n count BAD_OFFSET 4")


def test_W_6_W_9_M_6_reserved_bits_and_checksum_are_not_looked_at(play: Play) -> None:
    play(active())
    play("< PA 1:11(10) ack 1 sum res \n read 10 \n +0.04 > A 1 ack 11")
