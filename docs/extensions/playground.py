"""The directive ``playground``: a link to a setting of the playground, inside a page.

Its argument is what the address of the playground has behind ``#``, its content the words of the
link.  The playground becomes a part of the site where what it brings along is in the cache already,
since nothing is fetched here; elsewhere the directive says how to build it.
"""

import dataclasses
import html
import logging
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.logging import getLogger

from rudp.labs.catalogue import LABS
from rudp.playground import Setting
from rudp.playground.pinned import HELPERS, PYODIDE
from rudp.playground.scenarios import SCENARIOS
from rudp.playground.site import build

FOLDER: Final = "playground/site"
"""Where the playground is in the site."""

log = getLogger(__name__)


class Playground(SphinxDirective):
    """A paragraph with one link."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the paragraph."""
        setting = self.arguments[0].strip()
        check(setting)
        words = html.escape(" ".join(self.content))
        if not is_at_hand():
            command = "<code>rudp playground -o DIR</code>"
            where = f"<code>#{html.escape(setting)}</code>"
            text = f"{words} (in the playground, which {command} builds: {where})"
        else:
            up = "../" * self.env.docname.count("/")
            text = f'<a href="{up}{FOLDER}/index.html#{html.escape(setting)}">{words}</a>'
        return [nodes.raw("", f'<p class="playground">{text}</p>', format="html")]


def check(setting: str) -> None:
    """Raise :class:`ValueError` if a link has what the playground does not know."""
    fields = dict(parse_qsl(setting, keep_blank_values=True, strict_parsing=True))
    lab = fields.pop("lab", None)
    if lab is not None:
        if lab not in LABS or set(fields) - {"program"}:
            raise ValueError(f"{setting} is no link to a lab")
        return
    known = {field.name for field in dataclasses.fields(Setting)}
    if fields.get("scenario", "loss") not in SCENARIOS or set(fields) - known:
        raise ValueError(f"{setting} is no link to a scenario")


def is_at_hand() -> bool:
    """Whether all that the playground brings along is in the cache."""
    return all(each.kept.exists() for each in (PYODIDE, *HELPERS))


def add_site(app: Sphinx, error: Exception | None) -> None:
    """Build the playground into the site."""
    if error is not None or app.builder.format != "html":
        return
    if is_at_hand():
        logging.getLogger("rudp").setLevel(logging.WARNING)  # what connections tell is not wanted
        build(Path(app.outdir) / FOLDER)
    else:
        log.info("the site is without the playground: `rudp playground` fetches what it needs")


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive."""
    app.add_directive("playground", Playground)
    app.connect("build-finished", add_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
