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
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import unquote

from booktools import SourceError
from booktools.execution.install import install_cell, is_install_cell
from booktools.execution.stored import read_notebook, write_notebook, write_whole
from booktools.source.book import Book, Page
from booktools.source.markdown import Inline, inlines

SHOWN = {"image/gif", "image/jpeg", "image/png", "image/webp"}
"""Pictures that JupyterLab, VS Code and Colab all show where they stand in the text.

As attachments Colab shows none, and SVG neither VS Code nor Colab.
"""


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
    with tempfile.TemporaryDirectory() as copy, tempfile.TemporaryDirectory() as built:
        # Setuptools leaves files behind where it builds.
        for path in _contents(root, CONTENTS):
            target = Path(copy, path.relative_to(root))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        build = "from setuptools import build_meta as b; b.build_wheel({!r})"
        done = subprocess.run(
            [sys.executable, "-c", build.format(built)],
            cwd=copy,
            env={**os.environ, "SOURCE_DATE_EPOCH": "315532800"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"setuptools cannot build d2lutils:\n{done.stderr}")
        for name in there:
            (folder / name).unlink()
        (wheel,) = Path(built).glob("d2lutils-*.whl")
        write_whole(folder / wheel.name, wheel.read_bytes())
    write_whole(record, f"{state}{wheel.name}".encode())
    return wheel.name


def _contents(root: Path, names: Iterable[str]) -> list[Path]:
    found = {path for name in names for path in (root / name).rglob("*")}
    found |= {root / name for name in names}
    return sorted(
        path for path in found if path.is_file() and "__pycache__" not in path.parts
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

    Raises:
        SourceError: a picture has no form that every editor shows.
    """
    notebook = read_notebook(book.root / page.section.notebook_path(framework))
    if notebook is None:
        return

    def lead(href: str, is_image: bool) -> str | None:
        address, _, anchor = href.partition("#")
        if not address or re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", address):
            return href
        path = posixpath.join("notebooks", framework, unquote(address))
        path = posixpath.normpath(path)
        if is_image:
            return _inside(book, page, path)
        name = _offered(book, path)
        return f"{name}#{anchor}" if name and anchor else name

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _relinked(cell.source, lead, page.path)
    if wheel:
        cells = [cell for cell in notebook.cells if not is_install_cell(cell)]
        requirement = f"./{wheel}{{extras}}"
        if base:
            requirement = f"d2lutils{{extras}} @ {base}{wheel}"
        notebook.cells = [install_cell(notebook, framework, requirement), *cells]
    write_notebook(notebook, folder / download_name(page, framework))


def _relinked(source: str, lead: Callable[[str, bool], str | None], path: Path) -> str:
    """Let links and pictures lead where ``lead`` says; leave all else as it is.

    It is given an address, and whether that is a picture's. For None only the words of
    the link stay.
    """
    edits: list[tuple[int, int, str]] = []
    opened: list[Inline] = []
    around: list[Inline] = []  # the href that follows
    for each in inlines(source, path, 1):
        if each.kind == "opening":
            opened.append(each)
        elif each.kind == "closing":
            around = [opened.pop(), each]
        elif each.kind == "href":
            new = lead(each.text, not around)
            if new is None:
                edits += [(part.start, part.end, "") for part in around]
            elif new != each.text:
                edits.append((each.start, each.end, new))
            around = []
    for start, end, text in sorted(edits, reverse=True):
        source = source[:start] + text + source[end:]
    return source


def _offered(book: Book, path: str) -> str | None:
    """Return what a notebook of the book is called among the downloads."""
    for page in book.sections:
        for framework in page.section.chosen:
            if page.section.notebook_path(framework).as_posix() == path:
                return download_name(page, framework)
    return None


def _inside(book: Book, page: Page, name: str) -> str:
    """Return an address that holds a picture itself, or the PNG beside it."""
    path = book.root / name
    kind = mimetypes.guess_type(path.name)[0]
    if kind not in SHOWN:
        path, kind = path.with_suffix(".png"), "image/png"
    if not path.is_file():
        lines = (book.root / page.path).read_text("utf-8").split("\n")
        picture = posixpath.basename(name)
        line = next((n for n, text in enumerate(lines, 1) if picture in text), 1)
        message = (
            f"{name} needs a copy as {path.name} beside it, because not every editor "
            "can show it in a downloaded notebook; save one there"
        )
        raise SourceError(page.path, line, message)
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
