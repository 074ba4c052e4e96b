"""Settings of the documentation: ``sphinx-build -W -b html docs docs/_build``."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

import rudp  # noqa: E402 - found by the line above

project = "rudp"
author = "The rudp authors"
copyright = "The rudp authors"  # noqa: A001 - the name Sphinx gives it
release = version = rudp.__version__

extensions = [
    "myst_parser", "sphinx.ext.autodoc", "state_diagram", "live_run", "questions", "playground",
]  # fmt: skip
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"rudp {release}"
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["ladders.css"]
html_js_files = [("questions.js", {"defer": "defer"})]
html_favicon = "_static/icon.svg"

OUTSIDE = {
    "(../SECURITY.md)": "(security-policy.md)",
    "(../CHANGELOG.md)": "(changelog.md)",
    "(../CONTRIBUTING.md)": "(contributing.md)",
}
"""Links to pages at the top of the source, and the pages here that show them."""


def setup(app: Sphinx) -> None:
    """Let links between the source's pages lead to pages of the site."""

    def turn(app: Sphinx, name: str, source: list[str]) -> None:
        for link, page in OUTSIDE.items():
            source[0] = source[0].replace(link, page)

    app.connect("source-read", turn)
