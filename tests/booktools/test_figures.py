"""Tests that unfounded figures in the prose are found."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from booktools.execution.figures import unfounded
from booktools.source.book import Book
from booktools.source.sections import read_section

ROOT = Path(__file__).parents[2]
BOOK = Book(ROOT)
PAGES = {page.section.name: page for page in BOOK.sections}
ALL_FOUR = {"mxnet", "pytorch", "tensorflow", "jax"}


def found(name, *changes):
    """Replace words in a section, and return its unfounded figures."""
    page = PAGES[name]
    text = (ROOT / page.path).read_text("utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    page = replace(page, section=read_section(text, page.path))
    return [(figure, set(lacking)) for _, figure, lacking in unfounded(BOOK, page)]


def at_the_end(*paragraphs):
    """Return a change that inserts paragraphs before the summary."""
    return "## Summary", "\n\n".join([*paragraphs, "## Summary"])


@pytest.mark.parametrize("name", PAGES)
def test_the_book_has_no_unfounded_figures(name):
    assert found(name) == []


WITHOUT_A_BASIS = {
    "mlp-scratch": (
        # Whole numbers; a figure of another section that the sentence refers to; signs.
        ("epochs its loss is 0.38", "1.07", "1.07"),
        ("203,530 in all", "999,999 in all", "999,999"),
        ("26 times the 7,850", "77 times the 7,850", "77 times"),
        ("regression is 0.45", "regression is 0.47", "0.47"),
        (*at_the_end("It falls, by -0.38 in all."), "-0.38"),
    ),
    "generalization": (("stayed at 0.80", "stayed at 0.23", "0.23"),),
    # In other places, such as a text alternative.
    "activations": (("derivative, which is", "a height of 0.37,", "0.37"),),
    "mlp": ((":alt: Three curves", ":alt: 7.77 and", "7.77"),),
    "softmax-scratch": (
        # Only in an output of another part, which the sentence doesn't refer to.
        ("## The Loss Function", "It is 0.831 here.\n\n## The Loss Function", "0.831"),
        ("loss is already 0.79, and", "0.68", "0.68"),
        # More exact than the output.
        ("## Prediction", "It is 0.8310 here.", "0.8310"),
    ),
    "mlp-concise": (
        (*at_the_end("It is 98.7 % here."), "98.7 %"),
        # A number in the sentence itself can't back it up.
        (*at_the_end("It is `0.981`, and so 0.981."), "0.981"),
        (*at_the_end("It is $x = 0.982$, so 0.982."), "0.982"),
        (*at_the_end("It is $0.983$ here."), "0.983"),
    ),
}


@pytest.mark.parametrize("name", WITHOUT_A_BASIS)
def test_figures_without_a_basis_are_reported(name):
    *changes, expected = zip(*WITHOUT_A_BASIS[name], strict=True)
    reported = found(name, *zip(*changes, strict=True))
    for figure in expected:
        assert (figure, ALL_FOUR) in reported


def test_a_figure_is_checked_for_the_frameworks_it_is_about():
    change = at_the_end("In JAX it is 0.981.", ":::{framework} mxnet jax\n0.982\n:::")
    expected = [("0.981", {"jax"}), ("0.982", {"mxnet", "jax"})]
    assert found("mlp-concise", change) == expected


def test_given_numbers_and_figures_with_a_source_pass():
    paragraphs = (
        "% figures: somebody (2020)\nIt is 0.987.",
        "% figures: somebody (2020)\n:::{note}\nIt is 0.987.\n:::",
        ":::{note}\n% figures: somebody (2020)\nIt is 0.987.\n:::",
        "Python 3.77 and release 0.17.6 are no figures, nor is `0.987`.",
        "Not in 1998, in 32 bits, and not at [discuss.d2l.ai/t/9876](https://x.org/1).",
        ":::{exercise}\n:label: ex_given\n\nLet it be 0.987.\n:::",
        "With 256 units it has 203,530 parameters, about 200,000.",
    )
    assert found("mlp-concise", at_the_end(*paragraphs)) == []


def test_a_figure_computed_from_two_numbers_in_its_sentence_passes():
    text = "Of $a = 101$ times $b = 33$, one is 68 more, and both make 3,333."
    change = at_the_end(text, text.replace("3,333", "3,334"))
    assert found("mlp-concise", change) == [("3,334", ALL_FOUR)]


@pytest.mark.parametrize(
    ("template", "most"),
    [("It is {:.2f} here.", 15), ("It is {:.0%} here.", 20)],
)
def test_few_figures_pass_by_coincidence(template, most):
    """Use the section with the most outputs, at the end of the part with the most."""
    sentences = [template.format(i / 100) for i in range(101)]
    text = "\n\n".join([*sentences, "## Prediction"])
    reported = found("softmax-scratch", ("## Prediction", text))
    assert len(sentences) - len(reported) <= most


def test_a_mark_covers_one_block_and_errors_name_the_line_of_the_figure():
    page = PAGES["mlp-concise"]
    text = (ROOT / page.path).read_text("utf-8")
    text = text.replace(
        "## Summary",
        "% figures: somebody (2020)\nIt is 0.98.\n\nOne line,\nthen 0.987.\n\n"
        ":::{note}\nIt is 0.986.\n:::",
    )
    page = replace(page, section=read_section(text, page.path))
    reported = [(line, figure) for line, figure, _ in unfounded(BOOK, page)]
    assert [figure for _, figure in reported] == ["0.987", "0.986"]
    for line, figure in reported:
        assert re.search(figure, text.split("\n")[line - 1])
