"""Turns the sections in ``chapters/`` into notebooks and into tabbed pages.

This module owns what every part shares: which frameworks there are, and the
error that says where in a source file something is wrong. It imports nothing
heavy, so a book can be built where no framework is installed.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Framework:
    """A framework that sections are written for.

    ``tag`` marks its cells and names its folder in ``notebooks/``. Readers see
    ``title``. To run it, ``module`` and the ``others`` must be importable, and the
    extra of ``d2lutils`` that installs all of them has the name of ``module``.
    """

    tag: str
    title: str
    module: str
    others: tuple[str, ...] = ()


FRAMEWORKS: dict[str, Framework] = {
    framework.tag: framework
    for framework in (
        Framework("mxnet", "MXNet", "mxnet"),
        Framework("pytorch", "PyTorch", "torch"),
        Framework("tensorflow", "TensorFlow", "tensorflow"),
        Framework("jax", "JAX", "jax", ("equinox", "optax")),
    )
}
"""The only list of them, in the order of the tabs and menus."""

DEFAULT = FRAMEWORKS["pytorch"]
"""Its tab is open at first, and it is the one on paper."""

ALL = "all"
"""All frameworks together: one notebook, made of shared cells only."""


def chosen_frameworks() -> tuple[str, ...]:
    """Return the tags that the variable ``BOOKTOOLS_FRAMEWORK`` names, or all.

    If you work with some of them only, nothing of the others is made, checked or
    shown.

    Raises:
        ValueError: it names something else.
    """
    named = os.environ.get("BOOKTOOLS_FRAMEWORK", "").split()
    if unknown := [name for name in named if name not in FRAMEWORKS]:
        raise ValueError(
            f"FRAMEWORK names {unknown[0]!r}; expected one or more of "
            f"{', '.join(FRAMEWORKS)}, or nothing for all"
        )
    return tuple(tag for tag in FRAMEWORKS if not named or tag in named)


def frameworks_of(tag: str) -> list[Framework]:
    """Return the frameworks that a notebook runs: its own, or for ALL every one."""
    return list(FRAMEWORKS.values()) if tag == ALL else [FRAMEWORKS[tag]]


def missing_modules(tag: str) -> list[str]:
    """List the modules that a framework's notebooks need but that are missing."""
    modules = [m for each in frameworks_of(tag) for m in (each.module, *each.others)]
    return [name for name in modules if importlib.util.find_spec(name) is None]


def absence(modules: list[str]) -> str:
    """Say that the modules, as :func:`missing_modules` lists them, are missing."""
    *most, last = modules
    named = f"{', '.join(most)} and {last} are" if most else f"{last} is"
    return f"{named} not installed"


class SourceError(Exception):
    """Something is wrong at a place in a source file.

    Args:
        path: the file, in the form to be shown.
        line: its line, counted from 1.
        message: what was wrong, what was expected and what to do.
    """

    def __init__(self, path: Path | str, line: int, message: str):
        self.path, self.line, self.message = Path(path), line, message
        super().__init__(f"{self.path.as_posix()}:{line}: {message}")
