"""Runs what README.md and docs/ show, and writes what it prints into the pages.

A comment on the line above a block says what the block is:

``<!-- run: COMMAND -->``
    The block is ``$ COMMAND`` and all that the command prints.  ``rudp``, ``python`` and ``pytest``
    are those of this source tree; each page has a folder of its own to run in, with a link to
    ``examples``.
``<!-- fail: COMMAND -->``
    The same for a command that fails.
``<!-- file: NAME -->``
    The block is the program NAME, and stands in that folder before the commands below it run.  If
    ``examples`` has a file of that name, it is the same.  If no command runs it, it can be run all
    the same; what it prints is different each time.
``<!-- part: NAME -->``
    The block is some lines of the program NAME of ``examples``.

Every other block of Python is a part of the page's one program: these run in order, with names in
common, on virtual time.  A few names are there already, see :func:`names`.

``python -m tests.docs`` rewrites the blocks with output; ``python -m tests.docs PAGE...`` those of
some pages.
"""

import argparse
import ast
import asyncio
import contextlib
import dataclasses
import inspect
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import trustme

import rudp
import rudp.sim

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"

TIMEOUT = 60.0
"""Seconds for one command."""

OPENED = (asyncio.StreamWriter, rudp.Server)
"""What pages leave open."""

SHELL = """
python() { "$RUDP_PYTHON" -W error "$@"; }
rudp() { "$RUDP_PYTHON" -W error -m rudp "$@"; }
pytest() { "$RUDP_PYTHON" -W error -m pytest -p no:cacheprovider "$@"; }
"""

PYTEST: Final = ["-o", "asyncio_default_fixture_loop_scope=function"]
"""Options that a project has in its ini file; pytest-asyncio warns if they are missing."""

BLOCK = re.compile(
    r"^(?:<!-- (?P<kind>run|fail|file|part): (?P<what>.*?) -->\n)?"
    r"^(?P<fence>```+)(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block: *kind* and *what* from the comment above it, *text* without the fences."""

    kind: str
    what: str
    language: str
    text: str
    start: int
    end: int
    line: int


def pages() -> list[Path]:
    """Return the pages that are checked."""
    found = (ROOT / "docs").rglob("*.md")
    return [ROOT / "README.md", *sorted(page for page in found if "_build" not in page.parts)]


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for match in BLOCK.finditer(text):
        yield Block(
            match["kind"] or "",
            match["what"] or "",
            match["language"].strip(),
            match["text"],
            match.start("text"),
            match.end("text"),
            text.count("\n", 0, match.start("text")) + 1,
        )


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Make the folder that the commands of a page run in."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "examples").symlink_to(EXAMPLES)
        yield Path(name)


def output(command: str, where: Path, *, fails: bool = False) -> str:
    """Return what *command* prints in the folder *where*.

    Raises :class:`RuntimeError` if it complains, or fails; with *fails*, if it does not.
    """
    options = PYTEST.copy()
    if not any(point.name == "rudp" for point in entry_points(group="pytest11")):
        options += ["-p", "rudp.testing.plugin"]  # the source tree was never installed
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "RUDP_PYTHON": sys.executable,
        "NO_COLOR": "1",
        "COLUMNS": "80",
        "PYTEST_ADDOPTS": " ".join(options),
    }
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", SHELL + command],
        cwd=where,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if bool(done.returncode) is not fails or done.stderr:
        raise RuntimeError(f"{command}: status {done.returncode}\n{done.stderr}")
    return done.stdout


def rewritten(text: str) -> str:
    """Return a page with the output that its commands have now."""
    parts, at = [], 0
    with folder() as where:
        for block in blocks(text):
            if block.kind == "file":
                (where / block.what).write_text(block.text, encoding="utf-8")
            elif block.kind in ("run", "fail"):
                lines = output(block.what, where, fails=block.kind == "fail").splitlines()
                shown = "\n".join(line.rstrip() for line in [f"$ {block.what}", *lines])
                parts += [text[at : block.start], shown.rstrip("\n"), "\n"]
                at = block.end
    return "".join([*parts, text[at:]])


def program(text: str) -> list[Block]:
    """Return the blocks that are the page's one program."""
    return [
        block for block in blocks(text) if block.language.startswith("python") and not block.kind
    ]


TYPED = """
import asyncio
import rudp

async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...

async def page() -> None:
"""


def typed(parts: list[Block]) -> str:
    """Return the blocks of a page as a module for a type checker, which has the names they need."""
    return TYPED + textwrap.indent("\n".join(block.text for block in parts), "    ")


def names() -> dict[str, Any]:
    """Return what the blocks of a page need not say: a ``handler`` that echoes, and modules.

    On example.org, port 9000, such a handler is there too; ``cert.pem``, ``key.pem`` and
    ``clients.pem`` are files for TLS with localhost.
    """

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    return {"__name__": "page", "asyncio": asyncio, "rudp": rudp, "handler": handler}


def run_program(parts: list[Block], page: str) -> None:
    """Run the blocks of a page; an exception of theirs comes out with the page's line."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, rudp.sim.VirtualLoop)
        loop.hosts["example.org"] = "10.0.0.2"
        common = names()
        opened: list[Any] = [await rudp.start_server(common["handler"], "10.0.0.2", 9000)]
        for block in parts:
            # The lines of the page, so that a traceback points there.
            code = compile(
                "\n" * (block.line - 1) + block.text,
                page,
                "exec",
                flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
                dont_inherit=True,
            )
            done = eval(code, common)
            if inspect.isawaitable(done):
                await done
            opened += [one for one in common.values() if isinstance(one, OPENED)]
        for one in opened:
            if isinstance(one, asyncio.StreamWriter):
                one.transport.abort()
            else:
                one.close()
                one.abort_clients()
        await asyncio.sleep(1.0)

    with tempfile.TemporaryDirectory() as where, contextlib.chdir(where):
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path("key.pem")
        for name in ("cert.pem", "clients.pem"):
            certificate.cert_chain_pems[0].write_to_path(name)
            authority.cert_pem.write_to_path(name, append=True)
        rudp.sim.run(main(), seed=1, delay=0.01)


def main() -> None:
    """Rewrite pages."""
    parser = argparse.ArgumentParser(description="Write the output of commands into the pages.")
    parser.add_argument("pages", nargs="*", type=Path, help="default: README.md and all of docs/")
    for page in parser.parse_args().pages or pages():
        text = page.read_text(encoding="utf-8")
        new = rewritten(text)
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(page)


if __name__ == "__main__":
    main()
