"""The network interface disappears and comes back, under a connection that is in use.

Two network namespaces, so it needs root.  Linux says ENETUNREACH when the route is gone, and EINVAL
when the source address is.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.link import DEVICE, Host, attach, ip, missing
from bench.veth import VethPair

ROOT = Path(__file__).resolve().parents[2]
PORT = 7000
AWAY = 1.0
"""Seconds for which there is no interface: longer than it takes to send again a few times."""

pytestmark = pytest.mark.interop


@pytest.fixture
def pair() -> Iterator[VethPair]:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with VethPair() as made:
        yield made


def program(host: Host, module: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        host.command(sys.executable, "-m", f"tests.faults.{module}", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def answers(courier: "subprocess.Popen[str]") -> tuple[int, int]:
    """Return the next line of the courier: answers from afar, and from its own loopback."""
    assert courier.stdout is not None
    line = courier.stdout.readline()
    assert line, "it has ended"
    afar, near = line.split()
    return int(afar), int(near)


@pytest.mark.parametrize("io", ["auto", "selector", "portable"])
@pytest.mark.parametrize("how", ["down", "deleted"])
def test_UDP_19_an_interface_that_goes_and_comes_back(pair: VethPair, how: str, io: str) -> None:
    """The connection waits for it, and one on loopback does not notice."""
    inside = ("-n", pair.a.namespace)
    with (
        program(pair.b, "peer", pair.b.address, str(PORT), io) as peer,
        program(pair.a, "courier", pair.b.address, str(PORT), io) as courier,
    ):
        try:
            assert peer.stdout is not None
            assert int(peer.stdout.readline()) == PORT
            while answers(courier)[0] < 5:
                pass
            if how == "down":
                ip(*inside, "link", "set", DEVICE, "down")
            else:
                ip(*inside, "link", "delete", DEVICE)
            until = time.monotonic() + AWAY
            afar, near = first = answers(courier)
            while time.monotonic() < until:
                afar, near = answers(courier)
                if time.monotonic() < until - AWAY / 2:
                    first = afar, near  # lines from before, and what was on its way
            assert near > first[1], "loopback is still there"
            assert afar == first[0], "nothing comes from afar"
            if how == "down":
                ip(*inside, "link", "set", DEVICE, "up")
            else:
                peer_end = ("peer", "name", DEVICE, "netns", pair.b.namespace)
                ip(*inside, "link", "add", DEVICE, "type", "veth", *peer_end)
                for host in (pair.a, pair.b):
                    attach(host)
            while answers(courier)[0] < afar + 5:
                pass
            courier.communicate(timeout=60)
            assert courier.returncode == 0
            peer.communicate(timeout=60)
            assert peer.returncode == 0
        finally:
            courier.kill()
            peer.kill()
