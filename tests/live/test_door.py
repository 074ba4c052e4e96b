"""A program that can be asked for its connections: what it says, to whom, and how it ends."""

import asyncio
import errno
import json
import logging
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import rudp
from rudp.live import door, place, record
from rudp.live.ask import Answer, Program, ask_all
from tests.aio.kit import HOST, Recorder

VISIBLE = rudp.Config(visible=True, linger=0.3)

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the sockets, in which nobody else is."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # who asks looks there too
    monkeypatch.delenv("RUDP_VISIBLE", raising=False)
    return tmp_path / "rudp"


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[tuple[Any, rudp.Server]]:
    """A client's transport, and the server to which it is connected."""
    server = await rudp.create_server(Recorder, HOST, 0, config=VISIBLE)
    near, _ = await rudp.create_connection(
        Recorder, *server.sockets[0].getsockname(), config=VISIBLE
    )
    near.write(b"hello")
    yield near, server
    near.abort()
    server.close()
    server.abort_clients()
    await server.wait_closed()


async def asked() -> list[Answer]:
    """Ask as another program does."""
    found, silent = await asyncio.to_thread(ask_all)
    assert not silent
    return found


async def test_it_tells_of_both_ends(pair: tuple[Any, rudp.Server]) -> None:
    near, server = pair
    (answer,) = await asked()
    assert answer.program["pid"] == os.getpid()
    assert answer.program["version"] == record.VERSION
    assert answer.program["connections"] == 2
    by_end = {each["opened"]: each for each in answer.connections}
    here, there = by_end["here"], by_end["there"]
    assert here["peer"] == there["local"] == f"{HOST}:{server.sockets[0].getsockname()[1]}"
    assert here["local_port"] == there["remote_port"]
    assert here["state"] == "ESTABLISHED"
    assert here["bytes_sent"] == 5
    assert here["held_back_by"] == "app"
    info = rudp.info(near)
    assert (here["mss"], here["congestion"]) == (info.mss, "Cubic")
    assert here.keys() == there.keys()


async def test_the_running_program_can_ask_itself(pair: tuple[Any, rudp.Server]) -> None:
    (answer,) = await asked()
    own = rudp.connections()
    assert [each["peer"] for each in own] == [each["peer"] for each in answer.connections]
    assert json.loads(json.dumps(own)) == own


async def test_only_its_user_may_ask(pair: tuple[Any, rudp.Server], folder: Path) -> None:
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_who_is_not_visible_has_no_socket(folder: Path) -> None:
    server = await rudp.create_server(Recorder, HOST, 0)
    assert not folder.exists()
    server.close()


@pytest.mark.parametrize(("value", "visible"), [("1", True), ("0", False)])
async def test_the_environment_goes_before_the_config(
    folder: Path, monkeypatch: pytest.MonkeyPatch, value: str, visible: bool
) -> None:
    monkeypatch.setenv("RUDP_VISIBLE", value)
    config = rudp.Config(visible=not visible)
    server = await rudp.create_server(Recorder, HOST, 0, config=config)
    assert folder.exists() is visible
    server.close()


def test_the_socket_goes_with_the_loop(folder: Path, loop_factory: LoopFactory) -> None:
    async def main() -> None:
        server = await rudp.create_server(Recorder, HOST, 0, config=VISIBLE)
        assert list(folder.iterdir())
        server.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
    assert not list(folder.iterdir())


def test_a_loop_that_is_only_closed(folder: Path, loop_factory: LoopFactory) -> None:
    async def main() -> None:
        await rudp.create_server(Recorder, HOST, 0, config=VISIBLE)

    loop = loop_factory()
    loop.run_until_complete(main())
    assert list(folder.iterdir())
    loop.close()
    assert not list(folder.iterdir())


async def test_it_goes_on_where_it_cannot_be_seen(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir(0o755)
    folder.chmod(0o755)
    with caplog.at_level(logging.WARNING, "rudp"):
        server = await rudp.create_server(Recorder, HOST, 0, config=VISIBLE)
    (line,) = [each.getMessage() for each in caplog.records]
    assert line == f"rudp ss will not see this program: {folder}: others than this user may use it"
    server.close()


async def test_a_path_that_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with caplog.at_level(logging.WARNING, "rudp"):
        server = await rudp.create_server(Recorder, HOST, 0, config=VISIBLE)
    assert "too long" in caplog.text
    server.close()


async def exchange(path: Path, question: bytes) -> bytes:
    """Return all that is said to *question* until there is no more."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "question",
    [
        b"\n",
        b"what?\n",
        b"[]\n",
        b"1\n",
        b'{"rudp":"connections"}\n',
        b'{"rudp":"connections","version":2}\n',
        b"\xff\xfe\n",
        b"[" * 4000 + b"\n",
    ],
)
async def test_what_is_no_question_is_told_what_is(
    pair: tuple[Any, rudp.Server], folder: Path, question: bytes
) -> None:
    (path,) = folder.iterdir()
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(question)
    answer = json.loads(await reader.readline())
    assert list(answer) == ["error"]
    assert '"version": 1' in answer["error"]
    writer.close()
    await writer.wait_closed()


async def test_a_question_without_end_is_not_kept(
    pair: tuple[Any, rudp.Server], folder: Path
) -> None:
    (path,) = folder.iterdir()
    assert await exchange(path, b"x" * (door.QUESTION_MAX + 1)) == b""


async def test_who_ends_with_the_question_gets_the_answer(
    pair: tuple[Any, rudp.Server], folder: Path
) -> None:
    """As ``echo '{...}' | nc -U`` does; two questions in one go have two answers."""
    (path,) = folder.iterdir()
    question = json.dumps(record.QUESTION).encode() + b"\n"
    answer = await exchange(path, question * 2)
    lines = [json.loads(line) for line in answer.splitlines()]
    assert [next(iter(line)) for line in lines] == ["rudp", "local", "local", "end"] * 2


async def test_without_descriptors_it_waits(
    pair: tuple[Any, rudp.Server], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes then is answered later, and the loop has not turned for him all the time."""
    monkeypatch.setattr(door, "AGAIN", 0.05)
    (path,) = folder.iterdir()
    question = json.dumps(record.QUESTION).encode() + b"\n"
    accepted = 0
    accept = socket.socket.accept

    def refuse(sock: socket.socket) -> Any:
        nonlocal accepted
        accepted += 1
        if accepted == 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return accept(sock)

    monkeypatch.setattr(socket.socket, "accept", refuse)
    assert (await exchange(path, question)).endswith(b'{"end":2}\n')
    assert accepted == 2


async def test_one_may_ask_again(pair: tuple[Any, rudp.Server], folder: Path) -> None:
    (path,) = folder.iterdir()

    def twice() -> list[Answer]:
        with Program(path) as program:
            return [program.ask(), program.ask()]

    first, second = await asyncio.to_thread(twice)
    assert len(first.connections) == len(second.connections) == 2


async def test_who_asks_and_does_not_read_has_to_make_room(
    pair: tuple[Any, rudp.Server], folder: Path
) -> None:
    (path,) = folder.iterdir()
    lazy = [await asyncio.open_unix_connection(str(path)) for _ in range(door.VISITORS_MAX)]
    question = json.dumps(record.QUESTION).encode() + b"\n"
    for _, writer in lazy:
        writer.write(question)
        await writer.drain()
    (answer,) = await asked()
    assert len(answer.connections) == 2
    await lazy[0][0].read()  # until it is closed
    for _, writer in lazy:
        writer.close()
        await writer.wait_closed()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
async def test_a_child_leaves_the_socket_to_its_parent(
    pair: tuple[Any, rudp.Server], folder: Path
) -> None:
    (path,) = folder.iterdir()
    child = os.fork()
    if not child:
        os._exit(0 if path.exists() else 1)  # and no callback of ours has run
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    (answer,) = await asked()
    assert len(answer.connections) == 2


def answered(lines: bytes, folder: Path) -> tuple[list[Answer], dict[int, str]]:
    """Let *lines* be what a program says."""
    import threading

    path = place.ours() / f"{os.getpid()}-99.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()

        def serve() -> None:
            peer, _ = sock.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(lines)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return ask_all()
        finally:
            thread.join()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (b"", "it has gone"),
        (b"hello\n", "Expecting value"),
        (b"[]\n", "does not speak"),
        (b'{"error":"no"}\n', "no"),
        (b'{"rudp":"connections","version":2}\n', "does not speak"),
        (b'{"rudp":"connections","version":1}\n{"a":1}\n', "it has gone"),
        (b"x" * 70_000 + b"\n", "too long a line"),
    ],
)
def test_what_is_no_answer_is_told(folder: Path, lines: bytes, why: str) -> None:
    found, silent = answered(lines, folder)
    assert not found
    assert why in silent[os.getpid()]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["/usr/bin/rudp", "relay", "a"], "rudp relay a"),
        (["/x/rudp/__main__.py", "echo"], "rudp echo"),
        (["-c"], "-c"),
        ([], "python"),
        (["a", "b" * 300], "a " + "b" * (record.PROGRAM_MAX - 3) + "…"),
    ],
)
def test_a_program_has_a_name(arguments: list[str], name: str) -> None:
    assert record.name_of_program(arguments) == name
