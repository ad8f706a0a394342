"""Measure this project against the original library and the frameworks' own tools.

``make bench`` runs this. For each framework, one Jupyter kernel with this project and
one with the original library (d2l 0.17.6, in its own environment) run the book's
sections in turn, A/B/A/B, so other load on the machine affects both. We report medians
over the rounds. For a ratio, we take the median of the ratios in each round. Tables are
printed, and all results go into a JSON file, which ``python -m benchmarks.report`` puts
into the book.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import original
from benchmarks.kernels import Kernel, figures_in
from benchmarks.report import PAGE, ROOT, tables
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
# Pairs of one epoch of ours and one of NumPy per round. They run one right after the
# other, so the state of the machine doesn't affect their ratio.
PAIRS = 2
# Growth: we vary one of these, and keep the section's values of the others. For batch
# sizes and widths, we use part of the examples and scale the time up.
PART, ALL = 8192, 60000
FIXED = {"batch size": 256, "hidden width": 256, "examples": PART}
VARIED = {
    "batch size": (16, 64, 256, 1024, 4096),
    "hidden width": (64, 256, 1024, 4096),
    "examples": (1024, 4096, 15360, ALL),
}
TOOLS = "from benchmarks.work import report, start\n"
OPEN = "from benchmarks.frameworks.{} import Measured\nwork = Measured({})\n"
WARM_UP = "work.train_epoch(work.train_iter)\n"
Samples = dict[str, list[float]]  # one value per round, by name


def main() -> None:
    """Measure what the command line asks for."""
    arguments = parse()
    rounds = 1 if arguments.quick else arguments.rounds
    samples: dict[str, dict[str, Samples]] = {}
    results = {"machine": machine(), "rounds": rounds, "samples": samples, "growth": []}
    results["unit"] = "seconds; bytes for memory; lines printed; batches counted"
    measured = [FRAMEWORKS[tag] for tag in arguments.only or FRAMEWORKS]
    for each in measured[:]:
        if missing := missing_modules(each.tag):
            say(f"{each.title} is left out: {absence(missing)}")
            measured.remove(each)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), arguments.original)
        for framework in measured:
            own = samples[framework.module] = defaultdict(lambda: defaultdict(list))
            in_kernels(place, framework, own, rounds)
            compiled(place, framework, own["compile"])
            in_processes(place, framework, own, rounds)
            arguments.output.write_text(json.dumps(results, indent=1) + "\n")
        for framework in (*measured, None):
            points = growth(place, framework, 2 if arguments.quick else 1)
            results["growth"] += points
        arguments.output.write_text(json.dumps(results, indent=1) + "\n")
    written = json.loads(arguments.output.read_text())
    print(*tables(written).values(), sep="\n\n")
    print(f"\nwritten: {arguments.output}")


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    add, output = parser.add_argument, Path("_build/benchmark.json")
    add("--original", help="the Python that has the original library (default: none)")
    add("--output", type=Path, default=output, help="JSON file")
    add("--rounds", type=int, default=3, help="turns of each library (default: 3)")
    add("--only", action="append", choices=FRAMEWORKS, help="repeat it for several")
    add("--quick", action="store_true", help="one round, fewer points, rough figures")
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    return arguments


class Place:
    """Starts processes to measure in, and puts the data where each library looks.

    Args:
        folder: A temporary folder.
        python: The Python to run the original with, or ``None`` to leave it out.
    """

    def __init__(self, folder: Path, python: str | None) -> None:
        self.pythons = {OURS: sys.executable}
        if python:
            self.pythons["d2l"] = os.path.abspath(python)
        self.folder, self.work = folder, folder / "work"
        self.work.mkdir()
        self.data = Path(str(fashion_mnist.DATA))
        for place in original.DATA_FOLDERS:
            (folder / place).mkdir(parents=True)
            for name in fashion_mnist.FILES:
                (folder / place / name).symlink_to(self.data / name)

    def libraries(self, framework: Framework) -> list[str]:
        """List the libraries that offer a framework."""
        its = f"lib/*/site-packages/d2l/{framework.module}.py"
        return [
            name
            for name, python in self.pythons.items()
            if name == OURS or any(Path(python).parents[1].glob(its))
        ]

    def env(self, **more: str) -> dict[str, str]:
        """Return an ordinary user's environment, without hints for OpenBLAS."""
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

    def kernel(self, library: str = OURS, **env: str) -> Kernel:
        """Start a kernel like that of a notebook."""
        kernel = Kernel(self.pythons[library], self.env(**env), self.work)
        kernel.run(TOOLS)
        return kernel

    def process(self, library: str, code: str) -> dict[str, Any]:
        """Run code in a fresh process; return its figures and its ``wall`` time."""
        begun = time.perf_counter()
        done = subprocess.run(
            [self.pythons[library], "-c", TOOLS + code],
            env=self.env(MPLBACKEND="agg"),
            cwd=self.work,
            capture_output=True,
            text=True,
        )
        wall = time.perf_counter() - begun
        if done.returncode:
            raise RuntimeError(done.stderr)
        return figures_in(done.stdout) | {"wall": wall}


def preparation(library: str, framework: Framework) -> str:
    """Return code to run before the library is imported."""
    code = f"from benchmarks import original\noriginal.prepare({framework.module!r})\n"
    return code if library == "d2l" else ""


def section(
    library: str, framework: Framework, name: str, width: int = 256, batch: int = 256
) -> str:
    """Return the code of a section of the book, up to its first training run."""
    path = ROOT / "chapters" / f"{name}.md"
    cells = read_section(path.read_text("utf-8"), path).code_cells(framework.tag)
    code = "\n".join(cell.source for cell in cells)
    code = code[: re.search(r"^.*\btrain_ch3\(", code, re.M).start()]
    code = code.replace("784, 10, 256", f"784, 10, {width}")
    code = code.replace("batch_size = 256", f"batch_size = {batch}")
    if library != OURS:
        code = re.sub(r"d2l\.set_seed\(.*\n", "", code)
        code = code.replace(f"from {OURS} import", f"from {library} import")
    opened = OPEN.format(framework.module, "globals()")
    return preparation(library, framework) + code + opened


def counting(framework: Framework) -> str:
    """Return the code of the network that prints and counts on the performance page."""
    page = PAGE.read_text("utf-8")
    page = page[page.index("### What It Does to Your Code") :]
    tab = rf":::\{{framework\}} {framework.tag}\n```python\n(.*?)```"
    code = re.search(tab, page, re.S)[1]
    return re.split(r"^net\b", code, flags=re.M)[0]  # the rest compiles it


def in_kernels(
    place: Place, framework: Framework, samples: dict[str, Samples], rounds: int
) -> None:
    """Measure training in kernels, in turn."""
    with ExitStack() as stack:

        def kernel(code: str, library: str = OURS, **env: str) -> Kernel:
            opened = stack.enter_context(place.kernel(library, **env))
            opened.run(code)
            return opened

        scratch, layers = (
            {
                each: kernel(section(each, framework, name) + WARM_UP, each)
                for each in place.libraries(framework)
            }
            for name in (SCRATCH, LAYERS)
        )
        peer = kernel(section(OURS, framework, SCRATCH) + "work.prepare_peers()")
        numpy = OPEN.format("numpy", "") + WARM_UP
        by_hand = {name: kernel(numpy, **env) for name, env in openblas_hints().items()}
        fastest = list(by_hand.values())[-1]
        products = "dict(train=work.epoch(), products=work.products_time())"
        for i in range(rounds):
            say(f"{framework.title}: round {i + 1} of {rounds}")
            for library in scratch:
                epoch = f"work.training({EPOCHS[library]})"
                parts = "work.parts()", f"dict(epoch={epoch}, draw=work.drawing())"
                note(samples[library], scratch[library], *parts)
                note(samples[library], layers[library], f"dict(epoch_layers={epoch})")
            note(samples["peer"], peer, "work.peers()")
            note(samples["numpy"], fastest, products)
        say(f"{framework.title}: {PAIRS * rounds} epochs beside NumPy")
        peer.run("work.use_built_in_relu()\n" + WARM_UP)
        in_turn = {OURS: scratch[OURS], "built_in_relu": peer, **by_hand}
        for _ in range(PAIRS * rounds):
            for name, opened in in_turn.items():
                note(samples["pairs"], opened, f"dict({name}=work.epoch())")


def compiled(place: Place, framework: Framework, samples: Samples) -> None:
    """Measure how much time compiling saves, and what it does to code with state."""
    say(f"{framework.title}: compiling")
    scratch = section(OURS, framework, SCRATCH)
    stateful = scratch + counting(framework) + "work.counting()"
    either = "work.compile(False) or work.compile(True)"
    for name, code, compiling, measure in (
        ("model", scratch, "work.compile(False)", "epochs"),
        ("layers", section(OURS, framework, LAYERS), "work.compile(True)", "epochs"),
        ("stateful", stateful, either, "state"),
    ):
        with place.kernel() as kernel:
            kernel.run(code)
            eagerly = f"work.as_written({name == 'layers'}) or True"
            for how, cell in ("eager", eagerly), ("compile", compiling):
                if kernel.run(f"report(dict(done={cell}))")["done"]:
                    note(samples, kernel, f"work.{measure}('{how}_{name}')")


def in_processes(
    place: Place, framework: Framework, samples: dict[str, Samples], rounds: int
) -> None:
    """Measure imports, loading the data, and a whole section in fresh processes."""
    for library in place.libraries(framework) * rounds:
        say(f"{framework.title}: start of {library}")
        code = f"report(start({framework.module!r}, {library!r}))"
        got = place.process(library, preparation(library, framework) + code)
        unfit = {"wall"}
        if library == "d2l":  # its preparation imports the framework itself
            unfit |= {"import_framework", "import_beyond"}
        add(samples[library], {k: v for k, v in got.items() if k not in unfit})
    for library in place.libraries(framework):
        code = section(library, framework, SCRATCH) + "report(work.whole())"
        got = place.process(library, code)
        add(samples[library], {"section": got["wall"], "memory": got["memory"]})


def growth(
    place: Place, framework: Framework | None, step: int
) -> Iterator[dict[str, Any]]:
    """Measure how an epoch grows with batch size, hidden width and examples.

    Times are for 60,000 examples, unless we vary the examples. Without a framework, we
    measure NumPy, and the matrix products alone.
    """
    say(f"{framework.title if framework else 'NumPy'}: growth")
    hint = {} if framework else list(openblas_hints().values())[-1]
    cell = "dict({}=sorted(work.epoch() for _ in range(3))[1])"
    cells = [cell.format(framework.module if framework else "numpy")]
    cells += [] if framework else ["dict(products=work.products_time(3))"]
    with place.kernel(**hint) as kernel:
        for varies, values in VARIED.items():
            for value in values[::step]:
                batch, width, n = (FIXED | {varies: value}).values()
                code = OPEN.format("numpy", f"{width}, {batch}")
                if framework:
                    code = section(OURS, framework, SCRATCH, width, batch)
                kernel.run(f"{code}work.keep({n}, {batch})")
                for cell in cells:
                    for who, seconds in kernel.run(f"report({cell})").items():
                        seconds *= 1 if varies == "examples" else ALL / PART
                        point = {"who": who, "varies": varies, "value": value}
                        yield point | {"seconds": seconds}


def note(samples: Samples, kernel: Kernel, *cells: str) -> None:
    """Wait, then add what a kernel reports."""
    time.sleep(REST)
    for cell in cells:
        add(samples, kernel.run(f"report({cell})"))


def add(samples: Samples, figures: dict[str, float]) -> None:
    """Add one sample of each figure."""
    for name, value in figures.items():
        samples[name].append(value)


def openblas_hints() -> dict[str, dict[str, str]]:
    """Return hints about this processor for NumPy's OpenBLAS, the best one last.

    Without a hint, it uses code from 2007 on some processors from 2024.
    """
    flags = processor().get("flags", "").split()
    hints: dict[str, dict[str, str]] = {"numpy_as_installed": {}}
    if "avx2" in flags:
        hints["numpy_avx2"] = {"OPENBLAS_CORETYPE": "HASWELL"}
    if "avx512vl" in flags:
        hints["numpy_avx512"] = {"OPENBLAS_CORETYPE": "SKYLAKEX"}
    return hints


def processor() -> dict[str, str]:
    """Return what Linux says about the first processor, or {} on other systems."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def machine() -> dict[str, Any]:
    """Describe the machine for readers of the results."""
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
