"""The directive ``live-run``: a run of ``rudp demo`` to step through, inside a page.

Its argument is what follows ``rudp demo``, and the option ``step`` at which step it opens.  The run
is made when the site is built.  A browser loads it when it comes into view, and the script and the
style, which all of them have in common, once.
"""

import html
import re
import shlex
from pathlib import Path
from typing import Any, ClassVar, Final

from docutils import nodes
from docutils.parsers.rst import directives
from quiz import recording
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rudp.cli.demo.scenarios import SCENARIOS
from rudp.trace import report

FOLDER: Final = "_static/runs"
"""Where the pages of runs are in the site."""


def page(arguments: str) -> str:
    """Return the page of ``rudp demo ARGUMENTS``."""
    scenario = SCENARIOS[shlex.split(arguments)[0]]
    title = f"{scenario.name}: {scenario.title}"
    return report.report(recording(arguments), title=title, shared=".")


class LiveRun(SphinxDirective):
    """A frame with the run, and a link to it alone."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {"step": directives.positive_int}

    def run(self) -> list[nodes.Node]:
        """Write the page, and return the frame."""
        arguments = self.arguments[0]
        name = re.sub(r"[^a-z0-9]+", "-", arguments.lower()).strip("-") + ".html"
        folder = Path(self.env.app.outdir) / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(page(arguments), encoding="utf-8")
        up = "../" * self.env.docname.count("/")
        link = f"{up}{FOLDER}/{name}#{self.options.get('step', 1)}"
        command = html.escape(f"rudp demo {arguments}")
        frame = (
            f'<iframe class="live-run" loading="lazy" src="{link}" title="{command}"></iframe>'
            f'<p class="live-run-link"><a href="{link}">This run on a page of its own</a></p>'
        )
        return [nodes.raw("", frame, format="html")]


def write_shared(app: Sphinx) -> None:
    """Write what all runs have in common."""
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in report.shared_files().items():
        (folder / name).write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive."""
    app.add_directive("live-run", LiveRun)
    app.connect("builder-inited", write_shared)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
