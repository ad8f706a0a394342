"""Reads the pages of the book, their order, and what each label refers to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from booktools import SourceError
from booktools.source.citations import Bibliography
from booktools.source.files import read_file, read_yaml
from booktools.source.interactive import read_figures
from booktools.source.markdown import Block, blocks, walk
from booktools.source.sections import Section, body, is_section, read_section


@dataclass(frozen=True)
class Page:
    """A page of the book; ``path`` is relative to the book's folder."""

    path: Path
    text: str = field(repr=False)
    section: Section | None = None

    @property
    def docname(self) -> str:
        """The name that Sphinx gives the page."""
        return self.path.with_suffix("").as_posix()

    @cached_property
    def outline(self) -> list[Block]:
        """The page's blocks, with each directive as a single block."""
        if self.section:
            return [block for cell in self.section.cells for block in cell.blocks]
        return blocks(*body(self.text, self.path))

    @cached_property
    def blocks(self) -> list[Block]:
        """All blocks of the page, including blocks inside directives."""
        return list(walk(self.outline))

    @cached_property
    def title(self) -> str:
        """The page's first heading."""
        for block in self.blocks:
            if block.kind == "heading":
                return block.name
        raise SourceError(self.path, 1, "the page has no title; begin it with '# ...'")


@dataclass(frozen=True)
class Target:
    """Something that a label refers to.

    ``kind`` is ``section``, ``equation``, ``figure``, ``table``, ``code``,
    ``exercise``, ``solution`` or ``place``. ``title`` is the text of a heading, or the
    label of a solution's exercise. ``number`` counts targets of a kind in the page.
    """

    page: Page
    kind: str
    line: int
    title: str = ""
    number: int = 0


class Book:
    """The pages of a book in the order of its table of contents.

    Args:
        root: the folder that holds ``_toc.yml``.

    Attributes:
        repository: owner/name and branch of the repository on GitHub, if known.
        figures: the interactive figures by name.

    Raises:
        SourceError: a page is missing or can't be read, or a label is used twice.
    """

    def __init__(self, root: Path):
        self.root = root
        self.pages = [_read_page(root, path) for path in _contents(root)]
        self.labels = _labels(self.pages)
        self.bibliography = Bibliography(root / "references.bib")
        self.repository = _repository(root / "_config.yml")
        self.figures = read_figures(root)
        names = Counter(page.section.name for page in self.sections)
        for page in self.sections:
            _check_code(page.section)
            if names[page.section.name] > 1:
                message = f"there is another section called {page.section.name!r}; "
                message += "their notebooks would overwrite each other: rename one"
                raise SourceError(page.path, 1, message)

    @property
    def sections(self) -> list[Page]:
        """The pages that are sections."""
        return [page for page in self.pages if page.section]

    def neighbors(self, page: Page) -> tuple[Page | None, Page | None]:
        """Return the pages before and after a page."""
        i = self.pages.index(page)
        before = self.pages[i - 1] if i else None
        return before, self.pages[i + 1] if i + 1 < len(self.pages) else None

    def find(self, docname: str) -> Page | None:
        """Return the page with this Sphinx name, if there is one."""
        return next((page for page in self.pages if page.docname == docname), None)


def _read_page(root: Path, path: Path) -> Page:
    text = read_file(root / path, path)
    section = read_section(text, path) if is_section(text, path) else None
    page = Page(path, text, section)
    cells = [] if section else [b for b in page.blocks if b.name == "code-cell"]
    if cells:
        message = "only sections have code cells; their header says format_name: myst"
        raise SourceError(path, cells[0].line, message)
    return page


def _check_code(section: Section) -> None:
    """Refuse a section that would make a notebook without code."""
    having = [name for name in section.frameworks if section.code_cells(name)]
    if without := [name for name in section.frameworks if name not in having]:
        remedy = "add one, or make a plain page of it by deleting its header"
        if named := ", ".join(having):
            remedy = f"say so in the header: booktools: {{frameworks: [{named}]}}"
        message = f"there is no code cell for {', '.join(without)}; {remedy}"
        raise SourceError(section.path, 1, message)


def _repository(config: Path) -> tuple[str, str] | None:
    """Return owner/name and branch of the repository, if it is known and on GitHub."""
    if not config.is_file():
        return None
    shown = Path(config.name)
    settings = read_yaml(read_file(config, shown), shown, 1, "the settings")
    options = settings.get("repository") or {}
    if not isinstance(options, dict):
        raise SourceError(shown, 1, "repository must hold url: and branch:")
    url = urlsplit(str(options.get("url") or ""))
    if url.hostname != "github.com":
        return None
    return url.path.strip("/").removesuffix(".git"), options.get("branch") or "main"


def _contents(root: Path) -> list[Path]:
    """List the pages in ``_toc.yml``; raise SourceError if one doesn't exist."""
    shown = Path("_toc.yml")
    text = read_file(root / shown, shown)
    read = read_yaml(text, shown, 1, "the table of contents")

    def line_of(name: str) -> int:
        return text.count("\n", 0, max(text.find(name), 0)) + 1

    def entries(node: Any, within: str) -> Iterator[str]:
        if not isinstance(node, dict):
            message = f"{node!r} below {within} is not an entry; write '- file: NAME'"
            raise SourceError(shown, line_of(f"- {node}"), message)
        for key in ("root", "file"):
            if key in node:
                yield str(node[key])
        for key in ("parts", "chapters", "sections"):
            if not isinstance(children := node.get(key) or [], list):
                message = f"{key} must be a list of lines that begin with '- file:'"
                raise SourceError(shown, line_of(f"{key}:"), message)
            for child in children:
                yield from entries(child, f"{key}:")

    if "root" not in read:
        message = "names no first page; add 'root: NAME' at the top"
        raise SourceError(shown, 1, message)
    paths = [Path(f"{name.removesuffix('.md')}.md") for name in entries(read, "")]
    for path in paths:
        line = line_of(path.with_suffix("").as_posix())
        if not (root / path).is_file():
            message = f"there is no file {path.as_posix()}; correct or remove the line"
            raise SourceError(shown, line, message)
        if paths.count(path) > 1:
            message = f"lists {path.as_posix()} more than once; remove the other lines"
            raise SourceError(shown, line, message)
    return paths


NUMBERED = {
    "figure": "figure", "output-figure": "figure", "exercise": "exercise",
    "solution": "solution", "table": "table", "list-table": "table",
    "csv-table": "table", "code-block": "code", "math": "equation",
}  # fmt: skip
"""The kind of target that the label of a directive refers to."""


def _labels(pages: list[Page]) -> dict[str, Target]:
    labels: dict[str, Target] = {}
    for page in pages:
        for label, target in _page_labels(page):
            if other := labels.get(label):
                place = f"{other.page.path.as_posix()}:{other.line}"
                message = (
                    f"the label {label!r} is taken: {place} has it; choose another"
                )
                raise SourceError(page.path, target.line, message)
            labels[label] = target
        _check_frameworks(page, page.outline)
    return labels


def _check_frameworks(
    page: Page, found: Iterable[Block], within: Block | None = None
) -> None:
    """Refuse what the tabs of a framework directive couldn't show properly."""
    for block in found:
        if within and (why := _misplaced(page, block, within)):
            raise SourceError(page.path, block.line, why)
        around = block if block.is_directive("framework") else within
        _check_frameworks(page, block.inside, around)


def _misplaced(page: Page, block: Block, within: Block) -> str:
    """Say why a block may not be inside a framework directive, if it may not."""
    place = f"the framework directive of line {within.line}"
    if block.is_directive("framework"):
        return f"is inside {place}; close that one first"
    if block.kind == "heading":
        return (
            f"the heading is inside {place}, but headings are for all; close it first"
        )
    label, target = _target(page, block, Counter())
    label = block.name if block.kind == "target" else label
    if len(within.argument.split()) == 1 or not (label or target.kind != "place"):
        return ""
    what = f"the label {label!r}" if label else f"a numbered {target.kind}"
    return (
        f"{what} would appear in several tabs of {place}, which names "
        f"{within.argument}; write it outside, or for one framework only"
    )


def _page_labels(page: Page) -> Iterator[tuple[str, Target]]:
    counts: Counter[str] = Counter()
    waiting: list[Block] = []
    for block in page.blocks:
        if block.kind == "target":
            waiting.append(block)
            continue
        label, target = _target(page, block, counts)
        if label:
            yield label, target
        yield from ((before.name, target) for before in waiting)
        waiting = []


def _target(page: Page, block: Block, counts: Counter[str]) -> tuple[str, Target]:
    options, kind, title = block.options, "place", ""
    label = options.get("label") or options.get("name") or ""
    if block.kind == "heading":
        kind, title = "section", block.name
    elif block.kind == "math" and block.name:
        kind, label = "equation", block.name
    elif block.kind == "directive":
        kind = NUMBERED.get(block.name, "place")
        caption = options.get("caption") if kind == "code" else block.argument
        if block.name == "output-figure":
            label = block.argument
        elif block.name == "solution":
            title = block.argument
        needed = {"table": caption, "code": caption, "equation": label}
        if not needed.get(kind, kind):  # then it has no number
            kind = "place"
    counts[kind] += 1
    return label, Target(page, kind, block.line, title, counts[kind])
