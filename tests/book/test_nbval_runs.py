"""Tests that `pytest --nbval` fails if a notebook's outputs are no longer right.

The tests run small notebooks with the project's conftest.py.
"""

import base64
import io
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from booktools import FRAMEWORKS
from booktools.execution.forks import SUPPORTED

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[2]


def png(color):
    """Return a small picture in base64."""
    file = io.BytesIO()
    Image.new("L", (32, 32), color).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


PNG, NEAR, OTHER = png(100), png(101), png(200)
SHOW = "from IPython.display import display\ndisplay({}, raw=True)"


def cell(source, *outputs, count=1, **metadata):
    """Make a code cell with stored outputs. Strings stand for printed text."""
    outputs = [
        new_output("stream", text=output) if isinstance(output, str) else output
        for output in outputs
    ]
    return new_code_cell(
        source, outputs=outputs, execution_count=count, metadata=metadata
    )


def shown(text="", **data):
    """Make an output of IPython's display."""
    return new_output("display_data", {"text/plain": text, **data})


@pytest.fixture
def store(pytester):

    def store(folder, name, *cells):
        path = pytester.path / "notebooks" / folder / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=list(cells)), path)

    return store


@pytest.fixture
def outcomes(pytester, monkeypatch, store):
    """Store cells as a notebook, run it, and return each cell's outcome."""

    def run(cells, *options, folder="pytorch", more=""):
        conftest = (ROOT / "conftest.py").read_text(encoding="utf-8")
        pytester.makeconftest(conftest + more)
        store(folder, "small", *cells)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        result = pytester.runpytest_subprocess(
            "--nbval", "--nbval-current-env", "-rA", "notebooks", *options
        )
        words = [
            line.split()
            for line in result.outlines
            if re.match(r"[A-Z]+ .*small.ipynb::Cell ", line)
        ]
        found = {int(cell): outcome for outcome, _, cell, *_ in words}
        return [found.get(i) for i in range(len(cells))], result

    return run


ANIMATION = """from IPython.display import display
handle = display("first", display_id=True)
handle.update("second")"""
FIGURE = "print('train loss 0.382')"


def test_stored_outputs_must_be_reproduced(outcomes, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    svg = '<svg><path d="M 0 {}"/></svg>'
    display = SHOW.format({"text/plain": "", "image/svg+xml": svg.format("9.5")})
    picture = SHOW.format({"text/plain": "", "image/png": PNG})
    ask = "import os; print(os.environ.get({!r}))"
    inline = "module://matplotlib_inline.backend_inline\n"
    cases = [
        (cell(FIGURE, "train loss 0.382\n"), "PASSED"),
        (cell(FIGURE, "train loss 0.383\n"), "PASSED"),
        (cell(FIGURE, "train loss 0.392\n"), "FAILED"),
        (cell(FIGURE, "test loss 0.382\n"), "FAILED"),
        (cell(FIGURE), "FAILED"),
        (cell("x = 1", "train loss 0.382\n"), "FAILED"),
        (cell(FIGURE, count=None), "FAILED"),
        (cell("x = 1", count=None), "FAILED"),
        (cell("print((256, 784))", "(256, 784)\n"), "PASSED"),
        (cell("print((256, 784))", "(256, 785)\n"), "FAILED"),
        (cell(display, shown(**{"image/svg+xml": svg.format("9")})), "PASSED"),
        (cell(display, shown(**{"image/svg+xml": svg.format("8")})), "FAILED"),
        (cell(display, shown()), "FAILED"),
        (cell(picture, shown(**{"image/png": NEAR})), "PASSED"),
        (cell(picture, shown(**{"image/png": OTHER})), "FAILED"),
        (cell(picture, shown()), "FAILED"),
        (cell("'x'", shown(**{"image/png": PNG})), "FAILED"),
        (cell(ANIMATION, shown("'second'")), "PASSED"),
        (cell(ANIMATION, shown("'first'")), "FAILED"),
        (cell("raise ValueError", count=1), "FAILED"),
        # The kernel does not depend on the caller's settings.
        (cell(ask.format("PYTHONWARNINGS"), "None\n"), "PASSED"),
        (cell(ask.format("MPLBACKEND"), inline), "PASSED"),
        (cell(ask.format("OMP_NUM_THREADS"), "1\n"), "PASSED"),
        (cell("import time; time.sleep(0.6)"), "PASSED"),
        (cell("time.sleep(0.6)"), "PASSED"),
    ]
    cells, expected = zip(*cases, strict=True)
    found, result = outcomes(cells, more="\nBUDGET = 1\n")
    different = [
        f"{want} {one.source!r}"
        for one, want, got in zip(cells, expected, found, strict=True)
        if want != got
    ]
    said = result.stdout.str()
    assert not different, said
    # The message says where and how much a picture differs.
    result.stdout.fnmatch_lines(
        "*mismatch 'image/png': 100.00% of the pixels look different (columns 0 to 31*"
    )
    assert "base64" not in said
    lines = said.partition("slowest notebooks")[2].splitlines()
    seconds = re.fullmatch(r" +(\d+\.\d) s  (?:.*/)?small\.ipynb", lines[1])[1]
    assert float(seconds) >= 1.2
    assert "all 1; 1 took more than 1 s" in lines[2]


def test_a_killed_kernel_is_reported_at_once_and_other_notebooks_run(outcomes, store):
    store("jax", "other", cell("print(1)", "1\n"))
    start = time.monotonic()
    found, result = outcomes(
        [
            cell("print(1)", "1\n"),
            cell("print(2, flush=True); import os; os._exit(9)"),
            cell("print(3)", "3\n"),
        ],
        more="\nmissing_modules = lambda tag: []\n",
    )
    assert time.monotonic() - start < 60
    assert found == ["PASSED", "FAILED", "FAILED"]
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*The kernel died in this cell*", "*Not run: *"])


def test_a_selected_cell_runs_after_the_cells_before_it(outcomes):
    cells = [
        cell("x = 1"),
        cell("x += 1; print(x)", "3\n"),
        cell("x *= 5"),
        cell("print(x)", "10\n"),
        cell("print(x, 0)", "10\n"),
        cell("1 / 0"),
        cell("print(1)", "1\n"),
    ]
    found = ["PASSED", "FAILED", "PASSED", "PASSED", "FAILED", "FAILED", "PASSED"]
    assert outcomes(cells)[0] == found
    again = [each if each == "FAILED" else None for each in found]
    assert outcomes(cells, "--lf")[0] == again
    # If an earlier cell fails, the message names it.
    found, result = outcomes(cells, "-k", "Cell and (3 or 6)")
    assert [found[3], found[6]] == ["PASSED", "FAILED"]
    result.stdout.fnmatch_lines(["*Cell 5: Cell execution caused an exception*"])


def test_collecting_imports_nothing_that_builds_the_book():
    heavy = {"markdown_it", "matplotlib", "numpy", "PIL", "pybtex", "sphinx", "yaml"}
    code = f"import sys, conftest; print(*sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert (loaded.stdout.strip(), loaded.returncode) == ("", 0), loaded.stderr


MARKS = """
missing_modules = lambda tag: []

def pytest_collection_finish(session):
    for item in session.items:
        print(item.path.stem, *sorted(mark.name for mark in item.iter_markers()))
"""


def test_cells_are_marked_with_what_they_need(outcomes, store):
    store("all", "other", cell("x = 1"))
    options = {"folder": "pytorch", "more": MARKS}
    _, result = outcomes([cell("x = 1")], "--collect-only", "-q", **options)
    assert "small notebook pytorch" in result.outlines
    assert f"other {' '.join(sorted(['notebook', *FRAMEWORKS]))}" in result.outlines


def test_notebooks_of_a_missing_framework_are_skipped_with_a_reason(outcomes):
    more = "\nmissing_modules = lambda tag: ['no_such_module']\n"
    _, result = outcomes([cell("import nothing")], folder="tensorflow", more=more)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*no_such_module is not installed*"])


DIES = """
from nbval import plugin
starting, started = plugin.RunningKernel, []


def dies(*args, **options):
    started.append(0)
    if len(started) <= {times}:
        raise RuntimeError("Kernel died before replying to kernel_info")
    return starting(*args, **options)


plugin.RunningKernel = dies
"""


@pytest.mark.parametrize(("times", "outcome"), [(1, "PASSED"), (2, "ERROR")])
def test_a_kernel_that_dies_on_startup_is_restarted_once(outcomes, times, outcome):
    found, _ = outcomes([cell("print(1)", "1\n")], more=DIES.format(times=times))
    assert found == [outcome]


FORKED = """
import dataclasses
missing_modules = lambda tag: []
FRAMEWORKS["jax"] = dataclasses.replace(
    FRAMEWORKS["jax"], module="metrics", others=("colorsys",))
"""


@pytest.mark.skipif(not SUPPORTED, reason="kernels are forked on Linux")
def test_several_notebooks_of_a_framework_import_it_once(outcomes, store):
    ask = "import sys; print({'colorsys', 'd2lutils.metrics'} <= set(sys.modules))"
    store("jax", "other", cell(ask, "True\n"))
    asked = [cell(ask, "True\n")]
    found, result = outcomes(asked, folder="jax", more=FORKED)
    assert found == ["PASSED"], result.stdout.str()
    result.assert_outcomes(passed=2)
    # A single notebook needs no server.
    assert outcomes(asked, "-k", "small", folder="jax", more=FORKED)[0] == ["FAILED"]
