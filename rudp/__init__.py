"""rudp: TCP over UDP for asyncio.

Reliable byte streams whose segments are RFC 9293's own, carried as the payload of UDP datagrams.
The functions below take the place of asyncio's::

    reader, writer = await rudp.open_connection("127.0.0.1", 9000)
"""

from rudp import build  # it says where the core is imported from

# isort: split
from rudp.aio.connect import create_connection
from rudp.aio.delivery import delivered, info, reset
from rudp.aio.endpoint import Endpoint
from rudp.aio.program import install, new_event_loop, new_uvloop, run
from rudp.aio.server import Server, create_server
from rudp.aio.streams import open_connection, start_server
from rudp.aio.tls import start_tls
from rudp.aio.transport import Transport
from rudp.config import Config
from rudp.core.congestion.bbr import Bbr
from rudp.core.congestion.controller import Ack, Controller, Signal
from rudp.core.congestion.cubic import Cubic
from rudp.core.congestion.newreno import NewReno
from rudp.core.terms.state import State
from rudp.core.watch.info import ConnectionInfo
from rudp.core.watch.stats import EndpointStats
from rudp.core.watch.tracer import Tracer

__all__ = [
    "Ack",
    "Bbr",
    "Config",
    "ConnectionInfo",
    "Controller",
    "Cubic",
    "Endpoint",
    "EndpointStats",
    "NewReno",
    "Server",
    "Signal",
    "State",
    "Tracer",
    "Transport",
    "create_connection",
    "create_server",
    "delivered",
    "info",
    "install",
    "new_event_loop",
    "new_uvloop",
    "open_connection",
    "reset",
    "run",
    "start_server",
    "start_tls",
]

__version__ = build.VERSION
