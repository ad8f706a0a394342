"""Tests that ``make portable`` finds outputs that move, and says by how much."""

from __future__ import annotations

import os
import subprocess
import sys

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

import portable

PRINTED = "import os\nprint('loss', int(os.environ['OMP_NUM_THREADS']) / 2)\nprint('x')"


def test_a_cell_that_moves_is_named_with_the_difference(tmp_path, monkeypatch, capfd):
    for name in ("booktools", "conftest.py", "pyproject.toml"):
        (tmp_path / name).symlink_to(portable.ROOT / name)
    folder = tmp_path / "notebooks" / "plain"
    folder.mkdir(parents=True)
    cells = [
        new_code_cell(
            code, execution_count=1, outputs=[new_output("stream", text=text)]
        )
        for text, code in [("loss 0.5\nx\n", PRINTED), ("1\n", "print(1)")]
    ]
    nbformat.write(new_notebook(cells=cells), folder / "small.ipynb")
    monkeypatch.setattr(portable, "ROOT", tmp_path)
    options = ["--framework", "plain", "--variant", "2-threads", "--jobs", "0"]
    monkeypatch.setattr(sys, "argv", ["portable", "small", *options])
    assert portable.main() == 1
    *_, cell, why, _, row = capfd.readouterr().out.splitlines()
    assert cell.endswith("2-threads: notebooks.plain.small.ipynb Cell 0")
    assert why.strip() == "moved: 'loss 0.5' became 'loss 1.0'"
    # The numbers of cells that are the same, moved, and were skipped.
    assert row.split()[1:5] == ["2-threads", "1", "1", "0"]


def test_a_processor_is_described_in_words_that_the_libraries_know():
    names = portable.variables(sys.executable, portable.VARIANTS["avx2"])
    assert names.keys() >= {"ATEN_CPU_CAPABILITY", "NPY_DISABLE_CPU_FEATURES"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import numpy"], env=os.environ | names
    )
    assert done.returncode == 0


def test_the_difference_of_drawings_is_given_in_points():
    drawing = '<svg viewBox="0 0 9 9"><path d="M 0 {}"/></svg>'
    moved = portable.change(drawing.format("9.5"), drawing.format("7"))
    assert moved == "a point of the drawing, by 2.5 pt"
    more = portable.change(drawing.format("9.5"), drawing.format("7 1 1"))
    assert more == "a drawing of 6 coordinates became one of 8"
