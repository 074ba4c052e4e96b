"""The flight recorder: an exception tells what the connection did before it died."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import rudp
from rudp import sim
from rudp.trace import Recording, Why, events

SERVER = ("10.0.0.2", 9000)


async def _die(config: rudp.Config, tracer: rudp.Tracer | None = None) -> BaseException:
    """Open a connection, cut the path, send, and return what it dies of."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, sim.VirtualLoop)
    server = await rudp.create_server(asyncio.Protocol, *SERVER)
    reader, writer = await rudp.open_connection(*SERVER, config=config, tracer=tracer)
    for link in loop.network.links.values():
        link.configure(loss=1.0)
    writer.write(bytes(3000))
    with pytest.raises(TimeoutError) as caught:
        await reader.read()
    writer.close()
    server.close()
    server.abort_clients()
    return caught.value


def _run(config: rudp.Config, tracer: rudp.Tracer | None = None) -> Any:
    return sim.run(_die(config, tracer), seed=1, delay=0.01)


CONFIG = rudp.Config(user_timeout=5.0)


def test_the_note_tells_the_end_of_the_story() -> None:
    error = _run(CONFIG)
    (note,) = error.__notes__
    lines = note.splitlines()
    assert lines[0].startswith("The last events of the connection to 10.0.0.2:9000")
    assert len(lines) == 13
    assert "the retransmission timer fired" in note
    assert f"RETRANSMIT_RTO: {Why.RETRANSMIT_RTO.sentence}" in note
    assert lines[-1].endswith("+0.000 s  ESTABLISHED -> CLOSED (delete TCB)")


def test_all_of_it_can_be_saved(tmp_path: Path) -> None:
    error = _run(CONFIG)
    error.save(tmp_path / "end.jsonl")
    told = Recording.load(tmp_path / "end.jsonl").events
    assert isinstance(told[0], events.Watched)
    sent = [event for event in told if isinstance(event, events.SegmentSent)]
    assert sent[0].segment.flags == "SYN"
    assert sent[0].segment.seq == 0
    data = [event.segment for event in sent if event.segment.length]
    assert data[0].seq == 1
    assert data[0].window > 65_535, "scaled"
    came = [event for event in told if isinstance(event, events.SegmentReceived)]
    assert [event.segment.flags for event in came] == ["SYN,ACK"]
    error.save(str(tmp_path / "end.pcapng"))
    assert (tmp_path / "end.pcapng").stat().st_size > 1000
    error.save(tmp_path / "end.html")
    page = (tmp_path / "end.html").read_text(encoding="utf-8")
    assert "<h1>The end of the connection to 10.0.0.2:9000</h1>" in page
    for name in ("end.png", "end"):
        with pytest.raises(ValueError, match=r"only \.html, \.jsonl, \.pcapng"):
            error.save(name)


def test_a_refused_open_is_told_too() -> None:
    async def main() -> str:
        server = await rudp.create_server(asyncio.Protocol, *SERVER)
        with pytest.raises(ConnectionRefusedError) as caught:
            await rudp.open_connection(*SERVER, inner_port=9001)
        server.close()
        return "".join(caught.value.__notes__)

    note = sim.run(main(), seed=1, delay=0.01)
    assert "sent SYN seq=0" in note
    assert "received RST,ACK" in note


def test_the_ring_is_bounded_and_may_be_switched_off() -> None:
    error = _run(rudp.Config(user_timeout=5.0, flight_recorder=4))
    assert len(error.__notes__[0].splitlines()) == 5
    error = _run(rudp.Config(user_timeout=5.0, flight_recorder=0))
    assert not hasattr(error, "__notes__")
    assert not hasattr(error, "save")
    with pytest.raises(ValueError, match="flight_recorder"):
        rudp.Config(flight_recorder=-1)


def test_a_tracer_hears_all_the_same() -> None:
    told = []

    class Moves(rudp.Tracer):
        def state_moved(self, who: Any, before: Any, after: Any, cause: Any, now: float) -> None:
            told.append(str(after))

    _run(CONFIG, Moves())
    assert told == ["SYN-SENT", "ESTABLISHED", "CLOSED"]


def test_a_run_of_several_segments_and_a_fin(tmp_path: Path) -> None:
    """The header of the first stands for all of a run; the FIN behind it is not forgotten."""

    async def main() -> BaseException:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, sim.VirtualLoop)
        server = await rudp.create_server(asyncio.Protocol, *SERVER)
        reader, writer = await rudp.open_connection(*SERVER, config=CONFIG)
        for link in loop.network.links.values():
            link.configure(loss=1.0)
        writer.write(bytes(5000))
        writer.write_eof()
        with pytest.raises(TimeoutError) as caught:
            await reader.read()
        writer.close()
        server.close()
        server.abort_clients()
        return caught.value

    error: Any = sim.run(main(), seed=1, delay=0.01)
    error.save(tmp_path / "end.jsonl")
    told = Recording.load(tmp_path / "end.jsonl").events
    sent = [e.segment for e in told if isinstance(e, events.SegmentSent)]
    data = [each for each in sent if each.length or "FIN" in each.flags]
    first = data[: next(n for n, each in enumerate(data) if "FIN" in each.flags) + 1]
    assert sum(each.length for each in first) == 5000
    assert [each.seq for each in first] == [
        1 + sum(before.length for before in first[:n]) for n in range(len(first))
    ]
    assert [each.flags for each in first[-2:]] == ["PSH,ACK", "FIN,ACK"]
    assert len(first) > 2


def test_it_keeps_no_data() -> None:
    """Octets of the application would stay in memory for as long as somebody has the exception."""
    error = _run(CONFIG)
    kept = [each for record in error.save.__self__.records for each in record]
    assert not any(isinstance(each, bytes | memoryview | bytearray) for each in kept)
