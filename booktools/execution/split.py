"""Splits a section into plain notebooks, one per framework, without outputs."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable

import nbformat
from nbformat import NotebookNode

from booktools.execution.convert import Converter
from booktools.execution.install import install_cell
from booktools.source.book import Book, Page
from booktools.source.claims import assertions
from booktools.source.sections import CLAIM, Cell, Section

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    # No version in it: a notebook must not depend on the Python that ran it.
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3}, "file_extension": ".py",
        "mimetype": "text/x-python", "name": "python", "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}  # fmt: skip


def split(book: Book, page: Page, framework: str) -> tuple[NotebookNode, list[int]]:
    """Make the notebook of a section for one of its frameworks, without outputs.

    Returns:
        The notebook, and for each of its cells the line of the section.

    Raises:
        SourceError: a label or a work is unknown, something has no plain form, or a
            claim asserts nothing.
    """
    section, converter = page.section, Converter(book, page, framework)
    parts: list[tuple[Cell | int, str]] = []
    for cell in section.cells:
        if cell.kind == "markdown":
            parts.append((cell.line, converter.markdown(cell.source, cell.line)))
        elif framework in cell.frameworks:
            if CLAIM in cell.tags:
                assertions(cell, section.path)  # says where one is missing
            parts.append((cell, cell.source))
    last = section.cells[-1].line if section.cells else 1
    parts += [(last, converter.references()), (last, converter.navigation())]
    notebook, lines = assemble(section, framework, parts)
    if book.repository:
        name, branch = book.repository
        requirement = f"d2lutils{{extras}} @ git+https://github.com/{name}@{branch}"
        notebook.cells.insert(0, install_cell(notebook, framework, requirement))
        lines.insert(0, 1)
    return notebook, lines


def assemble(
    section: Section, framework: str, parts: Iterable[tuple[Cell | int, str]]
) -> tuple[NotebookNode, list[int]]:
    """Make a notebook without outputs out of cells and plain Markdown.

    ``parts`` are, in order, code cells with their source, and lines of the section
    with the plain Markdown of what stands there.

    Returns:
        The notebook, its neighboring Markdown joined, its cells' identifiers
        derived from their content; and the line of the section for each cell.
    """
    notebook = nbformat.v4.new_notebook(metadata=nbformat.from_dict(NOTEBOOK_METADATA))
    notebook.metadata.booktools = nbformat.from_dict(
        {"framework": framework, "section": section.path.as_posix()}
    )
    notebook.nbformat_minor = 5
    lines: list[int] = []
    for origin, source in parts:
        if isinstance(origin, Cell):
            notebook.cells.append(
                nbformat.v4.new_code_cell(source, metadata=cell_metadata(origin))
            )
            lines.append(origin.line)
        elif not source.strip():
            continue
        elif notebook.cells and notebook.cells[-1].cell_type == "markdown":
            notebook.cells[-1].source += f"\n\n{source}"
        else:
            notebook.cells.append(nbformat.v4.new_markdown_cell(source))
            lines.append(origin)
    _identify(notebook)
    return notebook, lines


def cell_metadata(cell: Cell) -> NotebookNode:
    """Return what a notebook's cell says beside its source: the tags."""
    return nbformat.from_dict({"tags": list(cell.tags)} if cell.tags else {})


def _identify(notebook: NotebookNode) -> None:
    taken: set[str] = set()
    for cell in notebook.cells:
        for count in itertools.count():
            content = f"{cell.cell_type}\n{count}\n{cell.source}"
            cell.id = hashlib.sha256(content.encode()).hexdigest()[:12]
            if cell.id not in taken:
                break
        taken.add(cell.id)
