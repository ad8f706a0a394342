"""Tests that MyST syntax becomes Markdown that notebook programs can show."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from booktools.execution.convert import Converter
from booktools.execution.split import split
from booktools.source.book import Book
from booktools.source.markdown import blocks
from small_book import copy_book, replace

FIRST = Path("chapters", "first.md")
TABLE = "```{table} Two.\n:name: tab_two\n| a | b |\n|---|---|\n| 1 | 2 |\n```"
FIGURE = "```{figure} dot.png\n:name: fig_dot\n:alt: Dot.\n\nA dot.\n```"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Make the small book with a table and another figure, which have labels."""
    root = copy_book(tmp_path_factory.mktemp("converted") / "book")
    replace(root / FIRST, ":::{note}\n", f"{TABLE}\n\n{FIGURE}\n\n:::{{note}}\n")
    return root


@pytest.fixture(scope="module")
def converter(root):
    book = Book(root)
    return Converter(book, book.find("chapters/first"), "pytorch")


def text(root, framework="pytorch", name="first"):
    book = Book(root)
    notebook, lines = split(book, book.find(f"chapters/{name}"), framework)
    assert len(lines) == len(notebook.cells)
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def test_a_section_is_converted(root):
    found = text(root)
    for part in (
        "in [The Second Section](../all/second.ipynb) and in [Inside](#Inside), ",
        "shows Figure 1\nand figure 2, computes by (1), asks Exercise 1",
        "Home is [A Small Book](../../chapters/index.md). Not a role: `{ref}`.",
        "Doe and Roe (2001) and others (Able et al., 1999)",
        "- Dan Doe and Rae Roe. Tabs Without Borders. Page Press, 2001.\n",
        "1999. <https://doi.org/10.1000/1>",
        "$$\ny = w x \\tag{1}\n$$",
        "**Figure 1.** The line $y = wx$ for one slope.",
        "**Figure 2.** A dot, the same everywhere.",
        "**Exercise 1: Slope**\n\nWhat is $w$ in (1)?",
        "<summary>Solution to Exercise 1</summary>\n\nIt is\n\n```python\n",
        "> **Note**\n>\n> With a [link](../../chapters/plain.md)",
        "![dot](../../chapters/dot.png)",
        "**Table 1.** Two.\n\n| a | b |",
    ):
        assert part in found
    assert found.endswith(
        "---\n\n**Previous:** [A Small Book](../../chapters/index.md) · "
        "**Next:** [The Second Section](../all/second.ipynb)"
    )


def test_links_lead_to_notebooks_of_the_same_framework(tmp_path):
    root = copy_book(tmp_path / "book")
    # A numbered target on another page is named with its section.
    link = "[The First Section](../pytorch/first.ipynb)"
    assert f"see Figure 1 of {link} of {link}." in text(root, "all", "second")
    replace(root / "chapters" / "second.md", "[all]", "[mxnet, pytorch]")
    assert "[The First Section](first.ipynb)" in text(root, "mxnet", "second")


@pytest.mark.parametrize("framework", ["mxnet", "pytorch", "tensorflow"])
def test_no_myst_syntax_and_no_prose_of_other_frameworks_is_left(root, framework):
    found = text(root, framework)
    for mark in (":::", ")=", "{numref}", "{eq}", "{cite", "```{", ":label:", "% A"):
        assert mark not in found
    assert ("Not for the third, see Figure 1." in found) == (framework != "pytorch")


@pytest.mark.parametrize(
    ("myst", "plain"),
    [
        ("{ref}`so <sec_second>`", "[so](../all/second.ipynb)"),
        ("{numref}`Section %s <sec_inner>`", "[Inside](#Inside)"),
        ("{doc}`/chapters/plain`", "[A Plain Page](../../chapters/plain.md)"),
        ("{cite:p}`Able.Baker.Cole.1999,Doe.Roe.2001`", "; Doe and Roe, 2001)"),
        ("``{ref}`sec_second` ``", "``{ref}`sec_second` ``"),
        ("$a{ref}`b$", "$a{ref}`b$"),
        ("![b {ref}`a` c](dot.png)", "![b {ref}`a` c](../../chapters/dot.png)"),
        ("[a](plain.md 'b')", "[a](../../chapters/plain.md 'b')"),
        ("[c](<plain.md>)", "[c](../../chapters/plain.md)"),
        ("T\n: D {ref}`so <sec_second>`", ": D [so](../all/second.ipynb)"),
        ("{ref}`sec_second`\nand\n{ref}`sec_inner`", "ipynb)\nand\n[Inside]"),
        ("Nor `$HOME`, ``a $ `b` ``, nor \\$5, but $x$.", "Nor `$HOME`, ``a $ `b` ``"),
        ("$$\nz = 1\n$$", "$$\nz = 1\n$$"),
        ("```{tip}\nDo.\n```", "> **Tip**\n>\n> Do."),
        (
            "::::{note}\nAll.\n\n:::{framework} mxnet\nNot.\n:::\n"
            ":::{framework} pytorch tensorflow\nIts own.\n:::\n::::",
            "> **Note**\n>\n> All.\n>\n> Its own.",
        ),
        ("```{note} Begins here\nand ends.\n```", "> Begins here\n> and ends."),
        ("```{admonition} Title\nBody.\n```", "> **Title**\n>\n> Body."),
        ("```python\nx = '{ref}`a`'\n```", "```python\nx = '{ref}`a`'\n```"),
        ("```{image} dot.png\n:alt: Dot.\n```", "![Dot.](../../chapters/dot.png)"),
        (FIGURE, "![Dot.](../../chapters/dot.png)\n\n**Figure 3.** A dot."),
        ("```{dropdown} More\nBody.\n```", "<summary>More</summary>\n\nBody.\n\n<"),
    ],
)
def test_a_construct_becomes_plain_markdown(converter, myst, plain):
    found = converter.markdown(blocks(f"Before.\n\n{myst}\n\nAfter.", FIRST))
    assert plain in found.removeprefix("Before.\n\n").removesuffix("\n\nAfter.")


ODD = st.text("""ab[](){}!^*_<>:."'` """, min_size=1).map(str.strip).filter(bool)
AROUND = [
    "{ref}`so <sec_second>` {} and [on](plain.md)",
    "- a\n- {ref}`so <sec_second>` {} [on](plain.md)",
    "> {ref}`so <sec_second>` {} [on](plain.md)",
    "### {ref}`so <sec_second>` {} [on](plain.md)",
    "| a \\| b |\n|---|\n| {ref}`so <sec_second>` \\| {} [on](plain.md) |",
    ":::{note}\n{ref}`so <sec_second>` {} [on](plain.md)\n:::",
    "[**{}**](plain.md#on) {ref}`so <sec_second>` [on](plain.md)",
]


@given(ODD)
@example('params["b"](x)')
@example("f[i](x)")
@example("{ref}`sec_second` and [^1] and ![a](b.png)")
@settings(derandomize=True, deadline=None, max_examples=100)
def test_code_and_formulas_pass_unchanged(converter, odd):
    fence = "`" * (len(odd) + 3)
    align = f"\\begin{{align}}\n{odd}\n\\end{{align}}"
    for block in (f"{fence}python\n{odd}\n{fence}", f"$$\n{odd}\n$$", align):
        text = f"{block}\n\n{{ref}}`so <sec_second>`"
        made = converter.markdown(blocks(text, FIRST))
        assert made == f"{block}\n\n[so](../all/second.ipynb)"
    for fragment in (f"{fence} {odd} {fence}", f"${odd}$"):
        for text in AROUND:
            made = converter.markdown(blocks(text.replace("{}", fragment), FIRST))
            assert fragment in made
            assert "[so](../all/second.ipynb)" in made
            assert "[on](../../chapters/plain.md)" in made
