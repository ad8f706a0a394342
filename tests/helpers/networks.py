"""Builds the networks of the book by running the cells of its notebooks.

The cells run until training would begin. A test can then set other initial parameters
and train with the section's own network, loss and updater.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import matplotlib.pyplot as plt
import nbformat
import numpy as np

from booktools import FRAMEWORKS
from frameworks import BackendKit, open_backend

FOLDERS = {each.module: each.tag for each in FRAMEWORKS.values()}
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


class TrainingReached(Exception):
    """Raised when the cells call ``train_ch3``; holds its arguments."""


def _train_ch3(*arguments):
    raise TrainingReached(*arguments)


def run_cells(path: Path, d2l: Any) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Run a notebook up to its first training run.

    Args:
        path: The notebook.
        d2l: The module that it imports as ``d2l``.

    Returns:
        The names that its cells define, and the arguments for ``train_ch3``.
    """
    # As in a kernel. Classes can't be defined without it.
    names: dict[str, Any] = {"__name__": "__main__"}
    with mock.patch.object(d2l, "train_ch3", _train_ch3):
        for i, cell in enumerate(nbformat.read(path, as_version=4).cells):
            if cell.cell_type != "code":
                continue
            tags = cell.metadata.get("tags", [])
            expected = [Exception] if "raises-exception" in tags else []
            try:
                with contextlib.suppress(*expected):
                    exec(compile(cell.source, f"{path.name}, cell {i}", "exec"), names)
            except TrainingReached as reached:
                plt.close("all")
                return names, reached.args
            if "train_ch3" in names:  # the section defines its own
                names["train_ch3"] = _train_ch3
    raise AssertionError(f"{path} never calls train_ch3")


class Chapter:
    """A section's network in one framework.

    Attributes:
        net, loss, updater: The arguments of the section's training run.
        train_epoch: The section's own ``train_epoch_ch3``, or else d2lutils's.
        tensors: The parameters, in the order of :mod:`reference`.
    """

    def __init__(self, backend: BackendKit, section: str) -> None:
        self.backend, self.section = backend, section
        path = NOTEBOOKS / FOLDERS[backend.name] / f"{section}.ipynb"
        names, arguments = run_cells(path, backend.module)
        arguments = backend.training(*arguments)
        self.net, self.train_iter, self.test_iter, self.loss, *_ = arguments
        self.num_epochs, self.updater = arguments[4:]
        own = SimpleNamespace(**names)
        module = backend.adapt(own) if "train_epoch_ch3" in names else backend.d2l
        self.train_epoch: Callable = module.train_epoch_ch3
        self.from_layers = section.endswith("-concise")
        if self.from_layers:
            self.net(next(iter(self.test_iter))[0])  # some layers need a batch first
            self.tensors = backend.tensors(self.net)
        else:
            self.tensors = getattr(self.net, "cells", names["params"])

    @property
    def gives_probabilities(self) -> bool:
        """Whether ``net`` ends with softmax."""
        return self.section == "softmax-scratch"

    def _turned(self, values: np.ndarray) -> np.ndarray:
        """Convert weights between ``(inputs, outputs)`` and the layers' own shape."""
        transposed = self.from_layers and self.backend.layers_transpose
        return values.T if transposed else values

    def set_values(self, params: list[np.ndarray]) -> None:
        """Set the parameters to these values, in place, as float32."""
        for tensor, values in zip(self.tensors, params, strict=True):
            self.backend.assign(tensor, self._turned(values).astype(np.float32))

    def values(self) -> list[np.ndarray]:
        """Return copies of the parameters, with weights as ``(inputs, outputs)``."""
        return [self._turned(self.backend.numpy(t)).copy() for t in self.tensors]

    def train(self, batches: Any) -> tuple[float, float]:
        """Train for an epoch as the section does; return mean loss and accuracy."""
        return self.train_epoch(self.net, batches, self.loss, self.updater)

    def outputs(self, X: np.ndarray) -> np.ndarray:
        """Return the outputs of ``net`` for images ``(n, 28, 28)``."""
        [(X, _)] = self.backend.batches((X, np.zeros(len(X))))
        return self.backend.numpy(self.net(X))


@functools.cache
def open_chapter(framework: str, section: str) -> Chapter:
    """Return a section's network; skip the test if the framework is missing."""
    return Chapter(open_backend(framework), section)
