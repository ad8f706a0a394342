"""Makes of a notebook in the repository one that stands alone in a folder.

Beside the notebooks lies d2lutils as a wheel; a first cell, which the notebooks of the
repository have not, installs it where it is missing and the reader says so.
"""

from __future__ import annotations

import base64
import mimetypes
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote

import nbformat
from nbformat import NotebookNode

from booktools import ALL, FRAMEWORKS
from booktools.book import Book, Page
from booktools.execute import read_notebook, write

LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<href>[^)\s]+)\)")


def download_name(page: Page, framework: str) -> str:
    """Return a name that still means something in a folder of downloads."""
    return f"{page.section.name}-{framework}.ipynb"


INSTALL = """\
# Outside the book's repository, d2lutils may be missing. To install it, write True
# here and run this cell{where}.
install_d2lutils = False

from importlib.util import find_spec

if find_spec("d2lutils") is None:
    if install_d2lutils:
        %pip install --quiet "{requirement}"
    else:
        print("d2lutils is missing: set install_d2lutils = True and run this cell.")
"""


def build_wheel(root: Path, folder: Path) -> str | None:
    """Build d2lutils as a wheel into a folder; return its name, if there is a d2lutils.

    Nothing is downloaded, and the same sources give the same bytes.

    Raises:
        RuntimeError: setuptools cannot build it.
    """
    if not (root / "pyproject.toml").is_file():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("d2lutils-*.whl"):
        old.unlink()
    with tempfile.TemporaryDirectory() as copy:
        # Setuptools leaves files behind where it builds.
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(root / name, copy)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / "d2lutils", Path(copy, "d2lutils"), ignore=ignore)
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
    return wheel.name


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
        notebook.cells.insert(0, _install_cell(framework, wheel, base))
    write(notebook, folder / download_name(page, framework))


def _install_cell(framework: str, wheel: str, base: str) -> NotebookNode:
    wanted = FRAMEWORKS.values() if framework == ALL else [FRAMEWORKS[framework]]
    extras = ",".join(each.module for each in wanted)
    requirement, where = f"./{wheel}[{extras}]", f",\n# beside which {wheel} must lie"
    if base:
        requirement, where = f"d2lutils[{extras}] @ {base}{wheel}", ""
    source = INSTALL.format(requirement=requirement, where=where).rstrip()
    return nbformat.v4.new_code_cell(source, id="install-d2lutils")


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
