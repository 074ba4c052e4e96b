"""A process without a free descriptor: what needs one fails as in asyncio, the rest goes on."""

import errno
import sys

import pytest

from rudp.udp.linkmtu import link_payload, loopback_payload
from tests.aio.kit import close, echo
from tests.faults.kit import HOST, Way, ask, closing, no_descriptors

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs setrlimit")


def test_an_open_without_a_descriptor(real: Way) -> None:
    """EMFILE; connections that are open go on, and so does a new one that shares their socket."""

    async def main() -> None:
        async with (
            closing(await real.start_server(echo)) as server,
            closing(await real.start_server(echo)) as other,
        ):
            first = await real.open_connection(server)
            with no_descriptors():
                with pytest.raises(OSError) as raised:
                    await real.open_connection(other)
                assert raised.value.errno == errno.EMFILE
                await ask(first)
                second = await real.open_connection(server)
                await ask(second)
                await close(second[1])
            third = await real.open_connection(other)
            for streams in (first, third):
                await ask(streams)
                await close(streams[1])

    real.run(main())


def test_a_server_without_a_descriptor(real: Way) -> None:
    """EMFILE, and nothing is left: the port can be bound as soon as there is one."""

    async def main() -> None:
        async with closing(await real.start_server(echo)) as server:
            first = await real.open_connection(server)
            with no_descriptors():
                with pytest.raises(OSError) as raised:
                    await real.start_server(echo)
                assert raised.value.errno == errno.EMFILE
                await ask(first)
            await close(first[1])
        async with closing(await real.start_server(echo)) as server:
            again = await real.open_connection(server)
            await ask(again)
            await close(again[1])

    real.run(main())


@pytest.mark.parametrize("host", [HOST, "0.0.0.0"])
def test_to_accept_takes_no_descriptor(real: Way, host: str) -> None:
    async def main() -> None:
        async with closing(await real.start_server(echo, host=host)) as server:
            address = (HOST, server.sockets[0].getsockname()[1])
            first = await real.open_connection(address)
            await ask(first)
            with no_descriptors():
                second = await real.open_connection(address)
                await ask(second)
            for _, writer in (first, second):
                await close(writer)

    real.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems are not asked")
def test_what_is_unknown_for_want_of_a_descriptor_is_asked_again() -> None:
    """PMTU-1: it is not an error of the connection that wants to know."""
    with no_descriptors():
        assert loopback_payload() is None
        assert link_payload(("127.0.0.3", 9)) is None
    assert loopback_payload()
    assert link_payload(("127.0.0.3", 9))
