"""A link as bad as you like between two network namespaces: ``python -m bench.link``.

Each namespace has a TUN device with an MTU of 1500 octets; a relay in user space carries the
packets from one to the other and does to them what :class:`~rudp.sim.link.Link` says: delay, rate,
a finite queue, loss single and in bursts, reordering, duplication.  Both the kernel's TCP and rudp
can be sent over it, which is what it is for.  Linux and root.

The process that runs the relay also makes the namespaces, and takes them away when it ends, by
whatever means: a signal, an exception, or the death of the program that uses it, which it notices
by the end of its standard input.
"""

import argparse
import contextlib
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any, Final, NamedTuple, Self, cast

from bench import cpus, units
from bench.child import Child, RefusedError, answer
from bench.relay import Direction, Relay
from rudp.bridge import open_tun
from rudp.sim.link import Link, LinkOptions

MTU: Final = 1500
ADDRESSES: Final = ("10.78.0.1", "10.78.0.2")
DEVICE: Final = "wire0"

DEVICE_QUEUE: Final = 20_000
"""Packets that may wait in a device for the relay: more than any window measured here."""

BUFFER: Final = 64 << 20
"""Octets to which the kernel's TCP may let its buffers grow: 25 BDPs at 100 Mbit/s and 200 ms."""

SETTINGS: Final = {
    "net.ipv4.tcp_rmem": f"4096 131072 {BUFFER}",
    "net.ipv4.tcp_wmem": f"4096 {BUFFER >> 4} {BUFFER}",
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
}
"""No buffer of the kernel limits a flow, and none begins with what another has learned.  That for
sending is large from the beginning: otherwise it holds two windows, and where those are small the
network would wait for the sending program to be scheduled."""


class Host(NamedTuple):
    """One end: the name of its namespace and its IPv4 address."""

    namespace: str
    address: str

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs *arguments* in the namespace."""
        return ["ip", "netns", "exec", self.namespace, *arguments]


class Path:
    """Two hosts, ``a`` and ``b``, and a link each way; for a ``with`` statement.

    *forward* (a to b) and *backward* are options of :class:`~rudp.sim.link.Link`; ``overhead`` is
    0, since whole IP packets are carried.  Raises :class:`ValueError` for a value out of range
    and :class:`OSError` where no namespaces or devices can be had; see :func:`missing`.
    """

    a: Host
    b: Host

    def __init__(self, forward: LinkOptions, backward: LinkOptions, *, seed: int = 0) -> None:
        order = json.dumps({"forward": forward, "backward": backward, "seed": seed})
        link_pair(forward, backward, seed)  # raises for a value out of range
        self._relay = Child("bench.link", "--serve", order)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._relay)
            try:
                self.a, self.b = (Host(*host) for host in self._relay.ask()["hosts"])
            except RefusedError as refusal:
                raise OSError(str(refusal)) from None
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def counters(self) -> dict[str, dict[str, float]]:
        """Return what each :class:`~bench.relay.Direction` has counted, by its name."""
        found: dict[str, dict[str, float]] = self._relay.ask()["counters"]
        return found


def options(
    *, rtt: float, rate: float, queue: str = "1bdp", **bad: Any
) -> tuple[LinkOptions, LinkOptions]:
    """Return the options forward and backward of a path; *bad* is what happens to data, forward.

    *rtt*: seconds without the queue; *rate*: bit/s, each way; *queue*: as in
    :func:`bench.units.octets`.
    """
    common: LinkOptions = {
        "delay": rtt / 2,
        "rate": rate,
        "queue": units.octets(queue, rtt=rtt, rate=rate),
        "overhead": 0,
    }
    return cast(LinkOptions, common | bad), common


def link_pair(forward: LinkOptions, backward: LinkOptions, seed: int | str) -> tuple[Link, Link]:
    """Return both links, with chances of their own that follow from *seed*."""
    return Link(seed=f"{seed} forward", **forward), Link(seed=f"{seed} backward", **backward)


def no_namespaces() -> str | None:
    """Return why no network namespaces can be made here, or None."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    if shutil.which("ip") is None:
        return "needs ip of iproute2"
    return None


def missing() -> str | None:
    """Return why no path can be made here, or None."""
    if (reason := no_namespaces()) is not None:
        return reason
    try:
        with Path({}, {}) as path:
            subprocess.run(path.a.command("true"), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"cannot make a path between namespaces: {error}"
    return None


# -- the process of the relay ----------------------------------------------------------------------


def ip(*arguments: str) -> None:
    """Run ``ip``; OSError with its words when it refuses."""
    iproute2(["ip", *arguments])


def iproute2(words: list[str], host: Host | None = None) -> str:
    """Run a tool of iproute2, in the namespace of *host* if one is given; return its output.

    Raises :class:`OSError` with the tool's words when it refuses.
    """
    command = words if host is None else host.command(*words)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _host(stack: contextlib.ExitStack, which: int) -> tuple[Host, int]:
    """Make a namespace with its device; return it and the device's descriptor."""
    host = Host(f"wire-{os.getpid()}-{'ab'[which]}", ADDRESSES[which])
    interface = f"wire{os.getpid()}{'ab'[which]}"
    ip("netns", "add", host.namespace)
    stack.callback(ip, "netns", "delete", host.namespace)
    tun = open_tun(interface, MTU + 8)  # it keeps eight octets for a UDP header
    stack.callback(os.close, tun)
    ip("link", "set", interface, "netns", host.namespace, "name", DEVICE)
    settle(host)
    return host, tun


def attach(host: Host) -> None:
    """Give the device in the namespace of *host* its address, and switch it on."""
    inside = ("-n", host.namespace)
    ip(*inside, "link", "set", "lo", "up")
    ip(*inside, "address", "add", f"{host.address}/24", "dev", DEVICE)
    ip(*inside, "link", "set", DEVICE, "up")


def settle(host: Host) -> None:
    """Attach *host*, with a long queue in front of its device and the kernel's settings."""
    ip("-n", host.namespace, "link", "set", DEVICE, "txqueuelen", str(DEVICE_QUEUE))
    attach(host)
    for name, value in SETTINGS.items():
        file = "/proc/sys/" + name.replace(".", "/")
        # The shell takes both as arguments, so neither needs quoting.
        subprocess.run(
            host.command("sh", "-c", '[ ! -e "$1" ] || echo "$2" > "$1"', "sh", file, value),
            check=True,
        )


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let what is inside come to its end whatever signals arrive."""
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


def _run(forward: LinkOptions, backward: LinkOptions, seed: int, *, serve: bool) -> None:
    """Make the path, tell of it, carry packets until told to end, and take it away."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    links = link_pair(forward, backward, seed)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        hosts, tuns = zip(*(_host(stack, which) for which in range(2)), strict=True)
        stack.enter_context(_undisturbed())
        directions = {
            "forward": Direction(tuns[0], tuns[1], links[0]),
            "backward": Direction(tuns[1], tuns[0], links[1]),
        }
        relay = Relay(directions["forward"], directions["backward"])
        cpus.pin(cpus.sides()[0])
        cpus.prefer()
        gc.disable()  # nothing here goes in circles, and a pause would be a delay
        if not serve:
            for host in hosts:
                print(f"{host.address}: {' '.join(host.command('...'))}")
            print("Ctrl-C ends it", flush=True)
            while True:
                relay.run([])
        # Unbuffered, so that what select() says of it is all there is.
        orders = os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
        while True:
            relay.run([orders])
            if not orders.readline():
                break
            counters = {name: one.counters() for name, one in directions.items()}
            answer({"hosts": hosts, "counters": counters})


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench.link",
        description="Two network namespaces joined by a link with delay, rate, a finite queue, "
        "loss, reordering and duplication, until Ctrl-C.  Needs Linux and root.",
        epilog="Example: python -m bench.link --rtt 100 --rate 20M --loss 1%",
    )
    made.add_argument("--rtt", type=units.milliseconds, default=0.02, help="ms (20)")
    made.add_argument("--rate", type=units.rate, default=100e6, help="bit/s, each way (100M)")
    made.add_argument(
        "--queue",
        type=units.buffer,
        default="1bdp",
        help="drop-tail queue, each way: 1bdp (the default; at least 30 packets), 64k, 50p",
    )
    made.add_argument("--loss", type=units.percent, default=0.0, help="%% of packets, a to b")
    made.add_argument(
        "--burst",
        type=units.percent,
        nargs=2,
        metavar=("ENTER", "EXIT"),
        help="%% per packet to turn bad, where all is lost, and good again (Gilbert-Elliott)",
    )
    made.add_argument("--late", type=units.percent, default=0.0, help="%% of packets held back")
    made.add_argument("--late-by", type=units.milliseconds, default=0.01, help="for ms (10)")
    made.add_argument("--duplicate", type=units.percent, default=0.0, help="%% of packets")
    made.add_argument(
        "--back",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of rudp.sim.link.Link for the way from b to a, such as loss=0.01",
    )
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--serve", help=argparse.SUPPRESS)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    made = parser()
    given = made.parse_args(arguments)
    if given.serve is not None:
        try:
            _run(**json.loads(given.serve), serve=True)
        except (OSError, subprocess.CalledProcessError) as error:
            answer({"error": str(error)})
        return
    bad: dict[str, Any] = {
        "loss": given.loss,
        "reorder": given.late,
        "reorder_delay": given.late_by,
        "duplicate": given.duplicate,
    }
    if given.burst is not None:
        bad["burst_enter"], bad["burst_exit"] = given.burst
    forward, backward = options(rtt=given.rtt, rate=given.rate, queue=given.queue, **bad)
    try:
        for text in given.back:
            backward |= _named(text)
        link_pair(forward, backward, given.seed)
        _run(forward, backward, given.seed, serve=False)
    except (ValueError, TypeError) as error:
        made.error(str(error))
    except OSError as error:
        made.exit(1, f"{made.prog}: {error}\n")


def _named(text: str) -> LinkOptions:
    found = re.fullmatch(r"(\w+)=(.+)", text)
    if found is None:
        raise ValueError(f"{text!r} is not NAME=VALUE")
    return cast(LinkOptions, {found[1]: json.loads(found[2].lower())})


if __name__ == "__main__":
    main()
