"""The pytest plugin, as other people's tests meet it: in a pytest of their own."""

import importlib.metadata
import importlib.util
import re
import sys
from pathlib import Path

import pytest

from rudp.testing import FaultScript
from tests import docs

pytest_plugins = ["pytester"]

PROGRAM = """
import asyncio
import pytest
import rudp

async def shout(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()

async def ask(lines=5):
    reader, writer = await rudp.open_connection("10.0.0.2", 9000)
    answers = []
    for _ in range(lines):
        writer.write(b"hello\\n")
        answers.append(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answers

async def talk():
    server = await rudp.start_server(shout, "10.0.0.2", 9000)
    try:
        return await ask()
    finally:
        server.close()
        server.abort_clients()

def now():
    return asyncio.get_running_loop().time()

def is_virtual(loop=None):
    return type(loop or asyncio.get_running_loop()).__name__ == "VirtualLoop"
"""

ASYNCIO = ["-p", "pytest_asyncio"]


def installed() -> list[str]:
    """Return how pytest finds the plugin: by itself, or where rudp is not installed by name."""
    names = [point.name for point in importlib.metadata.entry_points(group="pytest11")]
    return [] if "rudp" in names else ["-p", "rudp.testing.plugin"]


class Project:
    """A project with tests."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makepyfile(program=PROGRAM)

    def run(
        self, code: str, *arguments: str, ini: str = "", inside: bool = False
    ) -> pytest.RunResult:
        """Write the test module and run pytest; *inside*: in this process, where nothing is run."""
        head = "asyncio_default_fixture_loop_scope = function\n"
        self.pytester.makeini(f"[pytest]\n{head if '-p no:asyncio' not in ini else ''}{ini}")
        self.pytester.makepyfile(test_it="from program import *\n" + code)
        if inside:
            return self.pytester.runpytest_inprocess(*installed(), *arguments)
        return self.pytester.runpytest_subprocess(*installed(), *arguments)


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    return Project(pytester)


WAYS = {
    "asyncio-strict": ("@pytest.mark.asyncio\n", ""),
    "asyncio-auto": ("", "asyncio_mode = auto"),
    "marker-alone": ("", ""),
    "anyio": ("@pytest.mark.anyio\n", ""),
    "neither": ("", "addopts = -p no:asyncio -p no:anyio"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_marked_test_runs_on_virtual_time(project: Project, way: str) -> None:
    marker, ini = WAYS[way]
    if way == "anyio" and importlib.util.find_spec("anyio") is None:
        pytest.skip("anyio is not installed")
    done = project.run(
        f"""
{marker}@pytest.mark.rudp_network(delay=0.5, seeds=range(3))
async def test_talk():
    assert is_virtual()
    assert await talk() == [b"HELLO\\n"] * 5
    assert 6.0 <= now() < 10.0
""",
        ini=ini,
    )
    done.assert_outcomes(passed=3, skipped=3 if way == "anyio" and has_trio() else 0)


def has_trio() -> bool:
    return importlib.util.find_spec("trio") is not None


def test_async_fixtures_have_the_same_loop(project: Project) -> None:
    code = """
import pytest_asyncio

@pytest_asyncio.fixture
async def server():
    server = await rudp.start_server(shout, "10.0.0.2", 9000)
    yield server
    server.close()
    server.abort_clients()

@pytest.mark.rudp_network(delay=0.05, seeds=[1, "b"])
async def test_one(server):
    assert is_virtual() and server.get_loop() is asyncio.get_running_loop()
    assert await ask(1) == [b"HELLO\\n"]

class TestMore:
    pytestmark = pytest.mark.rudp_network(delay=0.05)

    async def test_two(self, server):
        assert await ask(1) == [b"HELLO\\n"]

    def test_that_is_not_async(self):
        pass
"""
    project.run(code).assert_outcomes(passed=4)


def test_async_fixtures_of_anyio_have_the_same_loop(project: Project) -> None:
    pytest.importorskip("anyio")
    code = """
@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def server():
    server = await rudp.start_server(shout, "10.0.0.2", 9000)
    yield server
    server.close()
    server.abort_clients()

@pytest.mark.anyio
async def test_real():
    assert not is_virtual()

@pytest.mark.anyio
@pytest.mark.rudp_network(delay=0.05, seeds=2)
async def test_one(server):
    assert is_virtual() and server.get_loop() is asyncio.get_running_loop()
    assert await ask(1) == [b"HELLO\\n"]

@pytest.mark.anyio
async def test_real_again():
    assert not is_virtual()
"""
    project.run(code).assert_outcomes(passed=4)


@pytest.mark.parametrize("scope", ["session", "module"])
def test_who_does_not_ask_notices_nothing(project: Project, scope: str) -> None:
    """Fixtures of wider scope are made once, though a test of another module has the marker."""
    project.pytester.makepyfile(
        test_a="""
import pytest
from program import *

@pytest.mark.rudp_network(delay=0.05)
async def test_marked():
    assert is_virtual()
"""
    )
    done = project.run(
        f'''
import pytest_asyncio
made = []

@pytest_asyncio.fixture(scope="{scope}", loop_scope="{scope}")
async def database():
    made.append(1)
    yield
    made.append(2)

@pytest.mark.asyncio
@pytest.mark.parametrize("n", range(4))
async def test_plain(database, n):
    assert not is_virtual()
    assert made == [1]
'''
    )
    done.assert_outcomes(passed=5)


def test_fixtures_of_wider_scope_are_built_anew_around_a_marked_test(project: Project) -> None:
    done = project.run("""
import pytest_asyncio

@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database():
    state = {"open": True, "virtual": is_virtual()}
    yield state
    state["open"] = False

@pytest.mark.asyncio
async def test_before(database):
    assert database == {"open": True, "virtual": False}

@pytest.mark.rudp_network(delay=0.05)
async def test_marked(database):
    assert database == {"open": True, "virtual": True}

@pytest.mark.asyncio
async def test_after(database):
    assert database == {"open": True, "virtual": False}

@pytest.mark.asyncio
async def test_after_that(database):
    assert database == {"open": True, "virtual": False}
""")
    done.assert_outcomes(passed=4)


def test_the_ini_option_is_for_all_async_tests(project: Project) -> None:
    code = """
async def test_all():
    assert is_virtual()
    start = now()
    await ask(0) if False else await talk()
    assert now() > 1.0

@pytest.mark.rudp_network(delay=0.0, seed=4)
async def test_closest_wins():
    await talk()
    assert now() < 1.0

def test_sync():
    pass
"""
    done = project.run(code, ini="rudp_network = delay=0.1 seeds=2\nasyncio_mode = auto")
    done.assert_outcomes(passed=4)
    done = project.run("async def test_it():\n    assert is_virtual()\n", ini="rudp_network = on")
    done.assert_outcomes(passed=1)


def test_a_program_of_asyncios_is_carried_if_asked(project: Project) -> None:
    code = """
@pytest.mark.rudp_network(delay=0.05, loss=0.02{carry})
async def test_it():
    server = await asyncio.start_server(shout, "10.0.0.2", 9000)
    reader, writer = await asyncio.open_connection("10.0.0.2", 9000)
    writer.write(b"hello\\n")
    assert await reader.readline() == b"HELLO\\n"
    writer.close()
    await writer.wait_closed()
    server.close()
"""
    project.run(code.replace("{carry}", ", carry=True")).assert_outcomes(passed=1)
    done = project.run(code.replace("{carry}", ""))
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*this loop has no TCP of its own: use rudp's*"])


FAILING = """
@pytest.mark.rudp_network(delay=0.05, loss=0.1, seeds=range(7, 9))
async def test_of_seeds():
    answers = await talk()
    assert now() < 0.1, "too slow"
"""


@pytest.mark.parametrize("plugins", ["", "addopts = -p no:asyncio"])
def test_a_failure_tells_of_the_run_and_leaves_files(project: Project, plugins: str) -> None:
    done = project.run(FAILING, ini=plugins)
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(
        [
            "*- simulated network -*",
            "The simulated network: seed=7, delay=0.05, loss=0.1",
            "The connection client and server, the last * lines:",
            "*SYN-SENT*SYN seq=0*",
            "To look at it: *run.html, *run.pcapng, *run.faults",
        ]
    )
    done.stdout.fnmatch_lines(["*FAILED*test_of_seeds[[]seed=8]*"])
    for seed in (7, 8):
        folder = project.pytester.path / "rudp-failures" / f"test_it.py-test_of_seeds-seed={seed}"
        assert f"seed={seed}" in (folder / "run.html").read_text(encoding="utf-8")
        assert (folder / "run.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
        FaultScript((folder / "run.faults").read_text(encoding="utf-8"))


def test_a_deadlock_is_a_failure_like_others(project: Project) -> None:
    done = project.run("""
@pytest.mark.rudp_network(delay=0.05)
async def test_stuck():
    server = await rudp.start_server(shout, "10.0.0.2", 9000)
    reader, writer = await rudp.open_connection("10.0.0.2", 9000)
    await reader.readline()

@pytest.mark.rudp_network(delay=0.05)
async def test_next():
    await talk()
""")
    done.assert_outcomes(failed=1, passed=1)
    done.stdout.fnmatch_lines(
        ["*DeadlockError: at *nothing is left that could happen*", "*test_stuck, file *line 7"]
    )
    done.stdout.fnmatch_lines(["The connection client and server, *"])


def test_a_script_is_followed(project: Project) -> None:
    done = project.run("""
from rudp.testing import FaultScript
from tests import docs

@pytest.mark.rudp_network(delay=0.05, faults="c:data:2 down 5s")
async def test_of_the_marker():
    await talk()
    assert now() > 5.0

@pytest.mark.rudp_network(delay=0.05)
@pytest.mark.parametrize("script", [FaultScript("c:syn lost"), FaultScript("c:syn late 3s")])
async def test_of_an_argument(script):
    await talk()
    assert now() > 1.0

@pytest.mark.rudp_network(delay=0.05, faults="c:data:200 lost")
async def test_of_what_never_comes():
    await talk()
""")
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines(
        ["*FaultScriptError: of the fault script never came: c:data:200 lost (the client of *"]
    )


BUG = '''
from hypothesis import Phase, given, settings
from rudp.testing import faults

async def impatient():
    """Gives up a request after a second and asks again, and is served twice."""
    served = []

    async def serve(reader, writer):
        served.append(await reader.readline())
        writer.write(b"done\\n")
        writer.close()

    server = await rudp.start_server(serve, "10.0.0.2", 9000)
    for _ in range(20):
        reader, writer = await rudp.open_connection("10.0.0.2", 9000)
        writer.write(b"pay\\n")
        try:
            async with asyncio.timeout(1.0):
                await reader.readline()
            break
        except TimeoutError:
            pass
        finally:
            writer.transport.abort()
    server.close()
    server.abort_clients()
    assert len([line for line in served if line]) <= 1

@pytest.mark.rudp_network(delay=0.05)
@settings(deadline=None, derandomize=True, max_examples=300, phases=[Phase.generate, Phase.shrink])
@given(script=faults())
%s
    assert is_virtual() and now() == 0.0
    await impatient()
'''


@pytest.mark.parametrize(
    ("ini", "test"),
    [
        ("", "async def test_pays_once(script):"),
        pytest.param(
            "asyncio_mode = auto", "async def test_pays_once(script):", marks=pytest.mark.slow
        ),
        pytest.param(
            "addopts = -p no:asyncio", "async def test_pays_once(script):", marks=pytest.mark.slow
        ),
    ],
)
def test_hypothesis_finds_the_fewest_faults(project: Project, ini: str, test: str) -> None:
    done = project.run(BUG % test, ini=ini)
    done.assert_outcomes(failed=1)
    found = re.search(r"script=FaultScript\('(.*?)', lenient=True\)", str(done.stdout))
    assert found is not None
    assert 1 <= len(FaultScript(found[1])) <= 2
    done.stdout.fnmatch_lines(["The simulated network: seed=0, delay=0.05"])
    (folder,) = (project.pytester.path / "rudp-failures").iterdir()
    left = (folder / "run.faults").read_text(encoding="utf-8")
    assert FaultScript(left) == FaultScript(found[1])


@pytest.mark.parametrize(
    ("marker", "test", "message"),
    [
        ("delai=0.05", "async def", "rudp_network has no option 'delai'; there are burst_enter, *"),
        ("loss=3", "async def", "rudp_network: loss is a probability between 0 and 1, not 3"),
        ("0.05", "async def", "rudp_network takes keyword arguments alone, not 0.05"),
        (
            "seeds=()",
            "async def",
            "*seeds are a number of them, or some, such as range(100), not ()",
        ),
        ("faults='c:data:1 los'", "async def", "*unknown fault 'los': one of lost, late, *"),
        ("faults='c:dat:1 lost'", "async def", "*a kind is one of any, syn, ack, *, not 'dat'"),
        ("delay=0.05", "def", "rudp_network is for async tests, and this is none"),
    ],
)
def test_what_is_wrong_with_a_marker_is_said(
    project: Project, marker: str, test: str, message: str
) -> None:
    code = f"@pytest.mark.rudp_network({marker})\n{test} test_it(): pass\n"
    done = project.run(code, inside=True)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines([f"*test_it.py::test_it: {message}"])


def test_without_a_marker_nothing_is_there(project: Project) -> None:
    done = project.run(
        "async def test_it():\n    assert not is_virtual()\n", ini="asyncio_mode = auto"
    )
    done.assert_outcomes(passed=1)
    assert not (Path(project.pytester.path) / "rudp-failures").exists()


def test_runs_that_do_not_ask_import_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin is in every run of pytest on a machine that has rudp."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    project.pytester.makepyfile(
        test_it="""
import sys

def test_it():
    ours = {name for name in sys.modules if name.startswith("rudp")}
    assert ours == {"rudp", "rudp.build", "rudp.testing", "rudp.testing.plugin"}
    assert sys.modules.keys().isdisjoint(["asyncio", "hypothesis", "ssl"])
"""
    )
    done = project.pytester.runpytest_subprocess("-p", "rudp.testing.plugin")
    done.assert_outcomes(passed=1)


def test_a_project_that_takes_warnings_for_errors(project: Project) -> None:
    """pytest warns of modules with a plugin's name that were imported before it."""
    project.pytester.makeini("[pytest]\nfilterwarnings = error")
    project.pytester.makepyfile(test_it="def test_it():\n    pass\n")
    done = project.pytester.run(
        sys.executable, "-m", "rudp", "exec", "-m", "pytest", "-p", "no:asyncio"
    )
    done.assert_outcomes(passed=1)


def test_a_marker_that_comes_late_is_refused(project: Project) -> None:
    done = project.run(
        """
@pytest.mark.parametrize("n", [0, pytest.param(1, marks=pytest.mark.rudp_network(delay=0.5))])
async def test_it(n):
    assert is_virtual() == n
""",
        ini="asyncio_mode = auto",
    )
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*rudp_network belongs on the test, its class or module*"])


@pytest.mark.slow
def test_the_bug_of_the_documentation_is_found(pytester: pytest.Pytester) -> None:
    page = docs.ROOT / "docs" / "howto" / "testing.md"
    files = [
        block for block in docs.blocks(page.read_text(encoding="utf-8")) if block.kind == "file"
    ]
    for block in files[:2]:
        (pytester.path / block.what).write_text(block.text, encoding="utf-8")
    done = pytester.runpytest_subprocess(
        *installed(), "-k", "any_path", "-W", "ignore", "--hypothesis-seed=1"
    )
    done.assert_outcomes(failed=1, deselected=22)
    found = re.search(r"script=FaultScript\('(.*?)', lenient=True\)", str(done.stdout))
    assert found is not None
    assert 1 <= len(FaultScript(found[1])) <= 2
