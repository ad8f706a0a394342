"""Tells the search which words appear only in the tabs of some frameworks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

from booktools import FRAMEWORKS, SourceError
from booktools.source.book import Book, Page
from booktools.source.markdown import Block
from booktools.source.sections import named_frameworks

WORDS = "framework-words.js"


def framework_words(page: Page) -> dict[str, str]:
    """Return, by framework, the sorted stems of words that appear only in tabs.

    A word doesn't count if it is outside the tabs or in the tabs of every framework.
    """
    stem = SearchEnglish({}).stem
    everyone = page.section.frameworks if page.section else tuple(FRAMEWORKS)
    parts = [*_parts(page.outline, page, everyone)]
    cells = page.section.cells if page.section else ()
    parts += [(cell.frameworks, cell.source) for cell in cells if cell.kind == "code"]
    words: dict[str, set[str]] = {framework: set() for framework in everyone}
    common: set[str] = set()
    for frameworks, text in parts:
        found = {stem(word) for word in re.findall(r"\w+", text.lower())}
        if frameworks == everyone:
            common |= found
        else:
            for framework in frameworks:
                words[framework] |= found
    common |= set.intersection(*words.values())
    alone = {name: " ".join(sorted(each - common)) for name, each in words.items()}
    return alone if any(alone.values()) else {}


def _parts(
    found: Iterable[Block], page: Page, frameworks: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the texts of blocks, each with the frameworks it is for."""
    for block in found:
        whose = frameworks
        if block.is_directive("framework"):
            # An unknown one is reported when its page is made.
            with suppress(SourceError):
                whose = named_frameworks(
                    block.argument.split(), frameworks, page.path, block.line, ""
                )
        elif block.kind == "directive":
            yield whose, " ".join([block.argument, *block.options.values()])
        else:
            yield whose, block.text
        yield from _parts(block.inside, page, whose)
        if not block.inside:
            yield whose, block.body


def setup_search(app: Sphinx, book: Book) -> None:
    """Write the words of all pages into a script, and load it on the search page."""
    words = {page.docname: framework_words(page) for page in book.pages}
    found = json.dumps({name: each for name, each in words.items() if each})
    path = Path(app.outdir, "_static", WORDS)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"window.frameworkWords = {found};\n", encoding="utf-8")

    def add_scripts(app: Sphinx, pagename: str, *rest: object) -> None:
        if pagename == "search":
            app.add_js_file(WORDS, loading_method="defer")
            app.add_js_file("booktools-search.js", loading_method="defer")

    app.connect("html-page-context", add_scripts)
