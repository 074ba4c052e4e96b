"""Compiles what can be compiled: ``python wheels/compile.py core|lane FOLDER``.

``core`` is the modules of ``rudp/core`` through mypyc, but those that pyproject.toml names with
their reasons.  ``lane`` is every C file of ``rudp``, each an extension module of its
own.  The modules go to their places below FOLDER; ``.`` puts them beside the sources, for trying
them out.  To be run in the folder of pyproject.toml; needs setuptools and a C
compiler, and ``core`` mypy.
"""

import os
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

FLAGS: Final = ["-std=c11", "-Wall", "-Wextra", "-ffp-contract=off"]
"""What gcc and clang are told besides; without the last, sums and products might be rounded once
where Python rounds twice."""

GROUP: Final = "rudp"
"""mypyc puts all the code in one library, ``rudp__mypyc``, and a module that asks for it in each
place."""


def interpreted() -> list[str]:
    """Return the modules of the core that stay Python."""
    with open("pyproject.toml", "rb") as file:
        hooks = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]
    return list(hooks["custom"]["interpreted"])


def core(folder: str) -> list[Any]:
    """Return what setuptools needs to compile the core; C files go to *folder*."""
    from mypyc.build import mypycify

    left = {*interpreted()}
    found = {path.as_posix() for path in Path("rudp/core").rglob("*.py")}
    if missing := left - found:
        raise SystemExit(f"pyproject.toml names what there is not: {', '.join(sorted(missing))}")
    sources = sorted(path for path in found - left if not path.endswith("/__init__.py"))
    # The rules of the type checker are for those who work on the code, not for its users.
    options = ["--config-file=", f"--cache-dir={os.devnull}", "--explicit-package-bases"]
    options.append("--ignore-missing-imports")  # packages of the extras, which are not here
    return mypycify(
        [*options, *sources], opt_level="3", debug_level="0", target_dir=folder, group_name=GROUP
    )


def lane() -> list[Any]:
    """Return what setuptools needs to compile each C file of the package."""
    from setuptools import Extension

    return [
        Extension(
            ".".join(path.with_suffix("").parts),
            [path.as_posix()],
            extra_compile_args=FLAGS if os.name == "posix" else [],
        )
        for path in sorted(Path("rudp").rglob("*.c"))
    ]


def main(what: str, folder: str) -> None:
    """Compile *what*, ``core`` or ``lane``, into *folder*."""
    from setuptools import Distribution

    with tempfile.TemporaryDirectory() as temporary:
        modules = {"core": lambda: core(temporary), "lane": lane}[what]()
        command = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = folder, temporary
        command.ensure_finalized()
        command.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
