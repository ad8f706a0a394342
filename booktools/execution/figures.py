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
from dataclasses import dataclass
from itertools import permutations

from booktools import FRAMEWORKS
from booktools.execution.stored import code_cells, read_notebook
from booktools.source.book import Book, Page
from booktools.source.markdown import EXPLICIT, Block, blanked, paragraphs, scan

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


class _Basis:
    """The numbers in a section that can back up figures, for one framework.

    ``parts`` holds them by part, ``whole`` together, and ``code`` only those in code.
    """

    def __init__(self, book: Book, page: Page, framework: str):
        outline = page.outline
        headings = [each for each in outline if each.text.startswith("## ")]
        self.starts = [each.line for each in headings if each.kind == "heading"]
        self.parts: list[list[Number]] = [[] for _ in range(len(self.starts) + 1)]
        self.code: list[Number] = []
        offered = page.section.frameworks
        name = framework if framework in offered else offered[0]
        notebook = read_notebook(book.root / page.section.notebook_path(name))
        stored = code_cells(notebook) if notebook else []
        with_code: set[int] = set()
        # Pair from the end, because the first cell may be an extra one that installs.
        pairs = zip(page.section.code_cells(name)[::-1], stored[::-1], strict=False)
        for cell, run in pairs:
            shown = [output.get("data", {}).get("text/plain") for output in run.outputs]
            shown += [output.get("text") for output in run.outputs]
            with_code.add(self.part(cell.line))
            self.code += _numbers(cell.source)
            for text in (cell.source, *filter(None, shown)):
                self.parts[self.part(cell.line)] += _numbers(text)
        for block in page.blocks:
            if "math" in (block.kind, block.name):
                self.parts[self.part(block.line)] += _numbers(block.body)
        self.whole = [number for part in self.parts for number in part]
        said = [
            number
            for line, text, *_ in paragraphs(outline, MARK)
            if self.part(line) in with_code
            for number in _numbers(_without_code(text))
        ]
        for part in set(range(len(self.parts))) - with_code:
            self.parts[part] += said

    def part(self, line: int) -> int:
        """Return the number of the part that holds a line of the section."""
        return sum(start <= line for start in self.starts)


def unfounded(
    book: Book, pages: Iterable[Page]
) -> Iterator[tuple[Page, int, str, list[str]]]:
    """Find the figures in the prose of sections that nothing backs up.

    Yields:
        The section's page, the line, the figure, and the frameworks that lack it.
    """
    known: dict[tuple[str, str], _Basis] = {}

    def basis(page: Page, framework: str) -> _Basis:
        key = page.docname, framework
        if key not in known:
            known[key] = _Basis(book, page, framework)
        return known[key]

    def numbers(
        page: Page, places: list[tuple[Page, int]], framework: str, whole: bool
    ) -> Iterator[Number]:
        own = basis(page, framework)
        if whole:
            yield from own.code
        for other, line in places:
            there = basis(other, framework)
            part = there.part(line)
            yield from there.parts[part] if part or there is own else there.whole

    for page in pages:
        anywhere = dict.fromkeys(
            other
            for block in page.blocks
            if block.kind in ("text", "heading")
            for other, _ in _referred(book, block.text)
        )
        # Line 0 refers to the whole page.
        sections = [(other, 0) for other in anywhere if other.docname != page.docname]
        for line, paragraph, kind, within in paragraphs(page.outline, MARK):
            places = [(page, line), *_referred(book, paragraph, within)]
            for start, sentence in _sentences(paragraph, kind):
                words = _without_code(sentence)
                shown = NAMED.sub(lambda name: re.sub(".", " ", name[0]), words)
                others = _numbers(_without_code(sentence, formulas=True))
                for match in NUMBER.finditer(shown):
                    figure = _number(match)
                    whole = not figure.decimals and not figure.percent
                    if whole and not match["times"] and abs(figure.value) < 10:
                        continue
                    unit = _unit(shown, match) if whole else 1
                    if _follows(figure, others, unit):
                        continue
                    large = whole and abs(figure.value) >= LARGE
                    allowed = places + sections if large else places
                    lacking = [
                        framework
                        for framework in _spoken(page, sentence, within)
                        if not any(
                            figure.rounds(number, unit)
                            for number in numbers(page, allowed, framework, whole)
                        )
                    ]
                    if lacking:
                        before = paragraph[:start] + shown[: match.start()]
                        at = line + before.count("\n")
                        yield page, at, match[0].strip(), lacking


def _referred(
    book: Book, text: str, within: Iterable[Block] = ()
) -> list[tuple[Page, int]]:
    """List the places in sections that a text refers to, or that its answer sums up."""
    roles = [each.text for each in scan(text)[0] if each.kind == "role"]
    labels = [EXPLICIT.sub(r"\g<target>", role) for role in roles]
    answered = [block.argument for block in within if block.name == "solution"]
    labels += [re.sub("^ex_", WORKED, label) for label in answered]
    targets = [book.labels[each] for each in labels if each in book.labels]
    return [(each.page, each.line) for each in targets if each.page.section]


def _spoken(page: Page, sentence: str, within: Iterable[Block]) -> list[str]:
    """List the frameworks that a sentence speaks for."""
    spoken = list(page.section.frameworks)
    for block in within:
        if block.name == "framework":
            spoken = [tag for tag in spoken if tag in block.argument.split()]
    titles = {tag: each.title for tag, each in FRAMEWORKS.items() if tag in spoken}
    return [tag for tag, title in titles.items() if title in sentence] or spoken


def _sentences(paragraph: str, kind: str) -> Iterator[tuple[int, str]]:
    """Split a paragraph into sentences with their positions; keep a title whole."""
    start = 0
    for sentence in [paragraph] if kind == "directive" else SENTENCE.split(paragraph):
        start = paragraph.index(sentence, start)
        yield start, sentence
        start += len(sentence)


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


def _numbers(text: str) -> list[Number]:
    return [_number(match) for match in NUMBER.finditer(text)]
