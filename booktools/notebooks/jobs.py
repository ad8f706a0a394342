"""Lists the notebooks of a book, each as its section makes it and as it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from booktools import SourceError
from booktools.notebooks.split import split
from booktools.notebooks.stored import difference, read_notebook
from booktools.source.book import Book, Page


@dataclass(frozen=True)
class Job:
    """A notebook of a section: as it is freshly split, and as it is stored."""

    page: Page
    framework: str
    path: Path
    fresh: NotebookNode
    lines: list[int]
    stored: NotebookNode | None

    @property
    def command(self) -> str:
        """What to type to make the notebook again."""
        return f"python -m booktools notebooks {self.page.section.name}"

    def problem(self) -> SourceError | None:
        """Say how the stored notebook fails its section, or nothing."""
        shown = self.page.section.notebook_path(self.framework).as_posix()
        found: tuple[int, str] | None = 1, "is missing or cannot be read"
        if self.stored:
            found = difference(self.fresh, self.lines, self.stored)
        if found is None:
            return None
        line, what = found
        return SourceError(self.page.path, line, f"{shown} {what}; run: {self.command}")


def job(book: Book, page: Page, framework: str) -> Job:
    """Split a section for a framework, or raise SourceError, and read what is stored."""
    fresh, lines = split(book, page, framework)
    path = book.root / page.section.notebook_path(framework)
    return Job(page, framework, path, fresh, lines, read_notebook(path))


def jobs(book: Book) -> Iterator[Job]:
    """List the notebooks that the book's sections make, each read as by :func:`job`."""
    for page in book.sections:
        for framework in page.section.frameworks:
            yield job(book, page, framework)


def orphans(book: Book) -> list[Path]:
    """List the notebooks that no section makes, relative to the book's folder."""
    made = {
        page.section.notebook_path(framework)
        for page in book.sections
        for framework in page.section.frameworks
    }
    stored = (book.root / "notebooks").glob("*/*.ipynb")
    return sorted({path.relative_to(book.root) for path in stored} - made)
