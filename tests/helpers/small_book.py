"""Makes and builds books for tests: a small one, and the real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from booktools.execution import execute
from booktools.execution.execute import update_all
from booktools.execution.jobs import jobs
from booktools.source.book import Book

ROOT = Path(__file__).parents[2]
HEADER = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3, language: python}
---
"""


@cache
def real_book() -> Book:
    """Read the real book, once for all tests, because it takes a second."""
    return Book(ROOT)


def copy_book(folder: Path) -> Path:
    """Copy the small book's sources into a folder, with the real book's settings."""
    shutil.copytree(ROOT / "tests" / "booktools" / "small_book", folder)
    shutil.copytree(ROOT / "_static", folder / "_static")
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    settings["sphinx"]["local_extensions"]["booktools.sphinx"] = str(ROOT)
    (folder / "_config.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


def run_notebooks(root: Path, monkeypatch) -> None:
    """Execute all notebooks. Their cells are plain Python and need no framework."""
    monkeypatch.setattr(execute, "missing_modules", lambda framework: [])
    failed = update_all(list(jobs(Book(root))), 2, lambda job, done: None)
    assert failed == []


def build(
    root: Path, *options: str, before: str = "", strict: bool = True
) -> subprocess.CompletedProcess:
    """Build a book as usual, with warnings as errors unless it isn't ``strict``.

    The Python code ``before`` runs first.
    """
    main = (
        f"{before}import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    )
    options = ("-n", *(["-W", "--keep-going"] if strict else []), *options)
    return subprocess.run(
        [sys.executable, "-c", main, "build", str(root), *options],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def built(folder: Path, builder: str = "html", framework: str = "") -> Path:
    """Return the folder of the real book in a format, and build it if necessary.

    To use an existing build, set ``BOOKTOOLS_BUILT`` to the folder of the formats, as
    .ci/run does. A format for another framework is in a folder like ``latex-NAME``.
    """
    if ready := os.environ.get("BOOKTOOLS_BUILT"):
        format = ROOT / ready / "-".join(filter(None, (builder, framework)))
        if format.is_dir():
            return format
    options = [] if builder == "html" else ["--builder", builder]
    if builder == "epub":
        options = ["--builder", "custom", "--custom-builder", builder]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOOKTOOLS_FRAMEWORK", framework)
        done = build(ROOT, "--path-output", str(folder), *options)
    assert done.returncode == 0, done.stderr
    return folder / "_build" / builder


def replace(path: Path, old: str, new: str) -> int:
    """Replace text in a file, and return the line where the change begins."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} is in {path.name} {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1
