"""What the core hands out can be copied, pickled and sent to another process, compiled or not."""

import copy
import enum
import pickle
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from rudp.config import Config
from rudp.core.congestion.controller import Signal
from rudp.core.demux.table import ConnectionTable
from rudp.core.life.tcb import Opened
from rudp.core.send.pmtu import Payloads
from rudp.core.terms.counters import Count
from rudp.core.terms.state import Cause, State
from rudp.core.terms.timers import LossTimer
from rudp.core.terms.why import Why
from rudp.core.watch.info import ConnectionInfo
from rudp.core.watch.recorder import Record


def snapshot() -> ConnectionInfo:
    """Return what STATUS tells of an open that was refused."""
    table = ConnectionTable(Config(), secret=bytes(16), chance=random.Random(1))
    connection = table.open_active((("10.0.0.1", 1), ""), 80, 0.0)
    connection.handle_timeout(0.0)
    return connection.info()


HANDED_OUT: list[Any] = [
    snapshot(),
    Config(mss=1400),
    Config.rfc(),
    Payloads(1200, 548, 1472, 1472),
    *(next(iter(kind)) for kind in (State, Cause, Count, Opened, LossTimer, Why, Signal)),
    Record(1, 0.5, State.ESTABLISHED, why=Why.NEW_DATA),
]
COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    *(
        lambda thing, protocol=protocol: pickle.loads(pickle.dumps(thing, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ),
]


@pytest.mark.parametrize("thing", HANDED_OUT, ids=lambda thing: type(thing).__name__)
def test_a_copy_is_equal(thing: Any) -> None:
    for made in COPIES:
        again = made(thing)
        assert type(again) is type(thing)
        assert again == thing
        if isinstance(thing, enum.Enum):
            assert again is thing


def test_a_snapshot_with_an_error_keeps_what_it_says() -> None:
    info = snapshot()
    error = OSError(113, "No route to host")
    fields = {name: getattr(info, name) for name in ConnectionInfo.__dataclass_fields__}
    again = pickle.loads(pickle.dumps(ConnectionInfo(**fields | {"soft_error": error})))
    assert repr(again.soft_error) == repr(error)
    assert again.state_times == info.state_times


def test_a_snapshot_comes_back_from_a_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(snapshot).result() == snapshot()
