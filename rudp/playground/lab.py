"""A lab on the page: the same check as ``rudp lab check``, of text instead of a file.

It runs in this process, so the core must be Python, as it is in a browser; a class that loops has
to be ended from outside.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from rudp.labs.catalogue import LABS
from rudp.trace import report


def check(name: str, text: str, tell: Callable[[str], None] = lambda _: None) -> str:
    """Put the class in *text*, an answer to lab *name*, to the test; return JSON for the page.

    ``verdict``: what ``rudp lab check --json`` says; ``runs``: where a connection broke, the
    learner's run and the reference's.  *tell* is told what comes next.
    """
    from rudp.labs import check as checking  # where the core is compiled it cannot be had

    with tempfile.TemporaryDirectory(prefix="lab") as folder:
        os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", folder)  # it would be left behind
        path = Path(folder) / f"lab_{name}.py"
        path.write_text(text, encoding="utf-8")
        try:
            lab, cls = checking.load(path)
        except checking.LabError as error:
            verdict = {"lab": None, "grade": 0, "problem": str(error), "faults": None}
            return json.dumps({"verdict": verdict, "runs": []})
        found = checking.check(lab, cls, tell=tell)
        runs = [] if found.runs is None else found.runs
        labels = ("yours", "the reference")
        packed = [report.packed(run, name=label) for run, label in zip(runs, labels, strict=False)]
        return json.dumps({"verdict": found.fields() | {"page": None}, "runs": packed})


def begin(name: str) -> str:
    """Return the text that a learner begins lab *name* with."""
    return LABS[name].start.read_text(encoding="utf-8")
