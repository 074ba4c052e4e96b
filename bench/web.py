"""Requests per second of a FastAPI application over rudp and over asyncio's TCP, by turns.

The server is uvicorn with one path that says hello; the client asks again on each of its
connections as soon as it has the answer.  Both are processes of their own, on the same kind of
loop, with a CPU each.  A ratio is that of two turns beside each other; the table has the median of
the rounds.  Needs the extra ``apps``.
"""

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bench import cpus
from bench.child import Answer, Child, obey

HOST: Final = "127.0.0.1"
REQUEST: Final = b"GET /hello HTTP/1.1\r\nhost: bench\r\n\r\n"
SAID: Final = b'{"hello":"world"}'


# -- the children ----------------------------------------------------------------------------------


class Asker(asyncio.Protocol):
    """Asks, and asks again with the answer, until the time is over; ``ended`` is then done."""

    def __init__(self, took: list[float]) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._took = took
        self._end = 0.0
        self._heard = b""
        self._asked = 0.0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def begin(self, end: float) -> None:
        """Ask for the first time; *end*: when to ask no more."""
        self._end = end
        self._ask(time.perf_counter())

    def _ask(self, now: float) -> None:
        self._asked = now
        self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if not self._heard.endswith(SAID):
            return
        self._heard = b""
        now = time.perf_counter()
        self._took.append(now - self._asked)
        if now < self._end:
            self._ask(now)
        else:
            self.ended.set_result(None)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or EOFError("the server has ended the connection"))


async def ask(order: Answer) -> Answer:
    """Ask the server at ``port`` for ``seconds`` on so many ``connections``."""
    loop = asyncio.get_running_loop()
    took: list[float] = []
    askers: list[Asker] = []
    for _ in range(order["connections"]):
        _, asker = await loop.create_connection(lambda: Asker(took), HOST, order["port"])
        askers.append(asker)
    begin = time.perf_counter()
    for asker in askers:
        asker.begin(begin + order["seconds"])
    await asyncio.gather(*(asker.ended for asker in askers))
    seconds = time.perf_counter() - begin
    return {"rate": len(took) / seconds, "p50": statistics.median(took)}


async def serve() -> None:
    """Serve until standard input ends; the answer to any order is the port."""
    import fastapi
    import uvicorn

    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    app = fastapi.FastAPI()
    app.get("/hello")(hello)
    server = uvicorn.Server(
        uvicorn.Config(app, host=HOST, port=0, log_level="error", access_log=False)
    )
    task = asyncio.create_task(server.serve())

    async def where(order: Answer) -> Answer:
        while not server.started:
            await asyncio.sleep(0.01)
        return {"port": server.servers[0].sockets[0].getsockname()[1]}

    await obey(where)
    server.should_exit = True
    await task


def loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return what a child can run on: the transport and the kind of the loop."""
    import rudp

    made: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "tcp/asyncio": asyncio.new_event_loop,
        "rudp/asyncio": rudp.new_event_loop,
    }
    with contextlib.suppress(ImportError):
        import uvloop

        made |= {"tcp/uvloop": uvloop.new_event_loop, "rudp/uvloop": rudp.new_uvloop}
    return made


# -- the measurement -------------------------------------------------------------------------------


def measure(
    kind: str, connections: Sequence[int], rounds: int, seconds: float, build: Path | None
) -> None:
    """Measure on one *kind* of loop and print a line for each number of connections."""
    with contextlib.ExitStack() as stack:

        def child(what: str, transport: str) -> Child:
            made = Child("bench.web", f"--{what}", f"{transport}/{kind}", folder=build)
            return stack.enter_context(made)

        ways = ("tcp", "rudp")
        clients = {way: child("ask", way) for way in ways}
        ports = {way: child("serve", way).ask()["port"] for way in ways}
        for number in connections:
            got: dict[str, list[Answer]] = {way: [] for way in ways}
            for turn in range(rounds):
                for way in ways if turn % 2 else reversed(ways):
                    order: Any = {"port": ports[way], "connections": number, "seconds": seconds}
                    got[way].append(clients[way].ask(**order))
            print(row(kind, number, got), flush=True)


def row(kind: str, connections: int, got: dict[str, list[Answer]]) -> str:
    """Return a line of the table."""
    cells = [f"{kind:8}", f"{connections:5}"]
    for value, scale, digits in (("rate", 1.0, 0), ("p50", 1e3, 2)):
        tcp, rudp = ([answer[value] for answer in got[way]] for way in ("tcp", "rudp"))
        ratio = statistics.median(b / a for a, b in zip(tcp, rudp, strict=True))
        cells += [f"{statistics.median(way) * scale:9.{digits}f}" for way in (tcp, rudp)]
        cells.append(f"{ratio:6.2f}")
    return " ".join(cells)


def main() -> None:
    """Run the measurement, or one of its children."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32], metavar="N")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="for one turn")
    parser.add_argument("--build", type=Path, metavar="FOLDER", help="such as build/compiled")
    parser.add_argument("--loops", nargs="+", choices=["asyncio", "uvloop"], default=["asyncio"])
    for what in ("serve", "ask"):
        parser.add_argument(f"--{what}", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve or given.ask:
        cpus.pin(cpus.sides()[bool(given.ask)])
        cpus.prefer()
        with asyncio.Runner(loop_factory=loops()[given.serve or given.ask]) as runner:
            runner.run(serve() if given.serve else obey(ask))
        return
    print("loop      conns   tcp 1/s  rudp 1/s  ratio  tcp ms p50   rudp ms  ratio")
    for kind in given.loops:
        measure(kind, given.connections, given.rounds, given.seconds, given.build)


if __name__ == "__main__":
    main()
