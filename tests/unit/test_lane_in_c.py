"""The lane in C, asked what nobody asks it: it must know all names, and answer with exceptions."""

import ast
import gc
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

from rudp import build
from rudp.core.congestion.controller import Ack
from rudp.core.congestion.cubic import Cubic
from rudp.core.life.numbers import ACK_NOW, NO_ACK_DUE, Sent
from rudp.core.segment.transmit import Transmit
from rudp.core.send.sendbuffer import SendBuffer
from rudp.core.terms.why import Why

if build.lane() != "C":
    pytest.skip("the lane in C is not compiled", allow_module_level=True)

from rudp import _lane

DATAGRAM = memoryview(bytes(32) + b"hello")
STEADY = Path(build.__file__).parent / "core" / "life" / "steady.py"
LENT = sorted(
    {
        node.attr
        for node in ast.walk(ast.parse(STEADY.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "lane"
    }
)
"""What steady.py lends, brings back or calls."""
NUMBERS = [name for name in LENT if name not in ("begin", "finish")]
OBJECTS = {
    "ack", "ack_why", "controller", "estimator", "flight", "path", "pmtu", "ready",
}  # fmt: skip
SENT = Sent(1, 2, 3.0, 4, 5, 6, 7, 8.0, 9.0, True, 10, 11)


def written(*chunks: bytes) -> Any:
    """Return a lane in which *chunks* wait to be sent, the first of them at number 100."""
    buffer = SendBuffer(100)
    lane = _lane.Lane()
    lane.buffer = buffer
    for chunk in chunks:
        lane.write(chunk)
    lane.snd_una = lane.snd_nxt = 100
    return lane


def test_it_has_every_name_that_is_asked_for() -> None:
    assert {*LENT, "take", "emit", "read", "write", "expire"} <= {*dir(_lane.Lane)}


@pytest.mark.parametrize("name", NUMBERS)
def test_no_number_can_be_a_word(name: str) -> None:
    lane = _lane.Lane()
    if name in OBJECTS:
        setattr(lane, name, "word")
        assert getattr(lane, name) == "word"
    else:
        with pytest.raises((TypeError, AttributeError, ValueError)):
            setattr(lane, name, "word")


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_deleted_is_missing_or_stays(name: str) -> None:
    lane = _lane.Lane()
    try:
        delattr(lane, name)
    except (TypeError, AttributeError):
        return
    assert not hasattr(lane, name)


@pytest.mark.parametrize("name", ["stalled_since", "user_timeout", "rate", "unused_since", "ttl"])
def test_some_may_be_none(name: str) -> None:
    lane = _lane.Lane()
    assert getattr(lane, name) is None
    setattr(lane, name, 7)
    assert getattr(lane, name) == 7
    setattr(lane, name, None)
    assert getattr(lane, name) is None


def test_runs_are_taken_and_given_as_tuples() -> None:
    lane = _lane.Lane()
    many = [SENT._replace(order=n) for n in range(21)]
    lane.runs = many
    assert lane.runs == many
    assert isinstance(lane.runs[0], Sent)
    with pytest.raises(ValueError, match="mss"):
        lane.runs = [SENT._replace(mss=0)]
    with pytest.raises(TypeError):
        lane.runs = [SENT[:-1]]
    with pytest.raises(TypeError):
        lane.runs = ["run"]
    with pytest.raises(TypeError):
        lane.runs = 1
    with pytest.raises(OverflowError):
        lane.runs = [SENT._replace(seq=1 << 63)]


def test_a_lane_that_was_never_entered_has_nothing_to_do() -> None:
    lane = _lane.Lane()
    assert lane.emit(0.0, 64) is None
    with pytest.raises(TypeError):
        lane.read()
    lane.ready = []
    assert lane.read(None) == lane.read(1) == lane.read() == b""
    lane.unused = 1
    with pytest.raises(AssertionError):
        lane.finish()
    lane.controller = Ack()
    with pytest.raises(AssertionError):
        lane.finish()
    lane.unused = 0
    with pytest.raises(AttributeError):
        lane.finish()


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("take", ()),
        ("take", ("", 0, 0, 0, 5, DATAGRAM, 0.0)),
        ("take", (0, -1, 0, 0, 5, DATAGRAM, 0.0)),
        ("take", (0, 0, 0, 0, 5, DATAGRAM, None)),
        ("take", (0, 0, 0, 0, 6, DATAGRAM, 0.0)),
        ("take", (0, 0, 0, 0, -1, DATAGRAM, 0.0)),
        ("take", (0, 0, 0, 0, 5, memoryview(bytes(74))[::2], 0.0)),
        ("take", (0, 0, 0, 0, 5, b"neither view nor run", 0.0)),
        ("emit", ()),
        ("emit", (None, 1)),
        ("emit", (0.0, "many")),
        ("read", ("all",)),
        ("read", (1, 2)),
        ("write", (1.0,)),
        ("write", ()),
        ("expire", ("now",)),
        ("finish", (1,)),
    ],
)
def test_bad_arguments_are_errors(verb: str, arguments: tuple[Any, ...]) -> None:
    lane = _lane.Lane()
    lane.ready = [b"ready"]
    with pytest.raises((TypeError, ValueError, AttributeError, OverflowError)):
        getattr(lane, verb)(*arguments)
    with pytest.raises(TypeError):
        _lane.Lane(1)  # type: ignore[call-arg]


@pytest.mark.parametrize("size", [1, 600, 4095, 4096, 70_000])
@pytest.mark.parametrize("acked", [0, 1, 650, 4096])
def test_what_was_written_comes_back(size: int, acked: int) -> None:
    buffer = SendBuffer(100)
    buffer.append(b"first" * 1000)
    buffer.append(b"second")
    lane = _lane.Lane()
    lane.buffer = buffer
    assert lane.buffer is buffer
    assert len(buffer) == 0
    whole = b"first" * 1000 + b"second"
    lane.snd_nxt = 100
    for n in range(40):
        chunk = bytes([n]) * size
        whole += chunk
        assert lane.write(chunk) == len(whole) == lane.unsent
    lane.write(b"")
    lane.write(bytearray(b"mutable"))
    whole += b"mutable"
    lane.snd_una = 100 + acked
    lane.finish()
    assert buffer.start == 100 + acked
    assert buffer.end == 100 + len(whole)
    assert b"".join(buffer.slices(buffer.start, buffer.end)) == whole[acked:]


class Odd:
    """Stands in for a buffer that is none, or fails."""

    end = 100

    def __init__(self, chunks: Any) -> None:
        self._chunks = chunks

    def take_chunks(self) -> Any:
        return self._chunks


@pytest.mark.parametrize("chunks", [None, ["text"], [memoryview(b"every other")[::2]]])
def test_a_buffer_of_something_else_is_an_error(chunks: Any) -> None:
    lane = _lane.Lane()
    with pytest.raises(TypeError):
        lane.buffer = Odd(chunks)
    with pytest.raises(AttributeError):
        lane.buffer = None
    with pytest.raises(AttributeError):
        lane.receiver = None


def test_numbers_that_cannot_be_end_in_exceptions() -> None:
    lane = written(b"data")
    lane.snd_wnd = lane.cwnd = lane.counted = lane.buffer_limit = 10_000
    with pytest.raises(ValueError, match="smss"):
        lane.emit(0.0, 64)
    lane.smss = 1000
    lane.snd_nxt = 90  # what was never written
    lane.idle_restart = False
    lane.rcv_nxt = 0
    lane.rmss = 1000
    with pytest.raises(IndexError):
        lane.emit(0.0, 64)
    lane = written()
    lane.snd_nxt = 200
    lane.rcv_edge = 1000
    lane.snd_wl1 = 0
    with pytest.raises(IndexError):  # acknowledged, and not in flight
        lane.take(0, 150 << 32 | 32 << 26 | 0x10 << 16 | 1, 0, 0, 0, DATAGRAM[:32], 0.0)


def test_minima_are_a_tuple_of_pairs() -> None:
    lane = _lane.Lane()
    lane.minima = (0.1, 5.0)
    assert lane.minima == (0.1, 5.0)
    wrong: Any
    for wrong in ([], None, ("a", "b")):
        with pytest.raises(TypeError):
            lane.minima = wrong
    lane.minima = ()
    assert lane.minima == ()


def test_a_run_of_many_little_pieces_is_joined() -> None:
    """More buffers than a system call takes."""
    buffer = SendBuffer(100)
    whole = b"".join(bytes([n % 256]) * 10 for n in range(2000))
    buffer.give_chunks(
        [memoryview(whole[at : at + 10]) for at in range(0, 20_000, 10)], 100, 20_100
    )
    lane = _lane.Lane()
    lane.buffer = buffer
    lane.snd_una = lane.snd_nxt = 100
    lane.snd_wnd = lane.cwnd = lane.counted = lane.buffer_limit = lane.max_snd_wnd = 1 << 20
    lane.smss = 1000
    lane.rmss = 1000
    lane.path = (("10.0.0.1", 1), "")
    lane.silent_until = -1.0
    lane.pmtu = Stand(next_probe=None)
    lane.flight = Stand(paced_room=1 << 20, pace=None)
    lane.estimator = Stand()
    lane.steady = True
    transmit = lane.emit(1.0, 64)
    assert isinstance(transmit, Transmit)
    assert [len(datagram) for datagram in transmit.datagrams()] == [1032] * 20
    assert b"".join(datagram[32:] for datagram in transmit.datagrams()) == whole
    assert lane.unsent == 0


class Stand:
    """Answers with what it was made of, and takes any attribute."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        answer = self._answers[name]
        return answer if name == "pace" else lambda *_: answer


class Wrong:
    """A guard and signature, and hashes, of which some are not what they should be."""

    def __init__(self, **parts: Any) -> None:
        self._parts = parts

    def option(self, now: float) -> Any:
        return self._parts.get("option", bytes(16))

    def signer(self) -> Any:
        return self

    def begin(self, extension: int, octets: int) -> Any:
        return self._parts.get("begin", (self, self))

    def copy(self) -> Any:
        return self._parts.get("copy", self)

    def update(self, octets: Any) -> None:
        pass

    def digest(self) -> Any:
        return self._parts.get("digest", bytes(20))


@pytest.mark.parametrize(
    "parts",
    [
        {"option": None},
        {"option": bytes(15)},
        {"begin": None},
        {"begin": (1,)},
        {"begin": (1, 2)},
        {"copy": None},
        {"digest": ""},
        {"digest": bytes(11)},
    ],
)
@pytest.mark.parametrize("ack_due", [NO_ACK_DUE, ACK_NOW])
def test_a_guard_that_cannot_sign_is_heard_of(parts: dict[str, Any], ack_due: int) -> None:
    lane = written(*([] if ack_due else [b"data"]))
    lane.snd_wnd = lane.cwnd = lane.counted = lane.buffer_limit = 10_000
    lane.smss = lane.rmss = 1000
    lane.silent_until = -1.0
    lane.path = (("10.0.0.1", 1), "")
    lane.ack_due = ack_due
    lane.ack_why = Why.ACK_DELAYED
    lane.steady = True
    lane.guard = Wrong()
    whole = bytes(lane.emit(1.0, 64).buffers[0])
    assert len(whole) == (48 if ack_due else 52)
    assert whole[36:48] == bytes(12)
    lane.ack_due = ack_due
    lane.guard = Wrong(**parts)
    if not ack_due:
        lane.write(b"more")
    with pytest.raises((TypeError, AttributeError)):
        lane.emit(1.0, 64)


def test_a_controller_that_fails_is_heard_of() -> None:
    class Failing(Cubic):
        def on_ack(self, ack: Ack) -> None:
            raise RuntimeError("no window")

    lane = written(b"x" * 100)
    lane.snd_nxt = 200
    lane.runs = [SENT._replace(seq=100, end=200, mss=100, origin=100)]
    lane.minima = (0.1, 5.0)
    lane.estimator = Stand(observe=None, minima=(0.1, 5.0))
    lane.linux_form = True
    lane.sample_from = 300
    lane.asks_always = True
    lane.ack = Ack()
    lane.controller = Failing(1000, 10_000)
    lane.rcv_edge = 1000
    with pytest.raises((RuntimeError, TypeError)):
        lane.take(0, 200 << 32 | 32 << 26 | 0x10 << 16 | 1, 0, 0, 0, DATAGRAM[:32], 9.0)


def test_it_is_collected_with_what_it_holds() -> None:
    class Thing:
        pass

    lane = written(b"x" * 5000, b"small")
    thing: Any = Thing()
    thing.lane = lane
    lane.path = thing
    gone = weakref.ref(thing)
    del lane, thing
    gc.collect()
    assert gone() is None


SUBINTERPRETER = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
inner = interpreters.create()
failed = interpreters.run_string(inner, f"import sys; sys.path[:] = {sys.path!r}\\n"
    "import rudp._lane; assert rudp._lane.Lane().emit(0.0, 1) is None")
assert failed is None, failed
interpreters.destroy(inner)
import rudp._lane
rudp._lane.Lane().emit(0.0, 1)
"""


@pytest.mark.skipif(build.core() == "compiled", reason="mypyc's modules want one interpreter")
def test_each_interpreter_may_have_one() -> None:
    done = subprocess.run([sys.executable, "-c", SUBINTERPRETER], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
