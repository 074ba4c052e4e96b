"""An asyncio loop on which waiting takes no time.

The loop's time is a number.  When nothing is ready to run it becomes the time of the next timer or
of the next datagram's arrival, so a program that waits a day for a time-out ends at once, and two
runs from one seed are alike in every step.  Where a real loop would wait for ever, because nothing
is left that could wake it, this one raises :class:`DeadlockError`.

The loop has no selector, no descriptors and no threads: datagram endpoints are joined by simulated
links, names come from ``loop.hosts``, and ``run_in_executor`` runs its function on the spot.  Time
stands still while code runs.  Streams, pipes and subprocesses raise :class:`NotImplementedError`.

As it waits for nothing real, it may run inside another loop: in a notebook's cell, in a coroutine.
"""

import asyncio
import contextlib
import math
import random
import socket
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Final, NoReturn, TypeVar, Unpack, cast

from rudp.core.segment.transmit import Address
from rudp.sim import waiting
from rudp.sim.clock import Clock
from rudp.sim.datagram import DatagramNetwork, DatagramTransport
from rudp.sim.link import LinkOptions
from rudp.sim.resolver import AddressInfo, Resolver

T = TypeVar("T")
P = TypeVar("P", bound=asyncio.DatagramProtocol)

NO_TCP: Final = (
    "this loop has no TCP of its own: use rudp's, rudp.open_connection(), rudp.start_server(), "
    "rudp.create_connection() and rudp.create_server(), or run the program unchanged with "
    "rudp.run(..., base=rudp.sim.VirtualLoop), a marked test with rudp_network(carry=True)"
)


class DeadlockError(RuntimeError):
    """Nothing is left that could ever wake the loop, and it has not been stopped.

    The message says where each task waits, and what happened last on each connection.
    """


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop on virtual time with a simulated network.

    ``network`` has the links and taps; ``hosts`` maps names to IP literals; ``chance`` is the
    randomness of programs that want to be alike in every run of one seed.  ``watch``: None, or
    called with ``"client"`` or ``"server"`` for each connection and server that rudp opens here; it
    returns a tracer for that end.  ``last_words``: called when nothing is left that could happen;
    each returns lines for the message of :class:`DeadlockError`.
    """

    _scheduled: list[asyncio.TimerHandle]
    _clock_resolution: float

    def __init__(self, *, seed: int | str = 0, **options: Unpack[LinkOptions]) -> None:
        """Make a loop whose links have *options* and chances that follow from *seed*.

        Raises :class:`ValueError` for an option out of range.
        """
        self._clock = Clock()
        self._resolver = Resolver()
        self.chance = random.Random(f"{seed} loop")  # numbers and ports of rudp come from here
        self.watch: Callable[[str], Any] | None = None
        self.last_words: list[Callable[[], Iterable[str]]] = []
        super().__init__()
        try:
            self.network = DatagramNetwork(self, self._clock, self._resolver, seed=seed, **options)
        except BaseException:
            super().close()
            raise
        self._selector = _Jump(self._advance)
        self._set_resolution()

    @property
    def hosts(self) -> dict[str, str | Sequence[str]]:
        """The names this loop can look up, each with an IP literal or several, in order."""
        return self._resolver.hosts

    def time(self) -> float:
        """Return the virtual time: seconds since the loop was made."""
        return self._clock.now

    def close(self) -> None:
        """Close the loop; endpoints that are still open are forgotten."""
        super().close()
        self.network.clear()

    async def getaddrinfo(  # type: ignore[override]
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the name asyncio gives it
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Look *host* up among the IP literals and ``hosts``; else :class:`socket.gaierror`."""
        return self._resolver.getaddrinfo(
            host, port, family=family, type=type, proto=proto, flags=flags
        )

    async def getnameinfo(self, sockaddr: Address, flags: int = 0) -> tuple[str, str]:
        """Return the name in ``hosts`` that *sockaddr* has, or its literal, and the port."""
        return self._resolver.getnameinfo(sockaddr, flags)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run ``func(*args)`` here and now, whatever *executor* is: a thread has its own time."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    async def create_datagram_endpoint(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], P],
        local_addr: tuple[str, int] | None = None,
        remote_addr: tuple[str, int] | None = None,
        *,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        reuse_port: bool | None = None,
        allow_broadcast: bool | None = None,
        sock: socket.socket | None = None,
    ) -> tuple[DatagramTransport, P]:
        """Open an endpoint on the simulated network, with asyncio's own arguments and errors.

        Only ``sock`` and ``allow_broadcast`` cannot be had: :class:`NotImplementedError`.
        """
        if sock is not None or allow_broadcast:
            raise NotImplementedError("a virtual loop has neither sockets nor broadcast")
        pairs: dict[int, list[Address | None]] = {}
        for side, address in enumerate((local_addr, remote_addr)):
            if address is not None:
                for info in await self.getaddrinfo(
                    *address, family=family, type=socket.SOCK_DGRAM, proto=proto, flags=flags
                ):
                    pair = pairs.setdefault(info[0], [None, None])
                    pair[side] = pair[side] or info[4]
        if local_addr is None and remote_addr is None:
            if family not in (socket.AF_INET, socket.AF_INET6):
                raise ValueError("unexpected address family")
            pairs[family] = [None, None]
        wanted = [local_addr is not None, remote_addr is not None]
        errors: list[OSError] = []
        for found, (local, remote) in pairs.items():
            if [local is not None, remote is not None] != wanted:
                continue
            try:
                transport = self.network.open(
                    protocol_factory, found, local, remote, reuse_port=bool(reuse_port)
                )
            except OSError as error:
                errors.append(error)
                continue
            try:
                # connection_made() is called in the turn before this one goes on.
                await asyncio.sleep(0)
            except BaseException:
                transport.close()
                raise
            return transport, cast(P, transport.get_protocol())
        if errors:
            raise errors[0]
        raise ValueError("can not get address information")

    async def _no_tcp(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(NO_TCP)

    create_connection = create_server = connect_accepted_socket = _no_tcp
    sock_connect = sock_accept = sock_recv = sock_recv_into = sock_sendall = _no_tcp

    def _advance(self, timeout: float | None) -> None:
        """Move to the next instant at which something happens, and let what arrives then in."""
        when = self._clock.now
        if timeout is None or timeout > 0:
            timer = self._next_timer()
            arrival = self._clock.next
            when = timer if arrival is None else min(timer, arrival)
            if when == math.inf:
                raise DeadlockError(self._who_waits())
        self._clock.run_until(when)
        self._set_resolution()

    def _next_timer(self) -> float:
        return self._scheduled[0].when() if self._scheduled else math.inf

    def _set_resolution(self) -> None:
        # BaseEventLoop runs a timer once it lies before now + resolution.  The smallest step that a
        # float can make from here runs it exactly on time, however late it is.
        self._clock_resolution = math.ulp(self._clock.now)

    def _who_waits(self) -> str:
        tasks = asyncio.all_tasks(self)
        what = (
            f"at {self._clock.now:g} s nothing is left that could happen: no callback, no timer "
            f"and no datagram; waiting: {waiting.names(tasks)}"
        )
        lines = [what, *waiting.stacks(tasks)]
        for tell in self.last_words:
            lines += tell()
        return "\n".join(lines)

    def _process_events(self, event_list: None) -> None:
        """Nothing to do: what arrives is put among the ready callbacks as the clock moves."""

    def _write_to_self(self) -> None:
        """Nothing to do: this loop never sleeps, so nobody needs to wake it."""


class _Jump:
    """What BaseEventLoop takes for a selector: instead of waiting it moves the time."""

    def __init__(self, advance: Callable[[float | None], None]) -> None:
        self.select = advance


def run(
    main: Coroutine[Any, Any, T],
    *,
    debug: bool | None = None,
    seed: int | str = 0,
    **options: Unpack[LinkOptions],
) -> T:
    """Run *main* on a new :class:`VirtualLoop` and return its result, as :func:`asyncio.run` does.

    *seed* and *options* are the loop's.  Unlike that, it may be called where a loop runs already,
    which stands still meanwhile.  Raises :class:`DeadlockError` when *main* waits for what can no
    longer happen.

    >>> import asyncio
    >>> async def main():
    ...     await asyncio.sleep(3600)
    ...     return asyncio.get_running_loop().time()
    >>> run(main())
    3600.0
    """

    def new_loop() -> VirtualLoop:
        return VirtualLoop(seed=seed, **options)

    return run_on(new_loop, main, debug=debug)


def run_on(
    new_loop: Callable[[], VirtualLoop], main: Coroutine[Any, Any, T], *, debug: bool | None = None
) -> T:
    """Run *main* as :func:`run` does, on what *new_loop* returns."""
    with _outside(), asyncio.Runner(debug=debug, loop_factory=new_loop) as runner:
        return runner.run(main)


@contextlib.contextmanager
def _outside() -> Iterator[None]:
    """Step out of the loop that runs here, if one does, so that another one can run inside it."""
    outer = asyncio._get_running_loop()
    if outer is None:
        yield
        return
    task = asyncio.current_task(outer)
    # A task is left and entered while its loop runs: since Python 3.14 the loop is asked for it.
    if task is not None:
        asyncio.tasks._leave_task(outer, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if task is not None:
            asyncio.tasks._enter_task(outer, task)
