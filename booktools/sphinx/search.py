"""Tells the search which words appear only in the tabs of some frameworks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

from booktools import FRAMEWORKS, SourceError
from booktools.source.book import Book, Page
from booktools.source.markdown import Block
from booktools.source.sections import named_frameworks
from booktools.sphinx.sources import Sources

WORDS = "framework-words.js"


def _write_words(app: Sphinx, book: Book) -> None:
    """Write the words of all pages into a script for the search page."""
    if app.builder.name != "html":
        return
    words = {page.docname: framework_words(page) for page in book.pages}
    path = Path(app.outdir, "_static", WORDS)
    path.parent.mkdir(parents=True, exist_ok=True)
    found = json.dumps({name: each for name, each in words.items() if each})
    path.write_text(f"window.frameworkWords = {found};\n", encoding="utf-8")


def framework_words(page: Page) -> dict[str, str]:
    """Return, by framework, the sorted stems of words that appear only in tabs.

    A word doesn't count if it is outside the tabs or in the tabs of every framework.
    """
    stem = SearchEnglish({}).stem
    everyone = page.section.frameworks if page.section else tuple(FRAMEWORKS)
    parts = _parts(page.outline, page, everyone)
    if page.section:
        parts += [
            (cell.frameworks, cell.source)
            for cell in page.section.cells
            if cell.kind == "code"
        ]
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
) -> list[tuple[tuple[str, ...], str]]:
    """Return the texts of blocks, each with the frameworks it is for."""
    parts = []
    for block in found:
        if block.kind != "directive":
            parts.append((frameworks, block.text))
            continue
        whose = frameworks
        if block.name == "framework":
            # An unknown one is reported when its page is made.
            with suppress(SourceError):
                whose = named_frameworks(
                    block.argument.split(), frameworks, page.path, block.line, ""
                )
        else:
            parts.append((whose, " ".join([block.argument, *block.options.values()])))
        parts += _parts(block.inside, page, whose) or [(whose, block.body)]
    return parts


def _add_scripts(app: Sphinx, pagename: str, template: str, context, doctree) -> None:
    if pagename == "search" and app.builder.name != "epub":
        app.add_js_file(WORDS, loading_method="defer")
        app.add_js_file("booktools-search.js", loading_method="defer")


def setup_search(app: Sphinx, sources: Sources) -> None:
    """Add the scripts of the search page."""
    app.connect("builder-inited", lambda app: _write_words(app, sources.book))
    app.connect("html-page-context", _add_scripts, priority=520)
