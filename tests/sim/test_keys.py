"""Connections whose segments are signed (TCP-AO: RFC 5925, RFC 5926, RFC 6978), in virtual time."""

import dataclasses
import errno
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rudp.config import Config
from rudp.core.life.connection import Connection
from rudp.core.life.steady import LANES
from rudp.core.segment import wire
from rudp.core.segment.isn import IsnSource
from rudp.core.segment.options import SignedOptions, encode_unsigned
from rudp.core.segment.transmit import Address
from rudp.core.segment.wire import ACK, RST, SYN, Run
from rudp.core.terms.counters import Count, Counters
from rudp.core.terms.state import State
from rudp.keys import MasterKey
from rudp.sim.network import Network

CLIENT = ("10.0.0.1", 4000)
SERVER = ("10.0.0.2", 7000)
PORT = 7000
SECRET = b"sixteen octets.."
KEY = MasterKey(secret=SECRET)
SIGNED = Config(keys=(KEY,))
AO = (Count.AO_MISSING, Count.AO_KEY_UNKNOWN, Count.AO_MAC_WRONG)


def segment(data: bytes) -> Run:
    run = wire.read_segment(memoryview(data), Counters())
    assert run is not None
    return run


class Pair:
    """Two hosts, and what passed between them."""

    def __init__(
        self,
        client: Config = SIGNED,
        server: Config = SIGNED,
        *,
        seed: int = 1,
        loss: float = 0.0,
        addresses: tuple[Address, Address] = (CLIENT, SERVER),
    ) -> None:
        self.network = Network(seed=seed, delay=0.01, loss=loss)
        self.sent: list[tuple[bytes, Address]] = []
        self.network.taps.append(
            lambda what, now, data, source, to: (
                self.sent.append((data, source)) if what == "sent" else None
            )
        )
        self.a, self.b = (
            self.network.host(address, config)
            for address, config in zip(addresses, (client, server), strict=True)
        )
        self.listener = self.b.table.listen(PORT)

    def open(self, limit: float = 30.0) -> None:
        now = self.network.clock.now
        self.opened = self.a.table.open_active(self.b.path, PORT, now)
        assert self.network.run_until(lambda: bool(self.listener.accepted), limit=limit)
        self.accepted = self.listener.accepted.popleft()
        self.wait(0.05)
        assert self.opened.state is State.ESTABLISHED

    def inject(self, data: bytes, source: Address = SERVER, to: Address = CLIENT) -> None:
        """Let *data* arrive now, as if *source* had sent it."""
        now = self.network.clock.now
        self.network.clock.call_at(now, self.network.arrive, data, source, to)

    def wait(self, seconds: float) -> None:
        self.network.run_until(lambda: False, limit=seconds)

    def touch(self) -> None:
        self.a.table.touch(self.opened)
        self.b.table.touch(self.accepted)

    def exchange(self, size: int, limit: float = 300.0) -> None:
        """Send *size* octets each way, and see them arrive."""
        data = bytes(n * 7 % 251 for n in range(size))
        got = {self.opened: bytearray(), self.accepted: bytearray()}
        for connection in got:
            connection.send(data)
        self.touch()

        def turn() -> bool:
            for connection, octets in got.items():
                octets.extend(connection.receive())
            self.touch()
            return all(len(octets) >= size for octets in got.values())

        assert self.network.run_until(turn, limit=limit)
        assert all(bytes(octets) == data for octets in got.values())

    def close(self) -> None:
        for node, connection in ((self.a, self.opened), (self.b, self.accepted)):
            connection.shutdown(self.network.clock.now)
            node.table.touch(connection)
            self.wait(1.0)

    def doubted(self) -> list[int]:
        """Return what either side has counted as not authentic."""
        return [node.table.counters[reason] for node in (self.a, self.b) for reason in AO]


def each_way() -> Callable[..., Any]:
    ways = {
        "sha256": {},
        "sha1": {"algorithm": "HMAC-SHA-1-96"},
        "cmac": {"algorithm": "AES-128-CMAC-96"},
        "options-free": {"covers_options": False},
    }
    return pytest.mark.parametrize("changes", ways.values(), ids=ways)


@each_way()
@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_every_segment_is_signed(changes: dict[str, Any], loss: float) -> None:
    """RFC 5925 §7.4, §7.5: from SYN to the last ACK; nothing is doubted that was not forged."""
    if changes.get("algorithm") == "AES-128-CMAC-96":
        pytest.importorskip("cryptography")
    config = Config(keys=(MasterKey(secret=SECRET, send_id=3, recv_id=3, **changes),))
    pair = Pair(config, config, loss=loss)
    pair.open()
    pair.exchange(200_000)
    pair.close()
    pair.wait(20.0)
    assert pair.a.table.time_wait_records == 1
    assert pair.accepted.state is State.CLOSED
    assert pair.accepted.error is None
    assert not any(pair.doubted())
    for data, _ in pair.sent:
        opts = segment(data).options
        assert isinstance(opts, SignedOptions)
        assert (opts.key_id, opts.next_id) == (3, 3)


def test_the_option_takes_room_from_the_data() -> None:
    """RFC 5925 §7.6: 16 octets of each segment; what is announced is the same."""
    plain, signed = Pair(Config(), Config()), Pair()
    for pair in (plain, signed):
        pair.open()
        pair.exchange(400_000)
    assert plain.opened.info().mss - signed.opened.info().mss == 16
    assert plain.opened.info().pmtu == signed.opened.info().pmtu
    assert max(len(data) for data, _ in signed.sent) == max(len(data) for data, _ in plain.sent)


def test_who_has_no_key_finds_nobody() -> None:
    """An unsigned SYN, one with another secret, one with another id: no answer, and a count."""
    others = {
        Count.AO_MISSING: Config(),
        Count.AO_MAC_WRONG: Config(keys=(MasterKey(secret=SECRET[::-1]),)),
        Count.AO_KEY_UNKNOWN: Config(keys=(MasterKey(secret=SECRET, send_id=1),)),
    }
    for reason, config in others.items():
        pair = Pair(config)
        opened = pair.a.table.open_active(pair.b.path, PORT, 0.0)
        pair.wait(300.0)
        assert isinstance(opened.error, TimeoutError)
        assert opened.error.__cause__ is None
        assert pair.b.table.counters[reason] == 8
        assert {source for _, source in pair.sent} == {CLIENT}
        assert pair.b.table.half_open == 0


def test_no_RST_either_where_there_are_keys() -> None:
    """Neither for a port at which nobody listens, nor for what is no SYN."""
    pair = Pair(Config(), SIGNED)
    for flags, port in ((SYN, 9), (ACK, 9), (ACK, PORT), (RST, PORT)):
        forged = wire.pack_segment(1234 << 16 | port, 5, 6, flags, 100, b"")
        pair.inject(forged, CLIENT, SERVER)
        pair.wait(0.1)
    assert not pair.sent


def test_an_answer_without_the_key_is_told_from_none() -> None:
    """Of a peer without keys, and of one that has no listener: its RST proves nothing."""
    for port in (PORT, 9):
        pair = Pair(SIGNED, Config())
        opened = pair.a.table.open_active(pair.b.path, port, 0.0)
        pair.wait(0.5)
        assert opened.state is State.SYN_SENT
        pair.wait(300.0)
        assert isinstance(opened.error, TimeoutError)
        assert isinstance(opened.error.__cause__, OSError)
        assert "with this key" in str(opened.error.__cause__)
        assert pair.a.table.counters[Count.AO_MISSING] >= 8


def test_keys_are_for_networks() -> None:
    """RFC 5925 §3.1: who is in none of them goes without, and may."""
    config = Config(keys=(MasterKey(secret=SECRET, network="10.0.0.0/24"),))
    pair = Pair(config, config)
    pair.open()
    assert pair.opened.info().key_ids == (0, 0)
    stranger = ("10.1.0.1", 4000)
    pair = Pair(Config(), config, addresses=(stranger, SERVER))
    pair.open()
    pair.exchange(10_000)
    assert pair.accepted.info().key_ids is None
    pair = Pair(config, config, addresses=(stranger, SERVER))
    with pytest.raises(AssertionError):  # one signs, and the other has no key for it
        pair.open(limit=5.0)
    pair = Pair(SIGNED, Config(keys=(MasterKey(secret=SECRET, network="10.1.0.1"),)))
    with pytest.raises(AssertionError):
        pair.open(limit=5.0)


def test_real_addresses() -> None:
    """RFC 5925 §5.1, as kernels have it: what a NAT would change, the MAC shows."""
    config = Config(keys=(MasterKey(secret=SECRET, addresses=("10.0.0.1", "10.0.0.2")),))
    mirror = Config(keys=(MasterKey(secret=SECRET, addresses=("10.0.0.2", "10.0.0.1")),))
    pair = Pair(config, mirror)
    pair.open()
    pair.exchange(10_000)
    pair = Pair(config, config)
    with pytest.raises(AssertionError):
        pair.open(limit=5.0)
    assert pair.b.table.counters[Count.AO_MAC_WRONG] > 0
    real = Config(keys=(MasterKey(secret=SECRET, addresses="real"),))
    pair = Pair(real, real)  # hosts of this network are not told which address they have
    with pytest.raises(OSError, match="ours is not known") as caught:
        pair.open()
    assert caught.value.errno == errno.EADDRNOTAVAIL
    now = pair.network.clock.now
    path = (SERVER, CLIENT[0])
    pair.a.table.open_active(path, PORT, now)
    pair.wait(1.0)
    assert pair.b.table.counters[Count.AO_KEY_UNKNOWN] > 0  # the listener does not know its own


@pytest.mark.parametrize("config", [SIGNED, Config(keys=(KEY,), timestamps=False)])
def test_with_SYN_cookies(config: Config) -> None:
    """SYN,ACK is signed and forgotten; the ACK is checked with what its numbers tell."""
    pair = Pair(config, dataclasses.replace(config, half_open_max=0))
    pair.open()
    pair.exchange(50_000)
    pair.close()
    assert pair.b.table.counters[Count.COOKIE_ACCEPTED] == 1
    assert not any(pair.doubted())


@pytest.mark.parametrize("last", [-1, -2, 0])
def test_with_SYN_cookies_at_the_wrap(last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5925 §6.2: after the SYN 2**32 - 1 comes octet 0, and its extension is 1."""
    monkeypatch.setattr(IsnSource, "iss", lambda *_: last & 0xFFFF_FFFF)
    pair = Pair(server=dataclasses.replace(SIGNED, half_open_max=0))
    pair.open()
    pair.exchange(50_000)
    assert pair.b.table.counters[Count.COOKIE_ACCEPTED] == 1
    assert not any(pair.doubted())


def test_TIME_WAIT_signs_and_checks() -> None:
    """A FIN that comes again is acknowledged; an unsigned one, or a forged SYN, is not."""
    pair = Pair()
    pair.open()
    pair.exchange(10_000)
    pair.close()
    fin = [data for data, source in pair.sent if source == SERVER and segment(data).flags & 1][-1]
    before = len(pair.sent)
    pair.inject(fin)
    pair.wait(0.5)
    (answer,) = pair.sent[before:]
    assert answer[1] == CLIENT
    # The other side, had it not the ACK yet, would believe this one.
    assert isinstance(segment(answer[0]).options, SignedOptions)
    run = segment(fin)
    ports, seq = run.ports, run.seq
    for flags in (1 | ACK, RST, SYN, ACK):
        forged = wire.pack_segment(ports, seq, run.ack, flags, 100, b"")
        pair.inject(forged)
        pair.inject(fin[:-1] + bytes([fin[-1] ^ 1]))
        pair.wait(0.5)
    assert len(pair.sent) == before + 1
    assert pair.a.table.counters[Count.AO_MISSING] == 4
    assert pair.a.table.counters[Count.AO_MAC_WRONG] == 4
    assert pair.a.table.time_wait_records == 1


@pytest.mark.parametrize("keys", [(MasterKey(secret=b"another secret.."),), ()])
def test_other_keys_reopen_in_TIME_WAIT(keys: tuple[MasterKey, ...]) -> None:
    """TW-6: the listener has changed its keys; the SYN is signed as it asks for now."""
    pair = Pair()
    pair.open()
    for node, connection in ((pair.b, pair.accepted), (pair.a, pair.opened)):
        connection.shutdown(pair.network.clock.now)
        node.table.touch(connection)
        pair.wait(1.0)
    assert pair.b.table.time_wait_records == 1
    pair.listener.config = config = Config(keys=keys)
    syn = next(data for data, _ in pair.sent)
    forged = wire.pack_segment(segment(syn).ports, 1, 0, SYN, 100, encode_unsigned(0, 0))
    if keys:
        pair.inject(forged, CLIENT, SERVER)
        pair.wait(1.0)
        assert pair.b.table.counters[Count.AO_MAC_WRONG] == 1
    opened = pair.a.table.open_active(
        pair.b.path,
        PORT,
        pair.network.clock.now,
        local_port=pair.opened.ports >> 16,
        config=config,
    )
    assert pair.network.run_until(lambda: opened.state is State.ESTABLISHED, limit=1.0)


def test_the_last_ACK_of_TIME_WAIT_is_believed() -> None:
    """The FIN's ACK is lost each time until TIME-WAIT repeats it: LAST-ACK ends in order."""
    pair = Pair()
    pair.open()
    pair.exchange(10_000)
    pair.opened.shutdown(pair.network.clock.now)
    pair.touch()
    pair.wait(1.0)
    arrive = pair.network.arrive
    lost: list[bytes] = []

    def lossy(data: bytes, source: Address, destination: Address, ecn: int = 0) -> None:
        if destination == SERVER and len(lost) < 2:
            lost.append(data)
        else:
            arrive(data, source, destination, ecn)

    pair.network.arrive = lossy  # type: ignore[method-assign]
    pair.accepted.shutdown(pair.network.clock.now)
    pair.touch()
    pair.wait(10.0)
    assert len(lost) == 2
    assert pair.accepted.state is State.CLOSED
    assert pair.accepted.error is None


def test_simultaneous_open() -> None:
    """RFC 9293 §3.5: both SYNs are signed as SYNs, both SYN,ACKs with what each has learnt."""
    network = Network(seed=3, delay=0.01)
    a, b = network.host(CLIENT, SIGNED), network.host(SERVER, SIGNED)
    one = a.table.open_active(b.path, 7000, 0.0, local_port=4000)
    other = b.table.open_active(a.path, 4000, 0.0, local_port=7000)
    network.run_until(lambda: False, limit=1.0)
    assert one.state is other.state is State.ESTABLISHED
    assert not any(node.table.counters[reason] for node in (a, b) for reason in AO)


def test_a_SYN_that_is_thrown_back_is_not_the_peers() -> None:
    """Without addresses, and with equal ports, only its number tells our SYN from the peer's."""
    network = Network(seed=3, delay=0.01)
    a = network.host(CLIENT, SIGNED)
    b = network.host(SERVER, SIGNED)
    network.taps.append(
        lambda what, now, data, source, to: (
            network.clock.call_at(now + 0.01, network.arrive, data, SERVER, CLIENT)
            if what == "sent"
            else None
        )
    )
    opened = a.table.open_active(b.path, 7000, 0.0, local_port=7000)
    network.run_until(lambda: False, limit=1.0)
    assert opened.state is State.SYN_SENT
    assert a.table.counters[Count.AO_MAC_WRONG] > 0


class TestWrap:
    """RFC 5925 §6.2: sequence numbers wrap after 4 GiB; what was signed before does not count."""

    def test_data_goes_on(self) -> None:
        """Both numbers wrap within a megabyte, and old segments come again."""
        pair = Pair()
        path, mask = pair.b.path, 0xFFFF_FFFF
        isn = pair.a.table.surroundings.isn
        port = next(
            port
            for port in range(1024, 65_536)
            if mask - isn.iss(path, port << 16 | PORT, 0.0) < 400_000
        )
        pair.opened = pair.a.table.open_active(path, PORT, 0.0, local_port=port)
        assert pair.network.run_until(lambda: bool(pair.listener.accepted), limit=1.0)
        pair.accepted = pair.listener.accepted.popleft()
        pair.exchange(1_000_000)
        assert not any(pair.doubted())
        before = pair.accepted.info().bytes_received
        for data, source in list(pair.sent):
            if source == CLIENT and segment(data).length:
                pair.inject(data, CLIENT, SERVER)
        pair.wait(1.0)
        assert pair.accepted.info().bytes_received == before
        assert not any(pair.doubted())  # it is old, and authentic
        pair.exchange(1000)


def ids(connection: Connection) -> tuple[int, int]:
    found = connection.info().key_ids
    assert found is not None
    return found


OLD = MasterKey(secret=b"the old secret..", send_id=1, recv_id=1)
NEW = MasterKey(secret=b"the new secret..", send_id=2, recv_id=2)


class TestRollover:
    """RFC 5925 §7.5: RNextKeyID asks, and the current key follows, while data flows."""

    @pytest.mark.parametrize("loss", [0.0, 0.05])
    def test_one_side_leads(self, loss: float) -> None:
        pair = Pair(Config(keys=(OLD,)), Config(keys=(OLD,)), loss=loss)
        pair.open()
        pair.exchange(50_000)
        pair.accepted.change_keys((OLD, NEW))  # it has the new one, and asks for nothing yet
        pair.opened.change_keys((NEW, OLD))
        pair.exchange(200_000)
        assert ids(pair.opened)[1] == ids(pair.accepted)[0] == 2
        pair.accepted.change_keys((NEW, OLD))
        pair.exchange(200_000)
        assert ids(pair.opened) == ids(pair.accepted) == (2, 2)
        assert not any(pair.doubted())
        for connection in (pair.opened, pair.accepted):
            connection.change_keys((NEW,))
        pair.exchange(50_000)
        pair.close()
        assert not any(pair.doubted())

    def test_a_peer_that_lacks_the_new_key_goes_on_with_the_old(self) -> None:
        pair = Pair(Config(keys=(OLD,)), Config(keys=(OLD,)))
        pair.open()
        pair.opened.change_keys((NEW, OLD))
        pair.exchange(100_000)
        assert ids(pair.opened) == (1, 2)
        assert ids(pair.accepted) == (1, 1)
        assert not any(pair.doubted())

    def test_a_replay_does_not_bring_the_old_key_back(self) -> None:
        pair = Pair(Config(keys=(OLD, NEW)), Config(keys=(OLD, NEW)))
        pair.open()
        pair.exchange(20_000)
        old = [data for data, source in pair.sent if source == CLIENT and segment(data).length]
        pair.opened.change_keys((NEW, OLD))
        pair.exchange(20_000)
        assert ids(pair.accepted)[0] == 2
        for data in old:
            pair.inject(data, CLIENT, SERVER)
        pair.wait(1.0)
        assert ids(pair.accepted)[0] == 2
        assert not any(pair.doubted())

    @pytest.mark.parametrize("flag", [SYN, ACK])
    @pytest.mark.parametrize("timestamps", [True, False])
    def test_nor_does_a_replay_that_fits_RCV_NXT(self, flag: int, timestamps: bool) -> None:
        """The peer only listens: the numbers of its acknowledgements are those of new ones."""
        config = Config(keys=(OLD, NEW), timestamps=timestamps)
        pair = Pair(config, config)
        pair.open()

        def say() -> bool:
            pair.accepted.send(bytes(20_000))
            got: list[bytes] = []

            def turn() -> bool:
                got.append(pair.opened.receive())
                pair.touch()
                return sum(map(len, got)) >= 20_000

            return pair.network.run_until(turn, limit=60.0)

        assert say()
        old = [
            data
            for data, source in pair.sent
            if source == CLIENT and segment(data).flags & (SYN | ACK) == flag
        ]
        assert old
        for connection in (pair.opened, pair.accepted):
            connection.change_keys((NEW, OLD))
            assert say()
        assert ids(pair.opened) == ids(pair.accepted) == (2, 2)
        pair.opened.change_keys((NEW,))  # so what is signed with the old one is lost on it
        for data in old:
            pair.inject(data, CLIENT, SERVER)
        pair.wait(1.0)
        assert ids(pair.accepted) == (2, 2)
        assert say()
        assert not any(pair.doubted())

    def test_the_last_key_signs_on(self) -> None:
        """Also where nothing was said while it was the one to sign: the peer believes it longer."""
        keys = tuple(
            MasterKey(
                secret=SECRET, send_id=n, recv_id=n,
                send_lifetime=(100.0 * n, 100.0 * (n + 1)),
                recv_lifetime=(100.0 * n - 10.0, 100.0 * (n + 1) + 10.0),
            )
            for n in range(3)
        )  # fmt: skip
        pair = Pair(Config(keys=keys), Config(keys=keys))
        pair.open()
        pair.wait(305.0)
        pair.exchange(1000, limit=4.0)
        assert ids(pair.opened) == ids(pair.accepted) == (2, 2)
        assert not any(pair.doubted())

    def test_lifetimes(self) -> None:
        """At 100 s the new key begins to sign; the old is believed until 110 s."""
        old = MasterKey(
            secret=OLD.secret, send_id=1, recv_id=1,
            send_lifetime=(0.0, 100.0), recv_lifetime=(0.0, 110.0),
        )  # fmt: skip
        new = MasterKey(
            secret=NEW.secret, send_id=2, recv_id=2,
            send_lifetime=(100.0, 1000.0), recv_lifetime=(90.0, 1000.0),
        )  # fmt: skip
        config = Config(keys=(old, new))
        pair = Pair(config, config)
        pair.open()
        pair.exchange(20_000)
        assert ids(pair.opened) == ids(pair.accepted) == (1, 1)
        pair.wait(95.0 - pair.network.clock.now)
        pair.exchange(20_000)
        assert ids(pair.opened) == ids(pair.accepted) == (1, 2)
        pair.wait(101.0 - pair.network.clock.now)
        pair.exchange(20_000)
        assert ids(pair.opened) == ids(pair.accepted) == (2, 2)
        pair.wait(111.0 - pair.network.clock.now)
        old_ones = [
            data for data, _ in pair.sent if getattr(segment(data).options, "key_id", 0) == 1
        ]
        pair.inject(old_ones[-1], CLIENT, SERVER)
        pair.exchange(20_000)
        assert sum(pair.doubted()) == 1
        late = Pair(Config(keys=(old,)), config)
        late.wait(120.0)
        with pytest.raises(AssertionError):  # its key is too old
            late.open(limit=5.0)
        assert late.b.table.counters[Count.AO_KEY_UNKNOWN] > 0

    def test_a_connection_cannot_lose_its_keys(self) -> None:
        pair = Pair()
        pair.open()
        with pytest.raises(ValueError, match="without"):
            pair.opened.change_keys(())
        with pytest.raises(ValueError, match="without"):
            pair.opened.change_keys((MasterKey(secret=SECRET, network="192.0.2.0/24"),))
        plain = Pair(Config(), Config())
        plain.open()
        with pytest.raises(ValueError, match="without"):
            plain.opened.change_keys((KEY,))


def test_ICMP_errors_do_nothing_once_it_is_open() -> None:
    """RFC 5925 §7.8: nobody has signed them."""
    pair = Pair()
    pair.open()
    pair.opened.send(b"x" * 1000)
    pair.touch()
    pair.network.step()
    now = pair.network.clock.now
    pmtu = pair.opened.info().pmtu
    for code, mtu in ((errno.ECONNREFUSED, None), (errno.EMSGSIZE, 600)):
        seq = (pair.opened.initial_numbers[0] + 1) & 0xFFFF_FFFF
        quote = pair.opened.ports.to_bytes(4, "big") + seq.to_bytes(4, "big")
        pair.a.table.handle_icmp(code, quote, (SERVER, ""), now, mtu=mtu)
    assert pair.a.table.counters[Count.ICMP_IGNORED] == 2
    assert pair.opened.info().pmtu == pmtu
    assert pair.opened.soft_error is None
    opened = pair.a.table.open_active(pair.b.path, 9, now)
    pair.network.step()
    seq = opened.initial_numbers[0]
    quote = opened.ports.to_bytes(4, "big") + seq.to_bytes(4, "big")
    pair.a.table.handle_icmp(errno.ECONNREFUSED, quote, (SERVER, ""), now)
    assert isinstance(opened.error, ConnectionRefusedError)


@pytest.mark.parametrize("lane", ["python", "auto"])
def test_what_is_not_signed_does_not_end_the_lane(lane: Literal["python", "auto"]) -> None:
    """A steady connection stays so, whatever is thrown at it."""
    if LANES[lane] is None:
        pytest.skip("no lane was asked for")
    pair = Pair(Config(keys=(KEY,), lane=lane), Config(keys=(KEY,), lane=lane))
    pair.open()
    for _ in range(10):
        pair.exchange(50_000)
    around = pair.b.table.surroundings
    left = around.lanes_left
    assert around.lanes_entered > left
    true = [data for data, source in pair.sent if source == CLIENT][-1]
    snd_nxt = segment(true).seq + segment(true).length
    stamps = true[20:32]
    for n in range(100):
        bare = wire.pack_segment(pair.opened.ports, snd_nxt + n % 2, 1, ACK, 9, stamps) + b"x" * n
        pair.inject(bare, CLIENT, SERVER)
        pair.inject(true[:-12] + bytes(12) + b"x" * n, CLIENT, SERVER)
    pair.wait(0.0)
    assert around.lanes_left == left
    assert pair.b.table.counters[Count.AO_MISSING] == 100
    assert pair.b.table.counters[Count.AO_MAC_WRONG] == 100
    pair.exchange(50_000)


@given(st.data())
@settings(max_examples=30)
def test_no_octets_move_a_connection(data: st.DataObject) -> None:
    """M-21: true segments with changes, and octets that are none; nothing raises."""
    pair = Pair()
    pair.open()
    pair.exchange(5000)
    pair.wait(1.0)
    before = [connection.time_wait_facts for connection in (pair.opened, pair.accepted)]
    true = [sent for sent, source in pair.sent if source == CLIENT]
    for _ in range(5):
        octets = bytearray(data.draw(st.sampled_from(true)))
        for _ in range(data.draw(st.integers(1, 3))):
            octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
        pair.inject(bytes(octets), CLIENT, SERVER)
        pair.inject(data.draw(st.binary(max_size=80)), CLIENT, SERVER)
    pair.wait(0.0)
    after = [connection.time_wait_facts for connection in (pair.opened, pair.accepted)]
    assert after == before
    assert pair.opened.state is pair.accepted.state is State.ESTABLISHED
    pair.exchange(1000)


def test_one_forged_segment_does_not_take_its_neighbours_along() -> None:
    """A run that came in one read is taken apart where it is not authentic as a whole."""
    config = Config(keys=(KEY,), mss=1000, mtu_discovery=False, ecn="off")
    pair = Pair(config, config)
    pair.open()
    held: list[bytes] = []
    arrive = pair.network.arrive
    pair.network.arrive = (  # type: ignore[method-assign]
        lambda data, source, to, *rest: (
            held.append(data) if to == SERVER else arrive(data, source, to, *rest)
        )
    )
    pair.opened.send(bytes(range(250)) * 40)
    pair.touch()
    pair.network.run_until(lambda: len(held) >= 8, limit=1.0)
    size = len(held[0])
    held[3] = held[3][:-1] + b"\xee"
    pair.b.table.handle_datagrams(b"".join(held[:8]), size, (CLIENT, ""), pair.network.clock.now)
    assert pair.b.table.counters[Count.AO_MAC_WRONG] == 1
    room = size - 48
    assert pair.accepted.readable_octets == 3 * room
    assert pair.accepted.receive() == (bytes(range(250)) * 40)[: 3 * room]
