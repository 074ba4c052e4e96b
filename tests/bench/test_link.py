"""The link between two namespaces: what it does to packets, and that it leaves nothing behind."""

import os
import socket
import subprocess
import sys

import pytest

from bench.link import Path, link_pair, options
from bench.relay import Direction, Relay, payload_octets
from rudp.sim.link import Link
from tests.bench.kit import ROOT, need_paths, run


def packet(protocol: int, header: bytes, data: bytes) -> bytes:
    """Return an IPv4 packet; its checksum does not matter here."""
    length = 20 + len(header) + len(data)
    return (
        bytes([0x45, 0, length >> 8, length & 255, 0, 0, 0, 0, 64, protocol])
        + bytes(10)
        + header
        + data
    )


TCP = bytes(12) + bytes([8 << 4]) + bytes(19)  # with twelve octets of options


def test_payload_is_what_tcp_carries_bare_or_in_udp() -> None:
    assert payload_octets(packet(6, TCP, b"hello")) == 5
    assert payload_octets(packet(17, bytes(8) + TCP, b"hello")) == 5
    assert payload_octets(packet(6, TCP, b"")) == 0


@pytest.mark.parametrize(
    "other",
    [b"", bytes(20), b"\x60" + bytes(60), packet(1, bytes(8), bytes(56)), packet(6, TCP[:12], b"")],
)
def test_other_packets_carry_nothing(other: bytes) -> None:
    assert payload_octets(other) == 0


def test_relay_carries_in_order_and_counts() -> None:
    ends = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    (near, a), (far, b) = ends
    for device in (a, b):
        device.setblocking(False)
    first: list[bool] = []
    lossy = Link(drop=lambda data, now: not first and not first.append(True))  # type: ignore[func-returns-value]
    forward = Direction(a.fileno(), b.fileno(), lossy)
    relay = Relay(forward, Direction(b.fileno(), a.fileno(), Link()))
    try:
        for data in (b"lost", b"one", b"two"):
            near.send(packet(6, TCP, data))
        relay.run([far])
        assert far.recv(2000)[-3:] == b"one"
        relay.run([far])
        assert far.recv(2000)[-3:] == b"two"
        counted = forward.counters()
        assert (counted["sent"], counted["lost"], counted["delivered"]) == (3, 1, 2)
        assert counted["lost_octets"] == len(b"lost")
        assert counted["latest"] <= counted["late"]
    finally:
        for pair in ends:
            for end in pair:
                end.close()


def test_links_have_chances_of_their_own() -> None:
    forward, backward = link_pair(*options(rtt=0.02, rate=1e8, loss=0.5), seed=1)
    assert forward.options["loss"] == 0.5
    assert backward.options["loss"] == 0.0
    assert forward.options["queue"] == backward.options["queue"] == 250_000


def test_wrong_option_is_refused_before_anything_is_made() -> None:
    with pytest.raises(ValueError):
        Path({"loss": 2.0}, {})


@pytest.mark.parametrize("wrong", [["--loss", "200"], ["--back", "loss=2"], ["--back", "loss"]])
def test_wrong_arguments_are_explained(wrong: list[str]) -> None:
    done = run("-m", "bench.link", *wrong)
    assert done.returncode == 2
    assert "error:" in done.stderr


def namespaces() -> str:
    return subprocess.run(["ip", "netns"], check=True, capture_output=True, text=True).stdout


@pytest.mark.interop
def test_hosts_reach_each_other() -> None:
    need_paths()
    program = "import socket, sys; socket.create_connection((sys.argv[1], 9), 5)"
    with Path(*options(rtt=0.002, rate=1e8)) as path:
        done = subprocess.run(
            path.a.command(sys.executable, "-c", program, path.b.address),
            capture_output=True,
            text=True,
            check=False,
        )
        counted = path.counters()
    assert "ConnectionRefusedError" in done.stderr, "nobody listens, and the host says so"
    assert counted["forward"]["delivered"] >= 1
    assert counted["backward"]["delivered"] >= 1


@pytest.mark.interop
def test_link_is_gone_after_an_exception() -> None:
    need_paths()
    names = []

    def fail() -> None:
        with Path({}, {}) as path:
            names.extend([path.a.namespace, path.b.namespace])
            assert all(name in namespaces() for name in names)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(names) == 2
    assert not any(name in namespaces() for name in names)


@pytest.mark.interop
def test_link_is_gone_after_sigterm() -> None:
    need_paths()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.link"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as link:
        assert link.stdout is not None
        while "Ctrl-C" not in (line := link.stdout.readline()):
            assert line, "it ended by itself"
        assert f"wire-{link.pid}-a" in namespaces()
        link.terminate()
    assert link.returncode == 128 + 15
    assert f"wire-{link.pid}-" not in namespaces()


@pytest.mark.interop
def test_link_is_gone_after_its_user_was_killed() -> None:
    need_paths()
    program = (
        "import sys; from bench.link import Path\n"
        "with Path({}, {}) as path: print(path.a.namespace, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as user:
        assert user.stdout is not None
        assert user.stderr is not None
        name = user.stdout.readline().strip()
        assert name in namespaces()
        user.kill()
        user.stderr.read()  # until the relay, which has it too, is gone
    assert name not in namespaces()
