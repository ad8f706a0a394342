"""Makes of a notebook in the repository one that stands alone in a folder."""

from __future__ import annotations

import base64
import mimetypes
import posixpath
import re
from pathlib import Path
from urllib.parse import unquote

from nbformat import NotebookNode

from booktools.book import Book, Page
from booktools.execute import read_notebook, write

LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<href>[^)\s]+)\)")


def download_name(page: Page, framework: str) -> str:
    """Return a name that still means something in a folder of downloads."""
    return f"{page.section.name}-{framework}.ipynb"


def download_notebook(book: Book, page: Page, framework: str, folder: Path) -> None:
    """Write a notebook into a folder so that none of its links is dead there.

    Links to other notebooks name those in the same folder, pictures are put inside,
    and links to the repository's other files become plain text.
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
    write(notebook, folder / download_name(page, framework))


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
