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

logger = logging.getLogger(__name__)


class Interactive(SphinxDirective):
    """The empty element for an interactive figure."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
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
    book: Book, app: Sphinx, pagename: str, template: str, context, doctree
) -> None:
    """Load the scripts and styles of a page's figures."""
    raw = doctree.findall(nodes.raw) if doctree else ()
    names = [node["interactive"] for node in raw if "interactive" in node]
    if not names:
        return
    figures = [book.figures[name] for name in names]
    for figure in figures:
        whole = place_of(figure.name, figure.markup)
        context["body"] = context["body"].replace(place_of(figure.name), whole)
        for style in figure.styles:
            app.add_css_file(f"{FOLDER.name}/{style}")
    # Each script once, in order.
    scripts = dict.fromkeys(name for figure in figures for name in figure.scripts)
    texts = [(book.root / FOLDER / name).read_text("utf-8") for name in scripts]
    together = f"{FOLDER.name}/{'-'.join(names)}.js"
    joined = "".join(map(_lean, texts))
    Path(app.outdir, "_static", together).write_text(joined, "utf-8")
    app.add_js_file(together, loading_method="defer")


def _lean(script: str) -> str:
    """Return a script without comments and indentation, which are a quarter of it.

    So strings in scripts must not contain "//" or rely on their indentation.
    """
    without = re.sub(r"(?m)^ */\*(?s:.*?)\*/ *$|(^| +)// .*$", "", script)
    return re.sub(r"(?m)^\s+", "", without)


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


def setup_interactive(app: Sphinx) -> None:
    """Add the directive ``interactive``."""
    app.add_directive("interactive", Interactive)


def setup_figures(app: Sphinx, book: Book) -> None:
    """Write the files of the figures, and load them on the website's pages."""
    write_files(book, Path(app.outdir, "_static"))
    app.connect("html-page-context", partial(_add_files, book))
