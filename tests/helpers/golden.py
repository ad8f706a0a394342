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

import nbformat
import numpy as np

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests" / "book" / "golden.csv"
HEADER = ["notebook", "figure", "curve", *map(str, range(1, 11))]
NAMES = ("train loss", "train acc", "test acc")

# Matplotlib draws text as outlines, with the words in a comment.
CURVE = re.compile(r'<g id="line2d_\d+">\s*<path d="([^"]+)" clip-path=[^>]*: 1.8')
TICK = re.compile(r'<g id="ytick_.*?<use [^>]* y="([\d.]+)".*?<!-- ([\d.]+) -->', re.S)

Curves = dict[tuple[str, str, str], list[float]]


def read_curves(svg: str) -> dict[str, list[float]]:
    """Read the curves of a training run, one value per epoch, or nothing elsewhere."""
    if not all(f"<!-- {text} -->" in svg for text in (*NAMES, "epoch")):
        return {}
    positions, values = np.array(TICK.findall(svg), float).T
    slope, offset = np.polyfit(positions, values, 1)
    curves = [re.findall(r" ([\d.]+) *\n", f"{path}\n") for path in CURVE.findall(svg)]
    lines = [(slope * np.array(ys, float) + offset).tolist() for ys in curves]
    return dict(zip(NAMES, lines, strict=True))


def stored() -> Curves:
    """Return the values in all stored notebooks, by notebook, figure and curve."""
    found: Curves = {}
    for path in sorted((ROOT / "notebooks").glob("*/*.ipynb")):
        if path.stem.endswith("-solutions"):
            continue
        cells = nbformat.read(path, as_version=4).cells
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        drawn = [each.get("data", {}).get("image/svg+xml", "") for each in outputs]
        figures = filter(None, map(read_curves, drawn))
        for number, curves in enumerate(figures, start=1):
            for name, values in curves.items():
                key = f"{path.parent.name}/{path.stem}", str(number), name
                found[key] = values
    return found


def read() -> Curves:
    """Return the values in the file, in the same form."""
    with open(FILE, encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    return {tuple(row[:3]): [float(value) for value in row[3:]] for row in rows}


if __name__ == "__main__":
    with open(FILE, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for key, values in stored().items():
            writer.writerow([*key, *(f"{value:.6f}" for value in values)])
    print(f"{FILE.relative_to(ROOT)}: {len(read())} curves")
