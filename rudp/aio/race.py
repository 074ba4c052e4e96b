"""Attempts that start one after the other and run side by side (RFC 8305 §5, "Happy Eyeballs").

asyncio.staggered does the same, but fails with eager tasks up to Python 3.12, takes a mistake of
the program for one more failed attempt, and loses the second of two that succeed in one turn.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def race(
    attempts: Sequence[Callable[[], Coroutine[Any, Any, T]]],
    delay: float,
    discard: Callable[[T], object],
) -> tuple[T | None, list[OSError]]:
    """Start *attempts* *delay* seconds apart, and the next at once when the last one fails.

    Return what the first to succeed returns, None if none does, and the errors in the order of the
    attempts.  The others are cancelled and waited for, and what they return all the same is given
    to *discard*; so it is with all of them if this is cancelled, or if one raises something else
    than :class:`OSError`, which is raised here.
    """
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[T]] = []
    winner: asyncio.Task[T] | None = None
    try:
        for attempt in attempts:
            tasks.append(loop.create_task(attempt()))
            winner = await _until_over(tasks, tasks[-1], delay)
            if winner is not None:
                break
        else:
            winner = await _until_over(tasks, None, None)
    finally:
        others = [task for task in tasks if task is not winner]
        running = [task for task in others if not task.done()]
        for task in others:
            if task.cancel():
                task.add_done_callback(functools.partial(_tidy, discard))
            else:
                _tidy(discard, task)
        try:
            if running:
                await asyncio.wait(running)
        except BaseException:
            if winner is not None:
                discard(winner.result())
            raise
        errors = [error for task in others if isinstance(error := _error(task), OSError)]
    return winner.result() if winner is not None else None, errors


async def _until_over(
    tasks: Sequence["asyncio.Task[T]"], last: "asyncio.Task[T] | None", delay: float | None
) -> "asyncio.Task[T] | None":
    """Wait until one of *tasks* has succeeded, *last* has failed, or *delay* has passed.

    Return the one that has succeeded, None if there is none; raise what is no :class:`OSError`.
    """
    loop = asyncio.get_running_loop()
    end = None if delay is None else loop.time() + delay
    while True:
        for task in tasks:
            if task.done() and not isinstance(_error(task), OSError):
                task.result()  # or what it has raised
                return task
        running = [task for task in tasks if not task.done()]
        left = None if end is None else end - loop.time()
        if not running or (last is not None and last.done()) or (left is not None and left <= 0):
            return None
        await asyncio.wait(running, timeout=left, return_when=asyncio.FIRST_COMPLETED)


def _error(task: "asyncio.Task[T]") -> BaseException | None:
    """Return what *task*, which is done, has raised."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def _tidy(discard: Callable[[T], object], task: "asyncio.Task[T]") -> None:
    """Nobody wants the result of *task* any more."""
    if _error(task) is None:
        discard(task.result())
