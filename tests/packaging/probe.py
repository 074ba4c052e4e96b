"""Is the rudp that is installed whole?  ``python -I probe.py [--core WHICH] [--lane WHICH]``.

Needs nothing but rudp.  Says what runs, which must be what is asked for, and lets a few things work
that a build could break: an echo on real sockets, a controller of one's own, copies of what the
core hands out, the command.  Where the core is compiled, all of that again with RUDP_PURE=1.
"""

import argparse
import asyncio
import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import rudp
import rudp.build

DATA = bytes(range(256)) * 400


class Own(rudp.Cubic):
    """Derived from a controller, in Python."""

    heard = 0

    def on_ack(self, ack: rudp.Ack) -> None:
        type(self).heard += 1
        super().on_ack(ack)


async def echo() -> None:
    async def serve(reader: asyncio.StreamReader, writer: Any) -> None:
        writer.write(await reader.read(-1))
        writer.close()

    server = await rudp.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = rudp.Config(congestion=Own)
    reader, writer = await rudp.open_connection("127.0.0.1", port, config=config)
    transport: Any = writer.transport
    writer.write(DATA)
    writer.write_eof()
    assert await reader.read(-1) == DATA
    info = transport.info()
    assert info.bytes_acked == len(DATA)
    assert copy.deepcopy(info) == pickle.loads(pickle.dumps(info)) == info
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    assert Own.heard


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--core", choices=["compiled", "interpreted"])
    parser.add_argument("--lane", choices=["C", "Python"])
    asked = parser.parse_args()
    summary = rudp.build.summary()
    print(summary, flush=True)
    assert Path(rudp.__file__).is_relative_to(sys.prefix), rudp.__file__
    assert asked.core in (None, rudp.build.core()), summary
    assert asked.lane in (None, rudp.build.lane()), summary
    asyncio.run(asyncio.wait_for(echo(), 30.0))
    command = [sys.executable, "-I", "-m", "rudp", "--version"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert told == f"{summary}\n", told
    if rudp.build.core() == "compiled":
        subprocess.run(
            [sys.executable, "-I", __file__, "--core", "interpreted", "--lane", "Python"],
            check=True,
            env=os.environ | {"RUDP_PURE": "1"},
        )


if __name__ == "__main__":
    main()
