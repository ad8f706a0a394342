"""Splits a section into plain notebooks, one per framework, without outputs."""

from __future__ import annotations

import hashlib
from collections import Counter

import nbformat
from nbformat import NotebookNode

from booktools.execution.convert import Converter
from booktools.execution.install import install_cell
from booktools.source.book import Book, Page
from booktools.source.sections import Cell

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    # Leave out the version: a notebook must not depend on the Python that ran it.
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3}, "file_extension": ".py",
        "mimetype": "text/x-python", "name": "python", "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}  # fmt: skip


def split(
    book: Book,
    page: Page,
    framework: str,
    converter: type[Converter] = Converter,
    requirement: str | None = None,
) -> tuple[NotebookNode, list[int]]:
    """Make a section's notebook for one of its frameworks, without outputs.

    ``converter`` decides where links lead (by default to the book's files), and
    ``requirement`` what the first cell installs (by default d2lutils from the book's
    repository).

    Returns:
        The notebook, with cell identifiers derived from the content, and for each
        cell its line in the section.

    Raises:
        SourceError: a label or a cited work is unknown, or something has no plain
            form.
    """
    section, convert = page.section, converter(book, page, framework)
    notebook = nbformat.v4.new_notebook(metadata=nbformat.from_dict(NOTEBOOK_METADATA))
    notebook.metadata.booktools = nbformat.from_dict(
        {"framework": framework, "section": section.path.as_posix()}
    )
    notebook.nbformat_minor = 5
    lines: list[int] = []

    def add(line: int, source: str) -> None:
        """Add Markdown, joined to the Markdown before it."""
        if source and notebook.cells and notebook.cells[-1].cell_type == "markdown":
            notebook.cells[-1].source += f"\n\n{source}"
        elif source:
            notebook.cells.append(nbformat.v4.new_markdown_cell(source))
            lines.append(line)

    for cell in section.cells:
        if cell.kind == "markdown":
            add(cell.line, convert.markdown(cell.blocks))
        elif framework in cell.frameworks:
            code = nbformat.v4.new_code_cell(cell.source, metadata=cell_metadata(cell))
            notebook.cells.append(code)
            lines.append(cell.line)
    add(section.cells[-1].line, convert.references())
    add(section.cells[-1].line, convert.navigation())
    _identify(notebook)
    if book.repository and not requirement:
        name, branch = book.repository
        requirement = f"d2lutils{{extras}} @ git+https://github.com/{name}@{branch}"
    if requirement:
        notebook.cells.insert(0, install_cell(notebook, framework, requirement))
        lines.insert(0, 1)
    return notebook, lines


def cell_metadata(cell: Cell) -> NotebookNode:
    """Return the metadata of a notebook's cell, which are its tags."""
    return nbformat.from_dict({"tags": list(cell.tags)} if cell.tags else {})


def _identify(notebook: NotebookNode) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for cell in notebook.cells:
        key = cell.cell_type, cell.source
        content = f"{cell.cell_type}\n{seen[key]}\n{cell.source}"
        cell.id = hashlib.sha256(content.encode()).hexdigest()[:12]
        seen[key] += 1
