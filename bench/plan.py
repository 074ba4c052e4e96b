"""What the two processes of a variant are told at their start."""

import asyncio
import dataclasses
import json
import sys
from typing import Any, Self

from bench.peers import Variant
from bench.peers.base import Peer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """*host*: the server's address; *prefix*: the words that put it into its namespace; *cpus*:
    those of client and server, None for any; *tls*: whether connections have TLS; *options*: as in
    :meth:`bench.peers.Variant.peer`.
    """

    name: str
    loop: str
    host: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()
    cpus: tuple[int | None, int | None] = (None, None)
    tls: bool = False
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def told(cls) -> Self:
        """Return the plan that this process was given as its argument."""
        return cls(**json.loads(sys.argv[1]))

    def __str__(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    def peer(self) -> Peer:
        made = Variant(self.name, self.loop).peer(**self.options)
        made.tls = self.tls
        return made

    def new_loop(self) -> asyncio.AbstractEventLoop:
        if self.loop == "uvloop":
            import uvloop

            return uvloop.new_event_loop()
        return asyncio.new_event_loop()
