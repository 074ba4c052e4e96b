"""``rudp exec``: programs that know nothing of rudp, and the processes that they make."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SERVER = """\
import asyncio
import multiprocessing
import sys

async def serve():
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    print(__name__, sys.argv[1:], type(server).__module__, flush=True)
    server.close()

def child():
    asyncio.run(serve())

if __name__ == "__main__":
    asyncio.run(serve())
    for way in sys.argv[1:]:
        process = multiprocessing.get_context(way).Process(target=child)
        process.start()
        process.join()
        assert process.exitcode == 0
"""


def run(where: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (where / "server.py").write_text(SERVER)
    return subprocess.run(
        [sys.executable, "-c", START, "exec", *arguments],
        cwd=where,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


START = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); from rudp.cli import main; sys.exit(main())"
)


@pytest.mark.parametrize("program", [["server.py"], ["-m", "server"]])
def test_a_program_and_its_processes(tmp_path: Path, program: list[str]) -> None:
    done = run(tmp_path, *program, "spawn", "forkserver", "fork")
    assert done.stderr == ""
    assert done.returncode == 0
    names, *rest = zip(*(line.split(" ", 1) for line in done.stdout.splitlines()), strict=True)
    assert names == ("__main__", "__mp_main__", "__mp_main__", "__main__")
    assert set(rest[0]) == {"['spawn', 'forkserver', 'fork'] rudp.aio.server"}


def test_what_is_left_to_the_kernel(tmp_path: Path) -> None:
    done = run(tmp_path, "--tcp", "localhost:*", "server.py", "spawn")
    assert done.stderr == ""
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["asyncio.base_events"] * 2


def test_options_of_the_program_are_the_programs(tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text("import sys; print(sys.argv)")
    for program in (["show.py"], ["-m", "show"]):
        done = run(tmp_path, *program, "--tcp", "-m", "--help")
        assert done.stdout.endswith("'--tcp', '-m', '--help']\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "which program?"),
        (["--tcp", "5432", "server.py"], "'5432' matches nothing: it has no host or no port"),
        (["--capture", "nowhere/run.pcapng", "server.py"], "cannot write nowhere/run.pcapng"),
        (["nothing.py"], "nothing.py: No such file or directory"),
        (["-m", "nothing"], "No module named nothing"),
    ],
)
def test_what_cannot_be_done(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_of_the_program_is_shown_whole(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text("raise OSError('of its own')")
    done = run(tmp_path, "fails.py")
    assert done.returncode == 1
    assert 'fails.py", line 1' in done.stderr
    assert "OSError: of its own" in done.stderr
