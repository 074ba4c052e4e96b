"""Opens to what is unreachable, over real sockets: by ICMP from afar, by our routes and firewall.

Two network namespaces, so it needs root, and nft.  The kernel's TCP meets the same, and what
becomes of its opens is what should become of ours.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.link import Host, ip, missing
from bench.veth import VethPair

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.interop

KINDS = (
    "net-unreachable",
    "host-unreachable",
    "prot-unreachable",
    "port-unreachable",
    "net-prohibited",
    "host-prohibited",
    "admin-prohibited",
)
ERRORS = (
    "ENETUNREACH",
    "EHOSTUNREACH",
    "ENOPROTOOPT",
    "ECONNREFUSED",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "EHOSTUNREACH",
)


@pytest.fixture(scope="module")
def pair() -> Iterator[VethPair]:
    reason = missing() or (None if shutil.which("nft") else "needs nft")
    if reason is not None:
        pytest.skip(reason)
    with VethPair() as made:
        for host in (made.a, made.b):
            subprocess.run(host.command("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0"), check=True)
            nft(host, "add table inet t")
        nft(made.b, "add chain inet t in { type filter hook input priority 0 ; }")
        nft(made.a, "add chain inet t out { type filter hook output priority 0 ; }")
        yield made


def nft(host: Host, rule: str) -> None:
    subprocess.run(host.command("nft", rule), check=True)


def outcomes(host: Host, to: str, *ports: int) -> list[list[str]]:
    """Return what came of an open with TCP and of one with rudp, for each port."""
    command = host.command(sys.executable, "-m", "tests.faults.opener", to, *map(str, ports))
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=120, check=True
    )
    return [line.split() for line in done.stdout.splitlines()]


def test_ICMP_3_ICMP_4_what_a_firewall_answers(pair: VethPair) -> None:
    ports = range(7001, 7001 + len(KINDS))
    for kind, port in zip(KINDS, ports, strict=True):
        for proto in ("udp", "tcp"):
            nft(pair.b, f"add rule inet t in {proto} dport {port} reject with icmp type {kind}")
    assert outcomes(pair.a, pair.b.address, *ports) == [[error, error] for error in ERRORS]


@pytest.mark.parametrize(
    ("kind", "error"),
    [("unreachable", "EHOSTUNREACH"), ("prohibit", "EACCES"), ("blackhole", "EINVAL")],
)
def test_UDP_19_what_our_own_routes_say(pair: VethPair, kind: str, error: str) -> None:
    ip("-n", pair.a.namespace, "route", "add", kind, "10.99.0.0/16")
    try:
        assert outcomes(pair.a, "10.99.0.1", 7000) == [[error, error]]
    finally:
        ip("-n", pair.a.namespace, "route", "delete", kind, "10.99.0.0/16")


def test_UDP_19_what_our_own_firewall_does(pair: VethPair) -> None:
    """It drops, which is EPERM to UDP, and TCP sends again; or it answers."""
    for proto in ("udp", "tcp"):
        nft(pair.a, f"add rule inet t out {proto} dport 9000 drop")
        nft(pair.a, f"add rule inet t out {proto} dport 9001 reject with icmp type host-prohibited")
    found = outcomes(pair.a, pair.b.address, 9000, 9001)
    assert found == [["timeout", "timeout"], ["EHOSTUNREACH", "EHOSTUNREACH"]]
