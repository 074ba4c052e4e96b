"""``python -m rudp.labs FILE SALT [PAGE]``: checks a file, in a process that can be ended.

It tells what it does in JSON, a line each; ``rudp lab check`` reads them.  What the class of the
learner prints goes to the error stream.
"""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from rudp.labs.check import LabError, check, load, save


def main(arguments: list[str]) -> int:
    """Check the file; return 0 if all went well, 1 if not."""
    out = sys.stdout

    def tell(kind: str, **fields: Any) -> None:
        out.write(json.dumps({"event": kind} | fields) + "\n")
        out.flush()

    with contextlib.redirect_stdout(sys.stderr):
        try:
            lab, cls = load(Path(arguments[0]))
        except LabError as error:
            tell("unusable", why=str(error))
            return 1
        salt, *pages = arguments[1:]
        verdict = check(lab, cls, tell=lambda what: tell("next", what=what), salt=salt)
        page = None
        for name in pages:
            try:
                page = name if save(verdict, name) else None
            except OSError as error:
                tell("unusable", why=f"cannot write {name}: {error.strerror}")
                return 1
    tell("verdict", **verdict.fields(), page=page)
    return int(bool(verdict.problem) or verdict.grade < 100)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
