"""The same path by ``tc netem``, where the kernel has it: two namespaces, and veth devices.

The kernel's own link does without a process in the middle.  Its queue is counted in packets and
holds those under way as well, so a finite queue is as many packets as the delay needs, and those
that may wait.  It counts what it drops and not why: chance and a full queue are one figure here.
"""

import json
import math
from typing import Any, Final

from bench.link import DEVICE, MTU, Host, iproute2, settle
from bench.veth import VethPair
from rudp.sim.link import LinkOptions

UNSUPPORTED: Final = ("overhead", "ordered", "corrupt", "deliver_corrupted", "drop", "mtu", "mark")


def arguments(options: LinkOptions) -> list[str]:
    """Return the words behind ``netem`` that stand for *options*.

    Raises :class:`ValueError` for what netem cannot do: it delays either all packets or none, and
    holds back all but those that overtake, so a share of late packets is not among its tricks.
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if value}
    for name in (*UNSUPPORTED, "reorder", "duplicate", "jitter"):
        if given.get(name) and name != "overhead":
            raise ValueError(f"netem cannot do {name}={given[name]!r}")
    delay, rate = given.get("delay", 0.0), given.get("rate")
    words = ["delay", f"{delay * 1e6:.0f}us"]
    if rate is not None:
        words += ["rate", f"{rate:.0f}bit"]
        if "queue" in given:
            under_way = math.ceil(rate * delay / 8 / MTU)
            words += ["limit", str(under_way + given["queue"] // MTU)]
    if given.get("burst_enter"):
        chances = (given.get(name, 1.0) for name in ("burst_enter", "burst_exit"))
        words += ["loss", "gemodel", *(f"{chance * 100:g}%" for chance in chances)]
    elif given.get("loss"):
        words += ["loss", f"{given['loss'] * 100:g}%"]
    return words


def missing() -> str | None:
    """Return why this kernel has no netem, or None."""
    try:
        with NetemPath({}, {}):
            return None
    except OSError as error:
        return f"no tc netem here: {error}"


class NetemPath(VethPair):
    """As :class:`bench.link.Path`; *seed* is there to be alike, netem has a chance of its own."""

    def __init__(self, forward: LinkOptions, backward: LinkOptions, *, seed: int = 0) -> None:
        super().__init__()
        self._words = arguments(forward), arguments(backward)

    def prepare(self, host: Host, which: int) -> None:
        settle(host)
        words = self._words[which]
        iproute2(["tc", "qdisc", "add", "dev", DEVICE, "root", "netem", *words], host)

    def counters(self) -> dict[str, dict[str, float]]:
        """Return what each direction has counted, under the names that a relay uses."""
        found = {}
        for name, host in (("forward", self.a), ("backward", self.b)):
            shown = iproute2(["tc", "-s", "-j", "qdisc", "show", "dev", DEVICE], host)
            (qdisc,) = json.loads(shown)
            sent, lost = qdisc["packets"] + qdisc["drops"], qdisc["drops"]
            found[name] = {
                "sent": sent,
                "lost": lost,
                "dropped": 0,
                "lost_octets": lost * MTU,
                "delivered": qdisc["packets"],
                "latest": 0.0,
            }
        return found
