"""Where and with what a test ran, under the names that iperf3 has in its JSON, where it has one."""

import asyncio
import datetime
import platform
import time
from typing import Any

import rudp


def of_this_end() -> dict[str, Any]:
    """Return the time by the calendar, this host, and what runs here."""
    now = datetime.datetime.now(datetime.UTC)
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    return {
        "version": f"rudp {rudp.__version__}",
        "timestamp": {"time": now.strftime("%a, %d %b %Y %H:%M:%S GMT"), "timesecs": time.time()},
        "system_info": " ".join(platform.uname()).strip(),
        "host": platform.node(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "loop": loop,
        "core": rudp.build.core(),
        "lane": rudp.build.lane(),
    }


def of_connection(transport: asyncio.BaseTransport) -> dict[str, Any]:
    """Return the two addresses of a connection."""
    local, remote = (transport.get_extra_info(name) for name in ("sockname", "peername"))
    return {
        "local_host": local[0],
        "local_port": local[1],
        "remote_host": remote[0],
        "remote_port": remote[1],
    }
