"""Lists all exercises of the book.

Each exercise has a title. Its classes give its kind and the minutes it takes::

    :::{exercise} Width of the hidden layer
    :label: ex_mlp_scratch_width
    :class: measure minutes-20
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from bs4 import BeautifulSoup

from booktools import SourceError
from booktools.execution.figures import WORKED
from booktools.source.book import Page
from booktools.source.markdown import Block
from booktools.sphinx.sources import WrittenDirective

KINDS = ("derive", "program", "measure", "discuss")
CLASSES = re.compile(rf"(?P<kind>{'|'.join(KINDS)}) minutes-(?P<minutes>\d+)")


def exercises(page: Page) -> Iterator[tuple[Block, str, int]]:
    """Yield each exercise of a page with its kind and minutes.

    Raises:
        SourceError: an exercise lacks its title, label, kind or minutes.
    """
    for block in page.blocks:
        if block.is_directive("exercise"):
            match = CLASSES.fullmatch(block.options.get("class", ""))
            if not (match and block.argument and block.options.get("label")):
                raise SourceError(
                    page.path,
                    block.line,
                    "the exercise needs a title, a :label: and two classes, its kind "
                    f"(one of {', '.join(KINDS)}) and its minutes, such as :class: "
                    "measure minutes-20",
                )
            yield block, match["kind"], int(match["minutes"])


class ExerciseList(WrittenDirective):
    """A table of all exercises, with links to each one and to its solution."""

    def lines(self) -> list[str]:
        lines = ["| no. | topic | kind | min | answer |", "|" + "---|" * 5]
        counts: Counter[str] = Counter()
        total = 0
        for page in self.sources.book.pages:
            try:
                for block, kind, minutes in exercises(page):
                    label = block.options["label"]
                    worked = re.sub("^ex_", WORKED, label)
                    counts[kind] += 1
                    total += minutes
                    lines.append(
                        f"| {{numref}}`%s <{label}>` | {block.argument} | {kind} | "
                        f"{minutes} | {{ref}}`solution <{worked}>` |"
                    )
            except SourceError as error:
                raise self.error(str(error)) from None
        kinds = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
        hours = f"about {total / 60:.0f} hours in all"
        count = f"{counts.total()} exercises, {hours}: {kinds}."
        return [":::{container} exercise-list", count, "", *lines, ":::"]


def add_controls(soup: BeautifulSoup) -> None:
    """Add the filter by kind, and leave room for the buttons that sort.

    The script only makes them work, so nothing moves when it loads.
    """
    for rows in soup.select(".exercise-list"):
        kinds = sorted({row("td")[2].get_text(strip=True) for row in rows.tbody("tr")})
        options = "".join(f"<option>{kind}</option>" for kind in kinds)
        label = (
            '<label class="pst-js-only">kind <select autocomplete="off">'
            f'<option value="">all kinds</option>{options}</select></label>'
        )
        rows.p.insert_after(BeautifulSoup(label, "html.parser"))
        for heading in rows.thead("p")[:4]:
            heading.name = "span"
