"""Tests that mistakes are reported with file, line and fix, without a traceback."""

# ruff: noqa: E501 (a row of the tables is easier to read than its halves)

from __future__ import annotations

import re

import pytest

from booktools.__main__ import main
from booktools.source.book import Book
from small_book import ROOT, copy_book, replace

SECOND = (ROOT / "tests/booktools/small_book/chapters/second.md").read_text("utf-8")
SECOND = SECOND[SECOND.index("```") :]
FIRST, PLAIN, CONFIG = "chapters/first.md", "chapters/plain.md", "_config.yml"
FIGURE = "interactive/beads/figure.yml"
NOTE = ":::{note}\nWith a"  # the end of the first section
CELL = '```{code-cell} ipython3\nprint("the same in all")'
TWO = ":::{framework} mxnet pytorch\n"


def note(text):
    """Return a mistake: text inserted before the last note of the first section."""
    return FIRST, NOTE, f"{text}\n\n{NOTE}"


def cell(text):
    """Return a mistake: text that replaces the first code cell of the section."""
    return FIRST, CELL, text


# By name: the change (file, old and new text), how many lines after its beginning it is
# reported (None for line 1), and the message.
MISTAKES = {
    "header's YAML": ((FIRST, "    extension: .md", "    extension: .md: x"), 0,
        r"the header cannot be read \(mapping values .*; write a line 'key: value'"),
    "header no mapping": ((FIRST, "---\njupytext:\n  text_representation:\n"
        "    extension: .md\n    format_name: myst\nkernelspec:\n  display_name: Python 3"
        "\n  language: python\n  name: python3\nbooktools: {f", "---\n- {f"), 1,
        "the header must be lines of the form"),
    "header's option": ((FIRST, "{frameworks: [", "{framework: ["), 0,
        r"booktools in the header is .*expected nothing but the frameworks, such as"),
    "frameworks' type": ((FIRST, "[mxnet, pytorch, tensorflow]", "pytorch"), 0,
        "names 'pytorch'; expected one or more of mxnet, pytorch"),
    "no frameworks": ((FIRST, "[mxnet, pytorch, tensorflow]", "[]"), 0,
        "names none; expected one or more of mxnet"),
    "all and one": ((FIRST, "[mxnet, pytorch, tensorflow]", "[all, pytorch]"), 0,
        "names 'pytorch'; expected one or more of all"),
    "frameworks of frameworks": ((FIRST, "[mxnet, pytorch, tensorflow]", "[{a: b}]"), 0,
        r"names \{'a': 'b'\}; expected one or more of mxnet"),
    "no code for one": (("chapters/second.md", SECOND, ""), None,
        "there is no code cell for all; add one, or make a plain"),
    "option's YAML": (cell("```{code-cell} ipython3\n---\ntags: [mxnet\n---\nx = 1"), 2,
        "options of code-cell cannot be read .*write a line 'key: value' for each"),
    "options not ended": (cell("```{code-cell} ipython3\n---\ntags: [mxnet]\nx = 1"), 0,
        "the options of the directive begin with --- but never end; end them with ---"),
    "option": (cell("```{code-cell} ipython3\n:tag: [mxnet]\nx = 1"), 0,
        "unknown option 'tag' of a code cell; expected tags"),
    "tag": (cell("```{code-cell} ipython3\n:tags: [pytroch]\nx = 1"), 0,
        "unknown tag 'pytroch'; expected a framework"),
    "tags' type": (cell("```{code-cell} ipython3\n:tags: [[mxnet]]\nx = 1"), 0,
        r"tags must be a list in \[brackets\]"),
    "tag of another framework": (cell("```{code-cell} ipython3\n:tags: [jax]\nx = 1"), 0,
        "the tags of the cell names 'jax'; expected one or more of mxnet"),
    "empty cell": (cell("```{code-cell} ipython3\n"), 0, "empty; fill or delete it"),
    "hidden result": (cell("```{code-cell} ipython3\nx = 1\nx;"), 0, "semicolon.*write _ ="),
    "cell not closed": ((FIRST, "x\n```\n\n(sec_inner)=", "x\n\n(sec_inner)="), -7,
        r"\{code-cell\} ipython3 is not closed before line \d+, where another begins"),
    "last block not closed": ((FIRST, "picture ![dot](dot.png).\n:::", "picture."), -1,
        r":::\{note\} is not closed; close it with :::"),
    "block not closed": ((FIRST, "see {numref}`fig_line`.\n:::\n", "see nothing.\n"), -1,
        r"\{framework\} mxnet tensorflow is not closed before line \d+, where another"),
    "block left over": (note(":::"), 0, "is not closed before line"),
    "directive in a list": (note("- a\n  ```{tip}\n  b\n  ```"), 1,
        "is inside a list or a quote; write it at the margin"),
    "directive": (note("```{mermaid}\nx\n```"), 0, "'mermaid' has no plain form"),
    "role": (note("{term}`word`"), 0, "'term' has no plain form for notebooks; use one"),
    "formula not closed": (note("a\n$x and"), 1, r"a formula is opened with \$ and not"),
    "formula in a list": (note("Let $a = b\n+ c$ be."), 0, "a line that begins with .* begins a"),
    "label unknown": (note("{ref}`sec_nowhere`"), 0, "no label 'sec_nowhere' in the book"),
    "page unknown": (note("{doc}`nowhere`"), 0, "no page 'nowhere'; expected one listed"),
    "within a tip": (note(":::{tip}\nA.\n\nB {ref}`sec_nowhere`.\n:::"), 3, "no label 'sec_n"),
    "label twice": (note("(book_home)=\n### Again"), 1, "is taken: .* choose another"),
    "label in tabs": (note(f"{TWO}$$\nx\n$$ (eq_two)\n:::"), 1,
        "the label 'eq_two' would appear in several tabs .*write it outside, or for one"),
    "figure in tabs": (note(f":{TWO}:::{{figure}} dot.png\n:alt: A.\n\nB.\n:::\n::::"), 1,
        "a numbered figure would appear in several tabs of the framework directive"),
    "heading in a tab": (note(":::{framework} mxnet\n### A\n:::"), 1,
        "the heading is inside the framework directive .*close it first"),
    "tabs in tabs": (note(f":{TWO}:::{{framework}} mxnet\nA\n:::\n::::"), 1,
        "is inside the framework directive of line .* close that one first"),
    "framework": (note(":::{framework} pytroch\nA\n:::"), 0,
        "the framework directive names 'pytroch'; expected one or more of mxnet"),
    "commas between frameworks": (note(":::{framework} mxnet, pytorch\nA\n:::"), 0,
        "the framework directive names 'mxnet,'; expected one or more of mxnet"),
    "comment not closed": (note("<!-- Later.\n\nText."), 0, "begins with <!-- is not clo"),
    "no label": (note(":::{solution}\nA\n:::"), 0, "a label is missing here"),
    "header's format": ((FIRST, "format_name: myst", "format_name: mist"), 22,
        "only sections have code cells; their header says format_name: myst"),
    "picture missing": (note("![a](none.png)"), 0, "no file 'none.png' next to the section"),
    "alternative missing": (note("```{image} dot.png\n```"), 0, "say in :alt: what it"),
    "page missing": (note("[a](none.md)"), 0, "no page 'none.md'; expected one listed"),
    "work unknown": (note("{cite:p}`Nobody`"), 0, "no work 'Nobody' in references.bib; add"),
    "footnote": (note("A.[^1]\n\n[^1]: B."), 0, "footnotes have no plain form"),
    "link by reference": (note("[a][b]\n\n[b]: plain.md"), 2, "links by reference have no"),
    "exercise without label": (note("```{exercise} A\n:class: b\n\nC\n```"), 0,
        "the exercise has no :label:; give it one"),
    "contents' YAML": (("_toc.yml", "parts:", "parts: ["), 1,
        "the table of contents cannot be read"),
    "contents' type": (("_toc.yml", "      - file: chapters/first\n", "      - chapters\n"),
        0, "'chapters' below chapters: is not an entry; write '- file: NAME'"),
    "contents' list": (("_toc.yml", "parts:\n", "parts: 3\nnone:\n"), 0,
        "parts must be a list of lines that begin with '- file:'"),
    "contents' root": (("_toc.yml", "root: chapters/index\n", ""), -1,
        "names no first page; add 'root: NAME'"),
    "contents' file": (("_toc.yml", "chapters/plain", "chapters/none"), 0,
        "there is no file chapters/none.md; correct or remove the line"),
    "contents' page twice": (("_toc.yml", "chapters/plain", "chapters/first"), -4,
        "lists chapters/first.md more than once; remove the other lines"),
    "settings' YAML": ((CONFIG, "  url: ''", "  url: ["), 2, "the settings cannot be read"),
    "settings' type": ((CONFIG, "repository:\n  branch: main\n  url: ''",
        "repository: some/book"), None, "repository must hold url: and branch:"),
    "works' syntax": (("references.bib", "title     =", "title"), 0, "each work is @kind"),
    "figure's file": ((FIGURE, "beads/beads.js", "beads.js"), None,
        r"scripts must be a list of files in interactive/, not \['beads.js'\]"),
    "figure's files": ((FIGURE, "[beads/data.py]", "beads/data.py"), None,
        "data must be a list of files in interactive/, not 'beads/data.py'"),
    "figure's weights": ((FIGURE, "section: second, ", ""), None,
        "weights must hold section:, framework: and arrays:"),
    "no title": ((PLAIN, "# A Plain Page", "A Plain Page"), None, "has no title; begin it"),
}  # fmt: skip


@pytest.fixture
def root(tmp_path):
    return copy_book(tmp_path / "book")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_with_file_line_and_fix(root, capsys, mistake):
    (name, old, new), offset, words = MISTAKES[mistake]
    line = replace(root / name, old, new)
    assert main(["check", "--root", str(root)]) == 1
    said = capsys.readouterr().err
    print(said)
    line = 1 if offset is None else line + offset
    assert re.search(rf"^{re.escape(name)}:{line}: .*{words}", said, re.M), said


def test_a_file_that_is_not_utf8_is_reported(root, capsys):
    path = root / PLAIN
    path.write_bytes(path.read_bytes().replace(b"Or that", b"Or th\xe4t"))
    assert main(["check", "--root", str(root)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{PLAIN}:9: is not UTF-8 (b'\\xe4'); save it as UTF-8")


def test_line_endings_and_byte_order_marks_do_not_matter(root):
    before = Book(root).find("chapters/first").section
    path = root / FIRST
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert Book(root).find("chapters/first").section == before
