"""Hands the sections to Sphinx as merged notebooks, and says which do not match."""

from __future__ import annotations

from pathlib import Path

import nbformat
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.util import logging

from booktools import SourceError
from booktools.notebooks.downloads import checksum
from booktools.notebooks.jobs import Job, job, outdated
from booktools.notebooks.merge import merge
from booktools.notebooks.stored import read_notebook
from booktools.source.book import Book
from booktools.source.sections import body, header

logger = logging.getLogger(__name__)

NOTEBOOK = "%booktools-notebook\n"
"""Begins a text that is a merged notebook: in MyST a comment, so no page's own."""


class BookError(SphinxError):
    """The book cannot be read."""

    category = "Book error"


def read_page(text: str) -> nbformat.NotebookNode:
    """Read a page for MyST-NB: a merged section, or a plain page as one cell."""
    if text.startswith(NOTEBOOK):
        notebook = nbformat.reads(text.removeprefix(NOTEBOOK), as_version=4)
    else:
        content, line = body(text)
        notebook = nbformat.v4.new_notebook(metadata=nbformat.from_dict(header(text)))
        notebook.cells.append(nbformat.v4.new_markdown_cell(content))
        notebook.metadata.source_map = [line - 1]
    # MyST-NB and MyST-Parser each add 1 to make lines count from 1.
    notebook.metadata.source_map = [n - 1 for n in notebook.metadata.source_map]
    return notebook


class Sources:
    """The book whose pages Sphinx makes.

    Attributes:
        book: the book, once the builder is there.
    """

    def __init__(self) -> None:
        self.outdated: set[str] = set()

    def load(self, app: Sphinx) -> None:
        """Read the whole book; without it no page can be made."""
        try:
            self.book = Book(Path(app.srcdir))
        except SourceError as error:
            raise BookError(str(error)) from None

    def check(self, app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
        """Report the notebooks that do not match, of every section at every build."""
        reported: set[str] = set()
        read: list[Job] = []
        for page in self.book.sections:
            for framework in page.section.frameworks:
                try:
                    read.append(job(self.book, page, framework))
                    problem = read[-1].problem()
                except SourceError as error:
                    problem = error
                if problem and str(problem) not in reported:
                    reported.add(str(problem))
                    self.outdated.add(page.docname)
                    location = (page.docname, problem.line)
                    logger.error("%s", problem.message, location=location)
        for message in outdated(read):
            logger.warning("%s", message)

    def read(self, app: Sphinx, docname: str, content: list[str]) -> None:
        """Replace the text of a section by the merged notebook."""
        page = self.book.find(docname)
        if page is None or page.section is None:
            return
        notebooks = {}
        for framework in page.section.frameworks:
            path = self.book.root / page.section.notebook_path(framework)
            app.env.note_dependency(str(path))
            if docname not in self.outdated:
                notebooks[framework] = read_notebook(path)
        if not notebooks:
            # Shown without outputs; the build has failed already.
            app.env.temp_data["booktools_outdated"] = True
        content[0] = NOTEBOOK + nbformat.writes(merge(page.section, notebooks))

    def finish(self, app: Sphinx, exception: Exception | None) -> None:
        """Let the build fail where a notebook did not match."""
        if self.outdated:
            app.statuscode = 1


def _read_pages(app: Sphinx, config: Config) -> None:
    config.nb_custom_formats = {".md": f"{__name__}.read_page"}


def setup_sources(app: Sphinx) -> Sources:
    """Let sections be read as merged notebooks, and return the book they are of."""
    sources = Sources()
    # Sphinx rewrites what depends on an option; every page depends on this one.
    package = Path(__file__).parents[1]
    app.add_config_value("booktools_state", checksum(package), "env", [str])
    # Before MyST-NB looks at the formats.
    app.connect("config-inited", _read_pages, priority=400)
    app.connect("builder-inited", sources.load)
    app.connect("env-before-read-docs", sources.check)
    app.connect("source-read", sources.read)
    app.connect("build-finished", sources.finish)
    return sources
