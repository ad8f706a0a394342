"""Tests that unfounded figures in the prose are found.

test_notebooks.py tests that the book has none.
"""

from dataclasses import replace

import pytest

from booktools import FRAMEWORKS
from booktools.execution.figures import unfounded
from booktools.source.sections import read_section
from small_book import real_book

BOOK = real_book()


def found(name, *changes):
    """Replace words in a section, and return its unfounded figures by framework."""
    (page,) = [page for page in BOOK.sections if page.section.name == name]
    text = page.text
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    changed = replace(page, text=text, section=read_section(text, page.path))
    reported = {}
    for _, line, figure, lacking in unfounded(BOOK, [changed]):
        assert figure in text.split("\n")[line - 1]
        reported[figure] = lacking
    return reported


WITHOUT_A_BASIS = {
    "mlp-scratch": (
        # Whole numbers; a figure of another section that the sentence refers to; signs.
        ("epochs its loss is 0.38", "1.07", "1.07"),
        ("203,530 in all", "999,999 in all", "999,999"),
        ("26 times the 7,850", "77 times the 7,850", "77 times"),
        ("regression is 0.45", "regression is 0.47", "0.47"),
        ("## Summary", "It falls, by -0.38 in all.\n\n## Summary", "-0.38"),
    ),
    "generalization": (("stayed at 0.80", "stayed at 0.23", "0.23"),),
    # In other places, such as a text alternative.
    "activations": (("peaks at one quarter", "peaks at 0.37", "0.37"),),
    "mlp": ((":alt: Three curves", ":alt: 7.77 and", "7.77"),),
    "softmax-scratch": (
        # Only in an output of another part, which the sentence doesn't refer to.
        ("## The Loss Function", "It is 0.831 here.\n\n## The Loss Function", "0.831"),
        ("loss is already 0.79, and", "0.68", "0.68"),
        # More exact than the output.
        ("## Prediction", "It is 0.8310 here.", "0.8310"),
    ),
}


@pytest.mark.parametrize("name", WITHOUT_A_BASIS)
def test_figures_without_a_basis_are_reported(name):
    *changes, expected = zip(*WITHOUT_A_BASIS[name], strict=True)
    reported = found(name, *zip(*changes, strict=True))
    for figure in expected:
        assert reported[figure] == [*FRAMEWORKS]


PARAGRAPHS = """\
A number in the sentence itself is no basis: `0.971`, and so 0.971, or $x = 0.972$, and
so 0.972. Nor is a formula that is only $0.973$. It is 97.4 % here. In JAX it is 0.975.

:::{framework} mxnet jax
It is 0.976.
:::

% figures: a source covers one block, so the figures below need no basis, but the next
It is 0.981.

It is
0.977.

% figures: a source
:::{note}
It is 0.982.
:::

:::{note}
% figures: a source
It is 0.983.
:::

:::{note}
It is 0.978.
:::

:::{exercise}
:label: ex_given
Let it be 0.984.
:::

Neither Python 3.77, release 0.17.6, `0.985`, the year 1998, 32 bits, nor the address
[discuss.d2l.ai/t/9876](https://x.org/1) is a figure.

Of $a = 101$ times $b = 33$, one is 68 more, and both make 3,333.
Of $a = 101$ times $b = 33$, one is 68 more, and both make 3,334.

With 256 units it has 203,530 parameters, about 200,000.

## Summary"""


def test_figures_need_a_basis_in_each_framework_they_are_about():
    reported = found("mlp-concise", ("## Summary", PARAGRAPHS))
    assert reported.pop("0.975") == ["jax"]
    assert reported.pop("0.976") == ["mxnet", "jax"]
    missing = ["0.971", "0.972", "0.973", "97.4 %", "0.977", "0.978", "3,334"]
    assert list(reported) == missing
    assert all(lacking == [*FRAMEWORKS] for lacking in reported.values())


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
