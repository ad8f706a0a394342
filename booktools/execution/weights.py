"""Saves the trained parameters of notebooks for the figures that ask for them."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
from nbformat import NotebookNode

from booktools.execution.stored import file_checksum, write_whole
from booktools.source.interactive import Weights


def kept_checksum(root: Path, keeps: list[Weights]) -> dict[str, str]:
    """Return the checksum of a notebook's saved files under its name in the record."""
    paths = [root / weights.path for weights in keeps]
    return {"weights": file_checksum(*paths)} if paths else {}


@contextmanager
def kept_weights(
    notebook: NotebookNode, keeps: list[Weights]
) -> Iterator[dict[Path, dict[str, np.ndarray]]]:
    """Add a cell to a notebook, while it runs, that saves the arrays in ``keeps``.

    They must be arrays or PyTorch parameters.

    Yields:
        A dictionary, filled on exit with the arrays by file and name.
    """
    kept: dict[Path, dict[str, np.ndarray]] = {}
    if not keeps:
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/weights.npz"
        names = {name for weights in keeps for name in weights.arrays}
        values = [f"{n}=getattr({n}, 'data', {n})" for n in sorted(names)]
        source = f"import numpy\nnumpy.savez({file!r}, {', '.join(values)})"
        notebook.cells.append(nbformat.v4.new_code_cell(source))
        try:
            yield kept
        finally:
            notebook.cells.pop()
        with np.load(file) as saved:
            for each in keeps:
                kept[each.path] = {name: _small(saved[name]) for name in each.arrays}


def _small(array: np.ndarray) -> np.ndarray:
    """Return parameters in 16 bits, classes in 8."""
    return array.astype(np.float16 if array.dtype.kind == "f" else np.uint8)


def write_weights(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write a figure's arrays into a file."""
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    write_whole(path, packed.getvalue())
