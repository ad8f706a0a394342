"""Measure this project beside the original library and the frameworks' own tools.

``make bench`` runs this. For each framework, one Jupyter kernel with this project and
one with the original library (d2l 0.17.6, in an environment of its own) run the same
cells in turn, A/B/A/B, so that whatever else the machine does affects both. What counts
is the medians of the rounds and, for a ratio, the median of the ratios within each
round. They are printed as tables and written as JSON, which ``python -m
benchmarks.report`` puts into the book.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import cells, original
from benchmarks.kernels import Kernel, figures_in
from benchmarks.report import summary
from booktools import FRAMEWORKS
from d2lutils import fashion_mnist

ROOT = Path(__file__).parents[1]
# Seconds before each turn, so that nothing of the last one is left: worker processes
# that are still ending, threads that wait for more work and meanwhile hold a processor.
REST = 1.0
# How many epochs a measured training has. The original takes several times as long for
# one, and draws each: a few are like all of them.
EPOCHS = {"d2lutils": 6, "d2l": 2}
# Per round, single epochs of ours and of NumPy, one right after the other, so that both
# meet the machine in the same state. A ratio between them needs that.
PAIRS = 2
# Growth: one thing varies while the others stay at the section's settings. Batch sizes
# and widths are measured on part of the examples, and scaled up.
PART, ALL = 8192, 60000
FIXED = {"batch size": cells.BATCH_SIZE, "hidden width": 256, "examples": PART}
VARIED = {
    "batch size": (16, 64, 256, 1024, 4096),
    "hidden width": (64, 256, 1024, 4096),
    "examples": (1024, 4096, 15360, ALL),
}
# who -> what -> one value per round
Figures = dict[str, dict[str, list[float]]]


def main() -> None:
    """Measure as the command line says."""
    arguments = parse()
    modules = arguments.only or available()
    results: dict[str, Any] = {
        "machine": machine(),
        "rounds": arguments.rounds,
        "unit": "seconds; bytes for memory; lines printed; batches counted",
        "growth": [],
    }
    samples = {name: defaultdict(lambda: defaultdict(list)) for name in modules}
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), arguments.original)
        for module, figures in samples.items():
            in_kernels(place, module, figures, arguments.rounds)
            compiled(place, module, figures)
            in_processes(place, module, figures, arguments.rounds)
            write(arguments.output, results, samples)
        for who in (*modules, "numpy"):
            say(f"{who}: growth")
            results["growth"] += growth(place, who, 2 if arguments.quick else 1)
        write(arguments.output, results, samples)
    print(summary(json.loads(arguments.output.read_text())))
    print(f"written: {arguments.output}")


def available() -> list[str]:
    """List the modules of the frameworks that can be measured here, and say why not."""
    found = []
    for module in (each.module for each in FRAMEWORKS.values()):
        if not (cells.FOLDER / f"{module}.txt").is_file():
            say(f"{module}: left out, because it has no file in benchmarks/frameworks")
        elif subprocess.run(
            [sys.executable, "-c", f"import d2lutils.{module}"], capture_output=True
        ).returncode:
            say(f"{module}: left out, because it is not installed")
        else:
            found.append(module)
    return found


def write(path: Path, results: dict[str, Any], samples: dict[str, Figures]) -> None:
    """Write what has been measured so far, with the medians."""
    results["samples"] = samples
    results["medians"] = {
        module: {
            who: {name: median(values) for name, values in figures.items()}
            for who, figures in parts.items()
        }
        for module, parts in samples.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    add = parser.add_argument
    add("--original", help="the Python that has the original library (default: none)")
    add("--output", type=Path, default=Path("_build/benchmark.json"), help="JSON file")
    add("--rounds", type=int, default=3, help="turns of each library (default: 3)")
    add(
        "--only", action="append", help="a module to measure, such as torch; repeatable"
    )
    add(
        "--quick", action="store_true", help="one round and fewer points: rough figures"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = 1
    return arguments


class Place:
    """The processes to measure in, and the data where each library looks for it.

    Args:
        folder: A temporary folder.
        python: The Python to run the original with; ``None`` to go without it.
    """

    def __init__(self, folder: Path, python: str | None) -> None:
        self.pythons = {"d2lutils": sys.executable}
        if python:
            self.pythons["d2l"] = os.path.abspath(python)
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir()
        self.data = Path(str(fashion_mnist.DATA))
        for place in original.DATA_FOLDERS:
            (folder / place).mkdir(parents=True)
            for name in fashion_mnist.FILES:
                (folder / place / name).symlink_to(self.data / name)

    def libraries(self, module: str) -> list[str]:
        """List the libraries that offer a framework."""
        found = []
        for name, python in self.pythons.items():
            site = Path(python).parents[1].glob("lib/*/site-packages")
            its = any((path / f"d2l/{module}.py").is_file() for path in site)
            found += [name] if name == "d2lutils" or its else []
        return found

    def env(self, **more: str) -> dict[str, str]:
        """Return a reader's environment, without hints for OpenBLAS."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        env.pop("MPLBACKEND", None)
        return env | {
            "BENCHMARK_DATA": str(self.data),
            "KERAS_HOME": str(self.folder / "keras"),
            "MXNET_HOME": str(self.folder / "mxnet"),
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **more,
        }

    def kernel(self, library: str = "d2lutils", **env: str) -> Kernel:
        """Start a kernel, as a notebook has one."""
        kernel = Kernel(self.pythons[library], self.env(**env), self.work)
        kernel.run(cells.TOOLS)
        return kernel

    def process(self, library: str, code: str) -> dict[str, Any]:
        """Run code in a fresh process; return its figures and its ``wall`` time."""
        start = time.perf_counter()
        done = subprocess.run(
            [self.pythons[library], "-c", cells.TOOLS + code],
            env=self.env(MPLBACKEND="agg"),
            cwd=self.work,
            capture_output=True,
            text=True,
        )
        wall = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(done.stderr)
        return figures_in(done.stdout) | {"wall": wall}


def preparation(library: str, module: str) -> str:
    """Return what has to run before the library is imported."""
    code = cells.parts(module).get("before", "")
    if library == "d2l":
        code += f"from benchmarks import original\noriginal.prepare({module!r})\n"
    return code


def section(library: str, module: str, part: str = "model") -> str:
    """Return the code of the section, up to the training."""
    return (
        preparation(library, module)
        + cells.imports(module, library)
        + cells.LOAD
        + cells.parts(module)[part]
    )


def in_kernels(place: Place, module: str, figures: Figures, rounds: int) -> None:
    """Measure in kernels, in turn."""
    parts = cells.parts(module)
    with ExitStack() as stack:

        def kernel(*code: str, library: str = "d2lutils", **env: str) -> Kernel:
            opened = stack.enter_context(place.kernel(library, **env))
            opened.run("".join(code))
            return opened

        def ready(network: str) -> dict[str, Kernel]:
            return {
                name: kernel(
                    section(name, module, network), cells.WARM_UP, library=name
                )
                for name in place.libraries(module)
            }

        scratch, layers = ready("model"), ready("layers")
        own = section("d2lutils", module) + cells.PEER_DATA
        peer = kernel(own, parts["peer"], "plain()")
        hand = cells.parts("numpy")
        numpy = hand["imports"] + hand["model"] + cells.WARM_UP
        by_hand = {name: kernel(numpy, **env) for name, env in openblas_hints().items()}
        fastest = list(by_hand.values())[-1]
        for i in range(rounds):
            say(f"{module}: round {i + 1} of {rounds}")
            for library in scratch:
                epoch, epoch_layers = (
                    cells.TRAINING.format(epochs=EPOCHS[library], name=name)
                    for name in ("epoch", "epoch_layers")
                )
                time.sleep(REST)
                for cell in (cells.ROUND, epoch, cells.DRAW):
                    note(figures[library], scratch[library].run(cell))
                time.sleep(REST)
                note(figures[library], layers[library].run(epoch_layers))
            time.sleep(REST)
            note(figures["peer"], peer.run(cells.PEER_ROUND))
            time.sleep(REST)
            note(figures["numpy"], fastest.run(cells.NUMPY_ROUND))
        say(f"{module}: {PAIRS * rounds} epochs beside NumPy")
        peer.run(parts["built-in relu"] + cells.WARM_UP)
        in_turn = {"d2lutils": scratch["d2lutils"], "built_in_relu": peer, **by_hand}
        for _ in range(PAIRS * rounds):
            for name, opened in in_turn.items():
                time.sleep(REST / 2)
                note(figures["pairs"], {name: opened.run(cells.EPOCH)["train"]})


def compiled(place: Place, module: str, figures: Figures) -> None:
    """Measure what compiling saves, and what becomes of code that keeps state."""
    say(f"{module}: compiling")
    parts = cells.parts(module)
    compiling = {name: parts.get(f"compile {name}") for name in ("model", "layers")}
    # name, network to begin with, cell to measure by, code before each measurement
    plans = [
        (name, name, cells.COMPILED, (parts.get(f"eager {name}", ""), code))
        for name, code in compiling.items()
    ]
    if "stateful" in parts:
        code = compiling["model"] or compiling["layers"]
        plans.append(("stateful", "model", cells.STATEFUL, (parts["stateful"], code)))
    for name, network, cell, codes in plans:
        with place.kernel() as kernel:
            kernel.run(section("d2lutils", module, network))
            for how, code in zip(("eager", "compile"), codes, strict=True):
                if code is not None:
                    kernel.run(code)
                    time.sleep(REST)
                    got = kernel.run(cell.format(name=f"{how}_{name}"))
                    note(figures["compile"], got)


def in_processes(place: Place, module: str, figures: Figures, rounds: int) -> None:
    """Measure imports, the loading of the data and the section in processes."""
    for i in range(rounds):
        say(f"{module}: start {i + 1} of {rounds}")
        for library in place.libraries(module):
            prepared = preparation(library, module)
            code = cells.START.format(module=module, library=library)
            got = place.process(library, prepared + code)
            del got["wall"]
            if library == "d2l":  # its preparation imports the framework itself
                del got["import_framework"], got["import_beyond"]
            note(figures[library], got)
    for library in place.libraries(module):
        got = place.process(library, section(library, module) + cells.SECTION)
        got["section"] = got.pop("wall")
        note(figures[library], got)


def growth(place: Place, who: str, step: int) -> list[dict[str, Any]]:
    """Measure how an epoch grows with batch size, hidden width and examples.

    The seconds of a point are those of 60,000 examples, unless examples are varied.
    """
    parts, cell, hint = cells.parts(who), cells.GROWTH.format(who=who), {}
    start = parts["imports"]
    if who == "numpy":
        cell += cells.GROWTH_PRODUCTS
        hint = list(openblas_hints().values())[-1]
    else:
        start = cells.imports(who)
    points = []
    with place.kernel(**hint) as kernel:
        kernel.run(start)
        for varies, values in VARIED.items():
            for value in values[::step]:
                batch_size, width, n = (FIXED | {varies: value}).values()
                part = cells.GROWTH_PART.format(batch_size=batch_size, width=width, n=n)
                scale = 1 if varies == "examples" else ALL / PART
                for name, seconds in kernel.run(part + parts["model"] + cell).items():
                    point = {"who": name, "varies": varies, "value": value}
                    points.append({**point, "seconds": seconds * scale})
    return points


def note(samples: dict[str, list[float]], figures: dict[str, float]) -> None:
    """Add one sample of each figure."""
    for name, value in figures.items():
        samples[name].append(value)


def openblas_hints() -> dict[str, dict[str, str]]:
    """Return what NumPy's OpenBLAS may be told about this processor, the best last.

    Without a hint it runs code written for processors of 2007 on some of 2024.
    """
    flags = processor().get("flags", "").split()
    hints: dict[str, dict[str, str]] = {"numpy_as_installed": {}}
    if "avx2" in flags:
        hints["numpy_avx2"] = {"OPENBLAS_CORETYPE": "HASWELL"}
    if "avx512vl" in flags:
        hints["numpy_avx512"] = {"OPENBLAS_CORETYPE": "SKYLAKEX"}
    return hints


def processor() -> dict[str, str]:
    """Return what Linux says about the first processor; nothing on other systems."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def machine() -> dict[str, Any]:
    """Return what a reader of the figures must know about the machine."""
    return {
        "date": date.today().isoformat(),
        "processor": processor().get("model name", platform.processor()),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def say(message: str) -> None:
    """Report progress."""
    print(message, file=sys.stderr)


if __name__ == "__main__":
    main()
