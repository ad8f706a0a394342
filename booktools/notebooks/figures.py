"""Finds figures in the prose of a section behind which nothing stands.

What counts as measured is a number with decimals, or a percentage. It has to round a
number in the outputs, the code or the formulas of the section, of one that the sentence
refers to, or of the worked solution that it sums up, in every framework that the
sentence speaks for. What an exercise gives is given. Figures from elsewhere are marked,
in the line before the paragraph, the list, the table or the directive that holds them,
or first in the directive::

    % figures: Srivastava et al. (2014), table 2
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbformat import NotebookNode

from booktools import ALL, FRAMEWORKS
from booktools.notebooks.stored import read_notebook
from booktools.source.book import Book, Page
from booktools.source.markdown import EXPLICIT, INLINE, VERBATIM, Block, blocks, walk

MARK = "% figures:"
WORKED = "sol_"  # instead of ex_, the label of an exercise that is worked out
FIGURE = re.compile(
    r"(?<![\w.,])(?:\d[\d,]*\.\d+|\d+(?=\s?%))(?!\d|\.\d)(?P<percent>\s?%)?"
)
NUMBER = re.compile(r"(?<![\w.])\d[\d,_]*(?:\.\d+)?(?:e[-+]?\d+)?", re.I)
RELEASE = re.compile(r"(?:release|Python|version)\s[\d.]+|https?:\S+")
PARAGRAPH = re.compile(r"\n\s*\n")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")


def unfounded(book: Book, page: Page) -> Iterator[tuple[int, str, list[str]]]:
    """Find the figures of a section that stand in no notebook that they should.

    Args:
        book: The book.
        page: The page that is the section.

    Yields:
        The line of the section, the figure, and the frameworks that lack it.
    """
    known: dict[tuple[Page, str], list[float]] = {}

    def numbers(source: Page, framework: str) -> list[float]:
        if source.section and (source, framework) not in known:
            found = known[source, framework] = [*_formulas(source)]
            name = framework if framework in source.section.frameworks else ALL
            path = book.root / source.section.notebook_path(name)
            notebook = read_notebook(path)
            found.extend(_numbers(notebook) if notebook else [])
        return known.get((source, framework), [])

    prose = [cell for cell in page.section.cells if cell.kind == "markdown"]
    for cell in prose:
        parsed = blocks(cell.source, page.path, cell.line)
        for line, sentence, frameworks, worked in _sentences(parsed, page):
            roles = [match["text"] or "" for match in INLINE.finditer(sentence)]
            labels = [EXPLICIT.sub(r"\g<target>", role) for role in roles]
            labels.append(worked)
            pages = [book.labels[each].page for each in labels if each in book.labels]
            shown = RELEASE.sub(_blank, INLINE.sub(_blank, sentence))
            for match in FIGURE.finditer(shown):
                lacking = [
                    framework
                    for framework in frameworks
                    if not any(
                        _rounds(match, numbers(source, framework))
                        for source in (page, *pages)
                    )
                ]
                if lacking:
                    yield line + shown.count("\n", 0, match.start()), match[0], lacking


def _sentences(
    parsed: list[Block], page: Page, spoken: tuple[str, ...] = (), worked: str = ""
) -> Iterator[tuple[int, str, tuple[str, ...], str]]:
    """Take blocks apart; say of each sentence for which frameworks it speaks.

    And, within the short answer to an exercise, which label the worked solution has.
    """
    spoken = spoken or page.section.frameworks
    marked = False
    for block in parsed:
        if block.kind == "comment":
            marked = block.text.startswith(MARK)
            continue
        marked = marked or block.body.startswith(MARK)
        given = block.name in VERBATIM or block.name == "exercise"
        if block.kind == "directive" and not given and not marked:
            inner = spoken
            if block.name == "framework":
                inner = tuple(tag for tag in spoken if tag in block.argument.split())
            for text in (block.argument, block.options.get("alt", "")):
                yield block.line, text, inner, worked
            body = blocks(block.body, page.path, block.body_line)
            answered = worked
            if block.name == "solution":
                answered = re.sub("^ex_", WORKED, block.argument)
            yield from _sentences(body, page, inner, answered)
        elif block.kind in ("text", "heading"):
            # A mark holds for one paragraph; a text goes on until something else comes.
            done = len(PARAGRAPH.split(block.text)[0]) if marked else 0
            for sentence in SENTENCE.split(block.text[done:]):
                start = block.text.index(sentence, done)
                done = start + len(sentence)
                named = tuple(
                    tag
                    for tag, framework in FRAMEWORKS.items()
                    if framework.title in sentence and tag in spoken
                )
                line = block.line + block.text.count("\n", 0, start)
                yield line, sentence, named or spoken, worked
        marked = False


def _blank(match: re.Match) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _value(text: str) -> float:
    return float(text.replace(",", "").replace("_", ""))


def _formulas(page: Page) -> Iterator[float]:
    """The numbers in the formulas of a section, and in the code within its prose."""
    for cell in page.section.cells:
        found = []
        if cell.kind == "markdown":
            found = blocks(cell.source, page.path, cell.line)
        for block in walk(found, page.path):
            if "math" in (block.kind, block.name):
                texts = [block.body]
            else:
                shown = {"directive": block.argument, "code": ""}
                inline = INLINE.finditer(shown.get(block.kind, block.text))
                texts = [each[0] for each in inline if not each["role"]]
            for text in texts:
                yield from (_value(number) for number in NUMBER.findall(text))


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
