"""Finds figures in the prose of a section that no output or code backs up.

A figure is a number with decimals, a percentage, a number followed by "times", or a
whole number of two or more digits. It is backed up if, in every framework that its
sentence speaks for, it equals a number (rounded) in one of these places:

- the code, outputs and displayed formulas of the same part of the section (from one
  second-level heading to the next), or, if that part has no code because it leads in
  or sums up, the prose of the parts that have code,
- a part, section, figure or exercise that the paragraph refers to,
- the worked solution that it sums up.

A sum, difference, product or quotient of two other numbers in its sentence is fine too.
Whole numbers may come from code anywhere in the section, where sizes are set. If they
have four digits or more, they may come from any section that this one refers to.
Numbers in backticks or inline formulas back up nothing, and exercises may give any
number. If a figure comes from elsewhere, say so on the line before the paragraph, list,
table or directive that holds it, or on the directive's first line::

    % figures: Srivastava et al. (2014), table 2
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations

from nbformat import NotebookNode

from booktools import FRAMEWORKS
from booktools.execution.stored import code_cells, read_notebook
from booktools.source.book import Book, Page
from booktools.source.markdown import (
    EXPLICIT,
    PARAGRAPH,
    VERBATIM,
    Block,
    blanked,
    scan,
)

MARK = "% figures:"
WORKED = "sol_"  # replaces ex_ in the label of a worked solution
LARGE = 1000  # numbers this large don't agree by chance
NUMBER = re.compile(
    r"(?<![\w.])(?P<number>(?:(?<![\d)\]] )(?<![\w)\]])[-−+])?"
    r"(?:\d{1,3}(?:[,_]\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?)"
    r"(?![\d_]|\.\d)(?P<percent>\s?\\?%)?(?P<times>\s(?:times|fold)\b)?"
)
# Numbers that aren't figures: a date, a release, an address, part of a name (ISO-8601,
# Table 3, 95th).
NAMED = re.compile(
    r"(?:release|Python|version|page|pages|Table|Figure|Chapter|Section)\s[\d.–-]+"
    r"|https?:\S+|\b[\w.]+\.\w+/\S*|\b(?:1[89]|20)\d\d\b(?!,\d|\.\d|\s?%)"
    r"|\b\d+(?:st|nd|rd|th)\b|\b\d+[-\s]bits?\b"
)
ROUGHLY = re.compile(
    r"\b(?:about|almost|nearly|around|roughly|some|over|under|(?:more|less) than)\s$"
)
PURE = re.compile(
    r"\$\$?\s*(?:\\approx|<|>|\\[lg]eq?)?\s*([-+]?[\d.,{}]+\s?(?:\\%)?)\s*\$"
)
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")


@dataclass(frozen=True)
class Number:
    """A number as written, with its decimals, which say how exact it is."""

    value: float
    decimals: int
    signed: bool = False
    percent: bool = False

    def rounds(self, other: Number, unit: float = 1) -> bool:
        """Return whether this is ``other``, rounded to our decimals or to a unit."""
        if self.decimals > other.decimals and not self.percent:
            return False
        half = 0.5 * unit * 10.0**-self.decimals * (1 + 1e-6)
        values = [other.value]
        if self.percent and not other.percent:
            # The other may be a share, or come from a column of percentages if it has
            # decimals. A count is never a percentage.
            values = [100 * other.value]
            if other.decimals and self.decimals <= other.decimals:
                values.append(other.value)
        if not self.signed:
            values = [abs(value) for value in values]
        return any(abs(self.value - value) <= half for value in values)


@dataclass
class _Section:
    """The numbers in a section, for one framework.

    ``parts`` holds them by part, from code, outputs and formulas, and ``with_code``
    says which parts have code. ``code`` holds the numbers in all code, and ``said``
    those in the prose of parts with code.
    """

    parts: list[list[Number]]
    with_code: set[int] = field(default_factory=set)
    code: list[Number] = field(default_factory=list)
    said: list[Number] = field(default_factory=list)


def unfounded(book: Book, page: Page) -> Iterator[tuple[int, str, list[str]]]:
    """Find the figures in a section's prose that nothing backs up.

    Yields:
        The line of the section, the figure, and the frameworks that lack it.
    """
    known: dict[tuple[str, str], _Section] = {}

    def numbers(source: Page, line: int, framework: str, whole: bool) -> list[Number]:
        if not source.section:
            return []
        key = source.docname, framework
        if key not in known:
            known[key] = _read(book, source, framework)
        section = known[key]
        part, own = _part(source, line), source.docname == page.docname
        found = section.parts[part]
        if not (part or own):
            found = [number for each in section.parts for number in each]
        elif part not in section.with_code:
            found = found + section.said
        return found + section.code if whole and own else found

    def referred(text: str) -> list[tuple[Page, int]]:
        roles = [each.text for each in scan(text)[0] if each.kind == "role"]
        labels = [EXPLICIT.sub(r"\g<target>", role) for role in roles]
        targets = [book.labels[each] for each in labels if each in book.labels]
        return [(each.page, each.line) for each in targets]

    # Line 0 refers to the whole page.
    texts = [block.text for block in page.blocks if block.kind in ("text", "heading")]
    found = {each.docname: each for text in texts for each, _ in referred(text)}
    sections = [(each, 0) for name, each in found.items() if name != page.docname]
    everyone = page.section.frameworks
    for line, sentence, paragraph, frameworks, worked in _sentences(
        page.outline, everyone
    ):
        places = [(page, line), *referred(paragraph)]
        if worked in book.labels:
            places.append((book.labels[worked].page, book.labels[worked].line))
        shown = NAMED.sub(_blank, _without_code(sentence))
        others = _numbers(_without_code(sentence, formulas=True))
        for match in NUMBER.finditer(shown):
            figure = _number(match)
            if not _is_figure(match, figure):
                continue
            whole = not figure.decimals and not figure.percent
            large = whole and abs(figure.value) >= LARGE
            unit = _unit(shown, match) if whole else 1
            if _follows(figure, others, unit):
                continue
            lacking = [
                framework
                for framework in frameworks
                if not any(
                    figure.rounds(number, unit)
                    for place in (places + sections if large else places)
                    for number in numbers(*place, framework, whole)
                )
            ]
            if lacking:
                at = line + shown.count("\n", 0, match.start())
                yield at, match[0].strip(), lacking


def _sentences(
    parsed: Iterable[Block], spoken: tuple[str, ...], worked: str = ""
) -> Iterator[tuple[int, str, str, tuple[str, ...], str]]:
    """Split blocks into sentences.

    Yields:
        The line of a sentence, the sentence, its paragraph, the frameworks it speaks
        for, and, in the short answer to an exercise, the worked solution's label.
    """
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
                yield block.line, text, text, inner, worked
            answered = worked
            if block.name == "solution":
                answered = re.sub("^ex_", WORKED, block.argument)
            yield from _sentences(block.inside, inner, answered)
        elif block.kind in ("text", "heading"):
            # A mark covers one paragraph, but a text block can hold several.
            done = len(PARAGRAPH.split(block.text)[0]) if marked else 0
            for paragraph in PARAGRAPH.split(block.text[done:]):
                for sentence in SENTENCE.split(paragraph):
                    start = block.text.index(sentence, done)
                    done = start + len(sentence)
                    named = tuple(
                        tag
                        for tag, framework in FRAMEWORKS.items()
                        if framework.title in sentence and tag in spoken
                    )
                    line = block.line + block.text.count("\n", 0, start)
                    yield line, sentence, paragraph, named or spoken, worked
        marked = False


def _blank(match: re.Match) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _without_code(text: str, formulas: bool = False) -> str:
    """Blank out code and other markup, but keep formulas that are a single number.

    If ``formulas`` is set, keep all formulas.
    """
    words = text
    for each in scan(text)[0]:
        number = PURE.fullmatch(text, each.start, each.end)
        words = blanked(words, each.start, each.end)
        if each.kind == "math" and (formulas or number):
            start, end = number.span(1) if number else (each.start, each.end)
            kept = re.sub(r"[{}$]" if number else r"\$", " ", text[start:end])
            words = words[:start] + kept + words[end:]
    return words


def _number(match: re.Match) -> Number:
    text = re.sub("[,_]", "", match["number"]).replace("−", "-")
    mantissa, _, exponent = text.lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    signed = text.startswith(("-", "+"))
    return Number(float(text), decimals, signed, bool(match["percent"]))


def _is_figure(match: re.Match, figure: Number) -> bool:
    return bool(
        figure.decimals or figure.percent or match["times"] or abs(figure.value) >= 10
    )


def _unit(text: str, match: re.Match) -> int:
    """Return the unit a whole number is rounded to: 10,000 for "about 80,000"."""
    digits = re.sub(r"\D", "", match["number"])
    if not ROUGHLY.search(re.sub(r"\s+", " ", text[: match.start()])[-20:]):
        return 1
    return 10 ** (len(digits) - len(digits.rstrip("0")))


def _follows(figure: Number, numbers: list[Number], unit: int) -> bool:
    """Return whether a figure follows from two other numbers in its sentence."""
    others = [each for each in numbers if abs(each.value) != abs(figure.value)]
    for a, b in permutations(others, 2):
        results = [a.value + b.value, a.value - b.value, a.value * b.value]
        if b.value:
            results.append(a.value / b.value)
        for result in results:
            if figure.rounds(Number(result, 99), unit):
                return True
    return False


def _starts(page: Page) -> list[int]:
    """Return the lines where the parts of a page begin, except for the first part."""
    return [
        block.line
        for block in page.outline
        if block.kind == "heading" and block.text.startswith("## ")
    ]


def _part(page: Page, line: int) -> int:
    return sum(start <= line for start in _starts(page))


def _read(book: Book, page: Page, framework: str) -> _Section:
    """Collect the numbers in a section for a framework."""
    offered = page.section.frameworks
    name = framework if framework in offered else offered[0]
    section = _Section([[] for _ in range(len(_starts(page)) + 1)])
    notebook = read_notebook(book.root / page.section.notebook_path(name))
    stored = code_cells(notebook) if notebook else []
    # Pair from the end, because the first cell may be an extra one that installs.
    pairs = zip(page.section.code_cells(name)[::-1], stored[::-1], strict=False)
    for cell, run in pairs:
        part = _part(page, cell.line)
        section.with_code.add(part)
        section.parts[part] += _numbers("\n".join([cell.source, *_texts(run)]))
        section.code += _numbers(cell.source)
    for block in page.blocks:
        if "math" in (block.kind, block.name):
            section.parts[_part(page, block.line)] += _numbers(block.body)
    for line, sentence, *_ in _sentences(page.outline, offered):
        if _part(page, line) in section.with_code:
            section.said += _numbers(_without_code(sentence))
    return section


def _numbers(text: str) -> list[Number]:
    return [_number(match) for match in NUMBER.finditer(text)]


def _texts(cell: NotebookNode) -> Iterator[str]:
    for output in cell.outputs:
        yield output.get("text", "")
        yield output.get("data", {}).get("text/plain", "")
