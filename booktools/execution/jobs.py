"""Lists the notebooks of a book, and says which are out of date."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from booktools import FRAMEWORKS, SourceError, chosen_frameworks, frameworks_of
from booktools.execution.split import split
from booktools.execution.stored import (
    code_cells,
    difference,
    file_checksum,
    outputs_checksum,
    read_notebook,
    record,
    same_code,
    undescribed,
    validate_outputs,
)
from booktools.execution.weights import kept_checksum
from booktools.source.book import Book, Page
from booktools.source.interactive import Weights

CAUSES = {
    "outputs": "a cell was run or edited after booktools ran them",
    "d2lutils": "d2lutils has changed since they ran",
    "weights": "the weights they keep for a figure have changed since they ran",
}
"""Why notebooks need a new run, by the checksum that differs."""


@dataclass(frozen=True)
class Job:
    """A notebook of a section: as it is freshly split, and as it is stored.

    ``keeps`` lists the arrays that figures want from its run.
    """

    root: Path
    page: Page
    framework: str
    fresh: NotebookNode
    lines: list[int]
    stored: NotebookNode | None
    keeps: list[Weights]

    @property
    def alts(self) -> list[str]:
        """The text alternatives of the pictures, one for each code cell."""
        return self.page.section.text_alternatives(self.framework)

    @property
    def shown(self) -> str:
        """The notebook's file, relative to the book's folder."""
        return self.page.section.notebook_path(self.framework).as_posix()

    @property
    def path(self) -> Path:
        """The notebook's file."""
        return self.root / self.shown

    def problem(self) -> SourceError | None:
        """Say how the stored notebook differs from its section, if it does."""
        found: tuple[int, str] | None = 1, "is missing or cannot be read"
        if self.stored:
            found = difference(self.fresh, self.lines, self.stored)
            kept = found is None and self.cause() is None
            if kept and any(undescribed(self.stored, self.alts)):
                found = 1, "has other text alternatives for its pictures"
        if found is None:
            return None
        line, what = found
        run = command(self.root, self.page.section.name)
        return SourceError(self.page.path, line, f"{self.shown} {what}; run: {run}")

    @property
    def can_be_run(self) -> bool:
        """Whether it runs with the chosen frameworks; ALL needs every one."""
        needed = {framework.tag for framework in frameworks_of(self.framework)}
        return needed <= set(chosen_frameworks())

    def made_with(self, notebook: NotebookNode) -> dict[str, str]:
        """Return the checksums to record in a notebook that runs now."""
        return {
            "outputs": outputs_checksum(notebook),
            "d2lutils": library_checksum(self.root, self.framework),
            **kept_checksum(self.root, self.keeps),
        }

    def cause(self) -> str | None:
        """Say why the stored outputs can't be kept, if they can't.

        They must come from a valid run of this code with this ``d2lutils``.
        """
        if not self.stored or not same_code(self.fresh, self.stored):
            return "their code changed"
        if not (told := record(self.stored)):
            return "they don't record what they ran with"
        for name, now in self.made_with(self.stored).items():
            if told.get(name) != now:
                return CAUSES[name]
        if any(map(validate_outputs, code_cells(self.stored))):
            return "they hold outputs that may not be stored"
        return None


def job(book: Book, page: Page, framework: str) -> Job:
    """Split a section for a framework, and read its stored notebook.

    Raises:
        SourceError: the section can't be split.
    """
    fresh, lines = split(book, page, framework)
    stored = read_notebook(book.root / page.section.notebook_path(framework))
    asked = [figure.weights for figure in book.figures.values() if figure.weights]
    mine = (page.section.name, framework)
    keeps = [each for each in asked if (each.section, each.framework) == mine]
    return Job(book.root, page, framework, fresh, lines, stored, keeps)


def jobs(
    book: Book, sections: Collection[str] = (), frameworks: Collection[str] = ()
) -> Iterator[Job]:
    """List the notebooks of the chosen frameworks, limited to the names given."""
    for page in book.sections:
        if not sections or page.section.name in sections:
            for framework in page.section.chosen:
                if not frameworks or framework in frameworks:
                    yield job(book, page, framework)


def command(root: Path, section: str = "") -> str:
    """Return the command that updates the notebooks of a section, or all."""
    if (root / "Makefile").is_file() and shutil.which("make"):
        return f"make notebooks ARGS={section}" if section else "make notebooks"
    return f"python -m booktools notebooks {section}".rstrip()


def library_checksum(root: Path, framework: str) -> str:
    """Return a checksum of the parts of ``d2lutils`` that a framework's notebooks use.

    It leaves out the modules of the other frameworks.
    """
    others = {each.module for each in FRAMEWORKS.values()}
    others -= {each.module for each in frameworks_of(framework)}
    modules = sorted((root / "d2lutils").rglob("*.py"))
    return file_checksum(*(path for path in modules if path.stem not in others))


def outdated(found: Iterable[Job]) -> list[str]:
    """Say which matching notebooks need a new run, with one line per cause."""
    matching = [each for each in found if each.problem() is None and each.can_be_run]
    by_cause: dict[str, list[Job]] = defaultdict(list)
    for each in matching:
        if cause := each.cause():
            by_cause[cause].append(each)
    return [
        f"notebooks need a new run because {cause}: "
        f"{', '.join(_named(some, matching))}; run: {command(some[0].root)}"
        for cause, some in by_cause.items()
    ]


def _named(some: list[Job], matching: list[Job]) -> Iterator[str]:
    """Name notebooks, with a pattern if they are all notebooks of a framework."""
    for framework in dict.fromkeys(each.framework for each in some):
        mine = [each for each in some if each.framework == framework]
        if len(mine) == sum(each.framework == framework for each in matching) > 1:
            yield f"notebooks/{framework}/*.ipynb"
        else:
            yield from (each.shown for each in mine)


def orphans(book: Book) -> list[Path]:
    """List the notebooks that no section makes, relative to the book's folder."""
    made = {
        page.section.notebook_path(framework)
        for page in book.sections
        for framework in page.section.frameworks
    }
    stored = (book.root / "notebooks").glob("*/*.ipynb")
    return sorted({path.relative_to(book.root) for path in stored} - made)
