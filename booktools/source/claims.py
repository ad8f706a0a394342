"""Reads the claims of a section: cells that assert what its text says about results.

A cell with the tag ``claim`` holds assertions, each with a message that says what it
checks. ``unclaimed`` finds paragraphs that seem to need a claim and have none:
they come after an output, and they compare, rank or generalize. If such a paragraph
needs no claim, say why in a comment on the line before it::

    % claim: by definition
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from booktools import SourceError
from booktools.source.markdown import paragraphs

if TYPE_CHECKING:  # sections imports this module
    from booktools.source.sections import Cell, Section

CLAIM = "claim"
"""The tag of cells that assert what the text above them says."""

MARK = "% claim:"
WORDS = re.compile(
    r"\b(all|none|always|never|each time|most|mostly|nearly|almost|hardly"
    r"|faster|slower|better|worse|best|worst|higher|lower|highest|lowest|largest"
    r"|smallest|larger|smaller|fewer|rises?|falls?|grows?|shrinks?|ahead|behind"
    r"|overtakes?|twice|half)\b",
    re.I,
)
"""Words that compare, rank or generalize."""

SAYING = ("framework", "output-figure")
"""Directives that hold what a section says about its results."""

SILENT = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign
)  # fmt: skip
"""Statements that show nothing."""


def assertions(source: str, line: int, path: Path) -> list[tuple[str, str]]:
    """Return the message and the condition, as code, of each assertion in a claim.

    ``source`` is the code of the cell, and ``line`` is where it begins in the file.

    Raises:
        SourceError: the cell asserts nothing, or a message isn't a plain string.
    """
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError as error:
        message = f"the claim cannot be read: {error.msg}"
        raise SourceError(path, line + (error.lineno or 1) - 1, message) from None
    asserted = [node for node in nodes if isinstance(node, ast.Assert)]
    if not asserted:
        raise SourceError(path, line, "the claim asserts nothing; add an assert")
    found = []
    for node in sorted(asserted, key=lambda node: node.lineno):
        said = node.msg.value if isinstance(node.msg, ast.Constant) else None
        if not isinstance(said, str):
            raise SourceError(
                path,
                line + node.lineno - 1,
                "an assertion of a claim needs a message that says the claim in "
                "words: assert a < b, 'a is below b'",
            )
        found.append((said, ast.unparse(node.test)))
    return found


def unclaimed(section: Section) -> Iterator[tuple[int, str]]:
    """Find paragraphs that compare results and have no claim next to them.

    A claim counts if no heading and no other code comes between it and the paragraph.
    Exercises, their short answers and text before the first output are skipped.

    Yields:
        The line of the paragraph, and the word that needs a claim.
    """
    waiting: list[tuple[int, str]] = []
    claimed, after_output = False, False
    for cell in section.cells:
        if cell.claims:
            claimed = True
        elif cell.kind == "code":
            yield from () if claimed else waiting
            waiting, claimed = [], False
            after_output = after_output or _shows(cell)
        for line, text, kind, within in paragraphs(cell.blocks, MARK):
            if kind == "heading":
                yield from () if claimed else waiting
                waiting, claimed, after_output = [], False, False
            elif kind == "text" and all(each.name in SAYING for each in within):
                match = WORDS.search(re.sub(r"`[^`]*`|\$[^$]*\$", "", text))
                if after_output and match:
                    waiting.append((line, match[0]))
    yield from () if claimed else waiting


def _shows(cell: Cell) -> bool:
    """Return whether a cell may show something, rather than just define and assign."""
    try:
        body = ast.parse(cell.source).body
    except SyntaxError:  # a line of IPython's, such as %time
        return True
    return not all(isinstance(node, SILENT) for node in body)
