"""The Linux path: bounded reads, a full socket, a device that takes no batches (BUF-7, UDP-19)."""

import errno
import socket
import struct
import sys
from typing import Any

import pytest

from rudp.core.segment.transmit import ECT_0, RUN_OCTETS_MAX, Transmit
from rudp.udp.linux import (
    ANCILLARY_MAX,
    GATHERED_MAX,
    LONE_MAX,
    LOOK_AGAIN,
    READS_PER_WAKE,
    SOL_UDP,
    UDP_GRO,
)
from rudp.udp.own import DATAGRAM_MAX, OCTETS_PER_WAKE
from rudp.udp.port import ask_for_buffers, granted_receive_buffer, receive_drops
from tests.udp.kit import PEER, Ear, RecordingSocket, Refusals, Watch, linux_port, run, send

EAGAIN = errno.EAGAIN


def datagrams(*transmits: Transmit) -> list[bytes]:
    return [datagram for transmit in transmits for datagram in transmit.datagrams()]


def sent(sock: RecordingSocket) -> list[bytes]:
    return [data for data, _ in sock.sent]


@pytest.mark.parametrize("size", [100, 1000, DATAGRAM_MAX])
def test_a_wake_up_reads_several_times_and_not_for_ever(size: int) -> None:
    """BUF-6: the loop gets its turn again while datagrams still come; all read are one batch."""
    sock, watch, ear = RecordingSocket(), Watch(), Ear()
    linux_port(sock, ear, watch)
    sock.inbox.extend((bytes(size), [], PEER) for _ in range(1000))
    watch.readable()
    assert sock.reads == min(READS_PER_WAKE, -(-OCTETS_PER_WAKE // size))
    assert ear.heard == [(bytes(size), size, PEER, 0)] * sock.reads
    assert ear.batches == 1
    sock.inbox.clear()
    sock.inbox.extend((bytes(size), [], PEER) for _ in range(2))
    watch.readable()
    assert not sock.inbox


def test_datagrams_that_come_alone_are_not_looked_behind_each_time() -> None:
    """The loop would wake the port again: nothing is lost, and many are soon read at a time."""
    sock, watch, ear = RecordingSocket(), Watch(), Ear()
    linux_port(sock, ear, watch)
    for _ in range(2 * LOOK_AGAIN):
        sock.inbox.append((bytes(64), [], PEER))
        watch.readable()
    assert (sock.reads, sock.in_vain) == (2 * LOOK_AGAIN, 2)
    sock.inbox.extend((bytes(64), [], PEER) for _ in range(1000))
    wakes = 0
    while sock.inbox:
        watch.readable()
        wakes += 1
    assert wakes <= LOOK_AGAIN + 1000 // READS_PER_WAKE
    assert len(ear.heard) == 2 * LOOK_AGAIN + 1000
    assert ear.batches == 2 * LOOK_AGAIN + wakes


@pytest.mark.parametrize(
    ("size", "marks"),
    [(LONE_MAX + 1, []), (250, [(SOL_UDP, UDP_GRO, struct.pack("=i", 100))])],
    ids=["large", "several"],
)
def test_what_is_a_piece_of_something_is_looked_behind(size: int, marks: list[Any]) -> None:
    sock, watch, ear = RecordingSocket(), Watch(), Ear()
    linux_port(sock, ear, watch)
    for _ in range(2):
        sock.inbox.append((bytes(64), [], PEER))
        watch.readable()
    sock.inbox.append((bytes(size), marks, PEER))
    sock.inbox.append((bytes(64), [], PEER))
    watch.readable()
    assert not sock.inbox


@pytest.mark.skipif(sys.platform != "linux", reason="they are Linux's")
def test_there_is_room_for_all_control_messages() -> None:
    assert 2 * socket.CMSG_SPACE(4) + socket.CMSG_SPACE(16 + 4) <= ANCILLARY_MAX


def test_an_error_is_read_and_what_arrived_behind_it() -> None:
    sock, watch, ear = RecordingSocket(), Watch(), Ear()
    linux_port(sock, ear, watch)
    for _ in range(2):
        sock.inbox.append((bytes(64), [], PEER))
        watch.readable()
    sock.errors.append(errno.ECONNREFUSED)
    sock.inbox.append((bytes(64), [], PEER))
    watch.readable()
    assert sock.error_reads == 1
    assert not sock.inbox


def test_one_read_brings_many_datagrams() -> None:
    """MUST-58: UDP_GRO tells their size, IP_TOS their ECN bits."""
    sock, watch, ear = RecordingSocket(), Watch(), Ear()
    linux_port(sock, ear, watch)
    marks = [(SOL_UDP, UDP_GRO, struct.pack("=i", 100)), (socket.IPPROTO_IP, socket.IP_TOS, b"\3")]
    sock.inbox.append((bytes(250), marks, PEER))
    watch.readable()
    assert ear.heard == [(bytes(250), 100, PEER, 3)]


def test_a_full_socket_keeps_the_run_and_goes_on_with_it() -> None:
    """BUF-4: nothing is lost or doubled, and nobody is asked to send meanwhile."""
    sock, watch, ear = RecordingSocket(Refusals(EAGAIN, EAGAIN)), Watch(), Ear()
    port = linux_port(sock, ear, watch)
    first, second = run((5, 100, 60), 0), run((2, 100, 100), 100)
    assert not send(port, first)
    watch.writable()  # still full
    assert (sock.sent, ear.ready) == ([], 0)
    watch.writable()
    assert (sent(sock), ear.ready) == (datagrams(first), 1)
    assert watch.writer is None
    assert send(port, second)
    assert sent(sock) == datagrams(first, second)
    assert sock.calls == [5, 2]


def test_a_port_that_is_closed_forgets_what_it_kept() -> None:
    sock, watch, ear = RecordingSocket(Refusals(EAGAIN)), Watch(), Ear()
    port = linux_port(sock, ear, watch)
    assert not send(port, run((1, 100, 100)))
    port.close()
    assert (watch.reader, watch.writer, sock.sent) == (None, None, [])
    assert send(port, run((1, 100, 100)))
    assert [code for code, _ in ear.failed] == [errno.EBADF]


@pytest.mark.parametrize("refusal", [errno.EIO, errno.EINVAL])
def test_a_device_without_segmentation_gets_datagrams_one_by_one(refusal: int) -> None:
    """UDP-19: the refused run is sent all the same, and no batch is tried again."""
    sock, ear = RecordingSocket(gso=refusal), Ear()
    port = linux_port(sock, ear)
    transmits = [run((5, 100, 60), 0), run((3, 200, 200), 50), run((1, 0, 70), 90)]
    for transmit in transmits:
        assert send(port, transmit)
    assert sent(sock) == datagrams(*transmits)
    assert sock.calls == [1] * 9
    assert not ear.failed


@pytest.mark.parametrize("full", [(), (EAGAIN,)])
def test_a_run_that_is_too_large_does_not_end_batches(full: tuple[int, ...]) -> None:
    """UDP-19: older kernels say EINVAL of it, and EMSGSIZE of its datagrams, full or not."""
    sock, watch, ear = (
        RecordingSocket(Refusals(errno.EINVAL, *full, errno.EMSGSIZE)),
        Watch(),
        Ear(),
    )
    port = linux_port(sock, ear, watch)
    send(port, run((3, 1000, 1000)))
    if full:
        watch.writable()
    assert [code for code, _ in ear.failed] == [errno.EMSGSIZE]
    sock.calls.clear()
    assert send(port, run((3, 100, 100)))
    assert sock.calls == [3]


def test_a_full_socket_among_single_datagrams() -> None:
    """BUF-4: what was sent already does not go twice."""
    # The batch is refused, two datagrams pass, the third finds the socket full.
    sock, watch = RecordingSocket(Refusals(errno.EIO, 0, 0, EAGAIN, 0, EAGAIN)), Watch()
    port = linux_port(sock, Ear(), watch)
    transmit = run((6, 100, 60))
    assert not send(port, transmit)
    assert sock.calls == [1, 1]
    for _ in range(2):
        watch.writable()
    assert watch.writer is None
    assert sent(sock) == datagrams(transmit)


def test_datagrams_that_are_too_large_do_not_end_batches() -> None:
    """PMTU-13: some kernels say of them what they say of a device without segmentation."""
    sock, ear = RecordingSocket(largest=1000), Ear()
    port = linux_port(sock, ear)
    large, small = run((3, 2000, 2000)), run((3, 500, 500))
    assert send(port, large)
    assert ear.failed == [(errno.EMSGSIZE, large)]
    assert send(port, small)
    assert sock.calls == [3]


@pytest.mark.parametrize("code", [errno.ENOBUFS, errno.ENOMEM])
def test_a_system_short_of_memory_loses_a_datagram_and_no_more(code: int) -> None:
    """UDP-19: a refused send counts as loss."""
    sock, ear = RecordingSocket(Refusals(code)), Ear()
    port = linux_port(sock, ear)
    assert send(port, run((1, 0, 100), 0))
    assert send(port, run((1, 0, 100), 7))
    assert sent(sock) == datagrams(run((1, 0, 100), 7))
    assert not ear.failed


# -- datagrams of several connections --------------------------------------------------------------


def single(number: int, size: int = 100, **fields: Any) -> Transmit:
    """Return one datagram of connection *number*."""
    return run((1, 0, size), number, **fields)


def test_equal_datagrams_to_one_peer_leave_together() -> None:
    """PACE-5: as many as one call takes, whatever connections they are of, in their order."""
    sock = RecordingSocket()
    port = linux_port(sock, Ear())
    small = [single(number) for number in range(2 * GATHERED_MAX + 3)]
    large = [single(number, RUN_OCTETS_MAX // 3) for number in range(4)]
    for transmit in small + large:
        assert port.send(transmit)
    assert port.flush()
    assert sock.calls == [GATHERED_MAX, GATHERED_MAX, 3, 3, 1]
    assert sent(sock) == datagrams(*small, *large)
    assert port.flush()
    assert len(sock.calls) == 5


@pytest.mark.parametrize(
    "other",
    [
        single(1, 99),
        single(1, 101),
        single(1, address=("127.0.0.1", 7002)),
        single(1, dscp=46),
        single(1, ttl=3),
        single(1, ecn=ECT_0),
        run((2, 100, 100), 1),
    ],
    ids=["shorter", "longer", "elsewhere", "dscp", "ttl", "ecn", "run"],
)
def test_what_one_call_cannot_carry_does_not_leave_together(other: Transmit) -> None:
    """A shorter one would, but what is too large for the path must not take it down with it."""
    sock = RecordingSocket()
    port = linux_port(sock, Ear())
    for transmit in (single(0), other, single(2)):
        assert port.send(transmit)
    assert port.flush()
    assert sock.calls == [1, len(other.datagrams()), 1]
    assert sent(sock) == datagrams(single(0), other, single(2))


def test_a_full_socket_keeps_what_was_gathered_and_what_follows() -> None:
    """BUF-4: nothing is lost or doubled, or overtakes."""
    sock, watch, ear = RecordingSocket(Refusals(EAGAIN, 0, EAGAIN)), Watch(), Ear()
    port = linux_port(sock, ear, watch)
    transmits = [single(0), single(1), run((3, 200, 50), 2)]
    assert port.send(transmits[0])
    assert port.send(transmits[1])
    assert not port.send(transmits[2])
    assert not port.flush()
    watch.writable()  # takes what was gathered, and no more
    assert (sock.calls, ear.ready) == ([2], 0)
    watch.writable()
    assert (sock.calls, ear.ready) == ([2, 3], 1)
    assert sent(sock) == datagrams(*transmits)


def test_nothing_is_gathered_for_a_device_without_segmentation() -> None:
    """UDP-19: the first that were gathered go one by one, the others are not held back."""
    sock = RecordingSocket(gso=errno.EIO)
    port = linux_port(sock, Ear())
    for number in range(2):
        assert port.send(single(number))
    assert port.flush()
    assert port.send(single(2))
    assert sent(sock) == datagrams(*map(single, range(3)))


def test_gathered_datagrams_that_are_refused_are_reported_once() -> None:
    """UDP-19: all of them in one transmit, from which the table tells whose they are."""
    sock, ear = RecordingSocket(Refusals(errno.EPERM)), Ear()
    port = linux_port(sock, ear)
    for number in range(3):
        assert port.send(single(number))
    assert port.flush()
    ((code, refused),) = ear.failed
    assert (code, refused.datagrams()) == (errno.EPERM, datagrams(*map(single, range(3))))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not count")
def test_BUF_7_what_found_no_room_is_counted() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reader,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as writer,
    ):
        reader.bind(("127.0.0.1", 0))
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert receive_drops(reader) == 0
        for _ in range(100):
            writer.sendto(bytes(1000), reader.getsockname())
        held = 0
        reader.setblocking(False)
        try:
            while reader.recv(2000):
                held += 1
        except BlockingIOError:
            pass
        assert receive_drops(reader) == 100 - held > 0
        before = granted_receive_buffer(reader)
        ask_for_buffers(reader)
        assert granted_receive_buffer(reader) > before
