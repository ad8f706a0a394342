"""Tests that the committed notebooks were run in order and have clean outputs.

``pytest --nbval`` compares the outputs themselves.
"""

import base64
import re
from pathlib import Path

import nbformat
import pytest

from booktools import ALL, FRAMEWORKS, chosen_frameworks
from booktools.execution.jobs import jobs, orphans, outdated
from booktools.execution.stored import code_cells
from booktools.source.book import Book

ROOT = Path(__file__).parents[2]
CHOSEN = chosen_frameworks()
NOTEBOOKS = [
    path
    for path in sorted((ROOT / "notebooks").glob("*/*.ipynb"))
    if path.parent.name in (ALL, *CHOSEN)
]
# Text that differs between machines or runs.
UNSTABLE = re.compile(
    r"/home/|/root/|/Users/|/tmp/|C:\\|site-packages|ipykernel_\d|<dc:date>"
    r"|\bat 0x[0-9a-f]+|\d\d:\d\d:\d\d|\d\d\d\d-\d\d-\d\d"
)


@pytest.fixture(
    scope="module", params=NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


@pytest.fixture(autouse=True)
def _as_chosen(monkeypatch):
    monkeypatch.setenv("BOOKTOOLS_FRAMEWORK", " ".join(CHOSEN))


def texts(cell):
    """Yield all outputs of a cell as text."""
    for output in cell.outputs:
        data = output.get("data", {})
        yield from (value for value in data.values() if isinstance(value, str))
        yield output.get("text", "")
        yield "\n".join([output.get("evalue", ""), *output.get("traceback", [])])


def test_every_notebook_is_valid(notebook):
    nbformat.validate(notebook)
    assert code_cells(notebook)


def test_every_cell_was_run_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_cell_printed_a_warning(notebook):
    for cell in code_cells(notebook):
        streams = {output.get("name") for output in cell.outputs}
        assert "stderr" not in streams, cell.source
        assert not any("Warning" in text for text in texts(cell)), cell.source


def test_outputs_contain_no_paths_and_no_times(notebook):
    for cell in code_cells(notebook):
        assert "execution" not in cell.metadata, "it holds the times of its run"
        found = [text for text in texts(cell) if UNSTABLE.search(text)]
        assert not found, cell.source


def test_every_section_has_up_to_date_notebooks():
    book = Book(ROOT)
    assert book.sections
    found = list(jobs(book))
    problems = [str(problem) for job in found if (problem := job.problem())]
    problems += outdated(found)
    assert not problems, "\n".join(problems)


@pytest.mark.skipif(
    len(CHOSEN) < len(FRAMEWORKS), reason="whose settings changed has other pictures"
)
def test_the_picture_on_the_home_page_matches_the_notebooks():
    picture = (ROOT / "chapters/images/predictions.png").read_bytes()
    for path in NOTEBOOKS:
        if path.stem == "mlp-scratch":
            cells = code_cells(nbformat.read(path, as_version=4))
            shown = [
                base64.b64decode(output.data["image/png"])
                for cell in cells
                for output in cell.outputs
                if "image/png" in output.get("data", {})
            ]
            assert picture in shown, path.parent.name


def test_every_notebook_belongs_to_a_section():
    assert orphans(Book(ROOT)) == []
