"""Adds the book's templates, style and script, and corrects the HTML of pages."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagesize
from bs4 import BeautifulSoup, NavigableString, Tag
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from booktools import FRAMEWORKS
from booktools.sphinx.exercises import add_controls
from booktools.sphinx.predictions import cover_answers

FOLDER = Path(__file__).parent
NUMBER = re.compile(r"[–−+-]?|[−+-]?\d[\d,.]*( ?%| s| to [\d,.]+)?( \([^)]*\))?")
"""Table cells to align: a number, perhaps with its range, or a dash for none."""
SHORT = 28  # characters of code that stay on one line
MARKS = re.compile(r"[.,;:?!)]+")
HEADINGS = ["h1", "h2", "h3", "h4"]
STATED = re.compile(r"width: ([\d.]+)px;")


def _fix_page(app: Sphinx, pagename: str, template: str, context, doctree) -> None:
    """Correct and arrange the HTML of a page's body, and describe the page."""
    context["booktools_description"] = _description(doctree)
    fix_body(app, context, *ARRANGED)
    if "exercise-list" in context.get("body", ""):
        app.add_js_file("booktools-exercises.js", loading_method="defer")


def fix_body(
    app: Sphinx, context: dict[str, Any], *more: Callable[[BeautifulSoup], None]
) -> None:
    """Give the body of a page valid and accessible markup, and change it further."""
    if context.get("body"):
        pictures = app.builder.images.items()
        files = {name: Path(app.srcdir, path) for path, name in pictures}
        soup = BeautifulSoup(context["body"], "html.parser")
        for image in soup("img"):
            _state_size(image, files)
        for change in (_correct, *more):
            change(soup)
        context["body"] = str(soup)


def _description(doctree: nodes.document | None) -> str:
    """Return the first paragraph of a page, cut after a word if it is long."""
    if doctree is None:
        return ""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if text:
            return text if len(text) <= 200 else f"{text[:197].rsplit(' ', 1)[0]} …"
    return ""


def _correct(soup: BeautifulSoup) -> None:
    """Correct the markup of Sphinx and its extensions."""
    for box in soup(id=re.compile("^(exercise|solution)-content$")):
        # sphinx-exercise gives all its boxes the same id.
        del box["id"]
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
    for lines in soup.select("dt.sig dl"):
        # The parameters of a function aren't a list of terms.
        lines.name, lines["class"] = "span", "sig-lines"
        for line in lines("dd"):
            line.name = "span"


def keep_together(soup: BeautifulSoup) -> None:
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


def align_figures(soup: BeautifulSoup) -> None:
    """Mark table columns that hold only numbers.

    The first column counts only if all the others do, because it names the rows.
    """
    for table in soup("table"):
        rows = [row.find_all(["td", "th"]) for row in table.select("tbody > tr")]
        columns = zip(*rows, strict=False)
        texts = [[cell.get_text(strip=True) for cell in column] for column in columns]
        plain = [all(map(NUMBER.fullmatch, column)) for column in texts]
        for at, found in enumerate(plain):
            if found and (at or all(plain)):
                for row in table("tr"):
                    if at < len(cells := row.find_all(["td", "th"])):
                        cells[at]["class"] = [*cells[at].get("class", []), "number"]


def draw_bars(soup: BeautifulSoup) -> None:
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
    sets = soup.select(".frameworks")
    most = max((len(tab_set("label")) for tab_set in sets), default=0)
    shown = []
    for tab_set in sets:
        heading = tab_set.find_previous(HEADINGS)
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


ARRANGED = (
    keep_together,
    align_figures,
    draw_bars,
    _show_tabs_once,
    _fold_answers,
    cover_answers,
    add_controls,
)
"""How pages in a browser differ from those of an EPUB, in this order."""


def _not_found(app: Sphinx) -> list[tuple[str, dict[str, Any], str]]:
    """Make the page that servers show for an unknown address."""
    home = html.escape(app.builder.get_relative_uri("404", app.config.root_doc))
    body = (
        "<h1>Page not found</h1>"
        "<p>There is nothing at this address. The page may have been renamed. Begin at "
        f'<a href="{home}">the first page</a>, or choose one from the contents.</p>'
    )
    return [("404", {"title": "Page not found", "body": body}, "page.html")]


def _prepare(app: Sphinx, config: Config) -> None:
    """Let the book's templates take precedence over the theme's."""
    config.templates_path.append(str(FOLDER / "templates"))
    config.html_static_path.append(str(FOLDER / "static"))
    base = config.html_baseurl
    config.html_context |= {
        "booktools_base": f"{base.rstrip('/')}/" if base else "",
        "booktools_framework": config.booktools_framework,
        "booktools_frameworks": list(FRAMEWORKS.values()),
    }
    # If we know the repository, pages link to their source and to its issues.
    options = config.html_theme_options
    for button in ("issues", "edit_page", "repository"):
        options[f"use_{button}_button"] = bool(options.get("repository_url"))


def setup_templates(app: Sphinx) -> None:
    """Add the templates and the files of the pages."""
    # After the framework is chosen (400).
    app.connect("config-inited", _prepare)


def setup_html(app: Sphinx) -> None:
    """Add the script of the website, and arrange its pages."""
    app.add_js_file("booktools.js", loading_method="defer")
    # After the menus are added (510).
    app.connect("html-page-context", _fix_page, priority=520)
    app.connect("html-collect-pages", _not_found)
