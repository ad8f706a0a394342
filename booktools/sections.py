"""Reads a section, splits it into notebooks, and merges their outputs back.

A section is a MyST Markdown notebook that holds the cells of every framework.
Pure text and notebooks: nothing here runs code or knows of Sphinx.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import yaml
from jupytext.myst import MystMetadataParsingError, myst_to_notebook
from nbformat import NotebookNode

from booktools import ALL, FRAMEWORKS, SourceError

TAGS = {
    "full-width",
    "hide-cell",
    "hide-input",
    "hide-output",
    "margin",
    "output_scroll",
    "raises-exception",
    "remove-cell",
    "remove-input",
    "remove-output",
    "remove-stderr",
    "remove-stdout",
    "same-code",
    "scroll-output",
}
"""Tags a cell may have besides those of the frameworks.

All are Jupyter Book's but ``same-code``, which says that the function in the cell
is one that ``d2lutils`` holds too.
"""

HEADER = re.compile(r"---\n(.*?)\n(?:---|\.\.\.)\n", re.S)

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    # No version in it: a notebook must not depend on the Python that ran it.
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}


@dataclass(frozen=True)
class Cell:
    """A cell of a section.

    ``kind`` is ``code`` or ``markdown``; ``line`` the first line of its source in
    the section, counted from 1; ``frameworks`` whose it is; ``shared`` whether it
    is untagged, and so everyone's; ``tags`` the other tags; ``standin`` what must
    hold of its output with the stand-in data (``None``, ``"any"``, or bands by
    name).
    """

    kind: str
    source: str
    line: int
    frameworks: tuple[str, ...]
    shared: bool = True
    tags: tuple[str, ...] = ()
    standin: str | dict[str, list[float]] | None = None


@dataclass(frozen=True)
class Section:
    """A section, taken apart: ``path`` relative to the book's folder."""

    path: Path
    frameworks: tuple[str, ...]
    cells: tuple[Cell, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """What the section's notebooks are called."""
        return self.path.stem

    def code_cells(self, framework: str) -> list[Cell]:
        """Return the code cells that are in the notebook of a framework."""
        return [
            cell
            for cell in self.cells
            if cell.kind == "code" and framework in cell.frameworks
        ]

    def notebook_path(self, framework: str) -> Path:
        """Return where a framework's notebook lies, relative to the book's folder."""
        return Path("notebooks", framework, f"{self.name}.ipynb")


def header(text: str) -> dict[str, Any]:
    """Return the header of a page, empty where it has none or none that can be read."""
    match = HEADER.match(text)
    try:
        read = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError:
        return {}
    return read if isinstance(read, dict) else {}


def is_section(text: str) -> bool:
    """Tell whether a page is a section: whether its header is jupytext's for MyST."""
    found = header(text)
    for key in ("jupytext", "text_representation", "format_name"):
        found = found.get(key) if isinstance(found, dict) else None
    return found == "myst"


def read_section(text: str, path: Path) -> Section:
    """Take a section apart.

    Args:
        text: the section.
        path: where it lies, relative to the book's folder.

    Returns:
        Its cells in order.

    Raises:
        SourceError: a tag or an option is unknown, or cannot be read.
    """
    try:
        notebook = myst_to_notebook(text, add_source_map=True)
    except MystMetadataParsingError as error:
        line = re.search(r"line (\d+)", str(error))
        raise SourceError(path, int(line[1]) if line else 1, str(error)) from None
    except nbformat.ValidationError as error:
        place = re.search(r"^:?tags:[ ]*[^\[\s]", text, re.M)
        line = text.count("\n", 0, place.start()) + 1 if place else 1
        raise SourceError(
            path, line, f"tags must be a list in [brackets]: {error.message}"
        ) from None
    frameworks = _frameworks(notebook.metadata, path)
    lines = text.split("\n")
    cells = []
    for cell, start in zip(notebook.cells, notebook.metadata.source_map, strict=True):
        if cell.cell_type == "markdown":
            # jupytext counts the blank lines before the text as part of it.
            while not lines[start].strip():
                start += 1
            cells.append(Cell("markdown", cell.source, start + 1, frameworks))
        elif cell.cell_type == "code":
            cells.append(_code_cell(cell, start, frameworks, lines, path))
        else:
            raise SourceError(
                path, start, "a section may not hold raw cells; write Markdown"
            )
    return Section(path, frameworks, tuple(cells))


def _frameworks(metadata: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    named = metadata.get("booktools", {}).get("frameworks", list(FRAMEWORKS))
    known = [*FRAMEWORKS, ALL]
    if (
        not isinstance(named, list)
        or not named
        or any(name not in known for name in named)
        or (ALL in named and len(named) > 1)
    ):
        raise SourceError(
            path,
            1,
            f"booktools.frameworks in the header is {named!r}; expected a list of "
            f"{', '.join(FRAMEWORKS)}, or [{ALL}]",
        )
    return tuple(name for name in known if name in named)


def _code_cell(
    cell: NotebookNode,
    fence: int,
    frameworks: tuple[str, ...],
    lines: list[str],
    path: Path,
) -> Cell:
    options = dict(cell.metadata)
    tags = options.pop("tags", [])
    standin = options.pop("standin", None)
    if options:
        raise SourceError(
            path,
            fence,
            f"unknown option {', '.join(map(repr, options))} of a code cell; "
            "expected tags or standin",
        )
    for tag in tags:
        if tag not in FRAMEWORKS and tag not in TAGS:
            raise SourceError(
                path,
                fence,
                f"unknown tag {tag!r}; expected a framework "
                f"({', '.join(FRAMEWORKS)}) or one of {', '.join(sorted(TAGS))}",
            )
    own = tuple(name for name in FRAMEWORKS if name in tags)
    if strangers := [name for name in own if name not in frameworks]:
        raise SourceError(
            path,
            fence,
            f"the cell is for {', '.join(strangers)}, but the section is for "
            f"{', '.join(frameworks)} only (booktools.frameworks in its header)",
        )
    if not cell.source.strip():
        raise SourceError(path, fence, "the code cell is empty; fill or delete it")
    if cell.source.rstrip().endswith(";"):
        raise SourceError(
            path,
            fence,
            "the code cell ends with a semicolon, which hides its result in Jupyter, "
            "but not where notebooks are compared; write _ = before the last line",
        )
    first = cell.source.split("\n")[0]
    line = next(i for i in range(fence, len(lines)) if lines[i] == first)
    others = tuple(tag for tag in tags if tag not in FRAMEWORKS)
    checked = _standin(standin, path, fence)
    return Cell(
        "code", cell.source, line + 1, own or frameworks, not own, others, checked
    )


def _standin(value: Any, path: Path, line: int) -> str | dict[str, list[float]] | None:
    if value is None or value == "any":
        return value
    if isinstance(value, dict) and value:
        bands = list(value.values())
        if all(
            isinstance(band, list)
            and len(band) == 2
            and all(isinstance(end, int | float) for end in band)
            and band[0] <= band[1]
            for band in bands
        ):
            return nbformat.from_dict(value)
    raise SourceError(
        path,
        line,
        f"standin is {value!r}; expected any, or bands such as "
        '{"train loss": [0.30, 0.40]}',
    )


def assemble(
    section: Section, framework: str, parts: Iterator[tuple[Cell | int, str]]
) -> tuple[NotebookNode, list[int]]:
    """Make a notebook without outputs out of cells and plain Markdown.

    Args:
        section: what the notebook is made from.
        framework: whose it is.
        parts: in order, code cells with their source, and lines of the section
            with the plain Markdown of what stands there.

    Returns:
        The notebook, its neighbouring Markdown joined, its cells' identifiers
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
                nbformat.v4.new_code_cell(source, metadata=_cell_metadata(origin))
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


def _cell_metadata(cell: Cell) -> NotebookNode:
    metadata: dict[str, Any] = {}
    if cell.tags:
        metadata["tags"] = list(cell.tags)
    if cell.standin:
        metadata["standin"] = cell.standin
    return nbformat.from_dict(metadata)


def _identify(notebook: NotebookNode) -> None:
    taken: set[str] = set()
    for cell in notebook.cells:
        count = 0
        while True:
            content = f"{cell.cell_type}\n{count}\n{cell.source}"
            cell.id = hashlib.sha256(content.encode()).hexdigest()[:12]
            if cell.id not in taken:
                break
            count += 1
        taken.add(cell.id)


def same_code(fresh: NotebookNode, stored: NotebookNode) -> bool:
    """Tell whether two notebooks run the same: only then may outputs be kept."""

    def code(notebook: NotebookNode) -> list[tuple[Any, ...]]:
        return [
            (cell.source, "raises-exception" in cell.metadata.get("tags", []))
            for cell in notebook.cells
            if cell.cell_type == "code"
        ]

    return code(fresh) == code(stored)


def carry_outputs(fresh: NotebookNode, stored: NotebookNode) -> None:
    """Put the outputs of a notebook into one that runs the same code."""
    sources = (cell for cell in stored.cells if cell.cell_type == "code")
    for cell in fresh.cells:
        if cell.cell_type == "code":
            source = next(sources)
            cell.outputs = source.outputs
            cell.execution_count = source.execution_count


def difference(
    fresh: NotebookNode, lines: list[int], stored: NotebookNode
) -> tuple[int, str] | None:
    """Say where a stored notebook no longer matches its section.

    Args:
        fresh: the section, freshly split.
        lines: the section's line for each of its cells.
        stored: the notebook as it was committed.

    Returns:
        A line of the section and what is wrong there, or nothing.
    """
    for i, (new, line) in enumerate(zip(fresh.cells, lines, strict=True)):
        if i >= len(stored.cells):
            return line, "lacks what stands here"
        old = stored.cells[i]
        if (new.cell_type, new.source) != (old.cell_type, old.source):
            first, there, here = _first_change(new, old)
            return line + first, f"does not match: {there!r} there is {here!r} here"
        if new.metadata != old.metadata or new.id != old.get("id"):
            return line, "does not match the options of what stands here"
        if old.cell_type == "code" and old.execution_count is None:
            return line, "holds a code cell that was never executed"
    if len(stored.cells) > len(fresh.cells):
        return lines[-1], "goes on where the section ends"
    if fresh.metadata != stored.metadata:
        return 1, "has other metadata than a fresh one"
    return None


def _first_change(new: NotebookNode, old: NotebookNode) -> tuple[int, str, str]:
    """Return the lines before the first that differs, and both forms of that.

    What stands in plain Markdown cannot be counted in lines of the section.
    """
    news, olds = new.source.split("\n"), old.source.split("\n")
    same = 0
    while same < min(len(news), len(olds)) and news[same] == olds[same]:
        same += 1
    there, here = (" ".join(lines[same : same + 1]) for lines in (olds, news))
    code = new.cell_type == old.cell_type == "code"
    return (min(same, len(news) - 1) if code else 0), there, here


def merge(section: Section, notebooks: Mapping[str, NotebookNode]) -> NotebookNode:
    """Put the outputs of a section's notebooks back into the section.

    Args:
        section: the section.
        notebooks: the executed notebook of each of its frameworks; they must match
            the section (see :func:`difference`).

    Returns:
        A notebook with the section's own MyST Markdown. The metadata
        ``booktools.framework`` of a code cell tells whose it is; a shared cell has
        none where its outputs are equal everywhere, and else stands there once per
        framework, with the same ``booktools.group``.
    """
    outputs = {
        name: iter([cell for cell in notebook.cells if cell.cell_type == "code"])
        for name, notebook in notebooks.items()
    }
    merged = nbformat.v4.new_notebook(metadata=nbformat.from_dict(NOTEBOOK_METADATA))
    source_map: list[int] = []
    for number, cell in enumerate(section.cells):
        if cell.kind == "markdown":
            merged.cells.append(nbformat.v4.new_markdown_cell(cell.source))
            source_map.append(cell.line - 1)
            continue
        executed = {name: next(outputs[name]) for name in cell.frameworks}
        for own, copy in _copies(cell, executed, number):
            new = nbformat.v4.new_code_cell(
                cell.source, metadata=_cell_metadata(cell) | own, outputs=copy.outputs
            )
            new.execution_count = copy.execution_count
            merged.cells.append(new)
            source_map.append(cell.line - 1)
    merged.metadata.source_map = source_map
    return merged


def _copies(
    cell: Cell, executed: dict[str, NotebookNode], number: int
) -> Iterator[tuple[dict[str, Any], NotebookNode]]:
    contents = [_content(copy.outputs) for copy in executed.values()]
    if cell.shared and all(content == contents[0] for content in contents):
        yield {}, next(iter(executed.values()))
        return
    for name, copy in executed.items():
        own = {"framework": name}
        if cell.shared:
            own["group"] = number
        yield {"booktools": own}, copy


def _content(outputs: list[NotebookNode]) -> list[dict[str, Any]]:
    """Return what a reader sees of outputs: no counts, no metadata."""
    return [
        {k: v for k, v in output.items() if k not in ("execution_count", "metadata")}
        for output in outputs
    ]
