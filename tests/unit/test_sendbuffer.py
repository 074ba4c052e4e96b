"""SendBuffer against one long bytes object."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rudp.core.send.sendbuffer import SMALL, SendBuffer

START = 0xFFFF_FFF0  # near the wrap of the wire: the buffer must not care

chunks = st.builds(
    lambda fill, size: bytes([fill]) * size,
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 7, 100, 1400, SMALL - 1, SMALL, SMALL + 1, 3 * SMALL, 20_000]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), chunks),
        st.tuples(st.just("release"), st.floats(0, 1.2)),
        st.tuples(st.just("slices"), st.tuples(st.floats(0, 1), st.floats(0, 1))),
    ),
    max_size=40,
)


def joined(buffer: SendBuffer, left: int, right: int) -> bytes:
    return b"".join(buffer.slices(left, right))


@given(steps)
def test_slices_are_the_octets_of_the_stream(
    operations: list[tuple[str, bytes | float | tuple[float, float]]],
) -> None:
    """SB-1, PMTU-11: any stretch from SND.UNA on can be had again, however it was written."""
    buffer, stream, released = SendBuffer(START), b"", 0
    for _, value in operations:
        if isinstance(value, bytes):
            buffer.append(value)
            stream += value
        elif isinstance(value, tuple):
            held = len(stream) - released
            left = START + released + int(min(value) * held)
            right = START + released + int(max(value) * held)
            assert joined(buffer, left, right) == stream[left - START : right - START]
        else:
            upto = released + int(value * (len(stream) - released))
            buffer.release(START + upto)
            released = min(upto, len(stream))
        assert (buffer.start, buffer.end) == (START + released, START + len(stream))
        assert len(buffer) == len(stream) - released
    assert joined(buffer, buffer.start, buffer.end) == stream[released:]


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=60), st.data())
def test_every_octet_has_its_number(writes: list[bytes], data: st.DataObject) -> None:
    buffer = SendBuffer(1)
    for write in writes:
        buffer.append(write)
    stream = b"".join(writes)
    at = data.draw(st.integers(1, len(stream)))
    assert joined(buffer, at, at + 1) == stream[at - 1 : at]


def test_large_chunks_are_not_copied() -> None:
    buffer = SendBuffer(0)
    chunk = bytes(10 * SMALL)
    buffer.append(chunk)
    (piece,) = buffer.slices(100, 200)
    assert piece.obj is chunk


def test_small_writes_become_one_chunk() -> None:
    """SHLD-27, MAY-16: what was written in small portions leaves in one piece."""
    buffer = SendBuffer(0)
    for _ in range(1000):
        buffer.append(b"x")
    assert len(buffer.slices(0, 1000)) == 1


def test_many_small_writes_do_not_make_many_buffers() -> None:
    buffer = SendBuffer(0)
    for _ in range(200_000):
        buffer.append(b"x")
    assert len(buffer.slices(0, 200_000)) <= 200_000 // SMALL + 1


def test_order_of_small_and_large_writes() -> None:
    buffer = SendBuffer(0)
    writes = [b"a", b"b" * SMALL, b"c", b"d", b"e" * (SMALL + 1), b"f"]
    for write in writes:
        buffer.append(write)
    assert joined(buffer, 0, buffer.end) == b"".join(writes)


@pytest.mark.parametrize("upto", [-5, 0, START])
def test_release_of_what_is_gone_changes_nothing(upto: int) -> None:
    buffer = SendBuffer(START)
    buffer.append(b"abc")
    buffer.release(upto)
    assert joined(buffer, START, START + 3) == b"abc"


def test_release_stops_at_the_end() -> None:
    """The FIN has a sequence number, too, and is acknowledged with the data before it."""
    buffer = SendBuffer(0)
    buffer.append(b"abc")
    buffer.release(4)
    assert (buffer.start, buffer.end, len(buffer)) == (3, 3, 0)
    buffer.append(b"def")
    assert joined(buffer, 3, 6) == b"def"


def test_release_inside_a_chunk() -> None:
    buffer = SendBuffer(0)
    buffer.append(b"a" * SMALL)
    buffer.append(b"b" * SMALL)
    buffer.release(SMALL + 1)
    assert joined(buffer, SMALL + 1, 2 * SMALL) == b"b" * (SMALL - 1)


def test_clear() -> None:
    buffer = SendBuffer(0)
    buffer.append(b"a" * SMALL)
    buffer.append(b"b")
    buffer.clear()
    assert (len(buffer), buffer.start) == (0, SMALL + 1)
    assert buffer.slices(buffer.start, buffer.end) == []
    buffer.append(b"c")
    assert joined(buffer, SMALL + 1, SMALL + 2) == b"c"
