"""Tests that training runs in the book still give the same curves (see golden.py)."""

from __future__ import annotations

import io
import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

import golden
from booktools import FRAMEWORKS
from booktools.execution.stored import code_cells
from d2lutils import plotting

# Runs on two machines differ by float32 rounding (test_equal.py). Each run of the MLP
# is within 5e-4 of float64 in the loss, and within 1e-3 and 3e-3 in the accuracies.
MLP = {"train loss": 1e-3, "train acc": 2e-3, "test acc": 6e-3}
# Softmax regression has no kinks, and at most two images near a boundary.
SOFTMAX = {"train loss": 1e-5, "train acc": 1e-4, "test acc": 2e-4}
NAMES = tuple(MLP)

CALL = re.compile(r"(?<!def )\btrain_ch3\(")
PRINTED = re.compile(
    r"epoch +(\d+): train loss ([\d.]+), train accuracy ([\d.]+), "
    r"test accuracy ([\d.]+)"
)
GOLDEN = golden.read()
FIGURES = sorted({key[:2] for key in GOLDEN})


def cells(name: str):
    path = golden.ROOT / "notebooks" / f"{name}.ipynb"
    return code_cells(nbformat.read(path, as_version=4))


def test_the_file_lists_exactly_the_training_runs_of_the_book():
    assert list(GOLDEN) == list(golden.stored()), "run: python tests/helpers/golden.py"


def test_every_training_run_shows_its_curves():
    for path in (golden.ROOT / "notebooks").glob("*/*.ipynb"):
        if path.stem.endswith("-solutions"):
            continue
        name = f"{path.parent.name}/{path.stem}"
        calls = sum(
            len(CALL.findall(cell.source)) - cell.source.count("draw=False")
            for cell in cells(name)
        )
        shown = [key for key in FIGURES if key[0] == name]
        assert path.parent.name == "all" or len(shown) == calls, name


def test_every_curve_is_unchanged():
    stored = golden.stored()
    for key, expected in GOLDEN.items():
        notebook, _, curve = key
        allowed = SOFTMAX if "softmax" in notebook else MLP
        # In the notebook with all frameworks, curves have the names of frameworks.
        tolerance = allowed.get(curve, allowed["train loss"])
        np.testing.assert_allclose(
            stored[key], expected, rtol=0, atol=tolerance, err_msg=str(key)
        )


@pytest.mark.parametrize(
    "notebook", sorted({key[0] for key in GOLDEN if key[2] in NAMES})
)
def test_printed_figures_match_the_curves(notebook):
    [curves] = golden.trainings(golden.ROOT / "notebooks" / f"{notebook}.ipynb")
    text = "".join(
        output.get("text", "") for cell in cells(notebook) for output in cell.outputs
    )
    printed = PRINTED.findall(text)
    assert printed
    for epoch, *figures in printed:
        for name, figure in zip(NAMES, figures, strict=True):
            value = curves[name][int(epoch) - 1]
            # Printing rounds to three decimals, and the picture by up to 1e-6.
            assert float(figure) == pytest.approx(value, abs=5e-4 + 1e-6)


# The values that the book gives, for every framework.
@pytest.mark.parametrize(
    ("section", "loss", "train", "test"),
    [
        ("softmax-scratch", 0.45, 0.848, 0.83),
        ("softmax-concise", 0.45, 0.848, 0.83),
        ("mlp-scratch", 0.38, 0.865, 0.85),
        ("mlp-concise", 0.38, 0.865, 0.85),
    ],
)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_tenth_epoch_reaches_what_the_book_says(
    framework, section, loss, train, test
):
    figures = [GOLDEN[f"{framework}/{section}", "1", name][9] for name in NAMES]
    assert figures[0] == pytest.approx(loss, abs=0.01)
    assert figures[1] == pytest.approx(train, abs=0.005)
    assert figures[2] == pytest.approx(test, abs=0.03)


# -- reading curves ------------------------------------------------------------


def draw(X, Y, **options) -> str:
    plotting.plot(X, Y, **options)
    buffer = io.StringIO()
    plt.gcf().savefig(buffer, format="svg", bbox_inches="tight")
    return buffer.getvalue()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 40.0])
def test_curves_are_read_back_as_drawn(scale):
    rng = np.random.default_rng(0)
    ys = [rng.normal(size=10) * scale for _ in range(4)]
    names = ["a", "b c", "train loss", "d"]
    svg = draw([range(1, 11)] * 4, ys, xlabel="epoch", legend=names, xlim=(1, 10))
    found = golden.read_curves(svg)
    assert list(found) == names
    # The picture stores a millionth of a point, on an axis of a few hundred points.
    np.testing.assert_allclose(list(found.values()), ys, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize(
    "options", [{"xlabel": "x", "legend": ["a"]}, {"xlabel": "epoch"}]
)
def test_other_figures_have_no_curves_over_epochs(options):
    assert golden.read_curves(draw([[1, 2, 3]], [[1, 2, 4]], **options)) == {}
