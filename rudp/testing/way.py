"""What a fault script does to the datagrams of a simulated network, and what chance did.

It stands before the links.  Each datagram that holds a segment is counted for its connection and
side, so that the script can name it; what the script does not take goes over its link as ever, and
what the link then did that one without chance would not have done is written down as faults, too.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from rudp.core.segment.transmit import Address
from rudp.core.segment.wire import ACK, SYN, Run, swap_ports
from rudp.sim.link import Link, LinkOptions
from rudp.sim.paths import Arrival, Fate, Paths
from rudp.testing.script import Fault, FaultScript, FaultScriptError
from rudp.trace import segment
from rudp.trace.kinds import SIDES, kinds_of

HAPPENED_MAX: Final = 10_000
"""Faults that are written down; of the others it is known that there were some."""

_CALM: Final[LinkOptions] = {
    "jitter": 0.0, "loss": 0.0, "burst_enter": 0.0, "corrupt": 0.0, "duplicate": 0.0,
    "reorder": 0.0, "drop": None,
}  # fmt: skip
"""The options of a link that leaves nothing to chance."""

_TICK: Final = 1e-9
"""Seconds: less is what floats make of a sum."""

_NAT_PORTS: Final = 40_000
"""Ports that a NAT gives out begin here; those of endpoints that ask for any lie higher."""

_Key = tuple[Address, Address, int]  # from, to, and the ports as the sender writes them


class _Conversation:
    """A connection as the path sees it: its ends, and how many segments of a kind each sent."""

    __slots__ = ("ends", "isn", "number", "sent")

    def __init__(self, number: int, client: Address, server: Address) -> None:
        self.number = number
        self.ends = {"c": client, "s": server}
        self.isn: dict[str, int] = {}
        self.sent: Counter[tuple[str, str]] = Counter()


def calm(options: LinkOptions) -> LinkOptions:
    """Return *options* without those that are chance."""
    return {**options, **_CALM}


class FaultyWay:
    """The way of all datagrams of *network*, with the faults of *script*."""

    def __init__(self, network: Paths, script: FaultScript) -> None:
        self.script = script
        self.happened: list[Fault] = []
        #: Datagrams that met something no script can name.
        self.untold = 0
        self._network = network
        self._conversations: dict[_Key, tuple[_Conversation, str]] = {}
        self._opened: list[_Conversation] = []
        self._came: set[Fault] = set()
        self._named: dict[tuple[int, str, str, int], list[Fault]] = {}
        self._timed: list[Fault] = []
        self._down: dict[frozenset[str], float] = {}
        # Behind a NAT: the address that others see, and whose it is or was.
        self._outside: dict[Address, Address] = {}
        self._inside: dict[Address, Address] = {}
        self._forgotten: set[Address] = set()
        self._twins: dict[tuple[str, str], tuple[Link, LinkOptions]] = {}
        self.follow(script)

    def follow(self, script: FaultScript) -> None:
        """From now on the faults are those of *script*."""
        self.script = script
        self._came.clear()
        self._named.clear()
        self._timed = [fault for fault in script if fault.at is not None]
        for fault in script:
            if fault.at is None:
                key = fault.connection, fault.side, fault.kind, fault.nth
                self._named.setdefault(key, []).append(fault)

    def __call__(
        self, data: bytes, source: Address, destination: Address, ecn: int
    ) -> list[Arrival] | None:
        """Carry a datagram: what :data:`rudp.sim.paths.Way` says."""
        now = self._network.clock.now
        run = segment.parse(data)
        lost = destination in self._forgotten
        to = self._inside.get(destination, destination)
        inner = self._network.whose(to)
        if run is None:
            return self._carried(data, source, to, ecn, lambda found: [] if lost else found)
        conversation, side = self._conversation(source, inner, run)
        names = [(kind, self._counted(conversation, side, kind)) for kind in kinds_of(run)]
        late = 0.0
        again: list[float] = []
        for fault in self._due(conversation, side, names, now):
            self._note(fault)
            if fault.action == "lost":
                lost = True
            elif fault.action == "late":
                late += fault.amount
            elif fault.action == "twice":
                again.append(fault.amount)
            elif fault.action == "cut":
                data = data[: int(fault.amount)]
            elif fault.action == "rebind":
                self._rebind(conversation.ends[fault.side])
                lost = lost or destination in self._forgotten
            else:
                hosts = frozenset((source[0], inner[0]))
                end = (now if fault.at is None else fault.at) + fault.amount
                self._down[hosts] = max(self._down.get(hosts, 0.0), end)
        if self._down:
            lost = lost or now < self._down.get(frozenset((source[0], inner[0])), 0.0)
        expected = self._without_chance(source[0], to[0], data, ecn)
        kind, nth = names[1]
        where = Fault(side, kind, nth, "lost", connection=conversation.number)

        def fate(arrivals: list[Arrival]) -> list[Arrival]:
            if lost:
                return []
            if expected:
                self._compare(where, arrivals, expected)
            arrivals = [(when + late, *rest) for when, *rest in arrivals]  # type: ignore[misc]
            if arrivals:
                when, *rest = arrivals[0]
                arrivals += [(when + later, *rest) for later in again]  # type: ignore[misc]
            return arrivals

        # What is lost on the way has used the rate of the link, as with chance.
        return self._carried(data, source, to, ecn, fate)

    def check(self) -> None:
        """Raise :class:`FaultScriptError` if a fault never came, unless the script is lenient."""
        missing = [] if self.script.lenient else list(self.missing())
        if missing:
            raise FaultScriptError(f"of the fault script never came: {'; '.join(missing)}")

    def missing(self) -> Iterator[str]:
        """Yield the faults that never came, each with what came instead."""
        for fault in self.script:
            if fault in self._came:
                continue
            opened = len(self._opened)
            if fault.connection > opened:
                why = f"only {opened} {'was' if opened == 1 else 'were'} opened"
            elif fault.at is not None:
                why = "nothing was sent on that connection from then on"
            else:
                sent = self._opened[fault.connection - 1].sent[fault.side, fault.kind]
                what = "segments" if fault.kind == "any" else f"segments of the kind {fault.kind}"
                why = f"the {SIDES[fault.side]} of connection {fault.connection} sent {sent} {what}"
            yield f"{fault} ({why})"

    # -- inside ----------------------------------------------------------------------------------

    def _conversation(self, source: Address, to: Address, run: Run) -> tuple[_Conversation, str]:
        """Return the connection that *run* belongs to, and the side that sends it."""
        key = source, to, run.ports
        known = self._conversations.get(key)
        opens = run.flags & (SYN | ACK) == SYN
        if known is not None:
            conversation, side = known
            if not opens or conversation.isn.setdefault(side, run.seq) == run.seq:
                return known  # else it is another one, between the same ports
        conversation = _Conversation(len(self._opened) + 1, source, to)
        if opens:
            conversation.isn["c"] = run.seq
        self._opened.append(conversation)
        self._conversations[key] = conversation, "c"
        self._conversations[to, source, swap_ports(run.ports)] = conversation, "s"
        return conversation, "c"

    def _counted(self, conversation: _Conversation, side: str, kind: str) -> int:
        conversation.sent[side, kind] += 1
        return conversation.sent[side, kind]

    def _due(
        self,
        conversation: _Conversation,
        side: str,
        names: Iterable[tuple[str, int]],
        now: float,
    ) -> Iterator[Fault]:
        """Yield the faults that this segment meets."""
        if not self.script.faults:
            return
        number = conversation.number
        for kind, nth in names:
            yield from self._named.get((number, side, kind, nth), ())
        for fault in self._timed:
            assert fault.at is not None
            if fault.connection == number and fault.at <= now and fault not in self._came:
                yield fault

    def _rebind(self, inner: Address) -> None:
        """The NAT forgets the mapping of *inner*, and makes another one."""
        nat = self._network.nat_of(inner[0])
        if nat is not None:
            nat.forget(inner)
            return
        old = self._outside.get(inner, inner)
        self._forgotten.add(old)
        self._inside[old] = inner
        new = (inner[0], _NAT_PORTS + len(self._forgotten), *inner[2:])
        self._outside[inner] = new
        self._inside[new] = inner

    def _carried(
        self, data: bytes, source: Address, to: Address, ecn: int, fate: Fate
    ) -> list[Arrival] | None:
        seen = self._outside.get(source, source)
        return self._network.over_link(data, seen, to, ecn, fate)

    def _note(self, fault: Fault) -> None:
        self._came.add(fault)
        self._write_down(fault)

    def _write_down(self, fault: Fault) -> None:
        if len(self.happened) < HAPPENED_MAX:
            self.happened.append(fault)
        else:
            self.untold += 1

    def _without_chance(
        self, source: str, to: str, data: bytes, ecn: int
    ) -> list[tuple[float, bytes, int]]:
        """Return what would arrive if the link left nothing to chance.

        Nothing if its queue is a managed one: that decides by itself, and not by chance.
        """
        source, to = self._network.joined(source, to)
        link = self._network.link(source, to)
        if link.holds:
            return []
        options = link.options
        twin, known = self._twins.get((source, to), (None, None))
        if twin is None:
            twin = Link(**calm(options))
        elif known != options:
            twin.configure(**calm(options))
        self._twins[source, to] = twin, options
        return twin.convey(data, ecn, self._network.clock.now)

    def _compare(
        self, where: Fault, arrivals: list[Arrival], expected: list[tuple[float, bytes, int]]
    ) -> None:
        """Write down what the link did by chance to the segment that *where* names."""
        if not arrivals:
            self._write_down(where)
            return
        if arrivals[0][1] != expected[0][1]:
            self.untold += 1  # a bit was flipped
        times = sorted(when for when, *_ in arrivals)
        late = round(times[0] - expected[0][0], 9)
        if late >= _TICK:
            self._write_down(dataclasses.replace(where, action="late", amount=late))
        for when in times[1:]:
            again = dataclasses.replace(where, action="twice", amount=round(when - times[0], 9))
            self._write_down(again)
