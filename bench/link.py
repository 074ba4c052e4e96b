"""A path between two network namespaces, as slow and lossy as asked for.

Linux has such a thing, ``tc netem``, where the kernel was built with it.  This one needs only TUN
devices: a process of its own reads IP packets at one end, asks a :class:`rudp.sim.Link` when they
arrive, and writes them at the other end then.  The kernel's TCP and rudp travel over the very same
link, so they can be compared; how exact it is, the kernel's figures show.

``python -m bench.link --delay 10 --rate 100 --loss 1`` makes a path to try things on by hand.
"""

import argparse
import contextlib
import heapq
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, Self

from rudp.bridge import open_tun
from rudp.sim import Link

MTU: Final = 1500
ADDRESSES: Final = ("10.78.0.1", "10.78.0.2")
"""Of the two ends: what a client binds to, and where it finds its server."""

QUEUE_MIN: Final = 30 * MTU
"""Octets: a queue of one bandwidth-delay product is at least this long."""

BATCH: Final = 32
"""Packets read from one end before it is the other's turn, and before what is due is sent on."""

SPIN: Final = 0.00015
"""Seconds before an arrival that are waited for actively: sleeping is no more exact than that."""

_TCP_BUFFERS: Final = "4096 262144 33554432"


def missing() -> str | None:
    """Return why there can be no such path here, or None."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root, for network namespaces and TUN devices"
    if shutil.which("ip") is None:
        return "needs ip of iproute2"
    try:
        os.close(open_tun(f"rudp{os.getpid() % 100_000}"))
    except OSError as error:
        return f"cannot make a TUN device: {error}"
    return None


def one_bdp(rate: float, rtt: float) -> int:
    """Return the octets of one bandwidth-delay product, or a queue's least length if that is more.

    *rate* in bits a second, *rtt* in seconds.
    """
    return max(round(rate * rtt / 8), QUEUE_MIN)


class Path:
    """Two namespaces and the relay between them; a context manager.

    *forward*: the options of the link from the first end to the second (see
    :class:`rudp.sim.link.LinkOptions`), *back*: of the other direction.  ``names``: of the
    namespaces.
    """

    def __init__(
        self, forward: dict[str, Any], back: dict[str, Any], *, seed: int | str = 0
    ) -> None:
        self.names = (f"rudp-{os.getpid()}-a", f"rudp-{os.getpid()}-b")
        self._settings = json.dumps({"links": [forward, back], "seed": seed, "names": self.names})
        self._relay: subprocess.Popen[str] | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            for name in self.names:
                _ip("netns", "add", name)
                self._stack.callback(_ip, "netns", "delete", name, check=False)
            self._relay = subprocess.Popen(
                [sys.executable, "-m", "bench.link", "--relay", self._settings],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self._stack.callback(self._stop)
            self.counters()  # it answers once the devices are there
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _stop(self) -> None:
        assert self._relay is not None
        assert self._relay.stdin is not None
        assert self._relay.stdout is not None
        self._relay.stdin.close()
        try:
            self._relay.wait(5)
        except subprocess.TimeoutExpired:
            self._relay.kill()
            self._relay.wait()
        self._relay.stdout.close()

    def counters(self) -> list[dict[str, int]]:
        """Return what the two links have counted so far, forward and back."""
        assert self._relay is not None
        assert self._relay.stdin is not None
        assert self._relay.stdout is not None
        self._relay.stdin.write("counters\n")
        self._relay.stdin.flush()
        line = self._relay.stdout.readline()
        if not line:
            raise RuntimeError("the relay has ended")
        answer: list[dict[str, int]] = json.loads(line)
        return answer

    def command(self, end: int, arguments: Sequence[str]) -> list[str]:
        """Return *arguments* as a command that runs at *end*, 0 or 1."""
        return ["ip", "netns", "exec", self.names[end], *arguments]


def _ip(*arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments], check=check, capture_output=not check)


# -- the relay -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _devices(names: Sequence[str]) -> Iterator[list[int]]:
    """Make a TUN device in each namespace; yield their descriptors."""
    with contextlib.ExitStack() as stack:
        tuns = []
        for end, name in enumerate(names):
            device = f"rudp{end}-{os.getpid() % 100_000}"
            tun = open_tun(device, MTU + 8)
            stack.callback(os.close, tun)
            tuns.append(tun)
            _ip("link", "set", device, "netns", name)
            inside = ("-n", name)
            _ip(*inside, "link", "set", "lo", "up")
            _ip(
                *inside, "address", "add", ADDRESSES[end], "peer", ADDRESSES[1 - end], "dev", device
            )
            _ip(*inside, "link", "set", device, "up", "txqueuelen", "10000")
            for key, value in (
                ("tcp_rmem", _TCP_BUFFERS),
                ("tcp_wmem", _TCP_BUFFERS),
                ("tcp_no_metrics_save", "1"),
            ):
                subprocess.run(
                    [
                        "ip",
                        "netns",
                        "exec",
                        name,
                        "sh",
                        "-c",
                        f"echo {value} > /proc/sys/net/ipv4/{key}",
                    ],
                    check=True,
                )
        yield tuns


def relay(settings: dict[str, Any]) -> None:
    """Carry packets between the two namespaces until standard input ends."""
    links = [
        Link(seed=f"{settings['seed']} {n}", **{"overhead": 0} | options)
        for n, options in enumerate(settings["links"])
    ]
    with _devices(settings["names"]) as tuns:
        _carry(tuns, links)


def _carry(tuns: list[int], links: list[Link]) -> None:
    read, write, clock = os.read, os.write, time.monotonic
    arrivals: list[tuple[float, int, int, bytes]] = []
    push, pop = heapq.heappush, heapq.heappop
    count = 0
    watched = [0, *tuns]
    while True:
        now = clock()
        while arrivals and arrivals[0][0] <= now:
            _, _, tun, packet = pop(arrivals)
            with contextlib.suppress(OSError):  # the device is full or gone: lost, as on any wire
                write(tun, packet)
        wait = arrivals[0][0] - clock() if arrivals else 1.0
        ready, _, _ = select.select(watched, [], [], max(wait - SPIN, 0.0))
        for end in (0, 1):
            if tuns[end] not in ready:
                continue
            carry, other = links[end].carry, tuns[1 - end]
            for _ in range(BATCH):
                try:
                    packet = read(tuns[end], 65_535)
                except BlockingIOError:
                    break
                for when, copy in carry(packet, clock()):
                    count += 1
                    push(arrivals, (when, count, other, copy))
        if 0 in ready:
            if not sys.stdin.readline():
                return
            names = ("sent", "lost", "dropped", "corrupted", "duplicated", "reordered")
            print(json.dumps([{n: getattr(link, n) for n in names} for link in links]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.link", description=__doc__)
    parser.add_argument("--relay", metavar="JSON", help=argparse.SUPPRESS)
    parser.add_argument("--delay", type=float, default=10, help="ms each way (10)")
    parser.add_argument("--rate", type=float, default=100, help="Mbit/s (100)")
    parser.add_argument("--loss", type=float, default=0, help="percent, from the first end (0)")
    parser.add_argument("--queue", type=int, help="octets (one bandwidth-delay product)")
    parser.add_argument("--reorder", type=float, default=0, help="percent late by 10 ms (0)")
    parser.add_argument("--seed", default="0")
    options = parser.parse_args()
    if options.relay is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when whoever started it does
        relay(json.loads(options.relay))
        return
    reason = missing()
    if reason is not None:
        parser.exit(1, f"python -m bench.link: {reason}\n")
    rate, delay = options.rate * 1e6, options.delay / 1000
    link = {"delay": delay, "rate": rate, "queue": options.queue or one_bdp(rate, 2 * delay)}
    spoiled = {"loss": options.loss / 100, "reorder": options.reorder / 100}
    with (
        Path(link | spoiled, link, seed=options.seed) as path,
        contextlib.suppress(KeyboardInterrupt),
    ):
        for end in (0, 1):
            print(f"ip netns exec {path.names[end]} sh    # {ADDRESSES[end]}")
        print("Ctrl-C ends it", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
