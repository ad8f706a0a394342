"""Turns a notebook of the repository into one that stands alone in a folder.

Beside the notebooks lies d2lutils as a wheel, which their first cell installs where it
is missing.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from nbformat import NotebookNode

from booktools.notebooks.install import INSTALL_ID, install_cell
from booktools.notebooks.stored import read_notebook, write_notebook
from booktools.source.book import Book, Page

LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<href>[^)\s]+)\)")


def download_name(page: Page, framework: str) -> str:
    """Return a name that still means something in a folder of downloads."""
    return f"{page.section.name}-{framework}.ipynb"


CONTENTS = ("pyproject.toml", "README.md", "LICENSE", "d2lutils")
"""Of what the wheel is made."""


def build_wheel(root: Path, folder: Path, record: Path) -> str | None:
    """Build d2lutils as a wheel into a folder, unless it is there as it would be now.

    Nothing is downloaded, and the same sources give the same bytes. ``record`` is a
    file that keeps what the wheel was made from. Returns the wheel's name; without a
    pyproject.toml in the book's folder ``root`` there is none.

    Raises:
        RuntimeError: setuptools cannot build it.
    """
    if not (root / "pyproject.toml").is_file():
        return None
    state = f"{checksum(root, CONTENTS)} "
    there = [path.name for path in folder.glob("d2lutils-*.whl")]
    if there and record.is_file() and record.read_text("utf-8") == state + there[0]:
        return there[0]
    folder.mkdir(parents=True, exist_ok=True)
    for name in there:
        (folder / name).unlink()
    with tempfile.TemporaryDirectory() as copy:
        # Setuptools leaves files behind where it builds.
        for path in _contents(root, CONTENTS):
            target = Path(copy, path.relative_to(root))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        build = "from setuptools import build_meta as b; b.build_wheel({!r})"
        done = subprocess.run(
            [sys.executable, "-c", build.format(str(folder.resolve()))],
            cwd=copy,
            env={**os.environ, "SOURCE_DATE_EPOCH": "315532800"},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"setuptools cannot build d2lutils:\n{done.stderr}")
    (wheel,) = folder.glob("d2lutils-*.whl")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(state + wheel.name, encoding="utf-8")
    return wheel.name


def _contents(root: Path, names: Iterable[str]) -> list[Path]:
    paths = {path for name in names for path in [root / name, *(root / name).rglob("*")]}
    return sorted(
        path for path in paths if path.is_file() and "__pycache__" not in path.parts
    )


def checksum(root: Path, names: Iterable[str] = ("",)) -> str:
    """Return a checksum of files and folders: it changes when one of them does."""
    digest = hashlib.sha256()
    for path in _contents(root, names):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def download_notebook(
    book: Book,
    page: Page,
    framework: str,
    folder: Path,
    wheel: str | None = None,
    base: str = "",
) -> None:
    """Write a notebook into a folder so that none of its links is dead there.

    Links to other notebooks name those in the same folder, pictures are put inside,
    and links to the repository's other files become plain text. ``wheel`` is the name
    of d2lutils in that folder, and ``base`` the folder's address, if it has one.
    """
    notebook = read_notebook(book.root / page.section.notebook_path(framework))
    if notebook is None:
        return
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(
                lambda match, cell=cell: _alone(match, cell, book, framework),
                cell.source,
            )
    if wheel:
        cells = [cell for cell in notebook.cells if cell.get("id") != INSTALL_ID]
        requirement = f"./{wheel}{{extras}}"
        if base:
            requirement = f"d2lutils{{extras}} @ {base}{wheel}"
        notebook.cells = [install_cell(notebook, framework, requirement), *cells]
    write_notebook(notebook, folder / download_name(page, framework))


def _alone(match: re.Match, cell: NotebookNode, book: Book, framework: str) -> str:
    href, _, anchor = match["href"].partition("#")
    if not href or re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", href):
        return match[0]
    path = posixpath.normpath(posixpath.join("notebooks", framework, unquote(href)))
    if match["image"]:
        return _inside(match, cell, book.root / path)
    for page in book.sections:
        for other in page.section.frameworks:
            if page.section.notebook_path(other).as_posix() == path:
                fragment = f"#{anchor}" if anchor else ""
                return f"[{match['text']}]({download_name(page, other)}{fragment})"
    return match["text"]


def _inside(match: re.Match, cell: NotebookNode, path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    data = base64.b64encode(path.read_bytes()).decode()
    cell.setdefault("attachments", {})[path.name] = {kind: data}
    return f"![{match['text']}](attachment:{path.name})"
