"""Applications that know nothing of rudp, on loops whose TCP it is, where datagrams are lost."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.apps.kit import APPS, HOST, PATIENCE, Identity, World, application
from tests.ports import free_port


def play(
    world: World,
    app: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    served: dict[str, Any],
    asked: dict[str, Any],
) -> str:
    """Serve and ask over a path with losses, on virtual time twice; return what was printed."""

    async def main() -> float:
        async with app["serving"](HOST, port, **served):
            await app["ask"](world.far, port, **asked)
        return asyncio.get_running_loop().time()

    port = free_port()
    with world.path(port):
        time = world.run(main())
    printed = capsys.readouterr().out
    if world.virtual:
        assert round(world.run(main()), 3) == round(time, 3)
        assert capsys.readouterr().out == printed
    return printed


TLS = pytest.mark.parametrize("secret", [False, True], ids=["plain", "tls"])


@TLS
def test_fastapi(
    world: World, identity: Identity, secret: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    app = application("web_fastapi", "fastapi", "uvicorn", "httpx")
    served = {"ssl_certfile": identity.certificate} if secret else {}
    asked = {"authority": identity.authority} if secret else {}
    printed = play(world, app, capsys, served, asked)
    assert printed == "{'hello': 'Anna'}\n{'hello': 'Ben'}\n{'octets': 100000}\n"


@TLS
@pytest.mark.parametrize(
    ("name", "needs", "expected"),
    [
        ("web_aiohttp", ["aiohttp"], "{'hello': 'Anna'}\n{'hello': 'Ben'}\nHELLO\n"),
        (
            "room_websockets",
            ["websockets"],
            "Ben hears good morning\nAnna hears 100000 letters\n",
        ),
        ("greeter_grpclib", ["grpclib", "google.protobuf"], "hello Anna\nT C P\n"),
    ],
    ids=["aiohttp", "websockets", "grpclib"],
)
def test_application(
    world: World,
    identity: Identity,
    secret: bool,
    name: str,
    needs: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = application(name, *needs)
    served = {"ssl": identity.server()} if secret else {}
    asked = {"ssl": identity.client()} if secret else {}
    assert play(world, app, capsys, served, asked) == expected


def test_asyncssh(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    app = application("shell_asyncssh", "asyncssh")
    key = app["asyncssh"].generate_private_key("ssh-ed25519")
    printed = play(world, app, capsys, {"key": key}, {"key": key})
    assert (
        printed == "count: 100000 letters read with status 0\nwrite: 5 letters read with status 0\n"
    )


# -- programs of their own ------------------------------------------------------------------------

ROOT = APPS.parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{APPS}", "NO_COLOR": "1"}


@pytest.mark.parametrize(
    ("name", "needs", "last"),
    [
        ("web_fastapi", ["fastapi", "uvicorn", "httpx"], "{'octets': 100000}"),
        ("lossy_web", ["fastapi", "uvicorn", "httpx"], r"after \d+\.\d\d virtual seconds"),
        ("web_aiohttp", ["aiohttp"], "HELLO"),
        ("room_websockets", ["websockets"], "Anna hears 100000 letters"),
        ("shell_asyncssh", ["asyncssh"], "write: 5 letters read with status 0"),
        ("greeter_grpclib", ["grpclib", "google.protobuf"], "T C P"),
    ],
)
def test_program(name: str, needs: list[str], last: str, tmp_path: Path) -> None:
    """Both ends in a process of their own, as one starts them."""
    for package in needs:
        pytest.importorskip(package)
    code = (APPS / f"{name}.py").read_text(encoding="utf-8")
    program = tmp_path / f"{name}.py"
    program.write_text(code.replace("50051", str(free_port())), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, program],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(last, done.stdout.splitlines()[-1])


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal here")
@pytest.mark.parametrize(
    "start",
    [
        ["-m", "uvicorn", "--loop", "rudp:new_event_loop"],
        ["-m", "uvicorn", "--loop", "rudp:new_uvloop"],
        ["-m", "rudp", "exec", "-m", "uvicorn"],
    ],
    ids=["asyncio", "uvloop", "exec"],
)
def test_uvicorn_from_a_shell(start: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As docs/howto/applications.md starts it, ended by Ctrl-C."""
    app = application("web_fastapi", "fastapi", "uvicorn", "httpx", "uvloop")
    port = free_port()
    with subprocess.Popen(
        [sys.executable, *start, "web_fastapi:app", "--host", HOST, "--port", str(port)],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "Uvicorn running on" in line:
                    break
            World("asyncio").run(app["ask"](HOST, port))
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE)
            assert "Finished server process" in said
            assert "rror" not in said
        finally:
            process.kill()
    assert capsys.readouterr().out.endswith("{'octets': 100000}\n")


def test_each_example_is_played() -> None:
    here = Path(__file__).parent
    tests = "".join(path.read_text(encoding="utf-8") for path in here.glob("test_*.py"))
    for path in APPS.glob("*.py"):
        assert f'"{path.stem}"' in tests
