"""Tests that the committed notebooks fit the book, and that their outputs are clean.

``pytest --nbval`` compares the outputs themselves.
"""

import base64
import re
from pathlib import Path

import nbformat
import pytest

from booktools import ALL, FRAMEWORKS, chosen_frameworks
from booktools.__main__ import main
from booktools.execution.stored import code_cells

ROOT = Path(__file__).parents[2]
CHOSEN = chosen_frameworks()
NOTEBOOKS = [
    path
    for path in sorted((ROOT / "notebooks").glob("*/*.ipynb"))
    if path.parent.name in (ALL, *CHOSEN)
]
# What booktools would store, although it differs between machines or runs.
UNSTABLE = re.compile(r"Warning|/tmp/|C:\\|\d\d:\d\d:\d\d|\d\d\d\d-\d\d-\d\d")


def test_the_book_passes_its_own_check(monkeypatch, capsys):
    """Its notebooks are up to date, its figures are backed up, its claims asserted."""
    monkeypatch.setenv("BOOKTOOLS_FRAMEWORK", " ".join(CHOSEN))
    assert main(["check", "--root", str(ROOT)]) == 0, capsys.readouterr().err


def texts(cell):
    """Yield all outputs of a cell as text."""
    for output in cell.outputs:
        data = output.get("data", {})
        yield from (value for value in data.values() if isinstance(value, str))
        yield "\n".join([output.get("text", ""), *output.get("traceback", [])])


@pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_notebook_ran_in_order_and_its_outputs_hold_no_trace_of_the_run(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    for cell in cells:
        assert "execution" not in cell.metadata, "it holds the times of its run"
        assert not any(map(UNSTABLE.search, texts(cell))), cell.source


@pytest.mark.skipif(
    len(CHOSEN) < len(FRAMEWORKS), reason="whose settings changed has other pictures"
)
def test_the_picture_on_the_home_page_matches_the_notebooks():
    picture = (ROOT / "chapters/images/predictions.png").read_bytes()
    stored = base64.b64encode(picture).decode()
    for path in (ROOT / "notebooks").glob("*/mlp-scratch.ipynb"):
        cells = code_cells(nbformat.read(path, as_version=4))
        outputs = [output for cell in cells for output in cell.outputs]
        shown = [each.get("data", {}).get("image/png", "") for each in outputs]
        assert stored in ["".join(each.split()) for each in shown], path.parent.name
