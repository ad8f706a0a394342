"""Puts interactive figures on pages, which draw them with scripts.

    ```{interactive} NAME
    ```

makes an empty element on the page. It stays empty without scripts, on paper and in
notebooks, so add a still figure next to it. ``interactive/NAME/figure.yml`` says what
this page then loads (:mod:`booktools.source.interactive`). All scripts of a page are
joined into one file, and the page holds the figure's markup as a template.
"""

from __future__ import annotations

import re
import runpy
import shutil
from functools import partial
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from booktools.execution.jobs import command
from booktools.source.book import Book
from booktools.source.interactive import FOLDER
from booktools.sphinx.sources import Sources

logger = logging.getLogger(__name__)


class Interactive(SphinxDirective):
    """The empty element for an interactive figure."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the element.

        Raises:
            DirectiveError: there is no such figure.
        """
        name = self.arguments[0]
        description = FOLDER / name / "figure.yml"
        if not Path(self.env.srcdir, description).is_file():
            raise self.error(f"there is no figure {name!r}; write {description}")
        return [nodes.raw("", place_of(name), format="html", interactive=name)]


def place_of(name: str, markup: str = "") -> str:
    """Return the place of a figure, with its markup as a template."""
    inner = markup and f"<template>{markup}</template>"
    return f'<div class="interactive" id="{name}">{inner}</div>'


def _add_files(
    sources: Sources, app: Sphinx, pagename: str, template: str, context, doctree
) -> None:
    """Load the scripts and styles of a page's figures."""
    if not doctree or app.builder.name == "epub":
        return
    places = [node.get("interactive") for node in doctree.findall(nodes.raw)]
    names = [name for name in places if name]
    if not names:
        return
    scripts: dict[str, None] = {}  # each once, in order
    styles: dict[str, None] = {}
    for name in names:
        figure = sources.book.figures[name]
        scripts |= dict.fromkeys(figure.scripts)
        styles |= dict.fromkeys(figure.styles)
        whole = place_of(name, figure.markup)
        context["body"] = context["body"].replace(place_of(name), whole)
    together = Path(FOLDER.name, f"{'-'.join(names)}.js")
    texts = [
        (sources.book.root / FOLDER / script).read_text("utf-8") for script in scripts
    ]
    Path(app.outdir, "_static", together).write_text(
        "".join(map(_lean, texts)), "utf-8"
    )
    app.add_js_file(together.as_posix(), loading_method="defer")
    for style in styles:
        app.add_css_file(f"{FOLDER.name}/{style}")


def _lean(script: str) -> str:
    """Return a script without comments and indentation, which are a quarter of it.

    So strings in scripts must not contain "//" or rely on their indentation.
    """
    without = re.sub(r"(?m)^ */\*(?s:.*?)\*/ *$|(^| +)// .*$", "", script)
    return re.sub(r"(?m)^\s+", "", without)


def _write_files(sources: Sources, app: Sphinx) -> None:
    if app.builder.format == "html" and app.builder.name != "epub":
        write_files(sources.book, Path(app.outdir, "_static"))


def write_files(book: Book, static: Path) -> None:
    """Write the scripts and styles of a book's figures into ``static``."""
    folder = book.root / FOLDER
    for path in (*folder.rglob("*.js"), *folder.rglob("*.css")):
        target = static / path.relative_to(book.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for figure in book.figures.values():
        weights = figure.weights
        if weights and not (book.root / weights.path).is_file():
            how = command(book.root, weights.section)
            logger.error("there is no %s; run: %s", weights.path.as_posix(), how)
            continue
        for data in figure.data:
            scripts = runpy.run_path(str(folder / data))["scripts"]()
            for name, text in scripts.items():
                (static / FOLDER / data).with_name(name).write_text(text, "utf-8")


def setup_interactive(app: Sphinx, sources: Sources) -> None:
    """Add the directive ``interactive``."""
    app.add_directive("interactive", Interactive)
    app.connect("builder-inited", partial(_write_files, sources))
    app.connect("html-page-context", partial(_add_files, sources))
