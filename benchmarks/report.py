"""Show what ``benchmarks`` measured: as a summary, and in the book.

``python -m benchmarks.report FILE`` publishes a file written by ``make bench``: it
becomes benchmarks/results.json, and its tables, its sentences and its curves go into
chapters/performance.md. Without FILE, the results that are there are shown again.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt

from benchmarks.cells import targets
from booktools import FRAMEWORKS
from d2lutils import plotting  # also fixes the identifiers within an SVG

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "chapters" / "performance.md"
PICTURES = (ROOT / "chapters" / "images" / "performance-growth.svg",)

TITLES = {each.module: each.title for each in FRAMEWORKS.values()}

BY_HAND = {
    "numpy_as_installed": "NumPy as installed",
    "numpy_avx2": "NumPy told of AVX2",
    "numpy_avx512": "NumPy told of AVX-512",
}
Figure = tuple[str, str]  # who, what
Row = tuple[str, Callable[["Measured"], float], str]  # label, figure, format


class Measured:
    """One framework's figures, each found by who did something and what it was."""

    def __init__(self, results: dict[str, Any], module: str) -> None:
        self.medians = results["medians"][module]
        self.samples = results["samples"][module]

    def __call__(self, who: str, name: str) -> float:
        """Return the median of a figure."""
        return self.medians[who][name]

    def ratio(self, over: Figure, under: Figure) -> float:
        """Return the median of the ratios, each of two figures of the same round."""
        rounds = (self.samples[who][name] for who, name in (over, under))
        return median(a / b for a, b in zip(*rounds, strict=True))


def rows() -> dict[str, tuple[str, list[Row]]]:
    """Return the tables by name, each with its head and its rows."""

    def row(
        label: str, who: str, name: str, scale: float = 1, form: str = ".2f"
    ) -> Row:
        return label, lambda of: of(who, name) * scale, form

    def less(label: str, all: Figure, part: Figure) -> Row:
        return label, lambda of: of(*all) - of(*part), ".2f"

    def ratio(label: str, over: Figure, under: Figure, form: str = ".1f") -> Row:
        return label, lambda of: of.ratio(over, under), form

    epoch = [
        row("five matrix products, NumPy", "numpy", "products"),
        row("training by hand, NumPy", "numpy", "train"),
        row("plain step, batches ready in memory", "peer", "plain"),
        row("`d2lutils`, training", "d2lutils", "train"),
    ]
    for name, title in (("epoch", "from scratch"), ("epoch_layers", "with layers")):
        ours, original = ("d2lutils", name), ("d2l", name)
        epoch += [
            row(f"whole epoch {title}, `d2lutils`", *ours),
            row(f"whole epoch {title}, original", *original),
            ratio(f"original / `d2lutils`, {title}", original, ours),
        ]
    parts = []
    for who, name in (("d2l", "original"), ("d2lutils", "`d2lutils`")):
        train, iterate = (who, "train"), (who, "iterate")
        parts += [
            row(f"{name}: making the batches", *iterate),
            less(f"{name}: the rest of training", train, iterate),
            row(f"{name}: evaluation", who, "evaluate"),
            row(f"{name}: one drawing", who, "draw"),
        ]
    parts.append(row("the framework's own loader", "peer", "own_loader"))
    by_hand = [
        ratio(name + note, ("pairs", own), ("pairs", who), ".2f")
        for own, note in (("d2lutils", ""), ("built_in_relu", "; built-in ReLU"))
        for who, name in BY_HAND.items()
    ]
    compiled = []
    for key, title in (("model", "from scratch"), ("layers", "with layers")):
        compiled += [
            row(f"{title}, as written", "compile", f"eager_{key}"),
            row(f"{title}, compiled", "compile", f"compile_{key}"),
            row(f"{title}, compiled: first epoch", "compile", f"compile_{key}_first"),
        ]
    stateful = [
        row(f"{title}, {how}", "compile", f"{key}_stateful_{name}", form=".0f")
        for name, title in (("printed", "lines printed"), ("counted", "`count`"))
        for key, how in (("eager", "as written"), ("compile", "compiled"))
    ]
    beyond = "first loading of the data beyond reading, s"
    start = [
        row("importing the framework, s", "d2lutils", "import_framework"),
        row("importing `d2lutils` beyond that, s", "d2lutils", "import_beyond"),
        less(beyond, ("d2lutils", "load_first"), ("d2lutils", "read")),
        row("later loading, ms", "d2lutils", "load_later", 1000),
        row("section with 5 epochs, original, s", "d2l", "section", form=".1f"),
        row("section with 5 epochs, `d2lutils`, s", "d2lutils", "section", form=".1f"),
        row("peak memory, original, GB", "d2l", "memory", 1e-9),
        row("peak memory, `d2lutils`, GB", "d2lutils", "memory", 1e-9),
    ]
    return {
        "epoch": ("seconds per epoch", epoch),
        "parts": ("seconds per epoch", parts),
        "numpy": ("training / training by hand", by_hand),
        "compile": ("seconds per epoch of training", compiled),
        "stateful": ("after one epoch", stateful),
        "start": ("at the start", start),
    }


def cells(results: dict[str, Any], row: Row) -> list[str]:
    """Return a row's figures, one per framework; a dash where one was not measured."""
    _, figure, form = row
    shown = []
    for module in results["medians"]:
        try:
            shown.append(format(figure(Measured(results, module)), form))
        except KeyError:
            shown.append("–")
    return shown


def markdown_table(lines: list[list[str]]) -> str:
    """Return a table of these lines of cells."""
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Return the page's tables, by name, as Markdown."""
    titles = [TITLES[module] for module in results["medians"]]
    made = {}
    for name, (head, lines) in rows().items():
        shown = [[head, *titles], ["---"] * (len(titles) + 1)]
        for line in lines:
            figures = cells(results, line)
            if set(figures) != {"–"}:
                shown.append([line[0], *figures])
        made[name] = markdown_table(shown)
        if len(shown) == 2:
            made[name] = "*Not measured yet: run `make bench`.*"
    return made


def texts(results: dict[str, Any]) -> dict[str, str]:
    """Return the page's sentences that hold figures, by name."""
    about = results["machine"]
    processor = re.sub(r"\(\w+\)", "", about["processor"])
    seconds = {
        (point["who"], point["value"]): point["seconds"]
        for point in results["growth"]
        if point["varies"] == "batch size"
    }

    def gain(small: int, large: int) -> str:
        return ", ".join(
            f"{seconds[who, small] / seconds[who, large]:.1f} ({title})"
            for who, title in TITLES.items()
            if (who, small) in seconds
        )

    return {
        "machine": (
            f"The computer: {processor}, {about['cores']} cores in use, "
            f"{about['system']}, Python {about['python']}, no graphics card. Measured "
            f"on {about['date']}; number of rounds: {results['rounds']}."
        ),
        "batch": (
            f"Here an epoch with batches of 16 takes {gain(16, 256)} times as long as "
            f"one with batches of 256, and that {gain(256, 4096)} times as long as one "
            "with batches of 4,096."
        ),
    }


def summary(results: dict[str, Any]) -> str:
    """Return all the tables as plain text, and which targets were met."""
    about = results["machine"]
    lines = [
        f"{about['processor']}, {about['cores']} cores, {about['system']}, "
        f"Python {about['python']}; medians of {results['rounds']} rounds"
    ]
    for head, table in rows().values():
        titles = "".join(f"{TITLES[module]:>12}" for module in results["medians"])
        lines += ["", f"{head:48}{titles}"]
        for row in table:
            figures = "".join(f"{figure:>12}" for figure in cells(results, row))
            lines.append(f"{row[0]:48}{figures}")
    return "\n".join([*lines, "", *_targets(results)])


def _targets(results: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each target, saying whether it was met."""
    for module in results["medians"]:
        of = Measured(results, module)
        for name, target in targets(module, results["machine"]["processor"]).items():
            who, part = ("pairs", "d2lutils") if name in BY_HAND else ("d2l", name)
            if name in of.medians.get(who, {}):
                under = (who if name in BY_HAND else "d2lutils", name)
                ratio = of.ratio((who, part), under)
                met = ratio <= target if name in BY_HAND else ratio >= target
                word = "met" if met else "MISSED"
                yield f"{TITLES[module]}, {name}: {ratio:.2f}, target {target}: {word}"


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw seconds per epoch over what varies, one panel below the other."""
    plt.rcParams["font.size"] = 9
    measured = [who for who in TITLES if who in results["medians"]]
    who_is = {who: TITLES[who] for who in measured} | {"numpy": "NumPy by hand"}
    # However many curves there are: where colors begin again, markers still differ.
    looks = map(itertools.cycle, (plotting.COLORS, plotting.LINE_STYLES, "os^DvXP"))
    curves = dict(zip(who_is, zip(*looks, strict=True), strict=False))
    curves["products"] = ("0.35", "-", None)
    who_is["products"] = "matrix products alone"
    panels = list(dict.fromkeys(point["varies"] for point in results["growth"]))
    # Narrow, with the panels stacked, so that it is legible on a telephone.
    figure, axes = plt.subplots(len(panels), 1, figsize=(3.5, 7.5), sharey=True)
    for ax, varies in zip(axes, panels, strict=True):
        for who, (color, style, marker) in curves.items():
            points = sorted(
                (point["value"], point["seconds"])
                for point in results["growth"]
                if point["who"] == who and point["varies"] == varies
            )
            ax.loglog(
                *zip(*points, strict=True),
                color=color,
                linestyle=style,
                marker=marker,
                markersize=4,
                label=who_is[who],
                linewidth=2.5 if who == "products" else 1.5,
            )
        ax.set_xlabel(varies.replace("examples", "number of examples"))
        ax.set_ylabel("seconds per epoch")
        ticks = sorted({p["value"] for p in results["growth"] if p["varies"] == varies})
        ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        ax.minorticks_off()
        ax.grid(color="0.9")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="upper center", ncols=2, columnspacing=1)
    figure.tight_layout(rect=(0, 0, 1, 0.91), pad=0.3)
    machine = results["machine"]
    about = (
        "Generated by `python -m benchmarks.report` from benchmarks/results.json, "
        f"measured on {machine['processor']}, {machine['cores']} cores."
    )
    figure.savefig(path, metadata={"Date": None, "Description": about})
    plt.close(figure)


def with_results(page: str, results: dict[str, Any]) -> str:
    """Return the page with its figures replaced."""
    return with_blocks(page, PAGE, {"table": tables(results), "text": texts(results)})


def with_blocks(page: str, path: Path, kinds: dict[str, dict[str, str]]) -> str:
    """Return the page with its blocks replaced: each lies between comments."""
    for kind, blocks in kinds.items():
        for name, text in blocks.items():
            pattern = rf"(?s)(% {kind} {name}\n).*?(\n% end of {kind})"
            # No block holds a backslash, so it can stand in a replacement.
            page, count = re.subn(pattern, rf"\1\n{text}\n\2", page)
            if count != 1:
                where = f"{path.name} must have one '% {kind} {name}'"
                raise ValueError(f"{where}, has {count}")
    return page


def show(benchmark: ModuleType) -> None:
    """Bring a benchmark's results into its pictures and its page."""
    found = json.loads(benchmark.RESULTS.read_text("utf-8"))
    benchmark.draw(found, *benchmark.PICTURES)
    page = benchmark.with_results(benchmark.PAGE.read_text("utf-8"), found)
    benchmark.PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        shutil.copy(sys.argv[1], RESULTS)
    show(sys.modules[__name__])
