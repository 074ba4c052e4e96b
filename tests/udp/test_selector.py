"""Plain sockets in batches: what goes on as one run, what a refusal means (BUF-7, UDP-19)."""

import errno
from typing import Any

import pytest

from rudp.core.segment.transmit import Address, Transmit
from rudp.udp.own import DATAGRAM_MAX, OCTETS_PER_WAKE
from rudp.udp.selector import READS_PER_WAKE
from tests.udp.kit import PEER, Ear, RecordingSocket, Refusals, Watch, run, selector_port, send

EAGAIN = errno.EAGAIN
OTHER: Address = ("127.0.0.1", 7002)

Arrival = tuple[bytes, Address]


class Listening(Ear):
    """Hears of errors, too; *crowded* is what it says of each run."""

    def __init__(self, *, crowded: bool = False) -> None:
        super().__init__()
        self.errors: list[tuple[int, Address | None]] = []
        self._crowded = crowded

    def datagrams_received(self, *run: Any) -> bool:
        super().datagrams_received(*run)
        return self._crowded

    def icmp_received(self, code: int, quote: bytes, address: Address | None, *_: Any) -> None:
        assert quote == b""
        self.errors.append((code, address))


def heard(*arrivals: Arrival, ear: Ear | None = None) -> list[tuple[bytes, int, Address]]:
    """Return the runs that one wake-up makes of *arrivals*: octets, stride, peer."""
    sock, watch, ear = RecordingSocket(), Watch(), ear or Ear()
    selector_port(sock, ear, watch)
    sock.inbox.extend((data, [], address) for data, address in arrivals)
    watch.readable()
    assert ear.batches == 1
    return [(data, stride, address) for data, stride, address, _ in ear.heard]


def numbered(*sizes: int, peer: Address = PEER) -> list[Arrival]:
    return [(bytes([number + 1]) * size, peer) for number, size in enumerate(sizes)]


def joined(*arrivals: Arrival) -> bytes:
    return b"".join(data for data, _ in arrivals)


# -- receiving -------------------------------------------------------------------------------------


def test_equal_datagrams_go_on_as_one_run() -> None:
    """MUST-58: as if the system had put them together; the last may be shorter."""
    arrivals = numbered(100, 100, 100, 60)
    assert heard(*arrivals) == [(joined(*arrivals), 100, PEER)]


def test_what_is_longer_or_comes_after_a_shorter_one_begins_a_run() -> None:
    arrivals = numbered(100, 60, 60, 100, 100)
    assert heard(*arrivals) == [
        (joined(*arrivals[:2]), 100, PEER),
        (joined(arrivals[2]), 60, PEER),
        (joined(*arrivals[3:]), 100, PEER),
    ]


def test_datagrams_of_several_peers_stay_apart_and_in_order() -> None:
    first, other = numbered(100, 100), numbered(100, 100, peer=OTHER)
    assert heard(first[0], *other, first[1]) == [
        (first[0][0], 100, PEER),
        (joined(*other), 100, OTHER),
        (first[1][0], 100, PEER),
    ]


def test_M_20_an_empty_datagram_is_one_of_its_own() -> None:
    assert heard((b"", PEER), *numbered(100, 100), (b"", PEER)) == [
        (b"", 0, PEER),
        (joined(*numbered(100, 100), (b"", PEER)), 100, PEER),
    ]


@pytest.mark.parametrize("size", [65_507, 40_000, 30_000])
def test_M_20_the_largest_datagrams_are_whole(size: int) -> None:
    """The buffer has room for one more wherever the last has ended."""
    arrivals = numbered(100, size, size)
    whole = joined(*arrivals)
    runs = heard(*arrivals)
    assert b"".join(data for data, *_ in runs) == whole
    assert [stride for _, stride, _ in runs] in ([100, size], [100, size, size])


@pytest.mark.parametrize("size", [100, 1000, DATAGRAM_MAX - 28])
def test_a_wake_up_reads_several_times_and_not_for_ever(size: int) -> None:
    """BUF-6: the loop gets its turn again while datagrams still come; all read are one batch."""
    sock, watch, ear = RecordingSocket(), Watch(), Ear()
    selector_port(sock, ear, watch)
    sock.inbox.extend((bytes(size), [], PEER) for _ in range(1000))
    watch.readable()
    assert sock.reads == min(READS_PER_WAKE, -(-OCTETS_PER_WAKE // size))
    assert sum(len(data) for data, *_ in ear.heard) == sock.reads * size
    assert ear.batches == 1


def test_who_has_work_for_several_is_not_given_more() -> None:
    peers = [("127.0.0.1", 7000 + number) for number in range(10)]
    arrivals = [(bytes(100), peer) for peer in peers]
    assert [peer for *_, peer in heard(*arrivals, ear=Listening(crowded=True))] == peers[:2]


def test_the_peer_of_a_connected_socket_is_known() -> None:
    """And has the name that the socket was connected to, a flow label or not."""
    sock, watch, ear = RecordingSocket(), Watch(), Ear()
    remote = ("fe80::1", 7, 0, 2)
    selector_port(sock, ear, watch, remote)
    sock.inbox.extend((bytes(50), [], ("fe80::1", 7, 99, 2)) for _ in range(2))
    watch.readable()
    assert ear.heard == [(bytes(100), 50, remote, 0)]


def test_a_flow_label_names_nobody() -> None:
    assert [peer for *_, peer in heard((b"a", ("fe80::1", 7, 99, 2)))] == [("fe80::1", 7, 0, 2)]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (errno.ECONNREFUSED, [errno.ECONNREFUSED]),
        (errno.ECONNRESET, [errno.ECONNREFUSED]),
        (errno.EHOSTUNREACH, [errno.EHOSTUNREACH]),
        (errno.EMSGSIZE, []),
    ],
)
def test_ICMP_1_an_error_is_told_and_what_came_behind_it_is_read(
    said: int, told: list[int]
) -> None:
    """Windows's word for a closed port is another; what a path carries is found out by probes."""
    sock, watch, ear = RecordingSocket(), Watch(), Listening()
    selector_port(sock, ear, watch, PEER)
    sock.errors.append(said)
    sock.inbox.append((bytes(64), [], PEER))
    watch.readable()
    watch.readable()
    assert ear.errors == [(code, PEER) for code in told]
    assert [data for data, *_ in ear.heard] == [bytes(64)]


# -- sending ---------------------------------------------------------------------------------------


def datagrams(*transmits: Transmit) -> list[bytes]:
    return [datagram for transmit in transmits for datagram in transmit.datagrams()]


def sent(sock: RecordingSocket) -> list[bytes]:
    return [data for data, _ in sock.sent]


def test_BUF_4_a_full_socket_keeps_the_rest_of_the_run_and_goes_on_with_it() -> None:
    """Nothing is lost or doubled, or overtakes; nobody is asked to send meanwhile."""
    sock, watch, ear = RecordingSocket(Refusals(0, 0, EAGAIN, EAGAIN, 0, EAGAIN)), Watch(), Ear()
    port = selector_port(sock, ear, watch)
    first, second = run((5, 100, 60), 0), run((2, 100, 100), 100)
    assert not send(port, first)
    assert sent(sock) == datagrams(first)[:2]
    watch.writable()  # still full
    watch.writable()  # takes one
    assert (sent(sock), ear.ready) == (datagrams(first)[:3], 0)
    watch.writable()
    assert (sent(sock), ear.ready) == (datagrams(first), 1)
    assert watch.writer is None
    assert send(port, second)
    assert sent(sock) == datagrams(first, second)


def test_a_port_that_is_closed_forgets_what_it_kept() -> None:
    sock, watch, ear = RecordingSocket(Refusals(EAGAIN)), Watch(), Ear()
    port = selector_port(sock, ear, watch)
    assert not send(port, run((1, 100, 100)))
    port.close()
    port.close()
    assert (watch.reader, watch.writer, sock.sent) == (None, None, [])
    assert not port.has_arrivals()
    assert send(port, run((1, 100, 100)))
    assert [code for code, _ in ear.failed] == [errno.EBADF]


@pytest.mark.parametrize("code", [errno.ENOBUFS, errno.ENOMEM])
def test_UDP_19_a_system_short_of_memory_loses_a_datagram_and_no_more(code: int) -> None:
    """BSD and macOS say so of a queue that is full: nothing tells when it has room again."""
    sock, ear = RecordingSocket(Refusals(0, code, code)), Ear()
    port = selector_port(sock, ear)
    transmit = run((3, 100, 60))
    assert send(port, transmit)
    first, _, last = datagrams(transmit)
    assert sent(sock) == [first, last]
    assert not ear.failed


def test_UDP_19_what_is_said_once_was_about_an_earlier_datagram() -> None:
    sock, ear = RecordingSocket(Refusals(errno.ECONNREFUSED)), Listening()
    port = selector_port(sock, ear, remote=PEER)
    transmit = run((3, 100, 60))
    assert send(port, transmit)
    assert sent(sock) == datagrams(transmit)
    assert ear.errors == [(errno.ECONNREFUSED, PEER)]
    assert not ear.failed


def test_UDP_19_full_after_an_earlier_datagrams_error() -> None:
    sock, watch, ear = RecordingSocket(Refusals(errno.ECONNREFUSED, EAGAIN)), Watch(), Listening()
    port = selector_port(sock, ear, watch, PEER)
    assert not send(port, run((1, 0, 70)))
    watch.writable()
    assert sent(sock) == datagrams(run((1, 0, 70)))
    assert (ear.errors, ear.failed) == ([(errno.ECONNREFUSED, PEER)], [])


@pytest.mark.parametrize("code", [errno.EMSGSIZE, errno.EPERM, errno.ENETUNREACH])
def test_UDP_19_a_run_that_is_refused_is_reported_once(code: int) -> None:
    """PMTU-13: nor would the system take the rest of it; others go out as before."""
    sock, ear = RecordingSocket(Refusals(code, code)), Listening()
    port = selector_port(sock, ear)
    refused, other = run((3, 2000, 2000)), run((2, 500, 500))
    assert send(port, refused)
    assert ear.failed == [(code, refused)]
    assert send(port, other)
    assert sent(sock) == datagrams(other)
    assert not ear.errors


def test_a_connected_socket_is_given_no_address() -> None:
    sock = RecordingSocket()
    assert send(selector_port(sock, Ear(), remote=PEER), run((2, 100, 60)))
    assert send(selector_port(sock, Ear()), run((1, 0, 60), address=OTHER))
    assert [address for _, address in sock.sent] == [None, None, OTHER]
