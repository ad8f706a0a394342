"""Covers answers until the reader has thought about the question."""

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
    """Mark the answer below each folded "Predict: ..." question.

    The page's script covers it until the reader opens the question or asks to see it.
    Without the script, and on paper, everything is visible.
    """
    for number, question in enumerate(soup.select("details.folded")):
        if not question.summary.get_text(strip=True).startswith("Predict:"):
            continue
        # Look as far as the next heading or folded element, such as a question.
        rest = takewhile(
            lambda node: node.name not in ENDS, question.find_next_siblings(True)
        )
        answer = _answer(list(rest))
        if answer:
            question["data-question"] = str(number)
        for node in answer:
            _cover(soup, node, str(number))


def _answer(rest: list[Tag]) -> list[Tag]:
    """Return the elements after a question that give the answer away.

    The answer begins with a table or picture right below the question, or else with the
    first output. If only outputs and paragraphs follow up to the first claim, they all
    belong to it, because those paragraphs say what we saw. If anything else comes
    first, such as a formula that the reader needs, only the first run of outputs
    belongs to it. The claim always does, because its line states the result.
    """
    if not (rest and _is_drawn(rest[0])):
        rest = [*dropwhile(lambda node: not node.select_one(SHOWN), rest)]
    at = next((at for at, node in enumerate(rest) if _claims(node)), None)
    claimed = [] if at is None else rest[: at + 1]
    if claimed and all(_shows(node) or node.name in PROSE for node in claimed[:-1]):
        return claimed
    return [*takewhile(_shows, rest), *claimed[-1:]]


def _is_drawn(node: Tag) -> bool:
    """Return whether an element is a table or a picture that isn't a cell's output."""
    drawn = node.name == "figure" or TABLE in node.get("class", [])
    return drawn and node.select_one(".cell") is None


def _shows(node: Tag) -> bool:
    return _is_drawn(node) or node.select_one(SHOWN) is not None


def _claims(node: Tag) -> list[Tag]:
    """Return the cells of claims: the element itself, or the ones inside it."""
    return [node] if CLAIMED[1:] in node.get("class", []) else node.select(CLAIMED)


def _cover(soup: BeautifulSoup, node: Tag, question: str) -> None:
    """Mark the parts of an element to cover, and add buttons that show them."""
    for output in node.select(SHOWN):
        _mark(output, question)
        output.insert(0, _button(soup, "output"))
    for caption in node.select("figure:has(.cell_output) > figcaption"):
        _mark(caption, question)
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
