"""Splits a section into cells.

A section is a MyST Markdown notebook that holds the cells of every framework.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from booktools import ALL, FRAMEWORKS, SourceError, chosen_frameworks
from booktools.source.claims import CLAIM, assertions
from booktools.source.files import read_yaml
from booktools.source.markdown import Block, blocks

TAGS = {
    CLAIM, "full-width", "hide-cell", "hide-input", "hide-output", "margin",
    "output_scroll", "raises-exception", "remove-cell", "remove-input", "remove-output",
    "remove-stderr", "remove-stdout", "same-code", "scroll-output",
}  # fmt: skip
"""Tags a cell may have besides the names of frameworks.

All are Jupyter Book's except ``claim`` and ``same-code``. ``same-code`` marks a
function that ``d2lutils`` holds too.
"""

UNSEEN = ("comment", "target")  # blocks that readers don't see
HEADER = re.compile(r"---\n(.*?)\n(?:---|\.\.\.)\n", re.S)


@dataclass(frozen=True)
class Cell:
    """A cell of a section.

    ``kind`` is ``code`` or ``markdown``. ``line`` is where the source begins in the
    section, counted from 1. ``frameworks`` lists who gets the cell; it is ``shared``
    if no tag names a framework, and ``tags`` are the other tags. ``blocks`` is its
    Markdown. ``claims`` pairs the words and the code of each assertion in a claim.
    """

    kind: str
    source: str
    line: int
    frameworks: tuple[str, ...]
    shared: bool = True
    tags: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = field(default=(), repr=False, compare=False)
    claims: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class Section:
    """A section and its cells; ``path`` is relative to the book's folder."""

    path: Path
    frameworks: tuple[str, ...]
    cells: tuple[Cell, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """The name of the section's notebooks."""
        return self.path.stem

    @property
    def chosen(self) -> list[str]:
        """The section's frameworks that the reader works with, and ALL."""
        return [each for each in self.frameworks if each in (ALL, *chosen_frameworks())]

    def code_cells(self, framework: str) -> list[Cell]:
        """Return the code cells in a framework's notebook."""
        code = (cell for cell in self.cells if cell.kind == "code")
        return [cell for cell in code if framework in cell.frameworks]

    def text_alternatives(self, framework: str) -> list[str]:
        """Return a text alternative for each code cell's pictures, or "".

        It comes from the output-figure right below the cell. Such a figure holds one
        shared cell or all the cells in a framework's tab.
        """
        found: list[str] = []
        held = 0  # how many cells a figure would hold here
        for cell in self.cells:
            if cell.kind == "code" and framework in cell.frameworks:
                found.append("")
                held = 1 if cell.shared else held + 1
            elif cell.kind == "markdown":
                shown = (each for each in cell.blocks if each.kind not in UNSEEN)
                first = next(shown, None)
                if held and first and first.is_directive("output-figure"):
                    found[-held:] = [first.options.get("alt", "")] * held
                held = 0
        return found

    def notebook_path(self, framework: str) -> Path:
        """Return the path of a framework's notebook, relative to the book's folder."""
        return Path("notebooks", framework, f"{self.name}.ipynb")


def header(text: str, path: Path) -> dict[str, Any]:
    """Return the header of a page, empty if it has none."""
    match = HEADER.match(text)
    return read_yaml(match[1], path, 2, "the header") if match else {}


def body(text: str, path: Path) -> tuple[str, Path, int]:
    """Return a page's text after the header, its path, and the line it begins on."""
    match = HEADER.match(text)
    start = match.end() if match else 0
    return text[start:], path, text.count("\n", 0, start) + 1


def is_section(text: str, path: Path) -> bool:
    """Return whether a page is a section, which has jupytext's header for MyST."""
    found: Any = header(text, path)
    for key in ("jupytext", "text_representation", "format_name"):
        found = found.get(key) if isinstance(found, dict) else None
    return found == "myst"


def named_frameworks(
    names: Any, offered: Iterable[str], path: Path, line: int, what: str
) -> tuple[str, ...]:
    """Check that ``names`` lists frameworks; return them in the book's order.

    Args:
        names: what the author wrote.
        offered: the tags that may be used there.
        path, line, what: the place, for the error message.

    Raises:
        SourceError: it isn't a list, it is empty, or a name isn't offered.
    """
    known = [name for name in (*FRAMEWORKS, ALL) if name in offered]
    is_list = isinstance(names, list)
    wrong = [name for name in names if name not in known] if is_list else [names]
    if wrong or not names:
        shown = ", ".join(map(repr, wrong)) or "none"
        expected = f"expected one or more of {', '.join(known)}"
        raise SourceError(path, line, f"{what} names {shown}; {expected}")
    return tuple(name for name in known if name in names)


def read_section(text: str, path: Path) -> Section:
    """Split a section into cells; raise SourceError if a tag or option is wrong."""
    options = header(text, path).get("booktools") or {}
    if not isinstance(options, dict) or set(options) - {"frameworks"}:
        raise SourceError(
            path,
            _line_of("booktools", text),
            f"booktools in the header is {options!r}; expected nothing but the "
            "frameworks, such as booktools: {frameworks: [pytorch, jax]}",
        )
    frameworks: tuple[str, ...] = tuple(FRAMEWORKS)
    if "frameworks" in options:
        named = options["frameworks"]
        offered = [ALL] if isinstance(named, list) and ALL in named else FRAMEWORKS
        what = "booktools.frameworks in the header"
        line = _line_of("frameworks", text)
        frameworks = named_frameworks(named, offered, path, line, what)
    return Section(path, frameworks, tuple(_cells(text, path, frameworks)))


def _line_of(key: str, text: str) -> int:
    """Return the line of a key in the header."""
    match = re.compile(rf"\b{key}\s*:").search(text)
    return text.count("\n", 0, match.start()) + 1 if match else 1


def _cells(text: str, path: Path, frameworks: tuple[str, ...]) -> Iterator[Cell]:
    lines = text.split("\n")
    found = blocks(*body(text, path))
    for is_code, run in groupby(found, lambda block: block.is_directive("code-cell")):
        if is_code:
            yield from (_code_cell(block, frameworks, path) for block in run)
            continue
        parts = tuple(run)
        first, last = parts[0].line, parts[-1]
        source = "\n".join(lines[first - 1 : last.line + last.text.count("\n")])
        yield Cell("markdown", source, first, frameworks, blocks=parts)


def _code_cell(block: Block, frameworks: tuple[str, ...], path: Path) -> Cell:
    error = partial(SourceError, path, block.line)
    if unknown := set(block.options) - {"tags"}:
        raise error(
            f"unknown option {', '.join(map(repr, sorted(unknown)))} of a code cell; "
            "expected tags"
        )
    tags = _tags(block.options, error)
    own: Any = [tag for tag in tags if tag in FRAMEWORKS]
    if own:
        what = "the tags of the cell"
        own = named_frameworks(own, frameworks, path, block.line, what)
    if not block.body.strip():
        raise error("the code cell is empty; fill or delete it")
    if block.body.endswith(";"):
        raise error(
            "the code cell ends with a semicolon, which hides its result in Jupyter, "
            "but not where notebooks are compared; write _ = before the last line"
        )
    others = tuple(tag for tag in tags if tag not in FRAMEWORKS)
    source, line = block.body, block.body_line
    claims = tuple(assertions(source, line, path)) if CLAIM in others else ()
    return Cell("code", source, line, own or frameworks, not own, others, claims=claims)


def _tags(options: Mapping[str, str], error: Any) -> list[str]:
    try:
        tags = yaml.safe_load(options.get("tags", "[]"))
    except yaml.YAMLError:
        tags = None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise error(f"tags must be a list in [brackets], not {options['tags']}")
    for tag in tags:
        if tag not in FRAMEWORKS and tag not in TAGS:
            raise error(
                f"unknown tag {tag!r}; expected a framework "
                f"({', '.join(FRAMEWORKS)}) or one of {', '.join(sorted(TAGS))}"
            )
    return tags
