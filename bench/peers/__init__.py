"""What is compared, each in a module of its own that is imported only when it is wanted.

A peer makes servers and connections whose ends are a reader and a writer with asyncio's methods.
Its module has a class ``Peer`` that derives from :class:`bench.peers.base.Peer`.
"""

import dataclasses
import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import rudp
from bench import compiled, memory
from bench.peers.base import Peer

LOOPS: Final = ("asyncio", "uvloop")
BASELINE: Final = "tcp"


@dataclasses.dataclass(frozen=True)
class Kind:
    """A peer: the module with its adapter, and its *options*; the *package* it *needs*.

    *folder*: where its processes start, if they are to find another rudp than the one at hand.
    *share*: how much of a workload's amount it is given, so that a slow peer does not take most
    of the time; *loops*: those it runs on; *environment*: what its processes find there besides.
    """

    module: str
    needs: str | None = None
    folder: Path | None = None
    share: float = 1.0
    loops: tuple[str, ...] = LOOPS
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    environment: Mapping[str, str] = dataclasses.field(default_factory=lambda: memory.KEEPING)


KEYS: Final = (rudp.MasterKey(secret=b"everybody in the bench has it"),)
"""What segments are signed with where they are."""

STILL: Final = (dataclasses.replace(KEYS[0], addresses="real"),)
"""The same in a form that ties connections to their addresses."""

PEERS: Final = {
    "tcp": Kind("tcp"),
    "tcp-fresh": Kind("tcp", loops=("asyncio",), environment=memory.FRESH),
    "rudp": Kind("rudp"),
    "rudp-compiled": Kind("rudp", folder=compiled.FOLDER),
    "rudp-off": Kind("rudp", options={"lane": "off"}),
    "rudp-key": Kind("rudp", share=0.5, options={"keys": KEYS}),
    "rudp-key-still": Kind("rudp", share=0.5, options={"keys": STILL}),
    "rudp-selector": Kind("rudp", share=0.5, options={"datagram_io": "selector"}),
    "rudp-portable": Kind("rudp", share=0.25, options={"datagram_io": "portable"}),
    "aioquic": Kind("aioquic", needs="aioquic", share=1 / 16, loops=("asyncio",)),
    "qh3": Kind("qh3", needs="qh3", share=1 / 16, loops=("asyncio",)),
    "aiopquic": Kind("aiopquic", needs="aiopquic", share=0.25, loops=("asyncio",)),
}


@dataclasses.dataclass(frozen=True)
class Build:
    """rudp as its processes find it in *folder*, where a bench is too, with *environment*.

    *name*: that of no peer.
    """

    name: str
    folder: Path
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)


@dataclasses.dataclass(frozen=True)
class Variant:
    """One peer on one loop; of rudp perhaps a certain *build*, whose name then stands for it."""

    name: str
    loop: str
    build: "Build | None" = None

    def __str__(self) -> str:
        name = self.name if self.build is None else self.build.name
        return name if self.loop == "asyncio" else f"{name}/{self.loop}"

    @property
    def baseline(self) -> "Variant":
        """What it is compared with: the kernel's TCP on the same loop."""
        return Variant(BASELINE, self.loop)

    @property
    def share(self) -> float:
        return PEERS[self.name].share

    @property
    def folder(self) -> Path | None:
        return PEERS[self.name].folder if self.build is None else self.build.folder

    @property
    def environment(self) -> Mapping[str, str]:
        more = {} if self.build is None else self.build.environment
        return {**PEERS[self.name].environment, **more}

    def missing(self) -> str | None:
        """Return why it cannot run here, or None."""
        folder = PEERS[self.name].folder
        if folder is not None and not compiled.built(folder):
            return "not built for this Python; python -m bench.compiled"
        for package in (PEERS[self.name].needs, None if self.loop == "asyncio" else self.loop):
            if package is not None and importlib.util.find_spec(package) is None:
                return f"{package} is not installed"
        return None

    def peer(self, **options: Any) -> Peer:
        """Return the peer; *options* are added to its own."""
        kind = PEERS[self.name]
        module = importlib.import_module(f"bench.peers.{kind.module}")
        made: Peer = module.Peer(**kind.options, **options)
        return made
