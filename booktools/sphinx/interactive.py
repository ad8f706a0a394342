"""Figures that a reader can touch, drawn by the page itself.

    ```{interactive} descent
    ```

leaves a place on the page, empty for whoever has no scripts, and empty on paper and in
notebooks: a still figure stands beside it. The page then loads the script of that name,
``static/booktools-NAME.js``, and no other page does; before it those that all such
figures share, and those that the option ``needs`` names.
"""

from __future__ import annotations

import itertools
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from booktools.sphinx.html import STATIC


class Interactive(SphinxDirective):
    """The place of an interactive figure."""

    required_arguments = 1
    option_spec = {"needs": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Leave the place.

        Raises:
            DirectiveError: There is no script of that name.
        """
        name = self.arguments[0]
        scripts = ["interactive", *self.options.get("needs", "").split(), name]
        for script in scripts:
            if not (STATIC / f"booktools-{script}.js").exists():
                raise self.error(f"there is no script {script!r} of interactive figures")
        place = f'<div class="interactive" id="{name}"></div>'
        return [nodes.raw("", place, format="html", interactive=scripts)]


def _add_scripts(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Load the scripts of the figures that a page has."""
    if not doctree or app.builder.name == "epub":
        return
    figures = [node.get("interactive", []) for node in doctree.findall(nodes.raw)]
    for script in dict.fromkeys(itertools.chain(*figures)):
        app.add_js_file(f"booktools-{script}.js", loading_method="defer")


def setup_interactive(app: Sphinx) -> None:
    """Offer the directive ``interactive``."""
    app.add_directive("interactive", Interactive)
    app.connect("html-page-context", _add_scripts)
