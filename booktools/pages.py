"""What every page holds around its text: its head, its switch, sizes of pictures."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import imagesize
from bs4 import BeautifulSoup, Tag
from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.config import Config

from booktools import FRAMEWORKS
from booktools.book import Book, Page
from booktools.markdown import VERBATIM, Block, blocks

STATIC = Path(__file__).parent / "static"
TEMPLATES = Path(__file__).parent / "templates"

KEY = "sphinx-design-tab-id-framework"
"""Under which browsers keep the choice; that of sphinx-design, which reads it too."""

DROPPED = re.compile(
    # 1.5 MB of icons, of which the pages show a dozen: those are in booktools.css.
    r"<script[^>]*/fontawesome(?:\.js|/)[^>]*></script>"
    r"|<link[^>]*/fontawesome/[^>]*>"
    # Files of which the page will learn soon enough.
    r'|<link[^>]*rel="preload"[^>]*>'
    # Said twice by the theme.
    r'|<meta name="viewport"[^>]*>'
    # For a search service, and for a search while typing, which the book has not.
    r'|<meta name="docsearch[^>]*>'
    r"|<script>DOCUMENTATION_OPTIONS\.[^<]*</script>"
)
SEARCH = re.compile(
    r'<script[^>]*src="[^"]*(?:searchtools|language_data|searchindex)\.js[^>]*></script>'
)
MATH = re.compile(
    r"<script>window\.MathJax =[^<]*</script>|<script[^>]*/mathjax/[^>]*></script>"
)
BLOCKING = re.compile(r"<script(?![^>]*\b(?:defer|async)\b)(?=[^>]*\bsrc=)")
STATED = re.compile(r"width: ([\d.]+)px;")
# A summary, which may hold no paragraphs, needs one of MyST-NB's two: there is no
# style that would hide the other.
SUMMARY = re.compile(
    r'<p class="collapsed admonition-title">([^<]*)</p>\s*'
    r'<p class="expanded admonition-title">[^<]*</p>'
)
WORDS = "framework-words.js"


def write_words(book: Book, folder: Path) -> None:
    """Write for the search which words of a page some of its frameworks alone have."""
    words = {page.docname: framework_words(page) for page in book.pages}
    path = folder / "_static" / WORDS
    path.parent.mkdir(parents=True, exist_ok=True)
    found = json.dumps({name: each for name, each in words.items() if each})
    path.write_text(f"window.frameworkWords = {found};\n", encoding="utf-8")


def framework_words(page: Page) -> dict[str, str]:
    """Return by framework, in order, the words that stand in its tabs alone.

    A word that all frameworks' tabs have, or the text outside of them, is nobody's.
    """
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
        found = set(re.findall(r"\w+", text.lower()))
        if frameworks == everyone:
            common |= found
        else:
            for framework in frameworks:
                words[framework] |= found
    common |= set.intersection(*words.values())
    alone = {name: " ".join(sorted(each - common)) for name, each in words.items()}
    return alone if any(alone.values()) else {}


def _parts(
    found: list[Block], page: Page, frameworks: tuple[str, ...]
) -> list[tuple[tuple[str, ...], str]]:
    """Return the texts of blocks, each with the frameworks that it is for."""
    parts = []
    for block in found:
        if block.kind != "directive":
            parts.append((frameworks, block.text))
            continue
        whose = frameworks
        if block.name == "framework":
            # One that is unknown is reported where the page is made.
            named = block.argument.split()
            whose = tuple(name for name in frameworks if name in named)
        else:
            parts.append((whose, " ".join([block.argument, *block.options.values()])))
        if block.name in VERBATIM:
            parts.append((whose, block.body))
        else:
            inside = blocks(block.body, page.path, block.body_line)
            parts += _parts(inside, page, whose)
    return parts


def lean(markup: str, pagename: str, body: str) -> Markup:
    """Leave out of a page's head what the page does not need, and let none wait."""
    markup = DROPPED.sub("", markup)
    if 'class="math' not in body:
        markup = MATH.sub("", markup)
    if pagename != "search":
        # The page of the search needs them at once, and in the theme's order.
        markup = BLOCKING.sub("<script defer", SEARCH.sub("", markup))
    return Markup(re.sub(r"\n\s*\n+", "\n", markup))


def page_context(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Give the templates what they show, and state the sizes of pictures."""
    if app.builder.name == "epub":
        # Styles that an extension adds after the EPUB is packed.
        there = Path(app.outdir, "_static")
        context["css_files"] = [
            css for css in context["css_files"] if _is_there(css, there)
        ]
        _mend_body(app, context)
        if "body" in context:
            context["body"] = SUMMARY.sub(r"\1", context["body"])
        return
    base = app.config.html_baseurl
    context.update(
        booktools_base=f"{base.rstrip('/')}/" if base else "",
        booktools_description=_description(doctree),
        booktools_framework=app.config.booktools_framework,
        booktools_frameworks=list(FRAMEWORKS.values()),
        booktools_key=KEY,
        booktools_lean=lambda markup: lean(markup, pagename, context.get("body", "")),
        booktools_tags=list(FRAMEWORKS),
        booktools_title=Markup(context.get("title", "")).striptags(),
    )
    _mend_body(app, context)
    if pagename == "search":
        app.add_js_file(WORDS, loading_method="defer")
        app.add_js_file("booktools-search.js", loading_method="defer")


def _mend_body(app: Sphinx, context: dict[str, Any]) -> None:
    if context.get("body"):
        files = {
            name: Path(app.srcdir, path) for path, name in app.builder.images.items()
        }
        context["body"] = mend(context["body"], files)


def mend_search(app: Sphinx, exception: Exception | None) -> None:
    """Let no two fields of the search's page share an id, as with Python 3.10."""
    page = Path(app.outdir, "search.html")
    if exception or app.builder.name != "html" or not page.is_file():
        return
    name = 'id="search-input"'
    before, found, after = page.read_text(encoding="utf-8").partition(name)
    if name in after:
        page.write_text(before + found + after.replace(name, ""), encoding="utf-8")


def _is_there(css: Any, folder: Path) -> bool:
    return (folder / Path(str(css.filename)).name).is_file()


def _description(doctree: nodes.document | None) -> str:
    """Return the beginning of a page's first paragraph, whole words."""
    if doctree is None:
        return ""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if text:
            return text if len(text) <= 200 else f"{text[:197].rsplit(' ', 1)[0]} …"
    return ""


def mend(body: str, files: dict[str, Path]) -> str:
    """Make the libraries' markup valid, and open to all.

    ``files`` are the pictures by the names that the pages know them by.
    """
    soup = BeautifulSoup(body, "html.parser")
    for image in soup("img"):
        _state_size(image, files)
    for box in soup(id=re.compile("^(exercise|solution)-content$")):
        # sphinx-exercise gives all its boxes one id.
        del box["id"]
    for panel in soup.select(".frameworks > .sd-tab-content"):
        # The releases of sphinx-design for Python 3.10 give it none.
        label = panel.find_previous("label")
        panel["id"] = panel.get("id") or f"{label['for']}-content"
    for link in soup.select(".solution > .admonition-title > a"):
        # Its text begins with the space that belongs before it.
        if (text := link.string) and text.startswith(" "):
            link.insert_before(" ")
            text.replace_with(text.lstrip())
    for cell in soup("th"):
        if not cell.get_text(strip=True):
            # The corner of a table is the heading of nothing.
            cell.name = "td"
    for entry in soup.select(".citation, .citation-list"):
        # Roles that are none any more, or that the element may not have.
        del entry["role"]
    for label in soup.select(".citation > .label"):
        # Works are cited by author and year, and nowhere by this.
        label.decompose()
    for lines in soup.select("dt.sig dl"):
        # The parameters of a function are no list of terms.
        lines.name, lines["class"] = "span", "sig-lines"
        for line in lines("dd"):
            line.name = "span"
    return str(soup)


def _state_size(image: Tag, files: dict[str, Path]) -> None:
    """State the size of a picture, so that nothing moves when it arrives."""
    name = image.get("src", "").rpartition("/")[2]
    if name not in files:
        return
    width, height = imagesize.get(files[name])
    if width > 0:
        # Its height follows from the width that is stated for it, if one is.
        stated = STATED.match(image.get("style", ""))
        scale = float(stated[1]) / width if stated else 1
        del image["style"]
        image["width"], image["height"] = round(width * scale), round(height * scale)
    image["loading"], image["decoding"] = "lazy", "async"


def not_found(app: Sphinx) -> list[tuple[str, dict[str, Any], str]]:
    """Make the page that servers show for an address which leads nowhere."""
    if app.builder.name == "epub":
        return []
    home = html.escape(app.builder.get_relative_uri("404", app.config.root_doc))
    body = (
        "<h1>Page not found</h1>"
        "<p>Nothing is at this address. The page may have been renamed: begin at "
        f'<a href="{home}">the first page</a>, or choose one at the left.</p>'
    )
    return [("404", {"title": "Page not found", "body": body}, "page.html")]


def prepare(app: Sphinx, config: Config) -> None:
    """Let the book's templates stand before those of its theme.

    Where the repository is known, pages lead to it: to their text and its issues.
    """
    config.templates_path.append(str(TEMPLATES))
    options = config.html_theme_options
    for button in ("issues", "edit_page", "repository"):
        options[f"use_{button}_button"] = bool(options.get("repository_url"))


def add_assets(app: Sphinx) -> None:
    """Add the style and the script of the pages."""
    app.config.html_static_path.append(str(STATIC))
    app.add_css_file("booktools.css")
    app.add_js_file("booktools.js", loading_method="defer")
