"""The ladder: what it draws for an open, a close, a loss, a crossing, and how it stays small."""

import dataclasses
import re

import pytest

import rudp
from rudp import sim
from rudp.core.demux.listener import Listener
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.connection import Connection
from rudp.core.segment import options, wire
from rudp.core.segment.transmit import Transmit
from rudp.core.segment.wire import ACK, FIN, SYN, Run
from rudp.core.terms.counters import Counters
from rudp.core.terms.state import State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Nobody, Tracer
from rudp.trace import Ladder, words
from rudp.trace.events import Segment
from rudp.trace.ladder import WIDTH_MIN
from tests.unit.watched import transfer

PORTS = 5000 << 16 | 80
SWAPPED = 80 << 16 | 5000


class Pair:
    """Two tables, 10 ms apart, a ladder between them, and calls of their users."""

    def __init__(self, ladder: Ladder, **config: object) -> None:
        settings = rudp.Config(mss=1012, **{"ecn": "off"} | config)  # type: ignore[arg-type]
        self.network = sim.Network(delay=0.01, seed=1)
        self.server = self.network.host(("10.0.0.2", 7000), settings)
        self.client = self.network.host(("10.0.0.1", 7000), settings)
        self.listener: Listener = self.server.table.listen(80, tracer=ladder.right)
        self.ours = self.client.table.open_active(
            self.server.path, 80, self.network.clock.now, tracer=ladder.left
        )
        assert self.network.run_until(lambda: self.listener.accepted, limit=10.0)
        self.theirs = self.listener.accepted.popleft()

    def table(self, connection: Connection) -> ConnectionTable:
        return (self.client if connection is self.ours else self.server).table

    def send(self, connection: Connection, size: int) -> None:
        connection.send(bytes(size))
        self.table(connection).touch(connection)

    def close(self, connection: Connection) -> None:
        connection.shutdown(self.network.clock.now)
        self.table(connection).touch(connection)

    def wait(self, seconds: float = 2.0) -> None:
        self.network.run_until(lambda: False, limit=seconds)


def lines(ladder: Ladder) -> list[str]:
    """The ladder without its time column and without the length of its arrows."""
    text = str(ladder).splitlines()[1:]
    return [" ".join(line[9:].replace("-" * 4, "").replace("---", "-").split()) for line in text]


def test_open_and_close_as_in_the_figures_of_the_rfc() -> None:
    """Figures 6 and 12: both sides' states at the ends of each segment."""
    ladder = Ladder()
    pair = Pair(ladder)
    pair.close(pair.ours)
    pair.wait()
    pair.close(pair.theirs)
    pair.wait(300.0)
    text = str(ladder).splitlines()
    assert [line.split()[-1] for line in text] == [
        *("server", "LISTEN", "SYN-RECEIVED", "SYN-RECEIVED", "ESTABLISHED"),
        *("CLOSE-WAIT", "CLOSE-WAIT", "LAST-ACK", "CLOSED", "CLOSED"),
    ]
    assert [line[11:23].strip() for line in text] == [
        *("client", "CLOSED", "SYN-SENT", "ESTABLISHED", "ESTABLISHED"),
        *("FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "TIME-WAIT", "CLOSED"),
    ]
    assert "-- SYN seq=0 win=65535 mss=1012 ---" in text[2]
    assert "<-- SYN,ACK seq=0 ack=1 win=65535 mss=1012 ---" in text[3]
    assert "-- ACK seq=1 ack=1 win=262144 ---" in text[4]  # the window counts what it is scaled by
    assert "-- FIN,ACK seq=1 ack=1 win=262144 ---" in text[5]
    assert "<-- ACK seq=1 ack=2 win=262144 ---" in text[6]
    assert [text[2][:9].strip(), text[3][:9].strip(), text[4][:9].strip()] == [
        "0.0",
        "10.0",
        "20.0",
    ]


def test_a_lost_segment_ends_in_a_cross_and_is_sent_again() -> None:
    ladder = Ladder(fold=None)
    pair = Pair(ladder)
    ladder.clear()
    pair.network.link("10.0.0.1", "10.0.0.2", loss=1.0)
    pair.send(pair.ours, 500)
    pair.wait(0.05)
    pair.network.link("10.0.0.1", "10.0.0.2", loss=0.0)
    pair.wait(0.5)
    text = str(ladder).splitlines()
    assert "PSH,ACK seq=1 ack=1 len=500 win=262144 ---" in text[2]
    assert text[2].endswith("X")  # and no state: nobody received it
    assert "len=500 win=262144 again ---" in text[3]
    assert text[3].endswith(">  ESTABLISHED")
    assert "ACK seq=1 ack=501" in text[4]


def test_a_loss_on_the_way_back_is_a_cross_on_the_left() -> None:
    ladder = Ladder()
    pair = Pair(ladder)
    pair.network.link("10.0.0.2", "10.0.0.1", loss=1.0)
    pair.send(pair.theirs, 100)
    pair.wait(0.05)
    last = str(ladder).splitlines()[-1]
    assert last[11:].startswith(" " * 18 + "X-- PSH,ACK seq=1 ack=1 len=100")


def test_segments_that_cross_take_two_lines() -> None:
    """As in Figure 7, where both SYNs are under way at once."""
    ladder = Ladder()
    pair = Pair(ladder)
    ladder.clear()
    pair.close(pair.ours)
    pair.close(pair.theirs)
    pair.wait()
    text = str(ladder).splitlines()[2:]
    fins = [line for line in text if "FIN,ACK" in line]
    assert len(fins) == 3
    assert len([line for line in fins if " ... " in line or line.endswith(" ...")]) == 2
    assert {line[11:23].strip() for line in text} >= {"FIN-WAIT-1", "CLOSING", "TIME-WAIT"}
    assert {line.split()[-1] for line in text} >= {"FIN-WAIT-1", "CLOSING", "TIME-WAIT"}


def test_data_is_folded_into_one_line() -> None:
    ladder = Ladder(fold=2)
    pair = Pair(ladder)
    pair.send(pair.ours, 200_000)
    pair.wait()
    pair.close(pair.ours)
    pair.wait()
    text = str(ladder).splitlines()
    (fold,) = [line for line in text if "segments, " in line]
    assert "... --> 1" in fold
    assert " KiB; <-- " in fold
    assert "segments, 0 B ..." in fold
    assert len(text) == 2 + 2 + 2 + 1 + 2 + 2  # head; SYNs; two kept, fold, two kept; FIN and ACK


def test_a_fold_counts_what_was_sent_again() -> None:
    ladder = Ladder(fold=1)
    pair = Pair(ladder)
    pair.network.link("10.0.0.1", "10.0.0.2", loss=0.05)
    pair.send(pair.ours, 200_000)
    pair.wait(60.0)
    resent = pair.ours.info().resent
    assert resent
    (fold,) = [line for line in str(ladder).splitlines() if "segments, " in line]
    assert f", {resent // 1000} again; <--" in fold


def test_lines_have_a_limit() -> None:
    ladder = Ladder(fold=None, limit=10)
    pair = Pair(ladder)
    pair.send(pair.ours, 100_000)
    pair.wait()
    text = str(ladder).splitlines()
    assert len(text) == 2 + 1 + 10
    assert " lines ..." in text[2]


def test_numbers_are_the_wire_s_when_asked_for() -> None:
    ladder = Ladder(absolute=True)
    seen: list[int] = []

    def tap(what: str, now: float, data: bytes, *addresses: object) -> None:
        if what == "sent":
            seen.append(int.from_bytes(data[4:8], "big"))

    pair = Pair(ladder)
    pair.network.taps.append(tap)
    pair.send(pair.ours, 10)
    pair.wait()
    assert f"seq={seen[0]} " in str(ladder)


def test_sack_has_the_wire_s_numbers_too() -> None:
    header = Segment("ACK", 1, 5, 100, 0, wire_seq=11, wire_ack=2, sack=((1, 9),))
    assert words.segment(header) == "ACK seq=1 ack=5 win=100 sack=1-9"
    assert words.segment(header, absolute=True) == "ACK seq=11 ack=2 win=100 sack=4294967294-6"


def test_one_side_alone_knows_no_losses() -> None:
    ladder = Ladder()
    network = sim.Network(loss=1.0)
    client = network.host(("10.0.0.1", 7000))
    client.table.open_active((("10.0.0.2", 7000), ""), 80, 0.0, tracer=ladder.left)
    network.run_until(lambda: False, limit=0.5)
    assert str(ladder).endswith("->")
    watched = ladder.right
    assert watched is ladder.right
    assert str(ladder).endswith("X")


def test_the_server_alone_sees_the_client_s_segments_arrive() -> None:
    ladder = Ladder()
    network = sim.Network(delay=0.01)
    server = network.host(("10.0.0.2", 7000))
    client = network.host(("10.0.0.1", 7000), rudp.Config(ecn="off"))
    listener = server.table.listen(80, tracer=ladder.right)
    client.table.open_active(server.path, 80, 0.0)
    assert network.run_until(lambda: listener.accepted, limit=1.0)
    assert lines(ladder)[0] == "LISTEN"
    assert "... -- SYN seq=0" in str(ladder)
    assert str(ladder).endswith("ESTABLISHED")


def test_only_the_first_connection_is_drawn() -> None:
    ladder = Ladder()
    pair = Pair(ladder)
    drawn = str(ladder)
    pair.client.table.open_active(pair.server.path, 80, pair.network.clock.now, tracer=ladder.left)
    pair.wait(0.5)
    assert str(ladder) == drawn


def test_an_abort_shows_the_reset() -> None:
    ladder = Ladder()
    pair = Pair(ladder)
    pair.ours.abort(pair.network.clock.now)
    pair.client.table.touch(pair.ours)
    pair.wait()
    last = str(ladder).splitlines()[-1]
    assert "-- RST,ACK seq=1 ack=1 win=0 ---" in last
    assert last[11:23].strip() == "CLOSED"
    assert last.endswith("CLOSED")
    assert not any(line.endswith("  CLOSED") and "--" not in line for line in lines(ladder)[1:])


def test_a_state_that_no_segment_leads_to_has_a_line_of_its_own() -> None:
    ladder = Ladder()
    pair = Pair(ladder, user_timeout=1.0)
    pair.network.link("10.0.0.1", "10.0.0.2", loss=1.0)
    pair.network.link("10.0.0.2", "10.0.0.1", loss=1.0)
    pair.close(pair.ours)
    pair.wait(5.0)
    assert any("RST" in line or line.endswith("CLOSED") for line in lines(ladder))
    assert pair.ours.state is State.CLOSED


def segment(ports: int, seq: int, ack: int, flags: int, data: int, tsval: int = 1) -> bytes:
    opts = options.encode((tsval, 0))
    return wire.pack_segment(ports, seq, ack, flags, 1000, opts) + bytes(data)


def run_of(datagrams: list[bytes]) -> Run:
    (run,) = wire.read_runs(memoryview(b"".join(datagrams)), len(datagrams[0]), Counters())
    return run


def who(ports: int, state: State) -> Nobody:
    return Nobody((("10.0.0.2", 80), ""), ports, state)


def arrive(tracer: Tracer, whom: Nobody, run: Run, now: float) -> None:
    tracer.run_received(whom, run, now)
    tracer.run_processed(whom, run, None, now)


def transmit_of(datagrams: list[bytes]) -> Transmit:
    buffers: list[bytes | memoryview] = []
    for datagram in datagrams:
        buffers += [datagram[:32], memoryview(datagram[32:60]), memoryview(datagram[60:])]
    size = sum(map(len, datagrams))
    return Transmit((("10.0.0.2", 80), ""), buffers, len(datagrams[0]), size)


def test_a_run_is_drawn_by_segments_and_may_arrive_in_part() -> None:
    """A run leaves in one call and arrives in one piece, save what the path has lost."""
    ladder = Ladder()
    left, right = ladder.left, ladder.right
    sizes = [100, 100, 100, 40]
    sent = [
        segment(PORTS, 1000 + 100 * n, 5, ACK | (FIN if n == 3 else 0), size)
        for n, size in enumerate(sizes)
    ]
    left.run_sent(who(PORTS, State.FIN_WAIT_1), transmit_of(sent), Why.NEW_DATA, 1.0)
    arrive(right, who(SWAPPED, State.ESTABLISHED), run_of(sent[:2]), 1.5)
    arrive(right, who(SWAPPED, State.ESTABLISHED), run_of(sent[3:]), 1.5)
    text = str(ladder).splitlines()[2:]
    ends = [line.split()[-1].lstrip("-") for line in text]
    assert ends == ["ESTABLISHED", "ESTABLISHED", "X", "ESTABLISHED"]
    assert [f"len={size} " in line for size, line in zip(sizes, text, strict=True)] == [True] * 4
    assert "FIN,ACK" in text[3]


def test_a_segment_sent_again_is_told_from_the_first_by_its_timestamp() -> None:
    """The first was lost: what arrives is the second."""
    ladder = Ladder()
    left, right = ladder.left, ladder.right
    first = segment(PORTS, 1000, 5, ACK, 100, tsval=1)
    second = segment(PORTS, 1000, 5, ACK, 100, tsval=300)
    left.run_sent(who(PORTS, State.ESTABLISHED), transmit_of([first]), Why.NEW_DATA, 1.0)
    left.run_sent(who(PORTS, State.ESTABLISHED), transmit_of([second]), Why.NEW_DATA, 1.3)
    arrive(right, who(SWAPPED, State.ESTABLISHED), run_of([second]), 1.4)
    text = str(ladder).splitlines()[2:]
    assert text[0].endswith("X")
    assert "again" in text[1]
    assert text[1].endswith("ESTABLISHED")


def test_segments_that_look_alike_arrive_one_by_one() -> None:
    """ACKs in order; of data without timestamps the latest, because it was sent again."""
    for length, lost in ((0, 1), (100, 0)):
        ladder = Ladder()
        left, right = ladder.left, ladder.right
        twin = wire.pack_segment(PORTS, 1000, 5, ACK, 1000, b"") + bytes(length)
        for now in (1.0, 1.1):
            left.run_sent(
                who(PORTS, State.ESTABLISHED),
                Transmit((("10.0.0.2", 80), ""), [twin[:20], twin[20:]], 1200, len(twin)),
                Why.NEW_DATA,
                now,
            )
        arrive(right, who(SWAPPED, State.ESTABLISHED), run_of([twin]), 1.2)
        text = str(ladder).splitlines()[2:]
        assert len(text) == 2
        assert [line.endswith("X") for line in text] == [lost == 0, lost == 1]


def test_a_duplicate_arrives_on_a_line_of_its_own() -> None:
    ladder = Ladder()
    left, right = ladder.left, ladder.right
    fin = segment(PORTS, 1000, 5, ACK | FIN, 0)
    left.run_sent(who(PORTS, State.FIN_WAIT_1), transmit_of([fin]), Why.NEW_DATA, 1.0)
    for now in (1.5, 1.6):
        arrive(right, who(SWAPPED, State.CLOSE_WAIT), run_of([fin]), now)
    text = str(ladder).splitlines()[2:]
    assert len(text) == 2
    assert "... -- FIN,ACK" in text[1]


def test_the_next_connection_of_the_same_ports_counts_from_its_own_numbers() -> None:
    ladder = Ladder()
    left = ladder.left
    for iss in (1000, 900_000):
        syn = wire.pack_segment(PORTS, iss, 0, SYN, 1000, b"")
        left.run_sent(who(PORTS, State.SYN_SENT), transmit_of([syn]), Why.NEW_DATA, 1.0)
        left.run_sent(
            who(PORTS, State.SYN_SENT),
            transmit_of([segment(PORTS, iss + 1, 5, ACK, 10)]),
            Why.NEW_DATA,
            1.0,
        )
    assert str(ladder).count("SYN seq=0") == 2
    assert str(ladder).count("ACK seq=1 ") == 2
    assert "again" not in str(ladder)


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_words_are_left_out_before_lines_get_too_long() -> None:
    """In all segments of a kind alike: here the window of data, and of what has SACK."""
    ladder = Ladder(fold=None, width=80)
    ladder.draw(transfer(drop=(2,)).log.recording)
    text = str(ladder)
    assert widest(text) <= 80
    assert not re.search(r"len=\d+ win=", text)
    assert re.search(r"len=\d+ again", text)
    assert "ACK seq=1 ack=1001 sack=2001-" in text
    assert "ACK seq=1 ack=1 win=262144 ---" in text
    assert "SYN seq=0 mss=1012 ---" in text


@pytest.mark.parametrize("width", [64, 70, 80, 90])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_ladder_is_no_wider_than_it_may_be(width: int, absolute: bool) -> None:
    ladder = Ladder(fold=None, width=width, absolute=absolute, explain="rfc")
    ladder.draw(transfer(drop=(2, 9)).log.recording)
    text = str(ladder)
    assert widest(text) <= width
    assert text.count(" again") == 2
    assert sum(line.endswith("X") for line in text.splitlines()) == 2
    assert "RFC 8985" in re.sub(r"\s+", " ", text)


def test_a_ladder_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder = Ladder(fold=None)
    ladder.draw(transfer(drop=(2,)).log.recording)
    full = str(ladder)
    assert " len=1000 win=262144" in full
    monkeypatch.setenv("COLUMNS", "80")
    assert widest(str(ladder)) <= 80
    monkeypatch.setenv("COLUMNS", "20")
    assert widest(str(ladder)) <= WIDTH_MIN
    monkeypatch.setenv("COLUMNS", "400")
    assert str(ladder) == full


def test_a_long_fold_takes_a_line_for_each_side() -> None:
    ladder = Ladder(fold=2, width=72)
    pair = Pair(ladder)
    pair.network.link("10.0.0.1", "10.0.0.2", loss=0.05)
    pair.send(pair.ours, 200_000)
    pair.wait(60.0)
    folds = [line.split() for line in str(ladder).splitlines() if "segments, " in line]
    assert [fold[-1] for fold in folds] == ["...", "..."]
    assert ["-->" in fold for fold in folds] == [True, False]
    assert ["<--" in fold for fold in folds] == [False, True]


def test_a_header_gets_shorter_and_keeps_what_matters() -> None:
    data = Segment("PSH,ACK", 1001, 1, 100, 500, 0, 0)
    assert words.forms(data) == (
        "PSH,ACK seq=1001 ack=1 len=500 win=100",
        "PSH,ACK seq=1001 ack=1 len=500",
        "PSH,ACK seq=1001 len=500",
        "seq=1001 len=500",
        "seq=1001",
    )
    shut = Segment("ACK", 1, 5001, 0, 0, 0, 0, sack=((6001, 7001),))
    assert words.forms(shut)[2:4] == ("ACK ack=5001 win=0 sack=6001-7001", "ACK ack=5001 win=0")
    assert words.forms(Segment("FIN,ACK", 9, 5, 100, 0, 0, 0))[-1] == "FIN,ACK seq=9 ack=5"
    assert words.forms(Segment("RST", 9, None, 100, 0, 0, 0))[-1] == "RST seq=9"


@pytest.mark.parametrize("wrong", [{"fold": 0}, {"limit": 0}, {"width": 63}])
def test_bounds_are_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        Ladder(**wrong)  # type: ignore[arg-type]


def test_a_ladder_of_a_recording() -> None:
    run = transfer(drop=(2,))
    ladder = Ladder.of(run.log.recording)
    rows = str(ladder).splitlines()
    assert rows[0].split() == ["ms", "client", "server"]
    assert sum(row.endswith("X") for row in rows) == 1
    assert rows[-1].split() == ["240080.0", "CLOSED"]


def test_cookies_of_fast_opens_are_named() -> None:
    """RFC 7413 §4.1.1: asked for, given and brought back."""
    plain = Segment("SYN", 0, None, 500, 0, 1, 1)
    assert "cookie" not in words.segment(plain)
    assert words.segment(dataclasses.replace(plain, cookie="asked")).endswith(" cookie?")
    assert words.segment(dataclasses.replace(plain, cookie="0011")).endswith(" cookie")


def test_the_keys_of_a_segment_are_named() -> None:
    """RFC 5925 §2.2: which has signed it, and which the peer is asked for if that is another."""
    plain = Segment("ACK", 1, 1, 500, 0, 1, 1)
    assert "key" not in words.segment(plain)
    signed = dataclasses.replace(plain, key_id=3, next_key_id=3)
    assert words.segment(signed).endswith(" key=3")
    moving = dataclasses.replace(plain, key_id=3, next_key_id=4)
    assert words.segment(moving).endswith(" key=3/4")
