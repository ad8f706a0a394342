"""Takes a section apart into cells.

A section is a MyST Markdown notebook that holds the cells of every framework.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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
"""Tags a cell may have besides those of the frameworks.

All are Jupyter Book's but ``claim`` and ``same-code``, which says that the function
in the cell is one that ``d2lutils`` holds too.
"""

IGNORED = {
    "ExecuteTime", "autoscroll", "collapsed", "deletable", "editable", "execution",
    "id", "jupyter", "name", "scrolled", "slideshow", "trusted", "vscode",
}  # fmt: skip
"""Options of a cell that editors write, for themselves."""

UNSEEN = ("comment", "target")  # blocks that show nothing
HEADER = re.compile(r"---\n(.*?)\n(?:---|\.\.\.)\n", re.S)


@dataclass(frozen=True)
class Cell:
    """A cell of a section.

    ``kind`` is ``code`` or ``markdown``; ``line`` the first line of its source in
    the section, counted from 1; ``frameworks`` whose it is; ``shared`` whether it
    is untagged, and so everyone's; ``tags`` the other tags; ``blocks`` its Markdown;
    ``claims`` what it asserts if it is a claim, in words and as code.
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
    """A section, taken apart: ``path`` relative to the book's folder."""

    path: Path
    frameworks: tuple[str, ...]
    cells: tuple[Cell, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """What the section's notebooks are called."""
        return self.path.stem

    @property
    def chosen(self) -> list[str]:
        """Those of its frameworks that the reader works with; ALL is for everybody."""
        return [each for each in self.frameworks if each in (ALL, *chosen_frameworks())]

    def code_cells(self, framework: str) -> list[Cell]:
        """Return the code cells that are in the notebook of a framework."""
        return [
            cell
            for cell in self.cells
            if cell.kind == "code" and framework in cell.frameworks
        ]

    def text_alternatives(self, framework: str) -> list[str]:
        """Return what each code cell's pictures show, from the figures right below.

        Such a figure holds the cell before it, or the cells of a framework's tab.
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
        """Return where a framework's notebook lies, relative to the book's folder."""
        return Path("notebooks", framework, f"{self.name}.ipynb")


def header(text: str, path: Path) -> dict[str, Any]:
    """Return the header of a page, empty where it has none."""
    match = HEADER.match(text)
    return read_yaml(match[1], path, 2, "the header") if match else {}


def body(text: str, path: Path) -> tuple[str, Path, int]:
    """Return a page without its header, its path, and the line on which that begins."""
    match = HEADER.match(text)
    start = match.end() if match else 0
    return text[start:], path, text.count("\n", 0, start) + 1


def is_section(text: str, path: Path) -> bool:
    """Return whether a page is a section: whether its header is jupytext's for MyST."""
    found: Any = header(text, path)
    for key in ("jupytext", "text_representation", "format_name"):
        found = found.get(key) if isinstance(found, dict) else None
    return found == "myst"


def named_frameworks(
    names: Any, offered: Iterable[str], path: Path, line: int, what: str
) -> tuple[str, ...]:
    """Interpret ``names``, an argument of ``what``; return tags in the book's order.

    Raises:
        SourceError: It is no list, names nothing, or names something that is not
            among the tags ``offered``.
    """
    known = [name for name in (*FRAMEWORKS, ALL) if name in offered]
    if not isinstance(names, list) or not names or any(n not in known for n in names):
        shown = " ".join(map(str, names)) if isinstance(names, list) else repr(names)
        raise SourceError(
            path,
            line,
            f"{what} names {shown or 'none'}; expected one or more of "
            f"{', '.join(known)}",
        )
    return tuple(name for name in known if name in names)


def read_section(text: str, path: Path) -> Section:
    """Take a section apart, or raise SourceError where a tag or an option is wrong."""
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
    """Return the line of a key in a header."""
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
    def error(message: str) -> SourceError:
        return SourceError(path, block.line, message)

    if unknown := set(block.options) - {"tags"} - IGNORED:
        raise error(
            f"unknown option {', '.join(map(repr, sorted(unknown)))} of a code cell; "
            "expected tags"
        )
    tags = _tags(block.options, error)
    own = [tag for tag in tags if tag in FRAMEWORKS]
    if own:
        own = named_frameworks(
            own, frameworks, path, block.line, "the tags of the cell"
        )
    if not block.body.strip():
        raise error("the code cell is empty; fill or delete it")
    if block.body.endswith(";"):
        raise error(
            "the code cell ends with a semicolon, which hides its result in Jupyter, "
            "but not where notebooks are compared; write _ = before the last line"
        )
    others = tuple(tag for tag in tags if tag not in FRAMEWORKS)
    asserted = ()
    if CLAIM in others:
        asserted = assertions(block.body, block.body_line, path)
    return Cell(
        "code",
        block.body,
        block.body_line,
        tuple(own) or frameworks,
        not own,
        others,
        claims=tuple(asserted),
    )


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
