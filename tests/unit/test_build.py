"""Which core is imported: what is compiled, or with RUDP_PURE=1 the Python beside it."""

import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import rudp
from rudp import build
from rudp.core.segment import wire

PACKAGE = Path(rudp.__file__).parent
SUFFIX = EXTENSION_SUFFIXES[0]
NOT_COMPILED = b"nothing that a system could load"


def imported(where: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run *code* with the package that lies in *where*."""
    others = {name: value for name, value in os.environ.items() if name != "RUDP_PURE"}
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(where)!r}); {code}"],
        env=others | environment,
        capture_output=True,
        text=True,
    )


def package(where: Path, *compiled: str) -> Path:
    """Put a package in *where* in which modules of the core have something beside them."""
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd")
    shutil.copytree(PACKAGE, where / "rudp", ignore=ignored)
    for module in compiled:
        (where / "rudp" / "core" / f"{module}{SUFFIX}").write_bytes(NOT_COMPILED)
    return where


@pytest.fixture
def twice(tmp_path: Path) -> Path:
    """Return where a package lies in which two modules of the core are there twice."""
    return package(tmp_path, "segment/wire", "life/tcb")


def test_what_is_compiled_is_imported(twice: Path) -> None:
    done = imported(twice, "import rudp.core.life.connection")
    assert done.returncode == 1
    assert "ImportError" in done.stderr


def test_unless_the_environment_asks_for_python(twice: Path) -> None:
    code = "import rudp; from rudp.core.segment import wire; print(wire.__file__, rudp.__path__[0])"
    done = imported(twice, code, RUDP_PURE="1")
    assert (done.returncode, done.stderr) == (0, "")
    module, package = done.stdout.split()
    assert Path(module) == Path(package, "core", "segment", "wire.py")
    assert Path(package) == twice / "rudp"


@pytest.mark.parametrize("pure", ["1", "lane"])
def test_what_there_is_in_c_alone_is_not_there_then(tmp_path: Path, pure: str) -> None:
    code = "import rudp; print('here'); import rudp.core.life._inc"
    done = imported(package(tmp_path, "life/_inc"), code, RUDP_PURE=pure)
    assert done.stdout == "here\n"
    assert "ModuleNotFoundError: rudp.core.life._inc is not Python" in done.stderr


@pytest.mark.parametrize("pure", ["1", "lane"])
def test_then_the_lane_is_the_one_in_python(tmp_path: Path, pure: str) -> None:
    where = package(tmp_path)
    (where / "rudp" / f"_lane{SUFFIX}").write_bytes(NOT_COMPILED)
    done = imported(where, "import rudp; print(rudp.build.lane())", RUDP_PURE=pure)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Python\n", "")


def test_the_environment_may_leave_what_is_there_twice_compiled(twice: Path) -> None:
    done = imported(twice, "import rudp.core.life.connection", RUDP_PURE="lane")
    assert done.returncode == 1
    assert "ImportError" in done.stderr


def test_other_packages_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / f"wire{SUFFIX}").write_bytes(NOT_COMPILED)
    sources = build.Sources(compiled=False)
    assert sources.find_spec("wire", [str(tmp_path)]) is None
    assert sources.find_spec("rudp.core.nothing", [str(tmp_path)]) is None


def test_the_summary_says_what_was_imported() -> None:
    core = "interpreted" if wire.__file__.endswith(".py") else "compiled"
    lane = "C" if "rudp._lane" in sys.modules else "Python"
    assert build.core() == core
    assert build.lane() == lane
    assert build.summary() == f"aiorudp {rudp.__version__}, core {core}, lane {lane}"
