"""Keeps what a notebook's network has learned, for the figure of its page.

Parameters are kept in 16 bits, in ``chapters/weights/SECTION.npz``; beside them what the
network in 32 bits took the test images for, to which a test holds the shorter ones.
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import nbformat
import numpy as np
from nbformat import NotebookNode

KEPT = {("mlp-scratch", "pytorch"): ("W1", "b1", "W2", "b2", "predicted")}
"""By section and framework: arrays, or parameters of PyTorch."""


def weights_path(root: Path, section: str) -> Path:
    """Return the file of a section's parameters, in the book's folder."""
    return root / "chapters" / "weights" / f"{section}.npz"


class KeptWeights:
    """Saves arrays by a cell that is added to a notebook while it runs."""

    def __init__(self, section: str, framework: str) -> None:
        self.names = KEPT.get((section, framework), ())
        handle, self.name = tempfile.mkstemp(suffix=".npz")
        os.close(handle)

    def add_cell(self, notebook: NotebookNode) -> None:
        """Add the cell, if anything is to be kept."""
        if self.names:
            arrays = [f"{name}=getattr({name}, 'data', {name})" for name in self.names]
            source = f"import numpy\nnumpy.savez({self.name!r}, {', '.join(arrays)})"
            notebook.cells.append(nbformat.v4.new_code_cell(source))

    def take(self, notebook: NotebookNode, path: Path) -> None:
        """Take the cell away again, and write what it saved in 16 bits."""
        if not self.names:
            return
        notebook.cells.pop()
        with np.load(self.name) as saved:
            arrays = {
                name: array.astype(np.float16 if array.dtype.kind == "f" else np.uint8)
                for name, array in saved.items()
            }
        packed = io.BytesIO()
        np.savez(packed, **arrays)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(packed.getvalue())

    def close(self) -> None:
        """Remove what is left of it."""
        os.unlink(self.name)
