"""rudp: TCP over UDP for asyncio.

Reliable byte streams whose segments are RFC 9293's own, carried as the payload of UDP datagrams.
The functions below take the place of asyncio's::

    reader, writer = await rudp.open_connection("127.0.0.1", 9000)

PYTEST_DONT_REWRITE, says this to pytest, which else warns wherever rudp is imported before it looks
for plugins (``rudp exec -m pytest``), and in many projects a warning is an error.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

from rudp import build  # it says where the core is imported from

if TYPE_CHECKING:
    from rudp.aio.connect import create_connection
    from rudp.aio.delivery import delivered, info, rebind, reset, set_keys
    from rudp.aio.endpoint import Endpoint
    from rudp.aio.program import install, new_event_loop, new_uvloop, run
    from rudp.aio.server import Server, create_server
    from rudp.aio.streams import open_connection, start_server
    from rudp.aio.tls import start_tls
    from rudp.aio.transport import Transport
    from rudp.aio.visible import connections
    from rudp.config import Config
    from rudp.core.congestion.bbr import Bbr
    from rudp.core.congestion.controller import Ack, Controller, Signal
    from rudp.core.congestion.cubic import Cubic
    from rudp.core.congestion.newreno import NewReno
    from rudp.core.congestion.resume import SavedPaths
    from rudp.core.terms.state import State
    from rudp.core.watch.info import ConnectionInfo
    from rudp.core.watch.stats import EndpointStats
    from rudp.core.watch.tracer import Tracer
    from rudp.keys import MasterKey
    from rudp.nat.punch import PunchOptions, create_punched, mapped_address, punch
    from rudp.nat.rendezvous import Rendezvous, start_rendezvous

_HOME: Final = {
    "aio.connect": ["create_connection"],
    "aio.delivery": ["delivered", "info", "rebind", "reset", "set_keys"],
    "aio.endpoint": ["Endpoint"],
    "aio.program": ["install", "new_event_loop", "new_uvloop", "run"],
    "aio.server": ["Server", "create_server"],
    "aio.streams": ["open_connection", "start_server"],
    "aio.tls": ["start_tls"],
    "aio.transport": ["Transport"],
    "aio.visible": ["connections"],
    "config": ["Config"],
    "core.congestion.bbr": ["Bbr"],
    "core.congestion.controller": ["Ack", "Controller", "Signal"],
    "core.congestion.cubic": ["Cubic"],
    "core.congestion.newreno": ["NewReno"],
    "core.congestion.resume": ["SavedPaths"],
    "core.terms.state": ["State"],
    "core.watch.info": ["ConnectionInfo"],
    "core.watch.stats": ["EndpointStats"],
    "core.watch.tracer": ["Tracer"],
    "keys": ["MasterKey"],
    "nat.punch": ["PunchOptions", "create_punched", "mapped_address", "punch"],
    "nat.rendezvous": ["Rendezvous", "start_rendezvous"],
}
"""Where each public name comes from: it is imported when somebody asks for it (PEP 562)."""

_ROOMS: Final = frozenset(
    {"aio", "config", "core", "keys", "metrics", "nat", "sim", "trace", "udp"}
)
"""Modules that are found as attributes without being imported by name."""

if not TYPE_CHECKING:  # to a type checker it would say that there is every name

    def __getattr__(name: str) -> Any:
        """Import what is asked for the first time."""
        if name in _ROOMS:
            return importlib.import_module(f"{__name__}.{name}")
        for home, names in _HOME.items():
            if name in names:
                value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not, and what else there is."""
    return sorted({*globals(), *__all__})


__all__ = [
    "Ack",
    "Bbr",
    "Config",
    "ConnectionInfo",
    "Controller",
    "Cubic",
    "Endpoint",
    "EndpointStats",
    "MasterKey",
    "NewReno",
    "PunchOptions",
    "Rendezvous",
    "SavedPaths",
    "Server",
    "Signal",
    "State",
    "Tracer",
    "Transport",
    "connections",
    "create_connection",
    "create_punched",
    "create_server",
    "delivered",
    "info",
    "install",
    "mapped_address",
    "new_event_loop",
    "new_uvloop",
    "open_connection",
    "punch",
    "rebind",
    "reset",
    "run",
    "set_keys",
    "start_rendezvous",
    "start_server",
    "start_tls",
]

__version__ = build.VERSION
