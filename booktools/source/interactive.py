"""Reads the descriptions of a book's interactive figures.

Each figure has a folder in ``interactive/``. ``NAME/NAME.html`` can hold its markup,
which its page keeps as a template for the scripts to show. Its file ``figure.yml``:

    scripts: [shared.js, NAME/NAME.js]   # the page loads these, in this order
    styles: [NAME/NAME.css]
    data: [NAME/data.py]                 # its scripts() returns more scripts to load,
                                         # as text by name
    weights:                             # arrays to save from a notebook's run,
      section: first                     # kept in NAME/first.npz
      framework: pytorch
      arrays: [W, b]
    still: ...                           # how to take its picture; not read here

Only the scripts are required. File names are relative to ``interactive/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from booktools import SourceError
from booktools.source.files import read_file, read_yaml

FOLDER = Path("interactive")


@dataclass(frozen=True)
class Weights:
    """Arrays that a notebook saves to ``path``, relative to the book's folder."""

    path: Path
    section: str
    framework: str
    arrays: list[str]


@dataclass(frozen=True)
class Figure:
    """An interactive figure: the files its page loads and the weights it needs."""

    name: str
    markup: str
    scripts: list[str]
    styles: list[str]
    data: list[str]
    weights: Weights | None


def read_figures(root: Path) -> dict[str, Figure]:
    """Read the descriptions of a book's interactive figures, by name.

    Raises:
        SourceError: a description cannot be read, or names a file that is missing.
    """
    found = sorted((root / FOLDER).glob("*/figure.yml"))
    figures = [_read_figure(root, path.relative_to(root)) for path in found]
    return {figure.name: figure for figure in figures}


def _read_figure(root: Path, path: Path) -> Figure:
    read = read_yaml(read_file(root / path, path), path, 1, "the figure")
    files = {key: read.get(key) or [] for key in ("scripts", "styles", "data")}
    folder = root / FOLDER
    for key, names in files.items():
        listed = isinstance(names, list)
        if not listed or not all((folder / str(name)).is_file() for name in names):
            message = f"{key} must be a list of files in interactive/, not {names!r}"
            raise SourceError(path, 1, message)
    weights = read.get("weights")
    try:
        if weights:
            weights = Weights(path.with_name(f"{weights['section']}.npz"), **weights)
    except (KeyError, TypeError):
        message = "weights must hold section:, framework: and arrays:"
        raise SourceError(path, 1, message) from None
    name = path.parent.name
    markup = folder / name / f"{name}.html"
    html = read_file(markup, path.with_name(markup.name)) if markup.is_file() else ""
    return Figure(name, html, **files, weights=weights)
