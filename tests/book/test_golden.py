"""Tests that training runs in the book still give the same curves (see golden.py)."""

from __future__ import annotations

import re

import nbformat
import numpy as np
import pytest

import golden

# Runs on two machines differ by float32 rounding (test_equal.py). Each run of the MLP
# is within 5e-4 of float64 in the loss, and within 1e-3 and 3e-3 in the accuracies.
MLP = dict(zip(golden.NAMES, (1e-3, 2e-3, 6e-3), strict=True))
# Softmax regression has no kinks, and at most two images near a boundary.
SOFTMAX = dict(zip(golden.NAMES, (1e-5, 1e-4, 2e-4), strict=True))

CALL = re.compile(r"(?<!def )\btrain_ch3\(")
PRINTED = re.compile(
    r"epoch +(\d+): train loss ([\d.]+), train accuracy ([\d.]+), "
    r"test accuracy ([\d.]+)"
)
GOLDEN = golden.read()


@pytest.fixture(scope="module")
def stored():
    return golden.stored()


def test_every_curve_of_the_book_is_recorded_and_unchanged(stored):
    assert list(GOLDEN) == list(stored), "run: python tests/helpers/golden.py"
    for key, expected in GOLDEN.items():
        tolerance = (SOFTMAX if "softmax" in key[0] else MLP)[key[2]]
        np.testing.assert_allclose(
            stored[key], expected, rtol=0, atol=tolerance, err_msg=str(key)
        )


def test_every_training_run_shows_its_curves_and_prints_their_figures(stored):
    printed = 0
    for path in (golden.ROOT / "notebooks").glob("*/*.ipynb"):
        if path.stem.endswith("-solutions") or path.parent.name == "all":
            continue
        name = f"{path.parent.name}/{path.stem}"
        cells = nbformat.read(path, as_version=4).cells
        code = "".join(each.source for each in cells if each.cell_type == "code")
        drawn = len(CALL.findall(code)) - code.count("draw=False")
        assert drawn == len({key[1] for key in stored if key[0] == name}), name
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        text = "".join(output.get("text", "") for output in outputs)
        for epoch, *figures in PRINTED.findall(text) if drawn else ():
            printed += 1
            for curve, figure in zip(golden.NAMES, figures, strict=True):
                value = stored[name, "1", curve][int(epoch) - 1]
                # Printing rounds to three decimals, and the picture by up to 1e-6.
                assert float(figure) == pytest.approx(value, abs=5e-4 + 1e-6)
    assert printed
