"""Reads, writes and compares stored notebooks, and says what may not be stored."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")

HOME = re.compile(r"(?:/home/|/Users/|/root/|[A-Za-z]:\\Users\\)\S*")
PRIVATE = (
    (ANSI, "terminal colors"),
    (HOME, "a machine's path"),
    (re.compile(r"\S*site-packages\S*|\S*ipykernel_\d+\S*"), "a machine's path"),
    (re.compile(r"<[^<>\n]* at 0x[0-9a-fA-F]+>"), "an address in memory"),
    (re.compile(r"<dc:date>[^<]*</dc:date>"), "the time of day (savefig's Date)"),
)
"""What may not be stored, as it differs from machine to machine or run to run."""


def read_notebook(path: Path) -> NotebookNode | None:
    """Read a notebook; nothing where there is none that can be read."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, nbformat.reader.NotJSONError, nbformat.ValidationError):
        return None


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook, whole or not at all, in the same bytes each time."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook).rstrip("\n") + "\n"
    write_whole(path, text.encode())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    try:
        with open(handle, "wb") as file:
            file.write(data)
        # mkstemp makes files that only their owner may read.
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def same_code(fresh: NotebookNode, stored: NotebookNode) -> bool:
    """Return whether two notebooks run the same: only then may outputs be kept."""

    def code(notebook: NotebookNode) -> list[tuple[str, bool]]:
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
    """Say where a stored notebook no longer matches its section, freshly split.

    Returns:
        One of the ``lines`` of the section, and what is wrong there; or nothing.
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


def validate_outputs(cell: NotebookNode) -> str | None:
    """Say why the outputs of a code cell may not be stored, if they may not.

    What would differ on another machine or on the next run is refused. Of the
    traceback of a cell that is to raise, only the last line is kept, as the frames
    before it name files of this machine.
    """
    raised = [output for output in cell.outputs if output.output_type == "error"]
    for output in raised:
        output.traceback = [f"{output.ename}: {output.evalue}"]
    if "raises-exception" in cell.metadata.get("tags", []) and not raised:
        return "is tagged raises-exception but raised nothing; remove the tag"
    folders = (sys.prefix, tempfile.gettempdir(), str(Path.cwd()))
    machine = [(re.compile(re.escape(f) + r"\S*"), "a machine's path") for f in folders]
    for output in cell.outputs:
        if output.get("name") == "stderr":
            return (
                "wrote to stderr, which is not stored; silence its cause or print to "
                f"stdout:\n{output.text.strip()}"
            )
        for text in _texts(output):
            for pattern, what in (*PRIVATE, *machine):
                if match := pattern.search(text):
                    return f"put out {what}, which may not be stored: {match[0]!r}"
    return None


def _texts(output: NotebookNode) -> Iterator[str]:
    if output.output_type == "stream":
        yield output.text
    elif output.output_type == "error":
        yield "\n".join(output.traceback)
    else:
        for kind, data in output.data.items():
            if kind.startswith("text/") or kind == "image/svg+xml":
                yield data
