"""Two network namespaces joined by a veth pair: Ethernet's MTU of 1500, and no link in between."""

import contextlib
import os
from types import TracebackType
from typing import Self

from bench.link import ADDRESSES, DEVICE, Host, attach, ip


class VethPair:
    """Two hosts, ``a`` and ``b``; for a ``with`` statement.  Linux and root.

    Raises :class:`OSError` where no namespaces can be had.
    """

    a: Host
    b: Host

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            hosts = []
            for which, address in enumerate(ADDRESSES):
                host = Host(f"veth-{os.getpid()}-{'ab'[which]}", address)
                ip("netns", "add", host.namespace)
                stack.callback(ip, "netns", "delete", host.namespace)
                hosts.append(host)
            self.a, self.b = hosts
            peer = ("peer", "name", DEVICE, "netns", self.b.namespace)
            ip("-n", self.a.namespace, "link", "add", DEVICE, "type", "veth", *peer)
            for which, host in enumerate(hosts):
                self.prepare(host, which)
            self._stack = stack.pop_all()
        return self

    def prepare(self, host: Host, which: int) -> None:
        """Make the device of *host*, the first (0) or the second, ready for packets."""
        attach(host)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()
