"""Put the results of the benchmarks into the book.

``python -m benchmarks.report FILE`` copies a file written by ``make bench`` to
benchmarks/results.json, and updates the tables, the figure and the sentence about the
machine in chapters/performance.md. Without FILE, it uses the current results.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from booktools import FRAMEWORKS
from d2lutils import plotting  # also sets the style of figures

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "chapters" / "performance.md"
PICTURE = ROOT / "chapters" / "images" / "performance-growth.svg"
PARTS = ROOT / "chapters" / "images" / "performance-parts.svg"

TITLES = {each.module: each.title for each in FRAMEWORKS.values()}

# The tables of the page. Each has a heading, then rows with a label and a formula. A
# formula is a measurement, who.what, or two terms with an operator between them.
TABLES = {
    "epoch": [
        "seconds per epoch",
        ("five matrix products, NumPy", "numpy.products"),
        ("training by hand, NumPy", "numpy.train"),
        ("plain step, batches ready in memory", "peer.plain"),
        ("`d2lutils`, training", "d2lutils.train"),
        ("whole epoch from scratch, `d2lutils`", "d2lutils.epoch"),
        ("whole epoch from scratch, original", "d2l.epoch"),
        ("original / `d2lutils`, from scratch", "d2l.epoch / d2lutils.epoch"),
        ("whole epoch with layers, `d2lutils`", "d2lutils.epoch_layers"),
        ("whole epoch with layers, original", "d2l.epoch_layers"),
        ("original / `d2lutils`, layers", "d2l.epoch_layers / d2lutils.epoch_layers"),
    ],
    "parts": [
        "seconds per epoch",
        ("original: making the batches", "d2l.iterate"),
        ("original: the rest of training", "d2l.train - d2l.iterate"),
        ("original: evaluation", "d2l.evaluate"),
        ("`d2lutils`: making the batches", "d2lutils.iterate"),
        ("`d2lutils`: the rest of training", "d2lutils.train - d2lutils.iterate"),
        ("`d2lutils`: evaluation", "d2lutils.evaluate"),
    ],
    "compile": [
        "seconds per epoch of training",
        ("from scratch, as written", "compile.eager_model"),
        ("from scratch, compiled", "compile.compile_model"),
        ("from scratch, compiled: first epoch", "compile.compile_model_first"),
        ("with layers, as written", "compile.eager_layers"),
        ("with layers, compiled", "compile.compile_layers"),
        ("with layers, compiled: first epoch", "compile.compile_layers_first"),
    ],
    "start": [
        "at the start",
        ("importing the framework, s", "d2lutils.import_framework"),
        ("importing `d2lutils` beyond that, s", "d2lutils.import_beyond"),
        ("first loading of the data, s", "d2lutils.load_first"),
        ("section with 5 epochs, original, s", "d2l.section"),
        ("section with 5 epochs, `d2lutils`, s", "d2lutils.section"),
        ("peak memory, original, GB", "d2l.memory / 1e9"),
        ("peak memory, `d2lutils`, GB", "d2lutils.memory / 1e9"),
    ],
}
# Colors for the parts of an epoch, different from those of the frameworks.
SHADES = {
    "making the batches": "#E69F00",
    "the rest of training": "0.55",
    "evaluation": "0.75",
}
OPERATORS = {"/": np.divide, "-": np.subtract}


def figure(samples: dict[str, Any], formula: str) -> float:
    """Compute a formula in each round of one framework, and return the median."""

    def term(name: str) -> Any:
        who, dot, what = name.partition(".")
        return np.array(samples[who][what]) if dot else float(name)

    first, operator, second = [*formula.split(), "/", "1"][:3]
    return float(np.median(OPERATORS[operator](term(first), term(second))))


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Return the page's tables as Markdown, with a dash for what wasn't measured."""
    made = {}
    for name, (head, *rows) in TABLES.items():
        lines = [[head, *(TITLES[module] for module in results["samples"])]]
        lines.append(["---"] * len(lines[0]))
        for label, formula in rows:
            lines.append([label])
            for samples in results["samples"].values():
                try:
                    decimals = 1 if " / " in label else 2
                    lines[-1].append(f"{figure(samples, formula):.{decimals}f}")
                except KeyError:
                    lines[-1].append("–")
        made[name] = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return made


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw seconds per epoch over what varies, one panel below the other."""
    names = {who: TITLES[who] for who in results["samples"]}
    names |= {"numpy": "NumPy by hand", "products": "matrix products alone"}
    panels = dict.fromkeys(point["varies"] for point in results["growth"])
    # Stack the panels in a narrow figure, which is legible on a phone.
    size = {"figsize": (3.5, 5.5), "layout": "constrained"}
    picture, axes = plt.subplots(len(panels), 1, sharey=True, **size)
    for ax, varies in zip(axes, panels, strict=True):
        curves = [
            [p for p in results["growth"] if (p["who"], p["varies"]) == (who, varies)]
            for who in names
        ]
        xs, ys = (
            [[point[key] for point in curve] for curve in curves]
            for key in ("value", "seconds")
        )
        labels = varies, "seconds per epoch"
        plotting.plot(xs, ys, *labels, xscale="log", yscale="log", axes=ax)
    picture.legend(axes[0].lines, names.values(), loc="outside upper center", ncols=2)
    _save(picture, path)


def draw_parts(results: dict[str, Any], path: Path) -> None:
    """Stack the parts of an epoch, in the original and in this project."""
    picture, ax = plt.subplots(figsize=(3.5, 3.5), layout="constrained")
    names, formulas = [], dict(TABLES["parts"][1:])
    for module, samples in results["samples"].items():
        for library, who in ("original", "d2l"), ("`d2lutils`", "d2lutils"):
            if who not in samples:
                continue
            begin = 0.0
            for part, color in SHADES.items():
                seconds = figure(samples, formulas[f"{library}: {part}"])
                look = {"color": color, "label": part, "edgecolor": "white"}
                ax.barh(len(names), seconds, left=begin, linewidth=0.5, **look)
                begin += seconds
            names.append(f"{TITLES[module]}, {library.strip('`')}")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.grid(True, axis="x")
    ax.invert_yaxis()
    ax.set_xlabel("seconds per epoch")
    picture.legend(ax.patches[:3], SHADES, loc="outside upper left", ncols=2)
    _save(picture, path)


def _save(picture: plt.Figure, path: Path) -> None:
    about = "Generated by `python -m benchmarks.report` from benchmarks/results.json"
    picture.savefig(path, metadata={"Date": None, "Description": about})
    plt.close(picture)


def with_results(page: str, results: dict[str, Any]) -> str:
    """Return the page with the blocks between its comments updated."""
    for name, text in (tables(results) | {"machine": results["machine"]}).items():
        pattern = rf"(?s)(% results {name}\n).*?(\n% end of results)"
        # No text contains a backslash, so we needn't escape it.
        page, count = re.subn(pattern, rf"\1\n{text}\n\2", page)
        if count != 1:
            raise ValueError(
                f"{PAGE.name} must have one '% results {name}', has {count}"
            )
    return page


if __name__ == "__main__":
    if sys.argv[1:]:
        shutil.copy(sys.argv[1], RESULTS)
    found = json.loads(RESULTS.read_text("utf-8"))
    draw(found, PICTURE)
    draw_parts(found, PARTS)
    PAGE.write_text(with_results(PAGE.read_text("utf-8"), found), "utf-8")
