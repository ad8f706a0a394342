"""That figures in the prose have an output behind them, where their sentence points."""

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


def found(name, before="", after=""):
    """The unfounded figures of a section in which some words are replaced."""
    page = PAGES[name]
    text = (ROOT / page.path).read_text("utf-8")
    assert before in text
    text = text.replace(before, after, 1) if before else text
    page = replace(page, section=read_section(text, page.path))
    return [(figure, set(lacking)) for _, figure, lacking in unfounded(BOOK, page)]


@pytest.mark.parametrize("name", PAGES)
def test_the_book_holds_none(name):
    assert found(name) == []


@pytest.mark.parametrize(
    ("name", "before", "after", "expected"),
    [
        ("mlp-scratch", "epochs its loss is 0.38", "1.07", "1.07"),
        # Whole numbers, and signs.
        ("mlp-scratch", "make 203,530 of them", "make 999,999 of them", "999,999"),
        ("mlp-scratch", "26 times the 7,850", "77 times the 7,850", "77 times"),
        ("mlp-scratch", "## Summary", "It falls, by -0.38 in all.", "-0.38"),
        # Of another section, to which the sentence refers.
        ("mlp-scratch", "regression is 0.45", "regression is 0.47", "0.47"),
        ("generalization", "stayed at 0.80", "stayed at 0.23", "0.23"),
        # In a caption, a text alternative, a dropdown and a table.
        ("activations", "derivative, which is", "a height of 0.37,", "0.37"),
        ("mlp", ":alt: Three curves", ":alt: 7.77 and", "7.77"),
        ("softmax-scratch", "loss is already 0.79, and", "0.68", "0.68"),
        ("mlp-concise", "## Summary", "It is 98.7 % here.", "98.7 %"),
        # In an output of another part of the section, to which nothing points.
        ("softmax-scratch", "## The Loss Function", "It is 0.831 here.", "0.831"),
        # What would be its own proof.
        ("mlp-concise", "## Summary", "It is `0.987`, and so 0.987.", "0.987"),
        ("mlp-concise", "## Summary", "It is $x = 0.987$, so 0.987.", "0.987"),
        ("mlp-concise", "## Summary", "It is $0.987$ here.", "0.987"),
        # More exact than what stands there.
        ("softmax-scratch", "## Prediction", "It is 0.8310 here.", "0.8310"),
    ],
)
def test_a_figure_without_a_basis_is_reported(name, before, after, expected):
    assert (expected, ALL_FOUR) in found(name, before, after)


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("In JAX it is 0.987.", {"jax"}),
        (":::{framework} mxnet jax\n0.987\n:::", {"mxnet", "jax"}),
    ],
)
def test_a_figure_holds_for_those_frameworks_that_are_named(text, lacking):
    assert found("mlp-concise", "## Summary", text) == [("0.987", lacking)]


@pytest.mark.parametrize(
    "text",
    [
        "% figures: somebody (2020)\nIt is 0.987.",
        "% figures: somebody (2020)\n:::{note}\nIt is 0.987.\n:::",
        ":::{note}\n% figures: somebody (2020)\nIt is 0.987.\n:::",
        "Python 3.77 and release 0.17.6 are no figures, nor is `0.987`.",
        "Not in 1998, in 32 bits, and not at [discuss.d2l.ai/t/9876](https://x.org/1).",
        ":::{exercise}\n:label: ex_given\n\nLet it be 0.987.\n:::",
        "With 256 units it has 203,530 parameters, about 200,000.",
    ],
)
def test_what_is_given_or_has_a_source_is_let_pass(text):
    assert found("mlp-concise", "## Summary", text + "\n\n## Summary") == []


def test_what_follows_from_two_numbers_of_its_sentence_is_let_pass():
    text = "Of $a = 101$ times $b = 33$, one is 68 more, and both make 3,333.\n\n"
    assert found("mlp-concise", "## Summary", text + "## Summary") == []
    assert ("3,334", ALL_FOUR) in found(
        "mlp-concise", "## Summary", text.replace("3,333", "3,334") + "## Summary"
    )


@pytest.mark.parametrize(
    ("template", "most"),
    [("It is {:.2f} here.", 15), ("It is {:.0%} here.", 20)],
)
def test_few_figures_pass_by_coincidence(template, most):
    """The section with the most outputs, at the end of its part with the most."""
    sentences = [template.format(i / 100) for i in range(101)]
    text = "\n\n".join(sentences)
    reported = found("softmax-scratch", "## Prediction", f"{text}\n\n## Prediction")
    assert len(sentences) - len(reported) <= most


def test_a_mark_holds_for_one_block_only():
    text = "% figures: somebody (2020)\nIt is 0.98.\n\nIt is 0.987.\n\n"
    text += ":::{note}\nIt is 0.986.\n:::"
    expected = [("0.987", ALL_FOUR), ("0.986", ALL_FOUR)]
    assert found("mlp-concise", "## Summary", text) == expected


def test_the_line_is_that_of_the_figure():
    page = PAGES["mlp-concise"]
    text = (ROOT / page.path).read_text("utf-8")
    text = text.replace("## Summary", "One line,\nthen 0.987.")
    page = replace(page, section=read_section(text, page.path))
    [(line, figure, _)] = unfounded(BOOK, page)
    assert re.search(figure, text.split("\n")[line - 1])
