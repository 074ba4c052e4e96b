"""TLS on a punched connection: the two say who is the server, for a punch has no roles."""

import asyncio
import errno
import ssl
from typing import Any

import pytest
import trustme

import rudp
from rudp.sim import Nat, run
from tests.nat.kit import MAPPED_A, MAPPED_B, OUTSIDE_A, OUTSIDE_B, A, B, both, meet
from tests.nat.kit import put_behind as behind

DELAY = 0.02
HOST = "192.0.2.1"
ROOM: dict[str, Any] = {"rendezvous": f"rudp://{HOST}", "room": "behind a curtain"}
CA = trustme.CA()
NAME = "west-gate.example"


def server(**more: Any) -> dict[str, Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(NAME).configure_cert(context)
    return {"ssl": context, "server_side": True, **more}


def client(**more: Any) -> dict[str, Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)
    return {"ssl": context, "server_side": False, "server_hostname": NAME, **more}


async def talk(*args: Any, name: bytes, **options: Any) -> tuple[bytes, Any, str]:
    reader, writer = await rudp.punch(*args, **options)
    writer.write(name)
    said = await reader.readexactly(1)
    found = writer.get_extra_info("ssl_object"), writer.get_extra_info("punched")
    writer.close()
    await writer.wait_closed()
    return said, *found


@pytest.mark.parametrize("key", [None, b"and both share a key"])
@pytest.mark.parametrize("rendezvous", [True, False])
def test_one_is_the_server(rendezvous: bool, key: bytes | None) -> None:
    async def main() -> list[Any]:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        async with await rudp.start_rendezvous(HOST):
            return await both(
                talk(A, None if rendezvous else MAPPED_B, name=b"a", key=key, **ends[0]),
                talk(B, None if rendezvous else MAPPED_A, name=b"b", key=key, **ends[1]),
            )

    ends = [{**each, **(ROOM if rendezvous else {})} for each in (server(), client())]
    a, b = run(main(), delay=DELAY)
    assert (a[0], b[0]) == (b"b", b"a")
    assert a[2] == b[2] == "mapped"
    assert a[1].version() == b[1].version() == "TLSv1.3"
    assert b[1].getpeercert()["subjectAltName"] == (("DNS", NAME),)


MISFITS = {
    "two servers": (server(), server(), "both sides are TLS servers", "both sides are TLS servers"),
    "two clients": (client(), client(), "both sides are TLS clients", "both sides are TLS clients"),
    "one only": (server(), {}, "TLS is wanted here, and the peer has none", "the peer wants TLS"),
    "the other only": ({}, client(), "the peer wants TLS", "TLS is wanted here, and the peer has"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_two_that_do_not_fit_are_told_so(name: str) -> None:
    async def main() -> tuple[list[Any], float]:
        behind(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
        found = await both(meet(A, MAPPED_B, **one), meet(B, MAPPED_A, **other))
        return found, asyncio.get_running_loop().time()

    one, other, *texts = MISFITS[name]
    errors, took = run(main(), delay=DELAY)
    for error, text in zip(errors, texts, strict=True):
        assert isinstance(error, OSError)
        assert error.errno == errno.EPROTO
        assert text in str(error)
    assert took < 2.0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"server_side": True}, "server_side is only meaningful with ssl"),
        ({"server_hostname": "x"}, "server_hostname is only meaningful with ssl"),
        ({"ssl_handshake_timeout": 1.0}, "ssl_handshake_timeout is only meaningful with ssl"),
        ({"ssl": True}, "ssl needs server_side"),
        ({"ssl": True, "server_side": False}, "must set server_hostname"),
        (server(server_hostname="x"), "is for the side that is not the server"),
    ],
)
def test_arguments_that_do_not_go_together(options: dict[str, Any], text: str) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=text):
            await rudp.punch(A, MAPPED_B, **options)

    run(main(), delay=DELAY)


def test_a_certificate_for_another_name() -> None:
    async def main() -> list[Any]:
        wrong = client(server_hostname="east-gate.example")
        return await both(talk(A, B, name=b"a", **server()), talk(B, A, name=b"b", **wrong))

    a, b = run(main(), delay=DELAY)
    assert isinstance(a, OSError | asyncio.IncompleteReadError)
    assert isinstance(b, ssl.SSLCertVerificationError)
