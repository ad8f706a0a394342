"""Puts the outputs of a section's notebooks back into the section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import nbformat
from nbformat import NotebookNode

from booktools.execution.split import NOTEBOOK_METADATA, cell_metadata
from booktools.execution.stored import code_cells
from booktools.source.sections import Cell, Section


def merge(section: Section, notebooks: Mapping[str, NotebookNode]) -> NotebookNode:
    """Put back into a section the outputs of those of its notebooks that match it.

    Returns:
        A notebook with the section's own MyST Markdown. The metadata
        ``booktools.framework`` of a code cell says whose it is; a shared cell has
        none where its outputs are equal everywhere, and else stands there once per
        framework, with the same ``booktools.group``.
    """
    # A cell that installs what is missing may come first.
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
    """Return what lets MyST-NB fold a claim to a line that says what was checked."""
    if not cell.claims:
        return {}
    line = "Checked: " + "; ".join(text for text, _ in cell.claims)
    prompts = {"code_prompt_show": line, "code_prompt_hide": line}
    return {"tags": [*cell.tags, "hide-input"], "mystnb": prompts}


def _copies(
    cell: Cell, executed: dict[str, NotebookNode], number: int
) -> Iterator[tuple[dict[str, Any], NotebookNode]]:
    contents = [_content(copy.outputs) for copy in executed.values()]
    blank = nbformat.v4.new_code_cell()
    if cell.shared and all(content == contents[0] for content in contents):
        yield {}, next(iter(executed.values()), blank)
        return
    for name in cell.frameworks:
        own: dict[str, str | int] = {"framework": name}
        if cell.shared:
            own["group"] = number
        yield {"booktools": own}, executed.get(name, blank)


def _content(outputs: list[NotebookNode]) -> list[dict[str, Any]]:
    """Return what a reader sees of outputs: no counts, no metadata."""
    return [
        {k: v for k, v in output.items() if k not in ("execution_count", "metadata")}
        for output in outputs
    ]
