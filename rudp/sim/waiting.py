"""What the tasks of a loop wait for, in words: the answer to why nothing happens any more."""

import asyncio
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Any, Final

TASKS_MAX: Final = 20
"""Tasks that are told of, the first by name."""

DEPTH_MAX: Final = 50
"""Coroutines that are told of in one task."""

_FORMS: Final = (
    ("cr_frame", "cr_code", "cr_await"),
    ("gi_frame", "gi_code", "gi_yieldfrom"),
    ("ag_frame", "ag_code", "ag_await"),
)
"""How coroutines, generators and asynchronous generators call where they stand, and at what."""


def names(tasks: Iterable["asyncio.Task[Any]"]) -> str:
    """Return the names of *tasks* in one line."""
    return ", ".join(sorted(task.get_name() for task in tasks)) or "no task"


def stacks(tasks: Iterable["asyncio.Task[Any]"]) -> Iterator[str]:
    """Yield lines that show where each of *tasks* stands, the outermost coroutine first."""
    ordered = sorted(tasks, key=lambda task: task.get_name())
    for task in ordered[:TASKS_MAX]:
        yield f"  {task.get_name()} waits in"
        for code, line in _places(task.get_coro()):
            yield f'    {code.co_qualname}, file "{code.co_filename}", line {line}'
    if len(ordered) > TASKS_MAX:
        yield f"  and {len(ordered) - TASKS_MAX} more"


def _places(waiting: Any) -> Iterator[tuple[CodeType, int]]:
    """Yield the code and the line at which each coroutine awaits the next."""
    for _ in range(DEPTH_MAX):
        form = next((form for form in _FORMS if hasattr(waiting, form[0])), None)
        if form is None:
            return
        frame, code, inner = (getattr(waiting, name) for name in form)
        if frame is not None:
            yield code, frame.f_lineno
        waiting = inner
