"""A downloaded notebook stands alone: its pictures are in it, and no link is dead."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import nbformat
import pytest
from markdown_it import MarkdownIt

from booktools import SourceError
from booktools.execution.downloads import download_notebook
from booktools.execution.jobs import jobs
from booktools.execution.stored import write_notebook
from booktools.source.book import Book
from small_book import copy_book, replace

FIRST = Path("chapters", "first.md")
STAND_IN = "With a [link](plain.md) and a picture ![dot](dot.png)."
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture
def download(tmp_path):
    """Let a text stand in the small book, and return the prose of its download."""

    def of(text, png=True):
        root = copy_book(tmp_path / "book")
        chapters = root / "chapters"
        (chapters / "images").mkdir()
        (chapters / "images" / "dot.png").write_bytes(PIXEL)
        (chapters / "line.svg").write_text("<svg></svg>", encoding="utf-8")
        if png:
            shutil.copy(chapters / "dot.png", chapters / "line.png")
        replace(root / FIRST, STAND_IN, text)
        book = Book(root)
        for each in jobs(book):
            write_notebook(each.fresh, each.path)
            if (each.page.section.name, each.framework) == ("first", "pytorch"):
                download_notebook(book, each, tmp_path / "out")
        path = tmp_path / "out" / "first-pytorch.ipynb"
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        return "\n\n".join(cell.source for cell in cells)

    return of


def test_no_link_is_dead(download):
    text = download(
        "| a [table](plain.md) | with x \\| y |\n|---|---|\n"
        "| [two *words*](plain.md) | [**The** next](second.md#title) |\n\n"
        "1. A list [with\n   a break](plain.md), and <https://example.org>."
    )
    assert "[The Second Section](second-all.ipynb)" in text
    assert "**Previous:** A Small Book" in text
    assert "> | a table | with x \\| y |" in text
    assert "> | two *words* | [**The** next](second-all.ipynb#title) |" in text
    assert "> 1. A list with\n>    a break, and <https://example.org>." in text
    assert "../" not in text


def test_pictures_are_inside_in_a_form_that_every_editor_shows(download):
    text = download(
        '![a [dot]](dot.png "Its title") beside ![another](images/dot.png), and '
        "[![a line](line.svg)](second.md)"
    )
    shown = [
        token
        for block in MarkdownIt().parse(text)
        for token in block.children or []
        if token.type == "image"
    ]
    assert [token.content for token in shown] == ["a [dot]", "another", "a line"]
    assert shown[0].attrs["title"] == "Its title"
    dot = Path(__file__).parent / "small_book" / "chapters" / "dot.png"
    for token, data in zip(
        shown, [dot.read_bytes(), PIXEL, dot.read_bytes()], strict=1
    ):
        kind, encoded = token.attrs["src"].split(";base64,")
        assert kind == "data:image/png"
        assert base64.b64decode(encoded) == data


def test_a_picture_that_not_every_editor_shows_needs_another_beside_it(download):
    message = (
        r"^chapters/first.md:\d+: chapters/line.svg needs a copy as line.png beside "
        r"it, .*; save one there$"
    )
    with pytest.raises(SourceError, match=message):
        download("![a line](line.svg)", png=False)
