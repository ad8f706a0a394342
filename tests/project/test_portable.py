"""Tests that ``make portable`` finds outputs that move, and says by how much."""

from __future__ import annotations

import sys

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

import portable

PRINTED = "import os\nprint('loss', int(os.environ['OMP_NUM_THREADS']) / 2)\nprint('x')"


def test_a_cell_that_moves_is_named_with_the_difference(tmp_path, monkeypatch, capsys):
    for name in ("booktools", "conftest.py", "pyproject.toml"):
        (tmp_path / name).symlink_to(portable.ROOT / name)
    folder = tmp_path / "notebooks" / "plain"
    folder.mkdir(parents=True)
    cells = [("loss 0.5\nx\n", PRINTED), ("1\n", "print(1)")]
    outputs = [
        new_code_cell(
            code, execution_count=1, outputs=[new_output("stream", text=text)]
        )
        for text, code in cells
    ]
    nbformat.write(new_notebook(cells=outputs), folder / "small.ipynb")
    monkeypatch.setattr(portable, "ROOT", tmp_path)
    options = ["--framework", "plain", "--variant", "2-threads", "avx2"]
    monkeypatch.setattr(sys, "argv", ["portable", "small", *options, "--jobs", "1"])
    moved = portable.main()
    *told, _, threads, avx2 = capsys.readouterr().out.splitlines()
    # One line for each notebook when it ends, followed by its cells that moved.
    ended = [line.split(": ", 1) for line in told if line.endswith(" cells moved")]
    path = "notebooks/plain/small.ipynb"
    assert [(who.split(", ")[1], what) for who, what in ended] == [
        ("2-threads", f"{path}: 1 of 2 cells moved"),
        ("avx2", f"{path}: 0 of 2 cells moved"),
    ]
    cells = [line for line in told if not line.endswith(" cells moved")]
    assert cells[0].endswith("2-threads: notebooks.plain.small.ipynb Cell 0")
    assert cells[1].strip() == "moved: 'loss 0.5' became 'loss 1.0'"
    # The numbers of cells that are the same, moved, and were skipped.
    assert [row.split()[1:5] for row in (threads, avx2)] == [
        ["2-threads", "1", "1", "0"],
        ["avx2", "2", "0", "0"],
    ]
    assert moved == 1


def test_the_difference_of_drawings_is_given_in_points():
    drawing = '<svg viewBox="0 0 9 9"><path d="M 0 {}"/></svg>'
    moved = portable.change(drawing.format("9.5"), drawing.format("7"))
    assert moved == "a point of the drawing, by 2.5 pt"
    more = portable.change(drawing.format("9.5"), drawing.format("7 1 1"))
    assert more == "a drawing of 6 coordinates became one of 8"
