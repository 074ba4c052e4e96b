"""The directive ``questions``: what a reader answers in the page; :mod:`quiz` says how they look.

The right answers are found in the runs when the site is built.
"""

import html
import re
from typing import ClassVar

from docutils import nodes
from quiz import Question, parse
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def told(text: str) -> str:
    """Return *text* as HTML, with what stands between backquotes as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def asked(number: int, question: Question) -> str:
    """Return the HTML of *question*."""
    right = question.answer()
    if right in question.wrong:
        raise ValueError(f"{question.text}: {right!r} is not wrong")
    buttons = "".join(
        f'<button type="button"{" data-right" if each == right else ""}>{told(each)}</button>'
        for each in question.choices(right)
    )
    return (
        f'<fieldset class="question"><legend>{number}. {told(question.text)}</legend>'
        f'<div class="choices">{buttons}</div><p class="verdict" role="status"></p>'
        f"<details><summary>Answer</summary><p><b>{told(right)}.</b> {told(question.why)}</p>"
        f"<p>See it: <code>rudp demo {html.escape(question.run)}</code></p></details></fieldset>"
    )


class Questions(SphinxDirective):
    """Some questions, each with buttons to choose from."""

    has_content: ClassVar[bool] = True

    def run(self) -> list[nodes.Node]:
        """Return them."""
        questions = parse("\n".join(self.content))
        text = "".join(asked(number, each) for number, each in enumerate(questions, start=1))
        return [nodes.raw("", text, format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive."""
    app.add_directive("questions", Questions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
