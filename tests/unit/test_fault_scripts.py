"""Fault scripts: what they say, what they do to a program, and that a run can be played again."""

import asyncio
import dataclasses
import doctest
import itertools
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import seed as hypothesis_seed

import rudp
import rudp.sim
from rudp.testing import Fault, FaultScript, FaultScriptError, Simulation, faults, run, script
from rudp.testing.script import in_words, seconds
from rudp.trace.events import SegmentSent

DELAY = 0.05


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def ask(lines: int) -> list[float]:
    """Return when each answer came."""
    reader, writer = await rudp.open_connection("10.0.0.2", 9000)
    times = []
    try:
        for _ in range(lines):
            writer.write(b"hello\n")
            assert await reader.readline() == b"HELLO\n"
            times.append(asyncio.get_running_loop().time())
        writer.close()
        await writer.wait_closed()
    finally:
        writer.transport.abort()
    return times


async def talk(lines: int = 5, connections: int = 1) -> list[float]:
    server = await rudp.start_server(shout, "10.0.0.2", 9000)
    try:
        return [time for _ in range(connections) for time in await ask(lines)]
    finally:
        server.close()
        server.abort_clients()


CALM = run(talk(), delay=DELAY)


def test_examples() -> None:
    assert doctest.testmod(script).failed == 0


# --- text ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("c:data:2 lost", Fault("c", "data", 2, "lost")),
        ("s:fin late 300ms", Fault("s", "fin", 1, "late", 0.3)),
        ("c12:any:5 twice", Fault("c", "any", 5, "twice", connection=12)),
        ("c:data cut 200", Fault("c", "data", 1, "cut", 200)),
        ("s:syn down 2min", Fault("s", "syn", 1, "down", 120.0)),
        ("c2@2.5s rebind", Fault("c", "any", 1, "rebind", connection=2, at=2.5)),
        ("s@0s down 1us", Fault("s", "any", 1, "down", 1e-6, at=0.0)),
    ],
)
def test_a_fault_is_read_and_written(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault
    assert Fault.parse(str(fault)) == fault


def test_a_script_has_lines_and_comments() -> None:
    read = FaultScript("# two\nc:data:2 lost ; s:fin late 300ms # late\n\n;\n")
    assert str(read) == "c:data:2 lost\ns:fin:1 late 300ms"
    assert read == FaultScript(read.faults) == eval(repr(read))
    assert len(read) == 2
    assert list(read) == list(read.faults)
    assert hash(read) == hash(FaultScript(str(read)))
    assert read != "c:data:2 lost"


@given(faults(actions=script.ACTIONS, kinds=("any", "rst", "data"), connections=3))
def test_every_script_can_be_read_again(drawn: FaultScript) -> None:
    assert FaultScript(str(drawn)) == drawn
    assert eval(repr(drawn)) == drawn
    assert drawn.lenient


@given(st.integers(0, 10**15))
@example(999_999_999)
@example(1_000_000_000)
def test_no_nanosecond_of_a_time_is_lost(nanoseconds: int) -> None:
    time = nanoseconds / 1e9
    assert seconds(in_words(time)) == pytest.approx(time, abs=6e-10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x:data lost", "a side is c or s, not 'x'"),
        ("c:dat lost", "a kind is one of any, syn, ack, data, fin or rst, not 'dat'"),
        ("c:data", "c:data needs a fault: one of lost, late, "),
        ("data lost", "'data' is not a segment such as c:data:2"),
        ("c:data:-1 lost", "is not a segment such as c:data:2"),
        ("c:data:2 los", "unknown fault 'los': one of lost, late, twice, cut, down or rebind"),
        ("c:data:2 los 1s", "unknown fault 'los'"),
        ("c:data:2 late", "late needs a time such as 300ms"),
        ("c:data:2 down 0s", "down needs a time such as 300ms"),
        ("c:data:2 late 3", "'3' is not a time such as 300ms, 1.5s or 2min"),
        ("c:data:2 twice -1s", "'-1s' is not a time"),
        ("c:data:2 late 1s 2s", "late does not take '1s 2s'"),
        ("c:data:2 lost lost", "lost does not take 'lost'"),
        ("c:data:2 rebind 1s", "rebind does not take '1s'"),
        ("c:data:2 cut", "cut leaves 1 octet or more, not 0"),
        ("c:data:2 cut 1.5", "'1.5' is not a number of octets"),
        ("c:data:0 lost", "a number of a segment is 1 to 1000000, not 0"),
        ("c:data:1000001 lost", "a number of a segment is 1 to 1000000"),
        ("c0:data lost", "a connection is 1 to 1000000, not 0"),
        ("c@1s lost", "lost happens to a segment, such as c:data:2"),
        ("c@soon rebind", "'soon' is not a time"),
        ("c:data lost; c:data:1 lost", "c:data:1 lost stands there 2 times"),
        ("c:data lost\nc:fin lots", "line 2 of the fault script: unknown fault 'lots'"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, message: str) -> None:
    with pytest.raises(FaultScriptError) as caught:
        FaultScript(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 1.0},
        {"action": "late", "amount": float("nan")},
        {"action": "down", "amount": float("inf")},
        {"action": "cut", "amount": 1.5},
    ],
)
def test_what_cannot_be_made_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(FaultScriptError):
        dataclasses.replace(Fault("c", "data", 1, "lost"), **wrong)


# --- what they do -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("", 0.0, 0.0),
        ("c:syn lost", 1.0, 1.0),  # the initial RTO (RFC 6298 §2.1)
        ("s:syn late 40ms", 0.04, 0.04),
        ("c:data:1 late 40ms", 0.04, 0.04),
        ("s:data:5 late 30ms", 0.0, 0.03),
        ("s:data:5 twice 30ms", 0.0, 0.0),
        ("s:data:5 late 10ms; s:data:5 late 20ms", 0.0, 0.03),
    ],
)
def test_times_are_what_the_script_says(text: str, first: float, last: float) -> None:
    times = run(talk(), faults=text, delay=DELAY)
    assert times[0] == pytest.approx(CALM[0] + first)
    assert times[-1] == pytest.approx(CALM[-1] + last)


@pytest.mark.parametrize(
    "text", ["c:data:3 lost", "c:data:3 cut 30", "c:syn:1 lost; s:data:1 lost"]
)
def test_what_is_lost_is_sent_again(text: str) -> None:
    simulation = Simulation(faults=text, delay=DELAY)
    assert simulation.run(talk())[-1] > CALM[-1] + 0.1
    assert simulation.happened == FaultScript(text)


@pytest.mark.parametrize("text", ["c:data:3 down 5s", "c@250ms down 5s", "s@0.3s down 5s"])
def test_an_outage_is_for_both_ways(text: str) -> None:
    simulation = Simulation(faults=text, delay=DELAY)
    assert simulation.run(talk())[-1] > 5.0
    sent = [event for event in simulation.events if isinstance(event, SegmentSent)]
    assert {event.connection for event in sent if 0.4 < event.time < 5.0} == {"client", "server"}


@pytest.mark.parametrize("text", ["c:data:3 rebind", "c@250ms rebind"])
def test_a_NAT_that_forgets_ends_the_connection(text: str) -> None:
    """The peer knows nothing of a connection from that port, and resets it."""
    with pytest.raises(ConnectionResetError) as caught:
        run(talk(), faults=text, delay=DELAY)
    assert text in "\n".join(caught.value.__notes__)


def test_before_a_server_too_a_NAT_may_forget() -> None:
    """Nothing comes back from where the client has asked: it gives up in the end."""
    with pytest.raises((OSError, rudp.sim.DeadlockError)):
        run(talk(), faults="s:data:2 rebind", delay=DELAY)


def test_behind_a_NAT_a_new_connection_works() -> None:
    async def main() -> list[float]:
        server = await rudp.start_server(shout, "10.0.0.2", 9000)
        with pytest.raises(ConnectionResetError):
            await ask(5)
        times = await ask(5)
        server.close()
        await server.wait_closed()
        return times

    simulation = Simulation(faults="c:data:3 rebind; c2:data:2 rebind; c2:data:1 lost", delay=DELAY)
    with pytest.raises(ConnectionResetError):
        simulation.run(main())
    assert run(main(), faults="c:data:3 rebind; c2:data:1 lost", delay=DELAY)[-1] < 5.0


def test_connections_are_counted_as_they_open() -> None:
    slow = run(talk(connections=3), faults="c2:data:2 late 5s", delay=DELAY)
    steps = [after - before for before, after in itertools.pairwise(slow)]
    assert max(steps[:4]) < 0.11
    assert max(steps[5:9]) > 0.25  # sent again before the late one comes
    assert max(steps[10:]) < 0.11


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c:data:200 lost", "c:data:200 lost (the client of connection 1 sent 5 segments of the "),
        ("s:any:200 lost", "s:any:200 lost (the server of connection 1 sent "),
        ("c3:syn lost", "c3:syn:1 lost (only 1 was opened)"),
        ("c@99s rebind", "c@99s rebind (nothing was sent on that connection from then on)"),
        ("s:rst lost; c:syn late 1ms", "s:rst:1 lost (the server of connection 1 sent 0 segm"),
    ],
)
def test_a_segment_that_never_comes_is_an_error(text: str, message: str) -> None:
    with pytest.raises(FaultScriptError) as caught:
        run(talk(), faults=text, delay=DELAY)
    assert f"of the fault script never came: {message}" in str(caught.value)
    run(talk(), faults=FaultScript(text, lenient=True), delay=DELAY)


def test_a_program_of_asyncios_can_be_carried() -> None:
    async def main() -> list[bytes]:
        server = await asyncio.start_server(shout, "10.0.0.2", 9000)
        reader, writer = await asyncio.open_connection("10.0.0.2", 9000)
        answers = []
        for _ in range(5):
            writer.write(b"hello\n")
            answers.append(await reader.readline())
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return answers

    simulation = Simulation(delay=DELAY, faults="c:data:3 lost; s:fin late 1s", carry=True)
    assert simulation.run(main()) == [b"HELLO\n"] * 5
    assert simulation.happened == simulation.script
    assert "The connection client and server" in simulation.ladder()
    with pytest.raises(NotImplementedError, match="no TCP of its own: use rudp's"):
        run(main(), delay=DELAY)


# --- recorded and played again ------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "chance",
    [
        {"loss": 0.15},
        {"jitter": 0.02, "ordered": False, "duplicate": 0.1},
        {"burst_enter": 0.1, "burst_exit": 0.5, "reorder": 0.2, "rate": 200_000, "queue": 2_000},
        {"corrupt": 0.05, "jitter": 0.01, "loss": 0.05},
    ],
    ids=lambda chance: next(iter(chance)),
)
def test_a_recorded_run_can_be_played_again(seed: int, chance: dict[str, Any]) -> None:
    first = Simulation(seed=seed, delay=DELAY, **chance)
    times = first.run(talk(20))
    fixed = {name: chance[name] for name in ("rate", "queue", "ordered") if name in chance}
    again = Simulation(seed=seed, faults=str(first.happened), delay=DELAY, **fixed)
    assert again.run(talk(20)) == pytest.approx(times, abs=1e-6)
    assert set(again.happened) == set(first.happened)


def test_a_run_tells_what_happened(tmp_path: Any) -> None:
    simulation = Simulation(seed=3, delay=DELAY, loss=0.1, faults="c:data:2 lost")
    assert "No connection" in simulation.story()
    with pytest.raises(RuntimeError, match="planted"):
        simulation.run(planted())
    story = simulation.story()
    assert story.startswith("The simulated network: seed=3, delay=0.05, loss=0.1\nIts faults (")
    assert "  c:data:2 lost\n" in story
    assert "The connection client and server, the last 30 lines:" in story
    names = [path.name for path in simulation.save(tmp_path / "deep" / "er")]
    assert names == ["run.html", "run.pcapng", "run.faults"]
    left = (tmp_path / "deep" / "er" / "run.faults").read_text(encoding="utf-8")
    assert FaultScript(left) == simulation.happened


async def planted() -> None:
    await talk()
    raise RuntimeError("planted")


def test_an_exception_has_the_story_as_a_note() -> None:
    with pytest.raises(RuntimeError, match="planted") as caught:
        run(planted(), delay=DELAY, seed=11, faults="c:data:2 lost")
    assert "seed=11, delay=0.05" in caught.value.__notes__[-1]


def test_a_long_run_is_remembered_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(delay=0.001)
    simulation.run(talk(connections=5))
    story = simulation.story()
    assert "5 connections; the last 3:" in story
    assert "client#5 and server#5" in story
    assert "client#2" not in story
    monkeypatch.setattr("rudp.testing.simulation.EVENTS_MAX", 300)
    simulation = Simulation(delay=0.001)
    simulation.run(talk(100))
    assert len(simulation.events) == 300
    assert "seq=601 " in simulation.story()


def test_a_program_without_connections_has_a_story(tmp_path: Any) -> None:
    simulation = Simulation()
    simulation.run(asyncio.sleep(1.0))
    assert "No connection of rudp was opened." in simulation.story()
    assert [path.name for path in simulation.save(tmp_path)] == ["run.faults"]


# --- hypothesis ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"actions": ("lost", "los")},
        {"actions": ()},
        {"kinds": ("dat",)},
        {"most": 0},
        {"segments": 0},
        {"connections": 0},
        {"seconds": 0.0},
    ],
)
def test_what_faults_cannot_draw_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(FaultScriptError):
        faults(**wrong)


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_bug_shrinks_to_few_faults(seed: int) -> None:
    """Whoever gives up after a second fails when SYN is lost, or the link is down."""
    smallest: list[FaultScript] = []

    @hypothesis_seed(seed)
    @settings(
        max_examples=100,
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],  # to explain takes longer than to find
    )
    @given(faults(connections=2))
    def check(drawn: FaultScript) -> None:
        async def impatient() -> None:
            async with asyncio.timeout(1.0):
                await talk(3)

        try:
            run(impatient(), faults=drawn, delay=DELAY)
        except TimeoutError:
            smallest.append(drawn)
            raise TimeoutError from None

    with pytest.raises(TimeoutError):
        check()
    assert 1 <= len(smallest[-1]) <= 2


@pytest.mark.parametrize("fault", ["c:data:1 lost", "c:data:2 twice 5ms", "c:data:3 late 30ms"])
def test_a_script_names_segments_that_a_managed_queue_holds(fault: str) -> None:
    """What is lost, late or twice is so when it has left the queue."""
    simulation = Simulation(faults=fault, rate=1e6, queue=rudp.sim.CoDel(), delay=DELAY)
    assert len(simulation.run(talk())) == 5
    assert [str(each) for each in simulation.happened] == [fault]
