"""A module of the bench as a process of its own that does what it is told.

An order is a line of JSON on its standard input, and its answer one on its standard output.  It
ends when its input does, so it cannot outlive whoever started it.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

PATIENCE: Final = 20.0
"""Seconds for what a child has to take down at its end."""

Answer = dict[str, Any]


class RefusedError(Exception):
    """The child cannot do it; the text says why."""


class Child:
    """``python -m MODULE ARGUMENTS`` behind the words of *prefix*; for a ``with`` statement.

    *folder*: where it starts, None for here; *environment*: what it finds there besides ours.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        prefix: Sequence[str] = (),
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = [*prefix, sys.executable, "-m", module, *arguments]
        self._folder = folder
        self._environment = dict(os.environ, **(environment or {}))
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            env=self._environment,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
        process.stdout.close()

    def ask(self, **order: Any) -> Answer:
        """Return the answer to *order*.

        Raises :class:`RefusedError` with the child's reason, and :class:`RuntimeError` if it has
        ended.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._command)} has ended")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer


def answer(result: Answer) -> None:
    """Answer an order, in the child."""
    print(json.dumps(result), flush=True)


async def obey(act: Callable[[Answer], Awaitable[Answer]]) -> None:
    """Let *act* answer the orders on standard input until it ends, in the child."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    try:
        while line := await orders.readline():
            try:
                answer(await act(json.loads(line)))
            except RefusedError as error:
                answer({"error": str(error)})
            except (OSError, EOFError, ValueError) as error:
                answer({"error": f"{type(error).__name__}: {error}"})
    finally:
        pipe.close()
