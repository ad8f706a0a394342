"""Figures that a reader can touch, drawn by the page itself.

    ```{interactive} descent
    ```

leaves a place on the page, empty for whoever has no scripts, and empty on paper and in
notebooks: a still figure stands beside it. The page then loads the script of that name,
``static/booktools-NAME.js``, and no other page does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

STATIC = Path(__file__).parent / "static"
PLACE = '<div class="interactive" id="{name}"></div>'


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
        return [nodes.raw("", PLACE.format(name=name), format="html")]


def _add_scripts(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Load the scripts of the figures that a page has."""
    if not doctree or app.builder.name == "epub":
        return
    for node in doctree.findall(nodes.raw):
        for script in STATIC.glob("booktools-*.js"):
            name = script.stem.removeprefix("booktools-")
            if node.astext() == PLACE.format(name=name):
                app.add_js_file(script.name, loading_method="defer")


def setup_interactive(app: Sphinx) -> None:
    """Offer the directive ``interactive``."""
    app.add_directive("interactive", Interactive)
    app.connect("html-page-context", _add_scripts)
