"""Tests that a downloaded notebook contains its pictures and has no dead links."""

from __future__ import annotations

import base64
import dataclasses
import shutil
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from markdown_it import MarkdownIt

from booktools import SourceError
from booktools.execution.downloads import download_notebook
from booktools.execution.jobs import jobs
from booktools.source.book import Book
from small_book import copy_book, replace

FIRST = Path("chapters", "first.md")
STAND_IN = "With a [link](plain.md) and a picture ![dot](dot.png)."
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture
def download(tmp_path_factory):
    """Put text into the small book, and return its notebook as a download."""

    def of(text, png=True, stored=None, **options):
        root = copy_book(tmp_path_factory.mktemp("download") / "book")
        chapters = root / "chapters"
        (chapters / "images").mkdir()
        (chapters / "images" / "dot.png").write_bytes(PIXEL)
        (chapters / "line.svg").write_text("<svg></svg>", encoding="utf-8")
        if png:
            shutil.copy(chapters / "dot.png", chapters / "line.png")
        replace(root / FIRST, STAND_IN, text)
        book = Book(root)
        (made,) = jobs(book, ["first"], ["pytorch"])
        if stored:
            made = dataclasses.replace(made, stored=stored(deepcopy(made.fresh)))
        download_notebook(book, made, root.parent, **options)
        return nbformat.read(root.parent / "first-pytorch.ipynb", as_version=4)

    return of


def prose(notebook):
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def test_a_download_has_an_install_cell_and_the_outputs(download):
    def stored(notebook):
        output = nbformat.v4.new_output("stream", text="the same in all")
        notebook.cells[1].update(outputs=[output], execution_count=1)
        return notebook

    alone = download(STAND_IN, stored=stored, wheel="d2lutils-1.whl")
    assert '"./d2lutils-1.whl{extras}"' in alone.cells[0].source
    shown = [c.outputs for c in alone.cells if c.cell_type == "code"]
    assert [len(outputs) for outputs in shown[:3]] == [0, 1, 0]
    assert shown[1][0].text == "the same in all"
    alone = download(STAND_IN, wheel="d2lutils-1.whl", base="https://x.org/")
    assert '"d2lutils{extras} @ https://x.org/d2lutils-1.whl"' in alone.cells[0].source


def test_a_download_has_no_dead_links(download):
    alone = download(
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


def test_pictures_are_embedded_in_a_format_that_every_editor_shows(download):
    alone = download(
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


def test_a_picture_that_some_editors_cannot_show_needs_a_png(download):
    message = (
        r"^chapters/first.md:\d+: chapters/line.svg needs a copy as line.png next to "
        r"it, .*; save one there$"
    )
    with pytest.raises(SourceError, match=message):
        download("![a line](line.svg)", png=False)
