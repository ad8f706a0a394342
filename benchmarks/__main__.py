"""Measure this project against the original library and plain programs.

``make bench`` runs this. For each framework, Jupyter kernels with this project and with
the original library (d2l 0.17.6, in its own environment) run the book's sections in
turn, A/B/A/B, so other load on the machine affects both. We report medians over the
rounds. For a ratio, we take the median of the ratios in each round. Tables are printed,
and all results go into a JSON file, which ``python -m benchmarks.report`` puts into the
book.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import original
from benchmarks.kernels import Run, kernel
from benchmarks.report import ROOT, tables
from booktools import FRAMEWORKS, Framework, absence, missing_modules
from booktools.source.sections import read_section
from d2lutils import fashion_mnist

OURS = "d2lutils"
SCRATCH, LAYERS = "mlp-scratch", "mlp-concise"
# Seconds to wait before each turn, because worker processes of the last one may still
# be ending, and idle threads may still spin.
REST = 1.0
# Epochs of a measured training run. We run fewer with the original, because each of its
# epochs takes several times as long and is drawn.
EPOCHS = {OURS: 6, "d2l": 2}
# Growth: we vary one of these, and keep the section's value of the other. We use only
# part of the examples and scale the time up.
PART, ALL = 8192, 60000
VARIED = {
    "batch size": (16, 64, 256, 1024, 4096),
    "hidden width": (64, 256, 1024, 4096),
}
# Opens the measurements of a framework.
OPEN = "from benchmarks.frameworks.{} import Measured\nwork = Measured({})\n"
Samples = dict[str, list[float]]  # one value per round, by name


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    add, output = parser.add_argument, Path("_build/benchmark.json")
    add("--original", help="the Python that has the original library (default: none)")
    add("--output", type=Path, default=output, help="JSON file")
    add("--only", action="append", choices=FRAMEWORKS, help="repeat it for several")
    add("--quick", action="store_true", help="one round, fewer points, rough figures")
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)

    rounds, step = (1, 2) if arguments.quick else (3, 1)
    samples: dict[str, dict[str, Samples]] = {}
    results = {"machine": machine(rounds), "unit": "seconds, bytes", "samples": samples}
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), arguments.original)
        try:
            results["growth"] = [*growth(place, "numpy", by_hand, step)]
            for tag in arguments.only or FRAMEWORKS:
                if missing := missing_modules(tag):
                    say(f"{tag} is left out: {absence(missing)}")
                    continue
                framework = FRAMEWORKS[tag]
                own = samples[framework.module] = defaultdict(lambda: defaultdict(list))
                measure_training(place, framework, own, rounds)
                measure_compiling(place, framework, own["compile"])
                measure_start(place, framework, own, rounds)
                code = partial(section, OURS, framework, SCRATCH)
                results["growth"] += growth(place, framework.module, code, step)
        finally:
            arguments.output.write_text(json.dumps(results, indent=1) + "\n")
    print(*tables(json.loads(arguments.output.read_text())).values(), sep="\n\n")
    print(f"\nwritten: {arguments.output}")


class Place:
    """Where to run code with each library, and where each finds the data.

    Args:
        folder: A temporary folder.
        python: The Python to run the original with, or ``None`` to leave it out.
    """

    def __init__(self, folder: Path, python: str | None) -> None:
        self.pythons = {OURS: sys.executable}
        if python:
            self.pythons["d2l"] = os.path.abspath(python)
        self.work = folder / "work"
        self.work.mkdir()
        for place in original.DATA_FOLDERS:
            (folder / place).mkdir(parents=True)
            for name in fashion_mnist.FILES:
                (folder / place / name).symlink_to(str(fashion_mnist.DATA / name))
        # An ordinary user's environment, without hints for OpenBLAS.
        hints = "OPENBLAS_", "MPLBACKEND"
        env = {k: v for k, v in os.environ.items() if not k.startswith(hints)}
        self.env = env | {
            "KERAS_HOME": str(folder / "keras"),
            "MXNET_HOME": str(folder / "mxnet"),
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def libraries(self, framework: Framework) -> list[str]:
        """List the libraries that offer a framework."""
        its = f"lib/*/site-packages/d2l/{framework.module}.py"
        return [
            name
            for name, python in self.pythons.items()
            if name == OURS or any(Path(python).parents[1].glob(its))
        ]

    def kernel(self, code: str, library: str = OURS) -> AbstractContextManager[Run]:
        """Start a kernel like that of a notebook, and run code in it."""
        return kernel(self.pythons[library], self.env, self.work, code)


def section(
    library: str, framework: Framework, name: str, width: int = 256, batch: int = 256
) -> str:
    """Return the code of a section of the book, up to its first training run."""
    path = ROOT / "chapters" / f"{name}.md"
    cells = read_section(path.read_text("utf-8"), path).code_cells(framework.tag)
    # Claims hold only for the section's own sizes.
    code = "\n".join(cell.source for cell in cells if "claim" not in cell.tags)
    code = code[: re.search(r"^.*\btrain_ch3\(", code, re.M).start()]
    code = code.replace("784, 10, 256", f"784, 10, {width}")
    code = code.replace("batch_size = 256", f"batch_size = {batch}")
    if library != OURS:
        code = re.sub(r"d2l\.set_seed\(.*\n", "", code)
        code = code.replace(f"from {OURS} import", f"from {library} import")
        prepare = f"original.prepare({framework.module!r})\n"
        code = "from benchmarks import original\n" + prepare + code
    return code + OPEN.format(framework.module, "globals()")


def by_hand(width: int = 256, batch: int = 256) -> str:
    """Return the code of the same network in NumPy, with the fastest OpenBLAS.

    Without a hint, OpenBLAS uses code from 2007 on some processors from 2024.
    """
    code, flags = OPEN.format("numpy", f"{width}, {batch}"), processor("flags").split()
    for flag, name in ("avx512vl", "SKYLAKEX"), ("avx2", "HASWELL"):
        if flag in flags:
            return f"import os\nos.environ['OPENBLAS_CORETYPE'] = {name!r}\n{code}"
    return code


def measure_training(
    place: Place, framework: Framework, samples: dict[str, Samples], rounds: int
) -> None:
    """Measure training in kernels that take turns."""
    turns = []
    with ExitStack() as stack:

        def add_turn(who: str, code: str, cell: str, library: str = OURS) -> None:
            run = stack.enter_context(place.kernel(code, library))
            turns.append((who, run, cell))

        own = section(OURS, framework, SCRATCH)
        add_turn("peer", own, "dict(plain=work.plain_epoch())")
        add_turn("numpy", by_hand(), "work.by_hand()")
        for library in place.libraries(framework):
            epoch = f"work.whole_epoch({EPOCHS[library]})"
            scratch = section(library, framework, SCRATCH)
            add_turn(library, scratch, f"dict(work.parts(), epoch={epoch})", library)
            layers = section(library, framework, LAYERS)
            add_turn(library, layers, f"dict(epoch_layers={epoch})", library)
        for i in range(rounds):
            say(f"{framework.title}: round {i + 1} of {rounds}")
            for who, run, cell in turns:
                time.sleep(REST)
                add_sample(samples[who], run(cell))


def measure_compiling(place: Place, framework: Framework, samples: Samples) -> None:
    """Measure how much time compiling saves."""
    say(f"{framework.title}: compiling")
    for name, model in (SCRATCH, "model"), (LAYERS, "layers"):
        with place.kernel(section(OURS, framework, name)) as run:
            for how, on in ("eager", False), ("compile", True):
                add_sample(samples, run(f"work.compiling('{how}_{model}', {on})"))


def measure_start(
    place: Place, framework: Framework, samples: dict[str, Samples], rounds: int
) -> None:
    """Measure imports, loading the data, and a whole section in fresh kernels."""
    say(f"{framework.title}: start")
    steps = {
        "import_framework": f"import {framework.module}",
        "import_beyond": f"from {OURS} import {framework.module} as d2l",
        "load_first": "data = d2l.load_data_fashion_mnist(256)",
    }
    for _ in range(rounds):
        with place.kernel("") as run:
            for name, code in steps.items():
                begun = time.perf_counter()
                run(code)
                add_sample(samples[OURS], {name: time.perf_counter() - begun})
    for library in place.libraries(framework):
        begun = time.perf_counter()
        with place.kernel(section(library, framework, SCRATCH), library) as run:
            add_sample(samples[library], run("work.whole()"))
            add_sample(samples[library], {"section": time.perf_counter() - begun})


def growth(
    place: Place, who: str, code: Callable[[int, int], str], step: int
) -> Iterator[dict[str, Any]]:
    """Measure how an epoch of 60,000 examples grows with batch size and hidden width.

    ``code`` makes the code to run from the hidden width and the batch size.
    """
    say(f"{who}: growth")
    with place.kernel("") as run:
        for varies, values in VARIED.items():
            for value in values[::step]:
                sizes = {"batch size": 256, "hidden width": 256, varies: value}
                batch, width = sizes.values()
                run(code(width, batch))
                for name, seconds in run(f"work.growth({PART // batch})").items():
                    point = {"who": who if name == "epoch" else name, "varies": varies}
                    yield point | {"value": value, "seconds": seconds * ALL / PART}


def add_sample(samples: Samples, figures: dict[str, float]) -> None:
    """Add one sample of each figure."""
    for name, value in figures.items():
        samples[name].append(value)


def processor(field: str) -> str:
    """Return what Linux says about the first processor, or "" on other systems."""
    about = Path("/proc/cpuinfo")
    text = about.read_text() if about.exists() else ""
    found = re.search(rf"^{field}\s*: (.*)", text, re.M)
    return found[1] if found else ""


def machine(rounds: int) -> str:
    """Describe the machine for readers of the results."""
    cores, name = len(os.sched_getaffinity(0)), processor("model name")
    name, day = re.sub(r"\(\w+\)", "", name or platform.processor()), date.today()
    return (
        f"The computer ran {platform.system()} and Python {platform.python_version()} "
        f"on {cores} cores ({name}) and had no graphics card. We took most "
        f"measurements in {rounds} rounds, on {day:%B} {day.day}, {day.year}."
    )


def say(message: str) -> None:
    """Report progress."""
    print(message, file=sys.stderr)


if __name__ == "__main__":
    main()
