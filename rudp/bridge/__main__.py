"""``python -m rudp.bridge``: run a bridge until SIGINT or SIGTERM."""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from rudp.bridge.bridge import Bridge
from rudp.bridge.translate import AddressPlan
from rudp.bridge.tun import open_tun

EPILOG = """\
The interface appears down and without an address.  To give the kernel's TCP a network namespace of
its own, behind the defaults:

  ip netns add kernel
  ip link set rudp0 netns kernel
  ip -n kernel address add 10.76.0.1 dev rudp0
  ip -n kernel link set rudp0 up
  ip -n kernel route add 10.77.0.0/16 dev rudp0

Then a connection from there to 10.77.18.52 port 80 goes to UDP port 18 * 256 + 52 = 4660 of the
peer host, as inner port 80; and segments sent to the UDP address of the bridge arrive at the TCP
port of the kernel that is their inner port.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m rudp.bridge",
        description="Let the Linux kernel's TCP talk to rudp: a TUN device joined to a UDP socket.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", default="rudp0", help="interface to make (default: %(default)s)")
    parser.add_argument(
        "--address",
        type=IPv4Address,
        default="10.76.0.1",
        help="address that the kernel's TCP will have (default: %(default)s)",
    )
    parser.add_argument(
        "--prefix",
        type=IPv4Network,
        default="10.77.0.0/16",
        help="network whose hosts stand for the peer's UDP ports (default: %(default)s)",
    )
    parser.add_argument(
        "--listen",
        type=_host_and_port,
        default="127.0.0.1:9899",
        metavar="HOST:PORT",
        help="UDP address of the bridge; port 0 picks one (default: %(default)s)",
    )
    parser.add_argument(
        "--peer-host",
        type=IPv4Address,
        default="127.0.0.1",
        metavar="HOST",
        help="IPv4 address of the UDP peers (default: %(default)s)",
    )
    parser.add_argument(
        "--path-mtu",
        type=int,
        default=1500,
        metavar="OCTETS",
        help="MTU of the way to them; the interface gets 8 less (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        plan = AddressPlan(options.address, options.prefix)
        tun = open_tun(options.name, options.path_mtu)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    with (
        os.fdopen(tun, "rb", buffering=0),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
    ):
        try:
            sock.bind(options.listen)
            bridge = Bridge(tun, sock, plan, str(options.peer_host))
            host, port = sock.getsockname()
            sys.stdout.write(f"{options.name}: {plan.kernel} {plan.virtual} {host}:{port}\n")
            sys.stdout.flush()
            asyncio.run(_until_signal(bridge))
        except OSError as error:
            parser.exit(1, f"{parser.prog}: {error}\n")
    for reason, count in bridge.counters.most_common():
        sys.stderr.write(f"{options.name}: dropped {count}: {reason.value}\n")
    return 0


async def _until_signal(bridge: Bridge) -> None:
    loop = asyncio.get_running_loop()
    running = loop.create_task(bridge.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not 0 <= int(port) <= 0xFFFF:
        raise ValueError(text)
    return str(IPv4Address(host)), int(port)


if __name__ == "__main__":
    sys.exit(main())
