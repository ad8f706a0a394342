"""Tests that claims are read, and that comparisons without a claim are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from booktools import SourceError
from booktools.source.claims import unclaimed
from booktools.source.sections import read_section
from small_book import HEADER

OUTPUT = """
# Title

```{code-cell} ipython3
a, b = 1, 2
print(a)
```

"""
ASSERTED = 'assert a < b, "a is below b"'
CLAIM = f"""
```{{code-cell}} ipython3
:tags: [claim]
{ASSERTED}
```
"""


def section(text):
    return read_section(HEADER + text, Path("page.md"))


def reminded(text):
    return [word for _, word in unclaimed(section(OUTPUT + text))]


def test_cells_need_not_be_plain_python():
    text = OUTPUT.replace("print(a)", "%time print(a)") + "It is faster."
    assert [word for _, word in unclaimed(section(text))] == ["faster"]


def test_a_claim_pairs_messages_with_conditions_in_order():
    code = 'for x in (a, b):\n    assert x < 3, "each is small"\nassert a < b, "rises"'
    cell = section(OUTPUT + CLAIM.replace(ASSERTED, code)).cells[-1]
    assert cell.claims == (("each is small", "x < 3"), ("rises", "a < b"))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("assert a < b", "needs a message"),
        ('assert a < b, f"{a} is below"', "needs a message"),
        ("len(range(a))", "asserts nothing"),
        ("assert a <", "cannot be read"),
    ],
)
def test_a_claim_without_a_message_is_an_error_at_its_line(code, problem):
    text = OUTPUT + CLAIM.replace(ASSERTED, code)
    with pytest.raises(SourceError, match=rf"page.md:\d+: .*{problem}") as caught:
        section(text)
    lines = (HEADER + text).split("\n")
    assert lines[caught.value.line - 1] == code


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The first is faster.", ["faster"]),
        ("The first is `faster`.", []),
        ("The first is 1.", []),
        ("% claim: by definition\nThe first is faster.", []),
        ("% claim: by definition\nThe first is 1.\n\nIt is faster.", ["faster"]),
        (":::{framework} jax\nMost are.\n:::", ["Most"]),
        (":::{exercise} Which\n:label: ex_a\nWhich is faster?\n:::", []),
        (f"The first is faster.\n{CLAIM}", []),
        (f"{CLAIM}\nThe first is faster.", []),
        (f"{CLAIM}\n## Next\n\nThe first is faster.", []),
        (f"{CLAIM}\n```{{code-cell}} ipython3\na\n```\n\nMost are.", ["Most"]),
    ],
)
def test_a_comparison_after_an_output_needs_a_claim(text, words):
    assert reminded(text) == words


def test_a_comparison_before_any_output_needs_no_claim():
    assert list(unclaimed(section("# Title\n\nThe first is faster.\n"))) == []
