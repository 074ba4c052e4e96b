"""Who may import whom: the table of docs/design.md, held against the code.

A module imports only from rows below its own.  Within a row bars separate strangers, and an
arrow lets what stands left of it import what stands right of it; a dot joins two modules at the
same place of an arrow.  A room in the table stands for its modules, which may know one another,
though never in a circle.
"""

import ast
import dataclasses
import functools
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rudp.core.terms.counters import Count
from rudp.core.watch.stats import EndpointStats

ROOT = Path(__file__).resolve().parent.parent

TABLE = """\
__main__ → cli → playground → labs → testing
rudp | metrics
aio.program → aio.carrier → aio.rule · aio.standing | nat
aio.streams → aio.connect · aio.server · aio.delivery · aio.visible → aio.transport · aio.registry · aio.tls · aio.options → aio.endpoint · aio.sockets · aio.resolve · aio.flow · aio.race · aio.watch → aio.kinds · aio.lastack · aio.news · aio.aside → aio.book
live
udp.linux · udp.selector → udp.own · udp.portable → udp.port · udp.fields · udp.linkmtu | sim | bridge | trace
build
core.demux
core.life → _lane
core.send | core.receive
config → keys
core.congestion
core.loss | core.ecn
core.watch
core.segment
core.terms
"""  # noqa: E501 - a row of the table is a line

KNOWS = {
    "cli": {"rudp", "metrics", "live", "playground", "labs", "sim", "bridge", "trace"},
    "playground": {"rudp", "labs", "testing", "sim", "trace", "config"},
    "labs": {"testing", "sim", "trace", "config", "core"},
    "testing": {"rudp", "sim", "trace", "core.segment", "core.watch"},
    "rudp": {
        "aio",
        "nat",
        "config",
        "keys",
        "build",
        "core.congestion",
        "core.terms",
        "core.watch",
    },
    "udp": {"_lane", "config", "core.segment"},
    "live": {"udp.own", "core.life", "core.segment", "core.watch"},
    "sim": {"config", "core.demux", "core.life", "core.segment", "core.terms", "core.watch"},
    "trace": {"config", "core.segment", "core.terms", "core.watch"},
    "bridge": {"core.segment"},
}
"""Rooms that are shown less than all the rows below them, and what they are shown."""

FORBIDDEN_IN_CORE = {
    "asyncio", "concurrent", "datetime", "logging", "multiprocessing", "secrets", "select",
    "selectors", "signal", "socket", "ssl", "subprocess", "threading", "uuid",
}  # fmt: skip
"""The core has no clock, no socket, no randomness and no loop of its own."""

ALLOWED_OF = {"os": {"strerror"}, "random": {"Random"}, "time": {"get_clock_info"}}
"""Of these modules the core uses nothing but these names."""

EXTRAS = {
    "cli": {"matplotlib", "prometheus_client", "rich", "uvloop"},
    "aio": {"uvloop"},
    "keys": {"cryptography"},
    "metrics": {"opentelemetry", "prometheus_client"},
    "labs": {"hypothesis"},
    "testing": {"hypothesis", "pytest"},
}
"""Packages of an extra that a room uses if they are installed: it imports them inside functions."""

AT_ONCE = {"testing.plugin": {"pytest"}, "testing.marked": {"pytest"}}
"""Modules that nobody but such a package imports, and so may import it at once."""

LINES_MAX = 750


@dataclasses.dataclass(frozen=True)
class Import:
    """One import of *target*, a module of rudp or of somebody else."""

    target: str
    line: int
    typing_only: bool


@functools.cache
def modules() -> dict[str, Path]:
    """Return the path of every module of rudp; ``rudp/udp/port.py`` is ``udp.port``."""
    found = {}
    for path in sorted((ROOT / "rudp").rglob("*.py*")):
        if path.suffix not in (".py", ".pyi"):
            continue
        parts = path.relative_to(ROOT / "rudp").with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        found[".".join(parts) or "rudp"] = path
    return found


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(tree: ast.Module) -> Iterator[Import]:
    """Yield the imports of *tree*, those inside functions included."""
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in {resolve(name) for name in names}:
            yield Import(target, node.lineno, node in guarded)


def resolve(name: str) -> str:
    """Return the module that *name* lies in: ``core.segment.wire`` for its ``ACK``."""
    if name.partition(".")[0] != "rudp":
        return name
    inner = name.removeprefix("rudp").removeprefix(".")
    while inner and inner not in modules():
        inner = inner.rpartition(".")[0]
    return inner or "rudp"


def inside(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


@functools.cache
def places() -> dict[str, tuple[int, int, int]]:
    """Return for each entry of TABLE its row, its group in the row and its step in the group."""
    return {
        entry: (row, group, step)
        for row, line in enumerate(TABLE.splitlines())
        for group, chain in enumerate(line.split(" | "))
        for step, joined in enumerate(chain.split(" → "))
        for entry in joined.split(" · ")
    }


def entry_of(module: str) -> str | None:
    """Return the entry of TABLE that covers *module*; ``rudp`` is the top package alone."""
    fitting = [entry for entry in places() if inside(module, entry)]
    return max(fitting, key=len, default=None)


def may_import(module: str, target: str) -> bool:
    mine, theirs = entry_of(module), entry_of(target)
    if mine is None or theirs is None:
        return False
    if mine == theirs:
        return True
    for room, shown in KNOWS.items():
        if inside(module, room) and not any(inside(target, name) for name in shown | {room}):
            return False
    my_row, my_group, my_step = places()[mine]
    their_row, their_group, their_step = places()[theirs]
    if my_row == their_row:
        return my_group == their_group and my_step < their_step
    return my_row < their_row


def is_namespace(path: Path) -> bool:
    """Is *path* an ``__init__`` that holds a docstring and nothing else?"""
    return path.name == "__init__.py" and len(parse(path).body) == 1


@pytest.mark.parametrize(
    ("module", "target", "expected"),
    [
        ("core.life.arrival", "core.segment.wire", True),
        ("core.segment.wire", "core.life.arrival", False),
        ("core.life.tcb", "core.send.sender", True),
        ("core.send.sender", "core.receive.receiver", False),
        ("core.congestion.newreno", "core.congestion.controller", True),
        ("core.congestion.newreno", "config", False),
        ("sim.network", "core.demux.table", True),
        ("sim.network", "core.send.sender", False),
        ("sim.loop", "aio.endpoint", False),
        ("core.demux.table", "sim.clock", False),
        ("cli.demo", "core.segment.wire", False),
        ("core.nowhere", "config", False),
    ],
)
def test_the_table_is_read_as_it_looks(module: str, target: str, expected: bool) -> None:
    assert may_import(module, target) is expected


@pytest.mark.parametrize("module", modules())
def test_module_has_a_place_in_the_table(module: str) -> None:
    assert entry_of(module) or is_namespace(modules()[module]), f"{module} is not in TABLE"


@pytest.mark.parametrize("module", modules())
def test_module_imports_only_what_lies_below(module: str) -> None:
    wrong = [
        f"line {found.line}: {module} imports {found.target}"
        for found in imports(parse(modules()[module]))
        if found.target in modules() and not may_import(module, found.target)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", modules())
def test_module_needs_the_standard_library_alone(module: str) -> None:
    foreign = {
        found.target
        for found in imports(parse(modules()[module]))
        if found.target not in modules()
        and not found.typing_only
        and found.target.partition(".")[0] not in sys.stdlib_module_names
    }
    optional = EXTRAS.get(module.partition(".")[0], set())
    assert {target.partition(".")[0] for target in foreign} <= optional


@pytest.mark.parametrize("module", [name for name in modules() if name.partition(".")[0] in EXTRAS])
def test_a_room_works_without_extras(module: str) -> None:
    at_once = {
        name.partition(".")[0]
        for node in parse(modules()[module]).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert at_once & EXTRAS[module.partition(".")[0]] <= AT_ONCE.get(module, set())


@pytest.mark.parametrize("module", [name for name in modules() if inside(name, "core")])
def test_core_is_pure(module: str) -> None:
    tree = parse(modules()[module])
    impure = {found.target.partition(".")[0] for found in imports(tree)} & FORBIDDEN_IN_CORE
    assert not impure
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = ALLOWED_OF.get(node.value.id)
            used = f"line {node.lineno}: {node.value.id}.{node.attr}"
            assert names is None or node.attr in names or is_local(tree, node.value.id), used
        elif isinstance(node, ast.ImportFrom) and node.module in ALLOWED_OF:
            used_names = {alias.name for alias in node.names}
            assert used_names <= ALLOWED_OF[node.module], f"line {node.lineno}: {used_names}"


def is_local(tree: ast.Module, name: str) -> bool:
    """Is *name* something else than the module of that name, because that is not imported?"""
    return not any(found.target == name for found in imports(tree))


@pytest.mark.parametrize("module", modules())
def test_module_begins_with_a_docstring(module: str) -> None:
    docstring = ast.get_docstring(parse(modules()[module]))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":", "?")), "the first line is a sentence"


@pytest.mark.parametrize("folder", ["rudp", "examples", "bench"])
def test_no_file_grows_beyond_what_one_reads_at_a_sitting(folder: str) -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX
    }
    assert not long


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_examples_use_public_names_alone(path: Path) -> None:
    hidden = {
        found.target
        for found in imports(parse(path))
        if found.target in modules()
        and found.target.partition(".")[0] not in ("rudp", "sim", "trace")
    }
    assert not hidden


def test_every_counter_is_explained() -> None:
    """``endpoint.stats()`` has a field for each reason to count, and some more."""
    more = {"connections", "half_open", "reassembly_octets", "time_wait_records"}
    more |= {"socket_receive_buffer", "socket_send_buffer", "socket_receive_drops"}
    assert EndpointStats.__annotations__.keys() == {count.value for count in Count} | more


@pytest.mark.parametrize("module", ["config", "core.watch.info", "core.watch.stats"])
def test_every_public_field_is_explained(module: str) -> None:
    """A sentence follows each field: its unit, and the RFC where there is one."""
    (cls,) = [node for node in parse(modules()[module]).body if isinstance(node, ast.ClassDef)]
    for field, sentence in itertools.pairwise(cls.body):
        if isinstance(field, ast.AnnAssign):
            name = ast.unparse(field.target)
            assert isinstance(sentence, ast.Expr), name
            assert ast.literal_eval(sentence.value).endswith("."), name


def test_imports_form_no_circle() -> None:
    graph = {
        module: {
            found.target
            for found in imports(parse(path))
            if found.target in modules() and found.target != module
        }
        for module, path in modules().items()
    }
    while leaves := {module for module, targets in graph.items() if not targets}:
        graph = {m: targets - leaves for m, targets in graph.items() if m not in leaves}
    assert not graph, "modules that import each other, or depend on such: " + ", ".join(graph)


def test_design_document_shows_the_same_table() -> None:
    assert TABLE in (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
