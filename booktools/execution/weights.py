"""Keeps what a notebook's network has learned, for the figure of its page.

Parameters are kept in 16 bits, in ``chapters/weights/SECTION.npz``; beside them what
the network in 32 bits took the test images for, to which a test holds the shorter ones.
"""

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

KEPT = {("mlp-scratch", "pytorch"): ("W1", "b1", "W2", "b2", "predicted")}
"""By section and framework: arrays, or parameters of PyTorch."""


def weights_path(root: Path, section: str) -> Path:
    """Return the file of a section's parameters, in the book's folder."""
    return root / "chapters" / "weights" / f"{section}.npz"


def kept_checksum(root: Path, section: str, framework: str) -> dict[str, str]:
    """Return the checksum of what a notebook keeps, by the name for its record."""
    if (section, framework) not in KEPT:
        return {}
    return {"weights": file_checksum(weights_path(root, section))}


@contextmanager
def kept_weights(
    notebook: NotebookNode, section: str, framework: str
) -> Iterator[dict[str, np.ndarray]]:
    """Add a cell to a notebook while it runs, which saves what is to be kept.

    Yields:
        What was kept, by name, once the notebook has run: in 16 bits, classes in 8.
    """
    arrays: dict[str, np.ndarray] = {}
    if (section, framework) not in KEPT:
        yield arrays
        return
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/weights.npz"
        values = [f"{n}=getattr({n}, 'data', {n})" for n in KEPT[section, framework]]
        source = f"import numpy\nnumpy.savez({file!r}, {', '.join(values)})"
        notebook.cells.append(nbformat.v4.new_code_cell(source))
        try:
            yield arrays
        finally:
            notebook.cells.pop()
        with np.load(file) as saved:
            for name, array in saved.items():
                dtype = np.float16 if array.dtype.kind == "f" else np.uint8
                arrays[name] = array.astype(dtype)


def write_weights(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write what was kept, if anything was."""
    if arrays:
        packed = io.BytesIO()
        np.savez(packed, **arrays)
        write_whole(path, packed.getvalue())
