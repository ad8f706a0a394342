"""Turns the sections in ``chapters/`` into notebooks and into tabbed pages.

This module owns what every part shares: which frameworks there are, and the
error that says where in a source file something is wrong. It imports nothing
heavy, so that a book can be built where no framework is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Framework:
    """A framework that sections are written for.

    ``tag`` marks its cells and names its folder in ``notebooks/``, ``title`` is
    shown to readers, and ``module`` is what has to be importable to run it.
    """

    tag: str
    title: str
    module: str


FRAMEWORKS: dict[str, Framework] = {
    framework.tag: framework
    for framework in (
        Framework("mxnet", "MXNet", "mxnet"),
        Framework("pytorch", "PyTorch", "torch"),
        Framework("tensorflow", "TensorFlow", "tensorflow"),
    )
}
"""In the order in which tabs and menus show them."""

ALL = "all"
"""Stands for all frameworks together: one notebook, made of shared cells only."""


class SourceError(Exception):
    """Something is wrong at a place in a source file.

    Args:
        path: the file, as it is to be shown.
        line: its line, counted from 1.
        message: what was wrong, what was expected and what to do.
    """

    def __init__(self, path: Path | str, line: int, message: str):
        self.path, self.line, self.message = Path(path), line, message
        super().__init__(f"{self.path.as_posix()}:{line}: {message}")
