"""Programs that send data with their SYN, on virtual time (RFC 7413)."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rudp
from rudp.sim import run

HOST = "10.0.0.2"
PORT = 7000
FAST = rudp.Config(fast_open=True)


async def ask(question: bytes, **options: object) -> tuple[bytes, float]:
    """Return the answer to *question*, and after how many seconds it was here."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    reader, writer = await rudp.open_connection(
        HOST,
        PORT,
        local_addr=("10.0.0.1", 0),
        fast_open=question,
        **options,  # type: ignore[arg-type]
    )
    answer = await reader.readexactly(len(question))
    took = loop.time() - start
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    return answer, took


async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data.upper())
    writer.close()


def test_the_answer_is_here_a_round_trip_earlier() -> None:
    """§1: one round trip in place of two, from the second visit on, over any socket of the loop."""

    async def main() -> list[float]:
        async with await rudp.start_server(upper, HOST, PORT, config=FAST):
            visits = [await ask(b"hello") for _ in range(3)]
        assert [answer for answer, _ in visits] == [b"HELLO"] * 3
        return [took for _, took in visits]

    times = run(main(), delay=0.05)
    assert times == pytest.approx([0.2, 0.1, 0.1], abs=0.001)


@pytest.mark.parametrize("window_scaling", [True, False])
@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("sack", [True, False])
@pytest.mark.parametrize("ecn", ["accurate", "off"])
def test_whatever_other_options_a_SYN_has_the_cookie_is_read(
    window_scaling: bool, timestamps: bool, sack: bool, ecn: str
) -> None:
    """§2: it stands before the end of the option list, at both ends."""
    config = rudp.Config(
        fast_open=True,
        window_scaling=window_scaling,
        timestamps=timestamps,
        sack=sack,
        ecn=ecn,  # type: ignore[arg-type]
    )

    async def main() -> list[float]:
        async with await rudp.start_server(upper, HOST, PORT, config=config):
            return [(await ask(b"hello", config=config))[1] for _ in range(2)]

    assert run(main(), delay=0.05) == pytest.approx([0.2, 0.1], abs=0.001)


@pytest.mark.parametrize("config", [None, rudp.Config(fast_open=True, half_open_max=0)])
def test_a_server_that_does_not_take_it_has_it_after_the_handshake(
    config: rudp.Config | None,
) -> None:
    async def main() -> list[bytes]:
        async with await rudp.start_server(upper, HOST, PORT, config=config):
            return [(await ask(b"hello"))[0] for _ in range(3)]

    assert run(main(), delay=0.05) == [b"HELLO"] * 3


def test_a_key_leaves_no_room_for_it() -> None:
    """RFC 7413 §4.1.1, RFC 5925 §7.6: the octets follow the handshake."""
    key = b"sixteen octets or more"

    async def main() -> list[bytes]:
        async with await rudp.start_server(upper, HOST, PORT, config=FAST, key=key):
            return [(await ask(b"hello", key=key))[0] for _ in range(3)]

    assert run(main(), delay=0.05) == [b"HELLO"] * 3


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.1, 0.3]),
    size=st.sampled_from([1, 100, 1400, 30_000]),
    reorder=st.booleans(),
)
def test_whatever_is_lost_each_stream_is_whole(
    seed: int, loss: float, size: int, reorder: bool
) -> None:
    """Lost, doubled and late SYNs cost time, never octets: what is asked is what was answered."""
    question = bytes(n % 26 + 97 for n in range(size))

    async def main() -> None:
        async with await rudp.start_server(upper, HOST, PORT, config=FAST):
            for _ in range(4):
                assert (await ask(question))[0] == question.upper()

    run(
        main(),
        seed=seed,
        delay=0.02,
        jitter=0.03 if reorder else 0.0,
        loss=loss,
        duplicate=loss,
    )


def test_what_does_not_go_together() -> None:
    async def main() -> None:
        for options in ({"ssl": True}, {"happy_eyeballs_delay": 0.25}):
            with pytest.raises(ValueError, match="fast_open goes with neither"):
                await rudp.open_connection(HOST, PORT, fast_open=b"x", **options)

    run(main())
