"""Which arrival belongs to which departure, and the picture that is drawn of them."""

import itertools
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from rudp import sim
from rudp.core.demux.table import ConnectionTable
from rudp.core.terms.state import State
from rudp.trace import EventLog, Ladder, Recording, report, svg
from rudp.trace.arrows import arrows, sides
from rudp.trace.report.rows import Connection
from tests.unit.watched import CLIENT, SERVER, Run, transfer

SVG = "{http://www.w3.org/2000/svg}"


def test_every_arrow_has_two_ends_or_a_cross() -> None:
    run = transfer(drop=(2, 5))
    found = arrows(run.log.events)
    lost = [arrow for arrow in found if arrow.lost is not None]
    assert [arrow.segment.seq for arrow in lost] == [1001, 4001]
    for arrow in found:
        assert arrow.sent is not None
        if arrow.lost is None:
            assert arrow.received is not None
            assert arrow.received.time - arrow.sent.time == pytest.approx(0.01)
            assert arrow.received.segment == arrow.sent.segment
        else:
            assert arrow.received is None


def test_segments_that_look_alike_without_timestamps() -> None:
    """The link says that the first was lost, so what came is the second."""
    run = transfer(drop=(9,), timestamps=False)
    twins = [arrow for arrow in arrows(run.log.events) if arrow.segment.seq == 8097]
    assert [(arrow.lost is None, arrow.received is None) for arrow in twins] == [
        (False, True),
        (True, False),
    ]


def test_a_copy_made_by_the_network_comes_from_nowhere() -> None:
    run = Run()
    run.network.link("10.0.0.1", "10.0.0.2", duplicate=1.0)
    run.send(1000)
    run.read(1000)
    run.network.run_until(lambda: False, limit=1.0)
    found = [arrow for arrow in arrows(run.log.events) if arrow.segment.length]
    assert [arrow.sent is None for arrow in found] == [False, True]
    assert found[1].time > 0


def test_a_syn_that_time_wait_hands_on_is_one_arrow() -> None:
    """The record and the listener have both seen it (TW-4a)."""
    run = Run()
    run.theirs.close(run.now)
    run.server.table.touch(run.theirs)
    assert run.network.run_until(lambda: run.ours.fin_received, limit=10.0)
    run.ours.close(run.now)
    run.client.table.touch(run.ours)
    assert run.network.run_until(lambda: run.ours.state is State.CLOSED, limit=10.0)
    run.network.run_until(lambda: False, limit=0.1)
    local_port = run.ours.ports >> 16
    run.client.table.open_active(
        run.server.path, 80, run.now, local_port=local_port, tracer=run.log.tracer("client")
    )
    assert run.network.run_until(lambda: run.listener.accepted, limit=10.0)
    syns = [arrow for arrow in arrows(run.log.events) if arrow.segment.flags == "SYN"]
    assert len(syns) == 2
    assert all(arrow.sent and arrow.received for arrow in syns)


# -- several connections ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd() -> Recording:
    """Three clients at two ends: ann, ann#2 and bob; their peers are server, server#2, server#3."""
    network = sim.Network(delay=0.01)
    log = EventLog()
    network.taps.append(log.tap)
    server = network.host(SERVER)
    listener = server.table.listen(80, tracer=log.tracer("server"))
    hosts: dict[int, sim.Node[ConnectionTable]] = {}
    for octets, (name, host) in enumerate((("ann", 1), ("ann", 1), ("bob", 3)), 1):
        if host not in hosts:
            hosts[host] = network.host((f"10.0.0.{host}", 7000))
        client = hosts[host]
        ours = client.table.open_active(
            server.path, 80, network.clock.now, local_port=50_000 + octets, tracer=log.tracer(name)
        )
        assert network.run_until(lambda: listener.accepted, limit=10.0)
        listener.accepted.popleft()
        ours.send(bytes(octets))
        client.table.touch(ours)
        network.run_until(lambda: False, limit=1.0)
    return log.recording


@pytest.mark.parametrize(
    ("name", "ends", "peer", "octets"),
    [
        (None, ["ann", "server"], "server", 1),
        ("ann#2", ["ann", "server"], "server#2", 2),
        ("bob", ["server", "bob"], "server#3", 3),
        ("server#3", ["server", "bob"], "bob", 3),
    ],
)
def test_one_of_several_connections_can_be_chosen(
    crowd: Recording, name: str | None, ends: list[str], peer: str, octets: int
) -> None:
    found, places = sides(crowd.events, name)
    assert found == ends
    assert set(places) == {name or "ann", peer}
    assert all(each.partition("#")[0] == ends[side] for each, side in places.items())
    ladder = str(Ladder.of(crowd, connection=name))
    assert ladder.split()[1:3] == ends
    assert re.findall(r" len=(\d+)", ladder) == [str(octets)]
    assert "X" not in ladder
    picture = "".join(texts(ET.fromstring(svg.ladder(crowd.events, connection=name))))
    assert re.findall(r" len=(\d+)", picture) == [str(octets)]
    shown = Connection(crowd, name)
    assert {event.connection for event in shown.events} == set(places)
    assert len(shown.others) == 4


def test_a_connection_that_is_not_there(crowd: Recording) -> None:
    for show in (Ladder.of, report.report, lambda run, **which: svg.ladder(run.events, **which)):
        with pytest.raises(ValueError, match="no connection 'eve', only ann, server, ann#2, "):
            show(crowd, connection="eve")


# -- the picture -----------------------------------------------------------------------------------


def drawn(run: Run, limit: int = 400) -> ET.Element:
    return ET.fromstring(svg.ladder(run.log.events, limit=limit))


def classes(tree: ET.Element, name: str) -> list[ET.Element]:
    return [each for each in tree.iter() if name in each.get("class", "").split()]


def texts(tree: ET.Element) -> list[str]:
    """Return what can be read without asking for it."""
    return [each.text or next(iter(each)).tail or "" for each in tree.iter(f"{SVG}text")]


def test_arrows_fall_and_losses_end_in_a_cross() -> None:
    run = transfer(drop=(2,))
    tree = drawn(run)
    lines = classes(tree, "arrow")
    assert len(lines) == len(arrows(run.log.events))
    for line in lines:
        assert float(line.get("y2", "")) > float(line.get("y1", ""))
    assert len(classes(tree, "cross")) == 2, "two strokes"
    assert len(classes(tree, "head")) == len(lines) - 1
    assert sum("again" in line.get("class", "").split() for line in lines) == 1


def test_states_of_both_sides_reasons_and_the_silence_of_time_wait() -> None:
    run = transfer(drop=(2,))
    tree = drawn(run)
    read = texts(tree)
    for state in ("SYN-SENT", "ESTABLISHED", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK"):
        assert state in read
    assert read.count("ESTABLISHED") == read.count("CLOSED") == 2
    assert "4 min" in read
    assert len(classes(tree, "gap")) == 2
    tips = [each.text or "" for each in tree.iter(f"{SVG}title")]
    assert any(tip.startswith("RETRANSMIT_RACK: ") and "RFC 8985" in tip for tip in tips)
    assert any("win=65535" in text for text in read)


def test_time_runs_down_at_one_scale() -> None:
    """Delays of one length fall by one length, where nothing stands in the way."""
    network = sim.Network(delay=0.05)
    log = EventLog()
    server, client = network.host(SERVER), network.host(CLIENT)
    listener = server.table.listen(80, tracer=log.tracer("server"))
    client.table.open_active(server.path, 80, 0.0, tracer=log.tracer("client"))
    assert network.run_until(lambda: listener.accepted, limit=10.0)
    lines = classes(ET.fromstring(svg.ladder(log.events)), "arrow")
    falls = [float(line.get("y2", "")) - float(line.get("y1", "")) for line in lines]
    assert len(falls) == 3
    assert falls[1] == falls[2] == svg.SLANT
    assert math.isclose(falls[0], svg.SLANT, abs_tol=svg.ROW)


def test_many_arrows_are_counted_and_not_drawn() -> None:
    run = transfer()
    tree = drawn(run, limit=5)
    assert len(classes(tree, "arrow")) == 5
    assert f"and {len(arrows(run.log.events)) - 5} more segments" in texts(tree)


def test_words_keep_apart_where_much_is_on_its_way() -> None:
    """All is smaller then; every loss has its cross, and all that was sent again its colour."""
    run = Run(drop=(70, 75))
    run.send(120_000)
    run.read(120_000)
    run.close()
    tree = drawn(run)
    lines = classes(tree, "arrow")
    falls = sorted(abs(float(line.get("y2", "")) - float(line.get("y1", ""))) for line in lines)
    assert falls[len(falls) // 2] <= svg.FALL
    assert len(classes(tree, "cross")) == 4
    places: dict[str, list[float]] = {"start": [], "end": []}
    for group in classes(tree, "words"):
        (text,) = group
        turn = re.fullmatch(
            r"translate\(([\d.]+) ([\d.]+)\) rotate\(0.00\)", group.get("transform", "")
        )
        assert turn is not None
        places[text.get("text-anchor", "")].append(float(turn[2]))
        assert len(text.text or "") * svg.LETTER < svg.RIGHT - svg.LEFT
    for heights in places.values():
        assert 10 < len(heights) < len(lines) / 2
        assert all(b - a > svg.LETTERING - 1 for a, b in itertools.pairwise(sorted(heights)))
    read = texts(tree)
    assert sum("again" in line.get("class", "").split() for line in lines) == 2
    assert any("again" in text for text in read)
    assert any("seq=69001" in text and "again" not in text for text in read), "which was lost"


def test_a_picture_of_one_end(tmp_path: Path) -> None:
    """Nobody watched the other: arrows come from the middle, and none is known to arrive."""
    run = transfer()
    log = [event for event in run.log.events if event.connection == "client"]
    tree = ET.fromstring(svg.ladder(log))
    assert classes(tree, "arrow")
    assert len(classes(tree, "head")) < len(classes(tree, "arrow"))
    run.log.save(tmp_path / "events.jsonl")
    again = svg.ladder(Recording.load(tmp_path / "events.jsonl").events)
    assert again == svg.ladder(run.log.events)


def test_nothing_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="no connection"):
        svg.ladder([])
