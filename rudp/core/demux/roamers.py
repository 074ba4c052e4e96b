"""Connections that move with their peers: whose is a segment from where nobody was?

The peer need not know that a NAT has given it another port, so most such segments say nothing.
They are found by their two TCP ports, and tried: a MAC costs microseconds, the same for a forged
one as if it had come from the peer's own address.  Where too many have the same two ports, those
are found that say a token, or come from where the connection has heard something already.
"""

from typing import Final

from rudp.core.demux.ports import LocalPorts
from rudp.core.life.connection import Connection
from rudp.core.life.tcb import Opened
from rudp.core.segment.addresses import host_of
from rudp.core.segment.options import PathWord, SignedOptions
from rudp.core.segment.transmit import Path
from rudp.core.segment.wire import SYN, Run, swap_ports

TRIES: Final = 4
"""Connections whose keys are tried on one segment, at most."""


Key = tuple[Path, int]
"""Where segments find a connection: its path, and the ports as they will read them."""


class Roamers:
    """The connections of one table that may roam, by the ports that their segments bear.

    *entries*: all connections of the table, where segments find them; *ports*: who has which.
    """

    __slots__ = ("_by_ports", "_entries", "_ports")

    def __init__(self, entries: dict[Key, Connection], ports: LocalPorts) -> None:
        self._entries = entries
        self._ports = ports
        self._by_ports: dict[int, dict[Connection, None]] = {}

    def add(self, connection: Connection) -> None:
        """*connection* has keys, and may turn out to roam."""
        self._by_ports.setdefault(swap_ports(connection.ports), {})[connection] = None

    def discard(self, connection: Connection) -> None:
        """*connection* is gone, or never was here."""
        ports = swap_ports(connection.ports)
        known = self._by_ports.get(ports)
        if known is not None:
            known.pop(connection, None)
            if not known:
                del self._by_ports[ports]

    def find(self, run: Run, path: Path, now: float) -> Connection | None:
        """Return the connection whose *run* is, and authentic; None if it is nobody's.

        *path*: where it came from, and no connection with its ports is.  If that proves that the
        peer is there, the connection is found there from now on.
        """
        known = self._by_ports.get(run.ports)
        opts = run.options
        if known is None or run.flags & SYN or not isinstance(opts, SignedOptions):
            return None
        host = host_of(path)
        found = [each for each in known if each.may_be_at(host)]
        if opts.word is PathWord.TOKEN:
            found = [each for each in found if each.is_named(opts.value)]
        elif len(found) > TRIES:
            found.sort(key=lambda each: not each.hears_at(path))
        for connection in found[:TRIES]:
            if connection.distrusts(run, now) is None:
                before = connection.path
                if connection.hear_from(run, path, now):
                    self._rekey(connection, before, now)
                return connection
        return None

    @property
    def all_roam(self) -> bool:
        """Whether there are connections, and all that are open would like to roam."""
        return bool(self._by_ports) and all(
            each.roams for each in self._entries.values() if each.is_open
        )

    def rebind(self, local_host: str, now: float) -> list[Connection]:
        """See :meth:`ConnectionTable.rebind`; return the connections."""
        connections = list(self._entries.values())
        for connection in connections:
            before = connection.path
            connection.rebind(local_host, now)
            self._rekey(connection, before, now)
        return connections

    def _rekey(self, connection: Connection, before: Path, now: float) -> None:
        """The path of *connection* is another than *before*."""
        ports = connection.ports
        self._entries.pop((before, swap_ports(ports)), None)
        self._entries[key_of(connection)] = connection
        if connection.opened is Opened.ACTIVE:
            self._ports.freed(before, ports)
            self._ports.taken(connection.path, ports, now)


def key_of(connection: Connection) -> Key:
    """Return where segments find *connection*."""
    return connection.path, swap_ports(connection.ports)
