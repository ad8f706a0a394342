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

TEXT = """
| a [table](plain.md) | with x \\| y |
|---|---|
| [two *words*](plain.md) | [**The** next](second.md#title) |

1. A list [with
   a break](plain.md), a [file](dot.png), and <https://example.org>.

![a [dot]](dot.png "Its title") beside ![another](images/dot.png), and
[![a line](line.svg)](second.md)
"""
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture
def root(tmp_path):
    root = copy_book(tmp_path / "book")
    chapters = root / "chapters"
    (chapters / "images").mkdir()
    (chapters / "images" / "dot.png").write_bytes(PIXEL)
    (chapters / "line.svg").write_text("<svg></svg>", encoding="utf-8")
    shutil.copy(chapters / "dot.png", chapters / "line.png")
    old = "With a [link](plain.md) and a picture ![dot](dot.png)."
    replace(chapters / "first.md", old, TEXT)
    return root


def download(root, **options):
    """Return the notebook for download, with the outputs of its first cell."""
    book = Book(root)
    (job,) = jobs(book, ["first"], ["pytorch"])
    stored = deepcopy(job.fresh)
    output = nbformat.v4.new_output("stream", text="the same in all")
    stored.cells[1].update(outputs=[output], execution_count=1)
    job = dataclasses.replace(job, stored=stored)
    download_notebook(book, job, root.parent, "d2lutils-1.whl", **options)
    return nbformat.read(root.parent / "first-pytorch.ipynb", as_version=4)


def test_a_download_has_an_install_cell_and_the_outputs(root):
    alone = download(root)
    assert '"./d2lutils-1.whl{extras}"' in alone.cells[0].source
    shown = [cell.outputs for cell in alone.cells if cell.cell_type == "code"]
    assert [len(outputs) for outputs in shown[:3]] == [0, 1, 0]
    assert shown[1][0].text == "the same in all"
    alone = download(root, base="https://x.org/")
    assert '"d2lutils{extras} @ https://x.org/d2lutils-1.whl"' in alone.cells[0].source


def test_a_download_has_no_dead_links_and_holds_its_pictures(root):
    cells = [cell.source for cell in download(root).cells if cell.cell_type != "code"]
    text = "\n\n".join(cells)
    assert "[The Second Section](second-all.ipynb)" in text
    assert "**Previous:** A Small Book" in text
    assert "> | a table | with x \\| y |" in text
    assert "> | two *words* | [**The** next](second-all.ipynb#title) |" in text
    assert ">    a break, a file, and <https://example.org>." in text
    assert "../" not in text
    shown = [
        token
        for block in MarkdownIt().parse(text)
        for token in block.children or []
        if token.type == "image"
    ]
    assert [token.content for token in shown] == ["a [dot]", "another", "a line"]
    assert shown[0].attrs["title"] == "Its title"
    dot = (root / "chapters" / "dot.png").read_bytes()
    for token, data in zip(shown, [dot, PIXEL, dot], strict=True):
        encoded = token.attrs["src"].removeprefix("data:image/png;base64,")
        assert base64.b64decode(encoded, validate=True) == data


def test_a_picture_that_some_editors_cannot_show_needs_a_png(root):
    Path(root, "chapters", "line.png").unlink()
    message = (
        r"^chapters/first.md:\d+: chapters/line.svg needs a copy as line.png next to "
        r"it, .*; save one there$"
    )
    with pytest.raises(SourceError, match=message):
        download(root)
