"""Records the loss and accuracy of every training run, by epoch, in one small file.

It reads them from the curves in the stored notebooks. An SVG file stores each point of
a curve to a millionth of a point, which is a hundred-millionth of a nat.

If you change a training run on purpose, write the file again and look at the
difference::

    python tests/helpers/golden.py && git diff tests/book/golden.csv
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import numpy as np

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests" / "book" / "golden.csv"
HEADER = ["notebook", "figure", "curve", *map(str, range(1, 11))]

NUMBERS = re.compile(r"-?[\d.]+")

Curves = dict[str, list[float]]


def read_curves(svg: str) -> Curves:
    """Read the curves of a Matplotlib figure that plots values over epochs.

    Args:
        svg: The figure, with one pair of linear axes and named curves.

    Returns:
        One value per epoch for each name, from the legend or next to its curve.
        Nothing if the x axis doesn't show epochs, the y axis is logarithmic, or the
        curves have no names.
    """
    # Matplotlib draws text as outlines, with the words in a comment.
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    parts = {
        part.get("id"): part
        for part in ElementTree.fromstring(svg, parser).iterfind(".//{*}g")
        if part.get("id")
    }
    labels = (part for name, part in parts.items() if name.startswith("label_"))
    legend = [parts["legend_1"]] if "legend_1" in parts else labels
    names = [text for part in legend for text in _texts(part)]
    if not names or "epoch" not in _texts(parts["matplotlib.axis_1"]):
        return {}
    # Powers of ten mean a logarithmic axis.
    if any("^{" in text for text in _texts(parts["matplotlib.axis_2"])):
        return {}
    x_of, y_of = (_scale(parts, axis) for axis in (0, 1))
    if y_of is None:
        return {}
    lines = [
        part for part in parts["axes_1"] if part.get("id", "").startswith("line2d_")
    ]
    curves = {}
    for name, line in zip(names, lines, strict=True):
        x, y = _points(line)
        epochs = np.arange(1, len(x) + 1)
        np.testing.assert_allclose(x_of(x), epochs, atol=1e-4)
        curves[name] = y_of(y).tolist()
    return curves


def _texts(part: ElementTree.Element) -> list[str]:
    """Return the texts in a part of the figure."""
    comments = part.iter(ElementTree.Comment)
    return [comment.text.strip().replace("\N{MINUS SIGN}", "-") for comment in comments]


def _points(line: ElementTree.Element) -> np.ndarray:
    """Return the x and y of each point of a line."""
    path = line.find("{*}path").get("d")
    return np.array(NUMBERS.findall(path), float).reshape(-1, 2).T


def _scale(parts: dict[str, ElementTree.Element], axis: int):
    """Return the linear function from positions to values, or nothing if not linear."""
    ticks = [
        part for name, part in parts.items() if name.startswith("xy"[axis] + "tick_")
    ]
    marks = [tick.find(".//{*}use") for tick in ticks]
    positions = np.array([float(mark.get("xy"[axis])) for mark in marks])
    values = [float(text) for tick in ticks for text in _texts(tick)]
    slope, offset = np.polyfit(positions, values, 1)
    if not np.allclose(slope * positions + offset, values, atol=1e-3 * np.ptp(values)):
        return None
    return lambda position: slope * position + offset


def trainings(path: Path) -> list[Curves]:
    """Return the curves over epochs in a notebook, with one entry per figure."""
    notebook = nbformat.read(path, as_version=4)
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    figures = [out.get("data", {}).get("image/svg+xml") for out in outputs]
    return [curves for svg in figures if svg and (curves := read_curves(svg))]


def stored() -> dict[tuple[str, str, str], list[float]]:
    """Return the values in all stored notebooks, by notebook, figure and curve."""
    return {
        (f"{path.parent.name}/{path.stem}", str(number), name): figures
        for path in sorted((ROOT / "notebooks").glob("*/*.ipynb"))
        if not path.stem.endswith("-solutions")
        for number, curves in enumerate(trainings(path), start=1)
        for name, figures in curves.items()
    }


def read() -> dict[tuple[str, str, str], list[float]]:
    """Return the values in the file, in the same form."""
    with open(FILE, encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    return {tuple(row[:3]): [float(value) for value in row[3:]] for row in rows}


def write() -> None:
    """Write the file again."""
    with open(FILE, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for key, figures in stored().items():
            writer.writerow([*key, *(f"{value:.6f}" for value in figures)])


if __name__ == "__main__":
    write()
    print(f"{FILE.relative_to(ROOT)}: {len(read())} curves")
