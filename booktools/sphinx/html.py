"""Adds the book's templates, style and script, and corrects the HTML of pages."""

from __future__ import annotations

import html
import re
from functools import partial
from pathlib import Path
from typing import Any

import imagesize
from bs4 import BeautifulSoup, NavigableString, Tag
from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

from booktools import FRAMEWORKS
from booktools.sphinx.exercises import add_controls
from booktools.sphinx.predictions import cover_answers

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
TEMPLATES = Path(__file__).parent / "templates"

KEY = "sphinx-design-tab-id-framework"
"""Browsers store the chosen framework under this key. sphinx-design uses it too."""

DROPPED = {
    # 1.5 MB of icons. The pages use a dozen, which booktools.css contains.
    "the icon scripts": r"<script[^>]*/fontawesome(?:\.js|/)[^>]*></script>",
    # The page requests these files early enough anyway.
    "a preload link": r'<link[^>]*rel="preload"[^>]*>',
    # The theme writes it twice.
    "a second viewport": r'<meta name="viewport"[^>]*>',
    # The book has no search service and doesn't search while you type.
    "the tags for a search service": r'<meta name="docsearch[^>]*>',
    "the search options": r"<script>DOCUMENTATION_OPTIONS\.[^<]*</script>",
    # Only the search page needs them, at once and in the theme's order.
    "the search scripts": r'<script[^>]*src="[^"]*'
    r"(?:searchtools|language_data|searchindex)\.js[^>]*></script>",
}
"""Parts of the theme's head that our pages leave out, as patterns by description."""

MATH = re.compile(
    r"<script>window\.MathJax =[^<]*</script>|<script[^>]*/mathjax/[^>]*></script>"
)
BLOCKING = re.compile(r"<script(?![^>]*\b(?:defer|async)\b)(?=[^>]*\bsrc=)")
NUMBER = re.compile(r"[–−+-]?|[−+-]?\d[\d,.]*( ?%| s)?( \([^)]*\))?")
"""Table cells to align: a number, perhaps with its range, or a dash for none."""
SHORT = 28  # characters of code that stay on one line
MARKS = re.compile(r"[.,;:?!)]+")
HEADINGS = ["h1", "h2", "h3", "h4"]
STATED = re.compile(r"width: ([\d.]+)px;")
# MyST-NB writes two paragraphs into a summary, which may hold none. Keep the text of
# one, because EPUBs have no style that hides the other. E-readers draw the arrow.
SUMMARY = re.compile(
    r'<p class="collapsed admonition-title">([^<]*)</p>\s*'
    r'<p class="expanded admonition-title">[^<]*</p>'
    r'|<span class="sd-summary-state-marker.*?</span>'
)


class Heads:
    """Removes from the heads of pages whatever the pages don't need.

    Attributes:
        unseen: the parts in ``DROPPED`` that no page has had so far. Even in a parallel
            build, the main process writes the first and the last pages itself.
    """

    def __init__(self) -> None:
        self.unseen = set(DROPPED)

    def strip(self, markup: str, pagename: str, body: str) -> Markup:
        """Return part of a head without unneeded tags, and with deferred scripts."""
        for what, pattern in DROPPED.items():
            if "of the search" in what and pagename == "search":
                continue
            markup, count = re.subn(pattern, "", markup)
            if count:
                self.unseen.discard(what)
        if 'class="math' not in body:
            markup = MATH.sub("", markup)
            if "mathjax" in markup.lower():
                _changed("Sphinx", "the MathJax scripts", "MATH")
        if pagename != "search":
            markup = BLOCKING.sub("<script defer", markup)
        return Markup(re.sub(r"\n\s*\n+", "\n", markup))

    def finish(self, app: Sphinx, exception: Exception | None) -> None:
        """Warn if a part in ``DROPPED`` never appeared; the theme may have changed."""
        if exception or app.builder.format != "html" or app.builder.name == "epub":
            return
        for what in sorted(self.unseen):
            logger.warning(
                "no page has %s in its head that matches DROPPED in %s; the theme may "
                "have changed, so correct or delete the entry",
                what,
                __name__,
            )


def _page_context(
    heads: Heads, app: Sphinx, pagename: str, template: str, context, doctree
) -> None:
    """Set the templates' variables, and correct the HTML of the page's body."""
    if app.builder.name == "epub":
        # Drop styles that an extension adds only after the EPUB is packed.
        there = {path.name for path in Path(app.outdir, "_static").iterdir()}
        styles = context["css_files"]
        context["css_files"] = [
            s for s in styles if Path(str(s.filename)).name in there
        ]
        _fix_body(app, context)
        if "body" in context:
            context["body"] = fix_summaries(context["body"])
        return
    base = app.config.html_baseurl
    body = context.get("body", "")
    context.update(
        booktools_base=f"{base.rstrip('/')}/" if base else "",
        booktools_description=_description(doctree),
        booktools_framework=app.config.booktools_framework,
        booktools_frameworks=list(FRAMEWORKS.values()),
        booktools_key=KEY,
        booktools_strip=lambda head: heads.strip(head, pagename, body),
        booktools_tags=list(FRAMEWORKS),
        booktools_titles=", ".join(each.title for each in FRAMEWORKS.values()),
        booktools_title=Markup(context.get("title", "")).striptags(),
    )
    _fix_body(app, context)


def _fix_body(app: Sphinx, context: dict[str, Any]) -> None:
    if context.get("body"):
        pictures = app.builder.images.items()
        files = {name: Path(app.srcdir, path) for path, name in pictures}
        arranged = app.builder.name != "epub"
        context["body"] = fix_html(context["body"], files, arranged)


def _description(doctree: nodes.document | None) -> str:
    """Return the first paragraph of a page, cut after a word if it is long."""
    if doctree is None:
        return ""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if text:
            return text if len(text) <= 200 else f"{text[:197].rsplit(' ', 1)[0]} …"
    return ""


def fix_summaries(body: str) -> str:
    """Remove the paragraphs from summaries, where HTML allows none."""
    body = SUMMARY.sub(r"\1", body)
    if re.search(r"<summary[^>]*>(?:(?!</summary>).)*<p\b", body, re.S):
        _changed("MyST-NB", "summaries", "SUMMARY")
    return body


def _changed(library: str, what: str, where: str) -> None:
    logger.warning(
        "%s changed how it writes %s; adapt %s in %s",
        library,
        what,
        where,
        __name__,
    )


def fix_html(body: str, files: dict[str, Path], arranged: bool = True) -> str:
    """Return the body of a page with valid and accessible markup.

    Args:
        body: the HTML that Sphinx and its extensions wrote.
        files: the paths of pictures by file name.
        arranged: whether to fold and hide parts, as pages in a browser do.
    """
    soup = BeautifulSoup(body, "html.parser")
    for image in soup("img"):
        _state_size(image, files)
    for box in soup(id=re.compile("^(exercise|solution)-content$")):
        # sphinx-exercise gives all its boxes the same id.
        del box["id"]
    ids = [box["id"] for box in soup.select(".exercise [id], .solution [id]")]
    if len(ids) != len(set(ids)):
        _changed("sphinx-exercise", f"the boxes of exercises ({ids[0]})", "fix_html")
    for link in soup.select(".solution > .admonition-title > a"):
        # The text begins with a space that belongs before it, and has straight quotes.
        if (text := link.string) and text.startswith(" "):
            link.insert_before(" ")
            text.replace_with(text.lstrip().replace("'", "\u2019"))
    for cell in soup("th"):
        if not cell.get_text(strip=True):
            # The empty corner of a table is no heading.
            cell.name = "td"
    for entry in soup.select(".citation, .citation-list"):
        # These roles are obsolete, or not allowed on this element.
        del entry["role"]
    for label in soup.select(".citation > .label"):
        # We cite works by author and year, never by this label.
        label.decompose()
    for entry in soup.select(".citation-list > :first-child"):
        if entry.get_text(strip=True).startswith("["):
            _changed("docutils", "labels in the bibliography", "fix_html")
    for tab_set in soup.select(".frameworks"):
        choices = tab_set.select(":scope > input + label[data-sync-id]")
        if len(choices) != len(tab_set.select(":scope > .sd-tab-content")):
            _changed("sphinx-design", "the tabs of frameworks", "booktools/sphinx/tabs")
    for lines in soup.select("dt.sig dl"):
        # The parameters of a function aren't a list of terms.
        lines.name, lines["class"] = "span", "sig-lines"
        for line in lines("dd"):
            line.name = "span"
    if arranged:
        _keep_together(soup)
        _align_figures(soup)
        _draw_bars(soup)
        _show_tabs_once(soup)
        _fold_answers(soup)
        cover_answers(soup)
        add_controls(soup)
    return str(soup)


def _keep_together(soup: BeautifulSoup) -> None:
    """Prevent line breaks in short code, and between a formula and its punctuation.

    A script would do this too late, so lines would move while people read them.
    """
    for code in soup.select(":is(p, li) > code"):
        if len(code.get_text()) < SHORT and not code.find_parent("td"):
            code["class"] = [*code.get("class", []), "together"]
    for formula in soup.select("span.math"):
        after = formula.next_sibling
        if type(after) is NavigableString and (marks := MARKS.match(after)):
            after.replace_with(after[marks.end() :])
            both = soup.new_tag("span", attrs={"class": "together"})
            formula.wrap(both).append(marks[0])


def _align_figures(soup: BeautifulSoup) -> None:
    """Mark table columns that hold only numbers.

    The first column counts only if all the others do, because it names the rows.
    """
    for table in soup.select("article table, table.table"):
        rows = [row.find_all(["td", "th"]) for row in table.select("tbody > tr")]
        columns = list(zip(*rows, strict=False))
        plain = [
            all(NUMBER.fullmatch(cell.get_text(strip=True)) for cell in column)
            for column in columns
        ]
        for at, found in enumerate(plain):
            if found and (at or all(plain)):
                for row in table("tr"):
                    if at < len(cells := row.find_all(["td", "th"])):
                        cells[at]["class"] = [*cells[at].get("class", []), "number"]


def _draw_bars(soup: BeautifulSoup) -> None:
    """Give each number in a table its share of the largest; CSS draws that as a bar.

    We do so in ``:::{container} bars``, except for rows of ratios, named "a / b".
    """
    for table in soup.select(".bars table"):
        rows = [row for row in table.select("tbody > tr") if " / " not in row.td.text]
        cells = [cell for row in rows for cell in row.select(".number")]
        measured = [cell for cell in cells if cell.get_text(strip=True) != "–"]
        figures = [float(cell.get_text().replace(",", "")) for cell in measured]
        for cell, figure in zip(measured, figures, strict=True):
            cell["style"] = f"--share: {figure / max(figures):.3f}"


def _show_tabs_once(soup: BeautifulSoup) -> None:
    """Show tabs only in the first tab set below each heading that has them all."""
    sets = [
        (tab_set.find_previous(HEADINGS), tab_set)
        for tab_set in soup.select(".frameworks")
    ]
    most = max((len(tab_set("label")) for _, tab_set in sets), default=0)
    shown = []
    for heading, tab_set in sets:
        if len(tab_set.select(":scope > label")) == most and heading not in shown:
            shown.append(heading)
            tab_set["class"].append("with-tabs")


def _fold_answers(soup: BeautifulSoup) -> None:
    """Fold with ``details``, which browsers open without scripts and when searching."""
    for box in soup.select("details.sd-dropdown"):
        # It shouldn't look like a card.
        box["class"], box.summary["class"] = ["folded"], []
        if marker := box.summary.select_one(".sd-summary-state-marker"):
            marker.decompose()
    for box in soup.select("div.admonition.dropdown"):
        title = box.select_one(":scope > .admonition-title")
        box.name, title.name = "details", "summary"
        box["class"].remove("dropdown")
        if "solution" in box["class"]:
            # The solution is below its exercise, so only screen readers need the title.
            whose = title.get_text(strip=True).removeprefix("Solution")
            title.string = "Short answer"
            hidden = soup.new_tag("span", attrs={"class": "visually-hidden"})
            hidden.string = re.sub(r" \(.*", "", whose.replace("to", " to ", 1))
            title.append(hidden)


def _state_size(image: Tag, files: dict[str, Path]) -> None:
    """Set a picture's width and height, so nothing moves when it arrives."""
    name = image.get("src", "").rpartition("/")[2]
    if name not in files:
        return
    width, height = imagesize.get(files[name])
    if width > 0:
        # If its style sets a width, scale the height with it.
        stated = STATED.match(image.get("style", ""))
        scale = float(stated[1]) / width if stated else 1
        del image["style"]
        image["width"], image["height"] = round(width * scale), round(height * scale)
    image["loading"], image["decoding"] = "lazy", "async"


def _not_found(app: Sphinx) -> list[tuple[str, dict[str, Any], str]]:
    """Make the page that servers show for an unknown address."""
    if app.builder.name == "epub":
        return []
    home = html.escape(app.builder.get_relative_uri("404", app.config.root_doc))
    body = (
        "<h1>Page not found</h1>"
        "<p>There is nothing at this address. The page may have been renamed. Begin at "
        f'<a href="{home}">the first page</a>, or choose one from the contents.</p>'
    )
    return [("404", {"title": "Page not found", "body": body}, "page.html")]


def _prepare(app: Sphinx, config: Config) -> None:
    """Let the book's templates take precedence over the theme's."""
    config.templates_path.append(str(TEMPLATES))
    # If we know the repository, pages link to their source and to its issues.
    options = config.html_theme_options
    for button in ("issues", "edit_page", "repository"):
        options[f"use_{button}_button"] = bool(options.get("repository_url"))


def _add_assets(app: Sphinx) -> None:
    """Add the style and the script of the pages."""
    app.config.html_static_path.append(str(STATIC))
    app.add_css_file("booktools.css")
    app.add_js_file("booktools.js", loading_method="defer")


def setup_html(app: Sphinx) -> None:
    """Add the templates, the style and the script of the pages."""
    app.connect("config-inited", _prepare)
    app.connect("builder-inited", _add_assets)
    heads = Heads()
    # After the menus are added (510).
    app.connect("html-page-context", partial(_page_context, heads), priority=520)
    app.connect("build-finished", heads.finish)
    app.connect("html-collect-pages", _not_found)
