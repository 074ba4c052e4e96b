"""What addresses look like: spellings, zones, IPv4 peers on IPv6 sockets, as on asyncio's TCP."""

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from rudp.udp.linkmtu import link_payload
from tests.aio.kit import HOST, Net, cleared, close, echo

LOOPBACK = "::1"


def link_local() -> tuple[str, int, str] | None:
    """Return a link-local address of this host, with number and name of its interface."""
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        digits, index, _, scope, flags, name = line.split()
        if scope == "20" and not int(flags, 16) & 0x48:  # neither tentative nor a duplicate
            packed = bytes.fromhex(digits)
            return socket.inet_ntop(socket.AF_INET6, packed), int(index, 16), name
    return None


def names(writer: Any) -> dict[str, Any]:
    return {name: writer.get_extra_info(name) for name in ("sockname", "peername")}


async def both_ends(
    net: Net, host: str, *, bind: str | None = None, sock: socket.socket | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Open a connection to *host*, use it, and return what client and server call each other."""
    seen: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set_result(names(writer))
        await echo(reader, writer)

    options: dict[str, Any] = {"sock": sock, "port": None} if sock is not None else {}
    server = await net.start_server(serve, bind, **options)
    async with cleared(server):
        port = server.sockets[0].getsockname()[1]
        reader, writer = await net.open_connection(host, port)
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        near, far = names(writer), await seen
        await close(writer)
    assert near["sockname"][1] == far["peername"][1]
    assert near["peername"][1] == far["sockname"][1] == port
    return near, far


def real_only(net: Net) -> None:
    if net.is_virtual:
        pytest.skip("has one host, and no system to spell its name")


@pytest.mark.parametrize("spelling", ["::1", "0::1", "0:0:0:0:0:0:0:1", "0::0001"])
async def test_addresses_have_the_spelling_of_the_system(net: Net, spelling: str) -> None:
    real_only(net)
    near, far = await both_ends(net, spelling, bind=spelling)
    for end in (near, far):
        assert {end["sockname"][0], end["peername"][0]} == {LOOPBACK}


@pytest.mark.parametrize("host", [HOST, LOOPBACK, "::ffff:127.0.0.1", "::FFFF:7f00:1"])
async def test_peers_of_both_families_on_one_socket(net: Net, host: str) -> None:
    """Mapped addresses at the server (RFC 4291 §2.5.5.2), and at a client that asks for one."""
    real_only(net)
    kind = socket.SOCK_STREAM if net.is_tcp else socket.SOCK_DGRAM
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", 0))
    sock.setblocking(False)
    near, far = await both_ends(net, host, sock=sock)
    mapped = LOOPBACK if host == LOOPBACK else "::ffff:127.0.0.1"
    assert far["sockname"][0] == far["peername"][0] == mapped
    assert far["sockname"][2:] == far["peername"][2:] == (0, 0)
    own = mapped if ":" in host else host
    assert near["sockname"][0] == near["peername"][0] == own


@pytest.mark.skipif(link_local() is None, reason="no link-local address")
@pytest.mark.parametrize("wildcard", [False, True])
async def test_link_local_addresses_have_their_zone(net: Net, wildcard: bool) -> None:
    """RFC 4007: on both ends of both addresses, also where the socket is bound to none."""
    real_only(net)
    found = link_local()
    assert found is not None
    host, zone, name = found
    host_and_zone = f"{host}%{name}"
    near, far = await both_ends(net, host_and_zone, bind="::" if wildcard else host_and_zone)
    for end in (near, far):
        for address in end.values():
            assert (address[0], *address[2:]) == (host, 0, zone)


async def test_zone_that_is_not_there(net: Net) -> None:
    real_only(net)
    for host in ("fe80::1%nowhere", "127.0.0.1%lo", "fe80::1%"):
        with pytest.raises(socket.gaierror):
            await net.open_connection(host, 7)


@pytest.mark.skipif(link_local() is None, reason="no link-local address")
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_link_towards_a_link_local_address() -> None:
    """Which link that is only the zone tells."""
    found = link_local()
    assert found is not None
    host, zone, _ = found
    assert link_payload((host, 9, 0, zone))
    assert link_payload((host, 9, 0, 0)) is None
