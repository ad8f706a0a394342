"""That measured figures in the prose have an output behind them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from booktools.__main__ import main
from booktools.notebooks.figures import unfounded
from booktools.source.book import Book
from booktools.source.sections import read_section

ROOT = Path(__file__).parents[2]
BOOK = Book(ROOT)
PAGES = {page.section.name: page for page in BOOK.sections}


def found(name, before="", after=""):
    """The unfounded figures of a section in which some words are replaced."""
    page = PAGES[name]
    text = (ROOT / page.path).read_text("utf-8")
    assert before in text
    text = text.replace(before, after) if before else text
    page = replace(page, section=read_section(text, page.path))
    return [(figure, set(lacking)) for _, figure, lacking in unfounded(BOOK, page)]


def test_the_book_holds_none(capsys):
    assert main(["check", "--root", str(ROOT)]) == 0, capsys.readouterr().err


ALL_FOUR = {"mxnet", "pytorch", "tensorflow", "jax"}


@pytest.mark.parametrize(
    ("name", "before", "after", "expected"),
    [
        (
            "softmax-scratch",
            "first\n  epoch is already 0.79",
            "0.69",
            ("0.69", ALL_FOUR),
        ),
        ("mlp-scratch", "average is about 1.04", "1.07", ("1.07", ALL_FOUR)),
        # Of another section, to which the sentence refers.
        ("mlp-scratch", "stands at 0.45", "stands at 0.47", ("0.47", ALL_FOUR)),
        ("generalization", "stayed at 0.80", "stayed at 0.23", ("0.23", ALL_FOUR)),
        # In a caption, a text alternative, a dropdown and a table.
        ("mlp", "derivative, which is", "a height of 0.37,", ("0.37", ALL_FOUR)),
        ("mlp", ":alt: Three curves", ":alt: 7.77 and", ("7.77", ALL_FOUR)),
        ("softmax-scratch", "loss is already 0.79, and", "0.68", ("0.68", ALL_FOUR)),
        # For those frameworks that the sentence names.
        ("mlp-concise", "## Summary", "In JAX it is 0.987.", ("0.987", {"jax"})),
        ("mlp-concise", "## Summary", "It is 98.7 % here.", ("98.7 %", ALL_FOUR)),
        (
            "mlp-concise",
            "## Summary",
            ":::{framework} mxnet jax\n0.987\n:::",
            ("0.987", {"mxnet", "jax"}),
        ),
    ],
)
def test_a_changed_digit_is_reported(name, before, after, expected):
    assert found(name) == []
    assert expected in found(name, before, after)


@pytest.mark.parametrize(
    "text",
    [
        "% figures: somebody (2020)\nIt is 0.987.",
        "% figures: somebody (2020)\n:::{note}\nIt is 0.987.\n:::",
        ":::{note}\n% figures: somebody (2020)\nIt is 0.987.\n:::",
        "$x = 0.987$ is in a formula, and so 0.99 is, rounded.",
        "Python 3.77 and release 0.17.6 are no figures, nor is `0.987`.",
        ":::{exercise}\n:label: ex_given\n\nLet it be 0.987.\n:::",
    ],
)
def test_what_is_not_measured_here_is_let_pass(text):
    assert found("mlp-concise", "## Summary", text) == []


def test_a_mark_holds_for_one_block_only():
    text = "% figures: somebody (2020)\nIt is 0.987.\n\nIt is 0.987."
    assert found("mlp-concise", "## Summary", text) == [("0.987", ALL_FOUR)]


def test_the_line_is_that_of_the_figure():
    page = PAGES["mlp-concise"]
    text = (ROOT / page.path).read_text("utf-8")
    text = text.replace("## Summary", "One line,\nthen 0.987.")
    page = replace(page, section=read_section(text, page.path))
    [(line, figure, _)] = unfounded(BOOK, page)
    assert re.search(figure, text.split("\n")[line - 1])
