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


@pytest.fixture
def root(tmp_path):
    return copy_book(tmp_path / "book")


def text(root, framework="pytorch", name="first"):
    book = Book(root)
    page = book.find(f"chapters/{name}")
    notebook, lines = split(book, page, framework)
    assert len(lines) == len(notebook.cells)
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def add(root, what):
    """Insert text before the last note, and return its line."""
    return replace(root / FIRST, ":::{note}\n", f"{what}\n\n:::{{note}}\n")


def test_references_become_links_or_numbers(root):
    found = text(root)
    assert (
        "in [The Second Section](../all/second.ipynb) and in [Inside](#Inside)" in found
    )
    assert "shows Figure 1\nand figure 2, computes by (1), asks Exercise 1" in found
    assert "Home is [A Small Book](../../chapters/index.md)." in found
    assert "Not a role: `{ref}`." in found


def test_links_lead_to_notebooks_of_the_same_framework(root):
    found = text(root, "all", "second")
    # A numbered target on another page is named with its section.
    link = "[The First Section](../pytorch/first.ipynb)"
    assert f"see Figure 1 of {link} of {link}." in found
    replace(root / "chapters" / "second.md", "[all]", "[mxnet, pytorch]")
    assert "[The First Section](first.ipynb)" in text(root, "mxnet", "second")


def test_works_are_cited_and_listed(root):
    found = text(root)
    assert "Doe and Roe (2001) and others (Able et al., 1999)" in found
    assert "- Dan Doe and Rae Roe. Tabs Without Borders. Page Press, 2001.\n" in found
    assert "1999. <https://doi.org/10.1000/1>" in found


def test_equations_keep_their_number(root):
    assert "$$\ny = w x \\tag{1}\n$$" in text(root)
    add(root, "$$\nz = 1\n$$")
    assert "$$\nz = 1\n$$" in text(root)


def test_figures_and_exercises_are_numbered_and_named(root):
    found = text(root)
    assert "**Figure 1.** The line $y = wx$ for one slope." in found
    assert "**Figure 2.** A dot, the same everywhere." in found
    assert "**Exercise 1: Slope**\n\nWhat is $w$ in (1)?" in found
    folded = (
        "<details>\n<summary>Solution to Exercise 1</summary>\n\nIt is\n\n```python\n"
    )
    assert folded in found
    assert "> **Note**\n>\n> With a [link](../../chapters/plain.md)" in found
    assert "![dot](../../chapters/dot.png)" in found


def test_prose_of_other_frameworks_is_left_out(root):
    assert "Not for the third" not in text(root, "pytorch")
    for framework in ("mxnet", "tensorflow"):
        assert "Not for the third, see Figure 1." in text(root, framework)


@pytest.mark.parametrize("framework", ["mxnet", "pytorch", "tensorflow"])
def test_no_myst_syntax_is_left(root, framework):
    found = text(root, framework)
    for mark in (":::", ")=", "{numref}", "{eq}", "{cite", "```{", ":label:", "% A"):
        assert mark not in found


def test_pages_before_and_after_are_linked(root):
    assert text(root).endswith(
        "---\n\n**Previous:** [A Small Book](../../chapters/index.md) · "
        "**Next:** [The Second Section](../all/second.ipynb)"
    )


@pytest.mark.parametrize(
    ("myst", "plain"),
    [
        ("{ref}`so <sec_second>`", "[so](../all/second.ipynb)"),
        ("{numref}`Section %s <sec_inner>`", "[Inside](#Inside)"),
        ("{doc}`/chapters/plain`", "[A Plain Page](../../chapters/plain.md)"),
        ("{cite:p}`Able.Baker.Cole.1999,Doe.Roe.2001`", "; Doe and Roe, 2001)"),
        ("x{sub}`2` {kbd}`q` {math}`a_b`", "x<sub>2</sub> <kbd>q</kbd> $a_b$"),
        ("{py:func}`~d2lutils.torch.sgd`, {py:mod}`a.b`", "`sgd`, `a.b`"),
        ("{py:func}`it <d2lutils.torch.sgd>`", "`it`"),
        ("``{ref}`sec_second` ``", "``{ref}`sec_second` ``"),
        ("$a{ref}`b$", "$a{ref}`b$"),
        ("![b {ref}`a` c](dot.png)", "![b {ref}`a` c](../../chapters/dot.png)"),
        (
            "[a](plain.md 'b') [c](<plain.md>)",
            "plain.md 'b') [c](../../chapters/plain.md)",
        ),
        ("T\n: D {ref}`so <sec_second>`", ": D [so](../all/second.ipynb)"),
        ("{ref}`sec_second`\nand\n{ref}`sec_inner`", "ipynb)\nand\n[Inside]"),
        ("```{tip}\nDo.\n```", "> **Tip**\n>\n> Do."),
        (
            "::::{note}\nAll.\n\n:::{framework} mxnet\nNot.\n:::\n"
            ":::{framework} pytorch tensorflow\nIts own.\n:::\n::::",
            "> **Note**\n>\n> All.\n>\n> Its own.\n\n>",
        ),
        ("```{note} Begins here\nand ends.\n```", "> Begins here\n> and ends."),
        ("```{admonition} Title\nBody.\n```", "> **Title**\n>\n> Body."),
        ("```{code-block} python\nx = '{ref}`a`'\n```", "```python\nx = '{ref}`a`'"),
        ("```python\nx = '{ref}`a`'\n```", "```python\nx = '{ref}`a`'\n```"),
        ("```{math}\n:label: eq_two\na = b\n```", "$$\na = b \\tag{2}\n$$"),
        ("```{image} dot.png\n:alt: Dot.\n```", "![Dot.](../../chapters/dot.png)"),
        (
            "```{figure} dot.png\n:name: fig_dot\n:alt: Dot.\n\nA dot.\n```",
            "![Dot.](../../chapters/dot.png)\n\n**Figure 3.** A dot.",
        ),
        (
            "```{table} Two.\n:name: tab_two\n| a | b |\n|---|---|\n| 1 | 2 |\n```",
            "**Table 1.** Two.\n\n| a | b |",
        ),
        ("```{dropdown} More\nBody.\n```", "<summary>More</summary>\n\nBody.\n\n<"),
    ],
)
def test_a_construct_becomes_plain_markdown(root, myst, plain):
    add(root, myst)
    assert plain in text(root)


@pytest.fixture(scope="module")
def converter(tmp_path_factory):
    book = Book(copy_book(tmp_path_factory.mktemp("converted") / "book"))
    return Converter(book, book.find("chapters/first"), "pytorch")


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
@settings(derandomize=True, deadline=None, max_examples=200)
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


def test_dollars_in_code_or_escaped_start_no_formula(root):
    add(root, "Not ``a $ `b` ``, nor `$HOME`, nor \\$5, but $x$.")
    assert "nor `$HOME`" in text(root)
