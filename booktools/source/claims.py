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
from booktools.source.markdown import PARAGRAPH, Block

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


def assertions(source: str, line: int, path: Path) -> list[tuple[str, str]]:
    """Return the message and the condition, as code, of each assertion in a claim.

    ``source`` is the code of the cell, and ``line`` is where it begins in the file.

    Raises:
        SourceError: the cell asserts nothing, or a message isn't a plain string.
    """
    found: list[tuple[str, str]] = []
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        message = f"the claim cannot be read: {error.msg}"
        raise SourceError(path, line + (error.lineno or 1) - 1, message) from None
    asserted = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    for node in sorted(asserted, key=lambda node: node.lineno):
        if not (isinstance(node.msg, ast.Constant) and isinstance(node.msg.value, str)):
            raise SourceError(
                path,
                line + node.lineno - 1,
                "an assertion of a claim needs a message that says the claim in "
                "words: assert a < b, 'a is below b'",
            )
        found.append((node.msg.value, ast.unparse(node.test)))
    if not found:
        raise SourceError(path, line, "the claim asserts nothing")
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

    def settle() -> Iterator[tuple[int, str]]:
        if not claimed:
            yield from waiting
        waiting.clear()

    for cell in section.cells:
        if cell.kind == "code":
            if cell.claims:
                claimed = True
            else:
                yield from settle()
                claimed, after_output = False, after_output or _shows(cell)
            continue
        marked = False
        for block in cell.blocks:
            if block.kind == "heading":
                yield from settle()
                claimed, after_output = False, False
            elif block.kind == "comment":
                marked = block.text.startswith(MARK)
                continue
            elif after_output:
                waiting += _comparing(block, marked)
            marked = False
    yield from settle()


def _shows(cell: Cell) -> bool:
    """Return whether a cell may show something, rather than just define and assign."""
    waiting: list[ast.AST] = list(ast.parse(cell.source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Expr):
            return True
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)
    return False


def _comparing(block: Block, marked: bool) -> Iterator[tuple[int, str]]:
    if block.kind == "directive" and block.name in ("framework", "output-figure"):
        for each in block.inside:
            if each.kind == "comment":
                marked = marked or each.text.startswith(MARK)
            else:
                yield from _comparing(each, marked)
                marked = False
        return
    if block.kind != "text":
        return
    start = 0
    for number, paragraph in enumerate(PARAGRAPH.split(block.text)):
        start = block.text.index(paragraph, start)
        match = WORDS.search(re.sub(r"`[^`]*`|\$[^$]*\$", "", paragraph))
        if match and not (marked and number == 0):
            yield block.line + block.text.count("\n", 0, start), match[0]
