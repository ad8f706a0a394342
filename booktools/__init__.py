"""Turns the sections in ``chapters/`` into notebooks and into tabbed pages.

This module defines what all parts share: the frameworks, and the error that
reports a mistake by file and line. It imports nothing heavy, so you can build
the book without any framework.
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
"""All frameworks by tag, in the order of the tabs and menus."""

DEFAULT = FRAMEWORKS["pytorch"]
"""Shown until the reader chooses a framework, and in the PDF and the EPUB."""

ALL = "all"
"""All frameworks together: one notebook, made of shared cells only."""


def chosen_frameworks() -> tuple[str, ...]:
    """Return the tags in the variable ``BOOKTOOLS_FRAMEWORK``, or all if it is empty.

    The other frameworks are not made, checked or shown.

    Raises:
        ValueError: it names an unknown framework.
    """
    named = os.environ.get("BOOKTOOLS_FRAMEWORK", "").split()
    if unknown := [name for name in named if name not in FRAMEWORKS]:
        raise ValueError(
            f"FRAMEWORK names {unknown[0]!r}; expected one or more of "
            f"{', '.join(FRAMEWORKS)}, or nothing for all"
        )
    return tuple(tag for tag in FRAMEWORKS if not named or tag in named)


def frameworks_of(tag: str) -> list[Framework]:
    """Return the frameworks that a notebook with this tag runs."""
    return list(FRAMEWORKS.values()) if tag == ALL else [FRAMEWORKS[tag]]


def missing_modules(tag: str) -> list[str]:
    """List the modules that a framework's notebooks need and that aren't installed."""
    modules = [m for each in frameworks_of(tag) for m in (each.module, *each.others)]
    return [name for name in modules if importlib.util.find_spec(name) is None]


def absence(modules: list[str]) -> str:
    """Say that these modules are not installed."""
    *most, last = modules
    named = f"{', '.join(most)} and {last} are" if most else f"{last} is"
    return f"{named} not installed"


class SourceError(Exception):
    """A mistake in a source file.

    Args:
        path: the file, as the message should show it.
        line: the line, counted from 1.
        message: what is wrong, what was expected and what to do.
    """

    def __init__(self, path: Path | str, line: int, message: str):
        self.path, self.line, self.message = Path(path), line, message
        super().__init__(f"{self.path.as_posix()}:{line}: {message}")
