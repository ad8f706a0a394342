"""Covers what would answer a question before its reader has thought about it."""

from __future__ import annotations

from itertools import dropwhile, takewhile

from bs4 import BeautifulSoup, Tag

from booktools.source.claims import CLAIM

ENDS = ("h1", "h2", "h3", "h4", "section", "details")
PROSE = ("p", "ul", "ol")
CLAIMED = f".tag_{CLAIM}"
SHOWN = f".cell_output:not({CLAIMED} *)"
TABLE = "pst-scrollable-table-container"


def cover_answers(soup: BeautifulSoup) -> None:
    """Mark what answers each folded "Predict: ..." above it.

    The page's script covers it until the reader has chosen. Without the script, and on
    paper, all of it is seen.
    """
    for number, question in enumerate(soup.select("details.folded")):
        if not question.summary.get_text(strip=True).startswith("Predict:"):
            continue
        # Up to the next heading, question, or whatever else is folded.
        rest = takewhile(
            lambda node: node.name not in ENDS, question.find_next_siblings(True)
        )
        answer = _answer(list(rest))
        if answer:
            question["data-question"] = str(number)
        for node in answer:
            _cover(soup, node, str(number))


def _answer(rest: list[Tag]) -> list[Tag]:
    """Return what tells the answer, of all that comes after the question.

    The answer begins with a table or picture right below the question, or else with the
    first output. What comes next belongs to it as far as the first claim, if these are
    all outputs and paragraphs, which then say what was seen. If something else stands
    in between, such as a formula that the reader will need, the answer ends before the
    first paragraph. The claim itself belongs to it anyhow: its line says the result.
    """
    if not (rest and _is_drawn(rest[0])):
        rest = [*dropwhile(lambda node: not node.select_one(SHOWN), rest)]
    at = next((at for at, node in enumerate(rest) if _claims(node)), None)
    claimed = [] if at is None else rest[: at + 1]
    if claimed and all(_shows(node) or node.name in PROSE for node in claimed[:-1]):
        return claimed
    return [*takewhile(_shows, rest), *claimed[-1:]]


def _is_drawn(node: Tag) -> bool:
    """Tell a table or a picture that no cell of the page puts out."""
    drawn = node.name == "figure" or TABLE in node.get("class", [])
    return drawn and node.select_one(".cell") is None


def _shows(node: Tag) -> bool:
    return _is_drawn(node) or node.select_one(SHOWN) is not None


def _claims(node: Tag) -> list[Tag]:
    """Return the cells of claims: the element itself, or those in its tabs."""
    return [node] if CLAIMED[1:] in node.get("class", []) else node.select(CLAIMED)


def _cover(soup: BeautifulSoup, node: Tag, question: str) -> None:
    """Mark what the script covers in an element, with a button for what it shows."""
    for output in node.select(SHOWN):
        _mark(output, question)
        output.insert(0, _button(soup, "output"))
    whole = [node] if _is_drawn(node) or node.name in PROSE else _claims(node)
    for part in whole:
        cover = part.wrap(soup.new_tag("div"))
        _mark(cover, question)
        if _is_drawn(part):
            what = "figure" if part.name == "figure" else "table"
            cover.insert(0, _button(soup, what))


def _mark(node: Tag, question: str) -> None:
    node["class"] = [*node.get("class", []), "predicted"]
    node["data-question"] = question


def _button(soup: BeautifulSoup, what: str) -> Tag:
    button = soup.new_tag("button", attrs={"type": "button", "class": "reveal"})
    button.string = f"Show the {what}"
    return button
