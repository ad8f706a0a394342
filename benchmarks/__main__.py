"""Measure this project beside the original library and the frameworks' own tools.

``make bench`` runs this. For each framework, one Jupyter kernel with this project and
one with the original library (d2l 0.17.6, in an environment of its own) run the same
cells by turns, A/B/A/B, so that whatever else the machine does meets both. What counts
is the medians, and the ratios of the medians; they are printed as tables and written
as JSON. The curves of growth follow, unless told otherwise.
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
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import cells, growth
from benchmarks.kernels import Kernel, figures_in
from benchmarks.tables import tables

FRAMEWORKS = ("mxnet", "torch", "tensorflow")
HERE = Path(__file__).parent
# Seconds before each turn, so that what the turn before has left behind is over:
# workers that end, threads that wait for more work and meanwhile hold a processor.
REST = 1.0
# Per round, single epochs, ours and NumPy's right after one another, so that both meet
# the same moment of the machine: what a ratio between them needs.
PAIRS = 3
# who -> what -> one value per round
Figures = dict[str, dict[str, list[float]]]


def main() -> None:
    """Measure as the command line says."""
    arguments = parse()
    frameworks = arguments.only or FRAMEWORKS
    results: dict[str, Any] = {
        "machine": machine(),
        "rounds": arguments.rounds,
        "scripts": arguments.scripts,
        "clock": "processor" if arguments.processor else "wall",
        "unit": "seconds; bytes for memory; drawing_share is a share",
        "growth": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), arguments.original)
        samples = {name: defaultdict(lambda: defaultdict(list)) for name in frameworks}
        for framework, figures in samples.items():
            in_kernels(place, framework, figures, arguments.rounds, arguments.epochs)
        for framework, figures in samples.items():
            starts(place, framework, figures, arguments.rounds)
        write(arguments.output, results, samples)
        if not arguments.no_growth:
            say("curves of growth")
            results["growth"] = growth.measure(
                place.kernel, arguments.quick, list(openblas_hints().values())[-1]
            )
            write(arguments.output, results, samples)
        for i in range(arguments.scripts):
            for framework, figures in samples.items():
                say(f"{framework}: whole run {i + 1} of {arguments.scripts}")
                whole_run(place, framework, figures)
    write(arguments.output, results, samples)
    print(tables(results))
    print(f"written: {arguments.output}")


def write(path: Path, results: dict[str, Any], samples: dict[str, Figures]) -> None:
    """Write what there is so far, with the medians."""
    results["samples"] = samples
    results["medians"] = {
        framework: {
            who: {name: median(values) for name, values in figures.items()}
            for who, figures in parts.items()
        }
        for framework, parts in samples.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--original", help="Python of the original's environment")
    parser.add_argument("--output", type=Path, default=Path("_build/benchmark.json"))
    parser.add_argument("--rounds", type=int, default=5, help="rounds A/B (default 5)")
    parser.add_argument("--scripts", type=int, default=5, help="rounds of whole runs")
    parser.add_argument("--epochs", type=int, default=10, help="epochs per training")
    parser.add_argument(
        "--only", choices=FRAMEWORKS, action="append", help="one framework"
    )
    parser.add_argument(
        "--processor",
        action="store_true",
        help="count the processors' time, with one thread per library: for a machine "
        "that is busy with other work",
    )
    parser.add_argument("--no-growth", action="store_true", help="no curves of growth")
    parser.add_argument("--quick", action="store_true", help="a look, in few minutes")
    arguments = parser.parse_args()
    if arguments.processor:
        os.environ |= {
            "BENCHMARK_CLOCK": "processor",
            "OMP_NUM_THREADS": "1",
            "TF_NUM_INTRAOP_THREADS": "1",
            "TF_NUM_INTEROP_THREADS": "1",
        }
    if arguments.quick:
        arguments.rounds, arguments.scripts, arguments.epochs = 2, 1, 2
    return arguments


class Place:
    """The processes to measure in, and the data where each library looks for it.

    Args:
        folder: A temporary folder.
        original: Python of the original's environment; ``None`` to go without.
    """

    def __init__(self, folder: Path, original: str | None) -> None:
        self.pythons = {"d2lutils": sys.executable}
        if original:
            self.pythons["d2l"] = os.path.abspath(original)
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir()
        self.data = official_data()
        for place in (
            "data/FashionMNIST/raw",  # torchvision: ../data
            "mxnet/datasets/fashion-mnist",
            "keras/datasets/fashion-mnist",
        ):
            (folder / place).mkdir(parents=True)
            for file in self.data.glob("*-ubyte.gz"):
                (folder / place / file.name).symlink_to(file)

    def env(self, **more: str) -> dict[str, str]:
        """A reader's environment: without hints to OpenBLAS about this processor."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        return env | {
            "BENCHMARK_DATA": str(self.data),
            "D2LUTILS_DATA": str(self.data),
            "D2LUTILS_SOURCE": "official",
            "KERAS_HOME": str(self.folder / "keras"),
            "MXNET_HOME": str(self.folder / "mxnet"),
            "MPLBACKEND": "agg",
            "PYTHONPATH": str(HERE.parent),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **more,
        }

    def kernel(self, library: str = "d2lutils", **env: str) -> Kernel:
        """Start a notebook."""
        settings = self.env(**env)
        del settings["MPLBACKEND"]  # the kernel's own draws into the notebook
        kernel = Kernel(self.pythons[library], settings, self.work)
        kernel.run(cells.TOOLS)
        return kernel

    def process(self, library: str, code: str) -> dict[str, Any]:
        """Run code in a fresh process; return its figures and its ``wall`` time."""
        start = time.perf_counter()
        done = subprocess.run(
            [self.pythons[library], "-c", cells.TOOLS + code],
            env=self.env(),
            cwd=self.work,
            capture_output=True,
            text=True,
        )
        wall = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(done.stderr)
        return figures_in(done.stdout) | {"wall": wall}


def official_data() -> Path:
    """Return the folder of the official files, downloaded if need be."""
    import pooch

    os.environ["D2LUTILS_SOURCE"] = "official"
    from d2lutils import fashion_mnist

    fashion_mnist.load()
    return Path(os.environ.get("D2LUTILS_DATA") or pooch.os_cache("d2lutils")).resolve()


def preparation(library: str, framework: str) -> str:
    """What has to run before the library is imported."""
    if library == "d2lutils":
        return ""
    return f"from benchmarks import original\noriginal.prepare({framework!r})\n"


def section(library: str, framework: str) -> str:
    """The section's code up to the training."""
    return (
        preparation(library, framework)
        + cells.IMPORTS[framework].format(library=library)
        + cells.LOAD
        + cells.MODEL[framework].format(width=256)
    )


def in_kernels(
    place: Place, framework: str, figures: Figures, rounds: int, epochs: int
) -> None:
    """Measure in notebooks, by turns."""
    libraries = {name: place.kernel(name) for name in place.pythons}
    for library, kernel in libraries.items():
        kernel.run(section(library, framework))
        kernel.run(cells.WATCH_DRAWING + cells.WARM_UP)
    peer = place.kernel()
    peer.run(section("d2lutils", framework))
    peer.run(cells.PEER_DATA + cells.PEER[framework] + "plain()")
    by_hand = {name: place.kernel(**hint) for name, hint in openblas_hints().items()}
    for kernel in by_hand.values():
        kernel.run(cells.NUMPY + cells.NUMPY_MODEL.format(width=256) + "train()")
    fastest = list(by_hand.values())[-1]
    for i in range(rounds):
        say(f"{framework}: round {i + 1} of {rounds}")
        for library, kernel in libraries.items():
            # The original draws in every epoch: a few are like all of them.
            length = epochs if library == "d2lutils" else min(epochs, 3)
            training = cells.TRAINING.format(epochs=length)
            time.sleep(REST)
            for cell in (cells.ROUND, training, cells.DRAW):
                note(figures[library], kernel.run(cell))
        time.sleep(REST)
        note(figures["peer"], peer.run(cells.PEER_ROUND))
        time.sleep(REST)
        note(figures["numpy"], fastest.run(cells.NUMPY_ROUND))
    say(f"{framework}: {PAIRS * rounds} epochs beside NumPy")
    peer.run(cells.BUILT_IN_RELU[framework] + cells.WARM_UP)
    epochs_of = {
        "d2lutils": (libraries["d2lutils"], cells.TRAIN_ONCE),
        "built_in_relu": (peer, cells.TRAIN_ONCE),
        **{name: (kernel, cells.NUMPY_ONCE) for name, kernel in by_hand.items()},
    }
    for _ in range(PAIRS * rounds):
        for name, (kernel, cell) in epochs_of.items():
            time.sleep(REST / 2)
            note(figures["pairs"], {name: kernel.run(cell)["train"]})
    for kernel in (*libraries.values(), peer, *by_hand.values()):
        kernel.close()


def starts(place: Place, framework: str, figures: Figures, rounds: int) -> None:
    """Measure imports and the loading of the data in fresh processes, by turns."""
    for i in range(rounds):
        say(f"{framework}: start {i + 1} of {rounds}")
        for library in place.pythons:
            code = cells.START.format(framework=framework, library=library)
            got = place.process(library, preparation(library, framework) + code)
            if library != "d2lutils":
                # what prepares it has imported the framework beforehand
                del got["import_framework"], got["import_beyond"]
            del got["wall"]
            note(figures[library], got)


def whole_run(place: Place, framework: str, figures: Figures) -> None:
    """Measure the section as a script, once with each library."""
    for library in place.pythons:
        code = section(library, framework) + cells.SCRIPT.format(epochs=10)
        got = place.process(library, code)
        got["script"] = got.pop("wall")
        note(figures[library], got)


def note(samples: dict[str, list[float]], figures: dict[str, float]) -> None:
    """Add one sample of each figure."""
    for name, value in figures.items():
        samples[name].append(value)


def openblas_hints() -> dict[str, dict[str, str]]:
    """What NumPy's OpenBLAS may be told of this processor, the best at the end.

    Without a hint it would run code of 2007 on some processors of 2024.
    """
    flags = processor().get("flags", "").split()
    hints: dict[str, dict[str, str]] = {"numpy_as_installed": {}}
    if "avx2" in flags:
        hints["numpy_avx2"] = {"OPENBLAS_CORETYPE": "HASWELL"}
    if "avx512vl" in flags:
        hints["numpy_avx512"] = {"OPENBLAS_CORETYPE": "SKYLAKEX"}
    return hints


def processor() -> dict[str, str]:
    """What Linux says of the first processor; nothing elsewhere."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def machine() -> dict[str, Any]:
    """Return what a reader of the figures must know of the machine."""
    cpu = processor()
    flags = cpu.get("flags", "").split()
    return {
        "date": date.today().isoformat(),
        "processor": cpu.get("model name", platform.processor()),
        "family": cpu.get("cpu family"),
        "cores": len(os.sched_getaffinity(0)),
        "vector": [f for f in ("avx2", "avx512f", "avx512_bf16") if f in flags],
        "system": platform.system(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def say(message: str) -> None:
    """Report progress."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
