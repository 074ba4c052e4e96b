"""The event stream: what is written down of a run, and that it can be read and made again."""

import dataclasses
import itertools
import json
from pathlib import Path

import pytest

from rudp import sim
from rudp.config import Config
from rudp.core.terms.state import State
from rudp.trace import EventLog, Recording, Why, events
from rudp.trace.events import Event, SegmentLost, SegmentReceived, SegmentSent, Snapshot
from tests.unit.watched import CLIENT, SERVER, Run, transfer

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_story_of_a_loss() -> None:
    """The second of nine data segments is lost and sent again, and all is told in order."""
    run = transfer(drop=(2,))
    (lost,) = run.of(SegmentLost)
    assert (lost.connection, lost.segment.seq, lost.segment.length) == ("client", 1001, 1000)
    (called,) = run.of(events.RangeLost)
    assert (called.connection, called.left, called.right) == ("client", 1001, 2001)
    assert called.why is Why.RETRANSMIT_RACK
    again = [event for event in run.of(SegmentSent) if event.why is Why.RETRANSMIT_RACK]
    assert [(event.segment.seq, event.segment.length) for event in again] == [(1001, 1000)]
    answers = [e.why for e in run.of(SegmentSent) if e.connection == "server"]
    assert answers == [
        Why.SYN_ANSWERED,
        Why.ACK_OUT_OF_ORDER,
        Why.ACK_GAP_FILLED,
        Why.FIN_RECEIVED,
        Why.FIN_CLOSE,
    ]
    order = [*map(run.log.events.index, (lost, called, again[0]))]
    assert order == sorted(order)
    assert [event.time for event in run.log.events] == sorted(e.time for e in run.log.events)


def test_states_of_both_ends() -> None:
    run = transfer()
    moves = {
        end: [str(event.after) for event in run.of(events.StateMoved) if event.connection == end]
        for end in ("client", "server")
    }
    assert moves["client"] == [
        "SYN-SENT", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED",
    ]  # fmt: skip
    assert moves["server"] == [
        "LISTEN", "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED",
    ]  # fmt: skip
    last = list(run.log.events)[-2:]
    assert isinstance(last[0], events.TimerFired)
    assert last[0].timer == "2MSL"
    assert isinstance(last[1], events.StateMoved)
    assert last[1].why is Why.TIME_WAIT_2MSL


def test_every_segment_that_left_arrived_or_was_lost() -> None:
    """And a segment is the same at both ends, options and relative numbers too."""
    run = transfer(drop=(1, 5))
    for sender, receiver in (("client", "server"), ("server", "client")):
        sent = [event.segment for event in run.of(SegmentSent) if event.connection == sender]
        for event in run.of(SegmentLost):
            if event.connection == sender:
                sent.remove(event.segment)
        came = [event.segment for event in run.of(SegmentReceived) if event.connection == receiver]
        assert came == sent


def test_snapshots_show_the_sequence_space() -> None:
    run = transfer(drop=(2,))
    snapshots = [event for event in run.of(Snapshot) if event.connection == "client"]
    shown = next(event for event in snapshots if event.sacked)
    assert shown.sacked == ((2001, 9001),)
    assert shown.lost == ((1001, 2001),)
    assert (shown.snd_una, shown.snd_nxt, shown.rcv_nxt) == (1001, 9001, 1)
    held = next(event for event in run.of(Snapshot) if event.held)
    assert (held.connection, held.held, held.rcv_nxt) == ("server", ((2001, 9001),), 1001)
    sent = next(event for event in run.of(SegmentSent) if event.connection == "client")
    assert (sent.segment.seq, sent.segment.wire_seq) == (0, shown.iss)
    for before, after in itertools.pairwise(snapshots):
        assert dataclasses.replace(before, time=after.time) != after, "nothing has changed"


def test_dropped_segments_say_why() -> None:
    """A segment outside the window, by the reason under which it is counted."""
    run = Run()
    run.send(1000)
    run.read(1000)
    (segment,) = [e.segment for e in run.of(SegmentReceived) if e.segment.length]
    ports = run.ours.ports
    head = ports.to_bytes(4, "big") + segment.wire_seq.to_bytes(4, "big") + bytes(4) + bytes(8)
    run.network.send(head[:12] + b"\x50\x10\x00\x10" + bytes(4), CLIENT, SERVER)
    run.network.run_until(lambda: False, limit=1.0)
    assert run.of(SegmentReceived)[-1].dropped == "timestamp_missing"


def test_an_answer_to_a_stray_is_told_by_the_table() -> None:
    network = sim.Network(delay=0.01)
    log = EventLog()
    client, server = network.host(CLIENT), network.host(SERVER)
    server.table.tracer = log.tracer("server")
    ours = client.table.open_active(server.path, 81, 0.0, tracer=log.tracer("client"))
    assert network.run_until(lambda: ours.state is State.CLOSED, limit=10.0)
    (reset,) = [e for e in log.events if isinstance(e, SegmentSent) and e.connection == "server"]
    assert (reset.why, reset.segment.flags) == (Why.RST_NO_CONNECTION, "RST,ACK")
    came = next(e for e in log.events if isinstance(e, SegmentReceived))
    assert (came.state, came.dropped) == (State.CLOSED, "no_connection")


def test_connections_of_one_end_have_names_of_their_own() -> None:
    """Also one that follows another between the same ports (TW-4a)."""
    run = transfer()
    for n in (2, 3):
        run.ours = run.client.table.open_active(
            run.server.path, 80, run.now, local_port=5000, tracer=run.log.tracer("client")
        )
        assert run.network.run_until(lambda: run.listener.accepted, limit=10.0)
        run.theirs = run.listener.accepted.popleft()
        if n == 2:
            run.theirs.close(run.now)
            run.server.table.touch(run.theirs)
            assert run.network.run_until(lambda: run.ours.fin_received, limit=10.0)
            run.ours.close(run.now)
            run.client.table.touch(run.ours)
            assert run.network.run_until(lambda: not run.client.table.connections, limit=10.0)
    names = [event.connection for event in run.of(events.Watched)]
    assert names == ["client", "server", "client#2", "server#2", "client#3", "server#3"]


@pytest.mark.parametrize("drop", [(), (2,), (9,), (3, 4)])
def test_a_run_can_be_made_again(drop: tuple[int, ...], tmp_path: Path) -> None:
    """A file, its seed and its script are the run: made again it gives the same octets."""
    file = tmp_path / "events.jsonl"
    transfer(seed=7, drop=drop).log.save(file)
    header = Recording.load(file).header
    assert isinstance(header.seed, int)
    again = transfer(seed=header.seed, drop=tuple(header.script["drop"]))
    again.log.save(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == file.read_bytes()


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    run = transfer(drop=(2, 9))
    run.log.save(tmp_path / "events.jsonl")
    recording = Recording.load(tmp_path / "events.jsonl")
    assert recording == run.log.recording
    elsewhere = {"path_moved", "ecn_settled"}  # tests/sim/test_roaming.py, test_accurate_ecn.py
    elsewhere |= {"candidate_found", "pair_changed", "punch_ended"}  # tests/nat/test_told.py
    assert {event.kind for event in recording.events} == set(events.KINDS) - elsewhere


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (1, "{}"),
        (1, '{"events":"rudp","format":2,"ends":[]}'),
        (2, "not json"),
        (2, '{"event":"tea_drunk","time":0,"connection":"c"}'),
        (2, '{"event":"timer_fired","time":0,"connection":"c"}'),
        (2, '{"event":"timer_fired","time":0,"connection":"c","timer":"2MSL","more":1}'),
        (2, '{"event":"range_lost","time":0,"connection":"c","left":1,"right":2,"why":"WHIM"}'),
        (2, "[]"),
    ],
)
def test_a_wrong_line_is_named(line: int, text: str) -> None:
    header = ['{"events":"rudp","format":1,"ends":[]}'][: line - 1]
    with pytest.raises(ValueError, match=f"line {line} is not an event"):
        Recording.parse([*header, text])


def test_an_empty_file_has_no_header() -> None:
    with pytest.raises(ValueError, match="header"):
        Recording.parse([])


def test_a_log_may_be_bounded_and_handed_on() -> None:
    told: list[Event] = []
    log = EventLog(limit=3, sink=told.append)
    tracer = log.tracer("client")
    network = sim.Network()
    client = network.host(CLIENT, Config(ecn="off"))
    client.table.open_active((SERVER, ""), 80, 0.0, tracer=tracer)
    network.run_until(lambda: False, limit=10.0)
    assert len(told) > 3
    assert list(log.events) == told[-3:]
    with pytest.raises(ValueError, match="limit"):
        EventLog(limit=0)


def test_the_format_is_told_whole() -> None:
    """docs/events.md names every event, every field and every reason."""
    text = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    for kind, cls in events.KINDS.items():
        assert f"`{kind}`" in text
        for field in dataclasses.fields(cls):
            assert f"`{field.name}`" in text, (kind, field.name)
    for field in (*dataclasses.fields(events.Segment), *dataclasses.fields(events.Header)):
        assert f"`{field.name}`" in text, field.name
    for why in Why:
        assert f"| `{why.name}` | {why.sentence} | {why.section} |" in text, why


@pytest.mark.parametrize("why", Why)
def test_a_reason_is_one_sentence_and_a_section(why: Why) -> None:
    assert why.sentence[-1] in ".?"
    assert why.section.startswith("RFC ")
    assert " §" in why.section
    json.dumps([why.sentence, why.section])


@pytest.mark.parametrize(
    "change",
    [
        {"time": "0"},
        {"time": float("nan")},
        {"time": float("inf")},
        {"time": 10**400},
        {"connection": 5},
        {"segment": {"flags": "SYN", "seq": 0, "window": 1, "length": 0, "wire_seq": 0}},
        {"segment": {"flags": "SYN", "seq": True, "window": 1, "length": 0, "wire_seq": 0,
                     "wire_ack": 0}},
        {"segment": {"flags": "SYN", "seq": 0, "window": 1, "length": 0, "wire_seq": 0,
                     "wire_ack": 0, "sack": [[1, "<b>"]]}},
    ],
)  # fmt: skip
def test_fields_of_another_type_are_refused(change: dict[str, object]) -> None:
    run = transfer()
    lines = [json.loads(line) for line in run.log.recording.lines()]
    (n, *_) = [n for n, line in enumerate(lines) if line.get("event") == "segment_sent"]
    lines[n] |= change
    with pytest.raises(ValueError, match=rf"^line {n + 1} is not an event"):
        Recording.parse(map(json.dumps, lines))
