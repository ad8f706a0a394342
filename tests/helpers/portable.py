"""Runs notebooks as if on other machines, and names cells with a different output.

For each Python, with the releases in its environment, it runs the cells as usual, as if
without AVX-512 and without AVX2, with two and with four threads, and with another seed
for Python's hashes. It compares outputs by the rules of
``booktools.execution.compare``. To act like another processor, it tells the libraries
which instructions to use. Old JAX (such as 0.4.23) ignores this and runs as usual.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from booktools import ALL, FRAMEWORKS
from booktools.execution.compare import (
    COORDINATES,
    POINT_NUMBER,
    numbered,
    texts_agree,
)
from booktools.execution.environment import FOR_KERNELS

ROOT = Path(__file__).parents[2]


def processor(aten: str, mkl: str, onednn: str, openblas: str) -> dict[str, str]:
    """Return the variables that tell libraries which instructions they may use."""
    return {
        "ATEN_CPU_CAPABILITY": aten,
        "MKL_ENABLE_INSTRUCTIONS": mkl,
        "ONEDNN_MAX_CPU_ISA": onednn,
        "OPENBLAS_CORETYPE": openblas,
        "XLA_FLAGS": f"--xla_cpu_max_isa={mkl}",
    }


def threads(number: int) -> dict[str, str]:
    """Return the variables that set the number of threads."""
    names = "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "NPROC"
    return dict.fromkeys(names, str(number))


VARIANTS = {
    "usual": {},
    "avx2": processor("avx2", "AVX2", "AVX2", "Haswell")
    | {"NPY_DISABLE_CPU_FEATURES": "AVX512|X86_V4"},
    "sse4.2": processor("default", "SSE4_2", "SSE41", "Nehalem")
    | {"NPY_DISABLE_CPU_FEATURES": "AVX|X86_V[34]|F16C|FMA3"},
    "2-threads": threads(2),
    "4-threads": threads(4),
    "hashes": {"PYTHONHASHSEED": "1"},
}
"""NumPy's features are a pattern, as it warns of names that it or the machine lacks."""

FEATURES = """
try:
    from numpy._core import _multiarray_umath as core
except ImportError:
    from numpy.core import _multiarray_umath as core
print(*(name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]))
"""
XLA = "import jax; jax.numpy.zeros(1)"


def variables(python: str, wanted: dict[str, str]) -> dict[str, str]:
    """Return the variables that a Python's libraries understand."""
    kept = dict(wanted)
    if pattern := kept.pop("NPY_DISABLE_CPU_FEATURES", None):
        done = subprocess.run([python, "-c", FEATURES], capture_output=True, text=True)
        found = [each for each in done.stdout.split() if re.match(pattern, each)]
        kept["NPY_DISABLE_CPU_FEATURES"] = " ".join(found)
    if flags := kept.pop("XLA_FLAGS", None):
        own = os.environ | {"XLA_FLAGS": flags}
        if not subprocess.run(
            [python, "-c", XLA], env=own, capture_output=True
        ).returncode:
            kept["XLA_FLAGS"] = flags
    return kept


@pytest.hookimpl(tryfirst=True)
def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say in one line how far an output moved, because nbval shows only the first."""
    if op != "==" or not (isinstance(left, str) and isinstance(right, str)):
        return None
    return [f"moved: {change(left, right)}"]


def change(stored: str, new: str) -> str:
    """Say how far a text or drawing is from the stored one, which it doesn't match."""
    if "<svg" in stored and "<svg" in new:
        stored, new = numbered(stored), numbered(new)
        a, b = (
            POINT_NUMBER.findall("".join(COORDINATES.findall(s))) for s in (stored, new)
        )
        if len(a) != len(b):
            return f"a drawing of {len(a)} coordinates became one of {len(b)}"
        far = max(abs(float(x) - float(y)) for x, y in zip(a, b, strict=True))
        return f"a point of the drawing, by {far:.1f} pt"
    lines = itertools.zip_longest(stored.splitlines(), new.splitlines(), fillvalue="")
    moved = [pair for pair in lines if not texts_agree(*pair)]
    first = "{!r} became {!r}".format(*(line.strip() for line in moved[0]))
    return first + (f", and {len(moved) - 1} lines more" if moved[1:] else "")


def run(python: str, variant: str, notebooks: list[str], jobs: str) -> list[str]:
    """Run notebooks in a variant, print cells that moved, and return a table row."""
    kernels = variables(python, VARIANTS[variant])
    own = {FOR_KERNELS + name: value for name, value in kernels.items()}
    paths = [str(ROOT), str(Path(__file__).parent)]
    own |= {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    print(f"{python}, {variant}:", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "told.xml")
        # pytest itself shows how far it is.
        options = ["-q", "--tb=no", "-rN", "-p", "no:cacheprovider"]
        options += ["-p", "portable", "--nbval", f"--junitxml={told}"]
        options += ["-n", jobs, "--dist", "loadfile"]
        subprocess.run(
            [python, "-m", "pytest", *options, *notebooks],
            cwd=ROOT,
            env=os.environ | own,
        )
        if not told.is_file():
            print(f"{python}, {variant}: cannot run the notebooks")
            return [python, variant, "0", "all", "0", "0"]
        cases = list(ET.parse(told).iter("testcase"))
    counts = dict.fromkeys(("passed", "moved", "skipped"), 0)
    for case in cases:
        if case.find("skipped") is not None:
            counts["skipped"] += 1
        elif (failure := next(iter(case), None)) is not None:
            counts["moved"] += 1
            print(f"{python}, {variant}: {case.get('classname')} {case.get('name')}")
            print(*(f"    {line}" for line in reasons(failure.text)), sep="\n")
        else:
            counts["passed"] += 1
    seconds = time.perf_counter() - start
    return [python, variant, *map(str, counts.values()), f"{seconds:.0f}"]


def reasons(report: str) -> list[str]:
    """Return the lines of a failed cell's report that say what went wrong."""
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line).strip() for line in report.splitlines()]
    told = [line for line in lines if re.match("moved: |mismatch '[^']*': ", line)]
    return told or [line for line in lines if line][-1:]


def main() -> int:
    """Run everything asked for; return 1 if any output moved."""
    parser = argparse.ArgumentParser(prog="portable", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="all if none")
    parser.add_argument("--framework", nargs="+", default=[*FRAMEWORKS, ALL])
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--variant", nargs="+", default=[*VARIANTS], choices=VARIANTS)
    parser.add_argument("--jobs", default="logical", help="notebooks at a time")
    options = parser.parse_args()
    notebooks = [
        str(path.relative_to(ROOT))
        for framework in options.framework
        for path in sorted((ROOT / "notebooks" / framework).glob("*.ipynb"))
        if not options.sections or path.stem in options.sections
    ]
    if not notebooks:
        parser.error("no notebook of these sections and frameworks")
    table = [["Python", "variant", "same", "moved", "skipped", "seconds"]]
    for python, variant in itertools.product(options.python, options.variant):
        table.append(run(python, variant, notebooks, options.jobs))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
    return int(any(row[3] != "0" for row in table[1:]))


if __name__ == "__main__":
    sys.exit(main())
