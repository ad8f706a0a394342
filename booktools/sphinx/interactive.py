"""Figures that a reader can touch, drawn by the page itself.

    ```{interactive} descent
    ```

leaves a place on the page, empty for whoever has no scripts, and empty on paper and in
notebooks: a still figure stands beside it. The page then loads the script of that name,
``static/booktools-NAME.js``, and no other page does.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from booktools.sphinx.html import STATIC


class Interactive(SphinxDirective):
    """The place of an interactive figure."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Leave the place.

        Raises:
            DirectiveError: There is no script of that name.
        """
        name = self.arguments[0]
        if not (STATIC / f"booktools-{name}.js").exists():
            raise self.error(f"there is no interactive figure {name!r}")
        place = f'<div class="interactive" id="{name}"></div>'
        return [nodes.raw("", place, format="html", interactive=name)]


def _add_scripts(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Load the scripts of the figures that a page has."""
    if not doctree or app.builder.name == "epub":
        return
    for node in doctree.findall(nodes.raw):
        if name := node.get("interactive"):
            app.add_js_file(f"booktools-{name}.js", loading_method="defer")


def setup_interactive(app: Sphinx) -> None:
    """Offer the directive ``interactive``."""
    app.add_directive("interactive", Interactive)
    app.connect("html-page-context", _add_scripts)
