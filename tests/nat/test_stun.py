"""STUN bindings: the messages of RFC 8489, the vectors of RFC 5769, and servers that lie."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rudp
from rudp.nat import stun
from rudp.sim import Nat, run

ME = ("10.0.0.2", 5000)
SERVER = ("192.0.2.1", 3478)

RFC5769_IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
RFC5769_IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)


@pytest.mark.parametrize(
    ("message", "address"),
    [
        (RFC5769_IPV4, ("192.0.2.1", 32853)),
        (RFC5769_IPV6, ("2001:db8:1234:5678:11:2233:4455:6677", 32853)),
    ],
)
def test_vectors_of_RFC_5769(message: bytes, address: tuple[str, int]) -> None:
    answer = stun.parse(message)
    assert answer is not None
    assert stun.mapped_address(answer) == address
    again = stun.parse(stun.success(answer.transaction, address))
    assert again is not None
    assert stun.mapped_address(again) == address


@given(st.binary(max_size=80))
def test_any_octets_are_a_message_or_none(data: bytes) -> None:
    head = b"\x01\x01" + len(data).to_bytes(2, "big") + stun.COOKIE + bytes(12)
    for octets in (data, head + data):
        message = stun.parse(octets)
        if message is not None:
            with contextlib.suppress(stun.StunError):
                host, port = stun.mapped_address(message)
                assert 0 < port < 65536
                assert host


def test_a_segment_is_no_message() -> None:
    segment = bytes.fromhex("9c402328 2112a443 00000000 5002ffff 00000000")
    assert not stun.is_stun(segment)


# -- asking ---------------------------------------------------------------------------------------

Answer = Callable[[bytes, Any], bytes | None]


class Liar(asyncio.DatagramProtocol):
    """A server that answers each question with what *answer* makes of it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.times: list[float] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.times.append(asyncio.get_running_loop().time())
        answer = self.answer(data, addr)
        if answer is not None:
            self.transport.sendto(answer, addr)


@contextlib.asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Liar]:
    loop = asyncio.get_running_loop()
    transport, liar = await loop.create_datagram_endpoint(lambda: Liar(answer), local_addr=SERVER)
    try:
        yield liar
    finally:
        transport.close()


def honest(data: bytes, address: Any) -> bytes:
    message = stun.parse(data)
    assert message is not None
    assert message.kind == stun.REQUEST
    return stun.success(message.transaction, address)


def test_behind_a_nat_the_mapped_address_is_told() -> None:
    async def main() -> Any:
        network = asyncio.get_running_loop().network  # type: ignore[attr-defined]
        network.put_behind(Nat("203.0.113.1", ports="random"), ME[0])
        async with serving(honest):
            return await rudp.mapped_address("192.0.2.1:3478", local_addr=ME)

    host, port = run(main(), delay=0.02)
    assert host == "203.0.113.1"
    assert port != 5000


def test_a_question_is_repeated_as_RFC_8489_says() -> None:
    """Seven times: after 0.5 s, and each time after twice as long; 39.5 s in all."""

    async def main() -> list[float]:
        async with serving(lambda data, addr: None) as liar:
            with pytest.raises(TimeoutError, match=r"192\.0\.2\.1:3478 does not answer"):
                await rudp.mapped_address("192.0.2.1:3478", local_addr=ME, timeout=None)
            assert asyncio.get_running_loop().time() == 39.5
            return liar.times

    assert run(main()) == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def test_the_time_to_wait_may_be_shorter() -> None:
    async def main() -> float:
        async with serving(lambda data, addr: None):
            with pytest.raises(TimeoutError):
                await rudp.mapped_address("192.0.2.1:3478", local_addr=ME)
            return asyncio.get_running_loop().time()

    assert run(main()) == 5.0


def forged(**changes: Any) -> Answer:
    def answer(data: bytes, address: Any) -> bytes:
        transaction = changes.get("transaction", data[8:20])
        return stun.success(transaction, changes.get("address", address))

    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (forged(address=("0.0.0.0", 5000)), "we come from 0.0.0.0 port 5000, where nobody can be"),
        (forged(address=("224.0.0.1", 5000)), "224.0.0.1 port 5000, where nobody can be"),
        (forged(address=("10.0.0.2", 0)), "port 0, where nobody can be"),
        (lambda d, a: b"\x01\x01\0\0" + d[4:20], "it does not say from where we come"),
        (
            lambda d, a: b"\x01\x01\0\x0c" + d[4:20] + b"\0\x20\0\x08\0\x03" + bytes(6),
            "an address of no known form",
        ),
        (
            lambda d, a: b"\x01\x11\0\x0c" + d[4:20] + b"\0\x09\0\x07\0\0\x04\x01No\n\0",
            "it refuses: 401 No",
        ),
        (
            lambda d, a: b"\x01\x01\0\x04" + d[4:20] + b"\x7f\xff\0\0",
            "attribute 0x7fff to be understood",
        ),
    ],
)
def test_a_server_that_lies_is_an_error_in_words(answer: Answer, words: str) -> None:
    async def main() -> None:
        async with serving(answer):
            with pytest.raises(OSError, match=words) as caught:
                await rudp.mapped_address("192.0.2.1:3478", local_addr=ME)
            assert caught.value.errno == errno.EPROTO
            assert "192.0.2.1:3478" in str(caught.value)

    run(main())


@pytest.mark.parametrize(
    "answer", [forged(transaction=bytes(12)), lambda d, a: d, lambda d, a: b"x"]
)
def test_what_answers_no_question_of_ours_is_dropped(answer: Answer) -> None:
    async def main() -> None:
        async with serving(answer):
            with pytest.raises(TimeoutError):
                await rudp.mapped_address("192.0.2.1:3478", local_addr=ME)

    run(main())


def test_an_answer_from_elsewhere_is_dropped() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        other, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("192.0.2.9", 3478)
        )

        def divert(data: bytes, address: Any) -> None:
            other.sendto(stun.success(data[8:20], ("203.0.113.66", 6)), address)

        async with serving(divert):
            with pytest.raises(TimeoutError):
                await rudp.mapped_address("192.0.2.1:3478", local_addr=ME)
        other.close()

    run(main())


@pytest.mark.parametrize("server", ["192.0.2.1:0", "192.0.2.1:99999", "192.0.2.1:x", ":3478", ""])
def test_a_server_needs_a_name_and_a_port(server: str) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="is no address of a host and port"):
            await rudp.mapped_address(server, local_addr=ME)

    run(main())


@pytest.mark.parametrize("server", ["127.0.0.1", "stun://127.0.0.1", "stun:127.0.0.1"])
def test_without_a_port_it_is_the_one_of_stun(server: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Liar(honest), local_addr=("127.0.0.1", 3478)
        )
        assert await rudp.mapped_address(server, local_addr=("127.0.0.1", 9)) == ("127.0.0.1", 9)
        transport.close()

    run(main())


async def test_over_real_sockets() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Liar(honest), local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        local = sock.getsockname()
    assert await rudp.mapped_address(f"127.0.0.1:{port}", local_addr=local) == local
    transport.close()
    await asyncio.sleep(0)


async def test_nobody_there_is_heard_where_the_system_tells() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    expected = (ConnectionRefusedError, TimeoutError)
    with pytest.raises(expected, match=f"127.0.0.1:{port}"):
        await rudp.mapped_address(f"127.0.0.1:{port}", timeout=0.2)
