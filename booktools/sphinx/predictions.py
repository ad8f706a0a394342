"""Covers answers until the reader has thought about the question."""

from __future__ import annotations

from itertools import dropwhile, takewhile

from bs4 import BeautifulSoup, Tag

from booktools.source.claims import CLAIM

ENDS = ("h1", "h2", "h3", "h4", "section", "details")
CLAIMED = f".tag_{CLAIM}"
OUTPUT = f".cell_output:not({CLAIMED} *)"
DRAWN = ":is(figure, .pst-scrollable-table-container):not(:has(.cell))"
"""A picture or a table that isn't a cell's output."""
SHOWN = f":is({DRAWN}, :has({OUTPUT}))"


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
    if not (rest and rest[0].css.match(DRAWN)):
        rest = [*dropwhile(lambda node: not node.select_one(OUTPUT), rest)]
    claims = f":is({CLAIMED}, :has({CLAIMED}))"
    at = next((at for at, node in enumerate(rest) if node.css.match(claims)), None)
    claimed = [] if at is None else rest[: at + 1]
    told = f":is({SHOWN}, p, ul, ol)"
    if claimed and all(node.css.match(told) for node in claimed[:-1]):
        return claimed
    return [*takewhile(lambda node: node.css.match(SHOWN), rest), *claimed[-1:]]


def _cover(soup: BeautifulSoup, node: Tag, question: str) -> None:
    """Mark the parts of an element to cover, and add buttons that show them."""

    def mark(part: Tag, what: str = "") -> None:
        part["class"] = [*part.get("class", []), "predicted"]
        part["data-question"] = question
        if what:
            button = soup.new_tag("button", attrs={"type": "button", "class": "reveal"})
            button.string = f"Show the {what}"
            part.insert(0, button)

    for output in node.select(OUTPUT):
        mark(output, "output")
    for caption in node.select("figure:has(.cell_output) > figcaption"):
        mark(caption)
    drawn = node.css.match(DRAWN)
    alone = drawn or node.css.match(f":is({CLAIMED}, p, ul, ol)")
    for part in [node] if alone else node.select(CLAIMED):
        kind = "figure" if node.name == "figure" else "table"
        mark(part.wrap(soup.new_tag("div")), kind if drawn else "")
