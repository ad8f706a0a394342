"""Finds figures in the prose of a section behind which nothing stands.

What counts as measured is a number with decimals, or a percentage. It has to round a
number that the section's notebooks put out, in every framework that the sentence speaks
for, or one in their code or in a formula. Figures from elsewhere are marked, in the line
before the paragraph, the list, the table or the directive that holds them::

    % figures: Srivastava et al. (2014), table 2
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nbformat import NotebookNode

from booktools import FRAMEWORKS
from booktools.source.markdown import VERBATIM, Block, blocks
from booktools.source.sections import Section

MARK = "% figures:"
FIGURE = re.compile(
    r"(?<![\w.,])(?:\d[\d,]*\.\d+|\d+(?=\s?%))(?!\d|\.\d)(?P<percent>\s?%)?"
)
NUMBER = re.compile(r"(?<![\w.])\d[\d,_]*(?:\.\d+)?(?:e[-+]?\d+)?", re.I)
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$]+\$|`[^`]+`", re.S)
# A release, a role, the end of a link.
OTHER = re.compile(
    r"(?:release|Python|version)\s[\d.]+|\{[\w:]+\}`[^`]+`|\]\([^)]*\)|https?:\S+"
)
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")


def unfounded(
    section: Section, notebooks: Mapping[str, NotebookNode]
) -> Iterator[tuple[int, str, list[str]]]:
    """Yield figures that stand in no notebook that they should, as they are written.

    Args:
        section: The section.
        notebooks: Its stored notebooks, by framework.

    Yields:
        The line of the section, the figure, and the frameworks that lack it.
    """
    prose = [cell for cell in section.cells if cell.kind == "markdown"]
    formulas = [number for cell in prose for number in _formulas(cell.source)]
    found = {
        framework: formulas + [*_numbers(notebook)]
        for framework, notebook in notebooks.items()
    }
    for cell in prose:
        parsed = blocks(cell.source, section.path, cell.line)
        for line, sentence, frameworks in _sentences(parsed, section, [*notebooks]):
            shown = OTHER.sub(_blank, FORMULA.sub(_blank, sentence))
            for match in FIGURE.finditer(shown):
                lacking = [
                    each for each in frameworks if not _rounds(match, found[each])
                ]
                if lacking:
                    yield line + shown.count("\n", 0, match.start()), match[0], lacking


def _sentences(
    parsed: list[Block], section: Section, frameworks: list[str]
) -> Iterator[tuple[int, str, list[str]]]:
    marked = False
    for block in parsed:
        if block.kind == "comment":
            marked = block.text.startswith(MARK)
            continue
        if block.kind == "directive" and block.name not in VERBATIM and not marked:
            inner = frameworks
            if block.name == "framework":
                inner = [each for each in frameworks if each in block.argument.split()]
            for text in (block.argument, block.options.get("alt", "")):
                yield block.line, text, inner
            body = blocks(block.body, section.path, block.body_line)
            yield from _sentences(body, section, inner)
        elif block.kind in ("text", "heading") and not marked:
            done = 0
            for sentence in SENTENCE.split(block.text):
                start = block.text.index(sentence, done)
                done = start + len(sentence)
                line = block.line + block.text.count("\n", 0, start)
                named = [
                    each for each in frameworks if each in FRAMEWORKS
                    and FRAMEWORKS[each].title in sentence
                ]  # fmt: skip
                yield line, sentence, named or frameworks
        marked = False


def _blank(match: re.Match) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _value(text: str) -> float:
    return float(text.replace(",", "").replace("_", ""))


def _formulas(text: str) -> Iterator[float]:
    for match in FORMULA.finditer(text):
        yield from (_value(number) for number in NUMBER.findall(match[0]))


def _numbers(notebook: NotebookNode) -> Iterator[float]:
    """The numbers in the code of a notebook, and in the texts that it puts out."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        texts = [cell.source]
        for output in cell.outputs:
            texts.append(output.get("text", ""))
            texts.append(output.get("data", {}).get("text/plain", ""))
        for text in texts:
            yield from (_value(number) for number in NUMBER.findall(text))


def _rounds(match: re.Match, numbers: list[float]) -> bool:
    """Whether a figure is one of the numbers, rounded."""
    text = match[0].rstrip("% \n")
    half = 0.5 * 10.0 ** -len(text.partition(".")[2]) * (1 + 1e-6)
    value = _value(text)
    if match["percent"] and any(abs(value - 100 * each) <= half for each in numbers):
        return True
    return any(abs(value - each) <= half for each in numbers)
