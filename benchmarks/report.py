"""Put the results of the benchmarks into the book.

``python -m benchmarks.report FILE`` copies a file written by ``make bench`` to
benchmarks/results.json, and updates the tables, sentences and figures in
chapters/performance.md. Without FILE, it uses the current results.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import sys
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib.pyplot as plt

from booktools import FRAMEWORKS
from d2lutils import plotting  # also fixes the identifiers within an SVG

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "chapters" / "performance.md"
PICTURE = ROOT / "chapters" / "images" / "performance-growth.svg"
PARTS = ROOT / "chapters" / "images" / "performance-parts.svg"

TITLES = {each.module: each.title for each in FRAMEWORKS.values()}

# The tables of the page. Each has a name and a heading, then rows with a label, a
# formula and perhaps the number of decimals (by default 2). A formula is a median,
# who.what; a difference of two medians; a median of ratios, one for each round; or a
# median times a number.
TABLES = """
epoch | seconds per epoch
five matrix products, NumPy | numpy.products
training by hand, NumPy | numpy.train
plain step, batches ready in memory | peer.plain
`d2lutils`, training | d2lutils.train
whole epoch from scratch, `d2lutils` | d2lutils.epoch
whole epoch from scratch, original | d2l.epoch
original / `d2lutils`, from scratch | d2l.epoch / d2lutils.epoch | 1
whole epoch with layers, `d2lutils` | d2lutils.epoch_layers
whole epoch with layers, original | d2l.epoch_layers
original / `d2lutils`, with layers | d2l.epoch_layers / d2lutils.epoch_layers | 1

parts | seconds per epoch
original: making the batches | d2l.iterate
original: the rest of training | d2l.train - d2l.iterate
original: evaluation | d2l.evaluate
original: one drawing | d2l.draw
`d2lutils`: making the batches | d2lutils.iterate
`d2lutils`: the rest of training | d2lutils.train - d2lutils.iterate
`d2lutils`: evaluation | d2lutils.evaluate
`d2lutils`: one drawing | d2lutils.draw
the framework's own loader | peer.own_loader

numpy | training / training by hand
NumPy as installed | pairs.d2lutils / pairs.numpy_as_installed
NumPy told of AVX2 | pairs.d2lutils / pairs.numpy_avx2
NumPy told of AVX-512 | pairs.d2lutils / pairs.numpy_avx512
NumPy as installed; built-in ReLU | pairs.built_in_relu / pairs.numpy_as_installed
NumPy told of AVX2; built-in ReLU | pairs.built_in_relu / pairs.numpy_avx2
NumPy told of AVX-512; built-in ReLU | pairs.built_in_relu / pairs.numpy_avx512

compile | seconds per epoch of training
from scratch, as written | compile.eager_model
from scratch, compiled | compile.compile_model
from scratch, compiled: first epoch | compile.compile_model_first
with layers, as written | compile.eager_layers
with layers, compiled | compile.compile_layers
with layers, compiled: first epoch | compile.compile_layers_first

stateful | after one epoch
lines printed, as written | compile.eager_stateful_printed | 0
lines printed, compiled | compile.compile_stateful_printed | 0
`count`, as written | compile.eager_stateful_counted | 0
`count`, compiled | compile.compile_stateful_counted | 0

start | at the start
importing the framework, s | d2lutils.import_framework
importing `d2lutils` beyond that, s | d2lutils.import_beyond
first loading of the data beyond reading, s | d2lutils.load_first - d2lutils.read
later loading, ms | d2lutils.load_later * 1000
section with 5 epochs, original, s | d2l.section | 1
section with 5 epochs, `d2lutils`, s | d2lutils.section | 1
peak memory, original, GB | d2l.memory * 1e-9
peak memory, `d2lutils`, GB | d2lutils.memory * 1e-9
"""

STYLE = {"font.size": 9}
# Colors for the parts of an epoch, different from those of the frameworks.
SHADES = {
    "making the batches": "#E69F00",
    "the rest of training": "0.55",
    "evaluation": "0.75",
    "one drawing": "0.2",
}


def figure(samples: dict[str, Any], formula: str) -> float:
    """Compute a figure in a table from the measurements of one framework."""

    def values(name: str) -> list[float]:
        who, what = name.split(".")
        return samples[who][what]

    first, operator, second = [*formula.split(), "*", "1"][:3]
    if operator == "/":
        rounds = zip(values(first), values(second), strict=True)
        return median(a / b for a, b in rounds)
    if operator == "-":
        return median(values(first)) - median(values(second))
    return median(values(first)) * float(second)


def read_tables() -> dict[str, tuple[str, list[list[str]]]]:
    """Return the heading and the rows of each table in ``TABLES``, by name."""
    found = {}
    for table in TABLES.strip().split("\n\n"):
        (name, head), *rows = (line.split(" | ") for line in table.splitlines())
        found[name] = head, rows
    return found


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Return the page's tables, by name, as Markdown.

    A figure that wasn't measured is a dash. We leave out rows of dashes.
    """
    made = {}
    for name, (head, rows) in read_tables().items():
        lines = [[head, *(TITLES[module] for module in results["samples"])]]
        lines.append(["---"] * len(lines[0]))
        for label, formula, *decimals in rows:
            shown = []
            for samples in results["samples"].values():
                try:
                    found = figure(samples, formula)
                    shown.append(f"{found:.{decimals[0] if decimals else 2}f}")
                except KeyError:
                    shown.append("–")
            if set(shown) != {"–"}:
                lines.append([label, *shown])
        made[name] = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        if len(lines) == 2:
            made[name] = "*Not measured yet: run `make bench`.*"
    return made


def texts(results: dict[str, Any]) -> dict[str, str]:
    """Return the page's sentences with figures from the results, by name."""
    about = results["machine"]
    processor = re.sub(r"\(\w+\)", "", about["processor"])
    day = date.fromisoformat(about["date"])
    rounds = "1 round" if results["rounds"] == 1 else f"{results['rounds']} rounds"
    seconds = {
        (point["who"], point["value"]): point["seconds"]
        for point in results["growth"]
        if point["varies"] == "batch size"
    }

    def gain(small: int, large: int) -> str:
        found = [
            (f"{seconds[who, small] / seconds[who, large]:.1f} times", title)
            for who, title in TITLES.items()
            if (who, small) in seconds
        ]
        (times, title), *others = found
        gains = [f"{times} as long in {title}"]
        gains += [f"{times} in {title}" for times, title in others]
        return " and ".join(filter(None, [", ".join(gains[:-1]), gains[-1]]))

    return {
        "machine": (
            f"The computer ran {about['system']} and Python {about['python']} on "
            f"{about['cores']} cores ({processor}) and had no graphics card. We "
            f"took most measurements in {rounds}, on {day:%B} {day.day}, {day.year}."
        ),
        "batch": (
            "If we go from batches of 256 to batches of 16, an epoch takes "
            f"{gain(16, 256)}. If we go from 4,096 to 256, it takes {gain(256, 4096)}."
        ),
    }


@plt.rc_context(STYLE)
def draw(results: dict[str, Any], path: Path) -> None:
    """Draw seconds per epoch over what varies, one panel below the other."""
    names = {who: TITLES[who] for who in results["samples"]} | {
        "numpy": "NumPy by hand"
    }
    # There may be more curves than colors, but then their markers differ.
    looks = map(itertools.cycle, (plotting.COLORS, plotting.LINE_STYLES, "os^DvXP"))
    curves = dict(zip(names, zip(*looks, strict=True), strict=False))
    curves["products"] = ("0.35", "-", None)
    names["products"] = "matrix products alone"
    panels = list(dict.fromkeys(point["varies"] for point in results["growth"]))
    # Stack the panels in a narrow figure, which is legible on a phone.
    picture, axes = plt.subplots(len(panels), 1, figsize=(3.5, 7.5), sharey=True)
    for ax, varies in zip(axes, panels, strict=True):
        points = [point for point in results["growth"] if point["varies"] == varies]
        for who, (color, style, marker) in curves.items():
            own = sorted((p["value"], p["seconds"]) for p in points if p["who"] == who)
            look = {"color": color, "linestyle": style, "marker": marker}
            width = 2.5 if who == "products" else 1.5
            ax.loglog(
                *zip(*own, strict=True),
                **look,
                label=names[who],
                linewidth=width,
                markersize=4,
            )
        ax.set_xlabel(varies.replace("examples", "number of examples"))
        ax.set_ylabel("seconds per epoch")
        ticks = sorted({point["value"] for point in points})
        ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        ax.minorticks_off()
        ax.grid(color="0.9")
    handles = axes[0].get_legend_handles_labels()
    picture.legend(*handles, loc="upper center", ncols=2, columnspacing=1)
    picture.tight_layout(rect=(0, 0, 1, 0.91), pad=0.3)
    _save(picture, results, path)


@plt.rc_context(STYLE)
def draw_parts(results: dict[str, Any], path: Path) -> None:
    """Draw how the time of an epoch divides into parts."""
    _, rows = read_tables()["parts"]
    picture, ax = plt.subplots(figsize=(3.5, 3.6))
    place, names = 0.0, {}
    for module, samples in results["samples"].items():
        for library in ("original", "d2lutils"):
            parts = {
                label.partition(": ")[2]: figure(samples, formula)
                for label, formula in rows
                if label.replace("`", "").startswith(f"{library}: ")
                and formula.split(".")[0] in samples
            }
            if not parts:
                continue
            names[place], end = f"{TITLES[module]}, {library}", 0.0
            for part, seconds in parts.items():
                shade = {"color": SHADES[part], "label": part, "edgecolor": "white"}
                ax.barh(place, seconds, left=end, height=0.9, linewidth=0.5, **shade)
                end += seconds
            place += 1
        place += 0.6
    ax.set_yticks(list(names), list(names.values()))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(False, axis="y")
    ax.grid(True, axis="x")
    ax.invert_yaxis()
    ax.margins(y=0.02)
    ax.set_xlabel("seconds per epoch")
    handles, labels = ax.get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    picture.legend(shown.values(), shown, loc="upper left", ncols=2, columnspacing=1)
    picture.tight_layout(rect=(0, 0, 1, 0.88), pad=0.3)
    _save(picture, results, path)


def _save(picture: plt.Figure, results: dict[str, Any], path: Path) -> None:
    machine = results["machine"]
    about = (
        "Generated by `python -m benchmarks.report` from benchmarks/results.json, "
        f"measured on {machine['processor']}, {machine['cores']} cores."
    )
    picture.savefig(path, metadata={"Date": None, "Description": about})
    plt.close(picture)


def with_results(page: str, results: dict[str, Any]) -> str:
    """Return the page with the blocks between its comments updated."""
    for kind, blocks in ("table", tables(results)), ("text", texts(results)):
        for name, text in blocks.items():
            pattern = rf"(?s)(% {kind} {name}\n).*?(\n% end of {kind})"
            # No text contains a backslash, so we needn't escape it.
            page, count = re.subn(pattern, rf"\1\n{text}\n\2", page)
            if count != 1:
                where = f"{PAGE.name} must have one '% {kind} {name}'"
                raise ValueError(f"{where}, has {count}")
    return page


if __name__ == "__main__":
    if sys.argv[1:]:
        shutil.copy(sys.argv[1], RESULTS)
    found = json.loads(RESULTS.read_text("utf-8"))
    draw(found, PICTURE)
    draw_parts(found, PARTS)
    PAGE.write_text(with_results(PAGE.read_text("utf-8"), found), "utf-8")
