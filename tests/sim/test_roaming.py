"""A connection with keys moves with its peer (RFC 9000 §8.2, §9), in virtual time."""

import base64
import dataclasses
import random
import re
import zlib

import pytest

from rudp.config import Config
from rudp.core.terms.counters import Count
from rudp.core.terms.state import State
from rudp.core.terms.why import Why
from rudp.keys import MasterKey
from rudp.trace import EventLog, Ladder, Recording, report
from rudp.trace.events import PathMoved, SegmentSent
from tests.sim.roam import KEY, SIGNED, Travellers

SEEDS = 200
FEW = 6
RATE, QUEUE = 5_000_000, 12_500
"""Bits a second, and octets: 20 ms."""


def test_a_new_port() -> None:
    """NAT rebinding: the client does not know, and what it says next makes the server ask."""
    pair = Travellers()
    pair.transfer(10_000, 10_000, [])
    assert pair.peer == ("192.0.2.1", 10_000)
    pair.move()
    pair.transfer(10_000, 10_000, [])
    assert pair.peer == ("192.0.2.1", 10_001)
    assert pair.b.table.counters[Count.PATH_MOVED] == 1
    assert pair.b.table.counters[Count.PATH_CHALLENGED] == 1
    assert pair.opened.state is pair.accepted.state is State.ESTABLISHED


@pytest.mark.parametrize("way", ["up", "down", "both"])
@pytest.mark.parametrize("host", [None, "198.51.100.7"])
def test_in_the_middle_of_a_transfer(way: str, host: str | None) -> None:
    pair = Travellers()
    pair.transfer(100_000, 100_000, [])
    up, down = {"up": (3_000_000, 0), "down": (0, 3_000_000), "both": (2_000_000, 2_000_000)}[way]
    longest = pair.transfer(up, down, [(0.05, host)])
    assert pair.peer == pair.nat.outer
    assert longest < 3 * pair.rtt + pair.rto


def wander(seed: int) -> None:
    chance = random.Random(seed)
    delay = chance.choice((0.002, 0.01, 0.05))
    loss = chance.choice((0.0, 0.0, 0.01))
    pair = Travellers(seed=seed, delay=delay, loss=loss, rate=RATE, queue=QUEUE)
    pair.transfer(100_000, 100_000, [])
    sizes = chance.choice(((3_000_000, 0), (0, 3_000_000), (2_000_000, 2_000_000)))
    rtt = pair.rtt + 8 * QUEUE / RATE
    at, moves = 0.0, []
    for _ in range(5):
        at += 4 * rtt + 0.2 + chance.uniform(0.0, 0.2)  # the time-out is one more, and 200 ms
        moves.append((at, chance.choice((None, f"198.51.100.{chance.randrange(1, 255)}"))))
    longest = pair.transfer(*sizes, moves)
    assert not moves
    if not loss:
        assert longest < 3 * rtt + pair.rto
    for _ in range(3):
        pair.transfer(1000, 1000, [])
    assert pair.peer == pair.nat.outer


@pytest.mark.parametrize("seed", range(FEW))
def test_five_moves(seed: int) -> None:
    wander(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(FEW, SEEDS))
def test_five_moves_more(seed: int) -> None:
    wander(seed)


def test_it_is_told() -> None:
    """Events, ladder, log lines and the flight recorder say what happened, and why."""
    log = EventLog()
    pair = Travellers(tracers=(log.tracer("client"), log.tracer("server")))
    pair.move()
    pair.transfer(1000, 1000, [])
    moved = [event for event in log.events if isinstance(event, PathMoved)]
    assert [(event.connection, event.peer) for event in moved] == [("server", "192.0.2.1:10001")]
    assert [event.why for event in moved] == [Why.PATH_PROVED]
    sent = [event for event in log.events if isinstance(event, SegmentSent)]
    assert {event.segment.path for event in sent if "SYN" in event.segment.flags} == {"offer"}
    words = [(event.segment.path, event.why) for event in sent if "SYN" not in event.segment.flags]
    assert ("challenge", Why.PATH_CHALLENGE) in words
    assert ("response", Why.PATH_RESPONSE) in words
    text = str(Ladder.of(log.recording, fold=None))
    assert "path=challenge" in text
    assert "path to 192.0.2.1:10001" in text
    assert PathMoved in {type(event) for event in Recording.parse(log.recording.lines()).events}
    assert "192.0.2.1:10001" in decoded(report.report(log.recording))
    names = {event.connection for event in log.events}
    assert names == {"client", "server"}


def decoded(page: str) -> str:
    """Return what the scripts of *page* unpack."""
    packed = re.findall(r'<script type="text/plain" class="run">([^<]*)</script>', page)
    return "".join(zlib.decompress(base64.b64decode(each)).decode() for each in packed)


def test_UDP_13_keep_alive_tells_of_a_new_mapping() -> None:
    """Nobody speaks, and a NAT forgets: the next probe tells the server where the client is."""
    pair = Travellers(client=Config(keys=(KEY,), keepalive=25.0))
    pair.transfer(1000, 1000, [])
    pair.wait(1.0)
    pair.move()
    pair.wait(5.0)
    pair.accepted.send(b"are you there?")
    pair.touch()
    pair.wait(15.0)
    assert not pair.opened.readable_octets
    pair.wait(15.0)
    assert pair.opened.receive() == b"are you there?"
    assert pair.peer == pair.nat.outer
    sent = pair.a.table.counters[Count.PATH_CHALLENGED]
    pair.wait(100.0)
    assert pair.a.table.counters[Count.PATH_CHALLENGED] == sent  # probes are no more than that


def test_without_keep_alive_a_client_that_is_spoken_to_hears_nothing() -> None:
    """What it costs to be silent behind a NAT: the words go where nobody is."""
    pair = Travellers()
    pair.transfer(1000, 1000, [])
    pair.wait(1.0)
    pair.move()
    pair.accepted.send(b"are you there?")
    pair.touch()
    pair.wait(100.0)
    assert not pair.opened.readable_octets
    pair.opened.send(b"yes")
    pair.touch()
    pair.wait(1.0)
    assert pair.opened.receive() == b"are you there?"
    assert pair.accepted.receive() == b"yes"


@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("server", [SIGNED, Config()])
def test_opens_by_cookie_roam_too(server: Config, timestamps: bool) -> None:
    """The offer comes back in the cookie's timestamp, and the token is of numbers that do, too."""
    client = dataclasses.replace(server, timestamps=timestamps)
    crowded = dataclasses.replace(server, half_open_max=0)
    pair = Travellers(client, crowded, rate=RATE)
    assert pair.b.table.counters[Count.COOKIE_ACCEPTED] == 1
    roams = bool(server.keys) and timestamps
    assert (pair.accepted.info().moves, pair.opened.info().moves) == (0 if roams else None,) * 2
    if roams:
        pair.transfer(300_000, 300_000, [(0.05, None), (0.3, "198.51.100.7")])
        assert pair.b.table.counters[Count.PATH_MOVED] == 2
        pair.transfer(0, 300_000, [(0.1, None)])  # the client says its token
        assert pair.b.table.counters[Count.PATH_MOVED] == 3
        assert pair.peer == pair.nat.outer


def test_who_does_not_offer_does_not_roam_by_cookie() -> None:
    """The bit is not said by somebody whose key is of the form for kernels."""
    strict = MasterKey(secret=KEY.secret, covers_options=False)
    pair = Travellers(Config(keys=(strict,)), Config(keys=(strict,), half_open_max=0))
    assert pair.b.table.counters[Count.COOKIE_ACCEPTED] == 1
    assert pair.accepted.info().moves is pair.opened.info().moves is None
