"""Tests that every exercise has a kind, and a solution with code that ran."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from booktools import FRAMEWORKS, SourceError
from booktools.execution.figures import WORKED
from booktools.source.book import Page
from booktools.sphinx.exercises import exercises
from small_book import real_book

BOOK = real_book()
EXERCISES = [
    (page, block.options["label"], kind)
    for page in BOOK.pages
    for block, kind, _ in exercises(page)
]
SECTIONS = dict.fromkeys(page for page, *_ in EXERCISES)


def worked(label: str) -> str:
    return re.sub("^ex_", WORKED, label)


def cells_by_label(page: Page) -> dict[str, list]:
    """Return the code cells of a page of solutions, by exercise."""
    found: dict[str, list] = {}
    label = ""
    for cell in page.section.cells:
        if cell.kind == "code":
            found.setdefault(label, []).append(cell)
        for name in re.findall(rf"^\(({WORKED}\w+)\)=$", cell.source, re.M):
            label = name
    return found


@pytest.mark.parametrize(
    ("page", "label", "kind"), EXERCISES, ids=[label for _, label, _ in EXERCISES]
)
def test_every_exercise_has_a_solution_in_every_framework(page, label, kind):
    target = BOOK.labels[worked(label)]
    assert target.page.path.stem == f"{page.path.stem}-solutions"
    frameworks = target.page.section.frameworks
    assert frameworks == (
        page.section.frameworks if page.section else tuple(FRAMEWORKS)
    )
    cells = cells_by_label(target.page).get(worked(label), [])
    for framework in frameworks:
        ran = [cell for cell in cells if framework in cell.frameworks]
        assert ran or kind in ("derive", "discuss"), f"no code for {framework}"
    # The solution links to the exercise, and the short answer links to the solution.
    assert f"{{numref}}`{label}`" in target.page.text
    assert f"{{ref}}`{worked(label)}`" in page.text


def test_every_solution_belongs_to_an_exercise():
    asked = {worked(label) for _, label, _ in EXERCISES}
    assert asked == {label for label in BOOK.labels if label.startswith(WORKED)}


@pytest.mark.parametrize("page", SECTIONS, ids=lambda page: page.path.stem)
def test_every_section_plants_a_mistake_and_asks_for_two_predictions(page):
    assert any("mistake" in block.options["label"] for block, *_ in exercises(page))
    asked = [
        block.body
        for block in page.blocks
        if block.name == "dropdown" and block.argument.startswith("Predict: ")
    ]
    assert len(asked) >= 2
    assert all(asked)


@pytest.mark.parametrize(
    "options", ["", ":class: measure", ":class: guess minutes-5", ":class: minutes-5"]
)
def test_an_exercise_needs_a_kind_and_minutes(options):
    text = f":::{{exercise}} Topic\n:label: ex_one\n{options}\n\nDo it.\n:::\n"
    with pytest.raises(SourceError, match=r"small\.md:1: .*two classes"):
        list(exercises(Page(Path("chapters/small.md"), text)))
