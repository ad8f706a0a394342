"""Reads, writes and compares stored notebooks, and checks what may be stored."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")

PRIVATE = (
    (ANSI.pattern, "terminal colors"),
    (r"(?:/home/|/Users/|/root/|[A-Za-z]:\\Users\\)\S*", "a machine's path"),
    (r"\S*site-packages\S*|\S*ipykernel_\d+\S*", "a machine's path"),
    (r"<[^<>\n]* at 0x[0-9a-fA-F]+>", "an address in memory"),
    (r"<dc:date>[^<]*</dc:date>", "the time of day (savefig's Date)"),
)
"""Patterns we don't store, because they differ between machines or runs."""


def read_notebook(path: Path) -> NotebookNode | None:
    """Read a notebook. Return None if it is missing or invalid."""
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception:  # a broken file can make nbformat raise anything
        return None
    return notebook


def write_notebook(notebook: NotebookNode, path: Path) -> bool:
    """Write a notebook completely or not at all, with the same bytes each time.

    Returns:
        Whether the file was written. A file that holds these bytes is left alone.
    """
    nbformat.validate(notebook)
    data = (nbformat.writes(notebook).rstrip("\n") + "\n").encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    write_whole(path, data)
    return True


def write_whole(path: Path, data: bytes) -> None:
    """Write a file completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            # Otherwise a crash of the machine may leave an empty file.
            os.fsync(file.fileno())
        # Only the owner may read a file from mkstemp.
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def file_checksum(*paths: Path) -> str:
    """Return a checksum of files that ignores how their lines end."""
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes() if path.is_file() else b""
        lines = content.replace(b"\r\n", b"\n")
        digest.update(path.name.encode() + hashlib.sha256(lines).digest())
    return digest.hexdigest()[:16]


def same_code(fresh: NotebookNode, stored: NotebookNode) -> bool:
    """Return whether two notebooks run the same code, so outputs can be kept."""
    code, other = (
        [(cell.source, _may_raise(cell)) for cell in code_cells(notebook)]
        for notebook in (fresh, stored)
    )
    return code == other


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """List the cells of a notebook that are executed."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _may_raise(cell: NotebookNode) -> bool:
    return "raises-exception" in cell.metadata.get("tags", [])


def carry_outputs(fresh: NotebookNode, stored: NotebookNode) -> None:
    """Copy the outputs of a notebook, and their record, to one with the same code.

    We don't copy what an editor added to the outputs. Either notebook may begin with
    an extra cell, which installs what is missing.
    """
    pairs = zip(code_cells(fresh)[::-1], code_cells(stored)[::-1], strict=False)
    for cell, source in pairs:
        cell.outputs = source.outputs
        cell.execution_count = source.execution_count
        tidy_outputs(cell)
    fresh.metadata.booktools.executed = record(stored)


def record(notebook: NotebookNode) -> dict[str, str]:
    """Return the checksums that were recorded when a notebook ran, by subject."""
    return notebook.metadata.get("booktools", {}).get("executed", {})


def outputs_checksum(notebook: NotebookNode) -> str:
    """Return a checksum of a notebook's code and outputs, in order.

    It changes if someone runs a cell again out of order or in another state, or edits
    code or outputs. It doesn't change if an editor adds metadata.
    """
    told = [
        (c.source, _may_raise(c), c.execution_count, [*map(essence, c.outputs)])
        for c in code_cells(notebook)
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def essence(output: NotebookNode) -> dict[str, object]:
    """Return the visible part of an output, with the sizes of its pictures."""
    kept = {k: v for k, v in output.items() if k not in ("execution_count", "metadata")}
    data = output.get("data", {})
    told = {k: v for k, v in output.get("metadata", {}).items() if k in data}
    alone = {k: {a: b for a, b in v.items() if a != "alt"} for k, v in told.items()}
    sizes = {k: v for k, v in alone.items() if v}
    return kept | ({"sizes": sizes} if sizes else {})


def undescribed(
    notebook: NotebookNode, alternatives: list[str]
) -> Iterator[tuple[NotebookNode, str, str]]:
    """Find pictures with a wrong text alternative.

    ``alternatives`` has a text, perhaps empty, for each code cell of the section. The
    notebook may have an extra first cell, which installs what is missing.

    Yields:
        The output, the picture's MIME type, and the right text.
    """
    pairs = zip(code_cells(notebook)[::-1], alternatives[::-1], strict=False)
    for cell, alt in pairs:
        for output in cell.outputs:
            for kind in output.get("data", {}):
                told = output.metadata.get(kind, {}).get("alt", "")
                if kind.startswith("image/") and told != alt:
                    yield output, kind, alt


def describe_pictures(notebook: NotebookNode, alternatives: list[str]) -> None:
    """Put the text alternatives into the metadata, where front ends look for them."""
    for output, kind, alt in undescribed(notebook, alternatives):
        output.metadata[kind] = output.metadata.get(kind, {}) | {"alt": alt}


def difference(
    fresh: NotebookNode, lines: list[int], stored: NotebookNode
) -> tuple[int, str] | None:
    """Say where a stored notebook no longer matches its section, freshly split.

    Other metadata and identifiers don't count, because editors change them.

    Returns:
        One of the ``lines`` of the section and what is wrong there, or None.
    """
    for new, line, old in zip_longest(fresh.cells, lines, stored.cells):
        if new is None:
            return lines[-1], "has more cells after the end of the section"
        if old is None:
            return line, "lacks the cell that begins here"
        if (new.cell_type, new.source) != (old.cell_type, old.source):
            first, there, here = _first_change(new, old)
            return line + first, f"does not match: {there!r} in it is {here!r} here"
        if new.metadata.get("tags", []) != old.metadata.get("tags", []):
            return line, "gives the cell that begins here other tags"
    known = stored.metadata.get("booktools", {})
    if any(known.get(key) != value for key, value in fresh.metadata.booktools.items()):
        return 1, "belongs to another section or framework, by its metadata"
    return None


def _first_change(new: NotebookNode, old: NotebookNode) -> tuple[int, str, str]:
    """Return how many lines come before the first change, and both forms of that line.

    The number is 0 in Markdown, whose lines differ from those of the section.
    """
    pairs = zip_longest(old.source.split("\n"), new.source.split("\n"), fillvalue="")
    changes = ((i, *pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
    same, there, here = next(changes, (0, "", ""))
    code = new.cell_type == old.cell_type == "code"
    return (min(same, new.source.count("\n")) if code else 0), there, here


def tidy_outputs(cell: NotebookNode) -> None:
    """Remove the parts of a code cell's outputs that can differ from run to run.

    We keep only the last line of a traceback, because the frames before it name files
    of this machine. Of the metadata, we keep only the sizes of pictures.
    """
    for output in cell.outputs:
        if output.output_type == "error":
            output.traceback = [f"{output.ename}: {output.evalue}"]
        for kind in set(output.get("metadata", {})) - set(output.get("data", {})):
            del output.metadata[kind]


def validate_outputs(cell: NotebookNode) -> str | None:
    """Return why the outputs of a code cell may not be stored, or None if they may.

    They must not differ on another machine or in the next run.
    """
    raised = [output for output in cell.outputs if output.output_type == "error"]
    if raised and not _may_raise(cell):
        return f"raised {raised[0].ename}, but isn't tagged raises-exception"
    if _may_raise(cell) and not raised:
        return "is tagged raises-exception but raised nothing; remove the tag"
    folders = (sys.prefix, tempfile.gettempdir(), str(Path.cwd()))
    machine = [(re.escape(each) + r"\S*", "a machine's path") for each in folders]
    for output in cell.outputs:
        if output.get("name") == "stderr":
            return (
                "wrote to stderr, which is not stored; silence its cause or print to "
                f"stdout:\n{output.text.strip()}"
            )
        data = output.get("data", {}).items()
        shown = [text for kind, text in data if re.match("text/|image/svg", kind)]
        text = "\n".join([output.get("text", ""), *output.get("traceback", []), *shown])
        for pattern, what in (*PRIVATE, *machine):
            if match := re.search(pattern, text):
                return f"output {what}, which may not be stored: {match[0]!r}"
    return None
