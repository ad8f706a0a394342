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
ALIKE = [
    "\\[no link\\](plain.md)",
    '`params["b"](x)`',
    "$f[i](x)$",
    '```python\nparams["b"](x)  # ![dot](dot.png)\n```',
    "$$\ng[j](y)\n$$",
]
"""What looks like a link and is none."""
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture
def download(tmp_path):
    """Let a text stand in the small book, and return a notebook and its download."""

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
        names = root / "notebooks/pytorch/first.ipynb", "first-pytorch.ipynb"
        return [nbformat.read(tmp_path / "out" / name, as_version=4) for name in names]

    return of


def prose(notebook):
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def test_what_looks_like_a_link_and_is_none_stays_as_it_is(download):
    stored, alone = download("\n\n".join(ALIKE))
    nbformat.validate(alone)
    for text in ALIKE:
        quoted = "\n".join(f"> {line}" for line in text.split("\n"))
        assert quoted in prose(stored)
        assert quoted in prose(alone)
    code = [
        [cell.source for cell in each.cells if cell.cell_type == "code"]
        for each in (stored, alone)
    ]
    assert code[0] == code[1]


def test_no_link_is_dead(download):
    _, alone = download(
        "| a [table](plain.md) | with x \\| y |\n|---|---|\n"
        "| [two *words*](plain.md) | [**The** next](second.md#title) |\n\n"
        "1. A list [with\n   a break](plain.md), and <https://example.org>."
    )
    text = prose(alone)
    assert "[The Second Section](second-all.ipynb)" in text
    assert "**Previous:** A Small Book" in text
    assert "> | a table | with x \\| y |" in text
    assert "> | two *words* | [**The** next](second-all.ipynb#title) |" in text
    assert "> 1. A list with\n>    a break, and <https://example.org>." in text
    assert "../" not in text


def test_pictures_are_inside_in_a_form_that_every_editor_shows(download):
    _, alone = download(
        '![a [dot]](dot.png "Its title") beside ![another](images/dot.png), and '
        "[![a line](line.svg)](second.md)"
    )
    shown = [
        token
        for block in MarkdownIt().parse(prose(alone))
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
