"""Puts the outputs of notebooks back into their section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import nbformat
from nbformat import NotebookNode

from booktools.execution.split import NOTEBOOK_METADATA, cell_metadata
from booktools.execution.stored import code_cells, essence
from booktools.source.sections import Cell, Section


def merge(section: Section, notebooks: Mapping[str, NotebookNode]) -> NotebookNode:
    """Put the outputs of a section's notebooks back into the section.

    ``notebooks`` holds the ones that match the section, by framework.

    Returns:
        One notebook with the section's own MyST Markdown. A code cell names its
        framework in the metadata ``booktools.framework``. A shared cell names none if
        its outputs are the same everywhere. Otherwise it is there once per framework,
        with the same ``booktools.group``.
    """
    # Count from the end, because the first cell may be an extra one that installs.
    outputs = {
        name: iter(code_cells(notebook)[-len(section.code_cells(name)) :])
        for name, notebook in notebooks.items()
    }
    merged = nbformat.v4.new_notebook(metadata=nbformat.from_dict(NOTEBOOK_METADATA))
    source_map: list[int] = []
    for number, cell in enumerate(section.cells):
        if cell.kind == "markdown":
            merged.cells.append(nbformat.v4.new_markdown_cell(cell.source))
            source_map.append(cell.line - 1)
            continue
        metadata = cell_metadata(cell) | _folded(cell)
        executed = {n: next(outputs[n]) for n in cell.frameworks if n in outputs}
        for own, copy in _copies(cell, executed, number):
            new = nbformat.v4.new_code_cell(
                cell.source, metadata=metadata | own, outputs=copy.outputs
            )
            new.execution_count = copy.execution_count
            merged.cells.append(new)
            source_map.append(cell.line - 1)
    merged.metadata.source_map = source_map
    return merged


def _folded(cell: Cell) -> dict[str, Any]:
    """Return metadata with which MyST-NB folds a claim into a line "Checked: ..."."""
    if not cell.claims:
        return {}
    line = "Checked: " + "; ".join(text for text, _ in cell.claims)
    prompts = {"code_prompt_show": line, "code_prompt_hide": line}
    return {"tags": [*cell.tags, "hide-input"], "mystnb": prompts}


def _copies(
    cell: Cell, executed: dict[str, NotebookNode], number: int
) -> Iterator[tuple[dict[str, Any], NotebookNode]]:
    contents = [[*map(essence, copy.outputs)] for copy in executed.values()]
    blank = nbformat.v4.new_code_cell()
    if cell.shared and all(content == contents[0] for content in contents):
        yield {}, next(iter(executed.values()), blank)
        return
    for name in cell.frameworks:
        own: dict[str, str | int] = {"framework": name}
        if cell.shared:
            own["group"] = number
        yield {"booktools": own}, executed.get(name, blank)
