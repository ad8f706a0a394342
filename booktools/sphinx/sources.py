"""Gives Sphinx the sections as merged notebooks, and reports notebooks that differ."""

from __future__ import annotations

import shutil
import sys
from abc import abstractmethod
from collections import defaultdict
from pathlib import Path
from typing import NoReturn

import nbformat
from docutils import nodes
from docutils.statemachine import StringList
from nbformat import NotebookNode
from sphinx.application import ENV_PICKLE_FILENAME, Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from booktools import SourceError
from booktools.execution.jobs import Job, job, outdated
from booktools.execution.merge import merge
from booktools.source.book import Book
from booktools.source.sections import body, header

logger = logging.getLogger(__name__)

NOTEBOOK = "%booktools-notebook\n"
"""Marks a text as a merged notebook. It is a MyST comment that no page begins with."""


def stop(message: str) -> NoReturn:
    """End the build with one line that tells the author what to fix.

    We don't raise an exception, because Jupyter Book would print its traceback.
    """
    print(f"Book error: {message}", file=sys.stderr)
    raise SystemExit(1)


def read_page(text: str) -> NotebookNode:
    """Read a page for MyST-NB: a merged section, or a plain page as one cell."""
    if text.startswith(NOTEBOOK):
        notebook = nbformat.reads(text.removeprefix(NOTEBOOK), as_version=4)
    else:
        content, _, line = body(text, Path())
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_markdown_cell(content)],
            metadata=nbformat.from_dict(header(text, Path())),
        )
        notebook.metadata.source_map = [line - 1]
    # MyST-NB and MyST-Parser each add 1 to make lines count from 1.
    notebook.metadata.source_map = [n - 1 for n in notebook.metadata.source_map]
    return notebook


class Sources:
    """The book that Sphinx builds.

    Attributes:
        book: the book, once the builder has started.
        jobs: the notebooks of its sections.
        matching: the notebooks that match their section, by page and framework.
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.matching: dict[str, dict[str, NotebookNode]] = defaultdict(dict)

    def load(self, app: Sphinx) -> None:
        """Read the whole book, or end the build."""
        try:
            self.book = Book(Path(app.srcdir))
        except SourceError as error:
            stop(str(error))

    def check(self, app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
        """Report the notebooks that don't match their section or need a new run."""
        problems: dict[str, SourceError] = {}  # each once
        for page in self.book.sections:
            for framework in page.section.chosen:
                try:
                    each = job(self.book, page, framework)
                    self.jobs.append(each)
                    problem = each.problem()
                except SourceError as error:
                    problem = error
                if problem:
                    problems[str(problem)] = problem
                else:
                    self.matching[page.docname][framework] = each.stored
        # Fail even if warnings are allowed.
        app.statuscode = int(bool(problems))
        for problem in problems.values():
            location = f"{self.book.root / problem.path}:{problem.line}"
            logger.error("%s", problem.message, location=location)
        for message in outdated(self.jobs):
            logger.warning("%s", message)

    def read(self, app: Sphinx, docname: str, content: list[str]) -> None:
        """Replace the text of a section by the merged notebook.

        If a framework's notebook doesn't match, we show its code without outputs. The
        build has failed anyway.
        """
        page = self.book.find(docname)
        if page is None or page.section is None:
            return
        notebooks = self.matching[docname]
        lacking = len(notebooks) < len(page.section.chosen)
        app.env.temp_data["booktools_outdated"] = lacking
        content[0] = NOTEBOOK + nbformat.writes(merge(page.section, notebooks))


class WrittenDirective(SphinxDirective):
    """A directive that writes Markdown in its place, made from the book's content."""

    sources: Sources

    @classmethod
    def of(cls, sources: Sources) -> type[WrittenDirective]:
        """Return the directive bound to a book."""
        return type(cls.__name__, (cls,), {"sources": sources})

    @abstractmethod
    def lines(self) -> list[str]:
        """Return the lines of Markdown."""

    def run(self) -> list[nodes.Node]:
        node = nodes.Element()
        place, _ = self.get_source_info()
        lines = StringList(self.lines(), place)
        self.state.nested_parse(lines, self.content_offset, node)
        return node.children


def _begin_afresh(app: Sphinx) -> None:
    """Remove the files of an earlier build, because every page is written again.

    Sphinx adds a checksum to the address of a file only if the file is there already,
    so leftovers would change the pages.
    """
    if app.builder.format == "html":
        for name in ("_images", "_static"):
            shutil.rmtree(Path(app.outdir, name), ignore_errors=True)
        for pattern in ("*.html", "*.ipynb"):
            for path in list(Path(app.outdir).rglob(pattern)):
                path.unlink()


def setup_sources(app: Sphinx) -> Sources:
    """Let Sphinx read sections as merged notebooks, and return their book."""
    sources = Sources()
    # Don't reuse an earlier build. Sphinx can't know whether it failed, had another
    # format, or read labels, notebooks and pictures that have changed since.
    Path(app.doctreedir, ENV_PICKLE_FILENAME).unlink(missing_ok=True)
    # Before other extensions write there.
    app.connect("builder-inited", _begin_afresh, priority=1)
    app.connect("builder-inited", sources.load)
    app.connect("env-before-read-docs", sources.check)
    app.connect("source-read", sources.read)
    return sources
